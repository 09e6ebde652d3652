"""Values that hurt, by Arrow type: the extremes, the odd ones, and a null in every column."""

from __future__ import annotations

import math
from uuid import UUID

import pyarrow as pa
import pyarrow.types as kinds

DAY = 86_400
FIRST, LAST = -62_135_596_800, 253_402_300_799
"""Seconds from 1970 to the first moment of the year 1 and the last of 9999."""
NS_FIRST, NS_LAST = -(2**63) + 2 + 10**9, 2**63 - 1 - 10**9

TEXTS = ["", "a", "NULL", "é ☃ 🎉", ' "quoted", ', "two\nlines", "007", "2024-01-31", "x" * 300]
FLOATS = [0.0, -0.0, math.nan, math.inf, -math.inf, 0.1, 1.5]
BYTES = [b"", b"\x00", b"\xff\xfe", b"abc", b"\\x41"]
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _limits(kind: pa.DataType) -> list[int]:
    bits, signed = kind.bit_width, kinds.is_signed_integer(kind)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return [0, 1, low, high, high - 1]


def _floats(kind: pa.DataType) -> list[float]:
    most = {16: 65504.0, 32: 3.4028234663852886e38, 64: 1.7976931348623157e308}[kind.bit_width]
    least = {16: 2.0**-24, 32: 2.0**-149, 64: 5e-324}[kind.bit_width]
    return [*FLOATS, most, -most, least]


def _decimals(kind: pa.DataType) -> pa.Array:
    """Made of its bytes: pyarrow doesn't take the longest decimals from Python."""
    most = 10**kind.precision - 1
    digits = [0, most, -most, 1, -1, 0]
    width = kind.bit_width // 8
    data = b"".join(number.to_bytes(width, "little", signed=True) for number in digits)
    there = pa.py_buffer(bytes([0b011111]))
    return pa.Array.from_buffers(kind, len(digits), [there, pa.py_buffer(data)])


def _moments(kind: pa.DataType) -> list[int]:
    per = PER_SECOND[kind.unit]
    if kind.unit == "ns":
        return [0, 1, -1, 123_456_789, 1_000, NS_FIRST, NS_LAST]
    return [0, 1, -1, 1_706_659_200 * per, FIRST * per, LAST * per + per - 1, 951_782_399 * per]


def _spans(kind: pa.DataType) -> list[int]:
    per = PER_SECOND[kind.unit]
    return [0, 1, -1, DAY * per, -DAY * per - 1, 400 * DAY * per + 7, 3_599 * per]


def _times(kind: pa.DataType) -> list[int]:
    per = PER_SECOND[kind.unit]
    return [0, 1, DAY * per - 1, 3_600 * per]


def values_of(kind: pa.DataType) -> pa.Array:
    """Give the values of a type that hurt, with a null at the end.

    >>> values_of(pa.int8()).to_pylist()
    [0, 1, -128, 127, 126, None]
    """
    storage = _storage(kind)
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, storage)
    return storage


