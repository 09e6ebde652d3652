"""Of the rows that share an email the first in the file is kept, in 1 GB where that can be asked.

A quarter of the rows repeat an earlier one's email, near or far; the order of the file is kept.
"""

from __future__ import annotations

from benchmarks.task import Dataset, Task

MEMORY_LIMIT = "1GB"


def customers(rows: int) -> str:
    """Give the SELECT of the Parquet file: each fourth row repeats a row before it."""
    return f"""
        WITH numbered AS (
            SELECT i, (i * 2654435761) % 4294967291 AS r FROM range({rows}) AS rows(i)
        ), keyed AS (
            SELECT i, r, CASE WHEN i % 4 = 3 THEN 4 * (r % (i // 4 + 1)) + r % 3 ELSE i END AS k
            FROM numbered
        )
        SELECT
            i AS id,
            'customer' || k || '@mail' || k % 97 || '.com' AS email,
            'Name ' || r % 100003 AS name,
            (r % 400000) / 4.0 AS amount,
            DATE '2015-01-01' + CAST(r % 3650 AS INTEGER) AS day
        FROM keyed"""


TASK = Task(
    name="dedup",
    title=f"Exact deduplication, memory_limit {MEMORY_LIMIT}",
    rows=20_000_000,
    dataset=Dataset("customers", "parquet", customers),
    output="parquet",
    columns={
        "id": "BIGINT",
        "email": "VARCHAR",
        "name": "VARCHAR",
        "amount": "DOUBLE",
        "day": "DATE",
    },
    timeout=480,
)
