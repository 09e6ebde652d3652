"""Arrow's types as a contract has them: by their words, and as they arrive from DuckDB."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.duck import describe_select
from arrowetl.errors import ConfigError, closest, did_you_mean
from arrowetl.sql import INPUT, literal, name, same_digits
from arrowetl.typemap.duckdb import duck_types, duckable
from arrowetl.typemap.words import arrow_word

STRUCT, LIST = "struct", "list"
"""The words for what has parts: these are fields of their own."""

WORDS = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float", "double", "decimal128(12, 2)", "string", "binary", "date32[day]", "time64[us]"),
    *("timestamp[us]", "timestamp[us, tz=UTC]", "null", STRUCT, LIST),
)
"""Words that an error offers."""

_MAP = re.compile(r"map<([^,<>]+(?:\([^)]*\)|\[[^]]*\])?), (.+)>")
_OPAQUE = re.compile(r"(map|extension|dense_union|sparse_union|struct|list)<.*>")


def type_of(word: str) -> pa.DataType | None:
    """Give the Arrow type of a word; None for one that can only be compared (a map of structs).

    Raises:
        ConfigError: there is no such type; names the nearest.

    >>> type_of("decimal128(12, 2)"), type_of("timestamp[us, tz=UTC]")
    (Decimal128Type(decimal128(12, 2)), TimestampType(timestamp[us, tz=UTC]))
    >>> type_of("integer64")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: no type 'integer64'; did you mean 'int64' or 'uint64'?
    """
    if found := _MAP.fullmatch(word):
        key, item = type_of(found[1]), type_of(found[2])
        return None if key is None or item is None else pa.map_(key, item)
    if _OPAQUE.fullmatch(word):
        return None
    if known := arrow_word(word):
        return known
    hint = did_you_mean(closest(str(word), WORDS))
    raise ConfigError(f"no type {word!r}{hint}")


@lru_cache(maxsize=1024)
def plain(kind: pa.DataType) -> pa.DataType:
    """Give the type as which values arrive in a stage: of several ways to keep texts, the usual.

    >>> plain(pa.dictionary(pa.int8(), pa.large_string())), plain(pa.time32("s"))
    (DataType(string), Time64Type(time64[us]))
    """
    schema = pa.schema([("x", duckable(kind))])
    return describe_select(f"SELECT * FROM {INPUT}", schema, where="Contract").types[0]


def word_of(kind: pa.DataType) -> str:
    """Give the word for a type.

    >>> word_of(pa.large_list(pa.int8())), word_of(pa.large_string())
    ('list', 'string')
    """
    if kinds.is_struct(kind):
        # Nothing can be said of one with nothing in it.
        return STRUCT if kind.num_fields else str(pa.null())
    return LIST if is_list(kind) else str(plain(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether values are lists of any kind."""
    tests = (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list)
    views = (kinds.is_list_view, kinds.is_large_list_view)
    return any(test(kind) for test in (*tests, *views))


@lru_cache(maxsize=1024)
def sql_type(kind: pa.DataType) -> str:
    """Give DuckDB's type."""
    return duck_types(pa.schema([("x", kind)]), where="Contract")[0]


_RANGES = {pa.float16(): 11, pa.float32(): 24, pa.float64(): 53}
_UNITS = ("s", "ms", "us")


def widens(old: pa.DataType, new: pa.DataType) -> bool:
    """Say whether every value of one type is one of the other, too.

    Whole numbers widen to larger ones, to decimals with enough digits, and to floating ones that
    are exact so far; decimals and floats to larger ones; dates to timestamps; times to finer ones,
    but for nanoseconds, which end in 2262. Nothing becomes text, and text becomes nothing.

    >>> widens(pa.int32(), pa.int64()), widens(pa.int64(), pa.float64())
    (True, False)
    >>> widens(pa.date32(), pa.timestamp("us")), widens(pa.int32(), pa.string())
    (True, False)
    """
    if kinds.is_null(old) or old == new:
        return True
    if kinds.is_integer(old):
        return _integer_widens(old, new)
    if kinds.is_decimal128(old) and kinds.is_decimal128(new):
        return bool(new.scale >= old.scale and _whole(new) >= _whole(old))
    if kinds.is_floating(old) and kinds.is_floating(new):
        return bool(new.bit_width >= old.bit_width)
    return bool(kinds.is_timestamp(new)) and _time_widens(old, new)


