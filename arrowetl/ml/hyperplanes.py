"""Hyperplanes: on which side of each a vector is, as bits that differ as its angle to others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arrowetl.arrow import Matrix
from arrowetl.ml._threads import in_order
from arrowetl.ml.grams import Rows
from arrowetl.sampling import hashed

Bits = npt.NDArray[np.uint64]

BITS = 4
"""How many hyperplanes make a hash."""
HASHES = 160
_WORDS = BITS * HASHES // 64
_FIRST = 2
"""How many words of bits are looked at first: they tell most pairs that aren't alike."""
_BLOCK = 8192
_CENTRED = 10_000
"""By so many vectors the centre is reckoned."""
_DOUBT = 0.1
"""How far a cosine told from the bits may be from the truth: four standard deviations."""
_FIRST_DOUBT = 0.3
"""The same of the first bits, five deviations."""
_SEED = 20_161


@dataclass(frozen=True)
class Hyperplanes:
    """For each vector 640 bits: how many differ tells the angle, and four of them make a hash.

    The hyperplanes go through the centre of the vectors, since those of a model point mostly one
    way; without that, most would be on the same side of most hyperplanes.
    """

    first: Bits
    """The first of the bits, apart: they fit a processor's cache ten times as well."""
    bits: Bits
    """The others."""
    along: npt.NDArray[np.float32]
    """Each vector's product with the centre."""
    far: npt.NDArray[np.float32]
    """Each vector's distance from the centre."""
    centre: float
    """How long the centre is, squared: how alike two vectors are on average."""

    def hashes(self) -> npt.NDArray[np.uint8]:
        """Give the hashes, a line each. Memory: 160 bytes a vector."""
        found = np.empty((HASHES, len(self.bits)), np.uint8)
        for low in range(0, len(self.bits), _BLOCK):
            high = low + _BLOCK
            words = np.concatenate([self.first[low:high], self.bits[low:high]], axis=1)
            packed = words.view(np.uint8).T
            found[0::2, low : low + _BLOCK] = packed >> 4
            found[1::2, low : low + _BLOCK] = packed & 0xF
        return found

    def agreement(self, cosine: float) -> float:
        """Give how often a hash agrees of two vectors with this cosine, if they are usual ones.

        Where usual ones are more alike than that, as often as hashes agree by chance.
        """
        about = (cosine - self.centre) / max(1 - self.centre, 1e-9)
        return (1 - math.acos(max(0.0, min(1.0, about))) / math.pi) ** BITS

    def similar(
        self, left: Rows, right: Rows, least: float, *, other: Hyperplanes | None = None
    ) -> npt.NDArray[np.bool_]:
        """Say which pairs may have at least this cosine.

        The right ones are of `other` vectors by the same hyperplanes, if there are any.
        """
        other = self if other is None else other
        far = self.far.take(left) * other.far.take(right)
        # What of the least cosine is left for the bits to tell.
        due = self.centre + least - (self.along.take(left) + other.along.take(right))
        differ = _differing(self.first, left, other.first, right)
        found: npt.NDArray[np.bool_] = _FIRST_COSINES.take(differ) * far >= due - _FIRST_DOUBT
        near = np.flatnonzero(found)
        differ = differ[near] + _differing(self.bits, left[near], other.bits, right[near])
        found[near] = _COSINES.take(differ) * far[near] >= due[near] - _DOUBT
        return found


def _differing(bits: Bits, left: Rows, others: Bits, right: Rows) -> Rows:
    """Count the bits that differ."""
    words = bits.take(left, axis=0)
    words ^= others.take(right, axis=0)
    counts = np.bitwise_count(words)
    found = counts[:, 0].astype(np.int64)
    for word in range(1, counts.shape[1]):
        found += counts[:, word]
    return found


def _cosines(bits: int) -> npt.NDArray[np.float32]:
    """Give the cosine that each number of bits that differ tells."""
    found: npt.NDArray[np.float32] = np.cos(np.arange(bits + 1) * (math.pi / bits)).astype("f4")
    return found


_COSINES = _cosines(BITS * HASHES)
_FIRST_COSINES = _cosines(64 * _FIRST)


def centre_of(parts: Sequence[tuple[Matrix, Rows]]) -> npt.NDArray[np.float32]:
    """Give the mean of some 10,000 of the rows of matrices that are named beside them."""
    rows = sum(len(order) for _, order in parts)
    chosen = np.sort(np.argsort(hashed(np.arange(rows)))[:_CENTRED])
    low, some = 0, []
    for values, order in parts:
        first, last = np.searchsorted(chosen, (low, low + len(order)))
        some.append(values[order[chosen[first:last] - low]])
        low += len(order)
    found: npt.NDArray[np.float32] = (
        np.concatenate(some).mean(axis=0, dtype=np.float64).astype(np.float32)
    )
    return found


def hyperplanes(
    values: Matrix,
    order: Rows,
    *,
    centre: npt.NDArray[np.float32] | None = None,
    threads: int = 1,
) -> Hyperplanes:
    """Say of each vector on which sides it is. Memory: 88 bytes a vector.

    Args:
        values: has the vectors as its rows.
        order: which of them.
        centre: what the hyperplanes go through; what `centre_of` says if None.
        threads: how many work at once.
    """
    rows, dimension = len(order), values.shape[1]
    centre = centre_of([(values, order)]) if centre is None else centre
    normals = np.random.default_rng(_SEED).standard_normal((dimension, BITS * HASHES))
    planes = normals.astype(np.float32)
    offsets = centre @ planes
    squared = float(centre @ centre)
    found = Hyperplanes(
        np.empty((rows, _FIRST), np.uint64),
        np.empty((rows, _WORDS - _FIRST), np.uint64),
        np.empty(rows, np.float32),
        np.empty(rows, np.float32),
        squared,
    )

    def draw(low: int) -> None:
        part = values[order[low : low + _BLOCK]]
        high = low + len(part)
        sides = part @ planes > offsets
        words = np.packbits(sides, axis=1).view(np.uint64)
        found.first[low:high], found.bits[low:high] = words[:, :_FIRST], words[:, _FIRST:]
        along = found.along[low:high] = part @ centre
        found.far[low:high] = np.sqrt(np.maximum(1 - 2 * along + squared, 0))

    list(in_order(draw, range(0, rows, _BLOCK), threads=threads))
    return found
