"""Deduplicator: one row of those that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import ConfigError, SchemaError
from arrowetl.sql import INPUT, name, names
from arrowetl.stage import Rows, Scope, SQLStage, require
from arrowetl.transforms._arguments import choice, is_float, unused, words

KEEPS = ("first", "last", "best_quality")
SCORE = "quality_score"
"""The column by which rows are ranked where none is named: what `QualityScorer` adds."""

_ROWS = name("arrowetl:rows")
_KEPT = name("arrowetl:kept")


@dataclass(frozen=True)
class Deduplicator(SQLStage):
    """Keep one row of those with equal values.

    Nulls are equal to nulls, NaN to NaN, 0.0 to -0.0; text has to be equal to the letter. The rows
    that stay keep the source's order, whatever the batches and the threads are. Cost: the rows are
    held once, spilled to disk where memory ends, and the keys are hashed.

    Args:
        on: the columns to compare; all if None.
        method: `exact`.
        keep: `first` or `last` in the source's order, or `best_quality`: the one with the highest
            score, the first of those. (`keep_first` and its kin are the same words.)
        score_column: the score for `best_quality`. If None: `quality_score` where there is such a
            column, else how many values of the row aren't null. A null or NaN is the lowest.
        report_column: keeps every row, and adds a column of this name with the position (from 0,
            among the rows that come in) of the row that it repeats; null for those to keep.

    Raises:
        ConfigError: an option makes no sense.

    >>> from arrowetl.testing import run_stage
    >>> people = pa.table({"email": ["a@x", "b@x", "a@x"], "age": [1, 2, 3]})
    >>> run_stage(Deduplicator(on="email", keep="last"), people).to_pydict()
    {'email': ['b@x', 'a@x'], 'age': [2, 3]}
    >>> run_stage(Deduplicator(on="email", report_column="repeats"), people)["repeats"].to_pylist()
    [None, None, 0]
    """

    _: KW_ONLY
    on: Sequence[str] | None = None
    method: str = "exact"
    keep: str = "first"
    score_column: str | None = None
    report_column: str | None = None

    def __post_init__(self) -> None:
        """Check the options."""
        if self.method == "fuzzy":
            raise ConfigError("Deduplicator: method='fuzzy' isn't there yet, only 'exact'")
        choice(self.method, ("exact",), where="Deduplicator", option="method")
        keep = str(self.keep).removeprefix("keep_")
        object.__setattr__(self, "keep", choice(keep, KEEPS, where="Deduplicator", option="keep"))
        if self.score_column is not None and keep != "best_quality":
            raise ConfigError("Deduplicator: a score_column needs keep='best_quality'")
        if self.on is not None:
            object.__setattr__(self, "on", words(self.on, where="Deduplicator", option="on"))
            if not self.on:
                raise ConfigError("Deduplicator: on is empty; leave it out to compare all columns")

    @property
    def scope(self) -> Scope:
        """Equal rows together; all rows where positions are reported."""
        return Scope.KEY if self.report_column is None else Scope.STREAM

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that are compared."""
        return tuple(self.on or ())

    @property
    def rows(self) -> Rows:
        """Several become one, unless they are only reported."""
        return Rows.MERGES if self.report_column is None else Rows.SAME

    def select(self, schema: pa.Schema) -> str:
        """Number the rows, find the number to keep for each key, join, restore the order."""
        require(schema, self.on or (), where=self.label)
        row = name(unused("arrowetl:row", schema.names))
        keys = names(self.on or schema.names)
        best = self._best(schema, row)
        # Numbering streams, and so the numbers are the source's positions.
        numbered = (
            f"WITH {_ROWS} AS MATERIALIZED (SELECT *, row_number() OVER () AS {row} FROM {INPUT})"
        )
        if self.report_column is None:
            return (
                f"{numbered}, {_KEPT} AS (SELECT {best} AS {row} FROM {_ROWS} GROUP BY {keys}) "
                f"SELECT {_ROWS}.* EXCLUDE ({row}) FROM {_ROWS} "
                f"SEMI JOIN {_KEPT} USING ({row}) ORDER BY {row}"
            )
        self._refuse_clash(schema)
        kept = name(unused("arrowetl:kept", schema.names))
        return (
            f"{numbered} SELECT * EXCLUDE ({row}, {kept}), "
            f"CASE WHEN {kept} <> {row} THEN {kept} - 1 END AS {name(self.report_column)} "
            f"FROM (SELECT *, {best} OVER (PARTITION BY {keys}) AS {kept} FROM {_ROWS}) "
            f"ORDER BY {row}"
        )

    def _best(self, schema: pa.Schema, row: str) -> str:
        """Give the aggregate that finds the number of the row to keep."""
        if self.keep == "first":
            return f"min({row})"
        if self.keep == "last":
            return f"max({row})"
        score = self._score(schema)
        # False is less than true: rows without a score come last, and ties go to the first row.
        return f"arg_max({row}, row(({score}) IS NOT NULL, {score}, -{row}))"

    def _score(self, schema: pa.Schema) -> str:
        column = self.score_column or (SCORE if SCORE in schema.names else None)
        if column is None:
            return " + ".join(f"({name(each)} IS NOT NULL)::INTEGER" for each in schema.names)
        require(schema, [column], where=self.label)
        kind = schema.field(column).type
        if kinds.is_nested(kind):
            raise SchemaError(
                f"column {column!r} is {kind}, which has no highest value; score by a number",
                where=self.label,
                column=column,
            )
        quoted = name(column)
        return f"CASE WHEN NOT isnan({quoted}) THEN {quoted} END" if is_float(kind) else quoted

    def _refuse_clash(self, schema: pa.Schema) -> None:
        taken = {column.lower() for column in schema.names}
        if self.report_column is not None and self.report_column.lower() in taken:
            raise SchemaError(
                f"there is a column {self.report_column!r} already; call report_column otherwise",
                where=self.label,
                column=self.report_column,
            )
