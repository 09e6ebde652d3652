"""Hyperplanes: on which side of each a vector is, as bits that differ as its angle to others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arrowetl.ml._threads import in_order
from arrowetl.ml.encoders import Matrix
from arrowetl.ml.grams import Rows
from arrowetl.sampling import hashed

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
    """For each vector 160 hashes of four bits, and all the bits: how many differ tells the angle.

    The hyperplanes go through the centre of the vectors, since those of a model point mostly one
    way; without that, most would be on the same side of most hyperplanes.
    """

    hashes: npt.NDArray[np.uint8]
    """A line for each hash."""
    first: npt.NDArray[np.uint64]
    """The first of the bits, apart: they fit a processor's cache ten times as well."""
    bits: npt.NDArray[np.uint64]
    """The others."""
    along: npt.NDArray[np.float32]
    """Each vector's product with the centre."""
    far: npt.NDArray[np.float32]
    """Each vector's distance from the centre."""
    centre: float
    """How long the centre is, squared: how alike two vectors are on average."""

    def agreement(self, cosine: float) -> float:
        """Give how often a hash agrees of two vectors with this cosine, if they are usual ones.

        Where usual ones are more alike than that, as often as hashes agree by chance.
        """
        about = (cosine - self.centre) / max(1 - self.centre, 1e-9)
        return (1 - math.acos(max(0.0, min(1.0, about))) / math.pi) ** BITS

    def similar(self, left: Rows, right: Rows, least: float) -> npt.NDArray[np.bool_]:
        """Say which pairs may have at least this cosine."""
        far = self.far.take(left) * self.far.take(right)
        # What of the least cosine is left for the bits to tell.
        due = self.centre + least - (self.along.take(left) + self.along.take(right))
        differ = _differing(self.first, left, right)
        found: npt.NDArray[np.bool_] = _FIRST_COSINES.take(differ) * far >= due - _FIRST_DOUBT
        near = np.flatnonzero(found)
        differ = differ[near] + _differing(self.bits, left[near], right[near])
        found[near] = _COSINES.take(differ) * far[near] >= due[near] - _DOUBT
        return found


def _differing(bits: npt.NDArray[np.uint64], left: Rows, right: Rows) -> Rows:
    """Count the bits that differ."""
    words = bits.take(left, axis=0)
    words ^= bits.take(right, axis=0)
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


def hyperplanes(values: Matrix, order: Rows, *, threads: int = 1) -> Hyperplanes:
    """Say of each vector on which sides it is. Memory: 248 bytes a vector."""
    rows, dimension = len(order), values.shape[1]
    some = np.argsort(hashed(np.arange(rows)))[:_CENTRED]
    centre = values[order[some]].mean(axis=0, dtype=np.float64).astype(np.float32)
    normals = np.random.default_rng(_SEED).standard_normal((dimension, BITS * HASHES))
    planes = normals.astype(np.float32)
    offsets = centre @ planes
    squared = float(centre @ centre)
    found = Hyperplanes(
        np.empty((HASHES, rows), np.uint8),
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
        packed = np.packbits(sides, axis=1)
        words = packed.view(np.uint64)
        found.first[low:high], found.bits[low:high] = words[:, :_FIRST], words[:, _FIRST:]
        found.hashes[0::2, low:high] = (packed >> 4).T
        found.hashes[1::2, low:high] = (packed & 0xF).T
        along = found.along[low:high] = part @ centre
        found.far[low:high] = np.sqrt(np.maximum(1 - 2 * along + squared, 0))

    list(in_order(draw, range(0, rows, _BLOCK), threads=threads))
    return found
