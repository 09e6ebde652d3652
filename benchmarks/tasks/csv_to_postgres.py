"""A CSV file of eight columns becomes a table of PostgreSQL, in one transaction."""

from __future__ import annotations

from benchmarks.task import Dataset, Task
from benchmarks.tasks import parquet_to_sqlite

TASK = Task(
    name="csv_to_postgres",
    title="CSV to PostgreSQL",
    rows=1_000_000,
    dataset=Dataset("people", "csv", parquet_to_sqlite.people),
    output="postgres",
    columns=parquet_to_sqlite.TASK.columns,
    reference="adbc",
)
