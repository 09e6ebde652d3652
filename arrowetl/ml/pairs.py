"""Pairs of rows that are alike, and what finds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from arrowetl.ml._threads import in_order
from arrowetl.ml.candidates import Hashed, Plan, candidates
from arrowetl.ml.grams import Rows
from arrowetl.ml.weights import Floats

Flags = npt.NDArray[np.bool_]

_ROW_BITS = 32
_ROW = (1 << _ROW_BITS) - 1


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, the lower first, in order, with how alike they are."""

    left: Rows
    right: Rows
    similarity: Floats

    def __len__(self) -> int:
        """Give how many pairs there are."""
        return len(self.left)

    def above(self, threshold: float) -> Pairs:
        """Give those that are at least as alike as this."""
        kept = self.similarity >= threshold
        return Pairs(self.left[kept], self.right[kept], self.similarity[kept])


class Space(Protocol):
    """Rows that can be compared with each other."""

    @property
    def rows(self) -> int:
        """How many there are."""

    def pairs(self, threshold: float, *, limit: int, threads: int) -> Pairs:
        """Find the pairs that are at least as alike as `threshold`.

        Raises:
            ConfigError: more than `limit` candidates would be compared; with what to change.
        """

    def compare(self, left: Rows, right: Rows, *, threads: int) -> Floats:
        """Give how alike pairs of rows are, exactly."""


def verified(
    hashes: Hashed,
    planned: Plan,
    likely: Callable[[Rows, Rows], Flags],
    compare: Callable[[Rows, Rows], Floats],
    *,
    threshold: float,
    threads: int,
) -> Pairs:
    """Compare the candidates of all bands, each pair once, and keep those that are alike.

    Args:
        hashes: by which rows meet.
        planned: how they meet.
        likely: says quickly which pairs may be alike.
        compare: how alike pairs are, exactly.
        threshold: how alike those to keep are, at least.
        threads: how many bands are looked through at once.
    """

    def promising(band: int) -> Rows:
        kept = [np.zeros(0, np.int64)]
        for left, right in candidates(hashes, planned, band):
            like = likely(left, right)
            kept.append(left[like] << _ROW_BITS | right[like])
        return np.concatenate(kept)

    found = np.zeros(0, np.int64)
    alike = np.zeros(0)
    for some in in_order(promising, range(planned.bands), threads=threads):
        new = np.setdiff1d(some, found, assume_unique=True)
        similarity = compare(new >> _ROW_BITS, new & _ROW)
        kept = similarity >= threshold
        found, alike = np.append(found, new[kept]), np.append(alike, similarity[kept])
        order = np.argsort(found, kind="stable")
        found, alike = found[order], alike[order]
    return Pairs(found >> _ROW_BITS, found & _ROW, alike)
