"""What to put in the place of nulls, and the SQL that puts it there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import SchemaError, describe
from arrowetl.sql import literal, name
from arrowetl.transforms._arguments import is_float, is_number, is_text, plain, unused
from arrowetl.transforms._exact import exact_mean, one_zero
from arrowetl.typemap.words import sql_type

WORDS = ("mean", "median", "mode", "ffill", "bfill")
"""What is found out from the rows; any other text is a text."""

_OF_NUMBERS = {"mean", "median"}
_IN_ORDER = {"ffill", "bfill"}
_ROWS = name("arrowetl:rows")
_KNOWN = name("arrowetl:known")

_HOLDS: tuple[tuple[type | tuple[type, ...], Callable[[Any], bool]], ...] = (
    (bool, kinds.is_boolean),
    ((int, Decimal), is_number),
    (float, is_float),
    (str, is_text),
    (datetime, kinds.is_timestamp),
    (date, kinds.is_date),
    (time, kinds.is_time),
    (timedelta, kinds.is_duration),
    (bytes, lambda kind: kinds.is_binary(kind) or kinds.is_large_binary(kind)),
)
"""Which columns can hold a value of a Python type; the first that fits says."""


def resolved(
    fill: Any, schema: pa.Schema, columns: Sequence[str] | None, *, where: str
) -> dict[str, Any]:
    """Give what to fill each column with.

    Raises:
        SchemaError: a column can't hold its value, or no column can.

    >>> schema = pa.schema({"n": pa.int8(), "t": pa.string()})
    >>> resolved(0, schema, None, where="NullRemover")
    {'n': 0}
    >>> resolved({"n": 300}, schema, None, where="NullRemover")
    Traceback (most recent call last):
    arrowetl.errors.SchemaError: NullRemover: column 'n' is int8, which 300 can't fill
    """
    if isinstance(fill, Mapping):
        wanted = dict(fill)
    elif columns is not None:
        wanted = dict.fromkeys(columns, fill)
    else:
        wanted = {each.name: fill for each in schema if _fits(fill, each.type)}
        if not wanted:
            raise SchemaError(f"no column can hold {describe(fill)}", where=where)
    for column, value in wanted.items():
        kind = schema.field(column).type
        if not _fits(value, kind):
            raise SchemaError(
                f"column {column!r} is {kind}, which {describe(value)} can't fill",
                where=where,
                column=column,
            )
    return wanted


def _fits(value: Any, kind: pa.DataType) -> bool:
    if isinstance(value, str) and value in WORDS:
        return value not in _OF_NUMBERS or is_number(kind)
    holds = next((test for types, test in _HOLDS if isinstance(value, types)), None)
    if holds is None or not holds(plain(kind)):
        return False
    try:
        pa.scalar(value, plain(kind))
    except (pa.ArrowException, OverflowError, TypeError):
        # Out of the type's range, or more digits than it has.
        return isinstance(value, Decimal) and is_float(kind)
    return True


def fill_select(rows: str, fills: Mapping[str, Any], schema: pa.Schema) -> str:
    """Give the SELECT that fills the nulls of a table, or of a SELECT in parentheses.

    >>> print(fill_select("input", {"n": 0}, pa.schema({"n": pa.int8()})))
    SELECT * REPLACE (coalesce("n", CAST(0 AS TINYINT)) AS "n") FROM input
    """
    found = {c: v for c, v in fills.items() if isinstance(v, str) and v in WORDS}
    types = {c: sql_type(schema.field(c).type, where="NullRemover") for c in fills}
    row = name(unused("arrowetl:row", schema.names))
    numbered = any(v in _IN_ORDER for v in fills.values() if isinstance(v, str))
    replaced = ", ".join(
        f"coalesce({name(c)}, CAST({_value(schema.field(c), v, row)} AS {types[c]})) AS {name(c)}"
        for c, v in fills.items()
    )
    if not found:
        return f"SELECT * REPLACE ({replaced}) FROM {rows}"
    number = f", row_number() OVER () AS {row}" if numbered else ""
    tables = [f"{_ROWS} AS MATERIALIZED (SELECT *{number} FROM {rows})"]
    known = [_statistic(c, v, schema) for c, v in found.items() if v in _OF_NUMBERS]
    if known:
        tables.append(f"{_KNOWN} AS MATERIALIZED (SELECT {', '.join(known)} FROM {_ROWS})")
    star, order = (f"* EXCLUDE ({row})", f" ORDER BY {row}") if numbered else ("*", "")
    return f"WITH {', '.join(tables)} SELECT {star} REPLACE ({replaced}) FROM {_ROWS}{order}"


def _statistic(column: str, word: str, schema: pa.Schema) -> str:
    quoted = name(column)
    if word == "median":
        return f"median({quoted}) AS {quoted}"
    exact = is_float(schema.field(column).type)
    return f"{exact_mean(f'{quoted}::DOUBLE') if exact else f'avg({quoted})'} AS {quoted}"


def _value(field: pa.Field, value: Any, row: str) -> str:
    quoted = name(field.name)
    match value:
        case "mean" | "median":
            return f"(SELECT {quoted} FROM {_KNOWN})"
        case "mode":
            # Which of two equal zeros stands for both would be chance.
            each = one_zero(quoted) if is_float(field.type) else quoted
            return (
                f"(SELECT {each} FROM {_ROWS} WHERE {quoted} IS NOT NULL "
                f"GROUP BY {each} ORDER BY count(*) DESC, {each} LIMIT 1)"
            )
        case "ffill":
            frame = f"ORDER BY {row} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
            return f"last_value({quoted} IGNORE NULLS) OVER ({frame})"
        case "bfill":
            frame = f"ORDER BY {row} ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"
            return f"first_value({quoted} IGNORE NULLS) OVER ({frame})"
        case _:
            return literal(value)
