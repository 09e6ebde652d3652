"""What arrowetl set itself, with the figures that say whether it is so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks import units
from benchmarks.contender import load
from benchmarks.results import TaskResult

Results = Mapping[str, TaskResult]


@dataclass(frozen=True)
class Target:
    """A figure and its limit."""

    text: str
    limit: float
    unit: Callable[[float], str]
    value: Callable[[Results], float | None]

    def row(self, results: Results) -> str:
        """Give the line of a Markdown table; empty if it wasn't measured."""
        value = self.value(results)
        if value is None:
            return ""
        verdict = "yes" if value <= self.limit else "**no**"
        return f"| {self.text} | {self.unit(self.limit)} | {self.unit(value)} | {verdict} |"


def median(task: str, contender: str, metric: str) -> Callable[[Results], float | None]:
    """Give the reader of one entry's median."""

    def value(results: Results) -> float | None:
        entry = results[task].entry(contender) if task in results else None
        return entry.median(metric) if entry else None

    return value


Value = Callable[[Results], "float | None"]


def over(above: Value, below: Value) -> Value:
    """Give the reader of a ratio."""

    def value(results: Results) -> float | None:
        top, bottom = above(results), below(results)
        return None if top is None or bottom is None else top / bottom

    return value


def beyond(above: Value, below: Value) -> Value:
    """Give the reader of a difference."""

    def value(results: Results) -> float | None:
        top, bottom = above(results), below(results)
        return None if top is None or bottom is None else top - bottom

    return value


def growth(results: Results) -> float | None:
    """Give how many times the peak memory is for ten times the rows."""
    large, small = results.get("csv_to_parquet"), results.get("memory_growth")
    if large is None or small is None or large.rows // 10 != small.rows:
        return None
    return over(
        median("csv_to_parquet", "arrowetl", "peak"), median("memory_growth", "arrowetl", "peak")
    )(results)


def against(title: str, task: str, rival: str, limit: float, *, metric: str = "wall") -> Target:
    """Give the target of taking at most so many times what a rival takes."""
    label, what = load(rival).label, "CPU time" if metric == "cpu" else "time"
    figure = over(median(task, "arrowetl", metric), median(task, rival, metric))
    return Target(f"{title}: of the {what} of {label}", limit, units.ratio, figure)


def beside(text: str, task: str, other: str, limit: float) -> Target:
    """Give the target of one task's time, of another's."""
    figure = over(median(task, "arrowetl", "wall"), median(other, "arrowetl", "wall"))
    return Target(text, limit, units.ratio, figure)


OURS = median("csv_to_parquet", "arrowetl", "wall")

TARGETS = (
    Target(
        "CSV to Parquet: of hand-written DuckDB's time",
        1.05,
        units.ratio,
        over(OURS, median("csv_to_parquet", "duckdb", "wall")),
    ),
    Target(
        "the same with one Python stage",
        1.3,
        units.ratio,
        over(
            median("csv_to_parquet", "arrowetl_map", "wall"),
            median("csv_to_parquet", "duckdb", "wall"),
        ),
    ),
    Target(
        "CSV to Parquet: of Polars' time",
        1.0,
        units.ratio,
        over(OURS, median("csv_to_parquet", "polars", "wall")),
    ),
    Target(
        "CSV to Parquet: of pandas' time",
        0.1,
        units.ratio,
        over(OURS, median("csv_to_parquet", "pandas", "wall")),
    ),
    against("CSV to PostgreSQL", "csv_to_postgres", "adbc", 1.1),
    against("CSV to PostgreSQL", "csv_to_postgres", "dlt", 0.25),
    against("PostgreSQL to Parquet", "postgres_to_parquet", "adbc", 1.1),
    against("PostgreSQL to Parquet", "postgres_to_parquet", "connectorx", 1.0),
    against("PostgreSQL to PostgreSQL", "postgres_to_postgres", "dlt", 1.0, metric="cpu"),
    beside(
        "upsert, half of the keys there: of the time of an append to a table with a key",
        "postgres_upsert",
        "postgres_append",
        2.0,
    ),
    beside(
        "the same: of the time of a load into a new table without a key",
        "postgres_upsert",
        "csv_to_postgres",
        2.0,
    ),
    beside(
        "one bad row in all: of the clean load's time", "postgres_one_bad", "csv_to_postgres", 1.25
    ),
    beside(
        "one row in a hundred bad: of the clean load's time",
        "postgres_percent_bad",
        "csv_to_postgres",
        3.0,
    ),
    beside(
        "ten rules on each row, no regular expression, scored: of the time without",
        "plain_rules",
        "no_rules",
        1.3,
    ),
    beside(
        "ten rules on each row, three of them regular expressions: of the time without",
        "ten_rules",
        "no_rules",
        1.3,
    ),
    Target(
        "a profile of a million rows by twenty columns",
        10,
        units.seconds,
        median("profile", "arrowetl", "wall"),
    ),
    Target(
        "its resident memory",
        5e8,
        units.size,
        median("profile", "arrowetl", "peak"),
    ),
    Target("ten times the rows: peak memory", 1.1, units.ratio, growth),
    Target(
        "deduplication under 1 GB: resident memory",
        1.4e9,
        units.size,
        median("dedup", "arrowetl", "peak"),
    ),
    Target(
        "`import arrowetl` beyond Python's start",
        0.15,
        units.seconds,
        beyond(median("startup", "arrowetl", "wall"), median("startup", "bare", "wall")),
    ),
    Target("`arrowetl --help`", 0.3, units.seconds, median("startup", "arrowetl_help", "wall")),
)
