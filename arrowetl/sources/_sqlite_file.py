"""SQLite files: opened to be read, their tables and columns looked up, their errors as ours.

All by ADBC: two SQLite libraries over one file in one process would corrupt it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from arrowetl.adbc import Connection
from arrowetl.errors import (
    WITHHELD,
    ArrowETLError,
    ConfigError,
    ReadError,
    SchemaError,
    closest,
    did_you_mean,
)
from arrowetl.sources._params import without_places
from arrowetl.sources._tables import LockedError, head, no_table
from arrowetl.sql import name

Declared: TypeAlias = list[tuple[str, str]]
"""Columns, by name and declared type."""
Values: TypeAlias = Sequence[object] | Mapping[str, object]
"""Of a query's parameters."""

_MAGIC = b"SQLite format 3\0"
_HEAD = 100
_WAL_HEAD = 32


@dataclass(frozen=True)
class Stamp:
    """A database as it is; equal stamps mean equal content."""

    path: Path
    parts: tuple[object, ...]


def stamp(path: Path, *, where: str) -> Stamp:
    """Give the stamp of a SQLite file.

    Raises:
        ReadError: it isn't one.
    """
    start = head(path, _HEAD, where=where)
    if start and not start.startswith(_MAGIC):
        raise ReadError(
            f"{where}: isn't a SQLite database, or is an encrypted one; decrypt it first"
        )
    parts: list[object] = [start, _size_and_time(path)]
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists():
        parts += [head(wal, _WAL_HEAD, where=where), _size_and_time(wal)]
    return Stamp(path, tuple(parts))


