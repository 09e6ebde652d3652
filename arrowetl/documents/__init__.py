"""Text files that people write, read so that every value knows its line and its key."""
