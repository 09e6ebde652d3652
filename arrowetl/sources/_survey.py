"""One quick look over a file's bytes for what could trip DuckDB up.

It costs about a fortieth of what reading the file does. Only where it finds something is the
file looked at closely (`_mend.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arrowetl.sources._mend import BLOCK, Signs


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


def survey(path: str, signs: Signs, nulls: Sequence[bytes]) -> Survey:
    """Look over a file."""
    returns = quotes = tails = False
    wanted = _tails(signs, nulls)
    longest = max(map(len, wanted))
    with Path(path).open("rb") as file:
        last = b""
        while block := file.read(BLOCK):
            returns = returns or b"\r" in block
            quotes = quotes or (bool(signs.quote) and signs.quote in block)
            if not tails:
                likely = [tail for tail in wanted if (returns or tail[-1:] != b"\r")]
                joint = last + block[:longest]
                tails = _has_any(block, likely, signs) or any(tail in joint for tail in likely)
            last = block[-longest:]
    # The last line may have no end.
    return Survey(returns, quotes, tails or any((last + b"\n").endswith(tail) for tail in wanted))


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
