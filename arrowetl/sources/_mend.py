"""Two kinds of damage to a CSV file that DuckDB can't reject line by line.

Line ends of several kinds stop its parser, for the whole file. A quote that never closes makes
everything after it one value, or loses it up to the next of the parser's buffers, whichever
thread comes first. Both are looked for beforehand, at the speed of memory, and mended in a copy.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1 << 20
TAIL = 64
"""Bytes before a quote that are looked at: more spaces than anybody puts there."""


@dataclass(frozen=True)
class Signs:
    """The bytes that give a CSV file its structure."""

    delimiter: bytes
    quote: bytes
    escape: bytes


@dataclass(frozen=True)
class OpenQuote:
    """A quote that nothing closes.

    Attributes:
        byte: where it stands in the file, from 0.
        letters: how many characters of its line stand before it.
    """

    byte: int
    letters: int


class Quotes:
    """Follow a text in blocks, and tell what of it stands in quotes."""

    def __init__(self, signs: Signs) -> None:
        """Begin outside quotes, at the start of a line."""
        self.inside = False
        self.opened = -1
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
    with Path(path).open("rb") as file:
        # Most files have no return at all: one quick look at each byte.
        if not any(b"\r" in block for block in iter(lambda: file.read(BLOCK), b"")):
            return False
    import numpy as np

    feeds = returns = pairs = 0
    for block in _whole_line_ends(path):
        view = np.frombuffer(block, np.uint8)
        is_feed, is_return = view == ord("\n"), view == ord("\r")
        feeds += np.count_nonzero(is_feed)
        returns += np.count_nonzero(is_return)
        pairs += np.count_nonzero(is_return[:-1] & is_feed[1:])
    return feeds > 0 and not feeds == returns == pairs


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


def open_quote(path: str, signs: Signs) -> int | None:
    """Give the offset of the quote that is still open at the end of the file; reads all of it."""
    quotes = Quotes(signs)
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK):
            for _ in quotes.pieces(block):
                pass
    return quotes.opened if quotes.inside else None


def write_line_feeds(path: str, target: Path, signs: Signs) -> None:
    """Copy a file with every line end outside quotes a line feed."""
    quotes = Quotes(signs)
    with target.open("wb") as copy:
        for block in _whole_line_ends(path):
            copy.writelines(
                piece if inside else re.sub(rb"\r\n?", b"\n", piece)
                for piece, inside in quotes.pieces(block)
            )


def write_without_quote(path: str, target: Path, byte: int) -> OpenQuote:
    """Copy a file with the quote at `byte` overwritten by a byte that isn't UTF-8.

    Its line is rejected for that, and the lines after it are lines again.
    """
    if str(target) != path:
        shutil.copyfile(path, target)
    with target.open("r+b") as copy:
        start = max(0, byte - BLOCK)
        copy.seek(start)
        line = copy.read(byte - start).rpartition(b"\n")[2].rpartition(b"\r")[2]
        copy.seek(byte)
        copy.write(b"\xff")
    return OpenQuote(byte, len(line.decode("utf-8", errors="replace")))
