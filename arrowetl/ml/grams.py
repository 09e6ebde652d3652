"""Texts as sets of character trigrams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arrowetl.ml._threads import in_order

Codes = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.int64]

CODE_BITS = 24
CODES = 1 << CODE_BITS
"""How many trigrams are told apart."""
_BLANK = 32
_LEVEL_BITS = 5
_ASCII, _LATIN = 0x7F, 0xFF
_LEAD, _CONTINUED = 0xC0, 0x80
_BYTES = 1 << 20
"""How much text is cut into trigrams at a time: 60 times as much memory is used meanwhile."""


@dataclass(frozen=True)
class GramSets:
    """The trigrams of each of `rows` texts, as one array: those of a row ascend, without repeats.

    `grams[starts[row] : starts[row + 1]]` are of one row. A gram is its code in the low 24 bits,
    and above them the level of the column it comes from. Memory: 4 bytes for each.
    """

    grams: Codes
    starts: Rows

    @property
    def rows(self) -> int:
        """How many texts there are."""
        return len(self.starts) - 1

    def slices(self, size: int) -> Iterator[tuple[int, int]]:
        r"""Give the first row and the one after the last of slices of about `size` grams.

        >>> sets = gram_sets([pa.array(["\x01cat", "\x01at cat", "\x01emu"])], characters=11)
        >>> list(sets.slices(8))
        [(0, 2), (2, 3)]
        """
        low = 0
        while low < self.rows:
            end = np.searchsorted(self.starts, self.starts[low] + size, side="right") - 1
            high = min(max(int(end), low + 1), self.rows)
            yield low, high
            low = high


def gathered(parts: Sequence[tuple[GramSets, Rows]]) -> GramSets:
    r"""Give the sets of some rows of several sets, one after the other.

    >>> sets = gram_sets([pa.array(["\x01cat", "\x01at cat", "\x01emu"])], characters=11)
    >>> gathered([(sets, np.array([2, 0]))]).starts.tolist()
    [0, 3, 6]
    """
    grams, sizes = [np.zeros(0, np.uint32)], [np.zeros(1, np.int64)]
    for sets, rows in parts:
        begins = sets.starts[rows]
        counts = sets.starts[rows + 1] - begins
        where = np.arange(counts.sum()) + np.repeat(begins - np.cumsum(counts) + counts, counts)
        grams.append(sets.grams[where])
        sizes.append(counts)
    return GramSets(np.concatenate(grams), np.cumsum(np.concatenate(sizes)))


def gram_sets(texts: Iterable[pa.Array], *, characters: int, threads: int = 1) -> GramSets:
    r"""Cut texts into the trigrams of their words, each word with a blank at both ends.

    So the order of words, and of columns, makes no difference. Trigrams of characters below
    U+0100 have codes of their own; others share 2^24 codes by hashing.

    Args:
        texts: without nulls; each begins with a blank. Characters below 32 are blanks that say the
            level of what follows them.
        characters: at least how many characters there are in all, blanks aside.
        threads: how many work at once.

    >>> sets = gram_sets([pa.array(["\x01cat", "\x01at cat", "\x01emu"])], characters=11)
    >>> sets.rows, np.diff(sets.starts).tolist()
    (3, [3, 4, 3])
    """
    grams, used = np.empty(characters, np.uint32), 0
    counts = [np.zeros(1, np.int64)]
    parts = (part for text in texts for part in _cut(text.cast(pa.large_string())))
    for found, count in in_order(_unique_grams, parts, threads=threads):
        grams[used : used + len(found)] = found
        used += len(found)
        counts.append(count)
    return GramSets(grams[:used], np.cumsum(np.concatenate(counts)))


def _cut(texts: pa.LargeStringArray) -> Iterator[pa.LargeStringArray]:
    """Give the texts in parts of about as many bytes, a row at least."""
    offsets = _offsets(texts)
    places = (offsets - offsets[0])[:-1] // _BYTES
    cuts = [*np.flatnonzero(np.diff(places, prepend=-1)).tolist(), len(texts)]
    for start, end in pairwise(cuts):
        yield texts.slice(start, end - start)


def _offsets(texts: pa.LargeStringArray) -> Rows:
    whole: Rows = np.frombuffer(texts.buffers()[1], np.int64)
    return whole[texts.offset : texts.offset + len(texts) + 1]


def _unique_grams(texts: pa.LargeStringArray) -> tuple[Codes, Rows]:
    """Give the trigrams of all rows, those of each row ascending, and how many each row has."""
    points, offsets = _points(texts)
    blank = points <= _BLANK
    # A trigram belongs to the word that its middle is in.
    middles = np.flatnonzero(~blank)
    rows = np.repeat(np.arange(len(texts), dtype=np.int64), np.diff(offsets))[middles]
    keys = rows << CODE_BITS
    keys |= _codes(np.where(blank, np.uint32(_BLANK), points), middles)
    keys <<= _LEVEL_BITS
    levels = _levels(points)
    if levels is not None:
        keys |= levels[middles]
    keys.sort()
    bare = keys >> _LEVEL_BITS
    # The last of equal trigrams has the highest level.
    last = np.append(bare[1:] != bare[:-1], np.ones(min(len(bare), 1), np.bool_))
    keys, bare = keys[last], bare[last]
    counts = np.bincount(bare >> CODE_BITS, minlength=len(texts))
    level = (keys & ((1 << _LEVEL_BITS) - 1)) << CODE_BITS
    return (bare & (CODES - 1) | level).astype(np.uint32), counts


def _points(texts: pa.LargeStringArray) -> tuple[Codes, Rows]:
    """Give the code points of all texts, with blanks around them, and where each text begins."""
    offsets = _offsets(texts)
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    offsets = offsets - offsets[0]
    if not len(data) or data.max() <= _ASCII:
        return data.astype(np.uint32), offsets
    points = np.frombuffer(data.tobytes().decode().encode("utf-32-le"), np.uint32)
    firsts = np.cumsum((data & _LEAD) != _CONTINUED)
    return points, np.concatenate([[0], firsts])[offsets]


def _levels(points: Codes) -> Rows | None:
    """Give the level at each character; None where all is of the first."""
    marks = np.flatnonzero(points < _BLANK)
    if not len(marks) or points[marks].max() <= 1:
        return None
    nearest = np.zeros(len(points), np.int64)
    nearest[marks] = marks
    found: Rows = points[np.maximum.accumulate(nearest)].astype(np.int64) - 1
    return found


def _codes(points: Codes, middles: Rows) -> Codes:
    """Give the code of the trigram around each of `middles`."""
    three = np.roll(points, 1)[middles], points[middles], np.roll(points, -1)[middles]
    before, middle, after = three
    codes: Codes = before << np.uint32(16) ^ middle << np.uint32(8) ^ after
    if points.max(initial=0) > _LATIN:
        # Beyond Latin-1 three characters don't fit: they are spread by multiplication.
        for part, odd in zip(three, (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D), strict=True):
            codes ^= (part >> np.uint32(8)) * np.uint32(odd) >> np.uint32(7)
    codes &= np.uint32(CODES - 1)
    return codes
