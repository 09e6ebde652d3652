"""The statistics of rows, that merge; a profile is read from them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.errors import SchemaError
from arrowetl.instances import Instance
from arrowetl.profiling.columns import (
    Part,
    doubles,
    is_binary,
    is_list,
    is_number,
    is_text,
    parts_of,
    ticks,
)
from arrowetl.profiling.correlations import Products
from arrowetl.profiling.digits import Digits, whole
from arrowetl.profiling.numbers import Numbers
from arrowetl.profiling.texts import TextLook, Texts
from arrowetl.profiling.values import Counted, Values
from arrowetl.sampling import hashed

if TYPE_CHECKING:
    from arrowetl.patterns import Pattern

_ANY = 2**64 - 1
_LARGE = 256 * 2**20
"""Rows of so many bytes are looked at before they are a whole chunk."""
_MEMORY = "1GB"
"""Far more than a chunk takes, unless its texts are large; these are an error then."""
CHUNK = 65_536
"""How many rows are looked at together, whatever the batches: results don't depend on these."""
STRETCH = 64
"""Rows in a stretch of a map of nulls, before stretches are joined."""
STRETCHES = 120
"""Stretches of rows in a map of nulls, at most twice as many."""


@dataclass(frozen=True)
class Column:
    """What is known of a column; of parts it merges into that of the whole.

    Attributes:
        name: as in `ColumnProfile`.
        kind: the Arrow type.
        rows: how many values, nulls included.
        nulls: how many nulls.
        stretches: rows and nulls of stretches of rows, in order.
        values: which values; None for nested ones.
        numbers: of numbers; of times the ticks (days, or what the type counts).
        low: the smallest of whole numbers and decimals, which doubles may round; None of others.
        high: the largest.
        digits: of the whole numbers among numbers.
        per_second: how many ticks are a second; 0 for what isn't a time.
        texts: of texts.
        trues: how many are true.
        lengths: of lists.
        late: the patterns that were counted only from some chunk on.
    """

    name: str
    kind: pa.DataType
    rows: int = 0
    nulls: int = 0
    stretches: tuple[tuple[int, int], ...] = ()
    values: Values | None = None
    numbers: Numbers | None = None
    low: int | Decimal | None = None
    high: int | Decimal | None = None
    digits: Digits | None = None
    per_second: float = 0.0
    texts: Texts | None = None
    trues: int = 0
    lengths: Numbers | None = None
    late: frozenset[str] = frozenset()

    def merge(self, other: Column) -> Column:
        """Give what is known of both; `self` came first."""
        return replace(
            self,
            rows=self.rows + other.rows,
            nulls=self.nulls + other.nulls,
            stretches=_coarser((*self.stretches, *other.stretches)),
            values=_merged(self.values, other.values),
            numbers=_merged(self.numbers, other.numbers),
            low=_end(min, self.low, other.low),
            high=_end(max, self.high, other.high),
            digits=_merged(self.digits, other.digits),
            texts=_merged(self.texts, other.texts),
            trues=self.trues + other.trues,
            lengths=_merged(self.lengths, other.lengths),
            late=self.late | other.late,
        )


def _merged(mine: Any, theirs: Any) -> Any:
    return mine.merge(theirs) if mine is not None and theirs is not None else mine or theirs


def _end(choose: Any, *ends: int | Decimal | None) -> Any:
    there = [each for each in ends if each is not None]
    return choose(there) if there else None


