"""What a task is: its data, what its output must hold, how long it may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal


def nothing(rows: int) -> tuple[str, ...]:  # noqa: ARG001
    """Give no statement: the output's database is empty."""
    return ()


@dataclass(frozen=True)
class Dataset:
    """A file that a task reads, made by one SELECT.

    The SELECT is arithmetic over the row number, with no `random()`, so the file holds the same
    rows on every machine, whatever the number of threads.
    """

    name: str
    suffix: Literal["csv", "parquet", "jsonl"]
    select: Callable[[int], str]
    """The SELECT that gives so many rows."""


@dataclass(frozen=True)
class Task:
    """One thing to do, the same for every contender."""

    name: str
    title: str
    rows: int
    """How many rows of input a full run has."""
    dataset: Dataset | None = None
    """None where there is nothing to read: the task is to start a Python program."""
    output: Literal["parquet", "sqlite", "postgres", ""] = ""
    reference: str = "duckdb"
    """The contender whose output is what every other's must hold."""
    from_postgres: bool = False
    """Whether the rows are read from a table of PostgreSQL's; it is filled beforehand."""
    prepared: Callable[[int], tuple[str, ...]] = nothing
    """The statements, for so many rows, that make the output's database what each run finds."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The output's columns with the DuckDB types in which their values are compared."""
    function: str = ""
    """The contenders' function; the task's name if empty."""
    timeout: float = 300
    """Seconds after which a run is stopped and its contender reported as timed out."""
    rounds: int = 1
    """How many times the stated number of runs; more for what takes milliseconds."""
    tenth_of: str = ""
    """The task with ten times the rows, to see how memory grows."""

    @property
    def served(self) -> bool:
        """Whether it needs a PostgreSQL server."""
        return self.from_postgres or self.output == "postgres"

    @property
    def does(self) -> str:
        """The name of the function that a contender does this task with."""
        return self.function or self.name
