"""What runs inside an agent's container. Standard library only, and little of that: its imports are part of a run's start."""
