"""How the tests of sinks load and read back."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from arrowetl.instances import Instance
from arrowetl.stage import Sink


def load(sink: Sink, table: pa.Table, *, rows: int = 2) -> int:
    """Run a load as the engine does where it gives batches."""
    sink.check(table.schema)
    sink.begin(table.schema)
    try:
        written = sink.write(table.to_reader(max_chunksize=rows))
        sink.commit()
    except BaseException:
        sink.abort()
        raise
    return written


def load_by_copy(sink: Sink, table: pa.Table) -> int:
    """Run a load as the engine does where DuckDB writes."""
    sink.begin(table.schema)
    with Instance() as connection:
        connection.register("rows", table)
        statement = sink.statement("SELECT * FROM rows", table.schema)
        assert statement is not None
        written = connection.execute(statement).fetchall()[0][0]
    sink.commit()
    return int(written)


def sqlite_rows(path: Path | str, query: str) -> list[tuple]:
    """Ask a SQLite file by ADBC: two SQLite libraries over one file would corrupt it."""
    from adbc_driver_sqlite import dbapi

    with dbapi.connect(Path(path).as_uri()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def sqlite_run(path: Path | str, *statements: str) -> None:
    """Change a SQLite file by ADBC."""
    from adbc_driver_sqlite import dbapi

    with (
        dbapi.connect(Path(path).as_uri(), autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)


def names_in(folder: Path) -> list[str]:
    """All that is in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())
