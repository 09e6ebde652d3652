"""Pairs of texts that are alike: candidates, sketched, then compared exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arrowetl.ml import LIMIT
from arrowetl.ml._threads import in_order
from arrowetl.ml.candidates import PLANNING, Plan, candidates, plan, refuse
from arrowetl.ml.grams import Codes, Rows
from arrowetl.ml.minhash import signatures
from arrowetl.ml.sketches import Sketches, sketches
from arrowetl.ml.weights import Floats, WeighedSets, similarities

_DOUBT = 0.1
"""How far a sketch may be from the truth: a thousandth of the pairs are further."""
_GRAMS = 1 << 20


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, the lower first, in order, with how alike they are."""

    left: Rows
    right: Rows
    similarity: Floats

    def __len__(self) -> int:
        """Give how many pairs there are."""
        return len(self.left)


def similar_pairs(
    sets: WeighedSets, threshold: float, *, limit: int = LIMIT, threads: int = 1
) -> Pairs:
    """Find the pairs of rows that are at least as alike as `threshold`.

    Every pair given is as alike as it says. Some are missed, by chance (`Plan.chance`): of those
    just as alike as the threshold one in a hundred where blocks are shallow, up to one in eight of
    many short texts at a low threshold, of those more alike far fewer. Of a crowd nearly equal not
    every pair is given, but what joins them. Memory: 376 bytes a row, 24 a pair found.

    Raises:
        ConfigError: more than `limit` candidates would be compared; with what to change.
    """
    hashes = signatures(sets, PLANNING, threads=threads)
    planned = plan(hashes, threshold)
    refuse(planned, limit, sets.rows)
    more = range(len(PLANNING), planned.hashes)
    if more:
        hashes = np.concatenate([hashes, signatures(sets, more, threads=threads)])
    drawn = sketches(sets, threads=threads)
    found = np.zeros(0, np.int64)
    alike = np.zeros(0)

    def promising(band: int) -> Rows:
        return _promising(hashes, planned, band, drawn, least=threshold - _DOUBT)

    for packed in in_order(promising, range(planned.bands), threads=threads):
        new = np.setdiff1d(packed, found, assume_unique=True)
        similarity = compared(sets, new >> _ROW_BITS, new & _ROW, threads=threads)
        kept = similarity >= threshold
        found, alike = np.append(found, new[kept]), np.append(alike, similarity[kept])
        order = np.argsort(found, kind="stable")
        found, alike = found[order], alike[order]
    return Pairs(found >> _ROW_BITS, found & _ROW, alike)


_ROW_BITS = 32
_ROW = (1 << _ROW_BITS) - 1


def _promising(hashes: Codes, planned: Plan, band: int, drawn: Sketches, *, least: float) -> Rows:
    kept = [np.zeros(0, np.int64)]
    for left, right in candidates(hashes, planned, band):
        like = drawn.similar(left, right, least)
        kept.append(left[like] << _ROW_BITS | right[like])
    return np.concatenate(kept)


def compared(sets: WeighedSets, left: Rows, right: Rows, *, threads: int = 1) -> Floats:
    """Give the exact similarity of pairs, a part of them at a time; see `similarities`."""
    sizes = np.diff(sets.sets.starts)
    work = np.cumsum(sizes[left] + sizes[right])
    found = in_order(
        lambda ends: similarities(sets, left[slice(*ends)], right[slice(*ends)]),
        _slices(work),
        threads=threads,
    )
    return np.concatenate([np.zeros(0), *found])


def _slices(work: Rows) -> Iterator[tuple[int, int]]:
    low, done = 0, 0
    while low < len(work):
        high = max(int(np.searchsorted(work, done + _GRAMS, side="right")), low + 1)
        yield low, high
        low, done = high, int(work[high - 1])
