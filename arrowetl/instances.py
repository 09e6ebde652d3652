"""DuckDB instances as the engine wants them. One that holds nothing any more is used again.

To open one takes 40 ms of a processor, for the thousands of functions that DuckDB then learns;
all else of a small run takes 20.
"""

from __future__ import annotations

import atexit
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from arrowetl.errors import ConfigError, first_line
from arrowetl.exactness import MACROS
from arrowetl.sql import literal, name
from arrowetl.stopping import interruptible

SETTINGS = {
    # A column called like a Python variable must not read that variable.
    "python_enable_replacements": False,
    # Times are the same on every machine.
    "TimeZone": "UTC",
    # Nothing is fetched from a network without being asked for.
    "autoinstall_known_extensions": False,
}

# Without threads, for a process that is forked has none of them, and would wait for them.
IDLE = {"threads": 1, "async_threads": 0, "temp_directory": ""}
"""The settings of an instance that waits. DuckDB refuses where something was spilled."""

SPARE = 2
"""Instances that wait for their next user, at most; each takes 4 MB."""

EMPTY = 1_000_000
"""Bytes that an instance may hold and still be used again."""

_NONE: Mapping[str, str] = {}

_filesystems: dict[str, Any] = {}
"""What is mounted, by protocol."""

_spare: deque[duckdb.DuckDBPyConnection] = deque(maxlen=SPARE)
"""Those that wait. One too many is let go of; each step is a single one, for all threads."""


class Instance:
    """An in-memory DuckDB that one user has for a while. A context manager: gives a connection.

    Args:
        memory_limit: for instance ``"1GB"``; what doesn't fit is spilled to `scratch`.
        kept_memory: how much stays with it once it was used: to have each block of rows anew
            from the system takes a twentieth of the time of copying a file.
        threads: how many at most; as many as there are cores if None.
        scratch: where to spill; without it nothing is spilled.
        ordered: whether rows keep the source's order.
        attached: DuckDB files to be read, by the names of their catalogs.
        reads: the SELECT by which it will read files; those that are mounted are read ahead.

    Raises:
        ConfigError: a setting makes no sense.
        duckdb.Error: a file can't be read.

    >>> with Instance(threads=1) as connection:
    ...     connection.sql("SELECT current_setting('threads')").fetchall()
    [(1,)]
    """

    def __init__(
        self,
        *,
        memory_limit: str | None = None,
        kept_memory: str | None = None,
        threads: int | None = None,
        scratch: Path | None = None,
        ordered: bool = True,
        attached: Mapping[str, str] = _NONE,
        reads: str | None = None,
    ) -> None:
        """Take one that waits, or open one."""
        mounted = any(f"{protocol}://" in (reads or "") for protocol in _filesystems)
        # Kept memory isn't given back; of what is mounted DuckDB keeps pages.
        self._reusable = not (kept_memory or attached or mounted)
        root = _taken() if self._reusable else _opened()
        settings: dict[str, object] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "async_threads": None,
            "preserve_insertion_order": ordered,
            # DuckDB turns a long IN list into a join, and a join lets large chunks overtake small
            # ones.
            "disabled_optimizers": "in_clause" if ordered else "",
            # Whole column chunks would be read ahead: 3 GB of a row group of 3 GB, where page by
            # page takes 0.2 and is as quick on a disk. Over a network each request counts.
            "disable_parquet_prefetching": not mounted,
            # An empty name switches spilling off: no `.tmp` beside whoever imports us.
            "temp_directory": str(scratch) if scratch else "",
        }
        if kept_memory:
            settings["block_allocator_memory"] = kept_memory
        try:
            _settle(root, settings)
            mount_all(root)
            for catalog, path in attached.items():
                root.execute(f"ATTACH {literal(path)} AS {name(catalog)} (READ_ONLY)")
        except BaseException:
            root.close()
            raise
        self._root: duckdb.DuckDBPyConnection | None = root
        self.connection = root.cursor()
        # In an interactive session DuckDB would print a bar of its own.
        self.connection.execute("SET enable_progress_bar = false")

    def __enter__(self) -> duckdb.DuckDBPyConnection:
        self._interruptible = interruptible(self.connection.interrupt)
        self._interruptible.__enter__()
        return self.connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._interruptible.__exit__(None, None, None)
        self.close(done=kind is None)

    def close(self, *, done: bool = False) -> None:
        """Let go of it, and of all that is in it. Safe twice.

        Args:
            done: whether all that was begun in it has ended; only then it is used again.
        """
        self.connection.close()
        root, self._root = self._root, None
        if root is None:
            return
        if done and self._reusable and _is_empty(root):
            _spare.append(root)
        else:
            root.close()


def mount(filesystem: Any) -> None:
    """Let every connection from now on read what a filesystem of fsspec's holds.

    Its protocol is its name; one of that name that is there already stays.
    """
    _filesystems.setdefault(filesystem.protocol, filesystem)


def mount_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a connection read whatever is mounted."""
    for protocol, filesystem in _filesystems.items():
        if not connection.filesystem_is_registered(protocol):
            connection.register_filesystem(filesystem)


def _taken() -> duckdb.DuckDBPyConnection:
    try:
        return _spare.pop()
    except IndexError:
        return _opened()


def _opened() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    # GLOBAL, or a cursor would have the machine's time zone and read Python's variables.
    for key, value in SETTINGS.items():
        connection.execute(f"SET GLOBAL {key} = {literal(value)}")
    connection.execute(MACROS)
    return connection


def _settle(connection: duckdb.DuckDBPyConnection, settings: Mapping[str, object]) -> None:
    for key, value in settings.items():
        change = f"RESET GLOBAL {key}" if value is None else f"SET GLOBAL {key} = {literal(value)}"
        try:
            connection.execute(change)
        except duckdb.Error as error:
            raise ConfigError(f"{key}={value!r}: {first_line(error)}") from error


def _is_empty(connection: duckdb.DuckDBPyConnection) -> bool:
    try:
        _settle(connection, IDLE)
        held = connection.execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchall()
    except (ConfigError, duckdb.Error):
        return False
    return bool(held[0][0] < EMPTY)


@atexit.register
def _close_spare() -> None:
    while _spare:
        _spare.pop().close()
