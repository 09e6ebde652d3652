"""What a matcher finds, and the texts that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ends = npt.NDArray[np.int64]

TEXT_THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
COSINES = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.875, 0.9, 0.925, 0.95, 0.975)


@dataclass(frozen=True)
class Found:
    """The pairs found at a threshold, and the clusters where the matcher makes them itself."""

    threshold: float
    left: Ends
    right: Ends
    clusters: Ends | None = None
    """The cluster of each row; connected components of the pairs, if None."""


def paired(threshold: float, pairs: Sequence[tuple[int, int]] | set[tuple[int, int]]) -> Found:
    """Give what was found as pairs of rows."""
    ends = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return Found(threshold, ends.min(axis=1), ends.max(axis=1))


def joined(table: pa.Table) -> list[str]:
    """Give each row as one text: what matchers of texts get."""
    rows: list[dict[str, Any]] = table.to_pylist()
    return [" ".join(value for value in row.values() if value) for row in rows]


def trigrams(text: str) -> list[str]:
    """Cut a text into trigrams, without case: the sets that MinHash is given here."""
    text = f" {text.lower()} "
    return sorted({text[at : at + 3] for at in range(len(text) - 2)})
