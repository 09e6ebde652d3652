"""Text and numbers of a database to the types that its columns state; what doesn't fit is told.

All by Arrow, a column at a time. Where a cast of a whole column fails, the column is halved until
the values that fail are alone: so a value is judged by itself, whatever stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.duck import describing


@dataclass(frozen=True)
class Parsed:
    """A column of the type that was wanted, and which of its rows don't fit it."""

    values: pa.Array
    """Null where a value doesn't fit."""
    bad: pa.Array | None = None
    """True for each row whose value doesn't fit; None if all do."""


def parsed(column: pa.Array, kind: pa.DataType) -> Parsed:
    """Give a column of text, int64, double or binary as `kind`.

    Text must be UTF-8. Dates and times are ISO 8601; of a date-time with an offset, the instant
    counts, and UTC is meant where there is none. A date may have a midnight. No digit is lost:
    a fraction that is too fine, an integer that is too large, don't fit.

    >>> found = parsed(pa.array(["2024-02-29", "2024-02-30", None]), pa.date32())
    >>> found.values.to_pylist(), found.bad.to_pylist()
    ([datetime.date(2024, 2, 29), None, None], [False, True, False])
    """
    return _halved(column, kind, _maker(column.type, kind))


Make = Callable[[pa.Array, Any], pa.Array]


def _maker(given: pa.DataType, kind: Any) -> Make:
    if kinds.is_null(kind):
        return _nothing
    if kinds.is_string(given):
        for is_kind, make in _FROM_TEXT:
            if is_kind(kind):
                return make
    return _same if given == kind else _cast


def _halved(column: pa.Array, kind: pa.DataType, make: Make) -> Parsed:
    try:
        return Parsed(make(column, kind))
    except pa.ArrowInvalid:
        pass
    possible = _possible(column, kind)
    if possible is not None:
        rest = _split(column.filter(possible), kind, make)
        return _spread(rest, possible, kind)
    return _split(column, kind, make)


def _split(column: pa.Array, kind: pa.DataType, make: Make) -> Parsed:
    try:
        return Parsed(make(column, kind), _all(column, bad=False))
    except pa.ArrowInvalid:
        if len(column) == 1:
            return Parsed(pa.nulls(1, kind), _all(column, bad=True))
    half = len(column) // 2
    parts = [_split(part, kind, make) for part in (column.slice(0, half), column.slice(half))]
    values = pa.concat_arrays([part.values for part in parts])
    return Parsed(values, pa.concat_arrays([part.bad for part in parts]))


def _all(column: pa.Array, *, bad: bool) -> pa.Array:
    return pa.repeat(pa.scalar(bad), len(column))


_DAY, _ANY_ZONE = r"\d{4}-\d\d-\d\d", r"(Z|[-+]\d\d(:?\d\d)?)?"
_DIGITS_OF = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def _shape(kind: Any) -> str | None:
    """Give a pattern that every value which fits has; few others do, so few are left to halving."""
    if kinds.is_boolean(kind):
        return "^(0|1|(?i:true|false))$"
    if kinds.is_decimal(kind):
        before, after = rf"0*\d{{0,{kind.precision - kind.scale}}}", rf"\d{{0,{kind.scale}}}0*"
        return rf"^[-+]?({before}(\.{after})?|[0-9.]+[eE][-+]?\d+)$"
    if kinds.is_time(kind) or kinds.is_timestamp(kind):
        time = rf"\d\d(:\d\d(:\d\d(\.\d{{0,{_DIGITS_OF[kind.unit]}}}0*)?)?)?"
        return f"^{time}$" if kinds.is_time(kind) else f"^{_DAY}([ T]{time}{_ANY_ZONE})?$"
    midnight = r"[0:.]+Z?|[\d:.]+[-+]\d\d(:?\d\d)?"
    return rf"^{_DAY}([ T]({midnight}))?$" if kinds.is_date(kind) else None


# DuckDB wants minutes, too.
_WHOLE = r"regexp_replace(v, '(^|[ T])(\d\d)(Z|[-+].*)?$', '\1\2:00')"
_CALENDAR = {
    "date": "TRY_CAST(left(v, 10) AS DATE) IS NOT NULL",
    "timestamp": f"TRY_CAST({_WHOLE} AS TIMESTAMP) IS NOT NULL",
    "time": f"TRY_CAST({_WHOLE} AS TIME) IS NOT NULL",
}
"""Whether a value `v` of the right shape is a day and a time that exist, for DuckDB."""


