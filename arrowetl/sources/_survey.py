"""One quick look over a file's bytes for what could trip DuckDB up.

It costs about a fortieth of what reading the file does. Only where it finds something is the
file looked at closely (`_mend.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arrowetl.sources._mend import BLOCK, Signs

STRETCH = 1 << 12
"""Bytes of a block with quotes that are looked at, at a time, for the end of a row."""


@dataclass(frozen=True)
class Survey:
    """What stands somewhere in a file.

    Attributes:
        returns: a carriage return.
        quotes: a quote.
        null_tails: a line's end after a delimiter and a null.
    """

    returns: bool
    quotes: bool
    null_tails: bool
    longest: int
    """Bytes of the longest row, or up to `BLOCK` more; nothing less than `BLOCK` counts."""


def survey(path: str, signs: Signs, nulls: Sequence[bytes]) -> Survey:
    """Look over a file."""
    returns = quotes = tails = False
    wanted = _tails(signs, nulls)
    longest = max(map(len, wanted))
    rows = _Rows(signs)
    with Path(path).open("rb") as file:
        last = b""
        while block := file.read(BLOCK):
            returns = returns or b"\r" in block
            quotes = quotes or (bool(signs.quote) and signs.quote in block)
            rows.pass_block(block)
            if not tails:
                likely = [tail for tail in wanted if (returns or tail[-1:] != b"\r")]
                joint = last + block[:longest]
                tails = _has_any(block, likely, signs) or any(tail in joint for tail in likely)
            last = block[-longest:]
    # The last line may have no end.
    tails = tails or any((last + b"\n").endswith(tail) for tail in wanted)
    return Survey(returns, quotes, tails, rows.longest)


class _Rows:
    """Follow how long rows get, by one row's end in each block."""

    def __init__(self, signs: Signs) -> None:
        self._quote = signs.quote
        self._inside = False
        self._since = 0
        self._longest = 0

    @property
    def longest(self) -> int:
        return max(self._longest, self._since)

    def pass_block(self, block: bytes) -> None:
        quoted = bool(self._quote) and self._quote in block
        end = self._end_among_quotes(block) if quoted or self._inside else _line_end(block)
        if end is None:
            self._since += len(block)
        else:
            self._longest = max(self._longest, self._since + end)
            self._since = len(block) - end
        if quoted:
            self._inside ^= _count(block, self._quote) % 2 == 1

    def _end_among_quotes(self, block: bytes) -> int | None:
        import numpy as np

        view, inside = np.frombuffer(block, np.uint8), self._inside
        for start in range(0, len(block), STRETCH):
            part = view[start : start + STRETCH]
            within = (np.cumsum(part == self._quote[0], dtype=np.uint32) + inside) % 2 == 1
            ends = np.flatnonzero(((part == ord("\n")) | (part == ord("\r"))) & ~within)
            if ends.size:
                return start + int(ends[0])
            inside = bool(within[-1])
        return None


def _count(block: bytes, sign: bytes) -> int:
    import numpy as np

    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == sign[0]))


def _line_end(block: bytes) -> int | None:
    at = block.find(b"\n")
    at = at if at >= 0 else block.find(b"\r")
    return at if at >= 0 else None


def _tails(signs: Signs, nulls: Sequence[bytes]) -> list[bytes]:
    quoted = [signs.quote + null + signs.quote for null in nulls] if signs.quote else []
    return [signs.delimiter + value + end for value in (*nulls, *quoted) for end in (b"\n", b"\r")]


def _has_any(block: bytes, tails: Sequence[bytes], signs: Signs) -> bool:
    """Tell whether one of them is in the block: by two of its bytes, as one word, first."""
    import numpy as np

    even, odd = (
        np.frombuffer(block, np.uint16, (len(block) - offset) // 2, offset)
        for offset in (0, min(1, len(block)))
    )
    for tail in tails:
        # In a file of quoted values each line ends in a quote; few end in two.
        pair = tail[-3:-1] if tail[-2:-1] == signs.quote else tail[-2:]
        word = int(np.frombuffer(pair, np.uint16)[0])
        if ((even == word).any() or (odd == word).any()) and tail in block:
            return True
    return False
