"""Four kinds of damage to a CSV file that DuckDB can't reject line by line.

Line ends of several kinds stop its parser, for the whole file. A quote that never closes makes
everything after it one value, or loses it up to the next of the parser's buffers, whichever
thread comes first. A line with a value too many passes, its values shifted, if its last one is
null. A row longer than two of the parser's buffers is lost, or takes all memory there is. All are
looked for beforehand, at the speed of memory, and mended in a copy: a line that
has to be rejected is spoilt there, so that it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from arrowetl.rejected import ESCAPED, as_text

BLOCK = 1 << 20
LARGE = 16 * BLOCK
STRETCH = 1 << 16
LONGEST = 64 * BLOCK
"""Bytes of a row that are kept, of one that is too long for DuckDB."""
TAIL = 64
"""Bytes before a quote that are looked at: more spaces than anybody puts there."""


@dataclass(frozen=True)
class Signs:
    """The bytes that give a CSV file its structure."""

    delimiter: bytes
    quote: bytes
    escape: bytes


@dataclass(frozen=True)
class Spoilt:
    """A line that is overwritten in a copy, so that DuckDB rejects it.

    Attributes:
        start: where it begins in the copy, from 0; `end` is where it ends.
        end: the byte after it.
        code: why it is rejected, in a word.
        reason: the same in a sentence.
        text: what stands there in the file; of a row over `LONGEST`, its beginning.
        added: line ends that the copy has here and the file hasn't.
        column: the one whose value is to blame, if one is.
    """

    start: int
    end: int
    code: str
    reason: str
    text: str
    added: int = 0
    column: str | None = None


@dataclass(frozen=True)
class Fault:
    """A row that is to be rejected, and why; as in `Spoilt`."""

    start: int
    end: int
    code: str
    reason: str
    column: str | None = None


class Quotes:
    """Follow a text in blocks, and tell what of it stands in quotes."""

    def __init__(self, signs: Signs) -> None:
        """Begin outside quotes, at the start of a line."""
        self.inside = False
        self.opened = -1
        self.record = 0
        self._signs = signs
        self._at = 0
        self._before = b"\n"

    def pieces(self, block: bytes) -> Iterator[tuple[bytes, bool]]:
        """Give the text between quotes, and the quotes, and whether it stands in them."""
        quote = self._signs.quote
        for number, piece in enumerate(block.split(quote) if quote else [block]):
            if number:
                self._pass_quote()
                yield quote, True
            yield piece, self.inside
            if not self.inside and (end := max(piece.rfind(b"\n"), piece.rfind(b"\r"))) >= 0:
                self.record = self._at + end + 1
            self._at += len(piece)
            self._before = (self._before + piece[-TAIL:])[-TAIL:]

    def _pass_quote(self) -> None:
        quote = self._signs.quote
        counts = not self._escaped() if self.inside else self._begins_value()
        if counts:
            self.inside = not self.inside
            self.opened = self._at if self.inside else self.opened
        self._at += len(quote)
        # One that is only a letter must not look like the first of a doubled quote.
        self._before = quote if counts else b"x"

    def _escaped(self) -> bool:
        escape = self._signs.escape
        if escape in {b"", self._signs.quote}:
            return False
        return (len(self._before) - len(self._before.rstrip(escape))) % 2 == 1

    def _begins_value(self) -> bool:
        if self._before == self._signs.quote:
            return True
        return self._before.rstrip(b" ").endswith((self._signs.delimiter, b"\n", b"\r"))


def mixed_line_ends(path: str) -> bool:
    """Tell whether a file has line ends of more than one kind, in or out of quotes."""
    import numpy as np

    feeds = returns = pairs = 0
    for block in _whole_line_ends(path):
        view = np.frombuffer(block, np.uint8)
        is_feed, is_return = view == ord("\n"), view == ord("\r")
        feeds += np.count_nonzero(is_feed)
        returns += np.count_nonzero(is_return)
        pairs += np.count_nonzero(is_return[:-1] & is_feed[1:])
    return min(feeds, returns) > 0 and not feeds == returns == pairs


def _whole_line_ends(path: str) -> Iterator[bytes]:
    """Give blocks that never end between a return and its line feed."""
    held = b""
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK):
            whole = held + block
            held = b"\r" if whole.endswith(b"\r") else b""
            yield whole[: len(whole) - len(held)]
    if held:
        yield held


def may_stay_open(path: str, signs: Signs) -> bool:
    """Tell whether the file's last quote could be one that opens: no is sure, yes a doubt."""
    around = _around_last(path, signs.quote)
    if around is None:
        return False
    before, after = around
    ends_value = not after or after.startswith((signs.delimiter, b"\n", b"\r"))
    starts = (signs.delimiter, b"\n", b"\r", b" ", signs.quote, signs.escape)
    return not before or before.endswith(starts) or not ends_value


