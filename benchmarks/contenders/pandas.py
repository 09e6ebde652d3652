"""pandas with its defaults, as most scripts have it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from benchmarks.tasks.csv_to_parquet import EMAIL, MIN_TOTAL
from benchmarks.tasks.parquet_to_sqlite import TABLE

LABEL = "pandas"
PACKAGES = ("pandas", "pyarrow")
NOT_APPLICABLE: dict[str, str] = {}
STARTUP = "import pandas"


def csv_to_parquet(source: Path, output: Path) -> None:
    """Read, clean and write whole frames."""
    import pandas as pd

    orders = pd.read_csv(source, parse_dates=["date"])
    orders = orders.dropna(subset=["price"])
    orders = orders[orders["email"].str.contains(EMAIL)]
    orders["city"] = orders["city"].str.strip(" ")
    orders["email"] = orders["email"].str.lower()
    orders["total"] = orders["price"] * orders["qty"]
    orders["year"] = orders["date"].dt.year
    orders = orders[orders["total"] > MIN_TOTAL]
    orders.to_parquet(output, index=False, compression="zstd", compression_level=3)


def parquet_to_sqlite(source: Path, output: Path) -> None:
    """`to_sql`, in chunks of 10,000 rows."""
    import pandas as pd

    people = pd.read_parquet(source)
    people["day"] = people["day"].astype(str)
    with sqlite3.connect(output) as target:
        people.to_sql(TABLE, target, index=False, chunksize=10_000)
    target.close()


def dedup(source: Path, output: Path) -> None:
    """`drop_duplicates` of the whole frame; there is no memory limit to set."""
    import pandas as pd

    customers = pd.read_parquet(source).drop_duplicates(subset=["email"], keep="first")
    customers.to_parquet(output, index=False, compression="zstd", compression_level=3)


def group_by(source: Path, output: Path) -> None:
    """Named aggregation."""
    import pandas as pd

    sales = pd.read_parquet(source)
    grouped = sales.groupby(["country", "product"], sort=False).agg(
        orders=("id", "size"),
        coupons=("coupon", "count"),
        customers=("customer", "nunique"),
        total=("amount", "sum"),
        mean=("amount", "mean"),
        largest=("amount", "max"),
    )
    grouped.reset_index().to_parquet(output, index=False, compression="zstd", compression_level=3)
