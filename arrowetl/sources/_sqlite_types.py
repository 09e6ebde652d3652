"""SQLite's columns: which Arrow type a declaration stands for, and how values get there.

SQLite lets any value be in any column, so a type is a promise that each value is held to. The
driver carries four types (`CARRIERS`); what isn't one of them comes as text and is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.sql import literal, name

INTEGER, REAL, TEXT, BLOB = CARRIERS = ("integer", "real", "text", "blob")
"""What the driver gives: int64, double, string, binary."""

EXAMPLES = {INTEGER: "0", REAL: "0.0", TEXT: "''", BLOB: "x''"}
"""A value of each, from which the driver infers the column's type."""

CARRIED = {INTEGER: pa.int64(), REAL: pa.float64(), TEXT: pa.string(), BLOB: pa.binary()}
"""The Arrow types of theirs."""

TAKEN = {INTEGER: (INTEGER,), REAL: (REAL, INTEGER), BLOB: (BLOB, TEXT)}
"""The storage classes that fit a carrier. All fit text: numbers are written, bytes are read."""

EXACT = 2**53
"""Up to here, every integer is a double."""


@dataclass(frozen=True)
class Column:
    """A column as it is read."""

    name: str
    arrow: pa.DataType
    printed: bool = True
    """Whether there may be numbers that have to become text; the driver keeps seven digits."""

    @property
    def carrier(self) -> str:
        """What the driver gives it as."""
        return carrier_of(self.arrow)

    @property
    def carried(self) -> pa.DataType:
        """The Arrow type that the driver gives it as."""
        return CARRIED[self.carrier]

    @property
    def plain(self) -> str:
        """The column in SQL, as the driver can carry it if no value is of another class."""
        as_text = self.carrier == TEXT and self.printed
        return f"CAST({name(self.name)} AS TEXT)" if as_text else name(self.name)

    @property
    def fits(self) -> str | None:
        """A SQLite predicate, true for values that the carrier can carry; None if it is for all."""
        if self.carrier not in TAKEN:
            return None
        column = name(self.name)
        classes = [f"typeof({column}) = {literal(each)}" for each in TAKEN[self.carrier]]
        return " OR ".join([*classes, f"{column} IS NULL"])

    @property
    def careful(self) -> str:
        """The column in SQL, null where a value can't be carried."""
        column = name(self.name)
        return (
            f"CASE WHEN {self.fits} THEN {column} END" if self.fits else f"CAST({column} AS TEXT)"
        )


def carrier_of(kind: Any) -> str:
    """Give what the driver carries values of an Arrow type as.

    >>> carrier_of(pa.int8()), carrier_of(pa.float32()), carrier_of(pa.date32())
    ('integer', 'real', 'text')
    """
    if kinds.is_integer(kind):
        return INTEGER
    if kinds.is_floating(kind):
        return REAL
    binary = (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view)
    if any(is_kind(kind) for is_kind in binary) or kinds.is_fixed_size_binary(kind):
        return BLOB
    return TEXT


READABLE: tuple[Callable[[Any], bool], ...] = (
    kinds.is_integer,
    kinds.is_floating,
    kinds.is_boolean,
    kinds.is_decimal,
    kinds.is_date,
    kinds.is_time,
    kinds.is_timestamp,
    kinds.is_string,
    kinds.is_large_string,
    kinds.is_string_view,
    kinds.is_binary,
    kinds.is_large_binary,
    kinds.is_binary_view,
    kinds.is_fixed_size_binary,
    kinds.is_null,
)
"""The Arrow types that a column can be read as."""

