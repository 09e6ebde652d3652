"""Batches as the driver gives them, made what the schema says: whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.errors import ReadError
from arrowetl.postgres.types import Read

FIRST_DAY = -2_440_588
"""The day with which PostgreSQL's calendar begins, 4714-11-24 BC. Less means infinity: the driver
adds to the largest number, which gives the least."""
FIRST_MICROSECOND = FIRST_DAY * 86_400_000_000
MIDNIGHT = 86_400_000_000


def made(batch: pa.RecordBatch, columns: Sequence[Read], *, where: str) -> pa.RecordBatch:
    """Give the batch with the types that `columns` state.

    Raises:
        ReadError: a value is none of its column's Arrow type; names the column.
    """
    arrays = [
        _column(array, read, where) for array, read in zip(batch.columns, columns, strict=True)
    ]
    schema = pa.schema([(read.column, read.arrow) for read in columns])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(array: Any, read: Read, where: str) -> Any:
    if array.type != read.wire:
        raise ReadError(
            f"{where}: the driver gave column {read.column!r} as {array.type}, not {read.wire}; "
            "another version of adbc-driver-postgresql may do better"
        )
    if read.arrow != read.wire:
        return _decimals(array, read, where)
    complaint = _complaint(array)
    if complaint:
        raise ReadError(
            f"{where}: column {read.column!r} has {complaint}: no {read.arrow} can hold that; "
            "read it as text, or as null, by a query"
        )
    return array


def _decimals(array: Any, read: Read, where: str) -> Any:
    kind: Any = read.arrow
    if kinds.is_int64(read.wire):
        # The integers are the decimals' digits: only the type around them is another one.
        wide = array.cast(pa.decimal128(19, 0))
        return pa.Array.from_buffers(kind, len(wide), wide.buffers(), wide.null_count, wide.offset)
    try:
        return array.cast(kind)
    except pa.ArrowInvalid as error:
        raise ReadError(
            f"{where}: column {read.column!r} is {read.declared} and has a value that {kind} "
            f"can't hold ({error}); make it null by a query: NULLIF({read.column}, 'NaN')"
        ) from error


def _complaint(array: Any) -> str | None:
    """Say what an array has that its type hasn't, if it has."""
    kind = array.type
    if kinds.is_list(kind):
        return _complaint(array.flatten())
    if kinds.is_date32(kind):
        least = _least(array, pa.int32())
        return "infinity" if least is not None and least < FIRST_DAY else None
    if kinds.is_timestamp(kind):
        least = _least(array, pa.int64())
        wrong = least is not None and least < FIRST_MICROSECOND
        return "infinity, or a time after the year 294246" if wrong else None
    if kinds.is_time64(kind):
        most = pc.max(array.view(pa.int64())).as_py()  # small: one value
        return "the time 24:00:00" if most is not None and most >= MIDNIGHT else None
    return None


def _least(array: Any, kind: pa.DataType) -> int | None:
    value: int | None = pc.min(array.view(kind)).as_py()  # small: one value
    return value
