"""What AnomalyDetector saw: by column how many values were judged, and how many were outside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from arrowetl.observing import SEEN, Observer


class Summary(Observer):
    """Counts a detector's flags."""

    def __init__(self, columns: Sequence[str]) -> None:
        """Nothing is seen yet."""
        self._columns = tuple(columns)
        self._counts = np.zeros((2, len(self._columns)), np.int64)
        self._rows = 0

    def see(self, batch: pa.RecordBatch) -> None:
        """Count one batch."""
        self._rows += batch.num_rows
        for at, flags in enumerate(batch[SEEN].flatten()):
            values = flags.flatten().to_numpy(zero_copy_only=False)
            self._counts[at] += values.reshape(-1, len(self._columns)).sum(axis=0)

    def summary(self) -> pa.Table:
        """Give a line a column; one that wasn't judged measures nothing, or has no spread."""
        judged, outside = self._counts
        shares = [float(o) / j if j else 0.0 for j, o in zip(judged, outside, strict=True)]
        columns = {
            "column": pa.array(self._columns, pa.string()),
            "rows": pa.array([self._rows] * len(self._columns), pa.int64()),
            "judged": pa.array(judged),
            "anomalies": pa.array(outside),
            "share": pa.array(shares, pa.float64()),
        }
        return pa.Table.from_arrays(list(columns.values()), names=list(columns))
