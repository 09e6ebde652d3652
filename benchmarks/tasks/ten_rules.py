"""Ten rules are held against each row of a CSV file: good rows go on, broken ones are counted.

Three rules are regular expressions, three are ranges, two say that there is a value, one lists the
values, one looks at two columns. Every contender also says how many rows broke each rule.
"""

from __future__ import annotations

from benchmarks.task import Dataset, Task
from benchmarks.tasks.csv_to_parquet import orders

EMAIL = r"[A-Za-z0-9.]+@[a-z]+\.(?:com|org)"
NOTE = "[0-9a-f]{32}"
CITY = "[^0-9]*"
DATES = ("2015-01-01", "2024-12-31")

RULES = (
    "id >= 0",
    "price <= 500",
    f"date BETWEEN DATE '{DATES[0]}' AND DATE '{DATES[1]}'",
    f"regexp_full_match(email, '{EMAIL}')",
    f"regexp_full_match(note, '{NOTE}')",
    f"regexp_full_match(city, '{CITY}')",
    "price IS NOT NULL",
    "qty IS NOT NULL",
    "qty IN (1, 2, 3, 4, 5, 6, 7, 8, 9)",
    "price * qty <= 4000",
)
"""In SQL, as the contenders that speak it hold them; null breaks none but the two."""

COLUMNS = {
    "id": "BIGINT",
    "email": "VARCHAR",
    "price": "DOUBLE",
    "qty": "BIGINT",
    "city": "VARCHAR",
    "date": "DATE",
    "note": "VARCHAR",
}

TASK = Task(
    name="ten_rules",
    title="CSV to Parquet, ten rules on each row",
    rows=5_000_000,
    dataset=Dataset("orders", "csv", orders),
    output="parquet",
    columns=COLUMNS,
)
