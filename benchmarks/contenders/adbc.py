"""ADBC by hand: pyarrow reads and writes the files, the driver moves the batches."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.postgres import uri_in
from benchmarks.tasks.parquet_to_sqlite import TABLE
from benchmarks.tasks.postgres_one_bad import LIMIT

LABEL = "ADBC, by hand"
PACKAGES = ("adbc_driver_sqlite", "adbc_driver_postgresql", "pyarrow")
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


def csv_to_postgres(source: Path, output: Path) -> None:
    """One bulk ingest of what pyarrow reads."""
    with opened(source) as batches:
        _ingest(batches, output)


def postgres_append(source: Path, output: Path) -> None:
    """One bulk ingest into the table that is there."""
    with opened(source) as batches:
        _ingest(batches, output, mode="append")


def postgres_upsert(source: Path, output: Path) -> None:
    """A bulk ingest into a staging table, then one INSERT ... ON CONFLICT."""
    from adbc_driver_postgresql import dbapi

    with (
        opened(source) as batches,
        dbapi.connect(uri_in(output)) as target,
        target.cursor() as cursor,
    ):
        cursor.adbc_ingest("staging", batches, temporary=True)
        others = [name for name in batches.schema.names if name != "id"]
        values = ", ".join(f"{name} = excluded.{name}" for name in others)
        cursor.execute(
            f"INSERT INTO {TABLE} SELECT * FROM staging ON CONFLICT (id) DO UPDATE SET {values}"
        )
        target.commit()


def postgres_bad_rows(source: Path, output: Path) -> None:
    """With a filter, by somebody who knows which rows are bad."""
    import pyarrow as pa
    import pyarrow.compute as pc

    with opened(source) as batches:
        good = (batch.filter(pc.less(batch["qty"], LIMIT)) for batch in batches)
        _ingest(pa.RecordBatchReader.from_batches(batches.schema, good), output, mode="append")


def postgres_to_parquet(source: Path, output: Path) -> None:
    """A batch at a time."""
    import pyarrow.parquet as pq
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(uri_in(source)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {TABLE}")
        with (
            closing(cursor.fetch_record_batch()) as batches,
            pq.ParquetWriter(output, batches.schema, compression="zstd") as writer,
        ):
            for batch in batches:
                writer.write_batch(batch)


def postgres_to_postgres(source: Path, output: Path) -> None:
    """One connection reads, the other ingests."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(uri_in(source)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {TABLE}")
        with closing(cursor.fetch_record_batch()) as batches:
            _ingest(batches, output)


def opened(source: Path) -> Any:
    """Give pyarrow's reader of a CSV file in which nothing is null."""
    from pyarrow import csv

    return csv.open_csv(source, convert_options=csv.ConvertOptions(strings_can_be_null=True))


def _ingest(batches: Any, output: Path, mode: Any = "create") -> None:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(uri_in(output)) as target, target.cursor() as cursor:
        cursor.adbc_ingest(TABLE, batches, mode=mode)
        target.commit()
