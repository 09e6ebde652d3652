"""pandas with pyarrow's CSV reader and pyarrow's types: what a tuned script has."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tasks.csv_to_parquet import EMAIL, MIN_TOTAL

LABEL = "pandas, pyarrow engine"
PACKAGES = ("pandas", "pyarrow")
NOT_APPLICABLE: dict[str, str] = {}


def csv_to_parquet(source: Path, output: Path) -> None:
    """As pandas does it, with `engine` and `dtype_backend` set."""
    import pandas as pd

    orders = pd.read_csv(source, engine="pyarrow", dtype_backend="pyarrow")
    orders = orders.dropna(subset=["price"])
    orders = orders[orders["email"].str.contains(EMAIL)]
    orders["city"] = orders["city"].str.strip(" ")
    orders["email"] = orders["email"].str.lower()
    orders["total"] = orders["price"] * orders["qty"]
    orders["year"] = orders["date"].dt.year
    orders = orders[orders["total"] > MIN_TOTAL]
    orders.to_parquet(output, index=False, compression="zstd", compression_level=3)
