"""Aggregator: one row a group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import chain
from typing import Any

import pyarrow as pa

from arrowetl.duck import describe_select, expression_text
from arrowetl.errors import ConfigError, closest, did_you_mean
from arrowetl.sql import INPUT, name
from arrowetl.stage import Rows, Scope, SQLStage, require
from arrowetl.transforms._aggregates import (
    ROW,
    aggregate_sql,
    checked_argument,
    key_column,
    key_value,
    known_aggregate,
)
from arrowetl.transforms._arguments import words
from arrowetl.transforms._groups import SIZE, Grouping, refuse_objects, result_type

Wanted = str | Sequence[Any]


@dataclass(frozen=True)
class Aggregator(SQLStage):
    """Give one row a group: its keys, then the aggregates in the order they are named.

    Groups come sorted by their keys, nulls last; nulls form a group, NaN too. Without `group_by`
    there is one row, also for no rows. The answer doesn't depend on batches or threads, not even
    in the last digit of a sum of floats.

    An aggregate is one of

    - a column and a word: `("amount", "sum")`. The words are sum, avg (mean), min, max, count,
      count_distinct, approx_count_distinct, first, last, any_value, concat, list, median,
      quantile, std, var, mode, and every aggregate of DuckDB's. Some take a third value:
      `("amount", "quantile", 0.9)`, `("name", "concat", "; ")`.
    - a SQL expression: `"sum(price * amount) FILTER (WHERE paid)"`. What depends on the rows'
      order has to say which: `"list(id ORDER BY at)"`.
    - a column and a Python function: `("amount", numpy.ptp)`. It gets each group's values that
      aren't null as one NumPy array, read only, in the source's order.

    Sums of whole numbers are int64 (a sum past it ends the run; cast to DECIMAL before), sums of
    decimals are `decimal128(38, scale)`, sums of floats are doubles. `first` and `last` may be
    null; `any_value` is the first that isn't. `std` and `var` are those of a sample. `mode` is the
    smallest of several.

    Cost: a row a group in memory, spilled to disk where memory ends; but `list`, `concat`,
    `median`, `quantile`, `mode`, `std` and `var` hold all their values. `first`, `last`,
    `any_value`, `list` and `concat` number the rows, and a scan that is numbered runs on one
    thread. Functions sort the rows by group.

    Args:
        group_by: the keys.
        aggregations: what to compute, by the name of the column to put it in.
        returns: the Arrow types of what functions give, by the name of the column (`"double"`);
            found by calling them on an array of one value where it isn't said.

    Raises:
        ConfigError: an aggregate isn't known, or two columns would have one name.

    >>> from arrowetl.testing import run_stage
    >>> sales = pa.table({"shop": ["a", "b", "a"], "amount": [1.5, 2.0, 3.0]})
    >>> wanted = {"total": ("amount", "sum"), "big": "count(*) FILTER (WHERE amount > 1.8)"}
    >>> run_stage(Aggregator("shop", wanted), sales).to_pylist()
    [{'shop': 'a', 'total': 4.5, 'big': 1}, {'shop': 'b', 'total': 2.0, 'big': 1}]
    """

    group_by: Sequence[str]
    aggregations: Mapping[str, Any]
    _: KW_ONLY
    returns: Mapping[str, str | pa.DataType] = field(default_factory=dict)
    _order: tuple[str, ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        """Check keys, names and aggregates."""
        keys = words(self.group_by, where="Aggregator", option="group_by")
        wanted = {made: _checked(made, each) for made, each in self.aggregations.items()}
        object.__setattr__(self, "group_by", keys)
        object.__setattr__(self, "aggregations", wanted)
        object.__setattr__(self, "_order", tuple(wanted))
        if not keys and not wanted:
            raise ConfigError("Aggregator: there is nothing to group by and nothing to compute")
        lowered = [each.lower() for each in (*keys, *wanted)]
        twice = next((c for c in (*keys, *wanted) if lowered.count(c.lower()) > 1), None)
        if twice is not None:
            raise ConfigError(f"Aggregator: two columns would be called {twice!r}")
        types = {made: _type_name(made, kind) for made, kind in self.returns.items()}
        object.__setattr__(self, "returns", types)
        stray = next((made for made in types if made not in self.functions), None)
        if stray is not None:
            hint = did_you_mean(closest(stray, self.functions))
            raise ConfigError(f"Aggregator: returns names {stray!r}, which is no function's{hint}")

    def __hash__(self) -> int:
        """Equal stages have equal hashes."""
        return hash((self.group_by, tuple(self.aggregations.items()), tuple(self.returns)))

    @property
    def scope(self) -> Scope:
        """All rows of a group together; all rows where there is one group."""
        return Scope.KEY if self.group_by else Scope.STREAM

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns to group by."""
        return tuple(self.group_by)

    @property
    def rows(self) -> Rows:
        """Several become one; without keys there is one row even for none."""
        return Rows.MERGES if self.group_by else Rows.ANY

    @property
    def functions(self) -> dict[str, tuple[str, Callable[[Any], Any]]]:
        """The Python functions among the aggregates, with their columns."""
        pairs = (
            (made, each) for made, each in self.aggregations.items() if isinstance(each, tuple)
        )
        return {made: (each[0], each[1]) for made, each in pairs if callable(each[1])}

    def select(self, schema: pa.Schema) -> str | None:
        """Give one SELECT with a GROUP BY; None where a Python function has to run."""
        self._require(schema)
        return None if self.functions else self._grouped(schema)

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the keys, and a column an aggregate."""
        return self._grouping(schema).schema if self.functions else super().bind(schema)

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Run the statement; with Python functions, one over each group's values."""
        if not self.functions:
            yield from super().process(batches)
            return
        first = next(batches, None)
        if first is not None:
            yield from self._grouping(first.schema).run(chain((first,), batches), first.schema)

    def _require(self, schema: pa.Schema) -> None:
        used = [each[0] for each in self.aggregations.values() if isinstance(each, tuple)]
        require(schema, (*self.group_by, *used), where=self.label)

    def _grouped(self, schema: pa.Schema, *more: str) -> str:
        made = [
            f"{self._sql(schema, each)} AS {name(made)}"
            for made, each in self.aggregations.items()
            if made not in self.functions
        ]
        keys = [key_column(schema.field(key)) for key in self.group_by]
        rows = INPUT
        if any(name(ROW) in each for each in made):
            # Numbering streams, and so the numbers are the source's positions.
            rows = f"(SELECT *, row_number() OVER () AS {name(ROW)} FROM {INPUT})"
        places = ", ".join(str(place) for place in range(1, len(keys) + 1))
        order = f" ORDER BY {places}" if keys else ""
        columns = ", ".join([*keys, *made, *more])
        return f"SELECT {columns} FROM {rows} GROUP BY {places or '()'}{order}"

    def _sql(self, schema: pa.Schema, wanted: str | tuple[Any, ...]) -> str:
        if isinstance(wanted, str):
            return expression_text(wanted, where=self.label)
        column, word, argument = wanted
        return aggregate_sql(word, argument, schema.field(column), where=self.label)

    def _grouping(self, schema: pa.Schema) -> Grouping:
        self._require(schema)
        groups = self._grouped(schema, f"count(*) AS {name(SIZE)}")
        said = describe_select(groups, schema, where=self.label)
        types = {each.name: each.type for each in said}
        for made, (column, function) in self.functions.items():
            source = schema.field(column)
            refuse_objects(source, where=self.label)
            stated = self.returns.get(made)
            types[made] = (
                pa.type_for_alias(stated)
                if stated is not None
                else result_type(function, source, where=self.label)
            )
        after = pa.schema([(c, types[c]) for c in (*self.group_by, *self.aggregations)])
        order = [key_value(schema.field(key)) for key in self.group_by]
        return Grouping(groups, order, self.functions, after)


