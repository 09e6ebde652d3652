"""SQLite's rows as batches of the types that were stated; rows that don't fit are set apart.

A table is first read as it is, as quickly as the driver can: the driver itself refuses a value of
another storage class than the column's. Where it does, or a text can't be parsed, the rest of the
table is read with care: SQLite looks at the class of each value, and names the row. The rows of a
query are read with care from the start, since the same query need not give the same order twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import TypeAlias

import pyarrow as pa

from arrowetl.sources._parsed import Parsed, parsed
from arrowetl.sources._sqlite_file import Database, Values
from arrowetl.sources._sqlite_types import EXAMPLES, Column
from arrowetl.sql import literal, name

MANY_ROWS = 8_192
"""Rows of a batch: a million of eight columns took 0.60 s by as many, 0.64 s by 65,536 or 2,048,
and 0.56 s the driver alone."""
BATCH_BYTES = 32 << 20
"""Bytes of a batch, unless a single row is larger."""
WIDEST = 500
"""Arguments of one call; SQLite takes 1,000."""

Refuse: TypeAlias = Callable[["Refused"], None]


@dataclass(frozen=True)
class Reading:
    """What to read."""

    rows: str
    """What stands after FROM."""
    columns: tuple[Column, ...]
    values: Values = ()
    """Of the query's parameters."""
    key: str | None = None
    """A SQL text expression that names a row; None where rows have no name."""
    ordered: bool = False
    """Whether it gives its rows in the same order each time."""

    @property
    def schema(self) -> pa.Schema:
        """What the rows become."""
        return pa.schema([(column.name, column.arrow) for column in self.columns])

    def plain(self) -> str:
        """Give the SELECT of the columns as they are, after a row of examples."""
        values = ", ".join(column.plain for column in self.columns)
        return self._after_examples(self.columns, f"SELECT {values} FROM {self.rows}")

    def careful(self, skipped: int) -> str:
        """Give the SELECT that leaves out values which don't fit, and says which, and where.

        Args:
            skipped: rows that have been read already.
        """
        values = ", ".join(column.careful for column in self.columns)
        offset = f" LIMIT -1 OFFSET {skipped}" if skipped else ""
        select = f"SELECT {values}, {self._misfits}, {self.key or 'NULL'} FROM {self.rows}{offset}"
        extra = (Column("misfits", pa.string()), Column("key", pa.string()))
        return self._after_examples((*self.columns, *extra), f"SELECT * FROM ({select})")

    @property
    def _misfits(self) -> str:
        known = [column for column in self.columns if column.fits]
        if not known:
            return "NULL"
        told = [_told(column) for column in known]
        while len(told) > 1:
            told = [
                f"concat({', '.join(told[at : at + WIDEST])})" for at in range(0, len(told), WIDEST)
            ]
        return (
            f"CASE WHEN NOT ({_all([f'({column.fits})' for column in known])}) THEN {told[0]} END"
        )

    def _after_examples(self, columns: Sequence[Column], select: str) -> str:
        # The driver infers types from the first batch: nulls in it would be integers for ever.
        return f"SELECT {', '.join(EXAMPLES[each.carrier] for each in columns)} UNION ALL {select}"


def _all(predicates: Sequence[str]) -> str:
    """Join predicates as a tree that is as deep as their number has digits: SQLite has a limit."""
    if len(predicates) == 1:
        return predicates[0]
    half = len(predicates) // 2
    return f"({_all(predicates[:half])} AND {_all(predicates[half:])})"


def _told(column: Column) -> str:
    """Give a value that doesn't fit as the member of a JSON object, in SQL: `"a":"X'00'",`."""
    quoted = name(column.name)
    member = f"json_quote({literal(column.name)}) || ':' || json_quote("
    # What isn't plain is shown by its bytes: it may not even be UTF-8.
    plain = f"CASE WHEN {quoted} GLOB '*[^ -~]*' THEN CAST({quoted} AS BLOB) ELSE {quoted} END"
    return f"CASE WHEN NOT ({column.fits}) THEN {member}quote({plain})) || ',' END"


@dataclass(frozen=True)
class Limits:
    """How many rows there may be."""

    driver: int
    """In what the driver gives at once."""
    batch: int
    """In a batch."""


@dataclass(frozen=True)
class Refused:
    """Rows that don't fit, as the driver gave them."""

    rows: pa.RecordBatch
    blamed: pa.Array
    """The name of the first column whose text couldn't be parsed; null where none is to blame."""
    misfits: pa.Array
    """Members of a JSON object: values of another storage class, by column; null where none is."""
    keys: pa.Array


