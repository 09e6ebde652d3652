"""Ten rules that are no regular expressions: all rows go on, with the share of rules they keep.

What the rules cost by themselves. Every contender also says how many rows broke each rule.
"""

from __future__ import annotations

from benchmarks.task import Dataset, Task
from benchmarks.tasks.csv_to_parquet import orders
from benchmarks.tasks.ten_rules import COLUMNS as READ
from benchmarks.tasks.ten_rules import RULES as WITH_EXPRESSIONS

RULES = (
    *(rule for rule in WITH_EXPRESSIONS if not rule.startswith("regexp")),
    "length(email) >= 3",
    "length(note) = 32",
    "city <> ''",
)
"""Six on single columns, four that are any predicates; null breaks none but the two."""

COLUMNS = {**READ, "quality_score": "DOUBLE"}

TASK = Task(
    name="plain_rules",
    title="CSV to Parquet, ten rules without regular expressions, scored",
    rows=5_000_000,
    dataset=Dataset("orders", "csv", orders),
    output="parquet",
    columns=COLUMNS,
)
