"""What a source and a destination of PostgreSQL both need: connections, errors, types."""
