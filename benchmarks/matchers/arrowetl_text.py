"""The Deduplicator as it is, by text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.matchers.found import TEXT_THRESHOLDS, Ends, Found

LABEL = "arrowetl, text"
PACKAGES = ("arrowetl",)
THRESHOLD = None
"""What it takes by itself, by the texts."""
THRESHOLDS = TEXT_THRESHOLDS
SMALL = 20_000
"""Up to so many rows each row of equal ones is paired with each; else with the first only."""
OPTIONS: Mapping[str, Any] = {}


def match(
    table: pa.Table, thresholds: Sequence[float | None], options: Mapping[str, Any] = OPTIONS
) -> Iterator[Found]:
    """Find once, at the lowest threshold, or the usual where it is None; move it up from there."""
    import arrowetl as ae

    first, *others = thresholds if None in thresholds else sorted(thresholds)
    stage = ae.Deduplicator(method="fuzzy", threshold=first, **options)
    with stage.find(table) as found:
        yield _found(found, found.threshold, table.num_rows)
        for threshold in others:
            yield _found(found.rethreshold(threshold), threshold, table.num_rows)


def _found(found: Any, threshold: float, count: int) -> Found:
    report = found.report()
    clusters = np.arange(count)
    clusters[report["row"].to_numpy()] = report["kept"].to_numpy()
    # The pairs before clustering are nobody's to see but a benchmark's.
    records, pairs = found._alike.records, found._pairs.above(threshold)  # noqa: SLF001
    again, which = records.repeats
    if count > SMALL:
        left = np.concatenate([records.ids[pairs.left], records.ids[which]]) - 1
        right = np.concatenate([records.ids[pairs.right], again]) - 1
        return Found(threshold, np.minimum(left, right), np.maximum(left, right), clusters)
    every = np.arange(len(records.ids))
    rows = np.concatenate([records.ids, again]) - 1
    known = np.concatenate([every, which])
    ends = np.append(pairs.left, every), np.append(pairs.right, every)
    return Found(threshold, *_of_rows(rows[np.argsort(known)], np.bincount(known), *ends), clusters)


def _of_rows(rows: Ends, counts: Ends, left: Ends, right: Ends) -> tuple[Ends, Ends]:
    """Give the pairs of rows of pairs of records; `rows` are those of each record in turn."""
    starts = np.cumsum(counts) - counts
    times = counts[left] * counts[right]
    number = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    across = np.repeat(counts[right], times)
    first = rows[np.repeat(starts[left], times) + number // across]
    second = rows[np.repeat(starts[right], times) + number % across]
    same = np.repeat(left == right, times)
    kept = ~same | (first < second)
    return np.minimum(first, second)[kept], np.maximum(first, second)[kept]
