"""How much each trigram tells, and the exact similarity of two texts by what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arrowetl.ml._threads import in_order
from arrowetl.ml.grams import CODE_BITS, CODES, Codes, GramSets, Rows

Floats = npt.NDArray[np.float64]

COMMON = 10
"""Among so few rows a trigram tells as much as one of a single row: duplicates repeat it too."""
FLOOR = 0.5
"""What a trigram tells that is in every row."""
_SLICE = 1 << 20


@dataclass(frozen=True)
class WeighedSets:
    """Trigram sets, with what each trigram tells.

    The weight of a trigram is `log(max(rows, 10) / max(rows that have it, 10)) + 0.5`, times the
    weight of its column: inverse document frequency (Spärck Jones, 1972), flat for rare trigrams,
    so that up to ten rows are compared by plain Jaccard.
    """

    sets: GramSets
    levels: Floats
    """The weight of each level of columns, the lowest first."""
    places: Codes
    """For each code its place in `weights`."""
    vocabulary: Codes
    """The codes at places 1 and up: those of two rows or more. The others share place 0."""
    weights: Floats
    totals: Floats
    """What all trigrams of a row tell."""

    @property
    def rows(self) -> int:
        """How many texts there are."""
        return self.sets.rows


@dataclass(frozen=True)
class Weights:
    """What each trigram tells, as counted among some texts; for those and for others.

    Attributes:
        levels, places, vocabulary, weights: as in `WeighedSets`.
    """

    levels: Floats
    places: Codes
    vocabulary: Codes
    weights: Floats

    @property
    def usual(self) -> float:
        """What a trigram tells that has no place of its own."""
        return float(self.weights[0])

    def of(self, sets: GramSets, *, threads: int = 1) -> WeighedSets:
        """Weigh sets, and add up what each row tells."""
        totals = np.zeros(sets.rows)
        known = WeighedSets(sets, self.levels, self.places, self.vocabulary, self.weights, totals)

        def add(ends: tuple[int, int]) -> None:
            low, high = ends
            grams = sets.grams[sets.starts[low] : sets.starts[high]]
            # A row without a trigram would take another's.
            begins = sets.starts[low:high] - sets.starts[low]
            filled = sets.starts[low + 1 : high + 1] > sets.starts[low:high]
            if len(grams):
                told = np.add.reduceat(_told(known, grams), begins[filled])
                totals[low:high][filled] = told

        list(in_order(add, sets.slices(_SLICE), threads=threads))
        return known

    def including(self, sets: GramSets) -> Weights:
        """Give each trigram of some sets a place of its own, with the weight that it has.

        What is compared with texts that come later needs it: a trigram of one row alone may be
        theirs too.
        """
        vocabulary, _ = _counts([sets])
        weights = self.weights[self.places[vocabulary]]
        return weights_of(vocabulary, np.append(self.usual, weights), self.levels)


def weights_of(vocabulary: Codes, weights: Floats, levels: Floats) -> Weights:
    """Give the weights of these codes; the first weight is that of all others."""
    places = np.zeros(CODES, np.uint32)
    places[vocabulary] = np.arange(1, len(vocabulary) + 1, dtype=np.uint32)
    return Weights(levels, places, vocabulary, weights)


def counted(parts: Sequence[GramSets], levels: Sequence[float] = (1.0,)) -> Weights:
    """Count the rows of every trigram; the more there are, the less it tells.

    Memory: 200 MB for the counts of many rows.
    """
    vocabulary, counts = _counts(parts)
    shared = counts > 1
    vocabulary = vocabulary[shared]
    seen = np.maximum(np.append(1, counts[shared]), COMMON)
    rows = sum(sets.rows for sets in parts)
    weights = np.log(max(rows, COMMON) / seen) + FLOOR
    return weights_of(vocabulary, weights, np.array(levels))


def _counts(parts: Sequence[GramSets]) -> tuple[Codes, Rows]:
    """Give the codes that there are, in order, and how many rows have each."""
    mask = np.uint32(CODES - 1)
    if sum(len(sets.grams) for sets in parts) <= _SLICE:
        # Sorted sooner than a table of all codes is looked through.
        return np.unique(
            np.concatenate([np.zeros(0, np.uint32), *(sets.grams & mask for sets in parts)]),
            return_counts=True,
        )
    counts = np.zeros(CODES, np.int32)
    for sets in parts:
        for start in range(0, len(sets.grams), CODES):
            codes = sets.grams[start : start + CODES] & mask
            counts += np.bincount(codes, minlength=CODES).astype(np.int32)
    there = np.flatnonzero(counts)
    return there.astype(np.uint32), counts[there].astype(np.int64)


def weigh(sets: GramSets, levels: Sequence[float] = (1.0,), *, threads: int = 1) -> WeighedSets:
    r"""Weigh sets as they are counted among themselves; see `counted`.

    >>> import pyarrow as pa
    >>> from arrowetl.ml.grams import gram_sets
    >>> weighed = weigh(gram_sets([pa.array(["\x01cat", "\x01at cat"])], characters=8))
    >>> weighed.totals.tolist()
    [1.5, 2.0]
    """
    return counted([sets], levels).of(sets, threads=threads)


def _told(sets: WeighedSets, grams: Codes) -> Floats:
    told: Floats = sets.weights.take(sets.places.take(grams & np.uint32(CODES - 1)))
    told *= sets.levels[grams >> np.uint32(CODE_BITS)] if len(sets.levels) > 1 else sets.levels[0]
    return told


def similarities(sets: WeighedSets, left: Rows, right: Rows) -> Floats:
    r"""Give the weighted Jaccard similarity of pairs of rows, exactly.

    It is what both have by what either has; where columns weigh differently, a trigram that is in
    two of them counts as shared by the lower weight and as had by the higher (Ruzicka, 1958). Rows
    without a trigram are alike to none. To twelve places: which weight was added first makes no
    difference, and equal sets are alike by just 1. Cost: the trigrams of both, merged; 60 bytes
    for each.

    >>> import pyarrow as pa
    >>> from arrowetl.ml.grams import gram_sets
    >>> weighed = weigh(gram_sets([pa.array(["\x01cat", "\x01at cat", "\x01emu"])], characters=11))
    >>> similarities(weighed, np.array([0, 0]), np.array([1, 2])).tolist()
    [0.75, 0.0]
    """
    both = np.concatenate([_keys(sets.sets, left), _keys(sets.sets, right)])
    # Two runs that ascend: a merge is all it takes.
    both.sort(kind="stable")
    bare = both >> _LEVEL_BITS
    hits = np.flatnonzero(bare[1:] == bare[:-1])
    # The first of the two has the lower level.
    level = (both[hits] & ((1 << _LEVEL_BITS) - 1)) << CODE_BITS
    told = _told(sets, (bare[hits] & (CODES - 1) | level).astype(np.uint32))
    shared = np.bincount(bare[hits] >> CODE_BITS, weights=told, minlength=len(left))
    either = sets.totals[left] + sets.totals[right] - shared
    ratio = np.divide(shared, either, out=np.zeros(len(left)), where=either > 0)
    found: Floats = ratio.round(12)
    return found


_LEVEL_BITS = 8


def _keys(sets: GramSets, rows: Rows) -> Rows:
    """Give pair, code and level of every trigram of `rows`, as numbers that ascend."""
    begins = sets.starts[rows]
    counts = sets.starts[rows + 1] - begins
    ends = np.cumsum(counts)
    where = np.arange(counts.sum()) + np.repeat(begins - ends + counts, counts)
    grams = sets.grams[where].astype(np.int64)
    pairs = np.repeat(np.arange(len(rows), dtype=np.int64), counts)
    keys: Rows = (pairs << CODE_BITS | grams & (CODES - 1)) << _LEVEL_BITS | grams >> CODE_BITS
    return keys
