"""ConnectorX: reads PostgreSQL into Arrow, in as many ranges of the key as there are cores."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.postgres import uri_in
from benchmarks.tasks.parquet_to_sqlite import TABLE

LABEL = "ConnectorX"
PACKAGES = ("connectorx", "adbc_driver_postgresql", "pyarrow")
NOT_APPLICABLE: dict[str, str] = {}


def postgres_to_parquet(source: Path, output: Path) -> None:
    """All of it in memory, then written by pyarrow."""
    import pyarrow.parquet as pq

    pq.write_table(_read(source), output, compression="zstd")


def postgres_to_postgres(source: Path, output: Path) -> None:
    """All of it in memory, then ingested by ADBC: ConnectorX doesn't write."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(uri_in(output)) as target, target.cursor() as cursor:
        cursor.adbc_ingest(TABLE, _read(source))
        target.commit()


def _read(source: Path) -> Any:
    import connectorx

    return connectorx.read_sql(
        uri_in(source),
        f"SELECT * FROM {TABLE}",
        return_type="arrow",
        partition_on="id",
        partition_num=os.cpu_count() or 1,
    )
