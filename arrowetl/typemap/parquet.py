"""Arrow types in Parquet: what pyarrow writes, what COPY writes the same, what DuckDB reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import SchemaError
from arrowetl.nesting import LISTS, nested, plainly_worded
from arrowetl.typemap.stored import DIGITS, Fate, Stored, any_of, as_what, fine


def writable(schema: pa.Schema) -> pa.Schema:
    """Give the schema with plain text and bytes for the views inside nested types.

    pyarrow 26 can't write slices of those to Parquet, nor dictionaries of them; it can write
    columns of views.

    >>> writable(pa.schema({"x": pa.struct({"a": pa.string_view()}), "y": pa.string_view()}))
    x: struct<a: string>
      child 0, a: string
    y: string_view
    """
    return pa.schema(
        [
            column.with_type(_without_views(column.type))
            if kinds.is_nested(column.type) or kinds.is_dictionary(column.type)
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
        return nested(kind, lambda field: field.with_type(_without_views(field.type)))
    return plainly_worded(kind)


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


def parquet_columns(schema: pa.Schema, *, where: str) -> tuple[Stored, ...]:
    """Give how each column is kept in a Parquet file; `back` is what DuckDB reads there.

    pyarrow reads more out of the file than that: it keeps the Arrow schema beside the columns.

    Raises:
        SchemaError: Parquet has no type for a column.

    >>> parquet_columns(pa.schema({"took": pa.duration("s")}), where="ParquetLoader")[0].note
    'took: duration[s] becomes int64, widened (a number of s; a duration for pyarrow)'
    """
    written = writable(schema)
    for column in written:
        if not copies(column.type):
            _refuse_unwritable(column, where)
    return tuple(
        _in_parquet(have.name, have.type, put.type)
        for have, put in zip(schema, written, strict=True)
    )


def _refuse_unwritable(column: pa.Field, where: str) -> None:
    import pyarrow.parquet as pq

    try:
        pq.ParquetWriter(pa.BufferOutputStream(), pa.schema([column])).close()
    except (pa.ArrowException, OSError) as error:  # OSError is a decimal of negative scale
        raise SchemaError(
            f"column {column.name!r} is {column.type}, which Parquet hasn't; cast it",
            where=where,
            column=column.name,
        ) from error


def _in_parquet(column: str, kind: Any, put: pa.DataType) -> Stored:
    back = _from_parquet(put)
    if back == kind:
        return Stored(column, kind, str(back))
    if any_of(kind, lambda each: kinds.is_decimal(each) and each.precision > DIGITS):
        why = "pyarrow reads it; ParquetSource refuses more than 38 digits"
        return Stored(column, kind, str(put), fate=Fate.WIDENED, why=why)
    why = as_what(kind, back)
    if kinds.is_duration(kind):
        why = f"a number of {kind.unit}; a duration for pyarrow"
    return Stored(column, kind, str(back), fate=Fate.WIDENED, why=why, back=back)


_FROM_PARQUET: tuple[tuple[Callable[[Any], bool], Callable[[Any], pa.DataType]], ...] = (
    (kinds.is_float16, lambda _: pa.float32()),
    (kinds.is_decimal, lambda kind: pa.decimal128(min(kind.precision, 38), kind.scale)),
    (kinds.is_large_string, lambda _: pa.string()),
    (kinds.is_string_view, lambda _: pa.string()),
    (kinds.is_large_binary, lambda _: pa.binary()),
    (kinds.is_binary_view, lambda _: pa.binary()),
    (kinds.is_fixed_size_binary, lambda _: pa.binary()),
    (kinds.is_date64, lambda _: pa.date32()),
    (kinds.is_time32, lambda _: pa.time64("us")),
    (kinds.is_duration, lambda _: pa.int64()),
    (kinds.is_timestamp, lambda kind: pa.timestamp(fine(kind.unit), kind.tz and "UTC")),
    (kinds.is_dictionary, lambda kind: _from_parquet(kind.value_type)),
)


PARQUET_TYPES: Mapping[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    **{f"INT({bits})": pa.type_for_alias(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"UINT({bits})": pa.type_for_alias(f"uint{bits}") for bits in (8, 16, 32, 64)},
    "FLOAT16": pa.float32(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "DECIMAL(38,9)": pa.decimal128(38, 9),
    "STRING": pa.string(),
    "JSON": pa.string(),
    "UUID": pa.string(),
    "BYTE_ARRAY": pa.binary(),
    "FIXED_LEN_BYTE_ARRAY(16)": pa.binary(),
    "DATE": pa.date32(),
    "TIME(MILLIS)": pa.time64("us"),
    "TIME(MICROS)": pa.time64("us"),
    "TIME(NANOS)": pa.time64("ns"),
    "TIMESTAMP(MILLIS)": pa.timestamp("us"),
    "TIMESTAMP(MICROS)": pa.timestamp("us"),
    "TIMESTAMP(NANOS)": pa.timestamp("ns"),
    "TIMESTAMP(MICROS, UTC)": pa.timestamp("us", "UTC"),
    "TIMESTAMP(NANOS, UTC)": pa.timestamp("ns", "UTC"),
    "LIST": pa.list_(pa.int64()),
    "STRUCT": pa.struct({"a": pa.int64(), "b": pa.string()}),
    "MAP": pa.map_(pa.string(), pa.int64()),
    "NULL": pa.null(),
}
"""What DuckDB reads of each of Parquet's types."""


def _from_parquet(kind: Any) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        is_uuid = kind.extension_name == "arrow.uuid"
        return pa.string() if is_uuid else _from_parquet(kind.storage_type)
    if kinds.is_fixed_size_list(kind) or any(is_list(kind) for is_list, _ in LISTS):
        return pa.list_(kind.value_field.with_type(_from_parquet(kind.value_type)))
    if kinds.is_nested(kind):
        return nested(kind, lambda field: field.with_type(_from_parquet(field.type)))
    return next((make(kind) for is_kind, make in _FROM_PARQUET if is_kind(kind)), kind)
