"""What happens to rows on the way: a file each."""