def _coarser(stretches: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Join neighbours until they are few, and all of about one size."""
    size, total = STRETCH, sum(rows for rows, _ in stretches)
    while total > 2 * STRETCHES * size:
        size *= 2
    joined: list[tuple[int, int]] = []
    for rows, nulls in stretches:
        if joined and joined[-1][0] + rows <= size:
            rows, nulls = joined[-1][0] + rows, joined.pop()[1] + nulls  # noqa: PLW2901 - joined
        joined.append((rows, nulls))
    return tuple(joined)


@dataclass(frozen=True)
class Statistics:
    """What is known of some rows. Statistics of parts merge into those of the whole.

    A pattern is counted where at least one in a hundred of 500 different texts has it, which are
    looked at in the first, second, fourth, eighth... chunk of 65,536 rows, and in any other where
    personal data are among 64 values that weren't in the column before; its count is exact from
    there on, and says from how many values. A rarer one isn't told of.

    Counts, sums, means, deviations, smallest and largest values, quantiles, and what is said of
    different values are the same bit by bit as if all rows had been looked at together. Counts of
    the most frequent values of columns with many are bounds, and say so.

    Attributes:
        schema: the schema of the rows.
        rows: how many.
        columns: by name.
        products: for correlations, if they were asked for.
    """

    schema: pa.Schema
    rows: int = 0
    columns: Mapping[str, Column] = field(default_factory=dict)
    products: Products | None = None

    def merge(self, other: Statistics) -> Statistics:
        """Give the statistics of both; `self` came first.

        Raises:
            SchemaError: the rows have other columns or types; says which.
        """
        if not self.schema.equals(other.schema):
            raise _unlike(self.schema, other.schema)
        return Statistics(
            schema=self.schema,
            rows=self.rows + other.rows,
            columns={
                each: _merged(self.columns.get(each), other.columns.get(each))
                for each in dict.fromkeys((*self.columns, *other.columns))
            },
            products=_merged(self.products, other.products),
        )


def _unlike(first: pa.Schema, second: pa.Schema) -> SchemaError:
    """Give the error for statistics of rows that aren't alike; says how, and what to do."""
    theirs = dict(zip(second.names, second.types, strict=True))
    mine = dict(zip(first.names, first.types, strict=True))
    said = [
        *(f"only the first have {each!r}" for each in mine if each not in theirs),
        *(f"only the second have {each!r}" for each in theirs if each not in mine),
        *(
            f"{each!r} is {kind} in the first, {theirs[each]} in the second"
            for each, kind in mine.items()
            if each in theirs and theirs[each] != kind
        ),
    ]
    return SchemaError(
        f"rows can't be added to those of another schema: "
        f"{'; '.join(said) or 'the order of columns or their metadata differ'}. "
        "Give all parts one schema before they are looked at, by table.select and table.cast for "
        "instance, or look at them as one source",
        where="Statistics",
    )


class Looker:
    """Looks at rows as they come, and holds their statistics; close it after use."""

    def __init__(
        self,
        schema: pa.Schema,
        patterns: Mapping[str, Pattern],
        *,
        correlations: bool = False,
        threads: int | None = None,
    ) -> None:
        """Look at rows of `schema` for some patterns."""
        self.found = Statistics(schema)
        self.correlations = correlations
        self._duckdb = Instance(threads=threads, memory_limit=_MEMORY)
        workers = threads or os.cpu_count() or 1
        self._looks = SimpleQueue[TextLook]()
        for _ in range(workers):
            self._looks.put(TextLook(self._duckdb.connection.cursor(), patterns))
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="arrowetl-profile")
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0
        self._chunks = 0
        self._patterns: dict[str, set[str]] = {}
        self._late: dict[str, set[str]] = {}
        empty = pa.RecordBatch.from_arrays(
            [pa.nulls(0, each.type) for each in schema], schema=schema
        )
        self._take(empty)

    def close(self) -> None:
        """Let go of threads and connections."""
        self._workers.shutdown()
        while not self._looks.empty():
            self._looks.get().connection.close()
        self._duckdb.close(done=True)

    def see(self, batch: pa.RecordBatch) -> None:
        """Look at more rows."""
        while batch.num_rows:
            part = batch.slice(0, CHUNK - self._rows)
            batch = batch.slice(part.num_rows)
            self._waiting.append(part)
            self._rows += part.num_rows
            self._bytes += part.nbytes
            if self._rows == CHUNK or self._bytes > _LARGE:
                self._look()

    def statistics(self) -> Statistics:
        """Give the statistics of all rows that were seen."""
        self._look()
        return self.found

    def _look(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting, self.found.schema).combine_chunks()
        # What it was copied from is let go of before it is looked at.
        self._waiting, self._rows, self._bytes = [], 0, 0
        self._take(table.to_batches()[0])

    def _take(self, batch: pa.RecordBatch) -> None:
        columns = dict(zip(*self._columns(batch), strict=True))
        products = self._products(batch) if self.correlations and batch.num_rows else None
        self.found = Statistics(
            self.found.schema,
            self.found.rows + batch.num_rows,
            columns,
            _merged(self.found.products, products),
        )

    def _columns(self, batch: pa.RecordBatch) -> tuple[list[str], list[Column]]:
        parts = list(parts_of(batch))
        if batch.num_rows:
            self._look_for_patterns(parts)
        return [each.name for each in parts], list(self._workers.map(self._column, parts))

    def _products(self, batch: pa.RecordBatch) -> Products | None:
        names = [each.name for each in batch.schema if is_number(each.type)]
        columns = [doubles(batch[each]) for each in names]
        return Products.of(names, columns) if names else None

    def _look_for_patterns(self, parts: Iterable[Part]) -> None:
        """Choose the patterns to count.

        At the first chunk, the second, the fourth, the eighth; and where personal data show up.
        """
        self._chunks += 1
        texts = {each.name: each.values for each in parts if is_text(each.values.type)}
        numbers = {each.name: each.values for each in parts if is_number(each.values.type)}
        look = self._looks.get()
        try:
            if self._chunks & (self._chunks - 1):
                new = {
                    each
                    for each, seen in look.glimpsed(texts, numbers).items()
                    if seen - self._patterns.get(each, set())
                }
                texts = {each: values for each, values in texts.items() if each in new}
                numbers = {each: values for each, values in numbers.items() if each in new}
            found = {**look.likely(texts), **look.likely_of_numbers(numbers)}
            for name, likely in found.items():
                self._count(name, likely)
        finally:
            self._looks.put(look)

    def _count(self, column: str, patterns: set[str]) -> None:
        """Count patterns of a column from now on."""
        wanted, known = self._patterns.setdefault(column, set()), self.found.columns.get(column)
        if known and known.rows > known.nulls:
            self._late.setdefault(column, set()).update(patterns - wanted)
        wanted.update(patterns)

    def _column(self, part: Part) -> Column:
        """Give what is known of a column with one more part of it."""
        known, values = self.found.columns.get(part.name), part.values
        made = Column(
            part.name, part.kind, len(values), values.null_count, stretches=_stretches(values)
        )
        made = replace(made, late=frozenset(self._late.get(part.name, ())))
        look = self._looks.get()
        try:
            wanted = self._patterns.get(part.name, ())
            bound = known.values.bound if known and known.values else _ANY
            made = replace(made, **_kind(values, bound, look, wanted))
        finally:
            self._looks.put(look)
        return made if known is None else known.merge(made)


