"""What the daemon knows for certain: one SQLite file, one writer, every answer after the disk has it."""
