"""Numbers whose digits a column's type would not keep: the column is text instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb

from arrowetl.sql import literal

EXACT = 15
"""Digits of a number that a double keeps, whatever they are."""

KEPT = {"DOUBLE": EXACT, "HUGEINT": 38, "BIGNUM": 0}
"""Digits of whole numbers that the types keep, which DuckDB infers, on their way to Arrow."""

ZONED = "TIMESTAMP WITH TIME ZONE"
SECONDS = {
    "TIME": 6,
    "TIMESTAMP": 6,
    "TIMESTAMP_S": 0,
    "TIMESTAMP_MS": 3,
    "TIMESTAMP_NS": 9,
    ZONED: 6,
}
"""Digits of a second's fraction that types keep."""

FINER = {"TIMESTAMP": "TIMESTAMP_NS"}
"""Types that keep more of them; text does in place of the others."""

LONG, BEYOND = "long", "beyond"
"""What a column's values may be: longer than a double is, or beyond the type that is finer."""

_WHOLE = r"\s*[-+]?\d+\s*"
_LONG = rf"\s*[-+]?0*[.,]?(\d[.,]?){{{EXACT + 1},}}\s*"


@dataclass(frozen=True)
class Digits:
    """What columns of text can be.

    Attributes:
        types: DuckDB's, by column.
        long: the columns with numbers that a double doesn't keep.
    """

    types: dict[str, str]
    long: frozenset[str]


def with_all_digits(
    connection: duckdb.DuckDBPyConnection, rows: str, inferred: Mapping[str, str]
) -> Digits:
    """Give inferred types, but one that keeps more, or VARCHAR, for those that values don't fit.

    One "1.5", "NaN" or "4.2E+15" makes doubles of all numbers of a column, card numbers too; and
    0x1F is a whole number, to DuckDB.

    Args:
        connection: a DuckDB.
        rows: what gives the values as text, columns `c0`, `c1` and so on in the types' order.
        inferred: DuckDB's types by column.
    """
    asked = {
        (column, what): f"coalesce(bool_or({test}), false)"
        for number, (column, kind) in enumerate(inferred.items())
        for what, test in _tests(f"c{number}", kind)
    }
    if not asked:
        return Digits(dict(inferred), frozenset())
    (answers,) = connection.sql(f"SELECT {', '.join(asked.values())} FROM {rows}").fetchall()
    true = [key for key, answer in zip(asked, answers, strict=True) if answer]
    finer = {column: kind for column, kind in true if kind not in {LONG, BEYOND}}
    text = {column: "VARCHAR" for column, what in true if what == BEYOND and column in finer}
    long = frozenset(column for column, what in true if what == LONG)
    return Digits({**inferred, **finer, **text}, long)


def _tests(text: str, kind: str) -> Iterator[tuple[str, str]]:
    """Give what a column may have to be instead, or may be, with a test of its rows."""
    if kind in KEPT:
        yield "VARCHAR", _longer(text, KEPT[kind])
    if kind == "BIGINT":
        yield "VARCHAR", f"TRY_CAST({text} AS {kind}) IS NOT NULL AND NOT {_like(text, _WHOLE)}"
    if kind in {*KEPT, "BIGINT"}:
        yield LONG, _like(text, _LONG)
    if kind in SECONDS:
        finer = rf":\d\d?[.,]\d{{{SECONDS[kind]}}}\d*[1-9]"
        yield FINER.get(kind, "VARCHAR"), f"regexp_matches({text}, {literal(finer)})"
    if kind in FINER:
        yield BEYOND, f"{text} IS NOT NULL AND TRY_CAST({text} AS {FINER[kind]}) IS NULL"


def _like(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {literal(pattern)})"


def _longer(column: str, digits: int) -> str:
    return _like(column, rf"\s*[-+]?0*[1-9][0-9]{{{digits},}}\s*")


def has_longer(column: str, digits: int) -> str:
    """Write an aggregate: whether a column of text has a whole number of more digits."""
    return f"coalesce(bool_or({_longer(column, digits)}), false)"
