"""A table of PostgreSQL's is copied into another database."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.tasks import postgres_to_parquet

TASK = replace(
    postgres_to_parquet.TASK,
    name="postgres_to_postgres",
    title="PostgreSQL to PostgreSQL",
    output="postgres",
)
