"""JSONLoader: a JSON file that appears, or grows, all at once."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import ConfigError, SchemaError
from arrowetl.instances import Instance
from arrowetl.sinks.csv_files import BY_DUCKDB, DAMAGED, packed
from arrowetl.sinks.feed import MEMORY, Feed, choice, path_text, writing
from arrowetl.sinks.json_files import check_first, check_last, indented
from arrowetl.sinks.one_file import FileRun, OneFileSink
from arrowetl.sinks.places import place_of
from arrowetl.sql import INPUT, literal, name
from arrowetl.stage import Mode
from arrowetl.stores.s3 import Store
from arrowetl.typemap import Stored
from arrowetl.typemap.json import json_columns, json_schema, schema_json
from arrowetl.typemap.stored import any_of

_CODECS = ("none", "gzip", "bz2", "xz", "zstd")
_WIDEST = 16


class _Format(str, Enum):
    LINES = "lines"
    ARRAY = "array"


@dataclass(frozen=True, repr=False)
class JSONLoader(OneFileSink):
    """Write a JSON file that appears, or grows, all at once.

    Rows are written beside the destination, under a hidden name, and renamed at the commit:
    whoever reads it sees the old rows or the new ones. DuckDB writes it, by COPY: each row an
    object with all columns, in UTF-8.

    Integers and decimals have all their digits (decimals of over 38 are text). Structs and maps
    are objects, lists arrays. Dates, times and date-times are ISO 8601, with a Z where they have
    a zone; durations too (`PT90.5S`); bytes are base64. NaN and the infinities, which JSON lacks,
    end a pipeline unless `allow_lossy` lets them become null. With `schema_path`,
    `JSONSource(..., schema=that path)` gives every value back as it was.

    Memory holds a few megabytes. Appending copies the old file, so it costs its size each time;
    bz2, xz and `indent` need room for the rows uncompressed as well.

    Args:
        path: where to: a path, or an `s3://` URL, where rows wait in the system's temporary folder
            and are uploaded at the commit.
        format: ``lines``, a row each; or one ``array``.
        mode: ``error`` if nothing may be there; ``replace`` it; ``append`` lines to it, if its
            first record has the same keys and its last is whole. A file has no keys of rows, so
            there is no ``upsert``.
        indent: spaces a level, of an array; None writes a row a line. Costs Python time a row.
        compression: ``gzip``, ``bz2``, ``xz``, ``zstd`` or ``none``; what the path's suffix says
            if None.
        schema_path: a file for the rows' schema, written with them; of an append, it has to be
            the one that is there.
        store: the server and the credentials for an `s3://` URL; the standard chain's if None.

    Raises:
        ConfigError: an option makes no sense.

    >>> import tempfile
    >>> rows = pa.table({"city": ["Rome", None], "visits": [[3, 1], []]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loader = JSONLoader(f"{folder}/visits.jsonl")
    ...     loader.begin(rows.schema)
    ...     written = loader.write(rows.to_reader())
    ...     loader.commit()
    ...     print(Path(loader.path).read_text(), end="")
    {"city":"Rome","visits":[3,1]}
    {"city":null,"visits":[]}
    """

    path: str | os.PathLike[str]
    _: KW_ONLY
    format: str = "lines"
    mode: str = "error"
    indent: int | None = None
    compression: str | None = None
    schema_path: str | os.PathLike[str] | None = None
    store: Store | None = None
    _run: FileRun = field(default_factory=FileRun, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        where = type(self).__name__
        self._check_file("JSON", _CODECS)
        settled = {"format": choice(_Format, self.format, what="format", where=where)}
        if self.schema_path is not None:
            settled["schema_path"] = path_text(self.schema_path, where=where, is_file=True)
        for key, value in settled.items():
            object.__setattr__(self, key, value)
        self._refuse_pairs(where)

    def _refuse_pairs(self, where: str) -> None:
        if self.mode == Mode.APPEND and self.format == _Format.ARRAY:
            raise ConfigError(f"{where}: nothing is appended to an array; use format='lines'")
        if self.indent is None:
            return
        if self.format != _Format.ARRAY:
            raise ConfigError(f"{where}: lines aren't indented; use format='array'")
        if not isinstance(self.indent, int) or not 0 < self.indent <= _WIDEST:
            raise ConfigError(f"{where}: indent={self.indent!r} must be from 1 to {_WIDEST} spaces")

    @property
    def _rows_codec(self) -> str:
        plain = self._codec not in BY_DUCKDB or self.indent is not None
        return "none" if plain else self._codec

    def check(self, schema: pa.Schema) -> tuple[str, ...]:
        """Look whether the rows could be written; nothing is changed.

        Raises:
            SchemaError: JSON has no form for a type, or the records there have other keys.
            WriteError: the folder isn't there or may not be written, or something is there
                which the mode forbids to touch.
        """
        stored = self.stored(schema)
        if self._codec not in _CODECS:
            raise ConfigError(f"{self.label}: writes no {self._codec}; say compression=")
        place = self._check_place()
        if self.mode == Mode.APPEND:
            with place.beginning() as path, writing(self.label, *DAMAGED):
                if path.exists() and path.stat().st_size:
                    check_first(path, self._codec, schema.names, where=self.label)
        return tuple(each.note for each in stored if each.why)

    def stored(self, schema: pa.Schema) -> tuple[Stored, ...]:
        """Give what each column is in JSON, and what comes back where the schema is known.

        Raises:
            SchemaError: JSON has no form for a type, or DuckDB can't write a column's name.
        """
        for column in schema:
            if self.schema_path is not None and any_of(column.type, _has_no_fields):
                raise SchemaError(
                    f"column {column.name!r} has a struct without fields, which can't be read back "
                    "with schema_path; drop the column, or write without",
                    where=self.label,
                    column=column.name,
                )
            if _is_odd(column) or any_of(column.type, _has_odd_key):
                raise SchemaError(
                    f"column {column.name!r}: DuckDB writes no key that is empty or holds a NUL; "
                    "rename it",
                    where=self.label,
                    column=column.name,
                )
        return json_columns(schema, where=self.label)

    def statement(self, select: str, schema: pa.Schema) -> str | None:
        """Give the COPY; None where more has to be done than DuckDB can."""
        if self._rows_codec != self._codec or self.indent is not None:
            return None
        if any(any_of(kind, kinds.is_duration) for kind in schema.types):
            return None
        return self._copy(select, schema)

    def _copy(self, select: str, schema: pa.Schema) -> str:
        values = ", ".join(
            f"{each.convert or name(each.column)} AS {name(each.column)}"
            for each in self.stored(schema)
        )
        array = self.format == _Format.ARRAY and self.indent is None
        options = f"FORMAT json, ARRAY {literal(array)}, COMPRESSION {literal(self._rows_codec)}"
        return f"COPY (SELECT {values} FROM ({select}\n)) TO {literal(self._rows)} ({options})"

    def write(self, batches: pa.RecordBatchReader) -> int:
        """Write the rows where nobody sees them."""
        feed = Feed(batches, json_schema(batches.schema))
        scratch = self._rows.parent / "spill"
        with (
            feed.written(self.label),
            Instance(memory_limit=MEMORY, scratch=scratch) as connection,
        ):
            connection.register(INPUT, feed.reader())
            connection.execute(self._copy(f"FROM {INPUT}", batches.schema))
            if self.indent is not None:
                self._indent(self.indent)
            elif self._codec != self._rows_codec and self.mode != Mode.APPEND:
                self._pack([(self._rows, self._rows_codec)])
        return feed.rows

    def _indent(self, indent: int) -> None:
        with ExitStack() as stack:
            lines = stack.enter_context(self._rows.open("rb"))
            target = stack.enter_context(packed(self._target, self._codec))
            for text in indented(lines, indent):
                target.write(text)

    def commit(self) -> None:
        """Rename what was written to its place, durably; append to what is there by then."""
        stage = self._run.stage
        if stage is None:
            return
        with writing(self.label, *DAMAGED), stage.alone():
            there = stage.existing()
            more = self.mode == Mode.APPEND and there is not None and there.stat().st_size > 0
            if self.mode != Mode.ERROR or there is None:
                self._publish_schema(more=more)
            if self.mode == Mode.APPEND:
                stage.publish(self._appended(there if more else None), overwrite=True)
            else:
                ready = next(stage.folder.glob("packed/*"), self._rows)
                stage.publish(ready, overwrite=self.mode == Mode.REPLACE)
        self.abort()

    def _appended(self, there: Path | None) -> Path:
        schema = self._run.schema or pa.schema([])
        parts = [(self._rows, self._rows_codec)]
        if there is not None:
            check_first(there, self._codec, schema.names, where=self.label)
            check_last(there, self._codec, where=self.label)
            parts.insert(0, (there, self._codec))
        return self._pack(parts)

    def _publish_schema(self, *, more: bool) -> None:
        """Put the schema in its place: before the rows, that nobody could read without it."""
        if self.schema_path is None or self._run.schema is None:
            return
        where = f"{self.label}: schema_path={str(self.schema_path)!r}"
        text = schema_json(self._run.schema)
        with closing(
            place_of(str(self.schema_path), self.store, folder=False, where=where).stage()
        ) as stage:
            there = stage.existing()
            if more and there is not None and there.read_text(encoding="utf-8") != text:
                raise SchemaError(
                    "the file's schema is another one; nothing was appended", where=where
                )
            staged = stage.folder / "schema"
            staged.write_text(text, encoding="utf-8")
            stage.publish(staged, overwrite=True)


def _has_no_fields(kind: Any) -> bool:
    return bool(pa.types.is_struct(kind) and not kind.num_fields)


def _is_odd(field: pa.Field) -> bool:
    return not field.name or "\x00" in field.name


def _has_odd_key(kind: Any) -> bool:
    return kinds.is_struct(kind) and any(map(_is_odd, kind))
