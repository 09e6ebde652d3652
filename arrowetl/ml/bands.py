"""Bands that are kept: for each choice of hashes the rows in order, so that new ones find theirs.

An entry is one number: 28 bits of the hashes by which rows meet, three times 4 bits of a further
hash, and 24 bits of the row. All rows that meet are one run of the sorted entries, and so are those
of them that agree in one more hash, and so on: a crowd is narrowed without another array.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arrowetl.ml.candidates import RULER, Hashed, Plan, mixed
from arrowetl.ml.grams import Rows
from arrowetl.sampling import hashed

Entries = npt.NDArray[np.uint64]

ROW_BITS = 24
"""A part has at most so many bits of rows: 16.7 million."""
_STEP = 4
_STEPS = 3
_KEY_BITS = 64 - ROW_BITS - _STEP * _STEPS
_ROW = np.uint64((1 << ROW_BITS) - 1)
_PIECE = 1 << 16


def keys(hashes: Hashed, planned: Plan, band: int) -> Entries:
    """Give each row's key in a band, in the upper bits."""
    lines = (band + RULER) % len(hashes)
    found = mixed(hashes, lines[: planned.depth]) >> np.uint64(64 - _KEY_BITS)
    for step in range(_STEPS):
        found <<= np.uint64(_STEP)
        further = lines[planned.depth + step : planned.depth + step + 1]
        if len(further):
            more = hashed(hashes[further[0]].astype(np.int64))
            found |= more >> np.uint64(64 - _STEP)
    keyed: Entries = found << np.uint64(ROW_BITS)
    return keyed


def entries(hashes: Hashed, planned: Plan, band: int, rows: Rows) -> Entries:
    """Give the entries of some of the rows in a band, in order."""
    found = keys(hashes, planned, band)[rows] | rows.astype(np.uint64)
    found.sort()
    return found


def merged(parts: Sequence[Entries], begins: Sequence[int]) -> Entries:
    """Give the entries of several parts as one's; the rows of each begin there."""
    found = np.concatenate(
        [part + np.uint64(begin) for part, begin in zip(parts, begins, strict=True)]
    )
    # Runs that are in order are merged.
    found.sort(kind="stable")
    return found


@dataclass(frozen=True)
class Found:
    """For each new row the run of entries that it meets, in one band of one part."""

    entries: Entries
    low: Rows
    high: Rows

    @property
    def pairs(self) -> int:
        """How many candidates there are."""
        return int((self.high - self.low).sum())

    def candidates(self) -> Iterator[tuple[Rows, Rows]]:
        """Give new rows, and beside them rows of the part, in pieces."""
        ends = np.cumsum(self.high - self.low)
        first = 0
        while first < len(ends):
            done = ends[first - 1] if first else 0
            last = max(int(np.searchsorted(ends, done + _PIECE, side="right")), first + 1)
            counts = (self.high - self.low)[first:last]
            new = np.repeat(np.arange(first, last), counts)
            inside = np.arange(len(new)) - np.repeat(np.cumsum(counts) - counts, counts)
            where = self.low[new] + inside
            yield new, (self.entries[where] & _ROW).astype(np.int64)
            first = last


def find(kept: Entries, wanted: Entries, *, crowd: int) -> Found:
    """Find for each key the entries that meet it, by binary search.

    More than `crowd` are narrowed by further hashes, and then cut off: those left are so alike that
    the first of them stand for the others.
    """
    order = np.argsort(wanted)  # neighbours touch the same pages
    low, high = np.zeros((2, len(wanted)), np.int64)
    open_ = order
    for step in range(_STEPS + 1):
        bits = np.uint64(64 - _KEY_BITS - step * _STEP)
        prefix = wanted[open_] >> bits
        low[open_] = np.searchsorted(kept, prefix << bits)
        # The last one there can be, since the next prefix may be one too many.
        last = (prefix << bits) | ((np.uint64(1) << bits) - np.uint64(1))
        high[open_] = np.searchsorted(kept, last, side="right")
        open_ = open_[high[open_] - low[open_] > crowd]
        if not len(open_):
            break
    return Found(kept, low, np.minimum(high, low + crowd))
