"""Rows on their way into a SQLite table: times as it has them, values that it has no form for.

A table keeps times as text, and text of two forms is two keys: '2024-01-02' isn't
'2024-01-02T00:00:00.000000'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.arrow import decoded, scalar
from arrowetl.errors import WriteError
from arrowetl.sinks.table import Column

_TO: dict[str, Callable[[Any], pa.DataType]] = {
    "TIMESTAMP": lambda _: pa.timestamp("us"),
    "TIMESTAMP_NS": lambda _: pa.timestamp("ns"),
    "TIMESTAMPTZ_NS": lambda kind: pa.timestamp("ns", kind.tz),
    "TIME_NS": lambda _: pa.time64("ns"),
}
"""The types of times as columns keep them, where rows may have others."""
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}
_DAYS = (-719_528, 2_932_896)
"""0000-01-01 and 9999-12-31: a year has four digits."""
_MOST = 2**63 - 1
_INFINITE = (2**31 - 1, _MOST)
"""What stands for infinity in DuckDB's dates and timestamps."""


def as_kept(schema: pa.Schema, places: Sequence[Column | None]) -> pa.Schema:
    """Give the rows' schema with times of the unit that their columns of the table have.

    >>> as_kept(pa.schema({"at": pa.date32()}), [Column("at", "TIMESTAMP")])
    at: timestamp[us]
    """
    return pa.schema(
        [
            field.with_type(_as_kept(field.type, to.kind.upper())) if to else field
            for field, to in zip(schema, places, strict=True)
        ],
        metadata=schema.metadata,
    )


def _as_kept(kind: Any, declared: str) -> pa.DataType:
    value = _plain(kind)
    is_date = kinds.is_date(value)
    timed = is_date or kinds.is_timestamp(value) or kinds.is_time(value)
    if not timed or declared not in _TO or (declared == "TIMESTAMP" and not is_date):
        return kind
    return _TO[declared](value)


def _plain(kind: Any) -> Any:
    """Give the type of the values of a dictionary, or of runs."""
    while kinds.is_dictionary(kind) or kinds.is_run_end_encoded(kind):
        kind = kind.value_type
    return kind


def fitting(
    batches: Iterable[pa.RecordBatch], kept: pa.Schema, *, where: str
) -> Iterator[pa.RecordBatch]:
    """Give the batches as they are, unless a value comes that SQLite can't be given.

    Costs a look at the least and the greatest value of columns of uint64, dates and timestamps.

    Args:
        batches: the rows.
        kept: the columns that go to the table, as it keeps them.
        where: the sink, for errors.

    Raises:
        WriteError: there is one.

    >>> batch = pa.record_batch({"n": pa.array([2**63], pa.uint64())})
    >>> list(fitting([batch], batch.schema, where="SQLiteLoader"))
    Traceback (most recent call last):
    arrowetl.errors.WriteError: SQLiteLoader: column 'n' has 9223372036854775808, and ...
    """
    for batch in batches:
        for field in kept:
            column = batch[field.name]
            limits = _limits(_plain(column.type), field.type)
            value = limits and _outside(column, *limits[:2])
            if limits and value:
                raise WriteError(f"{where}: column {field.name!r} has {value}, and {limits[2]}")
        yield batch


_AWAY = (
    "reject it or make it null before, cast it to text, or load into a destination that keeps it"
)


def _limits(kind: Any, kept: Any) -> tuple[int, int, str] | None:
    """Give the least and the greatest number that goes, and what is to be said of others."""
    if kinds.is_uint64(kind):
        why = f"SQLite's integers end at {_MOST}; cast it to DECIMAL(20, 0) or to text"
        return 0, _MOST, why
    if kinds.is_date(kind):
        per_day = 1 if kinds.is_date32(kind) else _PER_DAY["ms"]
    elif kinds.is_timestamp(kind) and kind.unit != "ns":
        per_day = _PER_DAY[kind.unit]
    else:
        return None
    if kinds.is_timestamp(kept) and kept.unit == "ns":
        last = _MOST * per_day // (_PER_DAY["us"] * 1000)
        return -last, last, f"the table's nanoseconds end with the years 1677 and 2262; {_AWAY}"
    first, last = _DAYS[0] * per_day, (_DAYS[1] + 1) * per_day - 1
    return first, last, f"the text that SQLite keeps has the years 0 to 9999; {_AWAY}"


def _outside(column: Any, first: int, last: int) -> str:
    """Give the value that isn't from `first` to `last`, as text; nothing if there is none."""
    column = decoded(column)
    number = column
    if not kinds.is_integer(column.type):
        number = column.view(pa.int32() if kinds.is_date32(column.type) else pa.int64())
    ends = pc.min_max(number).as_py()  # small: two numbers
    if ends["max"] is None or first <= ends["min"] <= ends["max"] <= last:
        return ""
    found = ends["max"] if ends["max"] > last else ends["min"]
    if kinds.is_integer(column.type):
        return str(found)
    if abs(found) in _INFINITE:
        return "infinity" if found > 0 else "-infinity"
    return str(scalar(found, number.type).cast(column.type).cast(pa.string()))
