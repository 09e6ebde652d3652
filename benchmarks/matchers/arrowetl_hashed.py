"""The Deduplicator by the encoder that needs no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from benchmarks.matchers import arrowetl_text
from benchmarks.matchers.found import COSINES, Found

LABEL = "arrowetl, hashed"
PACKAGES = ("arrowetl",)
THRESHOLD = 0.9
THRESHOLDS = COSINES


def match(table: pa.Table, thresholds: Sequence[float]) -> Iterator[Found]:
    """Encode once."""
    options = {"similarity": "embedding", "model": "hashed"}
    yield from arrowetl_text.match(table, thresholds, options)
