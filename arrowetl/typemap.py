"""Arrow types in other places: what DuckDB reads, what COPY writes, what SQLite can hold.

Conversions are casts of whole columns, in Arrow or in SQL; no value becomes a Python object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.arrow import empty_batch, reader_of
from arrowetl.duck import connect, first_line
from arrowetl.errors import SchemaError
from arrowetl.sql import INPUT, name

_DECIMAL128_DIGITS = 38
_EXTENSIONS = {"arrow.uuid", "arrow.json", "arrow.bool8"}


class Fate(str, Enum):
    """What becomes of a column's values."""

    LOSSLESS = "lossless"
    """The same values, of the same or an equal type."""
    WIDENED = "widened"
    """The same values, of a type that holds more: they can be had back by a cast."""
    LOSSY = "lossy"
    """Some values may come out different."""


@dataclass(frozen=True)
class Stored:
    """How a column is kept in a database.

    Attributes:
        column: its name.
        arrow: its Arrow type.
        declared: the type its table declares.
        convert: a DuckDB expression over the column, or None where none is needed.
        fate: what becomes of its values.
        why: what is widened or lost, in words.
    """

    column: str
    arrow: pa.DataType
    declared: str
    convert: str | None = None
    fate: Fate = Fate.LOSSLESS
    why: str = ""

    @property
    def note(self) -> str:
        """The line that `explain` shows."""
        reason = f" ({self.why})" if self.why else ""
        kind = self.declared or "a column without a type"
        return f"{self.column}: {self.arrow} becomes {kind}, {self.fate.value}{reason}"


def duckable(kind: pa.DataType) -> pa.DataType:
    """Give the type that DuckDB reads for a type which it doesn't, to which Arrow casts.

    >>> duckable(pa.list_(pa.float16()))
    ListType(list<item: float>)
    >>> duckable(pa.decimal256(50, 2)), duckable(pa.decimal128(5, -2)), duckable(pa.int8())
    (DataType(string), Decimal128Type(decimal128(7, 0)), DataType(int8))
    """
    if isinstance(kind, pa.BaseExtensionType):
        return kind if kind.extension_name in _EXTENSIONS else duckable(kind.storage_type)
    if kinds.is_float16(kind):
        return pa.float32()
    if kinds.is_decimal(kind):
        return _decimal(kind)
    if kinds.is_nested(kind):
        return _nested(kind, lambda field: field.with_type(duckable(field.type)))
    return kind


def _decimal(kind: Any) -> pa.DataType:
    digits, scale = kind.precision - min(kind.scale, 0), max(kind.scale, 0)
    if digits > _DECIMAL128_DIGITS:
        return pa.string()
    return kind if kind.scale >= 0 and kind.bit_width <= 128 else pa.decimal128(digits, scale)  # noqa: PLR2004


def _nested(kind: Any, change: Callable[[pa.Field], pa.Field]) -> pa.DataType:
    if kinds.is_struct(kind):
        return pa.struct([change(kind.field(i)) for i in range(kind.num_fields)])
    if kinds.is_map(kind):
        return pa.map_(change(kind.key_field), change(kind.item_field), kind.keys_sorted)
    if kinds.is_fixed_size_list(kind):
        return pa.list_(change(kind.value_field), kind.list_size)
    for is_list, make in _LISTS:
        if is_list(kind):
            return make(change(kind.value_field))
    return kind


_LISTS: tuple[tuple[Callable[[Any], bool], Callable[[pa.Field], pa.DataType]], ...] = (
    (kinds.is_large_list, pa.large_list),
    (kinds.is_list_view, pa.list_view),
    (kinds.is_large_list_view, pa.large_list_view),
    (kinds.is_list, pa.list_),
)


def duckable_schema(schema: pa.Schema) -> pa.Schema:
    """Give the schema with every type as DuckDB reads it; the same one if all are."""
    return pa.schema(
        [field.with_type(duckable(field.type)) for field in schema], metadata=schema.metadata
    )


def duck_types(schema: pa.Schema, *, where: str) -> tuple[str, ...]:
    """Give the types that DuckDB gives to the columns of a `duckable_schema`.

    Raises:
        SchemaError: DuckDB has no type for a column, or can't tell two columns apart.

    >>> duck_types(pa.schema({"x": pa.uint8(), "at": pa.date32()}), where="DuckDBLoader")
    ('UTINYINT', 'DATE')
    """
    refuse_twins(schema, where=where)
    readable = duckable_schema(schema)
    connection = connect(threads=1)
    try:
        return tuple(_duck_type(connection, field, where) for field in readable)
    finally:
        connection.close()


def _duck_type(connection: duckdb.DuckDBPyConnection, field: pa.Field, where: str) -> str:
    schema = pa.schema([field])
    try:
        connection.register(INPUT, reader_of(schema, [empty_batch(schema)]))
        kind = str(connection.sql(f"FROM {INPUT}").types[0])
    except (duckdb.Error, pa.ArrowException) as error:
        raise SchemaError(
            f"column {field.name!r} is {field.type}, which DuckDB doesn't read "
            f"({first_line(error)}); cast or drop it",
            where=where,
            column=field.name,
        ) from error
    # DuckDB's own type for nothing but nulls can't be widened later.
    return "INTEGER" if kind == '"NULL"' else kind


