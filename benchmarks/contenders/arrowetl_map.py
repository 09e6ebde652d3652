"""arrowetl with a function of Python in the middle: what leaving SQL costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.tasks.csv_to_parquet import EMAIL, MIN_TOTAL

if TYPE_CHECKING:
    import pyarrow as pa

LABEL = "arrowetl, one Map stage"
PACKAGES = ("arrowetl",)
NOT_APPLICABLE: dict[str, str] = {}


def trimmed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Cut the spaces around the city, over Arrow's buffers."""
    import pyarrow.compute as pc

    position = batch.schema.get_field_index("city")
    return batch.set_column(position, "city", pc.utf8_trim(batch["city"], characters=" "))


def csv_to_parquet(source: Path, output: Path) -> None:
    """As arrowetl does it, with the third step in Python."""
    import arrowetl as ae

    (
        ae.Pipeline()
        .extract(ae.CSVSource(source))
        .transform(ae.NullRemover("drop", columns=["price"]))
        .transform(f"SELECT * FROM input WHERE regexp_matches(email, '{EMAIL}')")
        .transform(ae.Map(trimmed))
        .transform(
            "SELECT * REPLACE (lower(email) AS email), price * qty AS total, year(date) AS year"
            " FROM input"
        )
        .transform(ae.Filter(f"total > {MIN_TOTAL}"))
        .load(ae.ParquetLoader(output, mode="replace", compression="zstd"))
        .run()
    )
