"""What a Categorizer saw: rows and mean confidence by category."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowetl.observing import Observer

UNKNOWN = "(unknown)"
EMPTY = "(no text)"


class Summary(Observer):
    """Counts categories; texts aren't shown, since a stage further on may mask them."""

    def __init__(self, category: str, confidence: str, *, several: bool) -> None:
        """Nothing is seen yet."""
        self._columns, self._several = (category, confidence), several
        self._rows: Counter[str] = Counter()
        self._sure: Counter[str] = Counter()
        self._seen = 0

    def see(self, batch: pa.RecordBatch) -> None:
        """Count one batch."""
        category, confidence = (batch[name] for name in self._columns)
        self._seen += batch.num_rows
        self._rows[EMPTY] += confidence.null_count
        if self._several:
            empty = pc.fill_null(pc.equal(pc.list_value_length(category), 0), False)
            self._rows[UNKNOWN] += np.count_nonzero(empty.to_numpy(zero_copy_only=False))
            category, confidence = category.flatten(), confidence.flatten()
        else:
            there = pc.is_valid(confidence)
            category, confidence = category.filter(there), confidence.filter(there)
        named = pa.table({"name": pc.fill_null(category, UNKNOWN), "sure": confidence})
        groups = named.group_by("name").aggregate([("sure", "count"), ("sure", "sum")])
        for each in groups.to_pylist():  # small: a row a category
            self._rows[each["name"]] += each["sure_count"]
            self._sure[each["name"]] += each["sure_sum"]

    def summary(self) -> pa.Table:
        """Give a line a category, the most frequent first; then what has none."""
        last = (UNKNOWN, EMPTY)
        found = sorted((n for n in self._rows if n not in last), key=lambda n: (-self._rows[n], n))
        names = [*found, *(name for name in last if self._rows[name])]
        return pa.table(
            {
                "category": pa.array(names, pa.string()),
                "rows": pa.array([self._rows[name] for name in names], pa.int64()),
                "share": pa.array([self._rows[name] / self._seen for name in names], pa.float64()),
                "mean_confidence": pa.array(
                    [self._sure[n] / self._rows[n] if n in self._sure else None for n in names],
                    pa.float64(),
                ),
            }
        )
