"""Candidates: pairs of rows that agree in a few hashes, found without looking at all pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from arrowetl.errors import ConfigError
from arrowetl.ml.grams import Rows
from arrowetl.ml.minhash import NOTHING
from arrowetl.sampling import Hashes, hashed

Hashed = npt.NDArray[np.unsignedinteger[Any]]
"""Hashes of all rows, one line per hash."""
Ends = tuple[Rows, Rows]
"""The left rows of pairs, and the right ones."""

_MISSED = 0.01
"""What share of the pairs just as alike as the threshold may be missed, where the bands allow."""
_BANDS = 100
"""How many choices of hashes there are at most; deep blocks would need more for that."""
_DEPTH = 8
_CROWDS = (1000, 100)
_LARGE_CROWDS = (1000, 100, 10)
"""Where even the deepest blocks are crowds, fewer have to do."""
_PER_ROW = 80
_FEW = 10_000_000
RULER = np.array([0, 1, 4, 9, 15, 22, 32, 34])
"""A band takes the hashes at these distances: two bands share few (a Golomb ruler)."""
_ODD = hashed(np.arange(_DEPTH)) | np.uint64(1)
_PIECE = 1 << 18


@dataclass(frozen=True)
class Plan:
    """How candidates are found: rows meet if `depth` hashes agree, in any of `bands` choices."""

    depth: int
    bands: int
    crowd: int
    """So many rows that meet are paired each with each; more are divided by further hashes."""
    candidates: int
    """How many pairs that gives, at most: counted in two bands, and reckoned for all."""

    def chance(self, agreement: float) -> float:
        """Give the probability that a pair whose hashes agree so often becomes a candidate.

        >>> round(Plan(depth=2, bands=10, crowd=100, candidates=0).chance(0.5), 3)
        0.944
        """
        return 1 - (1 - agreement**self.depth) ** self.bands

    @property
    def hashes(self) -> int:
        """How many hashes of each row are needed."""
        return max(self.bands, int(RULER[self.depth - 1]) + 1)


PLANNING = range(int(RULER[_DEPTH - 1]) + 2)
"""The hashes by which a plan is made."""
LOOKED_AT = sorted({*RULER.tolist(), *(RULER + 1).tolist()})
"""Those of them that it looks at, in two bands."""


def plan(
    hashes: Hashed,
    agreement: float,
    *,
    missed: float = _MISSED,
    most: int = _BANDS,
    per_row: int = _PER_ROW,
    shallowest: int = 1,
) -> Plan:
    """Choose the shallowest blocks that give few enough pairs: those miss the fewest.

    Args:
        hashes: at least those of the numbers `PLANNING`, a line each.
        agreement: how often a hash agrees of two rows just alike enough. For MinHashes that is how
            alike they are.
        missed: what share of such pairs may be missed, if `most` bands are enough for that.
        most: how many bands there are at most.
        per_row: how many candidates are few enough, for each row.
        shallowest: in how many hashes rows have to agree, at least.
    """
    few = max(_FEW, per_row * hashes.shape[1])
    for depth in range(shallowest, _DEPTH + 1):
        bands = _bands(agreement**depth, missed, most)
        sizes = [_sizes(_blocks(hashes, band, depth)[0]) for band in (0, 1)]
        for crowd in _CROWDS if depth < _DEPTH else _LARGE_CROWDS:
            pairs = sum(_count(size, crowd) for size in sizes)
            found = Plan(depth, bands, crowd, pairs * bands // 2)
            if found.candidates <= few:
                return found
    return found


def _bands(chance: float, missed: float, most: int) -> int:
    if chance >= 1:
        return 1
    return min(math.ceil(math.log(missed) / math.log1p(-chance)), most)


def refuse(planned: Plan, limit: int, rows: int) -> None:
    """Refuse a plan that gives too many candidates.

    Raises:
        ConfigError: it does; with what to change.
    """
    if planned.candidates > limit:
        raise ConfigError(
            f"about {planned.candidates:,} pairs of {rows:,} different texts would be compared, "
            f"over the limit of {limit:,}: raise the threshold, compare more columns (or longer "
            "ones), split the rows by a column that duplicates agree in, or raise the limit"
        )


def candidates(hashes: Hashed, planned: Plan, band: int) -> Iterator[Ends]:
    """Give the pairs of one band, the lower row first, in pieces; each pair once.

    A crowd is divided by further hashes. What then is still together is so alike that each row is
    paired with the next few only, in the rows' order: never all pairs.
    """
    depth, rows = planned.depth, None
    while True:
        keys, found = _blocks(hashes, band, depth, rows)
        sizes = _sizes(keys)
        crowded = np.repeat(sizes > planned.crowd, sizes)
        depth += 1
        if depth > _DEPTH or int(RULER[depth - 1]) >= len(hashes) or not crowded.any():
            yield from _pairs(keys, found, planned.crowd)
            return
        yield from _pairs(keys[~crowded], found[~crowded], planned.crowd)
        rows = np.sort(found[crowded])


def _blocks(hashes: Hashed, band: int, depth: int, rows: Rows | None = None) -> tuple[Hashes, Rows]:
    """Give keys in order, equal where rows meet, and the rows; those of a key ascend."""
    count = hashes.shape[1]
    if rows is None:
        rows = np.flatnonzero(hashes[0] != NOTHING)
    lines = (band + RULER[:depth]) % len(hashes)
    keys = mixed(hashes, lines, None if len(rows) == count else rows)
    # Key and row in one number sort five times as fast as an order of the keys.
    shift = np.uint64(max(count - 1, 1).bit_length())
    packed = keys >> shift << shift | rows.astype(np.uint64)
    packed.sort()
    return packed >> shift, (packed & ((np.uint64(1) << shift) - np.uint64(1))).astype(np.int64)


def mixed(hashes: Hashed, lines: Rows, rows: Rows | None = None) -> Hashes:
    """Give one hash for several of each row; of all rows if None."""
    keys = np.zeros(hashes.shape[1] if rows is None else len(rows), np.uint64)
    for number, odd in zip(lines, _ODD, strict=False):
        line = hashes[number] if rows is None else hashes[number][rows]
        keys += line.astype(np.uint64) * odd
    return hashed(keys)


def _sizes(keys: Hashes) -> Rows:
    ends = np.flatnonzero(np.append(keys[1:] != keys[:-1], np.ones(min(len(keys), 1), np.bool_)))
    return np.diff(ends, prepend=-1)


def _count(sizes: Rows, crowd: int) -> int:
    nearest = np.minimum(sizes, crowd)
    return int((nearest * (nearest - 1) // 2 + (sizes - nearest) * (crowd - 1)).sum())


def _pairs(keys: Hashes, rows: Rows, crowd: int) -> Iterator[Ends]:
    """Pair each row with those after it that have its key: the next, the one after, and so on."""
    places = np.arange(len(keys))
    for step in range(1, crowd):
        places = places[: np.searchsorted(places, len(keys) - step)]
        places = places[keys[places + step] == keys[places]]
        if not len(places):
            return
        for start in range(0, len(places), _PIECE):
            piece = places[start : start + _PIECE]
            yield rows[piece], rows[piece + step]
