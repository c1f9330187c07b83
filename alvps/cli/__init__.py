"""The command line: a file per command. It parses, calls the rooms and prints; it decides nothing."""