def _checked(made: str, wanted: Any) -> str | tuple[Any, ...]:
    """Give an aggregate as SQL text, or as column, word or function, and argument."""
    where = f"Aggregator: {made!r}"
    if isinstance(wanted, str):
        expression_text(wanted, where=where)
        return wanted
    parts = tuple(wanted) if isinstance(wanted, Sequence) else ()
    if len(parts) not in {2, 3} or not isinstance(parts[0], str):
        raise ConfigError(
            f"{where} is {wanted!r}: it has to be SQL, or a column and what to compute of it: "
            "('amount', 'sum')"
        )
    column, how, argument = parts[0], parts[1], parts[2] if len(parts) > 2 else None  # noqa: PLR2004
    if callable(how) and argument is None:
        return (column, how, None)
    if not isinstance(how, str):
        raise ConfigError(f"{where}: {how!r} is neither an aggregate's name nor a function")
    word = known_aggregate(how, where=where)
    return (column, word, checked_argument(word, argument, where=where))


def _type_name(made: str, kind: str | pa.DataType) -> str:
    """Give a type as Arrow's word for it, which compares, prints and pickles."""
    word = str(kind)
    try:
        pa.type_for_alias(word)
    except ValueError as error:
        raise ConfigError(
            f"Aggregator: returns {made!r}: {word!r} is no simple Arrow type; 'double', 'int64' "
            "and 'string' are"
        ) from error
    return word
