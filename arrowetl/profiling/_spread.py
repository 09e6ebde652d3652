"""How numbers are spread: a histogram that merges without loss, for quantiles of any column.

The buckets are the numbers cut to their first binary digits. It starts with all 52 of them, which
is exact, and forgets digits one by one where more than `LIMIT` buckets would be filled. How many
digits that leaves depends on the numbers alone, so parts merge into what the whole would give.
After UDDSketch (Epicoco, Melle, Cafaro, Pulimeno, Morleo, 2020), with binary digits in the place
of logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from arrowetl.profiling._sums import Floats, Ints

LIMIT = 16_384
"""How many buckets at most: 256 KB."""
_NONE: Ints = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Spread:
    """Numbers by their first binary digits.

    Attributes:
        keys: the buckets that aren't empty, ascending: the bits of a double, without the last
            `dropped`; of negative numbers negated.
        counts: how many numbers are in each.
        dropped: how many digits were forgotten.
    """

    keys: Ints = field(default_factory=_NONE.copy)
    counts: Ints = field(default_factory=_NONE.copy)
    dropped: int = 0

    def __eq__(self, other: object) -> bool:
        """Equal ones have the same numbers in the same buckets."""
        return (
            isinstance(other, Spread)
            and self.dropped == other.dropped
            and np.array_equal(self.keys, other.keys)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def error(self) -> float:
        """By what part of its value a number may be off."""
        return 2.0 ** (self.dropped - 53) if self.dropped else 0.0

    def merge(self, other: Spread) -> Spread:
        """Give the spread of both."""
        dropped = max(self.dropped, other.dropped)
        mine, theirs = self._cut(dropped), other._cut(dropped)
        return _of(
            np.concatenate([mine.keys, theirs.keys]),
            np.concatenate([mine.counts, theirs.counts]),
            dropped,
        )

    def _cut(self, dropped: int) -> Spread:
        if dropped == self.dropped:
            return self
        return _of(_shifted(self.keys, dropped - self.dropped), self.counts, dropped)

    def values(self) -> Floats:
        """Give a number for each bucket, from its middle; exact if nothing was forgotten."""
        bits = np.abs(self.keys) << self.dropped
        if self.dropped:
            bits += 1 << (self.dropped - 1)
        return np.where(self.keys < 0, -1.0, 1.0) * bits.view(np.float64)

    def quantiles(self, shares: tuple[float, ...]) -> tuple[float, ...]:
        """Give for each share the smallest number that so many are not above.

        >>> spread_of(np.array([4.0, 1.0, 2.0, 3.0])).quantiles((0.0, 0.5, 1.0))
        (1.0, 2.0, 4.0)
        """
        reached = np.cumsum(self.counts)
        total = int(reached[-1])
        ranks = [max(1, int(np.ceil(share * total))) for share in shares]
        return tuple(map(float, self.values()[np.searchsorted(reached, ranks)]))


def spread_of(values: Floats, weights: Ints | None = None) -> Spread:
    """Give the spread of finite numbers."""
    bits = (values + 0.0).view(np.int64)
    keys = np.where(bits < 0, -(bits & np.iinfo(np.int64).max), bits)
    return _of(keys, np.ones(len(keys), np.int64) if weights is None else weights, 0)


def _of(keys: Ints, counts: Ints, dropped: int) -> Spread:
    keys, counts = summed(keys, counts)
    digits = 0
    while len(keys) > LIMIT and _filled(_shifted(keys, digits)) > LIMIT:
        digits += 1
    if digits:
        keys, counts = summed(_shifted(keys, digits), counts)
    return Spread(keys, counts, dropped + digits)


def _filled(keys: Ints) -> int:
    return 1 + int(np.count_nonzero(keys[1:] != keys[:-1]))


def summed(keys: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Give keys in order, each once, and the sums of their counts."""
    if not len(keys):
        return keys, counts
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return (
        (keys, counts)
        if len(starts) == len(keys)
        else (keys[starts], np.add.reduceat(counts, starts))
    )


def _shifted(keys: Ints, digits: int) -> Ints:
    shifted: Ints = np.sign(keys) * (np.abs(keys) >> digits)
    return shifted
