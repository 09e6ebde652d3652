"""Where rows go: a file each."""
