"""What sources that are databases share: one file, a table or a query, messages about names."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from arrowetl.errors import ConfigError, ReadError, Transient, closest, describe, did_you_mean
from arrowetl.sources._files import PathLike, as_paths, find_files
from arrowetl.stores.s3 import is_s3


class LockedError(ReadError, Transient):
    """Somebody else holds the database: a second attempt may find it free."""


def as_path(path: PathLike, *, where: str) -> str:
    """Give the path of a database file.

    Raises:
        ConfigError: it is none, or isn't local.

    >>> as_path("file:///data/shop.db", where="SQLiteSource")
    '/data/shop.db'
    """
    (found, *others) = as_paths(path, where=where)
    if others:
        raise ConfigError(f"{where}: takes one file, not {len(others) + 1}")
    if is_s3(found):
        raise ConfigError(
            f"{where}: a database is read where it lies, and {found!r} isn't on a local disk; "
            "copy it to one first"
        )
    return found


def database_file(path: str, *, where: str) -> Path:
    """Give the file, which is there and may be read.

    Raises:
        ReadError: it isn't, or may not; with the nearest names that are.
    """
    files = find_files([path], where=where)
    if len(files) != 1:
        raise ReadError(f"{where}: {path!r} fits {len(files)} files; name one")
    return Path(files[0].path).absolute()


def head(path: Path, count: int, *, where: str) -> bytes:
    """Give the first bytes of a file."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise ReadError(f"{where}: can't read '{path}': {error.strerror}") from error


def writes_to(sink: object, path: str) -> bool:
    """Say whether a destination is in the same file."""
    other = getattr(sink, "path", None)
    if not isinstance(other, str | os.PathLike) or not os.fspath(other):
        return False
    return os.path.realpath(os.fspath(other)) == os.path.realpath(path)


def at_rest(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give the batches when all were read, from a temporary file in between."""
    with tempfile.TemporaryFile(prefix="arrowetl-") as file:
        with pa.ipc.new_stream(file, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        file.seek(0)
        with pa.ipc.open_stream(file) as reader:
            yield from reader


def check_what(table: object, query: object, *, where: str) -> None:
    """Check that there is a table's name or a query's text, and not both.

    Raises:
        ConfigError: there isn't.
    """
    if (table is None) == (query is None):
        raise ConfigError(f"{where}: say table= or query=, one of them")
    for option, value in (("table", table), ("query", query)):
        if value is None:
            continue
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            what = "a name" if option == "table" else "the text of a SELECT"
            raise ConfigError(f"{where}: {option} is {what}, not {value!r}")


def labelled(source: object, path: str, table: str | None, query: str | None) -> str:
    """Give what a source is called: its class, the file, and the table or the query's beginning.

    >>> labelled(Path(), "shop.db", None, "SELECT * FROM orders WHERE paid AND id > 10")
    "PosixPath('shop.db', query='SELECT * FROM orders WHERE paid AND id…)"
    """
    what = (
        f"table={table!r}"
        if table
        else f"query={describe(' '.join((query or '').split()), limit=40)}"
    )
    return f"{type(source).__name__}({path!r}, {what})"


def no_table(table: str, there: Iterable[str], *, where: str) -> ReadError:
    """Say that there is no such table, with the nearest names and what there is.

    >>> print(no_table("order", ["orders", "people"], where="SQLiteSource"))
    SQLiteSource: no table or view 'order'; did you mean 'orders'? There are: orders, people
    """
    known = list(there)
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")  # noqa: PLR2004
    hint = did_you_mean(closest(table, known))
    return ReadError(f"{where}: no table or view {table!r}{hint} There are: {shown or 'none'}")
