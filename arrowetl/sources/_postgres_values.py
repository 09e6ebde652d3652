"""Batches as the driver gives them, made what the schema says: whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import ReadError
from arrowetl.postgres.types import Read


def made(arrays: Sequence[Any], columns: Sequence[Read], *, where: str) -> pa.RecordBatch:
    """Give the batch of these columns, with the types that `columns` state.

    Raises:
        ReadError: the driver gives a column as another type than was asked for.
    """
    right = [_column(array, read, where) for array, read in zip(arrays, columns, strict=True)]
    schema = pa.schema([(read.column, read.arrow) for read in columns])
    return pa.RecordBatch.from_arrays(right, schema=schema)


def _column(array: Any, read: Read, where: str) -> Any:
    if array.type != read.wire:
        raise ReadError(
            f"{where}: the driver gave column {read.column!r} as {array.type}, not {read.wire}; "
            "another version of adbc-driver-postgresql may do better"
        )
    return array if read.arrow == read.wire else _decimals(array, read.arrow, read.wire)


def _decimals(array: Any, kind: Any, wire: pa.DataType) -> Any:
    if kinds.is_int64(wire):
        # The integers are the decimals' digits: only the type around them is another one.
        wide = array.cast(pa.decimal128(19, 0))
        return pa.Array.from_buffers(kind, len(wide), wide.buffers(), wide.null_count, wide.offset)
    return array.cast(kind)
