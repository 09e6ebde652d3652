"""Aggregator: one row a group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import chain
from typing import Any

import pyarrow as pa

from arrowetl.errors import ConfigError
from arrowetl.sql import INPUT, name
from arrowetl.stage import Rows, Scope, SQLStage
from arrowetl.transforms._aggregates import NUMBERED, key_column, key_value
from arrowetl.transforms._arguments import words
from arrowetl.transforms._groups import SIZE, Grouping
from arrowetl.transforms._wanted import Wanted, is_numbered, refuse_twins


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
        returns: the types of what functions give, Arrow's or DuckDB's, by the name of the column
            (`"double"`); found by calling them on an array of one value where it isn't said.

    Raises:
        ConfigError: an aggregate isn't known, or two columns would have one name.

    >>> from arrowetl.testing import run_stage
    >>> sales = pa.table({"shop": ["a", "b", "a"], "amount": [1.5, 2.0, 3.0]})
    >>> wanted = {"total": ("amount", "sum"), "big": "count(*) FILTER (WHERE amount > 1.8)"}
    >>> run_stage(Aggregator("shop", wanted), sales).to_pylist()
    [{'shop': 'a', 'total': 4.5, 'big': 1}, {'shop': 'b', 'total': 2.0, 'big': 1}]
    """

    group_by: str | Sequence[str]
    aggregations: Mapping[str, Any]
    _: KW_ONLY
    returns: Mapping[str, str | pa.DataType] = field(default_factory=dict)
    _order: tuple[str, ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        """Check keys, names and aggregates."""
        keys = words(self.group_by, where="Aggregator", option="group_by")
        wanted = Wanted.of(self.aggregations, self.returns, where="Aggregator")
        object.__setattr__(self, "group_by", keys)
        object.__setattr__(self, "aggregations", wanted.aggregations)
        object.__setattr__(self, "returns", wanted.returns)
        object.__setattr__(self, "_order", tuple(wanted.aggregations))
        if not keys and not wanted.aggregations:
            raise ConfigError("Aggregator: there is nothing to group by and nothing to compute")
        refuse_twins([*keys, *wanted.aggregations], where="Aggregator")

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
    def _wanted(self) -> Wanted:
        return Wanted(self.aggregations, self.returns, self.label)

    @property
    def functions(self) -> dict[str, tuple[str, Callable[[Any], Any]]]:
        """The Python functions among the aggregates, with their columns."""
        return self._wanted.functions

    def select(self, schema: pa.Schema) -> str | None:
        """Give one SELECT with a GROUP BY; None where a Python function has to run."""
        self._wanted.require(schema, *self.group_by)
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

    def _grouped(self, schema: pa.Schema, *more: str) -> str:
        made = self._wanted.columns(schema)
        keys = [key_column(schema.field(key)) for key in self.group_by]
        rows = f"({NUMBERED})" if is_numbered(made) else INPUT
        places = ", ".join(str(place) for place in range(1, len(keys) + 1))
        order = f" ORDER BY {places}" if keys else ""
        columns = ", ".join([*keys, *made, *more])
        return f"SELECT {columns} FROM {rows} GROUP BY {places or '()'}{order}"

    def _grouping(self, schema: pa.Schema) -> Grouping:
        self._wanted.require(schema, *self.group_by)
        groups = self._grouped(schema, f"count(*) AS {name(SIZE)}")
        after = self._wanted.schema(groups, schema, *self.group_by)
        order = [key_value(schema.field(key)) for key in self.group_by]
        return Grouping(groups, NUMBERED, order, self.functions, after)
