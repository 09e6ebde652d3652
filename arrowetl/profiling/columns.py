"""Batches taken apart into columns that statistics are made of, nested ones included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.profiling._sums import Floats


@dataclass(frozen=True)
class Part:
    """A column, or a part of a nested one.

    Attributes:
        name: parts of structs with a dot, elements of lists with ``[]``.
        values: what is in it.
        kind: its Arrow type, as its schema says.
    """

    name: str
    values: pa.Array
    kind: pa.DataType


def parts_of(batch: pa.RecordBatch) -> Iterator[Part]:
    """Give the columns of a batch, each followed by what is nested in it.

    >>> batch = pa.record_batch({"a": [{"b": [1, 2]}]})
    >>> [(part.name, len(part.values)) for part in parts_of(batch)]
    [('a', 1), ('a.b', 1), ('a.b[]', 2)]
    """
    for field, values in zip(batch.schema, batch.columns, strict=True):
        yield from _parts(field.name, values)


def _parts(name: str, values: pa.Array) -> Iterator[Part]:
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _parts(name, values.storage)
        return
    if kinds.is_map(kind):
        values = _list_of(values)
    if kinds.is_dictionary(kind):
        values = values.dictionary_decode()
    if kinds.is_decimal32(kind) or kinds.is_decimal64(kind):
        # Arrow has no functions for the smaller ones.
        values = values.cast(pa.decimal128(values.type.precision, values.type.scale))
    yield Part(name, values, kind)
    if kinds.is_struct(kind):
        for field, part in zip(kind, values.flatten(), strict=True):
            yield from _parts(f"{name}.{field.name}", part)
    elif is_list(values.type):
        yield from _parts(f"{name}[]", pc.list_flatten(values))


def _list_of(values: pa.Array) -> pa.Array:
    """Give a map as a list of its keys and items."""
    entry = pa.struct([("key", values.type.key_type), ("value", values.type.item_type)])
    return values.cast(pa.list_(entry))


def is_list(kind: pa.DataType) -> bool:
    """Whether values are lists of any kind."""
    tests = (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list)
    views = (kinds.is_list_view, kinds.is_large_list_view)
    return any(test(kind) for test in (*tests, *views))


def is_text(kind: pa.DataType) -> bool:
    """Whether values are texts, dictionaries resolved."""
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether values are numbers."""
    return bool(kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Whether values are bytes."""
    return bool(
        kinds.is_binary(kind)
        or kinds.is_large_binary(kind)
        or kinds.is_fixed_size_binary(kind)
        or kinds.is_binary_view(kind)
    )


_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def ticks(values: pa.Array) -> tuple[pa.Array, float]:
    """Give times as integers without nulls, and how many of them are a second.

    >>> ticks(pa.array([86400], pa.date32()))
    (<pyarrow.lib.Int64Array object at ...>
    [
      86400
    ], 1.1574074074074073e-05)
    """
    kind = values.type
    there = values.drop_null()
    if kinds.is_date32(kind):
        return there.cast(pa.int32()).cast(pa.int64()), 1 / 86_400
    if kinds.is_date64(kind):
        return there.cast(pa.int64()), 1000.0
    if kinds.is_time32(kind):
        return there.cast(pa.int32()).cast(pa.int64()), float(_PER_SECOND[kind.unit])
    return there.cast(pa.int64()), float(_PER_SECOND[kind.unit])


def doubles(values: pa.Array) -> Floats:
    """Give numbers as doubles; nulls as NaN.

    >>> doubles(pa.array([1, None]))
    array([ 1., nan])
    """
    if kinds.is_decimal(values.type):
        values = values.cast(pa.float64())
    found: Floats = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return found
