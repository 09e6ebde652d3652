"""Tell from the beginning of a text how its records are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Literal

import duckdb

from arrowetl.duck import describing

Format = Literal["lines", "array", "object"]

HEAD = 1 << 20
"""How many bytes are looked at."""


def head_of(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Give the beginning of a text, and all of it."""
    first: list[bytes] = []
    size = 0
    for block in blocks:
        first.append(block)
        size += len(block)
        if size >= HEAD:
            break
    return b"".join(first), chain(first, blocks)


def format_of(head: bytes) -> Format:
    r"""Say how records are written: one a line, in one array, or as values one after another.

    A text that begins with a bracket is an array, unless its first line is a whole one and another
    follows. One that begins with a brace has a record a line, unless its first line isn't a whole
    value and the second doesn't begin one.

    >>> format_of(b'[{"a": 1},\n {"a": 2}]'), format_of(b'{"a": 1}\n{"a": 2}\n')
    ('array', 'lines')
    >>> format_of(b'{\n  "a": 1\n}'), format_of(b'[1, 2]\n[3, 4]\n'), format_of(b'{"a":1}{"a":2}')
    ('object', 'lines', 'object')
    """
    found = [line for line in re.split(rb"\s*\n\s*", head.strip(), maxsplit=2) if line]
    first, second = (*found, b"", b"")[:2]
    whole = len(first) < HEAD and _valid(first)
    if head.lstrip()[:1] == b"[":
        return "lines" if whole and second[:1] in (b"[", b"{") else "array"
    if whole or not _braces(first):
        return "lines"
    # A broken first line among good ones is a broken line.
    return "lines" if second[:1] in (b"{", b"[") and _valid(second) else "object"


def _braces(line: bytes) -> bool:
    return line[:1] == b"{"


def _valid(line: bytes) -> bool:
    import orjson

    # What is JSON in the strictest sense is so for DuckDB, which takes a millisecond to say it.
    with suppress(orjson.JSONDecodeError):
        orjson.loads(line)
        return True
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return False
    with describing() as connection:
        try:
            return bool(connection.execute("SELECT json_valid(?)", [text]).fetchall()[0][0])
        except duckdb.Error:  # pragma: no cover - json_valid says false
            return False
