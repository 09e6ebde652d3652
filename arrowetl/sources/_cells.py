"""The rows and the values of a CSV file, as places in its bytes: found with NumPy."""

from __future__ import annotations

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


def rows_of(path: str, signs: Signs, *, width: int) -> Iterator[Rows]:
    """Give the rows of a file with `width` values, block by block; reads all of it."""
    held, at = b"", 0
    with Path(path).open("rb") as file:
        while True:
            block = file.read(BLOCK)
            text = held + block if block else held + b"\n"
            rows, past = _rows(text, at, signs, width)
            yield rows
            held, at = text[past:], at + past
            if not block:
                return


def _rows(text: bytes, at: int, signs: Signs, width: int) -> tuple[Rows, int]:
    """Give the whole rows of a text that begins with one, and where they end."""
    import numpy as np

    view = np.frombuffer(text, np.uint8)
    is_end = (view == ord("\n")) | (view == ord("\r"))
    is_mark = view == signs.delimiter[0]
    for offset, sign in enumerate(signs.delimiter[1:], start=1):
        is_mark[:-offset] &= view[offset:] == sign
        is_mark[-offset:] = False
    if signs.quote and signs.quote in text:
        outside = _outside(text, view, signs)
        is_end &= outside
        is_mark &= outside
    ends, marks = np.flatnonzero(is_end), np.flatnonzero(is_mark)
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    before = np.searchsorted(marks, starts)
    whole = np.flatnonzero(np.searchsorted(marks, ends) - before == width - 1)
    picked = before[whole, None] + np.arange(width - 1)
    rows = Rows(text, at, starts[whole], ends[whole], marks[picked], len(signs.delimiter))
    return rows, int(ends[-1]) + 1 if ends.size else 0


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
