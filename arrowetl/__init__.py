"""Moves tabular data and cleans it on the way: Arrow end to end, DuckDB where SQL can say it."""
