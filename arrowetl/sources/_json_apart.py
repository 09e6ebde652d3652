"""Documents of several records, one of which is bad, as a document for each record.

DuckDB reads a document whole or not at all. Taken apart, a record that is bad is rejected by
itself, as it is where a file is one large document, which is cut before it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import duckdb
import pyarrow as pa

from arrowetl.sources._json_shape import Path
from arrowetl.sources._json_split import RECORDS

MALFORMED = "malformed"
"""The fault of an element that isn't there, between two commas."""

PARTS = pa.schema([*RECORDS, ("file", pa.int32())])
"""As documents of a run are; `file` is which of the documents a part was in."""


_MARKS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[][{},:]', re.DOTALL)
"""Texts, and what stands around values. A text without an end goes on to the last byte."""
_OPENING, _CLOSING, _ENDS = (b"{", b"["), (b"}", b"]"), (b",", b"}", b"]")


def until_a_list(start: Path) -> tuple[Path, Path]:
    """Give the way to the first list on the way to the records, and the way on from there.

    >>> until_a_list(("a", "b", None, "c", None))
    (('a', 'b', None), ('c', None))
    """
    end = start.index(None) + 1
    return start[:end], start[end:]


def around(way: Path) -> tuple[str, str]:
    """Give what makes a document of a record that `way` led to: what is before it, and behind.

    >>> around(("a", None))
    ('{"a":[', ']}')
    """
    import orjson

    opening = ["[" if step is None else f"{{{orjson.dumps(step).decode()}:" for step in way]
    closing = ["]" if step is None else "}" for step in reversed(way)]
    return "".join(opening), "".join(closing)


def wrapped(texts: pa.Array, way: Path) -> pa.Array:
    """Make documents of records."""
    import pyarrow.compute as pc

    before, behind = around(way)
    return pc.binary_join_element_wise(before, texts, behind, "") if way else texts


def unwrapped(texts: pa.Array, way: Path) -> pa.Array:
    """Give the records that `wrapped` made documents of."""
    import pyarrow.compute as pc

    before, behind = around(way)
    return pc.utf8_slice_codeunits(texts, len(before), -len(behind)) if way else texts


def apart(documents: pa.RecordBatch, start: Path) -> pa.RecordBatch:
    """Give the elements of the first list in each document; none of one that can't be cut.

    Args:
        documents: their `line`, `byte` and `text`.
        start: where in a document the records are.

    >>> document = {"line": [3], "byte": [90], "text": ['{"a": [{"x": 1}, 5]}']}
    >>> parts = apart(pa.RecordBatch.from_pydict(document), ("a", None))
    >>> parts["byte"].to_pylist(), parts["text"].to_pylist()
    ([97, 106], ['{"x": 1}', ' 5'])
    """
    import pyarrow.compute as pc

    way, _ = until_a_list(start)
    keys = [str(step) for step in way[:-1]]
    given = documents.select(["line", "byte", "text"]).to_pylist()  # small: those that are bad
    rows = [
        (each["line"] + line, each["byte"] + byte, text, number)
        for number, each in enumerate(given)
        for line, byte, text in _placed(each["text"].encode(), keys)
    ]
    line, byte, texts, file = zip(*rows, strict=True) if rows else ((), (), (), ())
    text = pa.array(texts, pa.string())
    blank = pc.equal(pc.ascii_trim(text, characters=" \t\r\n"), "")
    fault = pc.if_else(blank, MALFORMED, pa.scalar(None, pa.string()))
    columns = [pa.array(line, pa.int64()), pa.array(byte, pa.int64()), text, fault]
    return pa.RecordBatch.from_arrays([*columns, pa.array(file, pa.int32())], schema=PARTS)


