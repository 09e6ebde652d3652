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

from arrowetl.sources._dialect import Dialect
from arrowetl.sources._digits import EXACT, SECONDS, ZONED
from arrowetl.sql import literal, name

INTEGERS = {
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
}
FLOATS = ("FLOAT", "DOUBLE")
UNFORMATTED = ("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
"""Types that DuckDB doesn't read by the format of date-times, but in its own way."""

_NUMBER = r"U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL\(\d+, ?\d+\)"
_NONE = r"[^\s\S]"
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
        long: whether it has numbers of which a double doesn't tell how they are written.
        clocks: whether the file has date-times, somewhere, of which something may be cut.

    >>> dialect = Dialect(",", '"', '"', header=True, skip=0)
    >>> print(guard("n", "INTEGER", dialect, long=False, clocks=False).value)
    exact_number(TRY_CAST("n" AS INTEGER), "n", 1e15)
    >>> guard("t", "TIMESTAMP", dialect, long=False, clocks=False)
    """
    plain, scale, column = plain_text(kind, dialect), _scale(kind), name(column)
    value = f"TRY_CAST({column} AS {kind})"
    unformatted = kind in UNFORMATTED and (dialect.timestamp_format is not None or not clocks)
    if plain is None or (kind in SECONDS and not clocks and not unformatted):
        return None
    if kind in FLOATS:
        return Guard("DOUBLE", f"exact_size({column if kind == 'DOUBLE' else value}, {column})")
    if scale is not None and scale < EXACT and not long:
        return Guard("DOUBLE", f"exact_number({value}, {column}, 1e{EXACT - scale})")
    if unformatted or (kind == "DATE" and dialect.timestamp_format is None):
        return Guard("TIMESTAMP", f"exact_time({value}, {column})")
    if _wider(kind) is not None:
        wider = f"TRY_CAST({column} AS {_wider(kind)}), {value}::{_wider(kind)}"
        return Guard("VARCHAR", f"exact_parts({value}, {column}, {wider})")
    return Guard("VARCHAR", f"exact_text({value}, {column}, {literal(plain)})")


def formatted(column: str, kind: str, dialect: Dialect) -> Guard | None:
    """Say how a column is to be read whatever its values are, if not as the type that it is."""
    if kind not in UNFORMATTED or dialect.timestamp_format is None:
        return None
    return guard(column, kind, dialect, long=False, clocks=False)


def _scale(kind: str) -> int | None:
    """Give the digits after the point that a type keeps; None if it isn't one of exact numbers."""
    if kind in INTEGERS:
        return 0
    found = re.fullmatch(r"DECIMAL\(\d+, ?(\d+)\)", kind)
    return int(found[1]) if found else None


def _wider(kind: str) -> str | None:
    """Give a nested type with doubles for all of its numbers; None if it has no others.

    >>> _wider("STRUCT(a INTEGER, b VARCHAR[])"), _wider("INTEGER")
    ('STRUCT(a DOUBLE, b VARCHAR[])', None)
    """
    if not kind.endswith((")", "]")) or (kind.startswith("DECIMAL(") and kind.endswith(")")):
        return None
    wider = re.sub(rf"\b(?:{_NUMBER})(?=[\s,)\[]|$)", "DOUBLE", kind)
    return wider if wider != kind else None


def plain_text(kind: str, dialect: Dialect) -> str | None:
    r"""Give the pattern of texts of which a type keeps all; None if DuckDB changes no value.

    Others may be kept, too: 1e3 is a whole number. Where a format is known, DuckDB keeps to it.

    >>> print(plain_text("DECIMAL(10,2)", Dialect(";", '"', '"', header=True, skip=0)))
    \s*[-+]?\d*(\.\d{0,2}0*)?\s*
    """
    scale = _scale(kind)
    if scale is not None:
        return rf"\s*[-+]?\d*(\.\d{{0,{scale}}}0*)?\s*" if scale else r"\s*[-+]?\d+(\.0*)?\s*"
    if kind in FLOATS:
        return r"\s*[-+]?\d{0,30}([.,]\d*)?([eE][-+]?[0-7])?\s*"
    if kind == "DATE":
        return rf"\s*{_DAY}{_ERA}\s*" if dialect.date_format is None else None
    if kind == "TIME":
        return rf"\s*{_clock(kind)}\s*"
    if dialect.timestamp_format is not None and kind in SECONDS:
        return _NONE if kind in UNFORMATTED else None
    if kind in SECONDS:
        zone = r"([^.,\d:].*)?" if kind == ZONED else ""
        return rf"\s*{_DAY}([T ]+{_clock(kind)}{zone})?{_ERA}\s*"
    return _NONE if _wider(kind) is not None else None


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
    scale, wider = _scale(kind), _wider(kind)
    if decimal != "." and (scale or kind in FLOATS):
        text = f"replace(replace({text}, '.', 'x'), {literal(decimal)}, '.')"
    read = value = f"TRY_CAST({text} AS {kind})"
    if scale is not None:
        number = f"TRY_CAST({text} AS DOUBLE)"
        close = f"{value}::DOUBLE = {number} AND abs({number}) < 1e{EXACT - scale}"
        same = f"coalesce({close} AND NOT contains({text}, '_'), false)"
    elif kind in FLOATS:
        same = rf"(NOT isinf({value}) OR regexp_full_match({text}, '(?i)\s*[-+]?inf(inity)?\s*'))"
    elif wider is not None:
        same = f"{value}::{wider} IS NOT DISTINCT FROM TRY_CAST({text} AS {wider})"
    elif kind == "DATE":
        same = f"{value}::TIMESTAMP IS NOT DISTINCT FROM TRY_CAST({text} AS TIMESTAMP)"
    elif kind in SECONDS and dialect.timestamp_format is not None and kind in UNFORMATTED:
        read = f"try_strptime({text}, {literal(dialect.timestamp_format)})"
        same = f"TRY_CAST({read} AS {kind})::TIMESTAMP IS NOT DISTINCT FROM {read}"
    else:
        same = rf"regexp_full_match({text}, '(?i)\s*(-?infinity|epoch)\s*')"
    plain = f"regexp_full_match({text}, {literal(plain_text(kind, dialect))})"
    return f"coalesce({read} IS NOT NULL AND NOT {plain} AND NOT {same}, false)"
