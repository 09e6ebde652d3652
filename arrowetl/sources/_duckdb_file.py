"""DuckDB files: opened to be read, alone or with whoever has them open; their errors as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from arrowetl.errors import ArrowETLError, ConfigError, ReadError, first_line
from arrowetl.instances import SETTINGS, Instance
from arrowetl.sources._tables import LockedError, head, no_table
from arrowetl.sql import literal, name, table_parts

_MAGIC = b"DUCK"
_MAGIC_AT = 8
_TAKEN = {"memory", "main", "system", "temp"}
"""Names of catalogs that DuckDB keeps for itself."""

READ_THROUGH = (
    "this process has it attached for writing; read it through that connection: "
    "ArrowSource(connection.sql('FROM ...')), or close it first"
)


def where_it_is(path: Path) -> str:
    """Give the name that DuckDB itself would give to a file's catalog: its views may use it.

    >>> where_it_is(Path("data/shop.v2.db")), where_it_is(Path("main.db"))
    ('shop', 'main_db')
    """
    stem = path.name.partition(".")[0] or "database"
    return f"{stem}_db" if stem.lower() in _TAKEN else stem


def opened(
    path: Path, *, shared: bool, memory_limit: str | None, scratch: Path, where: str
) -> File:
    """Open a file to be read.

    Args:
        path: the file.
        shared: open it for reading and writing, with whoever in this process has it open so.
        memory_limit: of what is done with it, where it isn't shared.
        scratch: where what is larger is spilled to.
        where: the source, for messages.

    Raises:
        ReadError: it isn't a DuckDB database, or somebody else has it open for writing.
    """
    start = head(path, _MAGIC_AT + len(_MAGIC), where=where)
    # DuckDB would look for an extension that reads a file of another kind.
    if start[_MAGIC_AT:] != _MAGIC:
        raise ReadError(
            f"{where}: isn't a DuckDB database, or is an encrypted one; decrypt it first"
        )
    with reading(where):
        if not shared:
            try:
                catalog = where_it_is(path)
                connection = Instance(
                    memory_limit=memory_limit, scratch=scratch, attached={catalog: str(path)}
                ).connection
            except duckdb.Error as error:
                if "already attached" not in str(error):
                    raise
            else:
                connection.execute(f"USE {name(catalog)}")
                return File(connection, shared=False, where=where)
        return File(_shared(path), shared=True, where=where)


def _shared(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path))
    for key, value in SETTINGS.items():
        # Of this connection only: the instance is somebody else's, too.
        connection.execute(f"SET {key} = {literal(value)}")
    return connection


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Raise DuckDB's errors as a ReadError that says what to do."""
    try:
        yield
    except ArrowETLError:
        raise
    except duckdb.Error as error:
        raise _read_error(str(error), first_line(error), where) from error


def _read_error(message: str, line: str, where: str) -> ReadError:
    holder = re.search(r"\(PID (\d+)\)", message)
    if "Could not set lock" in message:
        who = f"process {holder[1]}" if holder else "another process"
        return LockedError(
            f"{where}: {who} has it open for writing, and DuckDB lets nobody else in then; wait "
            "for it to end, or let it open the file with read_only=True"
        )
    if "already attached" in message or "different configuration" in message:
        return ReadError(f"{where}: {READ_THROUGH} ({line})")
    if "newer version of DuckDB" in message:
        return ReadError(f"{where}: {line}; upgrade duckdb (pip install -U duckdb)")
    return ReadError(f"{where}: {line}")


class File:
    """An open DuckDB file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, shared: bool, where: str) -> None:
        """Nothing is asked yet."""
        self.shared = shared
        self._connection = connection
        self._where = where

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def relation(self, select: str, params: Sequence[Any]) -> duckdb.DuckDBPyRelation:
        """Bind a SELECT; nothing is read yet.

        Raises:
            ConfigError: it can't be bound: a table, a column, a type is wrong in it.
        """
        values: Any = dict(params) if _named(params) else list(params)
        try:
            return (
                self._connection.sql(select, params=values)
                if params
                else self._connection.sql(select)
            )
        except (duckdb.CatalogException, duckdb.BinderException, duckdb.ParserException) as error:
            message = str(error).partition("\n\nLINE")[0]
            raise ConfigError(f"{self._where}: the query: {message.rstrip()}") from error

    def types(self, rows: str, params: Sequence[Any]) -> dict[str, str]:
        """Give the columns and DuckDB's names of their types."""
        relation = self.relation(f"SELECT * FROM {rows}", params)
        return dict(zip(relation.columns, map(str, relation.types), strict=True))

    def tables(self) -> dict[tuple[str, str], bool]:
        """Give all tables and views by schema and name: whether it is a table."""
        listed = self._connection.sql(
            "SELECT schema_name, table_name, true FROM duckdb_tables() "
            "WHERE database_name = current_database() UNION ALL "
            "SELECT schema_name, view_name, false FROM duckdb_views() "
            "WHERE database_name = current_database() AND NOT internal ORDER BY ALL"
        )
        return {(schema, table): is_table for schema, table, is_table in listed.fetchall()}

    def table(self, wanted: str) -> str:
        """Give a table or view as it is named in SQL, with catalog and schema.

        Raises:
            ReadError: there is none.
        """
        (catalog,) = self._connection.sql("SELECT current_database()").fetchall()[0]
        return ".".join(map(name, (catalog, *self._found(wanted))))

    def _found(self, wanted: str) -> tuple[str, str]:
        there = self.tables()
        asked = wanted.lower()
        for schema, table in there:
            if schema == "main" and table.lower() == asked:
                return schema, table
        for schema, table in there:
            if f"{schema}.{table}".lower() == asked:
                return schema, table
        with suppress(ConfigError):
            *above, quoted = table_parts(asked, where=self._where)
            for schema, table in there:
                if [schema.lower(), table.lower()] == [*(above or ["main"]), quoted]:
                    return schema, table
        shown = [table if schema == "main" else f"{schema}.{table}" for schema, table in there]
        raise no_table(wanted, shown, where=self._where)

    def row_count(self, wanted: str) -> int | None:
        """Give the rows of a table; None for a view."""
        if not self.tables()[self._found(wanted)]:
            return None
        counted = self._connection.sql(f"SELECT count(*) FROM {self.table(wanted)}").fetchall()
        return int(counted[0][0])


def _named(params: Sequence[Any]) -> bool:
    return bool(params) and all(
        isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str)  # noqa: PLR2004
        for each in params
    )