def _storage(kind: pa.DataType) -> pa.Array:  # noqa: C901, PLR0911, PLR0912 - a table
    if isinstance(kind, pa.BaseExtensionType):
        return _extension(kind)
    if kinds.is_null(kind):
        return pa.nulls(3)
    if kinds.is_boolean(kind):
        return pa.array([True, False, None], kind)
    if kinds.is_integer(kind):
        return pa.array([*_limits(kind), None], kind)
    if kinds.is_floating(kind):
        return pa.array([*_floats(kind), None], kind)
    if kinds.is_decimal(kind):
        return _decimals(kind)
    if kinds.is_fixed_size_binary(kind):
        return pa.array([bytes(kind.byte_width), b"\xff" * kind.byte_width, None], kind)
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        return pa.array([*TEXTS, None], kind)
    if kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_binary_view(kind):
        return pa.array([*BYTES, None], kind)
    if kinds.is_date(kind):
        days = [0, -1, FIRST // DAY, LAST // DAY, 19_753]
        scale = 1 if kinds.is_date32(kind) else DAY * 1000
        whole = pa.array([*(day * scale for day in days), None], f"int{kind.bit_width}")
        return whole.view(kind)
    if kinds.is_timestamp(kind):
        return pa.array([*_moments(kind), None], pa.int64()).view(kind)
    if kinds.is_time(kind):
        return pa.array([*_times(kind), None], f"int{kind.bit_width}").view(kind)
    if kinds.is_duration(kind):
        return pa.array([*_spans(kind), None], pa.int64()).view(kind)
    if kinds.is_interval(kind):
        spans = [
            (0, 0, 0),
            (14, 3, 10**9),
            (-1, -2, -3_000),
            (0, 0, 1),
            (0, 40, 25 * 3_600 * 10**9),
        ]
        return pa.array([*map(pa.MonthDayNano, spans), None], kind)
    return _nested(kind)


def _nested(kind: pa.DataType) -> pa.Array:
    if kinds.is_union(kind):
        return pa.UnionArray.from_dense(
            pa.array([0, 1], pa.int8()),
            pa.array([0, 0], pa.int32()),
            [values_of(kind.field(i).type) for i in range(kind.num_fields)],
            [kind.field(i).name for i in range(kind.num_fields)],
        )
    if kinds.is_dictionary(kind):
        values = values_of(kind.value_type).drop_null()
        codes = pa.array([0, len(values) - 1, 0, None], kind.index_type)
        return pa.DictionaryArray.from_arrays(codes, values)
    if kinds.is_run_end_encoded(kind):
        values = values_of(kind.value_type)
        ends = pa.array(range(2, 2 * len(values) + 1, 2), kind.run_end_type)
        return pa.RunEndEncodedArray.from_arrays(ends, values)
    if kinds.is_struct(kind):
        parts = [values_of(kind.field(i).type) for i in range(kind.num_fields)]
        size = max(map(len, parts))
        parts = [_padded(part, size) for part in parts]
        rows = pa.StructArray.from_arrays(parts, fields=list(kind))
        return pa.concat_arrays([rows, pa.nulls(1, kind)])
    if kinds.is_map(kind):
        items = values_of(kind.item_type)
        keys = pa.array([f"k{n}" for n in range(len(items))], kind.key_type)
        offsets = pa.array([0, len(items), len(items), len(items)], pa.int32())
        mask = pa.array([False, False, True])
        return pa.MapArray.from_arrays(offsets, keys, items, type=kind, mask=mask)
    return _lists(kind)


def _padded(array: pa.Array, size: int) -> pa.Array:
    return pa.concat_arrays([array, pa.nulls(size - len(array), array.type)])


def _lists(kind: pa.DataType) -> pa.Array:
    items = values_of(kind.value_type)
    if kinds.is_fixed_size_list(kind):
        whole = len(items) - len(items) % kind.list_size
        rows = pa.FixedSizeListArray.from_arrays(items.slice(0, whole), type=kind)
        return pa.concat_arrays([rows, pa.nulls(1, kind)])
    offsets = pa.array([0, len(items), len(items), len(items), len(items) + 1], pa.int32())
    mask = pa.array([False, False, True, False])
    with_null = pa.concat_arrays([items, pa.nulls(1, items.type)])
    listed = pa.ListArray.from_arrays(
        offsets, with_null, type=pa.list_(kind.value_field), mask=mask
    )
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return listed.cast(kind)
    return pa.array(listed.to_pylist(), kind)


def _extension(kind: pa.BaseExtensionType) -> pa.Array:
    match kind.extension_name:
        case "arrow.uuid":
            whole = [UUID(int=0).bytes, UUID(int=2**128 - 1).bytes, UUID(int=2**127 + 5).bytes]
            return pa.array([*whole, None], kind.storage_type)
        case "arrow.json":
            texts = ['{"a": [1, null]}', "null", '"x"', "[]", "1e400"]
            return pa.array([*texts, None], kind.storage_type)
        case _:
            return values_of(kind.storage_type)
