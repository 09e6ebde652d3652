"""Clusters of rows from pairs that are alike, with no chain from one end to another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from arrowetl.ml.grams import Rows
from arrowetl.ml.pairs import Pairs, components
from arrowetl.ml.weights import Floats
from arrowetl.sampling import hashed

Compare = Callable[[Rows, Rows], Floats]


def clusters(rows: int, pairs: Pairs, compare: Compare, *, least: float) -> Rows:
    """Give each row the lowest row of its cluster; whoever differs from the centre has to leave.

    A component's centre is the row that is most alike to its neighbours in all. A component with a
    row less alike to the centre than `least` is split: centres are chosen anew, each the best among
    its neighbours, and each other row goes to the centre most like it. The order of the pairs makes
    no difference.

    Args:
        rows: how many there are.
        pairs: which are alike.
        compare: how alike pairs of rows are, exactly.
        least: how alike each row of a cluster is to its centre; the threshold of the pairs is a
            good choice.
    """
    found = components(rows, pairs.left, pairs.right)
    worth = np.bincount(pairs.left, weights=pairs.similarity, minlength=rows)
    worth += np.bincount(pairs.right, weights=pairs.similarity, minlength=rows)
    # Equal ones by chance, or a long chain would be cut link by link.
    rank = np.empty(rows, np.int64)
    rank[np.lexsort((hashed(np.arange(rows)), -worth))] = np.arange(rows)
    best = np.full(rows, rows)
    np.minimum.at(best, found, rank)
    by_rank = np.argsort(rank)
    members = np.flatnonzero(np.bincount(found, minlength=rows)[found] > 1)
    centres = by_rank[best[found[members]]]
    far = compare(members, centres) < least
    torn = np.zeros(rows, np.bool_)
    torn[found[members[far & (members != centres)]]] = True
    inside = torn[found[pairs.left]]
    parts = Pairs(pairs.left[inside], pairs.right[inside], pairs.similarity[inside])
    centre = _pivots(np.flatnonzero(torn[found]), parts, rank)
    lowest = np.full(rows, rows)
    loose = np.flatnonzero(torn[found])
    np.minimum.at(lowest, centre[loose], loose)
    found[loose] = lowest[centre[loose]]
    return found


def _pivots(loose: Rows, pairs: Pairs, rank: Rows) -> Rows:
    """Give each of `loose` its centre: no two centres are neighbours."""
    rows = len(rank)
    left = np.append(pairs.left, pairs.right)
    right = np.append(pairs.right, pairs.left)
    open_ = np.zeros(rows, np.bool_)
    open_[loose] = True
    pivot = np.zeros(rows, np.bool_)
    while open_.any():
        live = open_[left] & open_[right]
        lowest = np.full(rows, rows)
        np.minimum.at(lowest, left[live], rank[right[live]])
        chosen = open_ & (rank < lowest)
        pivot |= chosen
        open_ &= ~chosen
        open_[right[chosen[left]]] = False
    centre = np.arange(rows)
    joins = pivot[right] & ~pivot[left]
    order = np.lexsort((-rank[right[joins]], np.append(pairs.similarity, pairs.similarity)[joins]))
    # The last that is written stays: the most alike.
    centre[left[joins][order]] = right[joins][order]
    return centre
