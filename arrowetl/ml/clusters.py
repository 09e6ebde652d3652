"""Clusters: rows that are alike put together, so that no chain joins what isn't."""

from __future__ import annotations

import numpy as np

from arrowetl.ml.grams import Rows
from arrowetl.ml.pairs import Pairs
from arrowetl.ml.weights import Floats
from arrowetl.sampling import hashed


def stars(rows: int, pairs: Pairs) -> Rows:
    """Give for each row the centre of its cluster; itself where it is alike to none.

    Connected components would join A and C when both are alike to B, and so on along a chain whose
    ends share nothing. A star has a centre that each of its rows is alike to (Aslam, Pelekhov and
    Rus, The Star Clustering Algorithm, 2004): rows with the most neighbours become centres first,
    among equals those whose hash is higher, and a row between two centres goes to the one that it
    is most alike to. So any two rows of a cluster are alike to a third.

    The answer depends on the pairs, not on their order. Memory: 60 bytes a pair.

    Args:
        rows: how many there are.
        pairs: those that are alike.

    >>> alike = Pairs(np.array([0, 1]), np.array([1, 2]), np.array([0.9, 0.8]))
    >>> stars(4, alike).tolist()
    [1, 1, 1, 3]
    """
    one = np.concatenate([pairs.left, pairs.right])
    other = np.concatenate([pairs.right, pairs.left])
    similarity = np.concatenate([pairs.similarity, pairs.similarity])
    rank = _ranks(np.bincount(one, minlength=rows))
    # By row, then by how alike, then by rank: the last of a row is the centre it would choose.
    order = np.lexsort((rank[other], similarity, one))
    one, other = one[order], other[order]
    centres = np.arange(rows)
    free = np.ones(rows, np.bool_)
    while len(one):
        highest = _highest(one, rank[other], rows)
        # A row whose neighbours are all lower.
        leads = free & (rank > highest) & (highest >= 0)
        chosen = leads[other]
        # Of several assignments to a place the last one stays.
        centres[one[chosen]] = other[chosen]
        free[one[chosen]] = False
        free[leads] = False
        left = free[one] & free[other]
        one, other = one[left], other[left]
    return centres


def _ranks(degrees: Rows) -> Rows:
    """Give each row a rank of its own: by its neighbours, then by a hash of its number."""
    ranks = np.empty(len(degrees), np.int64)
    ranks[np.lexsort((hashed(np.arange(len(degrees))), degrees))] = np.arange(len(degrees))
    return ranks


def _highest(one: Rows, ranks: Rows, rows: int) -> Rows:
    """Give the highest rank among each row's neighbours; -1 where it has none. `one` ascends."""
    found = np.full(rows, -1)
    begins = np.flatnonzero(np.append(True, one[1:] != one[:-1]))
    found[one[begins]] = np.maximum.reduceat(ranks, begins)
    return found


def similarity_to(centres: Rows, pairs: Pairs) -> Floats:
    """Give how alike each row is to its cluster's centre; 1 for centres.

    >>> alike = Pairs(np.array([0]), np.array([1]), np.array([0.9]))
    >>> sorted(similarity_to(stars(3, alike), alike).tolist())
    [0.9, 1.0, 1.0]
    """
    found = np.ones(len(centres))
    for one, other in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
        to_centre = centres[one] == other
        found[one[to_centre]] = pairs.similarity[to_centre]
    return found
