"""NullRemover: rows, columns and values that are missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import chain
from typing import Any

import pyarrow as pa

from arrowetl.arrow import empty_batch
from arrowetl.duck import describe_select, stream_select
from arrowetl.errors import ConfigError, SchemaError
from arrowetl.spool import spooled
from arrowetl.sql import INPUT, literal, name
from arrowetl.stage import Rows, Scope, SQLStage, require
from arrowetl.transforms._arguments import choice, is_float, is_number, is_text, words
from arrowetl.transforms._fill import WORDS, fill_select, resolved

STRATEGIES = ("drop", "drop_all", "remove_fields", "fill")

_SPACE = literal(" \t\r\n\f\v\u00a0")
"""What may stand around a text that means null."""


@dataclass(frozen=True)
class NullRemover(SQLStage):
    """Drop rows with nulls, drop columns of nulls, or fill nulls.

    Args:
        strategy: `drop` removes rows with a null in any of the columns, `drop_all` those with a
            null in all of them; `remove_fields` removes those of the columns whose share of nulls
            is above `threshold`; `fill` puts `fill` in their place.
        columns: those to look at; all if None. The others are left alone.
        fill: what to put in the place of nulls, for `strategy="fill"`. A value by column, or one
            value for all columns of its kind (a number for numbers, text for text); or one of the
            words `mean`, `median` (of numbers; rounded to the column's type), `mode` (the most
            frequent, the smallest of several), `ffill` (the last value before, in the source's
            order) and `bfill` (the next one after). What has no value to fill from stays null.
        null_like: what else is null in these columns: texts, whatever their case and the space
            around them (`""` is a text of nothing but space); numbers; and NaN, as `"nan"` or
            `float("nan")`. They become nulls before anything else is done.
        threshold: the share of nulls that a column may have, from 0 up to but not 1.

    The schema stays as it is, but for `remove_fields`: which columns leave is known when all rows
    were seen, so they are kept in a temporary file till then. Constants cost nothing; `mean`,
    `median`, `mode`, `ffill` and `bfill` hold the rows once, spilled to disk where memory ends.

    Raises:
        ConfigError: an option makes no sense.

    >>> from arrowetl.testing import run_stage
    >>> people = pa.table({"name": ["Ada", " n/a ", None], "age": [36, None, 41]})
    >>> run_stage(NullRemover("drop", columns="name", null_like=["N/A"]), people).to_pylist()
    [{'name': 'Ada', 'age': 36}]
    >>> run_stage(NullRemover("fill", fill={"name": "?", "age": "mean"}), people).to_pydict()
    {'name': ['Ada', ' n/a ', '?'], 'age': [36, 38, 41]}
    >>> sparse = people.append_column("fax", pa.nulls(3, pa.string()))
    >>> run_stage(NullRemover("remove_fields"), sparse).column_names
    ['name', 'age']
    """

    strategy: str = "drop"
    _: KW_ONLY
    columns: str | Sequence[str] | None = None
    fill: Any = None
    null_like: str | Sequence[str | float] = ()
    threshold: float = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        choice(self.strategy, STRATEGIES, where="NullRemover", option="strategy")
        if self.columns is not None:
            object.__setattr__(self, "columns", words(self.columns, where="NullRemover"))
            if not self.columns:
                raise ConfigError("NullRemover: columns is empty; leave it out for all columns")
        object.__setattr__(self, "null_like", _null_like(self.null_like))
        if not 0 <= self.threshold < 1:
            raise ConfigError(
                f"NullRemover: threshold is {self.threshold!r}: it has to be from 0 up to but not 1"
            )
        self._check_fill()

    def __hash__(self) -> int:
        """Equal stages have equal hashes."""
        return hash((self.strategy, self.columns, self.null_like, self.threshold))

    def _check_fill(self) -> None:
        if (self.strategy == "fill") != (self.fill is not None):
            raise ConfigError(
                "NullRemover: strategy='fill' needs fill, and no other has it; "
                f"strategy is {self.strategy!r}, fill is {self.fill!r}"
            )
        if isinstance(self.fill, Mapping):
            if self.columns is not None:
                raise ConfigError("NullRemover: fill names its columns, so columns has no place")
            object.__setattr__(self, "fill", dict(self.fill))

    @property
    def scope(self) -> Scope:
        """A row by itself, unless other rows say what to fill in or which column to remove."""
        if self.strategy == "remove_fields" or any(
            isinstance(each, str) and each in WORDS for each in self._given()
        ):
            return Scope.STREAM
        return Scope.ROW

    @property
    def rows(self) -> Rows:
        """Rows are removed by `drop` and `drop_all` only."""
        return Rows.REMOVES if self.strategy in {"drop", "drop_all"} else Rows.SAME

    @property
    def dynamic(self) -> bool:
        """Which columns `remove_fields` leaves is known when the rows were seen."""
        return self.strategy == "remove_fields"

    def select(self, schema: pa.Schema) -> str | None:
        """Give the SELECT; None for `remove_fields`, which has to see the rows first."""
        columns, rows = self._columns(schema), self._cleaned(schema)
        if self.strategy == "remove_fields":
            return None
        if self.strategy == "fill":
            fills = resolved(self.fill, schema, self.columns, where=self.label)
            return fill_select(rows, fills, schema)
        present = (f"{name(column)} IS NOT NULL" for column in columns)
        good = (" AND " if self.strategy == "drop" else " OR ").join(present)
        return f"SELECT * FROM {rows} WHERE {good}"

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema as it is; `remove_fields` may take columns from it."""
        if not self.dynamic:
            return super().bind(schema)
        self._columns(schema)
        if not self.null_like:
            return schema
        return describe_select(self._all(schema), schema, where=self.label)

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Run the statement; `remove_fields` reads all, and then gives it without the columns."""
        if not self.dynamic:
            yield from super().process(batches)
            return
        cleaned = stream_select(self._all, batches) if self.null_like else batches
        first = next(cleaned, None)
        if first is None:
            return
        rows, nulls = 0, Counter[str]()

        def count(batch: pa.RecordBatch) -> None:
            nonlocal rows
            rows += batch.num_rows
            for column, values in zip(batch.schema.names, batch.columns, strict=True):
                nulls[column] += values.null_count

        with spooled(first.schema, chain((first,), cleaned), count) as spool:
            kept = self._kept(first.schema, rows, nulls)
            yield empty_batch(first.schema).select(kept)
            for batch in spool:
                yield batch.select(kept)

    def _kept(self, schema: pa.Schema, rows: int, nulls: Mapping[str, int]) -> list[str]:
        columns = self._columns(schema)
        gone = {column for column in columns if nulls[column] > self.threshold * rows}
        if len(gone) == len(schema.names):
            raise SchemaError(
                f"every column has more nulls than threshold={self.threshold} allows; "
                "none would be left",
                where=self.label,
            )
        return [column for column in schema.names if column not in gone]

    def _given(self) -> tuple[Any, ...]:
        return tuple(self.fill.values()) if isinstance(self.fill, dict) else (self.fill,)

    def _columns(self, schema: pa.Schema) -> Sequence[str]:
        named = self.columns or (tuple(self.fill) if isinstance(self.fill, dict) else ())
        require(schema, named, where=self.label)
        return named or schema.names

    def _all(self, schema: pa.Schema) -> str:
        return f"SELECT * FROM {self._cleaned(schema)}"

    def _cleaned(self, schema: pa.Schema) -> str:
        """Give what to select from: the input, with nulls for what is like null."""
        found = {
            column: _is_like(name(column), schema.field(column).type, self.null_like)
            for column in self._columns(schema)
        }
        cleaned = ", ".join(
            f"CASE WHEN {test} THEN NULL ELSE {name(column)} END AS {name(column)}"
            for column, test in found.items()
            if test
        )
        return f"(SELECT * REPLACE ({cleaned}) FROM {INPUT})" if cleaned else INPUT


def _null_like(values: Sequence[str | float]) -> tuple[str | float, ...]:
    """Give what is like null as a tuple, NaN as the word: NaN isn't equal to itself."""
    given = (values,) if isinstance(values, (str, float, int)) else tuple(values)
    for value in given:
        if isinstance(value, bool) or not isinstance(value, (str, float, int)):
            raise ConfigError(f"NullRemover: null_like takes texts and numbers, not {value!r}")
    return tuple("nan" if isinstance(v, float) and math.isnan(v) else v for v in given)


def _is_like(quoted: str, kind: pa.DataType, null_like: Sequence[str | float]) -> str:
    """Give the predicate that says whether a value is like null; nothing if none can be."""
    texts = [each for each in null_like if isinstance(each, str)]
    if is_text(kind):
        alike = ", ".join(f"lower(trim({literal(each)}, {_SPACE}))" for each in texts)
        return f"lower(trim({quoted}, {_SPACE})) IN ({alike})" if texts else ""
    tests = []
    if is_float(kind) and any(each.strip().lower() == "nan" for each in texts):
        tests.append(f"isnan({quoted})")
    numbers = [each for each in null_like if not isinstance(each, str)]
    if is_number(kind) and numbers:
        tests.append(f"{quoted} IN ({', '.join(map(literal, numbers))})")
    return " OR ".join(tests)
