"""Python's values as Arrow columns: their types found out, and each value held to its column's.

`pa.array` alone would cut 2.5 to 2 in a column of integers, a time of day from a date, a key from
a nested dict, and a time zone where others have none. So the types of the values are looked at
first, a column at a time; what loses nothing is left to Arrow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import chain
from numbers import Integral, Real
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.types as kinds

MISFITS = (pa.ArrowException, TypeError, ValueError, OverflowError)
"""What Arrow raises for values that it can't take: UnicodeEncodeError, too."""

_DIGITS = 38


class Misfit(ValueError):  # noqa: N818 - the caller says what becomes of it
    """A value, or several, have no type, or not the column's."""


@dataclass(frozen=True)
class Family:
    """Python types whose values make one kind of column."""

    word: str
    types: tuple[type, ...]
    arrow: Callable[[Any], bool]
    """The Arrow types that hold such values."""


def _is_list(kind: Any) -> bool:
    listlike = (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list)
    return any(is_kind(kind) for is_kind in listlike) or kinds.is_list_view(kind)


def _is_text(kind: Any) -> bool:
    text = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
    return any(is_kind(kind) for is_kind in text)


def _is_binary(kind: Any) -> bool:
    binary = (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view)
    return any(is_kind(kind) for is_kind in binary) or kinds.is_fixed_size_binary(kind)


def _is_uuid(kind: Any) -> bool:
    return isinstance(kind, pa.BaseExtensionType) and bool(kind.extension_name == "arrow.uuid")


def _is_number(kind: Any) -> bool:
    return any(is_kind(kind) for is_kind in (kinds.is_integer, kinds.is_floating, kinds.is_decimal))


# The first that fits is taken: a bool is an int, too, and a datetime a date.
FAMILIES = (
    Family("text", (str,), _is_text),
    Family("truth value", (bool,), kinds.is_boolean),
    Family("integer", (Integral,), _is_number),
    Family("number", (Real,), lambda kind: kinds.is_floating(kind) or kinds.is_integer(kind)),
    Family("decimal", (Decimal,), kinds.is_decimal),
    Family("bytes", (bytes, bytearray, memoryview), _is_binary),
    Family("date-time", (datetime,), kinds.is_timestamp),
    Family("date", (date,), kinds.is_date),
    Family("time", (time,), kinds.is_time),
    Family("time span", (timedelta,), kinds.is_duration),
    Family("UUID", (UUID,), _is_uuid),
    Family("dict", (Mapping,), lambda kind: kinds.is_struct(kind) or kinds.is_map(kind)),
    Family("list", (Collection,), _is_list),
)
INTEGER, NUMBER, DECIMAL = FAMILIES[2:5]


def _family(kind: type) -> Family:
    if kind.__module__ == "numpy" and kind.__name__ in {"bool", "bool_"}:
        return FAMILIES[1]
    if issubclass(kind, Enum) and not issubclass(kind, str | int):
        raise Misfit(f"{kind.__qualname__} has no type in Arrow; give its value")
    for family in FAMILIES:
        if issubclass(kind, family.types):
            return family
    raise Misfit(f"{kind.__qualname__} has no type in Arrow")


def _families(values: Iterable[Any]) -> set[Family]:
    return {_family(kind) for kind in set(map(type, values)) - {type(None)}}


def infer(values: Sequence[Any]) -> pa.DataType:
    """Find the Arrow type that holds all of a column's values, and loses nothing of them.

    Integers and floats together are doubles. Decimals have 38 digits. Dicts become a struct of
    all their keys.

    Raises:
        Misfit: there is none.

    >>> infer([1, None, 2.5]), infer([{"a": 1}, {"b": "x"}])
    (DataType(double), StructType(struct<a: int64, b: string>))
    """
    found = _families(values)
    if not found:
        return pa.null()
    if found == {INTEGER}:
        return _integers(values)
    if found == {INTEGER, NUMBER}:
        return pa.float64()
    if found == {INTEGER, DECIMAL}:
        found = {DECIMAL}
    if len(found) > 1:
        words = sorted(family.word for family in found)
        raise Misfit(f"{' and '.join(words)} in one column")
    (family,) = found
    there = [value for value in values if value is not None]
    return _INFERRED.get(family.word, _simple)(there)


