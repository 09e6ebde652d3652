"""The Deduplicator as it is, by text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.matchers.found import TEXT_THRESHOLDS, Found

LABEL = "arrowetl, text"
PACKAGES = ("arrowetl",)
THRESHOLD = 0.45
THRESHOLDS = TEXT_THRESHOLDS
OPTIONS: Mapping[str, Any] = {}


def match(
    table: pa.Table, thresholds: Sequence[float], options: Mapping[str, Any] = OPTIONS
) -> Iterator[Found]:
    """Find once, at the lowest threshold; move it up from there."""
    import arrowetl as ae

    first, *others = sorted(thresholds)
    stage = ae.Deduplicator(method="fuzzy", threshold=first, **options)
    with stage.find(table) as found:
        yield _found(found, first, table.num_rows)
        for threshold in others:
            yield _found(found.rethreshold(threshold), threshold, table.num_rows)


def _found(found: Any, threshold: float, count: int) -> Found:
    report = found.report()
    clusters = np.arange(count)
    clusters[report["row"].to_numpy()] = report["kept"].to_numpy()
    # The pairs before clustering are nobody's to see but a benchmark's.
    records, pairs = found._alike.records, found._pairs.above(threshold)  # noqa: SLF001
    again, which = records.repeats
    left = np.concatenate([records.ids[pairs.left], records.ids[which]]) - 1
    right = np.concatenate([records.ids[pairs.right], again]) - 1
    return Found(threshold, np.minimum(left, right), np.maximum(left, right), clusters)