def _around_last(path: str, quote: bytes) -> tuple[bytes, bytes] | None:
    with Path(path).open("rb") as file:
        end = file.seek(0, 2)
        while end > 0:
            start = max(0, end - BLOCK)
            file.seek(start)
            found = file.read(end - start).rfind(quote)
            if found >= 0:
                at = start + found
                file.seek(max(0, at - TAIL))
                return file.read(min(TAIL, at)), file.read(TAIL)[len(quote) :]
            end = start
    return None


def open_quote(path: str, signs: Signs) -> list[tuple[int, int]]:
    """Give the row in which a quote opens that nothing closes: from, to; reads all of the file."""
    quotes = Quotes(signs)
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK):
            for _ in quotes.pieces(block):
                pass
        if not quotes.inside:
            return []
        file.seek(quotes.opened)
        line = re.split(rb"[\r\n]", file.read(BLOCK), maxsplit=1)[0]
    return [(quotes.record, quotes.opened + len(line))]


def long_quote(path: str, signs: Signs, *, span: int) -> int | None:
    """Give where the first quote opens that takes in over `span` bytes; None if none does."""
    quotes, at = Quotes(signs), 0
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK):
            for piece, inside in quotes.pieces(block):
                at += len(piece)
                if inside and piece != signs.quote and at - quotes.opened > span:
                    return quotes.opened
    return None


def long_rows(path: str, signs: Signs, *, limit: int) -> list[tuple[int, int]]:
    """Give the rows, from, to, of more than `limit` bytes; reads all of the file."""
    quotes, found = Quotes(signs), []
    start = at = 0
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK):
            for piece, inside in quotes.pieces(block):
                end = None if inside else re.search(rb"[\r\n]", piece)
                if end is not None:
                    if at + end.start() - start > limit:
                        found.append((start, at + end.start()))
                    start = at + max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
                at += len(piece)
    return [*found, (start, at)] if at - start > limit else found


def shifted_rows(
    path: str, signs: Signs, *, width: int, nulls: Sequence[bytes]
) -> list[tuple[int, int]]:
    """Give the rows, from, to, with a value more than `width`, the last of them null.

    In files over 16 MB, a stretch of 64 kB without quotes that has as many delimiters as its
    lines should have together is taken to be sound.
    """
    if width == 1 or len(signs.delimiter) > 1:
        return []
    found: list[tuple[int, int]] = []
    at, inside = 0, False
    large = Path(path).stat().st_size > LARGE
    for block in whole_lines(path):
        quoted = bool(signs.quote) and signs.quote in block
        if inside or quoted or not (large and _balanced(block, signs, width)):
            for start, end in _rows_of_width(block, signs, width + 1, inside=inside):
                last = block[start:end].rpartition(signs.delimiter)[2].strip(signs.quote or None)
                if last in nulls:
                    found.append((at + start, at + end))
        inside ^= quoted and block.count(signs.quote) % 2 == 1
        at += len(block)
    return found


def _balanced(block: bytes, signs: Signs, width: int) -> bool:
    import numpy as np

    view = np.frombuffer(block, np.uint8)
    start = 0
    while start < len(block):
        end = block.find(b"\n", start + STRETCH) + 1 or len(block)
        part = view[start:end]
        lines = np.count_nonzero(part == ord("\n"))
        if np.count_nonzero(part == signs.delimiter[0]) != lines * (width - 1):
            return False
        start = end
    return True