class _Misfit(Exception):  # noqa: N818 - it is not an error: the rest is read with care
    """A value doesn't fit its column."""


def batches(
    database: Database, reading: Reading, limits: Limits, refuse: Refuse
) -> Iterator[pa.RecordBatch]:
    """Give the rows in batches; hand those that don't fit to `refuse`.

    Args:
        database: where they are; its transaction holds them still.
        reading: what to read.
        limits: of the driver's batches, and of those that are given.
        refuse: takes rows that don't fit.
    """
    done = 0
    if reading.ordered:
        try:
            for batch in _plain(database, reading, limits):
                yield batch
                done += batch.num_rows
        except _Misfit:
            pass
        else:
            return
    with_care = _raw(database, reading.careful(done), reading, limits)
    yield from _careful(with_care, reading.columns, refuse)


def _plain(database: Database, reading: Reading, limits: Limits) -> Iterator[pa.RecordBatch]:
    for raw in _raw(database, reading.plain(), reading, limits):
        columns = _parsed_columns(reading.columns, raw)
        if any(column.bad is not None for column in columns):
            raise _Misfit
        yield _batch(reading.columns, columns)


def _careful(
    rows: Iterator[pa.RecordBatch], columns: Sequence[Column], refuse: Refuse
) -> Iterator[pa.RecordBatch]:
    import pyarrow.compute as pc

    width = len(columns)
    for raw in rows:
        made = _parsed_columns(columns, raw)
        blamed = _blamed(columns, made, raw.num_rows)
        misfits, keys = raw.columns[width:]
        bad = pc.or_(blamed.is_valid(), misfits.is_valid())
        batch = _batch(columns, made)
        if bad.true_count:
            there = raw.select(list(range(width))).filter(bad)
            refuse(Refused(there, blamed.filter(bad), misfits.filter(bad), keys.filter(bad)))
            batch = batch.filter(pc.invert(bad))
        yield batch


def _raw(
    database: Database, sql: str, reading: Reading, limits: Limits
) -> Iterator[pa.RecordBatch]:
    """Give the driver's batches, without the row of examples, joined to larger ones."""
    wanted = [column.carried for column in reading.columns]
    try:
        with database.stream(sql, reading.values, limits.driver) as reader:
            first = reader.read_next_batch()
            if first.schema.types[: len(wanted)] != wanted:
                raise _Misfit
            yield from _joined(map(_numbered, chain([first.slice(1)], reader)), limits.batch)
    except OSError as error:
        if "Type mismatch in column" not in str(error):
            raise
        raise _Misfit from error


def _numbered(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give the batch with names that differ: its own are those of the examples."""
    return batch.rename_columns([f"c{at}" for at in range(batch.num_columns)])


def _joined(parts: Iterator[pa.RecordBatch], batch_size: int) -> Iterator[pa.RecordBatch]:
    """Join small batches, which costs a copy, and saves each that follows its own overhead."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for part in parts:
        if waiting and (rows + part.num_rows > batch_size or size + part.nbytes > BATCH_BYTES):
            yield _one(waiting)
            waiting, rows, size = [], 0, 0
        waiting.append(part)
        rows, size = rows + part.num_rows, size + part.nbytes
    if rows:
        yield _one(waiting)


def _one(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return parts[0] if len(parts) == 1 else pa.concat_batches(parts)


def _parsed_columns(columns: Sequence[Column], raw: pa.RecordBatch) -> list[Parsed]:
    return [parsed(raw.column(at), column.arrow) for at, column in enumerate(columns)]


def _batch(columns: Sequence[Column], made: Sequence[Parsed]) -> pa.RecordBatch:
    schema = pa.schema([(column.name, column.arrow) for column in columns])
    return pa.RecordBatch.from_arrays([each.values for each in made], schema=schema)


def _blamed(columns: Sequence[Column], made: Sequence[Parsed], rows: int) -> pa.Array:
    import pyarrow.compute as pc

    def first(later: pa.Array, pair: tuple[Column, Parsed]) -> pa.Array:
        column, result = pair
        return later if result.bad is None else pc.if_else(result.bad, column.name, later)

    return reduce(
        first, reversed(list(zip(columns, made, strict=True))), pa.nulls(rows, pa.string())
    )
