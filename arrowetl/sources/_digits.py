"""Numbers whose digits a column's type would not keep: the column is text instead."""

from __future__ import annotations

import duckdb

from arrowetl.sql import literal

EXACT = 15
"""Digits of a whole number that a double keeps, whatever they are."""

KEPT = {"DOUBLE": EXACT, "HUGEINT": 38, "BIGNUM": 0}
"""Digits of whole numbers that the types keep, which DuckDB infers, on their way to Arrow."""


def with_all_digits(
    connection: duckdb.DuckDBPyConnection, rows: str, inferred: dict[str, str]
) -> dict[str, str]:
    """Give inferred types, VARCHAR for those that a long whole number in the rows doesn't fit.

    One "1.5", "NaN" or "4.2E+15" makes doubles of all numbers of a column, card numbers too.

    Args:
        connection: a DuckDB.
        rows: what gives the values as text, columns `c0`, `c1` and so on in the types' order.
        inferred: DuckDB's types by column.
    """
    doubtful = [
        (column, has_longer(f"c{number}", KEPT[kind]))
        for number, (column, kind) in enumerate(inferred.items())
        if kind in KEPT
    ]
    if not doubtful:
        return inferred
    tests = ", ".join(test for _, test in doubtful)
    (answers,) = connection.sql(f"SELECT {tests} FROM {rows}").fetchall()
    found = zip(doubtful, answers, strict=True)
    return inferred | {column: "VARCHAR" for (column, _), is_longer in found if is_longer}


def has_longer(column: str, digits: int) -> str:
    """Write an aggregate: whether a column of text has a whole number of more digits."""
    pattern = rf"\s*[-+]?0*[1-9][0-9]{{{digits},}}\s*"
    return f"coalesce(bool_or(regexp_full_match({column}, {literal(pattern)})), false)"