def _integers(values: Iterable[Any]) -> pa.DataType:
    there = [value for value in values if value is not None]
    low, high = min(there), max(there)
    if low >= -(2**63) and high < 2**63:
        return pa.int64()
    if low >= 0 and high < 2**64:
        return pa.uint64()
    if max(-low, high) < 10**_DIGITS:
        return pa.decimal128(_DIGITS, 0)
    raise Misfit(f"an integer of more than {_DIGITS} digits")


def _simple(values: Sequence[Any]) -> pa.DataType:
    return pa.array(values[:1]).type


def _decimals(values: Sequence[Any]) -> pa.DataType:
    scale = 0
    for value in values:
        exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
        if not isinstance(exponent, int):
            raise Misfit(f"a decimal that is {value}")
        scale = max(scale, -exponent)
    if scale > _DIGITS:
        raise Misfit(f"a decimal with {scale} places")
    return pa.decimal128(_DIGITS, scale)


def _moments(values: Sequence[Any]) -> pa.DataType:
    if len({value.tzinfo is None for value in values}) > 1:
        raise Misfit("date-times with a time zone and without one in one column")
    return pa.timestamp("us", None if values[0].tzinfo is None else _zone(values))


def _zone(values: Sequence[Any]) -> str:
    first = pa.array(values[:1]).type.tz
    return first if len({value.tzinfo for value in values}) == 1 else "UTC"


def _structs(values: Sequence[Any]) -> pa.DataType:
    keys = dict.fromkeys(chain.from_iterable(values))
    for key in keys:
        if not isinstance(key, str):
            raise Misfit(f"a dict with the key {key!r}: keys are text")
    return pa.struct([(key, infer([value.get(key) for value in values])) for key in keys])


def _lists(values: Sequence[Any]) -> pa.DataType:
    return pa.list_(infer(list(chain.from_iterable(map(_flat, values)))))


def _flat(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


_INFERRED: dict[str, Callable[[Sequence[Any]], pa.DataType]] = {
    "text": lambda _: pa.string(),
    "truth value": lambda _: pa.bool_(),
    "number": lambda _: pa.float64(),
    "decimal": _decimals,
    "bytes": lambda _: pa.binary(),
    "date-time": _moments,
    "dict": _structs,
    "list": _lists,
}


def array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Make a column of the type.

    Raises:
        Misfit: a value isn't of it, or would lose something.

    >>> array([1, 2.0, None], pa.int64()).to_pylist()
    [1, 2, None]
    >>> array([2.5], pa.int64())
    Traceback (most recent call last):
    arrowetl.sources._python_values.Misfit: a number isn't an integer
    """
    _hold(values, kind)
    try:
        return pa.array(values, kind)
    except MISFITS as error:
        raise Misfit(str(error)) from error


def _hold(values: Sequence[Any], kind: Any) -> None:
    """Raise Misfit for what Arrow would take and spoil."""
    for family in _families(values):
        if not family.arrow(kind):
            raise Misfit(f"{family.word} where {kind} is wanted")
        if family is NUMBER and kinds.is_integer(kind):
            _hold_whole(values)
    if kinds.is_timestamp(kind):
        zoned = {value.tzinfo is not None for value in values if value is not None}
        if zoned - {kind.tz is not None}:
            raise Misfit(f"a date-time with{'' if True in zoned else 'out'} a zone, not {kind}")
    elif kinds.is_struct(kind):
        _hold_fields([value for value in values if value is not None], kind)
    elif _is_list(kind):
        lists = (_flat(value) for value in values if value is not None)
        _hold(list(chain.from_iterable(lists)), kind.value_type)


def _hold_whole(values: Iterable[Any]) -> None:
    if any(isinstance(value, Real) and value != value // 1 for value in values):
        raise Misfit("a number isn't an integer")


def _hold_fields(values: Sequence[Any], kind: Any) -> None:
    fields = [kind.field(at) for at in range(kind.num_fields)]
    extra = set(chain.from_iterable(values)) - {field.name for field in fields}
    if extra:
        raise Misfit(f"a dict with the key {min(map(str, extra))!r}, which {kind} lacks")
    for field in fields:
        _hold([value.get(field.name) for value in values], field.type)


def misfits(values: Sequence[Any], kind: pa.DataType) -> Iterator[tuple[int, Misfit]]:
    """Give the places of the values that can't be in a column of the type, each by itself."""
    for at in range(len(values)):
        try:
            array(values[at : at + 1], kind)
        except Misfit as error:
            yield at, error
