"""Hyperplanes: on which side of each a vector is, as bits that differ as its angle to others."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
_BLOCK = 8192
_CENTRED = 10_000
"""By so many vectors the centre is reckoned."""
_DOUBT = 0.1
"""How far a cosine told from the bits may be from the truth: four standard deviations."""
_SEED = 20_161


@dataclass(frozen=True)
class Hyperplanes:
    """For each vector 640 bits: how many differ tells the angle, and four of them make a hash.

    The hyperplanes go through the centre of the vectors, since those of a model point mostly one
    way; without that, most would be on the same side of most hyperplanes.
    """

    bits: npt.NDArray[np.uint64]
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
            packed = np.ascontiguousarray(self.bits[low : low + _BLOCK]).view(np.uint8).T
            found[0::2, low : low + _BLOCK] = packed >> 4
            found[1::2, low : low + _BLOCK] = packed & 0xF
        return found

    def agreement(self, cosine: float) -> float:
        """Give how often a hash agrees of two vectors with this cosine, if they are usual ones."""
        about = (cosine - self.centre) / max(1 - self.centre, 1e-9)
        return (1 - math.acos(max(-1.0, min(1.0, about))) / math.pi) ** BITS

    def similar(
        self, left: Rows, right: Rows, least: float, *, other: Hyperplanes | None = None
    ) -> npt.NDArray[np.bool_]:
        """Say which pairs may have at least this cosine.

        The right ones are of `other` vectors by the same hyperplanes, if there are any.
        """
        other = self if other is None else other
        differ = np.bitwise_count(self.bits[left] ^ other.bits[right]).sum(axis=1, dtype=np.intp)
        told = _COSINES[differ] * self.far[left] * other.far[right]
        told += self.along[left]
        told += other.along[right]
        found: npt.NDArray[np.bool_] = told - self.centre >= least - _DOUBT
        return found


_COSINES = np.cos(np.arange(BITS * HASHES + 1) * (math.pi / (BITS * HASHES))).astype(np.float32)


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
        np.empty((rows, _WORDS), np.uint64),
        np.empty(rows, np.float32),
        np.empty(rows, np.float32),
        squared,
    )

    def draw(low: int) -> None:
        part = values[order[low : low + _BLOCK]]
        high = low + len(part)
        sides = part @ planes > offsets
        found.bits[low:high] = np.packbits(sides, axis=1).view(np.uint64)
        along = found.along[low:high] = part @ centre
        found.far[low:high] = np.sqrt(np.maximum(1 - 2 * along + squared, 0))

    list(in_order(draw, range(0, rows, _BLOCK), threads=threads))
    return found
