"""Python's values as Arrow columns: their types found out, and each value held to its column's.

`pa.array` alone would cut 2.5 to 2 in a column of integers, a time of day from a date, a key from
a nested dict, microseconds where a type has none, and a time zone where others have none. So the
types of the values are looked at first, a column at a time; what loses nothing is left to Arrow.
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

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds

MISFITS = (pa.ArrowException, TypeError, ValueError, OverflowError)
"""What Arrow raises for values that it can't take: UnicodeEncodeError, too."""

_DIGITS = 38
_EXACT = 2**53
"""Up to here a double holds every whole number."""
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_PLAIN = {datetime, time, timedelta}
"""Of these types no value has nanoseconds; pandas' have."""


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
    return pa.timestamp(_unit(values), None if values[0].tzinfo is None else _zone(values))


def _times(values: Sequence[Any]) -> pa.DataType:
    kind = pa.time64("us")
    _hold_times(values, kind)
    return kind


def _unit(values: Sequence[Any]) -> str:
    fine = not _PLAIN.issuperset(map(type, values)) and any(map(_nanoseconds, values))
    return "ns" if fine else "us"


def _nanoseconds(value: Any) -> int:
    return getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0)


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
    "time": _times,
    "time span": lambda values: pa.duration(_unit(values)),
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
    for is_kind, hold in _HOLDS:
        if is_kind(kind):
            hold([value for value in values if value is not None], kind)


def _hold_moments(values: Sequence[Any], kind: Any) -> None:
    zoned = {value.tzinfo is not None for value in values}
    if zoned - {kind.tz is not None}:
        raise Misfit(f"a date-time with{'' if True in zoned else 'out'} a zone, not {kind}")
    _hold_fine(values, kind)


def _hold_times(values: Sequence[Any], kind: Any) -> None:
    if any(value.tzinfo is not None for value in values):
        raise Misfit("a time of day with a zone, for which Arrow has no type")
    _hold_fine(values, kind)


def _hold_items(values: Sequence[Any], kind: Any) -> None:
    _hold(list(chain.from_iterable(map(_flat, values))), kind.value_type)


def _hold_pairs(values: Sequence[Any], kind: Any) -> None:
    _hold(list(chain.from_iterable(values)), kind.key_type)
    _hold(list(chain.from_iterable(value.values() for value in values)), kind.item_type)


def _hold_whole(values: Iterable[Any]) -> None:
    if any(isinstance(value, Real) and value != value // 1 for value in values):
        raise Misfit("a number isn't an integer")


def _hold_narrow(values: Iterable[Any], kind: Any) -> None:
    """Raise Misfit for what is too large for a short float, and for whole numbers that it rounds.

    Fractions are rounded by whoever asks for such a type: hardly any is held as it is.
    """
    try:
        wide = np.array([float(value) for value in values], np.float64)
    except OverflowError as error:
        raise Misfit(str(error)) from error
    with np.errstate(over="ignore"):
        narrow = wide.astype(kind.to_pandas_dtype()).astype(np.float64)
    whole = (wide == np.trunc(wide)) & (np.abs(wide) <= _EXACT)
    if (np.isfinite(wide) & (whole | np.isinf(narrow)) & (wide != narrow)).any():
        raise Misfit(f"a number that {kind} doesn't hold")


def _hold_fine(values: Sequence[Any], kind: Any) -> None:
    """Raise Misfit for parts of a second that the type has no place for."""
    part = _MICROSECONDS.get(kind.unit)
    plain = _PLAIN.issuperset(map(type, values))
    if part is None or (part == 1 and plain):
        return
    for value in values:
        spans = isinstance(value, timedelta)
        rest = (value.microseconds if spans else value.microsecond) % part
        if rest or (not plain and _nanoseconds(value)):
            raise Misfit(f"finer than {kind}")


def _hold_fields(values: Sequence[Any], kind: Any) -> None:
    fields = [kind.field(at) for at in range(kind.num_fields)]
    extra = set(chain.from_iterable(values)) - {field.name for field in fields}
    if extra:
        raise Misfit(f"a dict with the key {min(map(str, extra))!r}, which {kind} lacks")
    for field in fields:
        _hold([value.get(field.name) for value in values], field.type)


_HOLDS: tuple[tuple[Callable[[Any], bool], Callable[[Sequence[Any], Any], None]], ...] = (
    (lambda kind: kinds.is_float32(kind) or kinds.is_float16(kind), _hold_narrow),
    (kinds.is_timestamp, _hold_moments),
    (kinds.is_time, _hold_times),
    (kinds.is_duration, _hold_fine),
    (kinds.is_struct, _hold_fields),
    (kinds.is_map, _hold_pairs),
    (_is_list, _hold_items),
)
"""What is asked of a column's values that aren't null, by its type."""


def misfits(values: Sequence[Any], kind: pa.DataType) -> Iterator[tuple[int, Misfit]]:
    """Give the places of the values that can't be in a column of the type, each by itself."""
    for at in range(len(values)):
        try:
            array(values[at : at + 1], kind)
        except Misfit as error:
            yield at, error
