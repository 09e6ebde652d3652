"""How rows that are rejected are told of: why, where they are, and their own text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from arrowetl.arrow import scalar
from arrowetl.errors import ReadError

PLACE = pa.struct(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("byte", pa.int64()),
        ("table", pa.string()),
        ("key", pa.string()),
    ]
)
"""Where a row is: in a file by line and byte, both from 1; or in a table by its key. What isn't
known is null: the byte, where the text isn't UTF-8 and so is another one in the file."""

REJECTED_SCHEMA = pa.schema(
    [
        pa.field("reason_code", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("column", pa.string()),
        pa.field("source", PLACE),
        pa.field("text", pa.string()),
    ]
)
"""What `Source.rejected` gives: why, where, and the row's own text."""


@dataclass(frozen=True)
class Rejection:
    """One reason for which a SQL stage rejects rows, said in SQL over the stage's input.

    Attributes:
        code: a short fixed word, for instance ``cast``: dead letters are grouped by it.
        where: a SQL predicate; rows for which it is true are rejected.
        reason: a SQL text expression that says what is wrong with the row and its value.
        column: the column that is to blame, if it is one.
    """

    code: str
    where: str
    reason: str
    column: str | None = None


ESCAPED = r"it holds bytes that aren't in the file's encoding, shown as \xe9, and \ as \\"
"""What a reason says where `as_text` had to escape."""


def as_text(row: bytes, *, limit: int | None = None) -> str:
    r"""Give a row's own text; where it isn't UTF-8, with its bytes told apart from its letters.

    Bytes that aren't UTF-8 become `\xe9`, and then, only then, each backslash two.

    Args:
        row: the bytes.
        limit: give so many, at most, and no half letter.

    >>> print(as_text(b"a\\b"), as_text(b"a\\b\xe9?"), as_text("né".encode(), limit=2))
    a\b a\\b\xe9? n
    """
    if limit is not None and limit < len(row):
        inside = re.match(rb"[\x80-\xbf]{0,3}", row[limit : max(limit - 4, 0) : -1])
        row = row[: limit - (inside.end() if inside else 0)]
    try:
        return row.decode()
    except UnicodeDecodeError:
        return row.replace(b"\\", b"\\\\").decode(errors="backslashreplace")


def place_text(place: Mapping[str, Any]) -> str:
    """Say where a row is.

    >>> place_text({"file": "a.csv", "line": 3, "byte": 9, "table": None, "key": None})
    "'a.csv', line 3"
    """
    said = {each: value for each, value in place.items() if value is not None}
    if "line" in said or "key" in said:
        said.pop("byte", None)
    file = [repr(said.pop("file"))] if "file" in said else []
    return ", ".join([*file, *(f"{each} {value}" for each, value in said.items())])


def refusal(rejected: pa.RecordBatch, said: str | None = None, *, where: str) -> ReadError:
    """Give the error for the first of some rejected rows.

    Where values are masked it says where the row is, though not by its key, and what kind of fault
    it has.

    Args:
        rejected: of `REJECTED_SCHEMA`.
        said: what is wrong, and with what; its reason and its place if None.
        where: the source.
    """
    [first] = rejected.slice(0, 1).to_pylist()  # small: one row
    place = {**(first["source"] or {}), "byte": None, "key": None, "column": first["column"]}
    told = [f"{part} {value!r}" for part, value in place.items() if value is not None]
    kind = first["reason_code"].replace("_", " ")
    if said is None:
        at = place_text(first["source"] or {})
        said = (
            f"{at}{': ' if at else ''}{first['reason']}. Mend it, or read by "
            "Pipeline().extract(...), which sets such rows apart"
        )
    return ReadError(f"{where}: {said}", bare=f"{where}: {', '.join(told) or 'a row'}: {kind}")


def places(rows: int, **known: pa.Array | str | None) -> pa.StructArray:
    """Give the places of so many rows; a part is an array, or one text for all of them.

    >>> places(2, file="a.csv", line=pa.array([3, 8])).to_pylist()[1]
    {'file': 'a.csv', 'line': 8, 'byte': None, 'table': None, 'key': None}
    """
    parts = []
    for field in PLACE:
        part = known.get(field.name)
        if part is None or isinstance(part, str):
            part = pa.repeat(scalar(part, field.type), rows)
        parts.append(part.cast(field.type))
    return pa.StructArray.from_arrays(parts, fields=list(PLACE))
