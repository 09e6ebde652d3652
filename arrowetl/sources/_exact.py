r"""Values that DuckDB would round or cut as it reads text: none passes for what it isn't.

Told that a column holds whole numbers, DuckDB's reader makes 2 of 1.5; of a date-time it leaves
out the zone, and the seventh digit of its seconds. No line is rejected. So numbers are read as
doubles and dates as date-times, which costs nothing that could be measured, and a value that
isn't the same as what becomes of it ends the statement (`guard`). Read with care, then, each
value is looked at before the first row is given, and the lines at fault are rejected (`inexact`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from arrowetl.duck import EXACT_DATE, EXACT_NUMBER, EXACT_TEXT
from arrowetl.sources._dialect import Dialect
from arrowetl.sources._digits import EXACT, SECONDS, ZONED
from arrowetl.sql import literal, name

INTEGERS = {
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
}
_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")

_DAY = r"[-+]?\d+[-/ ]\d+[-/ ]\d+"
_ERA = r"( \(BC\))?"


@dataclass(frozen=True)
class Guard:
    """How a column is read so that no value is changed.

    Attributes:
        read: the type that DuckDB reads.
        value: SQL for the value in the type that is wanted; it fails for one that would change.
    """

    read: str
    value: str


def guard(column: str, kind: str, dialect: Dialect, *, long: bool, clocks: bool) -> Guard | None:
    """Say how a column is to be read, if DuckDB might change its values; None if it won't.

    Args:
        column: its name.
        kind: DuckDB's type, as it is wanted.
        dialect: the file's.
        long: whether it has numbers that a double doesn't keep.
        clocks: whether the file has date-times, somewhere, of which something may be cut.

    >>> dialect = Dialect(",", '"', '"', header=True, skip=0)
    >>> print(guard("n", "INTEGER", dialect, long=False, clocks=False).value)
    exact_number(TRY_CAST("n" AS INTEGER), "n", 1e15)
    >>> guard("t", "TIMESTAMP", dialect, long=False, clocks=False)
    """
    plain = plain_text(kind, dialect)
    if plain is None or (kind in SECONDS and not clocks):
        return None
    scale, column = _scale(kind), name(column)
    value = f"TRY_CAST({column} AS {kind})"
    if scale is not None and scale < EXACT and not long:
        return Guard("DOUBLE", f"{EXACT_NUMBER}({value}, {column}, 1e{EXACT - scale})")
    if kind == "DATE" and dialect.timestamp_format is None:
        return Guard("TIMESTAMP", f"{EXACT_DATE}({value}, {column})")
    return Guard("VARCHAR", f"{EXACT_TEXT}({value}, {column}, {literal(plain)})")


def _scale(kind: str) -> int | None:
    """Give the digits after the point that a type keeps; None if it isn't one of exact numbers."""
    if kind in INTEGERS:
        return 0
    found = _DECIMAL.fullmatch(kind)
    return int(found[2]) if found else None


def plain_text(kind: str, dialect: Dialect) -> str | None:
    r"""Give the pattern of texts of which a type keeps all; None if DuckDB changes no value.

    Others may be kept, too: 1e3 is a whole number. Where a format is known, DuckDB keeps to it.

    >>> print(plain_text("DECIMAL(10,2)", Dialect(";", '"', '"', header=True, skip=0)))
    \s*[-+]?\d*(\.\d{0,2}0*)?\s*
    """
    scale = _scale(kind)
    if scale is not None:
        return rf"\s*[-+]?\d*(\.\d{{0,{scale}}}0*)?\s*" if scale else r"\s*[-+]?\d+(\.0*)?\s*"
    if kind == "DATE":
        return rf"\s*{_DAY}{_ERA}\s*" if dialect.date_format is None else None
    if kind == "TIME":
        return rf"\s*{_clock(kind)}\s*"
    if kind not in SECONDS or dialect.timestamp_format is not None:
        return None
    zone = r"([^.,\d:].*)?" if kind == ZONED else ""
    return rf"\s*{_DAY}([T ]+{_clock(kind)}{zone})?{_ERA}\s*"


def _clock(kind: str) -> str:
    return rf"\d\d?:\d\d?(:\d\d?(\.\d{{0,{SECONDS[kind]}}}0*)?)?"


def inexact(text: str, kind: str, dialect: Dialect, decimal: str) -> str:
    """Write a SQL test whether DuckDB would read a text as `kind`, and change its value.

    Args:
        text: SQL for the text.
        kind: a type of which `plain_text` knows a pattern.
        dialect: the file's.
        decimal: what stands before a fraction.
    """
    scale = _scale(kind)
    if scale and decimal != ".":
        text = f"replace(replace({text}, '.', 'x'), {literal(decimal)}, '.')"
    value, number = f"TRY_CAST({text} AS {kind})", f"TRY_CAST({text} AS DOUBLE)"
    if scale is not None:
        same = f"coalesce({value}::DOUBLE = {number} AND abs({number}) < 1e{EXACT - scale}, false)"
    elif kind == "DATE":
        same = f"{value}::TIMESTAMP IS NOT DISTINCT FROM TRY_CAST({text} AS TIMESTAMP)"
    else:
        same = rf"regexp_full_match({text}, '(?i)\s*(-?infinity|epoch)\s*')"
    plain = f"regexp_full_match({text}, {literal(plain_text(kind, dialect))})"
    return f"coalesce({value} IS NOT NULL AND NOT {plain} AND NOT {same}, false)"
