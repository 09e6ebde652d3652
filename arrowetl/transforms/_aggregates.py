"""The aggregates by name, and the SQL of each over a column of a type."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.duck import describing
from arrowetl.errors import ConfigError, SchemaError, closest, did_you_mean
from arrowetl.sql import INPUT, literal, name
from arrowetl.transforms._arguments import is_float, is_text, plain
from arrowetl.transforms._exact import exact_mean, exact_sum, one_zero

ROW = "arrowetl:row"
"""The column with the row's number in the source's order, where an aggregate needs it."""

_ROW = name(ROW)

# Numbering streams, and so the numbers are the source's positions.
NUMBERED = f"SELECT *, row_number() OVER () AS {_ROW} FROM {INPUT}"
"""The SELECT that gives rows with their numbers."""

AGGREGATES = {
    "sum": "sum({0})",
    "avg": "avg({0})",
    "min": "min({0})",
    "max": "max({0})",
    "count": "count({0})",
    "count_distinct": "count(DISTINCT {0})",
    "approx_count_distinct": "approx_count_distinct({0})",
    "first": f"arg_min_null({{raw}}, {_ROW})",
    "last": f"arg_max_null({{raw}}, {_ROW})",
    "any_value": f"arg_min({{raw}}, {_ROW})",
    "concat": f"string_agg({{raw}}::VARCHAR, {{1}} ORDER BY {_ROW})",
    "list": f"list({{raw}} ORDER BY {_ROW})",
    "median": "median({0})",
    "quantile": "quantile_cont({0}, {1})",
    # In the order of their size, or the last digits would tell how many threads there were.
    "std": "stddev_samp({0} ORDER BY {0})",
    "var": "var_samp({0} ORDER BY {0})",
    # The most frequent value; the smallest of several.
    "mode": "mode({0} ORDER BY {0})",
}

ALIASES = {
    "mean": "avg",
    "stddev": "std",
    "variance": "var",
    "string_agg": "concat",
    "array_agg": "list",
    "nunique": "count_distinct",
}

SEPARATOR = ","
"""What stands between the texts of `concat` where nothing else is asked for."""

_NEED_NUMBERS = {"sum", "avg", "std", "var", "median", "quantile"}
_OF_FLOATS: dict[str, Callable[[str], str]] = {"sum": exact_sum, "avg": exact_mean}


def known_aggregate(word: str, *, where: str) -> str:
    """Give the name of an aggregate as we call it: one of ours, or DuckDB's own.

    Raises:
        ConfigError: there is none; with the nearest ones.

    >>> known_aggregate("mean", where="Aggregator"), known_aggregate("SKEWNESS", where="Aggregator")
    ('avg', 'skewness')
    """
    lowered = word.lower()
    lowered = ALIASES.get(lowered, lowered)
    if lowered in AGGREGATES or lowered in _of_duckdb():
        return lowered
    hint = did_you_mean(closest(word, {*AGGREGATES, *ALIASES, *_of_duckdb()}))
    raise ConfigError(
        f"{where}: no aggregate is called {word!r}{hint} There are "
        f"{', '.join(AGGREGATES)}, and all of DuckDB's"
    )


def is_aggregate(word: str) -> bool:
    """Tell whether an aggregate is called so.

    >>> is_aggregate("Mean"), is_aggregate("price")
    (True, False)
    """
    return word.lower() in {*AGGREGATES, *ALIASES} | _of_duckdb()


@cache
def _of_duckdb() -> frozenset[str]:
    query = "SELECT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'"
    with describing() as connection:
        found = {function for (function,) in connection.sql(query).fetchall()}
    return frozenset(each for each in found if each.isidentifier())


def checked_argument(word: str, argument: Any, *, where: str) -> Any:
    """Give the argument of an aggregate that takes one.

    Raises:
        ConfigError: it lacks, makes no sense, or isn't wanted.
    """
    if word == "quantile":
        if not isinstance(argument, (int, float)) or not 0 <= argument <= 1:
            raise ConfigError(
                f"{where}: a quantile is a number from 0 to 1, not {argument!r}: "
                "('amount', 'quantile', 0.25)"
            )
    elif word == "concat":
        if not isinstance(argument, (str, type(None))):
            raise ConfigError(f"{where}: concat takes a separator, not {argument!r}")
    elif argument is not None:
        raise ConfigError(f"{where}: {word} takes no argument, this is {argument!r}")
    return argument


def aggregate_sql(word: str, argument: Any, field: pa.Field, *, where: str) -> str:
    """Give the SQL of a known aggregate over a column.

    Raises:
        SchemaError: the aggregate isn't for the column's type.

    >>> aggregate_sql("sum", None, pa.field("a b", pa.decimal128(9, 2)), where="Aggregator")
    'sum("a b")'
    """
    raw, kind = name(field.name), field.type
    if word in _NEED_NUMBERS and (is_text(kind) or kinds.is_nested(kind)):
        raise SchemaError(
            f"column {field.name!r} is {kind}: {word} needs numbers, so cast it before",
            where=where,
            column=field.name,
        )
    if is_float(kind) and word in _OF_FLOATS:
        double = kinds.is_float64(kind)
        return _OF_FLOATS[word](raw if double else f"{raw}::DOUBLE")
    # Negative zero equals zero: which of them is the smallest would be chance.
    value = one_zero(raw) if is_float(kind) else raw
    if word == "concat":
        argument = SEPARATOR if argument is None else argument
    template = AGGREGATES.get(word, word + "({0} ORDER BY {0})")
    sql = template.format(value, literal(argument), raw=raw)
    # DuckDB sums whole numbers in 128 bits, which no destination has.
    whole = kinds.is_integer(plain(kind)) or kinds.is_boolean(kind)
    return f"{sql}::BIGINT" if word == "sum" and whole else sql


def key_value(field: pa.Field) -> str:
    """Give the SQL of the value that a column's rows are grouped by.

    >>> key_value(pa.field("k", pa.float64())), key_value(pa.field("k", pa.string()))
    ('("k" + 0::FLOAT)', '"k"')
    """
    quoted = name(field.name)
    return one_zero(quoted) if is_float(field.type) else quoted


def key_column(field: pa.Field) -> str:
    """Give the SQL of that value under the column's name."""
    value, quoted = key_value(field), name(field.name)
    return quoted if value == quoted else f"{value} AS {quoted}"
