"""Arrow types in JSON: how each value is written, and schemas beside the files.

JSON has numbers, text and truth. What it hasn't is text that ISO 8601 or base64 defines; read with
the schema, each value comes back as it was.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import ReadError, SchemaError
from arrowetl.nesting import LISTS, nested
from arrowetl.sql import name
from arrowetl.typemap.duckdb import duck_types, duckable
from arrowetl.typemap.stored import (
    AS_DIGITS,
    DIGITS,
    NOT_FINITE,
    Fate,
    Stored,
    any_of,
)

_KIND = "arrow-schema"
_UNITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def json_columns(schema: pa.Schema, *, where: str) -> tuple[Stored, ...]:
    """Give how each column is written to JSON, as it comes back where its schema is known.

    Raises:
        SchemaError: there is no way to write a column, or two have one name.

    >>> fields = {"paid": pa.decimal128(9, 2), "took": pa.duration("ms"), "x": pa.float32()}
    >>> for stored in json_columns(pa.schema(fields), where="JSONLoader"):
    ...     print(stored.note)
    paid: decimal128(9, 2) becomes number, lossless
    took: duration[ms] becomes string, lossless (ISO 8601)
    x: float becomes number, lossy (NaN and Infinity become null)
    """
    duck_types(json_schema(schema), where=where)
    return tuple(_in_json(field, where) for field in schema)


def json_schema(schema: pa.Schema) -> pa.Schema:
    """Give the schema of what `json_columns` converts: as DuckDB reads it, durations in ticks."""
    return pa.schema([field.with_type(_ticks(duckable(field.type))) for field in schema])


def _ticks(kind: Any) -> pa.DataType:
    if kinds.is_duration(kind):
        return pa.int64()
    if kinds.is_dictionary(kind) or kinds.is_run_end_encoded(kind):
        return _ticks(kind.value_type) if any_of(kind, kinds.is_duration) else kind
    if kinds.is_struct(kind):
        return nested(kind, lambda field: field.with_type(_ticks(field.type)))
    if kinds.is_nested(kind) and not kinds.is_union(kind):
        # DuckDB 2.0 fails on dictionaries in lists that are all empty.
        return nested(kind, lambda field: field.with_type(_ticks(_decoded(field.type))))
    return kind


def _decoded(kind: Any) -> Any:
    return kind.value_type if kinds.is_dictionary(kind) else kind


def _in_json(field: pa.Field, where: str) -> Stored:
    kind = _plain(field.type)
    if any_of(kind, kinds.is_union) or any_of(kind, kinds.is_interval):
        raise SchemaError(
            f"column {field.name!r} is {field.type}, which JSON has no form for; cast it to text",
            where=where,
            column=field.name,
        )
    declared, why = next((found for test, *found in _WORDS if test(kind)), ("string", ""))
    convert = _written(field.type, name(field.name))
    if any_of(kind, kinds.is_floating):
        lost = "NaN and Infinity become null"
        return Stored(field.name, field.type, declared, convert, Fate.LOSSY, lost, rare=NOT_FINITE)
    return Stored(field.name, field.type, declared, convert, why=why)


def _plain(kind: Any) -> Any:
    if isinstance(kind, pa.BaseExtensionType):
        return _EXTENSIONS.get(kind.extension_name) or _plain(kind.storage_type)
    if kinds.is_dictionary(kind) or kinds.is_run_end_encoded(kind):
        return _plain(kind.value_type)
    return kind


def _is_long(kind: Any) -> bool:
    return bool(kinds.is_decimal(kind) and kind.precision - min(kind.scale, 0) > DIGITS)


def _is_bytes(kind: Any) -> bool:
    tests = (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view)
    return any(test(kind) for test in tests) or kinds.is_fixed_size_binary(kind)


def _is_list(kind: Any) -> bool:
    return kinds.is_fixed_size_list(kind) or any(is_kind(kind) for is_kind, _ in LISTS)


_EXTENSIONS = {"arrow.uuid": pa.string(), "arrow.json": pa.string(), "arrow.bool8": pa.bool_()}
_WORDS: tuple[tuple[Callable[[Any], bool], str, str], ...] = (
    (kinds.is_null, "null", ""),
    (kinds.is_boolean, "boolean", ""),
    (_is_long, "string", AS_DIGITS),
    (kinds.is_decimal, "number", ""),
    (kinds.is_integer, "number", ""),
    (kinds.is_floating, "number", ""),
    (kinds.is_temporal, "string", "ISO 8601"),
    (_is_bytes, "string", "base64"),
    (kinds.is_struct, "object", ""),
    (kinds.is_map, "object", ""),
    (_is_list, "array", ""),
)
"""What values are in JSON, and in which notation."""


_Leaf = Callable[[Any, str], str]


def finite_json(kind: pa.DataType, value: str) -> str:
    """Write the expression for a value's JSON as DuckDB has it, with null for NaN and Infinity.

    >>> print(finite_json(pa.list_(pa.float64()), "x"))
    to_json(list_transform(x, lambda x0: CASE WHEN isfinite(x0) THEN x0 END))
    """
    return f"to_json({_written(kind, value, leaf=_finite)})"


def _finite(kind: Any, value: str) -> str:
    return f"CASE WHEN isfinite({value}) THEN {value} END" if kinds.is_floating(kind) else value


def _written(kind: Any, value: str, depth: int = 0, *, leaf: _Leaf | None = None) -> str:
    """Write the expression whose `to_json` is a value's JSON."""
    kind, write = _plain(kind), partial(_written, leaf=leaf)
    if kinds.is_struct(kind):
        fields = [
            f"{name(field.name)} := {write(field.type, f'{value}.{name(field.name)}', depth)}"
            for field in kind
        ]
        return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"
    item = f"x{depth}"
    if kinds.is_map(kind):
        key = write(kind.key_type, f"{item}.key", depth + 1)
        inner = write(kind.item_type, f"{item}.value", depth + 1)
        pair = f"{{'k': ({key})::VARCHAR, 'v': {inner}}}"
        return f"map_from_entries(list_transform(map_entries({value}), lambda {item}: {pair}))"
    if _is_list(kind):
        return f"list_transform({value}, lambda {item}: {write(kind.value_type, item, depth + 1)})"
    return (leaf or _leaf)(kind, value)