def _possible(column: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Give False for values that can't fit, found without halving; None if nothing can be said."""
    import pyarrow.compute as pc

    pattern = _shape(kind)
    if pattern is None or not kinds.is_string(column.type):
        return None
    # As bytes: what isn't UTF-8 doesn't match.
    matches = pc.match_substring_regex(column.cast(pa.binary()), pattern)
    predicate = next((sql for word, sql in _CALENDAR.items() if str(kind).startswith(word)), None)
    if predicate is None:
        return matches.fill_null(True)
    shaped = pc.if_else(matches, column, pa.scalar(None, column.type))
    with describing() as connection:
        connection.register("shaped", pa.RecordBatch.from_arrays([shaped], ["v"]))
        exist = connection.sql(f"SELECT {predicate} AS ok FROM shaped").to_arrow_table()["ok"]
    possible = pc.and_(matches, exist.combine_chunks())
    return pc.or_kleene(possible, column.is_null())


def _spread(rest: Parsed, places: pa.Array, kind: pa.DataType) -> Parsed:
    """Put values back to their places, among those that don't fit."""
    import pyarrow.compute as pc

    nulls, bad = pa.nulls(len(places), kind), pc.invert(places)
    if not len(rest.values) or rest.bad is None:
        return Parsed(nulls, bad)
    index = pc.subtract(pc.cumulative_sum(places.cast(pa.int64())), 1)
    index = pc.if_else(places, index, pa.scalar(None, pa.int64()))
    return Parsed(rest.values.take(index), rest.bad.take(index).fill_null(True))


def _nothing(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.null_count < len(column):
        raise pa.ArrowInvalid("a value where there were none")
    return pa.nulls(len(column), kind)


def _same(column: pa.Array, kind: pa.DataType) -> pa.Array:  # noqa: ARG001 - a Make
    return column


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return column.cast(kind)


def _text(column: pa.Array, kind: pa.DataType) -> pa.Array:
    column.validate(full=True)
    return column if column.type == kind else column.cast(kind)


def _moment(column: pa.Array, kind: Any) -> pa.Array:
    instant = pa.timestamp(kind.unit, "UTC")
    try:
        moments = column.cast(pa.timestamp(kind.unit)).cast(instant)
    except pa.ArrowInvalid:
        moments = _with_zone(_without_zeros(column)).cast(instant)
    return moments.cast(kind)


_ZONE = r"(Z|[-+]\d\d(?::?\d\d)?)?$"


def _without_zeros(column: pa.Array) -> pa.Array:
    """Cut zeros that a unit has no place for: `.123000` to `.123`."""
    import pyarrow.compute as pc

    column.validate(full=True)
    shorter = pc.replace_substring_regex(column, rf"(\.\d*[1-9])0+{_ZONE}", r"\1\2")
    return pc.replace_substring_regex(shorter, rf"\.0+{_ZONE}", r"\1")


def _with_zone(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    whole = pc.replace_substring_regex(column, r"^(.{10})$", r"\1T00")
    return pc.replace_substring_regex(whole, r"([ T]\d\d(?::[\d:.]*)?)$", r"\1Z")


def _date(column: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow.compute as pc

    try:
        return column.cast(pa.date32()).cast(kind)
    except pa.ArrowInvalid:
        moments = _moment(column, pa.timestamp("us"))
        days = moments.cast(pa.date32())
        if pc.any(pc.not_equal(days.cast(moments.type), moments)) == pa.scalar(value=True):
            raise pa.ArrowInvalid("a date with a time of day") from None
        return days.cast(kind)


def _time(column: pa.Array, kind: Any) -> pa.Array:
    import pyarrow.compute as pc

    column.validate(full=True)
    day = pc.binary_join_element_wise("1970-01-01T", column, "")
    moment = pa.timestamp(kind.unit)
    try:
        return day.cast(moment).cast(kind)
    except pa.ArrowInvalid:
        return _without_zeros(day).cast(moment).cast(kind)


_FROM_TEXT: tuple[tuple[Callable[[Any], bool], Make], ...] = (
    (kinds.is_date, _date),
    (kinds.is_time, _time),
    (kinds.is_timestamp, _moment),
    (kinds.is_string, _text),
    (kinds.is_large_string, _text),
    (kinds.is_string_view, _text),
)
