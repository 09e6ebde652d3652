"""A Parquet file of eight columns becomes a table of SQLite, in one transaction."""

from __future__ import annotations

from benchmarks.task import Dataset, Task

TABLE = "people"


def people(rows: int) -> str:
    """Give the SELECT of the Parquet file; one name in twenty and one score in ten are null."""
    return f"""
        WITH numbered AS (
            SELECT i, (i * 2654435761) % 4294967291 AS r FROM range({rows}) AS rows(i)
        )
        SELECT
            i AS id,
            'user' || r % 999983 || '@example.com' AS email,
            CASE WHEN r % 20 <> 3 THEN 'Name ' || r % 100003 END AS name,
            CAST(1 + r % 9 AS INTEGER) AS qty,
            (r % 400000) / 4.0 AS price,
            CASE WHEN r % 10 <> 7 THEN (r % 1000) / 8.0 END AS score,
            DATE '2015-01-01' + CAST(r % 3650 AS INTEGER) AS day,
            md5(CAST(i AS VARCHAR)) AS note
        FROM numbered"""


TASK = Task(
    name="parquet_to_sqlite",
    title="Parquet to SQLite",
    rows=1_000_000,
    dataset=Dataset("people", "parquet", people),
    output="sqlite",
    columns={
        "id": "BIGINT",
        "email": "VARCHAR",
        "name": "VARCHAR",
        "qty": "BIGINT",
        "price": "DOUBLE",
        "score": "DOUBLE",
        "day": "DATE",
        "note": "VARCHAR",
    },
)
