"""The rows of a CSV file replace or join those of a table; every second key is there."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.tasks import csv_to_postgres

KEYED = (
    "CREATE TABLE people (id BIGINT PRIMARY KEY, email TEXT, name TEXT, qty BIGINT,"
    " price DOUBLE PRECISION, score DOUBLE PRECISION, day DATE, note TEXT)"
)


def old_rows(keys: str) -> str:
    """Write the INSERT of rows that have these keys, and other values than any that come."""
    old = "i, 'old' || i || '@example.com', 'Old', 0, 0, 0, DATE '2000-01-01', md5('old' || i)"
    return f"INSERT INTO people SELECT {old} FROM {keys} AS keys(i)"


def half_there(rows: int) -> tuple[str, ...]:
    """Make a table with every second key, and other values."""
    return KEYED, old_rows(f"generate_series(0, {rows} - 1, 2)")


TASK = replace(
    csv_to_postgres.TASK,
    name="postgres_upsert",
    title="CSV to PostgreSQL, half of the keys there",
    prepared=half_there,
)