_INTEGERS = re.compile(
    r"(UNSIGNED )?(TINY|SMALL|MEDIUM|BIG|LONG|BIG )?INT(EGER)?[1-8]?( UNSIGNED)?(\(\d+\))?",
    re.ASCII,
)
_DECIMALS = re.compile(r"(?:DECIMAL|NUMERIC|DECIMAL_TEXT)\((\d+)(?:,(-?\d+))?\)", re.ASCII)
_EXACTLY = {
    "BOOL": pa.bool_(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIME_NS": pa.time64("ns"),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP WITHOUT TIME ZONE": pa.timestamp("us"),
    "TIMESTAMP_NS": pa.timestamp("ns"),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "TIMESTAMPTZ_NS": pa.timestamp("ns", "UTC"),
    "JSON": pa.string(),
    "UUID": pa.string(),
}
_CONTAINING = (
    (("CHAR", "CLOB", "TEXT"), pa.string()),
    (("BLOB",), pa.binary()),
    (("REAL", "FLOA", "DOUB"), pa.float64()),
)
_DIGITS = {128: 38, 256: 76}


def declared_type(declared: str) -> pa.DataType | None:
    """Give the Arrow type that a declared type stands for; None if it says nothing of the values.

    >>> declared_type("BIGINT"), declared_type("varchar(20)"), declared_type("DECIMAL(9, 2)")
    (DataType(int64), DataType(string), Decimal128Type(decimal128(9, 2)))
    >>> declared_type("NUMERIC"), declared_type(""), declared_type("POINT")
    (None, None, None)
    """
    kind = re.sub(r"\s*([(),])\s*", r"\1", " ".join(declared.upper().split()))
    if _INTEGERS.fullmatch(kind):
        return pa.int64()
    decimal = _DECIMALS.fullmatch(kind)
    if decimal:
        return _decimal(int(decimal[1]), int(decimal[2] or 0))
    # A precision says nothing where it isn't a decimal's: TIMESTAMP(6), DATETIME(3).
    plain = re.sub(r"\(\d+\)", "", kind).strip()
    if plain in _EXACTLY:
        return _EXACTLY[plain]
    # SQLite itself looks for INT first, and takes POINT and INTERVAL for integers.
    for parts, arrow in _CONTAINING:
        if "INT" not in kind and any(part in kind for part in parts):
            return arrow
    return None


def _decimal(digits: int, scale: int) -> pa.DataType | None:
    if not 1 <= digits <= _DIGITS[256] or not 0 <= scale <= digits:
        return None
    return pa.decimal128(digits, scale) if digits <= _DIGITS[128] else pa.decimal256(digits, scale)


def is_text(declared: str) -> bool:
    """Say whether SQLite itself turns every number into text in a column of a table.

    >>> is_text("VARCHAR(20)"), is_text("JSON")
    (True, False)
    """
    kind = declared.upper()
    return "INT" not in kind and any(part in kind for part in ("CHAR", "CLOB", "TEXT"))


def arriving_types() -> dict[str, pa.DataType]:
    """Give the Arrow types of declarations that say what the values are, by examples of them."""
    found = {declared: declared_type(declared) for declared in DECLARED}
    return {declared: kind for declared, kind in found.items() if kind is not None}


DECLARED = (
    *("INTEGER", "BIGINT", "BOOLEAN", "REAL", "DOUBLE", "TEXT", "VARCHAR(20)", "JSON", "UUID"),
    *("BLOB", "DECIMAL(9,2)", "NUMERIC(38,9)", "DECIMAL_TEXT(38,9)", "DECIMAL_TEXT(76,10)"),
    *("DATE", "TIME", "TIME_NS", "DATETIME", "TIMESTAMP", "TIMESTAMP_NS"),
    *("TIMESTAMPTZ", "TIMESTAMPTZ_NS"),
)
"""What tables declare, mostly."""


def survey_sql(columns: Iterable[str], rows: str) -> str:
    """Give the SELECT that says which storage classes are in columns: five numbers a column.

    The fifth is whether there is an integer that no double is equal to.
    """
    asked = []
    for column in map(name, columns):
        asked += [f"max(typeof({column}) = {literal(carrier)})" for carrier in CARRIERS]
        asked.append(
            f"max(typeof({column}) = 'integer' AND {column} NOT BETWEEN -{EXACT} AND {EXACT})"
        )
    return f"SELECT {', '.join(asked)} FROM {rows}"


def surveyed_type(*, integer: bool, real: bool, text: bool, blob: bool, long: bool) -> pa.DataType:
    """Give the type that holds all values of a column whose declaration says nothing.

    >>> surveyed_type(integer=True, real=True, text=False, blob=False, long=False)
    DataType(double)
    >>> surveyed_type(integer=True, real=False, text=True, blob=False, long=False)
    DataType(string)
    """
    if not (integer or real or text or blob):
        return pa.null()
    if blob and not (integer or real):
        return pa.binary()
    if text or blob or (real and long):
        return pa.string()
    return pa.float64() if real else pa.int64()
