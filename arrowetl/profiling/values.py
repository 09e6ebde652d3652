"""Which values there are, how many different ones, and which are frequent, in bounded memory.

Values are known by a hash of 64 bits. Those with the smallest hashes are kept with their exact
counts: as a sample of the different values it says how many there are (Bar-Yossef, Jayram, Kumar,
Sivakumar, Trevisan, Counting distinct elements in a data stream, 2002) and whether they repeat.
Parts merge into exactly what the whole gives. The most frequent values are kept beside it, each
with a bound of how many were missed (after Agarwal and others, Mergeable summaries, 2012).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arrowetl.profiling.profile import Distinct
from arrowetl.sampling import Hashes

KEPT = 8_192
"""How many different values are kept: up to here everything is exact, beyond it is estimated."""
FREQUENT = 512
"""How many frequent values are counted beside them."""
SHOWN_BYTES = 200
"""Longer values are cut when they are kept."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Counted:
    """Different values with their hashes and how often each occurs."""

    hashes: Hashes
    counts: Counts
    values: pa.Array

    def __len__(self) -> int:
        """How many there are."""
        return len(self.hashes)

    def __eq__(self, other: object) -> bool:
        """Equal ones have the same values, by their hashes (NaN isn't equal to itself)."""
        return (
            isinstance(other, Counted)
            and np.array_equal(self.hashes, other.hashes)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]

    def take(self, places: Any) -> Counted:
        """Give those at some places."""
        return Counted(
            self.hashes[places], self.counts[places], self.values.take(pa.array(places, pa.int64()))
        )

    def merge(self, other: Counted) -> Counted:
        """Give the values of both, ordered by hash, counts added."""
        hashes = np.concatenate([self.hashes, other.hashes])
        counts = np.concatenate([self.counts, other.counts])
        kind = self.values.type if len(self) or not len(other) else other.values.type
        values = pa.concat_arrays([self.values.cast(kind), other.values.cast(kind)])
        found, first, place = np.unique(hashes, return_index=True, return_inverse=True)
        sums = np.bincount(place, counts, len(found)).astype(np.int64)
        return Counted(found, sums, values.take(pa.array(first, pa.int64())))


def _nothing() -> Counted:
    return Counted(np.zeros(0, np.uint64), np.zeros(0, np.int64), pa.nulls(0, pa.string()))


@dataclass(frozen=True)
class Values:
    """What is known of the values of a column.

    Attributes:
        sample: those with the smallest hashes, with their exact counts.
        cut: whether there were more.
        frequent: the most frequent ones, with counts that are too small by at most `missed`;
            nothing as long as `sample` has all.
        missed: how often a value may have been overlooked.
    """

    sample: Counted = field(default_factory=_nothing)
    cut: bool = False
    frequent: Counted = field(default_factory=_nothing)
    missed: int = 0

    @classmethod
    def of(cls, values: Counted, bound: int = 2**64 - 1) -> Values:
        """Give what is known of different values, in any order.

        Args:
            values: each once.
            bound: no value with a larger hash matters to the sample.
        """
        if len(values) <= KEPT:
            return cls(values.take(np.argsort(values.hashes)))
        smallest = np.flatnonzero(values.hashes <= np.uint64(bound))
        if len(smallest) > KEPT:
            smallest = smallest[np.argpartition(values.hashes[smallest], KEPT)[:KEPT]]
        sample = values.take(smallest[np.argsort(values.hashes[smallest])])
        return cls(sample, True, *_frequent(values, 0))

    @property
    def bound(self) -> int:
        """The largest hash that could still enter the sample."""
        return int(self.sample.hashes[-1]) if self.cut else 2**64 - 1

    def merge(self, other: Values) -> Values:
        """Give what is known of both."""
        merged = self.sample.merge(other.sample)
        cut = self.cut or other.cut or len(merged) > KEPT
        sample = merged.take(np.arange(min(len(merged), KEPT)))
        if not cut:
            return Values(sample)
        known = self._known().merge(other._known())
        return Values(sample, True, *_frequent(known, self.missed + other.missed))

    def _known(self) -> Counted:
        return self.frequent if self.cut else self.sample

    def distinct(self, most: int) -> Distinct:
        """Say how many different values there are.

        Args:
            most: how many values there are; an estimate may be above it.
        """
        if not self.cut:
            return Distinct(len(self.sample), exact=True)
        share = self.bound / 2.0**64
        return Distinct(min(round((KEPT - 1) / share), most), exact=False, error=(KEPT - 2) ** -0.5)

    @property
    def unique(self) -> bool:
        """Whether no value that was kept occurs twice."""
        return bool((self.sample.counts == 1).all())

    def top(self, size: int) -> tuple[Counted, int]:
        """Give the most frequent values, and how many times each may have been missed."""
        best, missed = self._known(), self.missed
        # Ties go by the hash, so that the order of rows doesn't matter.
        order = np.lexsort((best.hashes, -best.counts))[:size]
        sure = order[best.counts[order] > missed]
        return best.take(sure), missed


def _frequent(values: Counted, missed: int) -> tuple[Counted, int]:
    if len(values) <= FREQUENT:
        return values, missed
    left_out = int(np.partition(values.counts, -FREQUENT - 1)[-FREQUENT - 1])
    above = np.flatnonzero(values.counts > left_out)
    ties = np.flatnonzero(values.counts == left_out)
    # Of equals those with the smallest hashes, so that the order of rows doesn't matter.
    wanted = FREQUENT - len(above)
    chosen = ties[np.argpartition(values.hashes[ties], wanted)[:wanted]] if wanted else ties[:0]
    kept = np.concatenate([above, chosen])
    return values.take(kept[np.argsort(values.hashes[kept])]), missed + left_out