def _time_widens(old: Any, new: Any) -> bool:
    if new.unit not in _UNITS:
        return False
    if kinds.is_date(old):
        return new.tz is None
    if not kinds.is_timestamp(old) or old.unit not in _UNITS:
        return False
    return bool(old.tz == new.tz and _UNITS.index(new.unit) >= _UNITS.index(old.unit))


def _whole(kind: Any) -> int:
    """Give the digits that a decimal has before its point."""
    return int(kind.precision - kind.scale)


def _integer_widens(old: pa.DataType, new: pa.DataType) -> bool:
    signed = kinds.is_signed_integer(old)
    bits = old.bit_width - signed
    if kinds.is_integer(new):
        wider = new.bit_width - kinds.is_signed_integer(new) >= bits
        return bool(wider and (kinds.is_signed_integer(new) or not signed))
    if kinds.is_decimal128(new):
        return _whole(new) >= len(str(2**bits))
    return bool(kinds.is_floating(new) and bits <= _RANGES[new])


_SHAPES = (
    (kinds.is_integer, "[+-]?(0|[1-9][0-9]*)"),
    (kinds.is_boolean, "(?i)true|false"),
    (
        kinds.is_floating,
        r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i)[+-]?inf(inity)?|nan",
    ),
    (kinds.is_date, "[0-9]{4,6}-[0-9]{2}-[0-9]{2}"),
    (kinds.is_time, r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"),
)
_MOMENT = r"[0-9]{4,6}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{0,%d})?)?"
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def cast(value: str, old: pa.DataType, new: pa.DataType) -> str:
    """Give the SQL of a value in another type; null if anything of it would be lost.

    Texts have to be written as the type's values are: no zeros before a number, dates and times as
    in ISO 8601; and a float has to have the digits of its text. Of others the value must
    come out again where it is cast back.

    >>> print(cast('"x"', pa.string(), pa.int8()))
    CASE WHEN regexp_full_match("x", '[+-]?(0|[1-9][0-9]*)') THEN TRY_CAST("x" AS TINYINT) END
    """
    if kinds.is_string(new) or widens(old, new):
        return f"CAST({value} AS {sql_type(new)})"
    tried = f"TRY_CAST({value} AS {sql_type(new)})"
    if kinds.is_string(old) and (shape := _shape(new)):
        fits = f"regexp_full_match({value}, {literal(shape)})"
        if kinds.is_floating(new):
            fits += f" AND {same_digits(value, tried)}"
        return f"CASE WHEN {fits} THEN {tried} END"
    back = f"TRY_CAST({tried} AS {sql_type(old)})"
    return f"CASE WHEN {back} IS NOT DISTINCT FROM {value} THEN {tried} END"


def _shape(kind: Any) -> str | None:
    """Give the regular expression of texts that have a type."""
    if kinds.is_decimal(kind):
        return rf"[+-]?(0|[1-9][0-9]*)?(\.[0-9]{{0,{kind.scale}}}0*)?"
    if kinds.is_timestamp(kind):
        zone = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)" if kind.tz else ""
        return _MOMENT % _DIGITS[kind.unit] + zone
    return next((shape for test, shape in _SHAPES if test(kind)), None)


def struct_of(members: list[tuple[str, str]]) -> str:
    """Give the SQL of a struct of members by name.

    >>> struct_of([("a b", "1")])
    'struct_pack("a b" := 1)'
    """
    return f"struct_pack({', '.join(f'{name(key)} := {value}' for key, value in members)})"
