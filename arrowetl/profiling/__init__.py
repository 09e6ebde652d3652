"""What data look like: statistics that merge, and the profile that is read from them."""
