"""Types of DuckDB's tables: which is the wider one, and which numbers a column would round."""

from __future__ import annotations

import re
from collections.abc import Mapping

import duckdb
import pyarrow as pa

from arrowetl.sql import name
from arrowetl.typemap import keeps, may_keep

NULL = '"NULL"'
"""What DuckDB calls the type of a column that has only nulls."""

_NUMBERS = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER"),
    *("UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN"),
}
_FAMILIES = (
    _NUMBERS,
    {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"},
    {"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS", "TIMESTAMP_NS WITH TIME ZONE"},
    {"TIME", "TIME_NS"},
)
_EXACT: dict[str, pa.DataType] = {
    **{
        f"{sign}{kind}": pa.type_for_alias(f"{sign.lower()}int{bits}")
        for sign in ("", "U")
        for kind, bits in (("TINYINT", 8), ("SMALLINT", 16), ("INTEGER", 32), ("BIGINT", 64))
    },
    **dict.fromkeys(("HUGEINT", "UHUGEINT"), pa.decimal128(38, 0)),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_FLOATING = re.compile("DOUBLE|FLOAT")
_TEXT_HOLDS = {"UUID", "JSON", "VARCHAR"}


def wider(connection: duckdb.DuckDBPyConnection, have: str, want: str) -> str | None:
    """Give the type that holds values of both, as DuckDB's own UNION would; None if none does.

    What the column has is kept exactly. Rows may have numbers that it would round: see `exact`.
    """
    if want in {have, NULL}:
        return have
    if have == NULL:
        return want
    if have == "VARCHAR" and want != "BLOB":
        return have
    if want == "VARCHAR":
        # Text that isn't one is an error when it comes; nothing is turned into something else.
        # A number isn't: 1 would be '1', but '1.0' if the column was widened to DOUBLE before.
        refused = have == "BLOB" or _shape(have) in _NUMBERS
        return have if have in _TEXT_HOLDS else (None if refused else "VARCHAR")
    if not related(have, want):
        return None
    union = f"(SELECT NULL::{have} AS x UNION ALL SELECT NULL::{want})"
    try:
        found = connection.sql(
            f"SELECT NULL::{have}, NULL::{want}, x, typeof(x) FROM {union} LIMIT 1"
        ).to_arrow_table()
    except duckdb.Error:
        return None
    old, new, both = found.schema.types[:3]
    kind = str(found[3][0])
    if kind == "FLOAT" and not (keeps(old, both) and keeps(new, both)):
        kind, both = "DOUBLE", pa.float64()
    return kind if keeps(old, both) and may_keep(new, both) else None


def rounding(
    connection: duckdb.DuckDBPyConnection, declared: Mapping[str, str]
) -> dict[str, tuple[str, pa.DataType]]:
    """Give the columns in whose types there are floating ones, with these as Arrow has them."""
    kinds_of = {column: kind for column, kind in declared.items() if _FLOATING.search(kind)}
    if not kinds_of:
        return {}
    nulls = ", ".join(f"NULL::{kind}" for kind in kinds_of.values())
    arrow = connection.sql(f"SELECT {nulls} LIMIT 0").to_arrow_table().schema.types
    return {
        column: (kind, into) for (column, kind), into in zip(kinds_of.items(), arrow, strict=True)
    }


def stays(have: str, want: str, wide: str | None, *, evolves: bool) -> bool:
    """Say whether a column keeps its type, and each of the rows' values has to be one of it.

    >>> stays("BIGINT", "DOUBLE", None, evolves=True)
    True
    >>> stays("INTEGER", "DOUBLE", "DOUBLE", evolves=True)
    False
    """
    if evolves and wide is not None:
        return False
    return takes_floats(have, want) or (have.startswith("ENUM(") and want == "VARCHAR")


def takes_floats(have: str, want: str) -> bool:
    """Say whether a column of exact numbers may get floating ones: those that it has exactly.

    >>> takes_floats("DECIMAL(9,2)", "DOUBLE"), takes_floats("DOUBLE", "FLOAT")
    (True, False)
    """
    return want in {"DOUBLE", "FLOAT"} and exact_type(have) is not None


def exact_type(declared: str) -> pa.DataType | None:
    """Give the Arrow type of a type of exact numbers; None for any other.

    >>> exact_type("UINTEGER"), exact_type("DECIMAL(9,2)"), exact_type("INTEGER[]")
    (DataType(uint32), Decimal128Type(decimal128(9, 2)), None)
    """
    digits = _DECIMAL.fullmatch(declared)
    return pa.decimal128(int(digits[1]), int(digits[2])) if digits else _EXACT.get(declared)


def by_digits(columns: Mapping[str, str]) -> dict[str, str]:
    """Give what casts floating columns to the types of decimals; DuckDB would round at 15 digits.

    >>> by_digits({"x": "DECIMAL(9,2)", "n": "BIGINT"})
    {'x': 'CAST(CAST("x" AS VARCHAR) AS DECIMAL(9,2))'}
    """
    return {
        column: f"CAST(CAST({name(column)} AS VARCHAR) AS {declared})"
        for column, declared in columns.items()
        if _DECIMAL.fullmatch(declared)
    }


def related(have: str, want: str) -> bool:
    """Say whether two types are of one kind, so that DuckDB may have one for both."""
    shapes = {_shape(have), _shape(want)}
    return len(shapes) == 1 or any(shapes <= family for family in _FAMILIES)


def _shape(kind: str) -> str:
    return "LIST" if kind.endswith("]") else kind.partition("(")[0]
