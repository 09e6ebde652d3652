"""Arrow types and schemas as text."""

from __future__ import annotations

import base64
import re

import pyarrow as pa

_DECIMAL = re.compile(r"decimal128\((\d+), (\d+)\)")


def arrow_type(text: str) -> pa.DataType:
    """Give the Arrow type of a text that `str` gave of one, of the types that are inferred.

    >>> arrow_type("decimal128(12, 2)"), arrow_type("date32[day]")
    (Decimal128Type(decimal128(12, 2)), DataType(date32[day]))
    """
    if found := _DECIMAL.fullmatch(text):
        return pa.decimal128(int(found[1]), int(found[2]))
    if text == "timestamp[us, tz=UTC]":
        return pa.timestamp("us", "UTC")
    return pa.type_for_alias(text.replace("date32[day]", "date32"))


def schema_to_text(schema: pa.Schema) -> str:
    """Serialise a schema as base64.

    >>> schema_from_text(schema_to_text(pa.schema({"x": pa.int8()})))
    x: int8
    """
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def schema_from_text(text: str) -> pa.Schema:
    """Give the schema that `schema_to_text` serialised."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
