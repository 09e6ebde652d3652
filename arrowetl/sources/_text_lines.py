"""Text cut into lines, or into records of several lines: columns of them, never one by one."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from arrowetl.rejected import ESCAPED, as_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]

LONGEST = 16 << 20
"""Bytes of a line or record, at most: longer ones are rejected."""
SHOWN = 1 << 16
"""Bytes of one that is too long that the dead letters get."""

LINES = pa.schema(
    [
        pa.field("line", pa.int64()),
        pa.field("byte", pa.int64()),
        pa.field("text", pa.string()),
        pa.field("fault", pa.string()),
    ]
)
"""A row a line, or a record: where it begins, from 1, and what is wrong with it."""

ENCODING = "encoding"
LINE_SIZE = "line_size"
FAULTS = {
    ENCODING: f"{ESCAPED}; say encoding=, perhaps 'cp1252' or 'latin-1'",
    LINE_SIZE: f"it is longer than {LONGEST:,} bytes, of which the first {SHOWN:,} are kept",
}
_FEED, _RETURN = b"\n\r"


def cut(blocks: Iterator[bytes], record_start: str | None = None) -> Iterator[pa.RecordBatch]:
    r"""Give the lines of a text that comes in blocks, without their ends: LF, CRLF or CR, mixed.

    What stands behind the last line end is a line too, unless it is nothing. Memory holds a block
    and twice the longest line, at most.

    Args:
        blocks: UTF-8, or what should be.
        record_start: a regular expression; lines in which it isn't found belong to the one before,
            which they follow with the line ends they have. Empty lines at a record's end are
            dropped.

    >>> [batch["text"].to_pylist() for batch in cut(iter([b"a\nb", b"c\r\n\nd"]))]
    [['a'], ['bc', ''], ['d']]
    """
    cutter = _Cutter(record_start)
    for block in blocks:
        yield from cutter.take(block)
    yield from cutter.take(b"", last=True)


@dataclass
class _Cutter:
    """What is known between two blocks."""

    record_start: str | None
    held: bytes = b""
    """What can't be cut yet: a line without its end, a record without its successor."""
    line: int = 1
    """Where `held` begins, as `byte`."""
    byte: int = 1
    passing: bool = False
    """Whether `held` goes on with one that was too long, and has been told of."""
    within: bool = False
    """Whether `held` begins within a line; only when passing."""

    def take(self, block: bytes, *, last: bool = False) -> Iterator[pa.RecordBatch]:
        import numpy as np

        if self.byte == 1 and not self.held and block.startswith(codecs.BOM_UTF8):
            block, self.byte = block[len(codecs.BOM_UTF8) :], 1 + len(codecs.BOM_UTF8)
        self.held += block
        bounds = np.concatenate(([0], _line_ends(self.held, last=last)))
        starts = self._starts(bounds)
        done = len(bounds) - 1 if last else self._done(bounds, starts)
        whole = starts[starts < done]
        if len(whole):
            yield _rows(self.held, bounds[np.append(whole, done)], whole + self.line, self.byte)
        if len(starts) or (done and self.record_start is None):
            self.passing = False
        self._drop(done, bounds)
        if not last:
            yield from self._pass_too_long(bounds[done:] - bounds[done])

    def _starts(self, bounds: Places) -> Places:
        """Give which of the whole lines begin a record; without records, each does."""
        import numpy as np

        mask = np.ones(len(bounds) - 1, bool)
        if self.record_start is not None and len(mask):
            import pyarrow.compute as pc

            lines = _texts(self.held, bounds)
            mask = pc.match_substring_regex(lines, self.record_start).to_numpy(zero_copy_only=False)
            mask = mask | (np.diff(bounds) > LONGEST)
        if self.within:
            mask[:1] = False
        elif not self.passing:
            mask[:1] = True  # what stands above the first record is one, too
        return np.flatnonzero(mask)

    def _done(self, bounds: Places, starts: Places) -> int:
        """Give how many lines nothing can be added to any more."""
        lines = len(bounds) - 1
        if self.record_start is None or len(self.held) - bounds[-1] > LONGEST:
            return lines
        if len(starts):
            return int(starts[-1])
        return lines if self.passing else 0

    def _drop(self, lines: int, bounds: Places) -> None:
        if lines:
            self.within = False
            self.held = self.held[bounds[lines] :]
            self.byte += int(bounds[lines])
            self.line += lines

    def _pass_too_long(self, bounds: Places) -> Iterator[pa.RecordBatch]:
        """Tell of what is held, and forget it, once it is longer than anything may be."""
        import numpy as np

        whole, tail = int(bounds[-1]), len(self.held) - int(bounds[-1])
        if max(whole, tail) <= LONGEST and not self.within:
            return
        if not self.passing or (tail > LONGEST and not self.within):
            place = np.array([0, len(self.held)])
            yield _rows(self.held, place, np.array([self.line]), self.byte)
        self.passing = True
        if tail <= LONGEST and not self.within:  # a line that may begin the next record
            self._drop(len(bounds) - 1, bounds)
            return
        self.within = True
        # A return at the very end may be half of a line end.
        keep = int(self.held.endswith(b"\r"))
        self.byte += len(self.held) - keep
        self.held = self.held[len(self.held) - keep :]


