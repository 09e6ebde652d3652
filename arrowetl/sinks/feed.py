"""What sinks share: batches on their way into a driver, its errors as ours, checked options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from arrowetl.arrow import decoded, reader_of, unsliced
from arrowetl.errors import (
    ArrowETLError,
    ConfigError,
    Transient,
    WriteError,
    closest,
    did_you_mean,
    first_line,
)
from arrowetl.nesting import plain_words
from arrowetl.stores.s3 import Address, is_s3

_Choice = TypeVar("_Choice", bound=Enum)

MEMORY = "512MB"
"""What a sink's own DuckDB may hold before it spills beside the destination."""


class LockedError(WriteError, Transient):
    """Somebody else holds the destination: a second attempt may find it free."""


class Feed:
    """Batches on their way into a driver: counted, cast, and their own error kept.

    A driver that pulls batches gives back an exception of its own when pulling fails, with the
    original as text. The one kept here is what the user should see.

    Args:
        batches: what is to be written.
        schema: what the driver reads; batches are cast to it.
    """

    def __init__(self, batches: pa.RecordBatchReader, schema: pa.Schema) -> None:
        """Nothing is pulled yet."""
        self.rows = 0
        self._batches = batches
        self._schema = schema
        self._error: Exception | None = None

    @property
    def columns(self) -> list[str]:
        """Names of the columns that are given."""
        return list(self._schema.names)

    def reader(self) -> pa.RecordBatchReader:
        """Give the batches as a reader, that can be read once."""
        return reader_of(self._schema, self._pulled())

    def _pulled(self) -> Iterator[pa.RecordBatch]:
        same = self._batches.schema.equals(self._schema, check_metadata=True)
        try:
            for batch in self._batches:
                self.rows += batch.num_rows
                yield unsliced(batch if same else _cast(batch, self._schema))
        except Exception as error:
            self._error = error
            raise

    @contextmanager
    def written(self, where: str, *drivers: type[Exception]) -> Iterator[None]:
        """Raise the batches' own error if they had one, else the driver's as a WriteError."""
        try:
            with writing(where, *drivers):
                yield
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    # Only where types differ: pyarrow 26 breaks lists of nulls in casts to their own type.
    pairs = zip(batch.columns, schema, strict=True)
    columns = [_cast_one(column, field.type) for column, field in pairs]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast_one(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    column = plain_words(column)
    return column if column.type == kind else decoded(column).cast(kind)


@contextmanager
def writing(where: str, *drivers: type[Exception]) -> Iterator[None]:
    """Raise what the system, Arrow, DuckDB or other `drivers` complain about as a WriteError."""
    try:
        yield
    except ArrowETLError:
        raise
    except (OSError, pa.ArrowException, duckdb.Error, *drivers) as error:
        kind = LockedError if "database is locked" in str(error) else WriteError
        raise kind(f"{where}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = str(error)
    if "No space left" in text or "disk is full" in text:
        return f"the disk is full; the destination is as it was ({first_line(error)})"
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.strerror}: {os.fspath(error.filename)!r}"
    return first_line(error)


def first_bytes(path: Path, count: int) -> bytes:
    """Give what a file begins with."""
    with path.open("rb") as file:
        return file.read(count)


def choice(kind: type[_Choice], value: object, *, what: str, where: str) -> str:
    """Give the plain word for one of an enum's members, said as itself or as its word.

    Raises:
        ConfigError: it is none of them.

    >>> from arrowetl.stage import Mode
    >>> choice(Mode, "append", what="mode", where="CSVLoader")
    'append'
    >>> choice(Mode, "apend", what="mode", where="CSVLoader")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: CSVLoader: no mode 'apend'; did you mean 'append'? ...
    """
    words = [str(member.value) for member in kind]
    word = str(value.value) if isinstance(value, kind) else str(value)
    if word in words:
        return word
    hint = did_you_mean(closest(word, words))
    raise ConfigError(f"{where}: no {what} {word!r}{hint} There are: {', '.join(words)}")


def column_names(columns: Sequence[str] | str, *, what: str, where: str) -> tuple[str, ...]:
    """Give column names as a tuple.

    Raises:
        ConfigError: one comes twice, or isn't text.
    """
    listed: tuple[Any, ...] = (columns,)
    if isinstance(columns, Iterable) and not isinstance(columns, str):
        listed = tuple(columns)
    for column in listed:
        if not isinstance(column, str):
            raise ConfigError(f"{where}: {what} takes names of columns, not {column!r}")
        if listed.count(column) > 1:
            raise ConfigError(f"{where}: {what} names {column!r} twice")
    return listed


def path_text(path: object, *, where: str, is_file: bool = False) -> str:
    """Give a path, or an `s3://` URL, as text.

    Raises:
        ConfigError: it is none, or is empty; or it names no object where it has to be a file.
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise ConfigError(f"{where}: takes a path, not {path!r}")
    text = os.fsdecode(os.fspath(path))
    if is_s3(text):
        key = Address.of(text, where=where).key
        if is_file and (not key or key.endswith("/")):
            raise ConfigError(f"{where}: {text!r} names a folder, and a file is wanted")
    elif text.startswith("s3:/"):
        raise ConfigError(f"{where}: an s3:// URL is text; a Path loses one of its slashes")
    return text
