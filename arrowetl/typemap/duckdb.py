"""Arrow types that DuckDB reads, and what it makes of them in its tables and in CSV files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.arrow import empty_batch, reader_of
from arrowetl.duck import describing
from arrowetl.errors import SchemaError, first_line
from arrowetl.nesting import nested
from arrowetl.sql import INPUT, name
from arrowetl.typemap.stored import DIGITS, Fate, Stored, any_of, as_what, cut, rarely_cut

_EXTENSIONS = {"arrow.uuid", "arrow.json", "arrow.bool8"}


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
        return nested(kind, lambda field: field.with_type(duckable(field.type)))
    return kind


def _decimal(kind: Any) -> pa.DataType:
    digits, scale = kind.precision - min(kind.scale, 0), max(kind.scale, 0)
    if digits > DIGITS:
        return pa.string()
    return kind if kind.scale >= 0 and kind.bit_width <= 128 else pa.decimal128(digits, scale)  # noqa: PLR2004


def duckable_schema(schema: pa.Schema) -> pa.Schema:
    """Give the schema with every type as DuckDB reads it; the same one if all are."""
    return pa.schema(
        [field.with_type(duckable(field.type)) for field in schema], metadata=schema.metadata
    )


def duck_types(schema: pa.Schema, *, where: str) -> tuple[str, ...]:
    """Give the types that DuckDB gives to the columns of a `duckable_schema`.

    Raises:
        SchemaError: DuckDB has no type for a column, can't tell two columns apart, or would call
            one otherwise.

    >>> duck_types(pa.schema({"x": pa.uint8(), "at": pa.date32()}), where="DuckDBLoader")
    ('UTINYINT', 'DATE')
    """
    refuse_twins(schema, where=where)
    refuse_unkept(schema, where=where)
    readable = duckable_schema(schema)
    alike = [(field.type, str(field.metadata)) for field in readable]
    found: dict[Any, str] = {}
    with describing() as connection:
        for field, kind in zip(readable, alike, strict=True):
            if kind not in found:
                found[kind] = _duck_type(connection, field, where)
    return tuple(found[kind] for kind in alike)


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
        if column.lower() not in seen:
            seen[column.lower()] = column
            continue
        twin = seen[column.lower()]
        how = "differ only in case, and SQL ignores case" if twin != column else "have one name"
        raise SchemaError(
            f"columns {twin!r} and {column!r} {how}; rename one", where=where, column=column
        )


def refuse_unkept(schema: pa.Schema, *, where: str) -> None:
    r"""Raise SchemaError for a name, of a struct's part too, that DuckDB would not keep.

    It ends names at a NUL, and makes one up where there is none.

    >>> refuse_unkept(pa.schema({"a\0b": pa.int8()}), where="SQL")
    Traceback (most recent call last):
    arrowetl.errors.SchemaError: SQL: column 'a\x00b': DuckDB doesn't keep the name 'a\x00b'; ...
    """
    for field in schema:
        lost = [each for each in _names_in(field) if not each or "\0" in each]
        if lost:
            raise SchemaError(
                f"column {field.name!r}: DuckDB doesn't keep the name {lost[0]!r}; rename it",
                where=where,
                column=field.name,
            )


def _names_in(field: pa.Field) -> list[str]:
    """Give a column's name and those of its structs' parts, however deep."""
    found = [field.name]

    def look(kind: Any) -> bool:
        if kinds.is_struct(kind):
            found.extend(part.name for part in kind)
        return False

    any_of(field.type, look)
    return found


def duckdb_columns(schema: pa.Schema, *, where: str) -> tuple[Stored, ...]:
    """Give how each column is kept as a DuckDB type: in a table, or printed into a CSV file.

    Raises:
        SchemaError: DuckDB has no type for a column, or can't tell two columns apart.

    >>> stored = duckdb_columns(pa.schema({"x": pa.decimal256(50, 2)}), where="DuckDBLoader")
    >>> stored[0].note
    'x: decimal256(50, 2) becomes VARCHAR, widened (the exact digits, as text)'
    """
    declared = duck_types(schema, where=where)
    arrive = arrow_schema([(f"c{n}", kind) for n, kind in enumerate(declared)]).types
    return tuple(map(_in_duckdb, schema, declared, arrive))


def arrow_schema(columns: Iterable[tuple[str, str]]) -> pa.Schema:
    """Ask DuckDB how columns of its types, given by name, arrive in Arrow.

    >>> arrow_schema([("n", "UTINYINT"), ("id", "UUID")])
    n: uint8
    id: string
    """
    nulls = ", ".join(f"CAST(NULL AS {kind}) AS {name(column)}" for column, kind in columns)
    with describing() as connection:
        return connection.sql(f"SELECT {nulls}").to_arrow_reader().schema


SCALARS = (
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
    *("FLOAT", "DOUBLE", "DECIMAL(9,2)", "DECIMAL(38,9)", "VARCHAR", "BLOB"),
    *("DATE", "TIME", "TIME_NS", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS"),
    *("TIMESTAMP WITH TIME ZONE", "INTERVAL", "UUID", "JSON"),
)
"""DuckDB's types that text can be read as."""

COMPOSED = (
    *("BIGINT[]", "BIGINT[2]", "STRUCT(a BIGINT, b VARCHAR)", "MAP(VARCHAR, BIGINT)"),
    *("ENUM('a', 'b')", "UNION(a BIGINT, b VARCHAR)"),
)
"""Its other types."""


@cache
def arriving(declared: tuple[str, ...]) -> Mapping[str, pa.DataType]:
    """Give the Arrow type in which each of DuckDB's arrives.

    >>> arriving(("HUGEINT", "UUID"))["HUGEINT"]
    Decimal128Type(decimal128(38, 0))
    """
    columns = [(f"c{number}", kind) for number, kind in enumerate(declared)]
    return dict(zip(declared, arrow_schema(columns).types, strict=True))


def _in_duckdb(field: pa.Field, declared: str, back: pa.DataType) -> Stored:
    kind = field.type
    keep = partial(Stored, field.name, kind, declared)
    if any_of(kind, cut):
        why = "intervals have microseconds"
        return keep(fate=Fate.LOSSY, why=why, back=back, rare=rarely_cut(kind))
    if back == kind:
        return keep()
    return keep(fate=Fate.WIDENED, why=as_what(kind, back), back=back)
