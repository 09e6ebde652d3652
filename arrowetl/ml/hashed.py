"""HashedEncoder: n-grams thrown into a few hundred places, for want of a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from arrowetl.arrow import Matrix
from arrowetl.errors import ConfigError
from arrowetl.ml.encoders import Encoder
from arrowetl.ml.models import HASHED
from arrowetl.sampling import hashed
from arrowetl.stopping import check

_BYTES = 1 << 20
"""How much text is cut into n-grams at a time; some fifty times as much memory is used for it."""
_ODD = np.uint64(0x9E3779B97F4A7C15)


class HashedEncoder(Encoder):
    """Counts a text's n-grams in places chosen by hashing, with signs (Weinberger et al., 2009).

    The cosine of two vectors is nearly that of their counts of n-grams, give or take
    1 / sqrt(dimension): it tells which texts are spelt alike, and nothing of what they mean. Case
    and accents make no difference, nor does which machine it runs on. An n-gram is so many bytes of
    UTF-8; a text begins and ends with a blank.

    Args:
        dimension: how many places.
        sizes: how long the n-grams are.

    Raises:
        ConfigError: a number makes no sense.

    >>> near, far = HashedEncoder().encode(pa.array(["Zoë Müller", "Zoe Muller", "Jo"]))[1:]
    >>> alike = HashedEncoder().encode(pa.array(["Zoë Müller", "Zoe Muller", "Jo"]))[0]
    >>> bool(alike @ near > 0.99), bool(alike @ far < 0.3)
    (True, True)
    """

    def __init__(self, dimension: int = 384, *, sizes: Sequence[int] = (3, 4, 5)) -> None:
        """Keep the numbers."""
        if not isinstance(dimension, int) or dimension < 1:
            raise ConfigError(f"HashedEncoder: dimension is a number from 1, not {dimension!r}")
        if not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
            raise ConfigError(f"HashedEncoder: sizes are numbers from 1, not {sizes!r}")
        self.dimension, self.sizes = dimension, tuple(sizes)
        self.name = f"{HASHED}-{dimension}-{'-'.join(map(str, self.sizes))}"

    def encode(self, texts: pa.Array) -> Matrix:
        """Give the counts as unit vectors; a text without letters and digits has zeros."""
        plain = pc.utf8_lower(pc.utf8_normalize(texts.cast(pa.large_string()), "NFKD"))
        plain = pc.replace_substring_regex(plain, r"[\x{300}-\x{36F}]+", "")
        plain = pc.utf8_trim_whitespace(
            pc.replace_substring_regex(plain, r"[^\pL\pM\pN\p{So}]+", " ")
        )
        found = np.zeros((len(texts), self.dimension), np.float32)
        for low, high in _slices(pc.binary_length(plain).to_numpy(zero_copy_only=False)):
            check()
            self._count(plain.slice(low, high - low), found[low:high])
        lengths = np.sqrt(np.einsum("ij,ij->i", found, found))
        np.divide(found, lengths[:, None], out=found, where=lengths[:, None] > 0)
        return found

    def _count(self, texts: pa.Array, into: Matrix) -> None:
        letters, rows = _padded(texts)
        for size in self.sizes:
            if len(letters) < size:
                continue
            inside = rows[size - 1 :] == rows[: len(rows) - size + 1]
            places = np.flatnonzero(inside)
            codes = np.full(len(places), size, np.uint64)
            for letter in range(size):
                codes = codes * _ODD + letters[places + letter]
            hashes = hashed(codes.view(np.int64))
            where = rows[places] * self.dimension + (
                (hashes >> np.uint64(1)) % np.uint64(self.dimension)
            ).astype(np.int64)
            signs = 1.0 - 2.0 * (hashes & np.uint64(1))
            into += np.bincount(where, signs, minlength=into.size).reshape(into.shape)


def _slices(sizes: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Cut rows so that each slice has about `_BYTES` of text, and its vectors no more memory."""
    ends = np.cumsum(sizes + 512)
    cuts: list[tuple[int, int]] = []
    low = 0
    while low < len(sizes):
        done = ends[low - 1] if low else 0
        high = max(int(np.searchsorted(ends, done + _BYTES, side="right")), low + 1)
        cuts.append((low, high))
        low = high
    return cuts


def _padded(texts: pa.Array) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Give all bytes, each text between blanks, and the row of each byte."""
    blank, nothing = pa.scalar(" ", texts.type), pa.scalar("", texts.type)
    joined = pc.binary_join_element_wise(blank, texts, blank, nothing)
    _, offsets, data = joined.buffers()
    ends = np.frombuffer(offsets, np.int64)[joined.offset : joined.offset + len(joined) + 1]
    letters = np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]].astype(np.uint64)
    return letters, np.repeat(np.arange(len(joined)), np.diff(ends))