def refuse_twins(schema: pa.Schema, *, where: str) -> None:
    """Raise SchemaError for no columns at all, or two whose names a database can't tell apart.

    >>> refuse_twins(pa.schema({"a": pa.int8(), "A": pa.int8()}), where="SQLiteLoader")
    Traceback (most recent call last):
    arrowetl.errors.SchemaError: SQLiteLoader: columns 'a' and 'A' differ only in case, ...
    """
    if not schema.names:
        raise SchemaError("the rows have no columns", where=where)
    seen: dict[str, str] = {}
    for column in schema.names:
        twin = seen.setdefault(column.lower(), column)
        if twin is column and schema.names.count(column) == 1:
            continue
        how = "differ only in case, and SQL ignores case" if twin != column else "have one name"
        raise SchemaError(
            f"columns {twin!r} and {column!r} {how}; rename one", where=where, column=column
        )


def writable(schema: pa.Schema) -> pa.Schema:
    """Give the schema with plain text and bytes for the views inside nested types.

    pyarrow 26 can't write slices of those to Parquet; it can write columns of views.

    >>> writable(pa.schema({"x": pa.struct({"a": pa.string_view()}), "y": pa.string_view()}))
    x: struct<a: string>
      child 0, a: string
    y: string_view
    """
    return pa.schema(
        [
            column.with_type(_without_views(column.type))
            if kinds.is_nested(column.type)
            else column
            for column in schema
        ],
        metadata=schema.metadata,
    )


def _without_views(kind: pa.DataType) -> pa.DataType:
    if kinds.is_string_view(kind):
        return pa.string()
    if kinds.is_binary_view(kind):
        return pa.binary()
    if kinds.is_nested(kind):
        return _nested(kind, lambda field: field.with_type(_without_views(field.type)))
    return kind


_COPIED: tuple[Callable[[Any], bool], ...] = (
    kinds.is_integer,
    kinds.is_float32,
    kinds.is_float64,
    kinds.is_boolean,
    kinds.is_string,
    kinds.is_binary,
    kinds.is_date32,
)


def copies(kind: Any) -> bool:
    """Say whether COPY writes a Parquet column of this type as Arrow itself would.

    >>> copies(pa.int64()), copies(pa.large_string()), copies(pa.timestamp("us", "UTC"))
    (True, False, True)
    """
    if kinds.is_timestamp(kind):
        return kind.unit in {"us", "ns"} and kind.tz in {None, "UTC"}
    if kinds.is_time64(kind):
        return bool(kind.unit in {"us", "ns"})
    if kinds.is_decimal128(kind):
        return bool(0 <= kind.scale <= kind.precision)
    if kinds.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        names = {field.name.lower() for field in fields}
        return 0 < len(fields) == len(names) and all(copies(field.type) for field in fields)
    if kinds.is_list(kind):
        return copies(kind.value_type)
    return any(is_kind(kind) for is_kind in _COPIED)


def copy_safe(schema: pa.Schema) -> bool:
    """Say whether COPY writes Parquet with the very types that pyarrow would.

    It doesn't for large and view types, dictionaries, lists of fixed size, durations, and what
    else DuckDB keeps as another type: those are written by pyarrow, so that they come back.

    >>> copy_safe(pa.schema({"x": pa.int64()})), copy_safe(pa.schema({"x": pa.float16()}))
    (True, False)
    """
    distinct = len({column.lower() for column in schema.names}) == len(schema.names)
    return distinct and all(copies(kind) for kind in schema.types)


def duckdb_columns(schema: pa.Schema, *, where: str) -> tuple[Stored, ...]:
    """Give how each column is kept in a DuckDB table.

    Raises:
        SchemaError: DuckDB has no type for a column, or can't tell two columns apart.

    >>> stored = duckdb_columns(pa.schema({"x": pa.decimal256(50, 2)}), where="DuckDBLoader")
    >>> stored[0].note
    'x: decimal256(50, 2) becomes VARCHAR, widened (the exact digits, as text)'
    """
    declared = duck_types(schema, where=where)
    return tuple(_in_duckdb(field, kind) for field, kind in zip(schema, declared, strict=True))


def _in_duckdb(field: pa.Field, declared: str) -> Stored:
    kind: Any = field.type
    keep = partial(Stored, field.name, kind, declared)
    if kinds.is_decimal(kind) and declared == "VARCHAR":
        return keep(fate=Fate.WIDENED, why="the exact digits, as text")
    if kinds.is_duration(kind) and kind.unit == "ns":
        return keep(fate=Fate.LOSSY, why="intervals have microseconds")
    if kinds.is_dictionary(kind):
        return keep(fate=Fate.WIDENED, why="the values instead of their codes")
    if kinds.is_timestamp(kind) and kind.tz not in {None, "UTC"}:
        return keep(fate=Fate.WIDENED, why="the instant, without the name of its time zone")
    return keep()


