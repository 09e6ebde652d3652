"""The rows of `ten_rules` from CSV to Parquet, with no rule: what the rules are compared with."""

from __future__ import annotations

from benchmarks.task import Dataset, Task
from benchmarks.tasks.csv_to_parquet import orders
from benchmarks.tasks.ten_rules import COLUMNS

TASK = Task(
    name="no_rules",
    title="CSV to Parquet, as it is",
    rows=5_000_000,
    dataset=Dataset("orders", "csv", orders),
    output="parquet",
    columns=COLUMNS,
)
