"""Which numbers a type keeps exactly, and which values a floating one would round.

A double has 53 bits: every int32 is one, an int64 beyond 9007199254740992 mostly isn't, and of
fractions in decimal hardly any is. No value becomes a Python object.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from math import floor, log10
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.arrow import Flags, decoded, flags_array
from arrowetl.nesting import LISTS

_BITS = {16: 11, 32: 24, 64: 53}
"""Of the whole numbers that a floating type of so many bits keeps, all of them."""


def keeps(kind: pa.DataType, into: pa.DataType) -> bool:
    """Say whether a type has every number of another, in lists and structs too.

    What is no number is left to whoever casts it, and so are numbers that are too large: a cast
    refuses them.

    >>> keeps(pa.int32(), pa.float64()), keeps(pa.int64(), pa.float64())
    (True, False)
    >>> keeps(pa.list_(pa.uint64()), pa.list_(pa.decimal128(20, 0)))
    True
    """
    return all(_kept(one, other) for one, other in _numbers(kind, into))


def may_keep(kind: pa.DataType, into: pa.DataType) -> bool:
    """Say whether a type has many numbers of another, and `rounded` finds those it hasn't.

    >>> may_keep(pa.int64(), pa.float64()), may_keep(pa.decimal128(9, 2), pa.float64())
    (True, False)
    """
    return all(
        _kept(one, other) or (kinds.is_floating(other) and _is_whole(one))
        for one, other in _numbers(kind, into)
    )


def _numbers(kind: Any, into: Any) -> Iterator[tuple[Any, Any]]:
    """Give the types inside of two, where both have them; structs' parts by name, as DuckDB."""
    if kinds.is_dictionary(kind) or kinds.is_run_end_encoded(kind):
        yield from _numbers(kind.value_type, into)
    elif isinstance(kind, pa.BaseExtensionType):
        yield from _numbers(kind.storage_type, into)
    elif kinds.is_struct(kind) and kinds.is_struct(into):
        for part, to in _parts(kind, into):
            yield from _numbers(kind.field(part).type, into.field(to).type)
    elif kinds.is_map(kind) and kinds.is_map(into):
        yield from _numbers(kind.key_type, into.key_type)
        yield from _numbers(kind.item_type, into.item_type)
    elif _is_list(kind) and _is_list(into):
        yield from _numbers(kind.value_type, into.value_type)
    else:
        yield kind, into


def _parts(kind: Any, into: Any) -> list[tuple[int, int]]:
    places = {field.name.lower(): place for place, field in enumerate(into)}
    found = [places.get(field.name.lower()) for field in kind]
    return [(part, to) for part, to in enumerate(found) if to is not None]


def _is_list(kind: Any) -> bool:
    return kinds.is_fixed_size_list(kind) or any(is_list(kind) for is_list, _ in LISTS)


def _is_whole(kind: Any) -> bool:
    return bool(kinds.is_integer(kind) or (kinds.is_decimal(kind) and kind.scale <= 0))


def _kept(kind: Any, into: Any) -> bool:
    if kinds.is_floating(into):
        bits = _BITS[into.bit_width]
        if kinds.is_floating(kind):
            return _BITS[kind.bit_width] <= bits
        if kinds.is_integer(kind):
            return bool(kind.bit_width - kinds.is_signed_integer(kind) <= bits)
        return not kinds.is_decimal(kind) or (
            _is_whole(kind) and kind.precision - kind.scale <= floor(bits * log10(2))
        )
    if kinds.is_decimal(into):
        exact = not kinds.is_decimal(kind) or kind.scale <= into.scale
        return exact and not kinds.is_floating(kind)
    fraction = kinds.is_floating(kind) or (kinds.is_decimal(kind) and kind.scale > 0)
    return not (fraction and kinds.is_integer(into))


def rounded(column: pa.Array, into: pa.DataType) -> pa.Array | None:
    """Find the rows with a whole number, at any depth, that a floating type would round.

    Costs a look at the greatest and the least number.

    Args:
        column: of a type that `may_keep` says the other has numbers of.
        into: that type.

    Returns:
        A flag a row; None if there is no such number.

    >>> rounded(pa.array([2**53, 2**53 + 1, None]), pa.float64()).to_pylist()
    [False, True, False]
    >>> rounded(pa.array([[1], [2**53 + 1, 2**54]]), pa.list_(pa.float64())).to_pylist()
    [False, True]
    >>> rounded(pa.array([2**24 + 1]), pa.float64()) is None
    True
    """
    kind = column.type
    if not len(column) or keeps(kind, into):
        return None
    if kinds.is_dictionary(kind) or kinds.is_run_end_encoded(kind):
        return rounded(decoded(column), into)
    if isinstance(kind, pa.BaseExtensionType):
        return rounded(column.storage, into)
    if kinds.is_struct(kind):
        parts = column.flatten()
        inside = [rounded(parts[part], into.field(to).type) for part, to in _parts(kind, into)]
        found = [each for each in inside if each is not None]
        return reduce(pc.or_, found) if found else None
    if kinds.is_nested(kind):
        return _rounded_inside(column, into)
    return flags_array(
        _is_rounded(column, into) if kinds.is_integer(kind) else _changes(column, into)
    )


def _rounded_inside(column: pa.Array, into: Any) -> pa.Array | None:
    """Find the rows of a list, or of a map, with such a number among their values."""
    flags = np.zeros(len(column), dtype=bool)
    if kinds.is_map(column.type):
        ends = column.offsets.to_numpy()
        each = np.diff(ends)
        parts = [column.keys, column.items]
        pairs = [
            (part.slice(ends[0], ends[-1] - ends[0]), to)
            for part, to in zip(parts, (into.key_type, into.item_type), strict=True)
        ]
    else:
        each = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        pairs = [(column.flatten(), into.value_type)]
    rows = np.repeat(np.arange(len(column)), each)
    for values, to in pairs:
        found = rounded(values, to)
        if found is not None:
            flags[rows[found.to_numpy(zero_copy_only=False)]] = True
    return flags_array(flags)


def _is_rounded(column: pa.Array, into: Any) -> Flags:
    bits = _BITS[into.bit_width]
    ends = pc.min_max(column).as_py()  # small: two numbers
    if ends["max"] is None or -(2**bits) <= ends["min"] <= ends["max"] <= 2**bits:
        return np.zeros(1, dtype=bool)
    values = pc.fill_null(column, 0).to_numpy()
    size = values.astype(np.uint64)  # of a negative number 2^64 less it, and so the size again
    size = np.where(values < 0, np.uint64(0) - size, size)
    # A whole number is kept if its bits, from the first that is set to the last, are few enough.
    last = size & (np.uint64(0) - size)
    return np.asarray(((size >> np.uint64(bits)) >= last) & (size != 0))


def _changes(column: pa.Array, into: Any) -> Flags:
    exact = column.cast(pa.decimal256(76, 0))
    back = column.cast(into, safe=False).cast(pa.float64()).cast(exact.type)
    changed = pc.fill_null(pc.not_equal(exact, back), fill_value=False)
    return np.asarray(changed.to_numpy(zero_copy_only=False), dtype=bool)
