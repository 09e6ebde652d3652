"""Arrow schemas as JSON: what is written beside JSON files, so that they come back as they were."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pyarrow as pa

from arrowetl.errors import ReadError

_KIND = "arrow-schema"


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
