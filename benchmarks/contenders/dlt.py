"""dlt on its Arrow path: tables of Arrow in, Parquet files between, ADBC into PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.contenders.adbc import opened
from benchmarks.postgres import uri_in
from benchmarks.tasks.parquet_to_sqlite import TABLE

LABEL = "dlt, Arrow path"
PACKAGES = ("dlt", "connectorx", "sqlalchemy", "psycopg2", "adbc_driver_postgresql", "pyarrow")
NOT_APPLICABLE = {
    "postgres_bad_rows": "one row that the database refuses ends its load",
}


def csv_to_postgres(source: Path, output: Path) -> None:
    """Its resource yields the tables that pyarrow reads."""
    _load(_tables(source), output)


def postgres_upsert(source: Path, output: Path) -> None:
    """Its merge, with the strategy `upsert`."""
    strategy = {"disposition": "merge", "strategy": "upsert"}
    _load(_tables(source), output, write_disposition=strategy, primary_key="id")


def postgres_to_parquet(source: Path, output: Path) -> None:
    """Its own source for databases, by ConnectorX; its file destination."""
    import dlt

    folder = output.parent / "files"
    _run(_table(source), dlt.destinations.filesystem(folder.as_uri()), output.parent)
    [file] = folder.rglob(f"{TABLE}/*.parquet")
    file.replace(output)


def postgres_to_postgres(source: Path, output: Path) -> None:
    """Its own source for databases, by ConnectorX."""
    import dlt

    _run(_table(source), dlt.destinations.postgres(uri_in(output)), output.parent)


def _tables(source: Path) -> Iterator[Any]:
    import pyarrow as pa

    with opened(source) as batches:
        for batch in batches:
            yield pa.Table.from_batches([batch])


def _table(source: Path) -> Any:
    _quiet()
    from dlt.sources.sql_database import sql_table

    uri = uri_in(source).replace("postgresql:", "postgresql+psycopg2:")
    return sql_table(uri, TABLE, backend="connectorx", backend_kwargs={
        "conn": uri_in(source), "return_type": "arrow",
    })  # fmt: skip


def _load(rows: Any, output: Path, **options: Any) -> None:
    _quiet()
    import dlt

    resource = dlt.resource(rows, name=TABLE, **options)
    _run(resource, dlt.destinations.postgres(uri_in(output)), output.parent)


def _run(resource: Any, destination: Any, folder: Path) -> None:
    import dlt

    pipeline = dlt.pipeline(
        "bench",
        destination=destination,
        dataset_name="public",
        pipelines_dir=str(folder / "pipelines"),
    )
    done = pipeline.run(resource, loader_file_format="parquet")
    done.raise_on_failed_jobs()


def _quiet() -> None:
    """Let it tell nobody, and find no configuration but this."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
