"""What becomes of a column's values that has another type in other files.

DuckDB finds a type that files have together, and some of those it finds lose something: of two
decimals it may take the one without the other's fraction, of a large integer and a float the float,
and it reads text as the spelling of bytes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import duckdb
from duckdb.sqltypes import DuckDBPyType

SMALL = {"tinyint", "utinyint", "smallint", "usmallint"}
WHOLE = {"integer", "uinteger"}
LARGE = {"bigint", "ubigint", "hugeint", "uhugeint"}
NESTED = {"list", "array", "struct", "map", "union"}
DIGITS = {"float": 6, "double": 15}
"""Decimal digits that any value of a type keeps."""


@lru_cache(maxsize=4096)
def loss(own: str, joined: str) -> str | None:
    """Say what is lost when values of one DuckDB type are read as another; None if nothing is.

    Integers over 2^53 may become doubles all the same, as everywhere.

    >>> print(loss("INTEGER", "DOUBLE"))
    None
    >>> loss("STRUCT(a DECIMAL(9, 3))", "STRUCT(a DECIMAL(9, 2))")
    'digits would be lost'
    """
    if own in {joined, '"NULL"'}:
        return None
    return _loss(duckdb.sqltype(own), duckdb.sqltype(joined))


def _loss(own: DuckDBPyType, joined: DuckDBPyType) -> str | None:
    if own == joined or own.id == "null":
        return None
    if own.id in NESTED or joined.id in NESTED:
        return _nested_loss(own, joined)
    if own.id == "decimal" and joined.id == "decimal":
        fits = all(new >= old for new, old in zip(_digits(joined), _digits(own), strict=True))
        return None if fits else "digits would be lost"
    if joined.id in DIGITS:
        return _floating_loss(own, joined.id)
    if joined.id == "blob":
        return "text would be read as the spelling of bytes"
    if own.id.startswith("time") and not own.id.startswith("timestamp") and joined.id != "varchar":
        return "a time has no date"
    return None


def _floating_loss(own: DuckDBPyType, joined: str) -> str | None:
    if own.id in LARGE | WHOLE:
        return "digits would be lost" if joined == "float" else None
    if own.id == "decimal":
        whole, fraction = _digits(own)
        return "digits would be lost" if whole + fraction > DIGITS[joined] else None
    return None


def _digits(decimal: DuckDBPyType) -> tuple[int, int]:
    """Give the digits before the point and after it."""
    told: dict[str, Any] = dict(decimal.children)
    precision, scale = int(told["precision"]), int(told["scale"])
    return precision - scale, scale


def _nested_loss(own: DuckDBPyType, joined: DuckDBPyType) -> str | None:
    if own.id != joined.id:
        return "they have nothing in common"
    theirs = {key.casefold(): kind for key, kind in joined.children}
    parts = [(kind, theirs.get(key.casefold())) for key, kind in own.children]
    found = (
        _loss(kind, other)
        for kind, other in parts
        if isinstance(kind, DuckDBPyType) and isinstance(other, DuckDBPyType)
    )
    return next((why for why in found if why), None)
