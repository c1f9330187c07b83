"""A throwaway VPS in a container on this machine."""
