"""Orders in Parquet become one row a country and product: six aggregates over 100,000 groups.

Amounts are quarters, so that their sums are exact in binary and the order of adding can't show.
"""

from __future__ import annotations

from benchmarks.task import Dataset, Task

KEYS = ("country", "product")


def sales(rows: int) -> str:
    """Give the SELECT of the Parquet file: twenty countries, five thousand products."""
    return f"""
        WITH numbered AS (
            SELECT i, (i * 2654435761) % 4294967291 AS r FROM range({rows}) AS rows(i)
        )
        SELECT
            i AS id,
            'country ' || r % 20 AS country,
            'product ' || r // 20 % 5000 AS product,
            r % 9973 AS customer,
            (r % 40000) / 4.0 AS amount,
            CASE WHEN r % 3 = 0 THEN 'coupon ' || r % 11 END AS coupon
        FROM numbered"""


TASK = Task(
    name="group_by",
    title="Group-by, six aggregates",
    rows=5_000_000,
    dataset=Dataset("sales", "parquet", sales),
    output="parquet",
    columns={
        "country": "VARCHAR",
        "product": "VARCHAR",
        "orders": "BIGINT",
        "coupons": "BIGINT",
        "customers": "BIGINT",
        "total": "DOUBLE",
        "mean": "DOUBLE",
        "largest": "DOUBLE",
    },
)
