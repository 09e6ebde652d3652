"""Vectors, compared by their cosine: every pair of a few, hashed by hyperplanes where many are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from arrowetl.arrow import Matrix
from arrowetl.ml import LIMIT
from arrowetl.ml._threads import in_order
from arrowetl.ml.candidates import Hashed, Plan, plan, refuse
from arrowetl.ml.grams import Rows
from arrowetl.ml.hyperplanes import BITS, HASHES, Hyperplanes, hyperplanes
from arrowetl.ml.pairs import Flags, Pairs, verified
from arrowetl.ml.weights import Floats

EVERY = 8192
"""Of so many rows every pair is compared."""
_MISSED = 0.002
_TOO_MANY_MISSED = 0.01
_BLOCK_ROWS = 250
_PER_ROW = (100, 4000)
"""How many candidates there may be for each row: more, where few would miss too many pairs."""
_BLOCK = 1024
_CROWD = 1000
SLACK = 1e-5
"""How far a product of 32-bit numbers may be from the truth."""
_DIGITS = 6
_USUAL = 0.9
_COMPARED = 4096
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Vectors:
    """Vectors of length one, as the rows of a matrix.

    Attributes:
        values: the matrix; nothing of it is copied.
        order: which of its rows are compared, in an order that doesn't depend on theirs; the rows
            of all others are left out.
    """

    values: Matrix
    order: Rows

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.order)

    @property
    def usual(self) -> float:
        """The cosine from which on texts are duplicates: they say the same, nearly word by word."""
        return _USUAL

    def pairs(self, threshold: float, *, limit: int = LIMIT, threads: int = 1) -> Pairs:
        """Find the pairs that are alike; see `near_pairs`."""
        return near_pairs(self, threshold, limit=limit, threads=threads)

    def compare(self, left: Rows, right: Rows, *, threads: int = 1) -> Floats:
        """Give the cosines of pairs, to six digits."""
        left, right = self.order[left], self.order[right]
        return cosines(self.values, left, self.values, right, threads=threads)


def cosines(values: Matrix, left: Rows, others: Matrix, right: Rows, *, threads: int = 1) -> Floats:
    """Give the cosines of pairs, the right ones rows of another matrix, to six digits."""

    def some(low: int) -> Floats:
        first = values[left[low : low + _COMPARED]]
        second = others[right[low : low + _COMPARED]]
        found: Floats = np.einsum("ij,ij->i", first, second, dtype=np.float64)
        return found

    parts = in_order(some, range(0, len(left), _COMPARED), threads=threads)
    found: Floats = np.concatenate([np.zeros(0), *parts])
    found.round(_DIGITS, out=found)
    found[found > 1] = 1
    return found


def near_pairs(
    vectors: Vectors, threshold: float, *, limit: int = LIMIT, threads: int = 1
) -> Pairs:
    """Find the pairs of vectors whose cosine is at least `threshold`.

    Every pair given is as near as it says. Up to 8,192 vectors none is missed; of more they are
    hashed by random hyperplanes (Charikar, *Similarity Estimation Techniques from Rounding
    Algorithms*, 2002), and some are missed by chance: of pairs just as near as 0.9 one in a
    hundred, of nearer ones far fewer, of those below 0.7 many. Of a crowd nearly equal not every
    pair is given, but what joins them. Memory beside the vectors: 270 bytes a row, 24 a pair found.

    Raises:
        ConfigError: more than `limit` candidates would be compared; with what to change.

    >>> unit = np.eye(3, dtype=np.float32)[[0, 1, 0]]
    >>> found = near_pairs(Vectors(unit, np.arange(3)), 0.9)
    >>> found.left.tolist(), found.right.tolist(), found.similarity.tolist()
    ([0], [2], [1.0])
    """
    if vectors.rows <= EVERY:
        return _every_pair(vectors, threshold, threads=threads)
    drawn = hyperplanes(vectors.values, vectors.order, threads=threads)
    hashes = drawn.hashes()
    planned = near_plan(hashes, drawn, threshold, limit)
    refuse(planned, limit, vectors.rows)

    def likely(left: Rows, right: Rows) -> Flags:
        return drawn.similar(left, right, threshold)

    def compare(left: Rows, right: Rows) -> Floats:
        return vectors.compare(left, right, threads=threads)

    return verified(hashes, planned, likely, compare, threshold=threshold, threads=threads)


def near_plan(hashes: Hashed, drawn: Hyperplanes, threshold: float, limit: int) -> Plan:
    """Plan for few candidates, or for more of them where few would miss too many pairs."""
    rows = hashes.shape[1]
    agreement = drawn.agreement(threshold)
    # Unlike rows meet by chance: seldom so many of them that they would be a crowd.
    shallowest = max(1, math.ceil(math.log(rows / _BLOCK_ROWS, 1 << BITS)))
    # Where usual pairs are alike enough, most pairs are: nobody wants more of them.
    for per_row in _PER_ROW if drawn.centre < threshold else _PER_ROW[:1]:
        planned = plan(
            hashes,
            agreement,
            missed=_MISSED,
            most=HASHES,
            per_row=min(per_row, limit // rows),
            shallowest=shallowest,
        )
        if 1 - planned.chance(agreement) <= _TOO_MANY_MISSED:
            break
    return planned


def _every_pair(vectors: Vectors, threshold: float, *, threads: int) -> Pairs:
    """Multiply blocks of vectors; a row gets its first neighbours only, if it has very many."""
    values = vectors.values[vectors.order]

    def near(low: int) -> tuple[Rows, Rows]:
        products = values[low : low + _BLOCK] @ values[low:].T
        left, right = np.nonzero(products >= threshold - SLACK)
        later = left < right
        left, right = left[later], right[later]
        number = np.arange(len(left)) - np.searchsorted(left, left)
        some = number < _CROWD
        return left[some] + low, right[some] + low

    found = in_order(near, range(0, len(values), _BLOCK), threads=threads)
    nothing = (_NONE, _NONE)
    left, right = (np.concatenate(side) for side in zip(nothing, *found, strict=True))
    similarity = vectors.compare(left, right, threads=threads)
    return Pairs(left, right, similarity).above(threshold)
