"""What runs inside an agent's container.

Standard library only, and little of that: these imports are part of every run's start.
"""