def _placed(text: bytes, keys: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    line = last = 0
    for begin, end in elements(text, keys):
        line += text.count(b"\n", last, begin)
        last = begin
        yield line, begin, text[begin:end].decode()


def elements(text: bytes, keys: Sequence[str]) -> list[tuple[int, int]]:
    """Give where in a document the elements of the list at `keys` are; none if it can't be cut.

    For small documents this takes a hundredth of the time of `cut_elements`. What is wrong inside
    of elements isn't seen.

    >>> elements(b'{"a": {"b": [1, [2, 3], ]}}', ["a", "b"])
    [(13, 14), (15, 22)]
    """
    marks, level = _marks(text), len(keys) + 1
    begin = _enter(marks, keys)
    if begin is None:
        return []
    bounds = [begin]
    for sign, at, depth in marks:
        if depth == level and sign in _ENDS:
            bounds.append(at)
            if sign != b",":
                break
    ends = list(_leave(marks, keys))
    if len(ends) != len(keys) or text[(ends or bounds)[-1] + 1 :].strip():
        return []
    return _between(text, bounds)


def _marks(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give texts and signs, where they are, and in how many containers: as in `_json_scan`."""
    depth = 0
    for mark in _MARKS.finditer(text):
        depth += mark[0] in _OPENING
        yield mark[0], mark.start(), depth
        depth -= mark[0] in _CLOSING


def _enter(marks: Iterator[tuple[bytes, int, int]], keys: Sequence[str]) -> int | None:
    """Pass the marks up to the bracket that opens the list; give where that is."""
    entered, ready, key = 0, True, b""
    for sign, at, depth in marks:
        if sign in _OPENING and ready and depth == entered + 1:
            if (sign == b"[") != (entered == len(keys)):
                return None
            if sign == b"[":
                return at
            entered, ready = depth, False
        elif depth == entered:
            if sign in _CLOSING:
                return None
            ready = sign == b":" and _text(key) == keys[entered - 1]
            key = sign
    return None


def _leave(marks: Iterator[tuple[bytes, int, int]], keys: Sequence[str]) -> Iterator[int]:
    """Give where the objects around the list end, up to one that has the key again."""
    entered, key = len(keys), b""
    for sign, at, depth in marks:
        if depth != entered:
            continue
        if sign == b":" and _text(key) == keys[entered - 1]:
            return
        if sign in _CLOSING:
            yield at
            entered -= 1
        key = sign


def _text(key: bytes) -> str | None:
    import orjson

    try:
        return str(orjson.loads(key))
    except orjson.JSONDecodeError:
        return None


def _between(text: bytes, bounds: Sequence[int]) -> list[tuple[int, int]]:
    found = [(begin + 1, end) for begin, end in pairwise(bounds)]
    # A comma may stand behind the last element, as it may in what DuckDB reads.
    return found[:-1] if found and not text[slice(*found[-1])].strip() else found


def with_parts(connection: duckdb.DuckDBPyConnection, documents: pa.Table, start: Path) -> pa.Table:
    """Add to documents, for those that aren't JSON, each of their records in a document of its own.

    >>> documents = pa.table({"text": ['{"a": [1, 2 3, 4]}'], "fault": pa.nulls(1, pa.string())})
    >>> with_parts(duckdb.connect(), documents, ("a", None))["text"].to_pylist()
    ['{"a": [1, 2 3, 4]}', '{"a":[1]}', '{"a":[ 2 3]}', '{"a":[ 4]}']
    """
    found = [documents.select(["text", "fault"])]
    way: Path = ()
    rest = start
    while None in rest and len(broken := _broken(connection, found[-1])):
        parts = apart(_bare(broken, way), rest)
        step, rest = until_a_list(rest)
        way = (*way, *step)
        found.append(pa.table([wrapped(parts["text"], way), parts["fault"]], ["text", "fault"]))
    return pa.concat_tables(found)


def _broken(connection: duckdb.DuckDBPyConnection, documents: pa.Table) -> Any:
    connection.register("documents", documents)
    where = "fault IS NULL AND NOT json_valid(text)"
    broken = connection.sql(f"SELECT text FROM documents WHERE {where}").to_arrow_table()
    connection.unregister("documents")
    return broken["text"].combine_chunks()


def _bare(texts: pa.Array, way: Path) -> pa.RecordBatch:
    """Give documents as `apart` takes them; where they are doesn't matter."""
    ones = pa.repeat(pa.scalar(1, pa.int64()), len(texts))
    return pa.RecordBatch.from_arrays([ones, ones, unwrapped(texts, way)], ["line", "byte", "text"])
