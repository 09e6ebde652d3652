"""Signatures: a few hashes of each text, as often equal as the texts are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from arrowetl.ml._threads import in_order
from arrowetl.ml.grams import CODE_BITS, CODES, Codes
from arrowetl.ml.weights import WeighedSets
from arrowetl.sampling import hashed

_SLICE = 1 << 20
_NEVER = np.float32(np.inf)
NOTHING = int(_NEVER.view(np.uint32))
"""The hash of a row that shares no trigram with another."""


def signatures(sets: WeighedSets, numbers: Sequence[int], *, threads: int = 1) -> Codes:
    r"""Give the hashes of these numbers for all rows, one line per number.

    Two rows have the same hash with a probability that is their weighted Jaccard similarity: each
    trigram has an exponential clock as fast as it weighs, and the first to ring is the hash
    (Moulton and Jiang, Maximally Consistent Sampling, 2018). Trigrams that one row alone has are
    left out, so the probability is a little higher. Memory: 4 bytes for each, and a table of the
    vocabulary.

    >>> import pyarrow as pa
    >>> from arrowetl.ml.grams import gram_sets
    >>> from arrowetl.ml.weights import weigh
    >>> texts = pa.array(["\x01tin cat", "\x01tin cat", "\x01emu"])
    >>> words = weigh(gram_sets([texts], characters=16))
    >>> hashes = signatures(words, range(3))
    >>> (hashes[:, 0] == hashes[:, 1]).all(), (hashes[:, 2] == NOTHING).all()
    (np.True_, np.True_)
    """
    found = np.full((len(numbers), sets.rows), NOTHING, np.uint32)
    clocks = np.stack([_clock(sets, number) for number in numbers])
    slower = (1 / sets.levels).astype(np.float32)
    grams, starts = sets.sets.grams, sets.sets.starts

    def ring(ends: tuple[int, int]) -> None:
        low, high = ends
        filled = np.flatnonzero(np.diff(starts[low : high + 1]))
        if not len(filled):
            return
        part = grams[starts[low] : starts[high]]
        places = sets.places.take(part & np.uint32(CODES - 1)).astype(np.intp)
        factor = slower[part >> np.uint32(CODE_BITS)] if len(slower) > 1 else None
        begins = (starts[low:high] - starts[low])[filled]
        for line, clock in zip(found, clocks, strict=True):
            times = clock.take(places)
            if factor is not None:
                times *= factor
            line[low + filled] = np.minimum.reduceat(times, begins).view(np.uint32)

    list(in_order(ring, sets.sets.slices(_SLICE), threads=threads))
    return found


def _clock(sets: WeighedSets, number: int) -> npt.NDArray[np.float32]:
    """Give when each trigram rings; the one that stands for those of one row never does."""
    times = -np.log1p(-uniform(sets.vocabulary, number)) / sets.weights[1:]
    return np.append(_NEVER, times).astype(np.float32)


def uniform(codes: Codes, number: int) -> npt.NDArray[np.float64]:
    """Give numbers from 0 to 1 that depend on the codes and on `number` alone."""
    keys = codes.astype(np.int64) | np.int64(number << CODE_BITS)
    found: npt.NDArray[np.float64] = (hashed(keys) >> np.uint64(11)) * 2.0**-53
    return found
