"""Arrow types in SQLite, that has five: what is declared, how values are converted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import SchemaError
from arrowetl.sql import name
from arrowetl.typemap.duckdb import duck_types
from arrowetl.typemap.json import finite_json
from arrowetl.typemap.stored import (
    AS_DIGITS,
    DIGITS,
    NAN,
    NOT_FINITE,
    Fate,
    Stored,
    any_of,
    cut,
    fine,
    rarely_cut,
)


def sqlite_columns(schema: pa.Schema, *, where: str) -> tuple[Stored, ...]:
    """Give how each column is kept in a SQLite table, and how it is converted.

    Raises:
        SchemaError: there is no way to keep a column, or SQLite can't tell two apart.

    >>> fields = {"paid": pa.decimal128(9, 2), "tags": pa.list_(pa.string())}
    >>> for stored in sqlite_columns(pa.schema(fields), where="SQLiteLoader"):
    ...     print(stored.note)
    paid: decimal128(9, 2) becomes DECIMAL_TEXT(9,2), lossless (the exact digits, as text)
    tags: list<item: string> becomes TEXT, widened (JSON)
    """
    duck_types(schema, where=where)
    return tuple(_in_sqlite(field.name, field.type) for field in schema)


def _in_sqlite(column: str, kind: Any) -> Stored:
    whole = kind
    while kinds.is_dictionary(kind) or kinds.is_run_end_encoded(kind):
        kind = kind.value_type
    if isinstance(kind, pa.BaseExtensionType):
        kind = {"arrow.uuid": pa.string(), "arrow.bool8": pa.bool_()}.get(
            kind.extension_name, kind.storage_type
        )
    declared, convert, back, why = _place_in_sqlite(column, kind, peeled=kind is not whole)
    keep = partial(Stored, column, whole, declared, convert=convert, back=back)
    if kinds.is_floating(kind):
        return keep(fate=Fate.LOSSY, why=why, rare=NAN)
    floats = any_of(kind, kinds.is_floating)
    if floats:
        why = f"{why}: NaN and Infinity become null"
        keep = partial(keep, convert=f"{finite_json(kind, name(column))}::VARCHAR")
    if any_of(kind, cut):
        rare = None if floats else rarely_cut(kind)
        return keep(fate=Fate.LOSSY, why=f"{why}: nanoseconds are cut", rare=rare)
    if floats:
        return keep(fate=Fate.LOSSY, why=why, rare=NOT_FINITE)
    fate = Fate.LOSSLESS if back == whole else Fate.WIDENED
    return keep(fate=fate, why=why or "")


def _place_in_sqlite(
    column: str, kind: Any, *, peeled: bool
) -> tuple[str, str | None, pa.DataType, str]:
    """Give the declared type, the conversion, what is read back, and what that is."""
    quoted = name(column)
    # What was peeled off is put right by DuckDB, that reads it as its plain type.
    through = quoted if peeled else None
    if kinds.is_timestamp(kind):
        return _timestamp_in_sqlite(quoted, through, kind)
    if kinds.is_decimal(kind):
        return _decimal_in_sqlite(quoted, kind)
    for is_kind, declared, back, why in _PLAIN_IN_SQLITE:
        if is_kind(kind):
            text = f"{through}::VARCHAR" if through and declared == "TEXT" else through
            return declared, text, back, why
    for is_kind, declared, template, back, why in _CAST_IN_SQLITE:
        if is_kind(kind):
            return declared, template.format(quoted), back, why
    raise SchemaError(f"column {column!r} is {kind}, which SQLite has no place for", column=column)


def _decimal_in_sqlite(quoted: str, kind: Any) -> tuple[str, str | None, pa.DataType, str]:
    digits, scale = kind.precision - min(kind.scale, 0), max(kind.scale, 0)
    make = pa.decimal128 if digits <= DIGITS else pa.decimal256
    # A name with TEXT in it has SQLite keep the text: as a number it would have 15 digits.
    declared = f"DECIMAL_TEXT({digits},{scale})"
    return declared, f"{quoted}::VARCHAR", make(digits, scale), AS_DIGITS


def _timestamp_in_sqlite(
    quoted: str, through: str | None, kind: Any
) -> tuple[str, str | None, pa.DataType, str]:
    suffix = "_NS" if kind.unit == "ns" else ""
    back = pa.timestamp(fine(kind.unit), kind.tz and "UTC")
    if kind.tz is None:
        return f"TIMESTAMP{suffix}", through, back, "ISO 8601 text"
    if kind.unit == "ns":
        # DuckDB 2.0 garbles what follows %n, so the Z is put on afterwards.
        convert = f"strftime({quoted}::TIMESTAMP_NS, '%Y-%m-%dT%H:%M:%S.%n') || 'Z'"
    else:
        convert = f"strftime({quoted} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"TIMESTAMPTZ{suffix}", convert, back, "ISO 8601 text, in UTC"


def _is_time_ns(kind: Any) -> bool:
    return kinds.is_time64(kind) and bool(kind.unit == "ns")


_PLAIN_IN_SQLITE: tuple[tuple[Callable[[Any], bool], str, pa.DataType, str], ...] = (
    (kinds.is_uint64, "INTEGER", pa.int64(), "a value over 9223372036854775807 is an error"),
    (kinds.is_integer, "INTEGER", pa.int64(), "an integer of 64 bits"),
    (kinds.is_boolean, "BOOLEAN", pa.bool_(), "0 and 1"),
    (kinds.is_floating, "REAL", pa.float64(), "NaN becomes null, -0.0 becomes 0.0"),
    (kinds.is_string, "TEXT", pa.string(), ""),
    (kinds.is_large_string, "TEXT", pa.string(), ""),
    (kinds.is_binary, "BLOB", pa.binary(), ""),
    (kinds.is_large_binary, "BLOB", pa.binary(), ""),
    (kinds.is_fixed_size_binary, "BLOB", pa.binary(), ""),
    (kinds.is_date32, "DATE", pa.date32(), "ISO 8601 text"),
    (kinds.is_null, "", pa.null(), ""),
)
"""Types that the driver takes as they are: declared, read back, in words."""


_CAST_IN_SQLITE: tuple[tuple[Callable[[Any], bool], str, str, pa.DataType, str], ...] = (
    (kinds.is_string_view, "TEXT", "{}", pa.string(), ""),
    (kinds.is_binary_view, "BLOB", "{}", pa.binary(), ""),
    (kinds.is_date64, "DATE", "{}::DATE", pa.date32(), "ISO 8601 text"),
    (_is_time_ns, "TIME_NS", "{}::VARCHAR", pa.time64("ns"), "ISO 8601 text"),
    (kinds.is_time, "TIME", "{}::VARCHAR", pa.time64("us"), "ISO 8601 text"),
    (kinds.is_duration, "TEXT", "{}::VARCHAR", pa.string(), "text, with microseconds"),
    (kinds.is_interval, "TEXT", "{}::VARCHAR", pa.string(), "text, with microseconds"),
    (kinds.is_nested, "TEXT", "to_json({})::VARCHAR", pa.string(), "JSON"),
)
"""Types that DuckDB converts first: declared, how, read back, in words."""
