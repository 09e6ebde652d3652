"""CSV to Parquet with a tenth of the rows: what peak memory does when the input grows tenfold."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.tasks import csv_to_parquet

TASK = replace(
    csv_to_parquet.TASK,
    name="memory_growth",
    title="CSV to Parquet, a tenth of the rows",
    rows=csv_to_parquet.TASK.rows // 10,
    function=csv_to_parquet.TASK.name,
    tenth_of=csv_to_parquet.TASK.name,
)
