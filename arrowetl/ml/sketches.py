"""Sketches: bits that tell nearly how alike two texts are, twenty times as fast as the texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arrowetl.ml._threads import in_order
from arrowetl.ml.grams import CODE_BITS, CODES, Rows
from arrowetl.ml.minhash import uniform
from arrowetl.ml.weights import Floats, WeighedSets

Words = npt.NDArray[np.uint64]

BITS = 1024
_WORDS = BITS // 64
_USUAL = 300
"""How many bits a long row sets: more would set the same ones again."""
_MOST = 700
_PER_GRAM = 4
_ROWS = 4096
_LANES = np.uint64(0x00FF00FF00FF00FF)
_SUM = np.uint64(0x0001000100010001)


@dataclass(frozen=True)
class Sketches:
    """For each row 1,024 bits, some of them set by each trigram, more by one that tells more.

    Bits that several trigrams set are counted once, so the number set is read back from the number
    found, by linear counting (Whang, Vander-Zanden and Taylor, 1990): of each row and of both
    together, and what they share is the difference.
    """

    bits: Words
    totals: Floats
    """What all trigrams of a row tell."""
    counts: Floats
    """How many bits are found set."""
    units: Floats
    """What each bit that was set stands for: a row's trigrams tell all of that together."""

    def similar(
        self, left: Rows, right: Rows, least: float, *, other: Sketches | None = None
    ) -> npt.NDArray[np.bool_]:
        """Say which pairs may be as alike as `least`; a row with too many bits may be like any.

        The right ones are of `other` sketches of the same unit, if there are any.
        """
        other = self if other is None else other
        both = self.bits[left]
        both &= other.bits[right]
        first, second = self.counts[left], other.counts[right]
        shared = _set(first) + _set(second) - _set(first + second - _ones(both))
        shared *= (self.units[left] + other.units[right]) / 2
        either = self.totals[left] + other.totals[right] - shared
        return (shared >= least * either) | (first > _MOST) | (second > _MOST)


def unit_of(sets: WeighedSets) -> float:
    """Give what one bit stands for, in sketches of texts such as these."""
    heaviest = sets.weights.max() * sets.levels[-1]
    long = np.quantile(sets.totals, 0.95) if sets.rows else 0.0
    return float(max(heaviest / _PER_GRAM, long / _USUAL))


def sketches(sets: WeighedSets, *, unit: float | None = None, threads: int = 1) -> Sketches:
    """Sketch every row. Memory: 144 bytes a row.

    Args:
        sets: what to sketch.
        unit: what one bit stands for; what `unit_of` says if None.
        threads: how many work at once.
    """
    unit = unit_of(sets) if unit is None else unit
    # The one place for all trigrams of single rows sets nothing.
    weights = np.append(0.0, sets.weights[1:]) / unit
    rounding = np.append(0.0, uniform(sets.vocabulary, 1 << 20))
    where = np.stack(
        [
            np.append(0, uniform(sets.vocabulary, (1 << 20) + 1 + bit) * BITS).astype(np.intp)
            for bit in range(_PER_GRAM + 1)
        ]
    )
    bits = np.zeros((sets.rows, _WORDS), np.uint64)
    found = Sketches(bits, sets.totals, np.zeros(sets.rows), np.zeros(sets.rows))
    starts = sets.sets.starts

    def draw(low: int) -> None:
        high = min(low + _ROWS, sets.rows)
        grams = sets.sets.grams[starts[low] : starts[high]]
        rows = np.repeat(np.arange(high - low), np.diff(starts[low : high + 1]))
        places = sets.places.take(grams & np.uint32(CODES - 1)).astype(np.intp)
        told = weights.take(places) * sets.levels[grams >> np.uint32(CODE_BITS)]
        wanted = told + rounding.take(places)
        dots = np.zeros((high - low) * BITS, np.bool_)
        for bit, positions in enumerate(where, 1):
            set_ = np.flatnonzero(wanted >= bit)
            dots[rows[set_] * BITS + positions.take(places[set_])] = True
        found.bits[low:high] = np.packbits(dots).view(np.uint64).reshape(high - low, _WORDS)
        counts = found.counts[low:high] = _ones(found.bits[low:high])
        all_told = np.bincount(rows, weights=told, minlength=high - low) * unit
        np.divide(all_told, _set(counts), out=found.units[low:high], where=counts > 0)

    list(in_order(draw, range(0, sets.rows, _ROWS), threads=threads))
    return found


def _set(found: Floats) -> Floats:
    """Give how many bits were set, those set before among them, for so many found."""
    return -BITS * np.log1p(-np.minimum(found, BITS - 1) / BITS)


def _ones(words: Words) -> Floats:
    """Count the bits of each row: of each byte, then of pairs of bytes, then all at once."""
    bytes_ = np.bitwise_count(words).view(np.uint64)
    sums = bytes_[:, 0] + bytes_[:, 1]
    sums = (sums & _LANES) + (sums >> np.uint64(8) & _LANES)
    found: Floats = (sums * _SUM >> np.uint64(48)).astype(np.float64)
    return found