def sqlite_columns(schema: pa.Schema, *, where: str) -> tuple[Stored, ...]:
    """Give how each column is kept in a SQLite table, and how it is converted.

    Raises:
        SchemaError: there is no way to keep a column, or SQLite can't tell two apart.

    >>> fields = {"paid": pa.decimal128(9, 2), "tags": pa.list_(pa.string())}
    >>> for stored in sqlite_columns(pa.schema(fields), where="SQLiteLoader"):
    ...     print(stored.note)
    paid: decimal128(9, 2) becomes TEXT, widened (the exact digits, as text)
    tags: list<item: string> becomes TEXT, widened (JSON)
    """
    duck_types(schema, where=where)
    return tuple(_in_sqlite(field.name, field.type) for field in schema)


_PLAIN_IN_SQLITE: tuple[tuple[Callable[[Any], bool], str, Fate, str], ...] = (
    (kinds.is_uint64, "INTEGER", Fate.LOSSLESS, "a value over 9223372036854775807 is an error"),
    (kinds.is_integer, "INTEGER", Fate.LOSSLESS, ""),
    (kinds.is_boolean, "BOOLEAN", Fate.WIDENED, "0 and 1"),
    (kinds.is_float16, "REAL", Fate.WIDENED, "NaN becomes null"),
    (kinds.is_floating, "REAL", Fate.LOSSY, "NaN becomes null, -0.0 becomes 0.0"),
    (kinds.is_string, "TEXT", Fate.LOSSLESS, ""),
    (kinds.is_large_string, "TEXT", Fate.LOSSLESS, ""),
    (kinds.is_binary, "BLOB", Fate.LOSSLESS, ""),
    (kinds.is_large_binary, "BLOB", Fate.LOSSLESS, ""),
    (kinds.is_fixed_size_binary, "BLOB", Fate.LOSSLESS, ""),
    (kinds.is_date32, "DATE", Fate.WIDENED, "ISO 8601 text"),
    (kinds.is_null, "", Fate.LOSSLESS, ""),
)

_CAST_IN_SQLITE: tuple[tuple[Callable[[Any], bool], str, str, str], ...] = (
    (kinds.is_string_view, "TEXT", "{}", ""),
    (kinds.is_binary_view, "BLOB", "{}", ""),
    (kinds.is_date64, "DATE", "{}::DATE", "ISO 8601 text"),
    (kinds.is_time, "TIME", "{}::VARCHAR", "ISO 8601 text"),
    (kinds.is_decimal, "TEXT", "{}::VARCHAR", "the exact digits, as text"),
    (kinds.is_duration, "TEXT", "{}::VARCHAR", "text, with microseconds"),
    (kinds.is_interval, "TEXT", "{}::VARCHAR", "text, with microseconds"),
    (kinds.is_nested, "TEXT", "to_json({})::VARCHAR", "JSON"),
)


def _in_sqlite(column: str, kind: Any) -> Stored:
    whole = kind
    while kinds.is_dictionary(kind) or kinds.is_run_end_encoded(kind):
        kind = kind.value_type
    if isinstance(kind, pa.BaseExtensionType):
        kind = {"arrow.uuid": pa.string(), "arrow.bool8": pa.bool_()}.get(
            kind.extension_name, kind.storage_type
        )
    quoted = name(column)
    # What was peeled off is put right by DuckDB, that reads it as its plain type.
    through = quoted if kind is not whole else None
    if kinds.is_timestamp(kind):
        return _timestamp_in_sqlite(column, kind, whole)
    for is_kind, declared, fate, why in _PLAIN_IN_SQLITE:
        if is_kind(kind):
            text = f"{through}::VARCHAR" if through and declared == "TEXT" else through
            return Stored(column, whole, declared, text, fate, why)
    for is_kind, declared, template, why in _CAST_IN_SQLITE:
        if is_kind(kind):
            fate = Fate.WIDENED if why else Fate.LOSSLESS
            return Stored(column, whole, declared, template.format(quoted), fate, why)
    raise SchemaError(f"column {column!r} is {kind}, which SQLite has no place for", column=column)


def _timestamp_in_sqlite(column: str, kind: Any, whole: pa.DataType) -> Stored:
    quoted = name(column)
    if kind.tz is None:
        through = quoted if kind is not whole else None
        return Stored(column, whole, "TIMESTAMP", through, Fate.WIDENED, "ISO 8601 text")
    if kind.unit == "ns":
        # DuckDB 2.0 garbles what follows %n, so the Z is put on afterwards.
        convert = f"strftime({quoted}::TIMESTAMP_NS, '%Y-%m-%dT%H:%M:%S.%n') || 'Z'"
    else:
        convert = f"strftime({quoted} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
    return Stored(column, whole, "TIMESTAMPTZ", convert, Fate.WIDENED, "ISO 8601 text, in UTC")
