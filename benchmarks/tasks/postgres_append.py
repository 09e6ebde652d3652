"""The rows of a CSV file join those of a table with a key; none of their keys is there yet."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.tasks import csv_to_postgres
from benchmarks.tasks.postgres_upsert import KEYED, old_rows


def others_there(rows: int) -> tuple[str, ...]:
    """Make a table with half as many rows, whose keys are below zero."""
    return KEYED, old_rows(f"generate_series(-{rows}, -1, 2)")


TASK = replace(
    csv_to_postgres.TASK,
    name="postgres_append",
    title="CSV to PostgreSQL, appended to a table with a key",
    prepared=others_there,
)
