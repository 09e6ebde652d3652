"""One row in all of a CSV file breaks a constraint of PostgreSQL's: the others are to arrive."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.task import Dataset
from benchmarks.tasks import csv_to_postgres
from benchmarks.tasks.parquet_to_sqlite import people

LIMIT = 100
"""Quantities from here on are refused."""


def checked(rows: int) -> tuple[str, ...]:  # noqa: ARG001
    """Make an empty table that refuses large quantities."""
    return (
        (
            "CREATE TABLE people (id BIGINT, email TEXT, name TEXT,"
            f" qty BIGINT CHECK (qty < {LIMIT}), price DOUBLE PRECISION, score DOUBLE PRECISION,"
            " day DATE, note TEXT)"
        ),
    )


def one_bad(rows: int) -> str:
    """Give the SELECT of the CSV file, with one large quantity in its middle."""
    bad = f"CASE WHEN id = {rows // 2} THEN 1000 ELSE qty END"
    return f"SELECT * REPLACE ({bad} AS qty) FROM ({people(rows)})"


TASK = replace(
    csv_to_postgres.TASK,
    name="postgres_one_bad",
    title="CSV to PostgreSQL, one bad row",
    dataset=Dataset("people_one_bad", "csv", one_bad),
    prepared=checked,
    function="postgres_bad_rows",
)
