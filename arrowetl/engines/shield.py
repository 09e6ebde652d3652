"""What a run may tell of rows that a stage further on masks: everything but their values."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.arrow import scalar
from arrowetl.duck import stream_select
from arrowetl.engines.bridge import translate
from arrowetl.errors import WITHHELD, ArrowETLError, without_values
from arrowetl.observing import HIDDEN, UNTOLD, Observer, as_covered
from arrowetl.planning.masking import hidden, is_masked
from arrowetl.planning.plan import Plan
from arrowetl.rejected import PLACE
from arrowetl.sql import INPUT, literal, name

_REASON = "withheld: it may show what is masked further on"
_ERROR = re.compile(r"\berror\(\s*'((?:[^']|'')*)'", re.IGNORECASE)
_COLUMN = re.compile(r"when casting from source column (.*)$", re.MULTILINE)
_LINE = re.compile(r"^(LINE \d+: )(.*)\n *\^[ ^]*$", re.MULTILINE)
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
            counted: whether other values have to stay, as zeros, since nulls are counted; their
                fields say so.
        """
        covered = self._hidden(rows)
        if not covered:
            return rows
        columns = [
            _covered(column, counted) if field.name in covered else column
            for field, column in zip(rows.schema, rows.columns, strict=True)
        ]
        fields = [
            as_covered(field) if counted and field.name in covered else field
            for field in rows.schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, rows.schema.metadata))

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
        """Give what a source couldn't read, without its text, its key and what is said of it."""
        if not self.up:
            return why
        import pyarrow.compute as pc

        place = why.schema.get_field_index("source")
        *parts, key = why["source"].flatten()
        covered = pc.if_else(key.is_valid(), scalar(UNTOLD, pa.string()), key)
        source = pa.StructArray.from_arrays(
            [*parts, covered], fields=list(PLACE), mask=why["source"].is_null()
        )
        why = why.set_column(place, why.schema.field(place), source)
        for column, instead in (("reason", _REASON), ("text", UNTOLD)):
            place = why.schema.get_field_index(column)
            covered = pa.repeat(scalar(instead, pa.string()), why.num_rows)
            why = why.set_column(place, why.schema.field(place), covered)
        return why

    def told(self, error: BaseException, where: str) -> BaseException:
        """Give what went wrong on the way without values of rows, and without its cause.

        Of what DuckDB says that is its kind, and what the plan says itself: a column's name, a
        line of SQL, the text with which an ``error('...')`` begins. Exceptions that aren't ours,
        Arrow's or DuckDB's are somebody's own.
        """
        if self.up and isinstance(error, duckdb.Error | pa.ArrowException):
            error = translate(error, where)
        if not self.up or not isinstance(error, ArrowETLError):
            return error
        cause, told = error.__cause__, without_values(error)
        if isinstance(cause, duckdb.OutOfMemoryException):
            told.__cause__ = cause
        elif isinstance(cause, duckdb.Error) and str(told).endswith(WITHHELD):
            told.bare = f"{told}{self._own_words(cause)}"
            told = without_values(told)
        return told

    def _own_words(self, error: duckdb.Error) -> str:
        """Give those parts of DuckDB's message that are the plan's own."""
        plan, message = self.plan, str(error)
        sql = "\n".join(plan.statement(number) for number in range(len(plan.segments)))
        known = {each for step in plan.steps for each in step.before.names}
        found = ""
        column = _COLUMN.search(message)
        if column and column[1] in {*known, *plan.schema_in.names}:
            found += f" (column {column[1]!r})"
        begins = message.partition(" Error: ")[2]
        texts = (each.replace("''", "'") for each in _ERROR.findall(sql))
        longest = max(filter(begins.startswith, texts), key=len, default="")
        if longest:
            found += f": {longest}{UNTOLD}"
        line = _LINE.search(message)
        if line and line[2].strip(".") in sql:
            found += f"\n\n{line[0]}"
        return found


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
        instead = scalar(UNTOLD, kind)
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
        f"ELSE {literal(_REASON)} END AS reason FROM {INPUT}"
    )


def _listed(columns: list[str]) -> str:
    return f"({', '.join(map(literal, columns))})"
