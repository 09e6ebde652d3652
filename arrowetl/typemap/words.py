"""Types as people say them: in DuckDB's words, Arrow's, pandas' and NumPy's, or as Python's own."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from arrowetl.arrow import empty_batch
from arrowetl.duck import describing
from arrowetl.errors import ConfigError, first_line

Kind: TypeAlias = str | pa.DataType | type
"""A type as a user says it."""

PYTHON = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    date: pa.date32(),
    datetime: pa.timestamp("us"),
    time: pa.time64("us"),
    timedelta: pa.duration("us"),
}

_DECIMAL = re.compile(r"decimal128\((\d+), ?(\d+)\)")
_ZONED = re.compile(r"(?:timestamp|datetime64)\[(s|ms|us|ns), ?(?:tz=)?(.+)\]")
_ALIASES = {"date32[day]": "date32", "datetime64": "timestamp[us]", "bool_": "bool"}
_EXAMPLES = "'BIGINT', 'DECIMAL(12, 2)', 'float64', 'string', pa.date32() or Python's float, say"


def sql_type(kind: Kind, *, where: str) -> str:
    """Give DuckDB's word for a type.

    A word that DuckDB knows means what it means there: `int8` has eight bytes, `float` four, as
    Arrow's. Python's `float` has eight.

    Raises:
        ConfigError: there is no such type, or DuckDB has none like it.

    >>> sql_type(pa.decimal128(5, 1), where="Cast"), sql_type("int", where="Cast")
    ('DECIMAL(5,1)', 'INTEGER')
    >>> [sql_type(each, where="Cast") for each in ("float64", "str", float, "datetime64[ns]")]
    ['DOUBLE', 'VARCHAR', 'DOUBLE', 'TIMESTAMP_NS']
    """
    with describing() as connection:
        if isinstance(kind, str):
            with suppress(duckdb.Error):
                return str(duckdb.DuckDBPyConnection.type(connection, kind))
        found = _known(kind)
        try:
            if found is None and isinstance(kind, str):
                duckdb.DuckDBPyConnection.type(connection, kind)  # says why it isn't one
            if found is None:
                raise ConfigError(f"{where}: {kind!r} is no type: it has to be {_EXAMPLES}")
            example = pa.Table.from_batches([empty_batch(pa.schema({"x": found}))])
            return str(connection.from_arrow(example).types[0])
        except (duckdb.Error, pa.ArrowException) as error:
            reason = first_line(error)
            if found is not None:
                raise ConfigError(f"{where}: DuckDB has no type for {kind!r}: {reason}") from error
            raise ConfigError(
                f"{where}: {kind!r} is no type of DuckDB's or Arrow's ({reason}): it has to be "
                f"{_EXAMPLES}"
            ) from error


def arrow_type(kind: Kind, *, where: str) -> pa.DataType:
    """Give Arrow's type; of words, Arrow's go before DuckDB's: `int8` has eight bits.

    Raises:
        ConfigError: there is no such type.

    >>> arrow_type("int8", where="Map"), arrow_type("DECIMAL(5, 1)", where="Map")
    (DataType(int8), Decimal128Type(decimal128(5, 1)))
    """
    found = _known(kind)
    if found is not None:
        return found
    with describing() as connection:
        nothing = f"SELECT NULL::{sql_type(kind, where=where)}"
        return connection.sql(nothing).to_arrow_reader().schema.types[0]


def _known(kind: Any) -> pa.DataType | None:
    if isinstance(kind, pa.DataType):
        return kind
    if isinstance(kind, type) and kind in PYTHON:
        return PYTHON[kind]
    # A type of NumPy's, or of pandas', has a name.
    word = kind.__name__ if isinstance(kind, type) else getattr(kind, "name", kind)
    return arrow_word(word) if isinstance(word, str) else None


def arrow_word(word: str) -> pa.DataType | None:
    """Give the Arrow type that a word of Arrow's or pandas' means; None for one of no type.

    >>> arrow_word("decimal128(12, 2)"), arrow_word("datetime64[ns, UTC]"), arrow_word("object")
    (Decimal128Type(decimal128(12, 2)), TimestampType(timestamp[ns, tz=UTC]), None)
    """
    with suppress(ValueError):
        if found := _DECIMAL.fullmatch(word):
            return pa.decimal128(int(found[1]), int(found[2]))
        if found := _ZONED.fullmatch(word):
            return pa.timestamp(found[1], found[2])
        usual = word.replace("datetime64[", "timestamp[").replace("timedelta64[", "duration[")
        return pa.type_for_alias(_ALIASES.get(word, usual))
    return None
