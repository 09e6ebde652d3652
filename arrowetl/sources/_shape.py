"""The shape of a CSV text: its delimiter, how many values a row has, where the rows begin.

DuckDB's sniffer wants every row of its sample sound: a few broken ones, and it takes the file for
one of a single column, or refuses it. What most rows say is what counts here.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from arrowetl.errors import ReadError
from arrowetl.sources._text import is_json

DELIMITERS = (",", ";", "\t", "|")
UNIT = "\x1f"
LOOKED_AT = 1 << 18
"""Bytes at the head of a text that are looked at."""


@dataclass(frozen=True)
class Shape:
    """What holds a text's values apart."""

    delimiter: str
    escape: str
    skip: int
    width: int


@dataclass(frozen=True)
class _Row:
    number: int
    values: list[str]


def shape_of(
    path: str,
    *,
    delimiter: str | None,
    quote: str,
    skip: int | None,
    header: bool | None,
    where: str,
) -> Shape:
    """Find the shape of the plain text at `path`, from its head.

    Raises:
        ReadError: the first row, where a header may be, isn't like the rows.
    """
    head = _head(path)
    if len(head) >= LOOKED_AT:
        head = head[: head.rfind(b"\n") + 1] or head
    text = head.decode("utf-8", errors="replace")
    escape = _escape(text, quote)
    tried = {
        mark: _rows(text, mark, quote, escape)
        for mark in ([delimiter] if delimiter else _possible(text))
    }
    found = max(tried, key=lambda mark: _score(tried[mark]))
    rows = tried[found] if delimiter or _score(tried[found]) > (0.5, 0) else []
    width = _width(rows)
    if skip is None:
        skip = _title(rows, width) if header is not False else 0
    first = next((row for row in rows if row.number >= skip), None)
    if first is not None and header is not False:
        _check_header(first, width, where)
    return Shape(found if rows else ",", escape, skip, width)


def _possible(text: str) -> list[str]:
    return [mark for mark in DELIMITERS if mark in text] or [DELIMITERS[0]]


def _rows(text: str, delimiter: str, quote: str, escape: str) -> list[_Row]:
    """Give the rows that have values, each with the number of lines before it."""
    if len(delimiter) > 1:  # more than the csv module takes
        text, delimiter = text.replace(delimiter, UNIT), UNIT
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        quotechar=quote or None,
        doublequote=escape == quote,
        escapechar=escape if escape not in {quote, ""} else None,
    )
    rows, before = [], 0
    try:
        for values in reader:
            if values:
                rows.append(_Row(before, values))
            before = reader.line_num
    except csv.Error:  # a value longer than it takes: what came before will do
        pass
    return rows


def _width(rows: list[_Row]) -> int:
    counts = Counter(len(row.values) for row in rows)
    return max(counts, key=lambda width: (counts[width], width), default=1)


def _score(rows: list[_Row]) -> tuple[float, int]:
    """Say how well a delimiter fits: the share of rows that agree, then the values in a row."""
    width = _width(rows)
    if width == 1:
        return (0.0, 1)
    return (sum(len(row.values) == width for row in rows) / len(rows), width)


def _escape(text: str, quote: str) -> str:
    r"""Give a backslash where one stands before a quote inside a value, and none is doubled."""
    inside = re.escape(quote)
    if (
        quote
        and re.search(rf"\w\\{inside}\s*\w", text)
        and not re.search(rf"\w{inside}{inside}", text)
    ):
        return "\\"
    return quote


def _title(rows: list[_Row], width: int) -> int:
    """Give the lines above the first row that has more than one value, where rows have."""
    if width == 1:
        return 0
    return next((row.number for row in rows if len(row.values) > 1), 0)


def refuse_json(path: str, where: str) -> None:
    """Raise ReadError for what begins as JSON does."""
    if is_json(_head(path)):
        raise ReadError(f"{where} isn't CSV: it is JSON; read it with JSONSource")


def _head(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(LOOKED_AT).removeprefix(b"\xef\xbb\xbf")


def _check_header(first: _Row, width: int, where: str) -> None:
    if len(first.values) != width:
        raise ReadError(
            f"{where}: line {first.number + 1} has {len(first.values)} values, and most rows have "
            f"{width}: say header=False if it is a row, skip= if the header comes later, or mend it"
        )
    if any("\ufffd" in value for value in first.values):
        raise ReadError(
            f"{where}: line {first.number + 1}, the header, isn't UTF-8: say encoding=, for "
            "instance 'latin-1' or 'cp1252'"
        )
