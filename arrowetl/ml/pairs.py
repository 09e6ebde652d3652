"""Pairs of rows that are alike, and what finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from arrowetl.ml._threads import in_order
from arrowetl.ml.candidates import Hashed, Plan, candidates
from arrowetl.ml.grams import Rows
from arrowetl.ml.weights import Floats
from arrowetl.stopping import check

Flags = npt.NDArray[np.bool_]

_ROW_BITS = 32
_ROW = (1 << _ROW_BITS) - 1
_FEW, _MANY = 30, 1000
_PAIRS = 16_000_000
"""So many pairs, 24 bytes each, are held of crowds alone."""


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

    @property
    def usual(self) -> float:
        """How alike duplicates are at least, where nobody says it."""

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

    Rows in a crowd that is nearly equal have more pairs than anybody wants: of two that have
    `enough` pairs each, and are joined by others, no more are looked for.

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
            check()
            like = likely(left, right)
            kept.append(left[like] << _ROW_BITS | right[like])
        return np.concatenate(kept)

    crowds = _Crowds(hashes.shape[1])
    found = np.zeros(0, np.int64)
    alike = np.zeros(0)
    for some in in_order(promising, range(planned.bands), threads=threads):
        new = np.setdiff1d(np.sort(some), found, assume_unique=True)
        for part in crowds.parts(new):
            wanted = part[crowds.wanted(part)]
            similarity = compare(wanted >> _ROW_BITS, wanted & _ROW)
            kept = similarity >= threshold
            found, alike = np.append(found, wanted[kept]), np.append(alike, similarity[kept])
            crowds.add(wanted[kept])
        order = np.argsort(found, kind="stable")
        found, alike = found[order], alike[order]
    return Pairs(found >> _ROW_BITS, found & _ROW, alike)


def enough(rows: int) -> int:
    """Give how many pairs are enough for a row in a crowd: fewer, where there are many rows.

    >>> enough(20_000), enough(1_000_000)
    (800, 30)
    """
    return min(max(_FEW, _PAIRS // max(rows, 1)), _MANY)


class _Crowds:
    """Which rows have pairs enough, and what joins them."""

    def __init__(self, rows: int) -> None:
        self._enough = enough(rows)
        self._pairs = np.zeros(rows, np.int32)
        self._joined = np.arange(rows)

    def parts(self, pairs: Rows) -> Iterator[Rows]:
        """Divide pairs so that no part has more than enough of a left row."""
        left = pairs >> _ROW_BITS
        part = (np.arange(len(left)) - np.searchsorted(left, left)) // self._enough
        for number in range(int(part.max(initial=-1)) + 1):
            yield pairs[part == number]

    def wanted(self, pairs: Rows) -> Flags:
        """Say of which pairs a row hasn't enough yet, or nothing joins the two."""
        left, right = pairs >> _ROW_BITS, pairs & _ROW
        few = np.minimum(self._pairs[left], self._pairs[right]) < self._enough
        found: Flags = few | (self._joined[left] != self._joined[right])
        return found

    def add(self, pairs: Rows) -> None:
        """Count pairs that are alike."""
        left, right = pairs >> _ROW_BITS, pairs & _ROW
        for rows in (left, right):
            self._pairs += np.bincount(rows, minlength=len(self._pairs)).astype(np.int32)
        first, second = self._joined[left], self._joined[right]
        self._joined = components(len(self._joined), first, second)[self._joined]


def components(rows: int, left: Rows, right: Rows) -> Rows:
    """Give each row the lowest row that pairs join it with, over however many others.

    Cost: a few passes over the pairs, as many as the logarithm of the longest way.

    >>> components(5, np.array([1, 4]), np.array([2, 1])).tolist()
    [0, 1, 1, 3, 1]
    """
    found = np.arange(rows)
    while True:
        first, second = found[left], found[right]
        apart = first != second
        if not apart.any():
            return found
        left, right, first, second = left[apart], right[apart], first[apart], second[apart]
        np.minimum.at(found, np.maximum(first, second), np.minimum(first, second))
        while (found[found] != found).any():
            found = found[found]
