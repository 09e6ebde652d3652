"""Texts as weighed sets of trigrams: candidates, sketched, then compared exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arrowetl.ml import LIMIT
from arrowetl.ml._threads import in_order
from arrowetl.ml.candidates import PLANNING, plan, refuse
from arrowetl.ml.grams import GramSets, Rows
from arrowetl.ml.minhash import signatures
from arrowetl.ml.pairs import Flags, Pairs, verified
from arrowetl.ml.sketches import sketches
from arrowetl.ml.weights import Floats, WeighedSets, similarities

DOUBT = 0.1
"""How far a sketch may be from the truth: a thousandth of the pairs are further."""
_GRAMS = 1 << 20
_ALIKE, _BY_CHANCE = 0.2, 2.0
"""Chosen by fourteen labelled sets, from names to publications (benchmarks/quality.py)."""
_LOW, _HIGH = 0.45, 0.8
_MANY = 500


def usual_threshold(sets: GramSets) -> float:
    r"""Give how alike texts have to be to be duplicates, where nobody says it; to two digits.

    The fewer trigrams texts have, the more of them are alike by chance (by the root of their
    number, as with any count), and the more texts there are, the more such pairs: 500 and more
    need ``0.2 + 2 / sqrt(trigrams of a text)``, between 0.45 and 0.8; fewer need less, down to
    0.45. That is 0.45 for people with their addresses, and 0.7 for thousands of two words.

    >>> import pyarrow as pa
    >>> from arrowetl.ml.grams import gram_sets
    >>> few, many = (pa.array([f"\x01street {n}" for n in range(count)]) for count in (4, 5000))
    >>> [usual_threshold(gram_sets([texts], characters=99_999)) for texts in (few, many)]
    [0.53, 0.8]
    """
    grams = len(sets.grams) / max(sets.rows, 1)
    short = min(max(_LOW, _ALIKE + _BY_CHANCE / math.sqrt(max(grams, 1))), _HIGH)
    share = min(1.0, math.log(max(sets.rows, 1)) / math.log(_MANY))
    return round(_LOW + (short - _LOW) * share, 2)


def similar_pairs(
    sets: WeighedSets, threshold: float, *, limit: int = LIMIT, threads: int = 1
) -> Pairs:
    """Find the pairs of rows that are at least as alike as `threshold`.

    Every pair given is as alike as it says. Some are missed, by chance (`Plan.chance`): of those
    just as alike as the threshold one in a hundred where blocks are shallow, up to one in eight of
    many short texts at a low threshold, of those more alike far fewer. Of a crowd nearly equal not
    every pair is given, but what joins them. Memory: 376 bytes a row, 24 a pair found.

    Raises:
        ConfigError: more than `limit` candidates would be compared; with what to change.
    """
    hashes = signatures(sets, PLANNING, threads=threads)
    planned = plan(hashes, threshold)
    refuse(planned, limit, sets.rows)
    more = range(len(PLANNING), planned.hashes)
    if more:
        hashes = np.concatenate([hashes, signatures(sets, more, threads=threads)])
    drawn = sketches(sets, threads=threads)

    def likely(left: Rows, right: Rows) -> Flags:
        return drawn.similar(left, right, threshold - DOUBT)

    def compare(left: Rows, right: Rows) -> Floats:
        return compared(sets, left, right, threads=threads)

    return verified(hashes, planned, likely, compare, threshold=threshold, threads=threads)


def compared(sets: WeighedSets, left: Rows, right: Rows, *, threads: int = 1) -> Floats:
    """Give the exact similarity of pairs, a part of them at a time; see `similarities`."""
    sizes = np.diff(sets.sets.starts)
    work = np.cumsum(sizes[left] + sizes[right])
    found = in_order(
        lambda ends: similarities(sets, left[slice(*ends)], right[slice(*ends)]),
        _slices(work),
        threads=threads,
    )
    return np.concatenate([np.zeros(0), *found])


def _slices(work: Rows) -> Iterator[tuple[int, int]]:
    low, done = 0, 0
    while low < len(work):
        high = max(int(np.searchsorted(work, done + _GRAMS, side="right")), low + 1)
        yield low, high
        low, done = high, int(work[high - 1])


@dataclass(frozen=True)
class Trigrams:
    """Texts, compared by the trigrams that they share."""

    sets: WeighedSets

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.sets.rows

    @property
    def usual(self) -> float:
        """How alike duplicates are; see `usual_threshold`."""
        return usual_threshold(self.sets.sets)

    def pairs(self, threshold: float, *, limit: int = LIMIT, threads: int = 1) -> Pairs:
        """Find the pairs that are alike; see `similar_pairs`."""
        return similar_pairs(self.sets, threshold, limit=limit, threads=threads)

    def compare(self, left: Rows, right: Rows, *, threads: int = 1) -> Floats:
        """Give how alike pairs are; see `similarities`."""
        return compared(self.sets, left, right, threads=threads)
