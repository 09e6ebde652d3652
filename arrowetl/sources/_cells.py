"""The rows and the values of a CSV file, as places in its bytes: found with NumPy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from arrowetl.sources._mend import BLOCK, Quotes, Signs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Rows of a block that have as many values as there are columns.

    Attributes:
        text: the block.
        at: where in the file it begins.
        starts: where in the block the rows begin.
        ends: the bytes after their last ones.
        marks: where their delimiters are, a line a row.
        delimiter: how long one is.
    """

    text: bytes
    at: int
    starts: Places
    ends: Places
    marks: Places
    delimiter: int

    def span(self, row: int) -> tuple[int, int]:
        """Give where in the file a row begins and ends."""
        return self.at + int(self.starts[row]), self.at + int(self.ends[row])

    def cells(self, position: int) -> pa.LargeBinaryArray:
        """Give the values of a column, their quotes with them; nothing is copied."""
        import numpy as np

        width = self.marks.shape[1] + 1
        starts = self.marks[:, position - 1] + self.delimiter if position else self.starts
        ends = self.marks[:, position] if position < width - 1 else self.ends
        # Every other one of what lies between these places is a value.
        places = np.stack([starts, ends], axis=1).reshape(-1)
        buffers = [None, pa.py_buffer(places), pa.py_buffer(self.text)]
        between = pa.Array.from_buffers(pa.large_binary(), max(len(places) - 1, 0), buffers)
        return between.take(pa.array(np.arange(0, len(between), 2)))


def first_row(path: str, signs: Signs, *, skip: int, header: bool) -> int:
    """Give where in a file the rows begin: behind the lines above them, and the header."""
    passed, below = 0, not header
    if not skip and below:
        return 0
    for start, end in _lines(path, signs):
        passed += 1
        if passed <= skip:
            continue
        if below:
            return start
        below = end > start  # a blank line is no header
    return Path(path).stat().st_size


def _lines(path: str, signs: Signs) -> Iterator[tuple[int, int]]:
    """Give where rows of any width begin and end; the feed behind a return ends none."""
    for rows in rows_of(path, signs, width=None):
        for start, end in zip(rows.starts, rows.ends, strict=True):
            if rows.text[start - 1 : start + 1] != b"\r\n":
                yield rows.at + int(start), rows.at + int(end)


def rows_of(path: str, signs: Signs, *, width: int | None, begin: int = 0) -> Iterator[Rows]:
    """Give the rows of a file with `width` values, block by block; reads all of it.

    Args:
        path: the file.
        signs: its own.
        width: how many values; None for any number, but then their places aren't known.
        begin: where the first row begins.
    """
    held, at = b"", begin
    with Path(path).open("rb") as file:
        file.seek(begin)
        while True:
            block = file.read(BLOCK)
            text = held + block if block else held + b"\n"
            rows, past = _rows(text, at, signs, width)
            yield rows
            held, at = text[past:], at + past
            if not block:
                return


def _rows(text: bytes, at: int, signs: Signs, width: int | None) -> tuple[Rows, int]:
    """Give the whole rows of a text that begins with one, and where they end."""
    import numpy as np

    view = np.frombuffer(text, np.uint8)
    is_end = (view == ord("\n")) | (view == ord("\r"))
    is_mark = view == signs.delimiter[0] if len(signs.delimiter) == 1 else _marks(text, signs)
    if signs.quote and signs.quote in text:
        outside = _outside(text, view, signs)
        is_end &= outside
        is_mark &= outside
    ends, marks = np.flatnonzero(is_end), np.flatnonzero(is_mark)
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    past = int(ends[-1]) + 1 if ends.size else 0
    if width is None:
        return Rows(text, at, starts, ends, marks[:0, None], len(signs.delimiter)), past
    before = np.searchsorted(marks, starts)
    whole = np.flatnonzero(np.searchsorted(marks, ends) - before == width - 1)
    picked = before[whole, None] + np.arange(width - 1)
    rows = Rows(text, at, starts[whole], ends[whole], marks[picked], len(signs.delimiter))
    return rows, past


def _marks(text: bytes, signs: Signs) -> NDArray[np.bool_]:
    """Tell where delimiters of several bytes begin; one doesn't begin in another."""
    import numpy as np

    found = np.zeros(len(text), bool)
    found[[each.start() for each in re.finditer(re.escape(signs.delimiter), text)]] = True
    return found


def _outside(text: bytes, view: NDArray[np.uint8], signs: Signs) -> NDArray[np.bool_]:
    """Tell which bytes aren't in quotes: by counting them, unless one is only a letter."""
    import numpy as np

    quotes = np.flatnonzero(view == signs.quote[0])
    opening = quotes[::2]
    before = view[np.maximum(opening - 1, 0)]
    known = np.frombuffer(signs.delimiter[-1:] + signs.quote + b"\r\n", np.uint8)
    begins = np.isin(before, known) | (opening == 0)
    if signs.escape in {b"", signs.quote} and begins.all():
        even: NDArray[np.bool_] = np.cumsum(view == signs.quote[0], dtype=np.uint8) % 2 == 0
        return even
    pieces = list(Quotes(signs).pieces(text))
    lengths = [len(piece) for piece, _ in pieces]
    inside: NDArray[np.bool_] = np.repeat(np.array([within for _, within in pieces], bool), lengths)
    return ~inside
