"""Which new records belong to earlier ones, and which of the others belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arrowetl.ml.clusters import clusters
from arrowetl.ml.grams import Rows
from arrowetl.ml.kept import Index
from arrowetl.ml.pairs import Pairs, Space
from arrowetl.ml.weights import Floats


@dataclass(frozen=True)
class Joined:
    """For each new record where it belongs."""

    cluster: Rows
    """The lowest new record of its cluster; those that belong to earlier ones are alone."""
    stands: Rows
    """The earlier row that stands for it; 0 if none does."""
    standard: Rows
    """That row's record; -1 if there is none."""
    alike: Floats
    """How alike it is to that."""


def join(index: Index, space: Space, *, limit: int, threads: int) -> Joined:
    """Put new records to earlier ones, and cluster those that are like none.

    A record goes to the cluster of the earlier record that is most like it. Of the others, one that
    is like a record which came so to an earlier cluster goes there too, as it would if it came a
    day later; the rest are clustered among themselves.
    """
    least = index.threshold
    near = index.nearest()
    found = Joined(
        np.arange(space.rows),
        np.zeros(space.rows, np.int64),
        np.full(space.rows, -1, np.int64),
        np.zeros(space.rows),
    )
    taken = np.flatnonzero(near.number >= 0)
    numbers = near.number[taken]
    _put(index, found, taken, (index.of("stands", numbers), index.of("standard", numbers)))
    pairs = space.pairs(least, limit=limit, threads=threads)
    follower, leader = _followers(found, pairs, least)
    _put(index, found, follower, (found.stands[leader], found.standard[leader]))
    free = found.standard < 0
    kept = free[pairs.left] & free[pairs.right]
    rest = Pairs(pairs.left[kept], pairs.right[kept], pairs.similarity[kept])
    found.cluster[:] = clusters(
        space.rows,
        rest,
        lambda left, right: space.compare(left, right, threads=threads),
        least=least,
    )
    return found


def _put(index: Index, found: Joined, records: Rows, earlier: tuple[Rows, Rows]) -> None:
    found.stands[records], found.standard[records] = earlier
    found.alike[records] = index.compare(records, earlier[1])


def _followers(found: Joined, pairs: Pairs, least: float) -> tuple[Rows, Rows]:
    """Give records that are like none of the earlier, and for each the one that leads it there."""
    left, right = np.append(pairs.left, pairs.right), np.append(pairs.right, pairs.left)
    similarity = np.append(pairs.similarity, pairs.similarity)
    leads = (found.standard >= 0) & (found.alike >= least)
    fits = (found.standard[left] < 0) & leads[right]
    left, right, similarity = left[fits], right[fits], similarity[fits]
    order = np.lexsort((right, -similarity, left))
    first = order[np.append(True, np.diff(left[order]) > 0)[: len(order)]]
    return left[first], right[first]
