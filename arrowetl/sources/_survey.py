"""One quick look over a file's bytes for what could trip DuckDB up.

It costs about a fortieth of what reading the file does. Only where it finds something is the
file looked at closely (`_mend.py`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from arrowetl.sources._mend import BLOCK, Signs

RUN = 16
"""Blocks that one thread looks at, one after the other."""

STRETCH = 1 << 12
"""Bytes of a block with quotes that are looked at, at a time, for the end of a row."""

CLOCK = len(":00.1234567")
"""Bytes of a time of day that are looked at, from its last colon on."""

THREADS = 2
"""More would wait for the memory."""


@dataclass(frozen=True)
class Survey:
    """What stands somewhere in a file.

    Attributes:
        returns: a carriage return.
        quotes: a quote.
        null_tails: a line's end after a delimiter and a null.
        clocks: a time of day with a zone, or with a seventh digit of its seconds; or what looks
            like one. False where nobody asked.
        joined: digits that an underscore joins, which DuckDB takes for one number.
    """

    returns: bool
    quotes: bool
    null_tails: bool
    clocks: bool
    joined: bool
    longest: int
    """Bytes of the longest row, or up to `BLOCK` more; nothing less than `BLOCK` counts."""


def survey(
    path: str, signs: Signs, nulls: Sequence[bytes], *, clocks: bool, head: int | None = None
) -> Survey:
    """Look over a file, or its first `head` bytes; for `clocks`, which takes long, if asked to."""
    tails = _tails(signs, nulls)
    returns = quotes = ends_in_null = has_clocks = has_joined = False
    with Path(path).open("rb") as file, ThreadPoolExecutor(THREADS) as pool:
        size = os.fstat(file.fileno()).st_size
        size = size if head is None else min(size, head)
        look = _Look(file.fileno(), size, signs, tails, clocks=clocks)
        rows = _Rows(file.fileno(), signs)
        for seen in chain.from_iterable(pool.map(look.run, range(0, size, RUN * BLOCK))):
            returns = returns or seen.returns
            quotes = quotes or seen.quotes > 0
            ends_in_null = ends_in_null or seen.null_tails
            has_clocks = has_clocks or seen.clocks
            has_joined = has_joined or seen.joined
            rows.pass_block(seen)
        # The last line may have no end.
        last = os.pread(file.fileno(), look.longest, max(size - look.longest, 0)) + b"\n"
    ends_in_null = ends_in_null or last.endswith(tuple(tails))
    return Survey(returns, quotes, ends_in_null, has_clocks, has_joined, rows.longest)


class _Seen(NamedTuple):
    """What a block by itself says."""

    start: int
    size: int
    returns: bool
    quotes: int
    null_tails: bool
    clocks: bool
    joined: bool
    end: int | None
    """Where its first line ends, quotes or not."""


class _Look:
    """Look at blocks, in any order: from as many threads as there are."""

    def __init__(
        self, file: int, size: int, signs: Signs, tails: Sequence[bytes], *, clocks: bool
    ) -> None:
        self._file, self._size, self._signs, self._tails = file, size, signs, tails
        self._clocks = clocks
        self.longest = max(map(len, tails))

    def run(self, start: int) -> list[_Seen]:
        """Look at the blocks of a run."""
        end = min(start + RUN * BLOCK, self._size)
        return [self._block(at) for at in range(start, end, BLOCK)]

    def _block(self, start: int) -> _Seen:
        # A tail may begin in the block before, or a time of day.
        before = min(start, max(self.longest, CLOCK))
        text = os.pread(self._file, BLOCK + before, start - before)
        quote = self._signs.quote
        has_quotes = bool(quote) and quote in text
        returns = b"\r" in text
        likely = [
            tail
            for tail in self._tails
            if (returns or tail[-1:] != b"\r") and (has_quotes or not quote or quote not in tail)
        ]
        return _Seen(
            start=start,
            size=max(len(text) - before, 0),
            returns=returns,
            quotes=_count(text[before:], quote) if has_quotes else 0,
            null_tails=_has_any(text, likely, self._signs),
            clocks=self._clocks and _has(_CLOCK, text),
            joined=b"_" in text and _has(_JOINED, text),
            end=_line_end(text, before),
        )


class _Rows:
    """Follow how long rows get, by one row's end in each block."""

    def __init__(self, file: int, signs: Signs) -> None:
        self._file, self._quote = file, signs.quote
        self._inside = False
        self._since = 0
        self._longest = 0

    @property
    def longest(self) -> int:
        return max(self._longest, self._since)

    def pass_block(self, seen: _Seen) -> None:
        """Take the next block."""
        end = self._end_among_quotes(seen) if seen.quotes or self._inside else seen.end
        if end is None:
            self._since += seen.size
        else:
            self._longest = max(self._longest, self._since + end)
            self._since = seen.size - end
        self._inside ^= seen.quotes % 2 == 1

    def _end_among_quotes(self, seen: _Seen) -> int | None:
        import numpy as np

        inside = self._inside
        for start in range(0, seen.size, STRETCH):
            length = min(STRETCH, seen.size - start)
            part = np.frombuffer(os.pread(self._file, length, seen.start + start), np.uint8)
            within = (np.cumsum(part == self._quote[0], dtype=np.uint32) + inside) % 2 == 1
            ends = np.flatnonzero(((part == ord("\n")) | (part == ord("\r"))) & ~within)
            if ends.size:
                return start + int(ends[0])
            inside = bool(within[-1]) if within.size else inside
        return None


def _count(block: bytes, sign: bytes) -> int:
    import numpy as np

    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == sign[0]))


def _line_end(text: bytes, start: int) -> int | None:
    at = text.find(b"\n", start)
    at = at if at >= 0 else text.find(b"\r", start)
    return at - start if at >= 0 else None


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


# A time of day with a zone, or what may be one; or with more digits than a microsecond has.
_CLOCK = r":\d\d?(?:\.\d{0,6})?[-+Zz ]|:\d\d?\.\d{7}"
_JOINED = r"\d_\d"


def _has(pattern: str, block: bytes) -> bool:
    """Tell whether something in a block is like a pattern.

    >>> [_has(_CLOCK, text) for text in (b"10:00:00.123456", b"10:00+02", b"10:00:5.1Z")]
    [False, True, True]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    return bool(pc.match_substring_regex(pa.array([block]), pattern)[0])
