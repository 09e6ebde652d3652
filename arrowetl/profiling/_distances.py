"""How far two columns are apart, and whether chance alone can have done it.

Every measure has two thresholds: what matters (an effect), and what chance does to samples of such
a size. Only what passes both is told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from arrowetl.profiling._sums import Floats, Ints
from arrowetl.profiling.profile import Distinct, Histogram, NumberStatistics, Quantile


def by_chance(count: int, of: int, other: int, other_of: int) -> float:
    """Give the probability that two counts are so far apart though their shares are the same.

    The likelihood-ratio test of independence in a table of two by two (Wilks, 1938), which keeps
    its level better than the z-test where counts are small.

    >>> by_chance(5, 100, 50, 1000), by_chance(0, 1000, 50, 1000) < 1e-6
    (1.0, True)
    """
    if not of or not other_of:
        return 1.0
    together = (count + other) / (of + other_of)
    half = _divergence(count, of, together) + _divergence(other, other_of, together)
    return math.erfc(math.sqrt(max(0.0, half)))


def _divergence(count: int, of: int, share: float) -> float:
    parts = ((count, share * of), (of - count, (1 - share) * of))
    return sum(seen * math.log(seen / expected) for seen, expected in parts if seen)


def stability(old: Sequence[float], new: Sequence[float]) -> float:
    """Give the population stability index of two lists of counts.

    The sum of (p - q) ln(p / q) over the shares of each category (Siddiqi, Credit Risk Scorecards,
    2006): below 0.1 there is little change, from 0.25 on much. Half a row is added to each
    category, since empty ones would make it infinite.

    >>> stability([50, 50], [50, 50]), round(stability([90, 10], [50, 50]), 2)
    (0.0, 0.85)
    """
    p, q = ((np.asarray(each) + 0.5) / (sum(each) + 0.5 * len(each)) for each in (old, new))
    return float(((p - q) * np.log(p / q)).sum())


def stability_by_chance(categories: int, old: int, new: int, alpha: float) -> float:
    """Give what the index of two samples of one population exceeds with probability `alpha`.

    It is distributed like chi square with a degree of freedom less than categories, times 1/n + 1/m
    (Yurdakul and Naranjo, Statistical properties of the population stability index, 2020), whose
    quantile is taken after Wilson and Hilferty (1931).

    >>> round(stability_by_chance(10, 1000, 1000, 0.05), 3)
    0.034
    """
    free = max(1, categories - 1)
    z = NormalDist().inv_cdf(1 - alpha)
    chi = free * (1 - 2 / (9 * free) + z * math.sqrt(2 / (9 * free))) ** 3
    return chi * (1 / old + 1 / new)


@dataclass(frozen=True)
class Cumulative:
    """The share of values up to each value, known at some points.

    Attributes:
        values: the points, ascending; one that many values have occurs several times.
        shares: of values up to there, ascending.
    """

    values: Floats
    shares: Floats

    @classmethod
    def of(cls, spread: Histogram, quantiles: Sequence[Quantile] = ()) -> Cumulative:
        """Give what a histogram and quantiles know."""
        reached = np.cumsum([0, *spread.counts]) / max(1, sum(spread.counts))
        values = np.array([*spread.edges, *(each.value for each in quantiles)])
        shares = np.array([*reached, *(each.at for each in quantiles)])
        order = np.lexsort((shares, values))
        return cls(values[order], np.maximum.accumulate(shares[order]))

    @property
    def coarseness(self) -> float:
        """The largest share of values about which nothing is known but that they are between."""
        return float(np.diff(self.shares).max(initial=0.0))

    def distance(self, other: Cumulative) -> float:
        """Give the statistic of Kolmogorov and Smirnov: the largest difference of the shares.

        >>> low, high = Histogram((0, 1, 2), (1, 1)), Histogram((2, 3, 4), (1, 1))
        >>> Cumulative.of(low).distance(Cumulative.of(low))
        0.0
        >>> Cumulative.of(low).distance(Cumulative.of(high))
        1.0
        """
        points = np.union1d(self.values, other.values)
        before = np.abs(self._below(points) - other._below(points))
        after = np.abs(self._upto(points) - other._upto(points))
        return float(max(before.max(), after.max()))

    def _upto(self, points: Floats) -> Floats:
        """Give the shares at points, those at a point itself included."""
        last = np.searchsorted(self.values, points, side="right") - 1
        return self._between(points, last)

    def _below(self, points: Floats) -> Floats:
        first = np.searchsorted(self.values, points, side="left")
        here = np.minimum(first, len(self.values) - 1)
        return np.where(self.values[here] == points, self.shares[here], self._upto(points))

    def _between(self, points: Floats, last: Ints) -> Floats:
        low = np.clip(last, 0, len(self.values) - 1)
        high = np.minimum(low + 1, len(self.values) - 1)
        # Halves, since the distance between two doubles may be none.
        span = self.values[high] / 2 - self.values[low] / 2
        way = np.divide(points / 2 - self.values[low] / 2, span, where=span > 0,
                        out=np.zeros(len(points)))  # fmt: skip
        found = self.shares[low] + np.clip(way, 0, 1) * (self.shares[high] - self.shares[low])
        return np.where(last < 0, 0.0, found)


def distance_by_chance(old: int, new: int, alpha: float) -> float:
    """Give the distance that two samples of one population exceed with probability `alpha`.

    Smirnov's asymptotic bound (1939), which is on the safe side for small samples.

    >>> round(distance_by_chance(1000, 1000, 0.05), 4)
    0.0607
    """
    return math.sqrt(-math.log(alpha / 2) / 2 * (1 / old + 1 / new))


@dataclass(frozen=True)
class MeanShift:
    """How far two means are apart.

    Attributes:
        effect: in standard deviations, pooled (Cohen, Statistical Power Analysis, 1988).
        chance: the probability of at least so much between samples of one population (Welch, 1947,
            with the normal distribution; only for samples that are not small).
    """

    effect: float
    chance: float


_NORMAL_FROM = 30


def mean_shift(old: NumberStatistics, new: NumberStatistics) -> MeanShift:
    """Give how far the means of numbers are apart; none where that can't be said."""
    if None in {old.mean, new.mean, old.std, new.std} or min(old.count, new.count) < _NORMAL_FROM:
        return MeanShift(0.0, 1.0)
    means = (float(old.mean or 0), float(new.mean or 0))
    first, second = float(old.std or 0), float(new.std or 0)
    by = means[1] / 2 - means[0] / 2
    if not by:
        return MeanShift(0.0, 1.0)
    pooled = math.hypot(first, second) / math.sqrt(2)
    error = math.hypot(first / math.sqrt(old.count), second / math.sqrt(new.count))
    if not (pooled and error and math.isfinite(pooled)):
        return MeanShift(0.0, 1.0)
    return MeanShift(2 * by / pooled, math.erfc(abs(2 * by) / error / math.sqrt(2)))


