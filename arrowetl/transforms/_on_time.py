"""Rows that come too late for their windows, sent to the dead letters."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from arrowetl.observing import SET_APART
from arrowetl.sql import INPUT, literal, name
from arrowetl.stage import Rows, Scope, SQLStage, require
from arrowetl.transforms._spans import Span
from arrowetl.transforms._times import Times

_TICKS = name("arrowetl:ticks")
_NEWEST = name("arrowetl:newest")


@dataclass(frozen=True)
class OnTime(SQLStage):
    """Reject rows whose time is behind the newest before them by more than `lateness`.

    `WindowAggregator(lateness=...)` adds it. "Before" is the source's order, so the same rows are
    late whatever the batches. Rows without a time pass; the stage behind judges them.
    """

    column: str
    lateness: Span

    scope = Scope.STREAM
    rows = Rows.SAME
    sets_apart = True

    @property
    def label(self) -> str:
        """What the user wrote, and which part of it this is."""
        return "WindowAggregator, lateness"

    def select(self, schema: pa.Schema) -> str:
        """Give the SELECT that sets late rows apart; it streams."""
        require(schema, [self.column], where=self.label)
        times = Times.of(schema.field(self.column), 0, where=self.label)
        ticked = f"SELECT *, {times.ticks} AS {_TICKS} FROM {INPUT}"
        before = "OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        known = f"SELECT *, max({_TICKS}) {before} AS {_NEWEST} FROM ({ticked})"
        behind = f"({_NEWEST}::HUGEINT - {_TICKS} > {self.lateness.microseconds * times.scale})"
        reason = (
            f"{name(self.column)}::VARCHAR || {literal(' is more than ' + str(self.lateness))} || "
            f"' behind ' || ({times.from_ticks(_NEWEST)})::VARCHAR || ', which came before'"
        )
        apart = f"{{'code': 'late', 'reason': {reason}, 'column': {literal(self.column)}}}"
        return (
            f"SELECT * EXCLUDE ({_TICKS}, {_NEWEST}), CASE WHEN {behind} THEN {apart} END "
            f"AS {name(SET_APART)} FROM ({known})"
        )
