"""JSON lines with an object and a list in each become a flat Parquet file."""

from __future__ import annotations

from benchmarks.task import Dataset, Task


def events(rows: int) -> str:
    """Give the SELECT of the lines: about 190 bytes each; one score in ten is null."""
    return f"""
        WITH numbered AS (
            SELECT i, (i * 2654435761) % 4294967291 AS r FROM range({rows}) AS rows(i)
        )
        SELECT
            i AS id,
            {{'email': 'user' || r % 999983 || '@example.com', 'age': 18 + r % 70}} AS person,
            (r % 400000) / 4.0 AS price,
            CASE WHEN r % 10 <> 7 THEN (r % 1000) / 8.0 END AS score,
            list_transform(range(r % 4), lambda each: 'tag' || (each + r) % 50) AS tags,
            DATE '2015-01-01' + CAST(r % 3650 AS INTEGER) AS day,
            md5(CAST(i AS VARCHAR)) AS note
        FROM numbered"""


TASK = Task(
    name="json_lines_to_parquet",
    title="JSON lines to Parquet",
    rows=2_000_000,
    dataset=Dataset("events", "jsonl", events),
    output="parquet",
    columns={
        "id": "BIGINT",
        "email": "VARCHAR",
        "age": "BIGINT",
        "price": "DOUBLE",
        "score": "DOUBLE",
        "tags": "BIGINT",
        "day": "DATE",
        "note": "VARCHAR",
    },
)
