"""ADBC by hand: pyarrow reads the Parquet file, the driver writes the batches."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tasks.parquet_to_sqlite import TABLE

LABEL = "ADBC, by hand"
PACKAGES = ("adbc_driver_sqlite", "pyarrow")
NOT_APPLICABLE: dict[str, str] = {}


def parquet_to_sqlite(source: Path, output: Path) -> None:
    """One bulk ingest in one transaction."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from adbc_driver_sqlite import dbapi

    with pq.ParquetFile(source) as file, dbapi.connect(str(output)) as target:
        batches = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
        with target.cursor() as cursor:
            cursor.adbc_ingest(TABLE, batches, mode="create")
        target.commit()