def _kind(
    values: pa.Array, bound: int, look: TextLook, patterns: Collection[str]
) -> dict[str, Any]:
    """Give what there is to know of values of their type."""
    kind = values.type
    if is_text(kind):
        texts, found = look.at(values, bound, patterns)
        return {"texts": texts, "values": found}
    if kinds.is_boolean(kind):
        return {"trues": values.true_count, "values": _booleans(values)}
    if is_list(kind):
        return {"lengths": Numbers.of(doubles(pc.list_value_length(values).drop_null()))}
    if kinds.is_temporal(kind) and not kinds.is_interval(kind):
        counted, per_second = ticks(values)
        return {**_ticks(counted), "per_second": per_second}
    if kinds.is_integer(kind) or kinds.is_floating(kind):
        return _numbers(values.drop_null(), look, patterns)
    if kinds.is_decimal(kind) or is_binary(kind):
        return _others(values, bound, look, patterns)
    return {}


def _others(
    values: pa.Array, bound: int, look: TextLook, patterns: Collection[str]
) -> dict[str, Any]:
    """Give what there is to know of what NumPy doesn't hold: DuckDB groups it."""
    # DuckDB has no decimals of more than 38 digits.
    wide = kinds.is_decimal256(values.type)
    found = look.others(values.cast(pa.string()) if wide else values, bound)
    if is_binary(values.type):
        return {"values": found}
    return {
        "values": found,
        "numbers": Numbers.of(doubles(values.drop_null())),
        "low": pc.min(values).as_py(),  # small: one
        "high": pc.max(values).as_py(),  # small: one
        "digits": look.digits(*look.decimals(as_text=wide), patterns),
    }


def _stretches(values: pa.Array) -> tuple[tuple[int, int], ...]:
    """Count nulls in stretches of rows."""
    if not len(values):
        return ()
    starts = np.arange(0, len(values), STRETCH)
    rows = np.diff(np.append(starts, len(values)))
    missing = values.is_null().to_numpy(zero_copy_only=False).astype(np.int64)
    gone = np.add.reduceat(missing, starts)
    return _coarser(tuple(zip(rows.tolist(), gone.tolist(), strict=True)))


def _booleans(values: pa.Array) -> Values:
    found, counts = np.unique(values.drop_null().to_numpy(zero_copy_only=False), return_counts=True)
    return _values(found.astype(np.int64), counts)


def _ticks(values: pa.Array) -> dict[str, Any]:
    found, counts = np.unique(values.to_numpy(zero_copy_only=False), return_counts=True)
    return _integers(found, counts)


def _integers(found: Any, counts: Any) -> dict[str, Any]:
    keys = found.view(np.int64) if found.dtype == np.uint64 else found.astype(np.int64)
    numbers = Numbers.of(found.astype(np.float64), counts)
    low, high = (int(found[0]), int(found[-1])) if len(found) else (None, None)
    return {"numbers": numbers, "low": low, "high": high, "values": _values(keys, counts, found)}


def _numbers(values: pa.Array, look: TextLook, patterns: Collection[str]) -> dict[str, Any]:
    numbers = values.to_numpy(zero_copy_only=False)
    if kinds.is_floating(values.type):
        numbers = numbers.astype(np.float64) + 0.0
    found, counts = np.unique(numbers, return_counts=True)
    if kinds.is_integer(values.type):
        made = _integers(found, counts)
    else:
        made = {"numbers": Numbers.of(found, counts), "values": _values(found, counts)}
    return {**made, "digits": look.digits(*whole(found, counts), patterns)}


def _values(keys: Any, counts: Any, shown: Any = None) -> Values:
    """Give which values there are of 64 bits each."""
    return Values.of(Counted(hashed(keys), counts, pa.array(keys if shown is None else shown)))


def statistics_of(
    reader: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    patterns: Mapping[str, Pattern],
    *,
    correlations: bool = False,
) -> Statistics:
    """Give the statistics of batches of `schema`, in one pass and bounded memory."""
    with closing(Looker(schema, patterns, correlations=correlations)) as look:
        for batch in reader:
            look.see(batch)
        return look.statistics()
