"""A CSV file of orders becomes a clean Parquet file, in five steps.

1. rows without a price go
2. rows whose email isn't one go (a regular expression)
3. the city loses the spaces around it
4. `total` and `year` are derived, the email is put in lower case
5. rows with a total of 10 or less go
"""

from __future__ import annotations

from benchmarks.task import Dataset, Task

EMAIL = r"^[A-Za-z0-9.]+@[a-z]+\.(?:com|org)$"
"""Means the same to RE2, Rust's regex and Python's re; one row in sixteen doesn't match."""

MIN_TOTAL = 10

CITIES = ("Paris", "São Paulo", "Zürich", "New York", "Kyiv", "Nairobi", "Osaka", "Lima")


def orders(rows: int) -> str:
    """Give the SELECT of the CSV file: about 95 bytes a row."""
    cities = ", ".join(f"'{city}'" for city in CITIES)
    return f"""
        WITH numbered AS (
            SELECT i, (i * 2654435761) % 4294967291 AS r FROM range({rows}) AS rows(i)
        )
        SELECT
            i AS id,
            'User.' || r % 999983 || CASE WHEN r % 16 = 5 THEN ' at ' ELSE '@' END
                || ['example', 'mail', 'shop'][1 + r % 3] || ['.com', '.org'][1 + r % 2] AS email,
            CASE WHEN r % 20 <> 3 THEN r % 500 || '.' || 10 + r // 500 % 90 END AS price,
            1 + r % 9 AS qty,
            '  ' || [{cities}][1 + r % {len(CITIES)}] || '   ' AS city,
            DATE '2015-01-01' + CAST(r % 3650 AS INTEGER) AS date,
            md5(CAST(i AS VARCHAR)) AS note
        FROM numbered"""


TASK = Task(
    name="csv_to_parquet",
    title="CSV to Parquet, five cleaning steps",
    rows=5_000_000,
    dataset=Dataset("orders", "csv", orders),
    output="parquet",
    columns={
        "id": "BIGINT",
        "email": "VARCHAR",
        "price": "DOUBLE",
        "qty": "BIGINT",
        "city": "VARCHAR",
        "date": "DATE",
        "note": "VARCHAR",
        "total": "DOUBLE",
        "year": "BIGINT",
    },
)