def _leaf(kind: Any, value: str) -> str:
    if kinds.is_timestamp(kind):
        return _moment(kind, value)
    if kinds.is_duration(kind):
        return _span(kind, value)
    if kinds.is_floating(kind):
        return _finite(kind, value)
    if _is_bytes(kind):
        return f"to_base64({value})"
    if _is_long(kind) or kinds.is_temporal(kind) or not kinds.is_primitive(kind):
        return value if kinds.is_null(kind) or kinds.is_decimal(kind) else f"{value}::VARCHAR"
    return value


def _moment(kind: Any, value: str) -> str:
    if kind.tz is None:
        return f"replace({value}::VARCHAR, ' ', 'T')"
    local = f"{value}::TIMESTAMP_NS" if kind.unit == "ns" else f"({value} AT TIME ZONE 'UTC')"
    return f"replace({local}::VARCHAR, ' ', 'T') || 'Z'"


def _span(kind: Any, ticks: str) -> str:
    per = 10 ** _UNITS[kind.unit]
    size = f"abs({ticks}::HUGEINT)"
    sign = f"CASE WHEN {ticks} < 0 THEN '-' ELSE '' END"
    if per == 1:
        return f"{sign} || 'PT' || {size} || 'S'"
    rest = (
        f"rtrim(rtrim('.' || lpad(({size} % {per})::VARCHAR, {_UNITS[kind.unit]}, '0'), '0'), '.')"
    )
    return f"{sign} || 'PT' || ({size} // {per}) || {rest} || 'S'"


def schema_text(schema: pa.Schema) -> str:
    """Give a schema as one word of ASCII.

    >>> schema_from_text(schema_text(pa.schema({"x": pa.large_string()})))
    x: large_string
    """
    return base64.b64encode(schema.serialize()).decode()


def schema_from_text(text: str) -> pa.Schema:
    """Give back the schema that `schema_text` wrote."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def schema_json(schema: pa.Schema) -> str:
    """Describe a schema in JSON: fields for people, and the whole of it for programs."""
    fields = [
        {"name": each.name, "type": str(each.type), "nullable": each.nullable} for each in schema
    ]
    return json.dumps({_KIND: schema_text(schema), "fields": fields}, indent=2) + "\n"


def read_schema(path: str, *, where: str) -> pa.Schema:
    """Read what `schema_json` gave from a file.

    Raises:
        ReadError: it isn't there, or isn't such a file.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return schema_from_text(found[_KIND])
    except OSError as error:
        raise ReadError(f"{where}: no schema in {path!r}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise ReadError(
            f"{where}: {path!r} isn't a schema that JSONLoader(schema_path=...) wrote"
        ) from error