def _size_and_time(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@contextmanager
def opened(path: Path, *, timeout: float, where: str) -> Iterator[Database]:
    """Open a database to be read, in one transaction: it stays as it is at the first read.

    It is neither made nor written, and no file is left beside it that wasn't there, but for the
    two that SQLite keeps beside a database in WAL mode.

    Raises:
        ReadError: it can't be read; while it is read, too.
    """
    import adbc_driver_sqlite
    from adbc_driver_manager import Error

    with reading(where, Error, OSError):
        # As a URI, so that no character of the path means anything.
        uri = f"{path.as_uri()}?mode=ro"
        with Connection(adbc_driver_sqlite.connect(uri)) as connection:
            database = Database(connection, where)
            database.ask(f"PRAGMA busy_timeout = {round(timeout * 1000)}")
            database.ask("BEGIN")
            yield database


@contextmanager
def reading(where: str, *drivers: type[Exception]) -> Iterator[None]:
    """Raise what the driver complains about as a ReadError that says what to do."""
    try:
        yield
    except ArrowETLError:
        raise
    except drivers as error:
        raise _read_error(str(error), where) from error


_CURES = {
    "file is not a database": "isn't a SQLite database, or is an encrypted one; decrypt it first",
    "database disk image is malformed": (
        "the file is damaged; `sqlite3 FILE .recover` saves what can be"
    ),
    "unable to open database file": (
        "can't be opened; a database in WAL mode needs a folder that may be written, and one whose "
        "writer was killed has to be opened by a writer first"
    ),
    "attempt to write a readonly database": "the query writes; only a SELECT can be read",
}


def _read_error(message: str, where: str) -> ReadError:
    reason = _reason(message)
    if "database is locked" in reason or "database table is locked" in reason:
        return LockedError(
            f"{where}: somebody is writing and has locked the database; wait longer (timeout=), or "
            "switch it to WAL mode (PRAGMA journal_mode = WAL), where readers don't wait"
        )
    cure = next((cure for sign, cure in _CURES.items() if sign in reason), None)
    # Before it runs, a query has seen no row.
    unseen = re.match(r"[A-Z_]+: \[SQLite\] Failed to prepare query: ", message)
    return ReadError(
        f"{where}: {f'{cure} ({reason})' if cure else reason}",
        bare=f"{where}: {cure or (reason if unseen else WITHHELD)}",
    )


def _reason(message: str) -> str:
    r"""Give SQLite's own sentence.

    >>> _reason("IO: [SQLite] Failed to prepare query: no such table: x\nquery: SELECT")
    'no such table: x'
    """
    line = message.partition("\n")[0]
    for noise in ("[SQLite] ", "Failed to prepare query: ", "Failed to step query: "):
        line = line.rpartition(noise)[2]
    return re.sub(r"^[A-Z_]+: ", "", line)


@dataclass(frozen=True)
class Relation:
    """A table or a view, as the database lists it."""

    name: str
    kind: str
    """`table`, `view`, `virtual` or `shadow`."""
    key: tuple[str, ...]
    """The names of its row's number, or of its primary key; none where there is neither."""

    @property
    def is_table(self) -> bool:
        """Whether its rows have an order of their own."""
        return self.kind in {"table", "shadow"}


class Database:
    """An open SQLite database."""

    def __init__(self, connection: Connection, where: str) -> None:
        """Nothing is asked yet."""
        self.connection = connection
        self.where = where

    def ask(self, sql: str, values: Values = ()) -> list[Any]:
        """Give the rows of a question with a small answer."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    @contextmanager
    def stream(self, sql: str, values: Values, rows: int) -> Iterator[pa.RecordBatchReader]:
        """Give the rows of a SELECT, so many in a batch."""
        with self.connection.cursor() as cursor:
            cursor.set_option("adbc.sqlite.query.batch_rows", str(rows))
            cursor.execute(sql, values or None)
            with cursor.fetch_reader() as reader:
                yield reader

    def relation(self, table: str) -> Relation:
        """Give a table or view by its name, whatever its case.

        Raises:
            ReadError: there is none.
        """
        listed = self.ask("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'")
        exact = [row for row in listed if row[0] == table]
        for found, kind, keyed in exact or [
            row for row in listed if row[0].lower() == table.lower()
        ]:
            key = self._key(found, without_rowid=bool(keyed)) if kind in {"table", "shadow"} else ()
            return Relation(found, kind, key)
        ours = (row[0] for row in listed if not row[0].startswith("sqlite_"))
        raise no_table(table, sorted(ours), where=self.where)

    def _key(self, table: str, *, without_rowid: bool) -> tuple[str, ...]:
        if without_rowid:
            listed = "SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk"
            return tuple(row[0] for row in self.ask(listed, (table,)))
        columns = {column.lower() for column, _ in self.columns(table)}
        return tuple(alias for alias in ("rowid", "_rowid_", "oid") if alias not in columns)[:1]

    def columns(self, table: str) -> Declared:
        """Give the columns of a table or view, generated ones too: see `Declared`."""
        listed = "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden != 1 ORDER BY cid"
        return [(row[0], row[1]) for row in self.ask(listed, (table,))]

    def columns_of_query(self, query: str) -> Declared:
        """Give the columns of a query: name, and the declared type where it is a table's column.

        Raises:
            ConfigError: it isn't one SELECT, or names what isn't there.
        """
        from adbc_driver_manager import Error

        view = "arrowetl query"
        try:
            # A view may not have parameters; their values change no name and no declared type.
            text = without_places(query)
            # By itself it may not be two halves that fit into parentheses, in them not two queries.
            self.ask(f"CREATE TEMP VIEW {name(view)} AS {text}")
            self.ask(f"DROP VIEW temp.{name(view)}")
            self.ask(f"CREATE TEMP VIEW {name(view)} AS SELECT * FROM ({text}\n)")
            return self.columns(view)
        except Error as error:
            raise ConfigError(f"{self.where}: {self._hinted(_reason(str(error)))}") from error
        finally:
            self.ask(f"DROP VIEW IF EXISTS temp.{name(view)}")

    def require_names(self, query: str, values: Values, columns: Declared) -> None:
        """Check that no two columns of a query have one name: SQLite calls the second `id:1`.

        Raises:
            SchemaError: two have; so have `id` and `ID`.
        """
        if not any(re.search(r":\d+$", column) for column, _ in columns):
            return
        # The name may be the user's own. Of the query by itself SQLite says what is written there.
        with self.stream(query, values, 1) as reader:
            names = reader.schema.names
        lower = [each.lower() for each in names]
        twice = next((each for each in names if lower.count(each.lower()) > 1), None)
        if twice is not None:
            raise SchemaError(
                f"two columns are called {twice!r} (SQLite ignores case); name them in the query: "
                "AS ...",
                where=self.where,
                column=twice,
            )

    def _hinted(self, reason: str) -> str:
        missing = re.fullmatch(r"no such table: (?:main\.|temp\.)?(.+)", reason)
        if missing is None:
            return f"the query isn't one that SQLite can run: {reason}"
        tables = (row[0] for row in self.ask("SELECT name FROM pragma_table_list"))
        return f"the query: {reason}{did_you_mean(closest(missing[1], tables))}"