def more_or_fewer(
    old: Distinct, old_of: int, new: Distinct, new_of: int, *, alpha: float
) -> tuple[str, float] | None:
    """Say how the numbers of different values contradict one population, whatever it is.

    More rows have at least as many different values, and repeat at least as much. What is the
    other way round, by more than chance (McDiarmid's bounded differences, 1989) and the errors of
    estimates explain, is told: ``"more"`` or ``"fewer"`` different values, and by what factor.

    >>> many, few = Distinct(900, exact=True), Distinct(10, exact=True)
    >>> more_or_fewer(few, 1000, many, 1000, alpha=1e-6)
    ('more', 90.0)
    >>> more_or_fewer(few, 1000, Distinct(60, exact=True), 100_000, alpha=1e-6) is None
    True
    """
    if not (old_of and new_of and old.count and new.count):
        return None
    low, high = _likely(old, old_of, alpha), _likely(new, new_of, alpha)
    for word, (a, n), (b, m) in (("fewer", (low, old_of), (high, new_of)),
                                 ("more", (high, new_of), (low, old_of))):  # fmt: skip
        # `a` has more different values than `b`, though it has fewer rows; or a larger share.
        if n <= m and a[0] > b[1]:
            return word, _factor(old, new)
        if n >= m and a[0] / n > b[1] / m:
            return word, _factor(old, new)
    return None


def _likely(found: Distinct, of: int, alpha: float) -> tuple[float, float]:
    chance = math.sqrt(of * math.log(2 / alpha) / 2)
    wrong = 5 * found.error * found.count
    return found.count - chance - wrong, found.count + chance + wrong


def _factor(old: Distinct, new: Distinct) -> float:
    return max(old.count, new.count) / min(old.count, new.count)


def repeats_by_chance(repeats: int, old: int, new: int) -> float:
    """Give the probability that all repeats are among the new rows, where no old one repeats.

    Each pair of rows may be alike with one probability; they are as n squared.

    >>> repeats_by_chance(1, 1000, 1000), repeats_by_chance(30, 1000, 1000) < 1e-6
    (0.5, True)
    """
    pairs = (old * (old - 1) / 2, new * (new - 1) / 2)
    return float((pairs[1] / sum(pairs)) ** repeats) if sum(pairs) else 1.0


def expected_counts(
    known: Mapping[str, tuple[int, int]], other: Mapping[str, float], rows: int, unseen: int
) -> list[float]:
    """Give the counts of values in a list of the most frequent ones, for values of another.

    A value that is missing from the list has at most as many rows as the last one in it, and is
    given as many as the other list lets one expect, so that a list's end is no difference.

    Args:
        known: counts of values, at least and at most.
        other: shares of the values that are asked for.
        rows: how many rows are counted.
        unseen: how many rows a value may have that isn't known.
    """
    bounds = [known.get(each, (0, unseen)) for each in other]
    wanted = [share * rows for share in other.values()]
    return [min(max(want, low), high) for want, (low, high) in zip(wanted, bounds, strict=True)]
