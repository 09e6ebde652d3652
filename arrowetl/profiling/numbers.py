"""Statistics of numbers that merge: exact but for the quantiles, which say by how much."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from arrowetl.profiling._spread import Spread, spread_of
from arrowetl.profiling._sums import (
    Floats,
    Ints,
    deviation,
    exact_squares,
    exact_total,
    rational,
    rounded,
)
from arrowetl.profiling.profile import Histogram, NumberStatistics, Quantile

SHARES = (0.01, *(each / 20 for each in range(1, 20)), 0.99)
"""The quantiles that a profile has."""
BINS = 30
"""Bars of a histogram, at most."""


@dataclass(frozen=True)
class Numbers:
    """What is known of some numbers. Of parts it merges into that of the whole, bit by bit.

    Attributes:
        count: how many are finite; the next ones are of these.
        minimum: the smallest; infinite where there is none.
        maximum: the largest.
        total: the sum, as `exact_total` gives it.
        squares: the sum of squares.
        spread: the buckets.
        zeros: how many are zero.
        negatives: how many are below zero.
        whole: how many have no fraction.
        nans: how many others aren't numbers.
        infinities: how many others are infinite.
    """

    count: int = 0
    minimum: float = np.inf
    maximum: float = -np.inf
    total: int = field(default=0, repr=False)
    squares: int = field(default=0, repr=False)
    spread: Spread = field(default_factory=Spread, repr=False)
    zeros: int = 0
    negatives: int = 0
    whole: int = 0
    nans: int = 0
    infinities: int = 0

    @classmethod
    def of(cls, values: Floats, weights: Ints | None = None) -> Numbers:
        """Give the statistics of values, each so many times as its weight says.

        >>> Numbers.of(np.array([1.0, 2.0, np.nan])).statistics().mean
        1.5
        """
        each = np.ones(len(values), np.int64) if weights is None else weights
        finite = np.isfinite(values)
        nans = int(each[np.isnan(values)].sum())
        others = int(each[~finite].sum())
        if others:
            values, each = values[finite], each[finite]
        weighted = None if weights is None else each
        return cls(
            count=int(each.sum()),
            minimum=float(values.min(initial=np.inf)) + 0.0,
            maximum=float(values.max(initial=-np.inf)) + 0.0,
            total=exact_total(values, weighted),
            squares=exact_squares(values, weighted),
            spread=spread_of(values, weighted),
            zeros=int(each[values == 0].sum()),
            negatives=int(each[values < 0].sum()),
            whole=int(each[values == np.trunc(values)].sum()),
            nans=nans,
            infinities=others - nans,
        )

    def merge(self, other: Numbers) -> Numbers:
        """Give the statistics of both."""
        sums = {
            each.name: getattr(self, each.name) + getattr(other, each.name)
            for each in fields(self)
            if each.type == "int"
        }
        return Numbers(
            minimum=min(self.minimum, other.minimum),
            maximum=max(self.maximum, other.maximum),
            spread=self.spread.merge(other.spread),
            **sums,
        )

    def statistics(self) -> NumberStatistics:
        """Give what people want to know."""
        some = self.count > 0
        quantiles = self.spread.quantiles(SHARES) if some else ()
        inside = np.clip(quantiles, self.minimum, self.maximum)
        return NumberStatistics(
            count=self.count,
            minimum=self.minimum if some else None,
            maximum=self.maximum if some else None,
            mean=rounded(rational(self.total) / self.count) if some else None,
            std=deviation(self.count, self.total, self.squares),
            total=rounded(rational(self.total)) if some else None,
            quantiles=tuple(
                Quantile(at, float(value))
                for at, value in zip(SHARES[: len(inside)], inside, strict=True)
            ),
            quantile_error=self.spread.error,
            histogram=self.histogram() if some else None,
            zeros=self.zeros,
            negatives=self.negatives,
            nans=self.nans,
            infinities=self.infinities,
            whole=self.whole,
        )

    def histogram(self, bins: int = BINS) -> Histogram:
        """Give bars of one width from the smallest to the largest number; whole ones of whole."""
        edges = self._edges(bins)
        bars = len(edges) - 1
        places = np.searchsorted(edges, self.spread.values(), side="right") - 1
        counts = np.bincount(np.clip(places, 0, bars - 1), self.spread.counts, bars)
        return Histogram(tuple(map(float, edges)), tuple(map(int, counts)))

    def _edges(self, bins: int) -> Floats:
        low, high = self.minimum, self.maximum
        half = high / 2 - low / 2
        if self.whole == self.count and max(abs(low), abs(high)) <= 2**52:
            width = max(1, -(-(int(high) - int(low) + 1) // bins))
            bars = -(-(int(high) - int(low) + 1) // width)
            return low + width * np.arange(bars + 1, dtype=np.float64)
        if half == 0:
            return np.array([low, high])
        steps = np.arange(bins + 1) / bins
        # In halves, since the whole span may be beyond the largest double.
        edges: Floats = np.clip(low * (1 - steps) + high * steps, low, high)
        return edges
