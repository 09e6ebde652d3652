"""JSON files as bytes: indented, joined, and looked at before more is added to them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from arrowetl.errors import SchemaError, WriteError, closest, did_you_mean
from arrowetl.sinks.csv_files import opened

LONGEST = 16 << 20
"""Bytes of a line, at most, that is looked at."""

_CHUNK = 1 << 20
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|\{\}|\[\]|[\[\]{},:]')


def indented(lines: IO[bytes], indent: int) -> Iterator[bytes]:
    r"""Give an array of the objects in lines, indented by `indent` spaces a level.

    Values are taken as they are written: no digit changes.

    >>> import io
    >>> print(b"".join(indented(io.BytesIO(b'{"a":[1.10,"x, y"],"b":{}}\n'), 2)).decode(), end="")
    [
      {
        "a": [
          1.10,
          "x, y"
        ],
        "b": {}
      }
    ]
    """
    start = b"[\n"
    for line in lines:
        yield start + b" " * indent + _indented(line.rstrip(b"\n"), indent)
        start = b",\n"
    yield b"[]\n" if start == b"[\n" else b"\n]\n"


def _indented(text: bytes, indent: int) -> bytes:
    depth = 1

    def spaced(token: re.Match[bytes]) -> bytes:
        nonlocal depth
        match token[0]:
            case b"{" | b"[":
                depth += 1
                return token[0] + b"\n" + b" " * indent * depth
            case b"}" | b"]":
                depth -= 1
                return b"\n" + b" " * indent * depth + token[0]
            case b",":
                return b",\n" + b" " * indent * depth
            case b":":
                return b": "
            case _:
                return token[0]

    return _TOKEN.sub(spaced, text)


def check_first(path: Path, codec: str, columns: Sequence[str], *, where: str) -> None:
    """Look whether a file has records of these columns, by its first line that isn't blank.

    Raises:
        WriteError: it isn't an object.
        SchemaError: it has other keys.
        EOFError, LZMAError, zlib.error, BadZipFile, OSError: the file is damaged.
    """
    import orjson

    first = _first_line(path, codec)
    if not first:
        return
    try:
        keys = list(orjson.loads(first.removeprefix(b"\xef\xbb\xbf")))
    except (orjson.JSONDecodeError, TypeError):
        keys = None
    if keys is None or not first.endswith(b"}"):
        raise WriteError(
            f"{where}: can't be appended to: its first line is no JSON object; is it an array?"
        )
    if set(keys) != set(columns):
        raise SchemaError(f"{_difference(keys, columns)}; nothing was appended", where=where)


def _first_line(path: Path, codec: str) -> bytes:
    found = b""
    with opened(path, codec) as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            found = (found + chunk).lstrip()
            if b"\n" in found or len(found) > LONGEST:
                break
    return found.split(b"\n", 1)[0].rstrip()


def _difference(there: Sequence[str], columns: Sequence[str]) -> str:
    lacks = [column for column in columns if column not in there]
    more = [key for key in there if key not in columns]
    hint = did_you_mean(closest(lacks[0], more)) if lacks and more else ""
    parts = [
        f"the file's records lack {', '.join(map(repr, lacks))}" if lacks else "",
        f"the rows lack {', '.join(map(repr, more))}" if more else "",
    ]
    return "; ".join(filter(None, parts)) + hint.rstrip(".")


def check_last(path: Path, codec: str, *, where: str) -> None:
    """Look whether a file ends with a whole record, with or without a line end.

    Of a compressed file all is read; of others the last line.

    Raises:
        WriteError: it doesn't.
    """
    import orjson

    last = _last_line(path, codec)
    if not last.strip():
        return
    try:
        orjson.loads(last)
    except orjson.JSONDecodeError as error:
        raise WriteError(
            f"{where}: can't be appended to: its last line isn't whole ({error}). Mend it first"
        ) from error


def _last_line(path: Path, codec: str) -> bytes:
    last = b""
    with opened(path, codec) as file:
        if codec == "none":
            file.seek(max(0, path.stat().st_size - LONGEST), os.SEEK_SET)
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            joined = (last + chunk)[-LONGEST:]
            whole = joined.rstrip()
            last = joined[whole.rfind(b"\n") + 1 :]
    return last
