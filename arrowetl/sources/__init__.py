"""Where rows come from: a file each."""
