"""The reference: plain Jaccard of trigrams, over all pairs. Nobody would use it on many rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.matchers.found import TEXT_THRESHOLDS, Found, joined

LABEL = "all pairs, 3-gram Jaccard"
PACKAGES = ("sklearn",)
THRESHOLD = 0.5
THRESHOLDS = TEXT_THRESHOLDS
LARGEST = 20_000
"""Rows of the sets that it is tried on."""
_BLOCK = 1000


def match(table: pa.Table, thresholds: Sequence[float]) -> Iterator[Found]:
    """Multiply sets by sets, a thousand rows at a time."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts = [" ".join(text.lower().split()) for text in joined(table)]
    cut = CountVectorizer(analyzer="char_wb", ngram_range=(3, 3), binary=True, dtype=np.float32)
    sets = cut.fit_transform(texts)
    sizes = np.asarray(sets.sum(axis=1)).ravel()
    left, right, like = all_pairs(sets, sizes, min(thresholds))
    for threshold in sorted(thresholds):
        kept = like >= threshold
        yield Found(threshold, left[kept], right[kept])


def all_pairs(sets: Any, sizes: Any, least: float, weights: Any = None) -> tuple[Any, Any, Any]:
    """Give the pairs that are at least so alike, of all pairs, and how alike they are.

    Args:
        sets: a sparse matrix, a row for each set.
        sizes: what each set weighs.
        least: the similarity.
        weights: what each element weighs; one if None.
    """
    found: list[tuple[Any, Any, Any]] = []
    weighed = sets if weights is None else sets.multiply(weights).tocsr()
    turned = weighed.T.tocsc()
    for low in range(0, sets.shape[0], _BLOCK):
        shared = (sets[low : low + _BLOCK] @ turned[:, low:]).toarray()
        either = sizes[low : low + _BLOCK, None] + sizes[None, low:] - shared
        like = np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)
        left, right = np.nonzero(np.triu(like >= least, k=1))
        found.append((left + low, right + low, like[left, right]))
    left, right, like = (np.concatenate(side) for side in zip(*found, strict=True))
    return left, right, like
