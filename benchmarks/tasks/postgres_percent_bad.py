"""One row in a hundred breaks a constraint of PostgreSQL's: the others are to arrive."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.task import Dataset
from benchmarks.tasks import postgres_one_bad
from benchmarks.tasks.parquet_to_sqlite import people


def percent_bad(rows: int) -> str:
    """Give the SELECT of the CSV file, with large quantities here and there."""
    bad = "CASE WHEN id * 2654435761 % 100 = 7 THEN 1000 ELSE qty END"
    return f"SELECT * REPLACE ({bad} AS qty) FROM ({people(rows)})"


TASK = replace(
    postgres_one_bad.TASK,
    name="postgres_percent_bad",
    title="CSV to PostgreSQL, 1 % of rows bad",
    dataset=Dataset("people_percent_bad", "csv", percent_bad),
)
