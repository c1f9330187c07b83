"""The program that decides when agents run, and writes down everything that it decided."""
