"""Sessions in SQL: rows that follow each other closely, and are parted by silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arrowetl.sql import name
from arrowetl.transforms._grids import WINDOW

TICKS = name("arrowetl:ticks")
"""The column with a row's time as a number, as fine as its type has it."""
_LAST = name("arrowetl:last")


@dataclass(frozen=True)
class Sessions:
    """A session goes on while rows come, and ends when none came for `gap`.

    Attributes:
        gap: the silence, in ticks.
        keys: SQL of what has sessions of its own.
    """

    gap: int
    keys: Sequence[str]

    def spread(self, rows: str) -> str:
        """Give the SELECT that adds WINDOW, the number of a row's session among its keys'."""
        part = f"PARTITION BY {', '.join(self.keys)} " if self.keys else ""
        over = f"OVER ({part}ORDER BY {TICKS})"
        lagged = f"SELECT *, lag({TICKS}) {over} AS {_LAST} FROM ({rows})"
        begins = f"coalesce({TICKS} >= {_LAST} + {self.gap}, true)"
        return f"SELECT *, sum({begins}::BIGINT) {over}::BIGINT AS {WINDOW} FROM ({lagged})"
