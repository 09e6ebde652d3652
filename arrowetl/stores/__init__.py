"""Object stores: what is in them, reading it, and putting files there all at once."""
