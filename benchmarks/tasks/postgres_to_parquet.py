"""A table of PostgreSQL's, with a primary key, becomes a Parquet file."""

from __future__ import annotations

from benchmarks.task import Dataset, Task
from benchmarks.tasks import parquet_to_sqlite

TASK = Task(
    name="postgres_to_parquet",
    title="PostgreSQL to Parquet",
    rows=1_000_000,
    dataset=Dataset("people", "parquet", parquet_to_sqlite.people),
    output="parquet",
    columns=parquet_to_sqlite.TASK.columns,
    reference="adbc",
    from_postgres=True,
)