def _line_ends(text: bytes, *, last: bool) -> Places:
    """Give the offsets after each line end; and the text's end, if it is the last."""
    import numpy as np

    view = np.frombuffer(text, np.uint8)
    is_end = view == _FEED
    if b"\r" in text:
        is_return = view == _RETURN
        is_end[:-1] |= is_return[:-1] & (view[1:] != _FEED)
        is_end[-1:] |= is_return[-1:] & last
    ends = np.flatnonzero(is_end) + 1
    if last and len(text) and not is_end[-1]:
        ends = np.append(ends, len(text))
    return ends


def _texts(text: bytes, bounds: Places) -> pa.Array:
    """Give what stands between `bounds`, without line ends; not checked to be UTF-8."""
    import numpy as np
    import pyarrow.compute as pc

    buffers = [None, pa.py_buffer(bounds.astype(np.int32)), pa.py_buffer(text)]
    whole = pa.Array.from_buffers(pa.string(), len(bounds) - 1, buffers)
    # A line has no other line ends than its own, so nothing else is trimmed.
    return pc.ascii_rtrim(whole, characters="\r\n")


def _rows(text: bytes, bounds: Places, lines: Places, byte: int) -> pa.RecordBatch:
    """Give the records between `bounds` of a text that begins at `byte`."""
    import numpy as np

    texts, count = _texts(text, bounds), len(lines)
    faults = pa.nulls(count, pa.string())
    valid = _valid(texts)
    if not valid or (np.diff(bounds) > LONGEST).any():
        is_bad = np.zeros(count, bool) if valid else _undecodable(text, bounds)
        texts, faults = _with_faults(text, bounds, texts, is_bad)
    columns = [pa.array(lines), pa.array(bounds[:-1] + byte), texts, faults]
    return pa.RecordBatch.from_arrays(columns, schema=LINES)


def _valid(texts: pa.Array) -> bool:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _undecodable(text: bytes, bounds: Places) -> NDArray[np.bool_]:
    """Give which of the texts hold bytes that aren't UTF-8."""
    import numpy as np

    decoded = text[: bounds[-1]].decode("utf-8", errors="surrogateescape")
    letters = np.frombuffer(decoded.encode("utf-32-le", errors="surrogatepass"), np.uint32)
    # An invalid byte is a letter of its own, and other letters are as many bytes as UTF-8 says.
    escaped = (letters >= 0xDC80) & (letters <= 0xDCFF)  # noqa: PLR2004 - what Python escapes to
    sizes = 1 + (letters > 0x7F) + (letters > 0x7FF) + (letters > 0xFFFF)  # noqa: PLR2004
    places = np.cumsum(np.where(escaped, 1, sizes))[escaped] - 1
    bad = np.zeros(len(bounds) - 1, bool)
    rows = np.searchsorted(bounds, places, side="right") - 1
    bad[rows[rows >= 0]] = True
    return bad


def _with_faults(
    text: bytes, bounds: Places, texts: pa.Array, is_bad: NDArray[np.bool_]
) -> tuple[pa.Array, pa.Array]:
    """Give the texts as dead letters show them, and what is wrong with which."""
    import numpy as np
    import pyarrow.compute as pc

    is_long = np.diff(bounds) > LONGEST
    faulty = is_long | is_bad
    shown = [
        as_text(row, limit=SHOWN if len(row) > LONGEST else None).rstrip("\r\n")
        for row in (text[bounds[n] : bounds[n + 1]] for n in np.flatnonzero(faulty))
    ]
    kinds = pa.array(np.where(is_long, LINE_SIZE, ENCODING), pa.string(), mask=~faulty)
    return pc.replace_with_mask(texts, pa.array(faulty), pa.array(shown, pa.string())), kinds
