"""What a run may tell of rows that a stage further on masks: everything but their values."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.arrow import scalar
from arrowetl.duck import stream_select
from arrowetl.errors import ReadError, StageError
from arrowetl.observing import HIDDEN, Observer
from arrowetl.planning.masking import hidden, is_masked
from arrowetl.planning.plan import Plan
from arrowetl.sql import INPUT, literal, name

REDACTED = "***"
_WITHHELD = "withheld: it may show what is masked further on"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_SHOWN = 20
"""So many characters of a value are looked for in a reason: it may be cut off behind them."""


@dataclass(frozen=True)
class Shield:
    """Hides the values of columns that a plan masks, wherever rows leave before.

    Attributes:
        plan: what runs.
        position: the step that the rows are on their way to; 0 for those out of the source.
    """

    plan: Plan
    position: int

    @property
    def up(self) -> bool:
        """Whether there is something to hide."""
        return is_masked(self.plan, self.position)

    def redacted(self, rows: pa.RecordBatch, *, counted: bool = False) -> pa.RecordBatch:
        """Give the rows with ``***`` for texts of hidden columns, and null for other values.

        Args:
            rows: of any schema.
            counted: whether other values have to stay, as zeros, since nulls are counted.
        """
        covered = self._hidden(rows)
        if not covered:
            return rows
        columns = [
            _covered(column, counted) if field.name in covered else column
            for field, column in zip(rows.schema, rows.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=rows.schema)

    def _hidden(self, rows: pa.RecordBatch) -> list[str]:
        columns = [column for column in rows.schema.names if column not in HIDDEN]
        return hidden(self.plan, self.position, columns)

    def without_values(self, why: pa.RecordBatch, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Give the reasons, without those that may show a hidden value.

        One is told if it names a column that isn't hidden, and no hidden value occurs in it.
        """
        covered = self._hidden(rows)
        if not covered:
            return why
        told = pa.RecordBatch.from_arrays(
            [why["reason"], why["column"], *rows.select(covered).columns],
            names=["reason", "column", *(f"c{number}" for number in range(len(covered)))],
        )
        nested = [kinds.is_nested(rows.schema.field(column).type) for column in covered]
        judged = stream_select(lambda _: _telling(covered, nested), iter([told]))
        reasons = pa.concat_arrays([batch["reason"] for batch in judged])
        place = why.schema.get_field_index("reason")
        return why.set_column(place, why.schema.field(place), reasons)

    def unread(self, why: pa.RecordBatch) -> pa.RecordBatch:
        """Give what a source couldn't read, without its text and what is said of it."""
        if not self.up:
            return why
        for column, instead in (("reason", _WITHHELD), ("text", REDACTED)):
            place = why.schema.get_field_index(column)
            covered = pa.repeat(scalar(instead, pa.string()), why.num_rows)
            why = why.set_column(place, why.schema.field(place), covered)
        return why

    def without_quotes(self, error: BaseException) -> BaseException:
        """Give what went wrong on the way without the values it quotes, and without its cause.

        Names of columns, and what the source's label says, stay.
        """
        if not self.up or not isinstance(error, ReadError | StageError):
            return error
        known = {each for step in self.plan.steps for each in step.before.names}
        known |= {*self.plan.schema_in.names, *re.findall(r"[^'\"]+", self.plan.source.label)}

        def covered(quoted: re.Match[str]) -> str:
            return quoted[0] if quoted[0][1:-1] in known else REDACTED

        bare = type(error).__new__(type(error))
        bare.__dict__.update(error.__dict__)
        bare.args = (_QUOTED.sub(covered, str(error)),)
        if isinstance(error.__cause__, duckdb.OutOfMemoryException):
            bare.__cause__ = error.__cause__
        return bare


@dataclass
class Shielded(Observer):
    """Shows an observer rows whose hidden values are covered."""

    observer: Observer
    shield: Shield

    def see(self, batch: pa.RecordBatch) -> None:
        """Show the batch, nulls and other values where they were."""
        self.observer.see(self.shield.redacted(batch, counted=True))

    def summary(self) -> pa.Table:
        """Give what the observer saw."""
        return self.observer.summary()


def _covered(column: pa.Array, counted: bool) -> pa.Array:
    kind = column.type
    if kinds.is_string(kind) or kinds.is_large_string(kind):
        instead = scalar(REDACTED, kind)
    elif counted and kinds.is_primitive(kind):
        # Zero in whatever type: a number, the year 1970, false.
        width = max(kind.bit_width // 8, 1)
        instead = pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(bytes(width))])[0]
    else:
        return pa.nulls(len(column), kind)
    import pyarrow.compute as pc

    return pc.if_else(pc.is_valid(column), instead, scalar(None, kind))


def _telling(covered: list[str], nested: list[bool]) -> str:
    # A reason may show any part of what is nested.
    seen = " OR ".join(
        f"c{number} IS NOT NULL"
        if whole
        else f"contains(lower(reason), left(lower(trim({value})), {_SHOWN}))"
        for number, whole in enumerate(nested)
        for value in [f"nullif(trim(c{number}::VARCHAR), '')"]
    )
    safe = f"{name('column')} IS NOT NULL AND {name('column')} NOT IN {_listed(covered)}"
    return (
        f"SELECT CASE WHEN {safe} AND NOT coalesce({seen}, false) THEN reason "
        f"ELSE {literal(_WITHHELD)} END AS reason FROM {INPUT}"
    )


def _listed(columns: list[str]) -> str:
    return f"({', '.join(map(literal, columns))})"
