"""Brackets, commas and colons of JSON text that are outside its strings, with their depths.

With NumPy, a block at a time: a few nanoseconds a byte, and nothing is parsed. What is wrong
inside a value is not seen here, unless a quote or a bracket is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]

COMMA, COLON, OPEN, CLOSE = range(1, 5)
"""Kinds of marks."""
_QUOTES = 5

_QUOTE, _BACKSLASH = b'"\\'
_KINDS = {",": COMMA, ":": COLON, "[": OPEN, "{": OPEN, "]": CLOSE, "}": CLOSE}


@dataclass(frozen=True)
class Marks:
    """The marks in a block, in order.

    Attributes:
        at: where in the block they are.
        kind: one of the four.
        depth: how many containers they are in; a bracket is in the one it opens or closes.
    """

    at: Places
    kind: NDArray[np.uint8]
    depth: NDArray[np.int32]

    def parts(self, start: int) -> Iterator[Marks]:
        """Give the marks from a place in the block on, in parts: each is twice as long as before.

        So it costs little to look for what is near, however often.
        """
        import numpy as np

        begin, size = int(np.searchsorted(self.at, start)), 64
        while begin < len(self.at):
            part = slice(begin, begin + size)
            yield Marks(self.at[part], self.kind[part], self.depth[part])
            begin, size = begin + size, size * 2


class Scan:
    """Look through blocks of a text that follow one another."""

    def __init__(self) -> None:
        """Begin outside of everything."""
        self.depth = 0
        self.inside = False
        """Whether the text has ended in a string, so far."""
        self._escaped = False

    def look(self, block: bytes) -> Marks:
        """Give the marks in the next block."""
        import numpy as np

        text = np.frombuffer(block, np.uint8)
        # In the smallest types that do: this is most of what reading an array costs.
        at = np.flatnonzero(np.take(_table(), text))
        kind = np.take(_table(), text[at])
        quotes = kind == _QUOTES
        is_quote = quotes.copy()
        escaped = self._escapes(text)
        if len(escaped):
            is_quote[np.isin(at, escaped)] = False
        odd = np.bitwise_xor.accumulate(is_quote.view(np.uint8)) ^ self.inside
        self.inside = bool(odd[-1]) if len(odd) else self.inside
        outside = np.flatnonzero(~(odd.view(bool) | quotes))
        at, kind = at[outside], kind[outside]
        closes = kind == CLOSE
        change = (kind == OPEN).view(np.int8) - closes.view(np.int8)
        depth = np.cumsum(change, dtype=np.int32) + np.int32(self.depth)
        self.depth = int(depth[-1]) if len(depth) else self.depth
        return Marks(at, kind, depth + closes)

    def _escapes(self, text: NDArray[np.uint8]) -> Places:
        """Give the places of signs that a backslash stands before which isn't itself escaped."""
        import numpy as np

        slashes = np.flatnonzero(text == _BACKSLASH)
        if not len(slashes):
            escaped = np.zeros(int(self._escaped and len(text) > 0), np.int64)
            self._escaped = self._escaped and not len(text)
            return escaped
        first = np.concatenate(([True], np.diff(slashes) > 1))
        begins = slashes[first]
        lengths = np.diff(np.append(np.flatnonzero(first), len(slashes)))
        after = begins + lengths
        odd = lengths & 1
        carried = np.zeros(0, np.int64)
        if self._escaped and begins[0] == 0:
            odd[0] ^= 1
        elif self._escaped:
            carried = np.zeros(1, np.int64)
        self._escaped = bool(odd[-1]) and int(after[-1]) == len(text)
        return np.concatenate((carried, after[odd == 1]))


@cache
def _table() -> NDArray[np.uint8]:
    import numpy as np

    table = np.zeros(256, np.uint8)
    for sign, kind in _KINDS.items():
        table[ord(sign)] = kind
    table[_QUOTE] = _QUOTES
    return table