def whole_lines(path: str) -> Iterator[bytes]:
    """Give blocks that end where a line does, and at the end of the file as if one did."""
    held = b""
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK):
            end = max(block.rfind(b"\n"), block.rfind(b"\r", 0, -1)) + 1
            if end:
                yield held + block[:end]
                held = b""
            held += block[end:]
    if held:
        yield held + b"\n"


def _rows_of_width(
    block: bytes, signs: Signs, width: int, *, inside: bool
) -> Iterator[tuple[int, int]]:
    import numpy as np

    # Where rows are takes six times as long as whether there are any.
    marks, _ = _marks(block.translate(None, _letters(signs)), signs, inside=inside)
    if width - 1 not in marks:
        return
    marks, ends = _marks(block, signs, inside=inside)
    for number in np.flatnonzero(marks == width - 1):
        yield int(ends[number - 1]) + 1 if number else 0, int(ends[number])


@cache
def _letters(signs: Signs) -> bytes:
    structure = b"\r\n" + signs.delimiter + signs.quote
    return bytes(byte for byte in range(256) if byte not in structure)


def _marks(block: bytes, signs: Signs, *, inside: bool) -> tuple[Any, Any]:
    """Give how many delimiters each row has, and where it ends."""
    import numpy as np

    view = np.frombuffer(block, np.uint8)
    is_end = (view == ord("\n")) | (view == ord("\r"))
    is_mark = view == signs.delimiter[0]
    if inside or (signs.quote and signs.quote in block):
        # Counted in bytes that wrap around: only odd or even matters.
        outside = (np.cumsum(view == signs.quote[0], dtype=np.uint8) + inside) % 2 == 0
        is_end &= outside
        is_mark &= outside
    ends = np.flatnonzero(is_end)
    return np.diff(np.cumsum(is_mark, dtype=np.int32)[ends], prepend=0), ends


def write_line_feeds(path: str, target: Path, signs: Signs) -> None:
    """Copy a file with every line end outside quotes a line feed."""
    quotes = Quotes(signs)
    with target.open("wb") as copy:
        for block in _whole_line_ends(path):
            copy.writelines(
                piece if inside else re.sub(rb"\r\n?", b"\n", piece)
                for piece, inside in quotes.pieces(block)
            )


def spoil(target: Path, faults: Sequence[Fault], signs: Signs) -> Iterator[Spoilt]:
    """Overwrite what structures these rows of a copy, byte by byte; tell what they were.

    A row without delimiters lacks columns, and so is rejected whichever columns are read. One of a
    single column is no value of its type any more; or, if that is text, no text. One that is too
    long for DuckDB, which would leave it out and say nothing, is cut into several.
    """
    marks = signs.delimiter + signs.quote
    # A letter: what isn't one ends the scan where a type is cast from text.
    blank = next(byte for byte in range(1, 9) if byte not in marks + signs.escape)
    some = bytes(blank if byte in marks else byte for byte in range(256))
    every = bytes(byte if byte in b"\r\n" else blank for byte in range(256))
    none = bytes(byte if byte in b"\r\n" else 0xFF for byte in range(256))
    with target.open("r+b") as copy:
        for fault in faults:
            length = fault.end - fault.start
            copy.seek(fault.start)
            text = copy.read(min(length, LONGEST + 1))
            shown = as_text(text, limit=LONGEST)
            why = fault.reason
            if not text.startswith(shown.encode()):
                why = f"{why}; {ESCAPED}"
            # In quotes, line ends may be of another kind than the file's.
            if b"\r" in text and copy.read(1) == b"\n":
                text = text.replace(b"\r", bytes([blank]))
            copy.seek(fault.start)
            if length > LARGE:
                _cut_up(copy, length)
            else:
                alone = every if fault.column is not None else none
                copy.write(text.translate(some if signs.delimiter in text else alone))
            added = length // BLOCK if length > LARGE else 0
            yield Spoilt(fault.start, fault.end, fault.code, why, shown, added, fault.column)


def _cut_up(copy: BinaryIO, length: int) -> None:
    line = b"\xff" * (BLOCK - 1) + b"\n"
    copy.writelines(line for _ in range(length // BLOCK))
    copy.write(b"\xff" * (length % BLOCK))
