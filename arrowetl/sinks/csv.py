"""CSVLoader: a CSV file that appears, or grows, all at once."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.arguments import delimiter as marked
from arrowetl.arguments import flag
from arrowetl.arrow import empty_batch, reader_of
from arrowetl.duck import describing
from arrowetl.errors import ConfigError, SchemaError, WriteError
from arrowetl.instances import Instance
from arrowetl.sinks.csv_files import BY_DUCKDB, CODECS, DAMAGED, header_of
from arrowetl.sinks.feed import MEMORY, Feed, writing
from arrowetl.sinks.one_file import FileRun, OneFileSink
from arrowetl.sql import INPUT, literal, names
from arrowetl.stage import Mode
from arrowetl.stores.s3 import Store
from arrowetl.typemap import Stored, duck_types, duckable_schema, duckdb_columns

_QUOTING = ("minimal", "strings", "all")
_LONGEST_DELIMITER = 4


@dataclass(frozen=True, repr=False)
class CSVLoader(OneFileSink):
    r"""Write a CSV file that appears, or grows, all at once.

    Rows are written beside the destination, under a hidden name, and renamed at the commit:
    whoever reads it sees the old rows or the new ones. DuckDB writes it, by COPY: UTF-8, ``\n``,
    quotes doubled, times in UTC, nested values as DuckDB prints them, bytes as ``\x00``.

    Memory holds a few megabytes. Appending copies the old file, so it costs its size each time;
    bz2, xz and zip need room for the rows uncompressed as well.

    Args:
        path: where to: a path, or an `s3://` URL, where rows wait in the system's temporary folder
            and are uploaded at the commit.
        mode: ``error`` if nothing may be there; ``replace`` it; ``append`` to it, if its header
            has the same names in the same order. A file has no keys, so there is no ``upsert``.
        compression: ``gzip``, ``bz2``, ``xz``, ``zstd``, ``zip`` or ``none``; what the path's
            suffix says if None.
        delimiter: between values, up to four characters.
        header: whether the first line has the names.
        quoting: ``minimal``, where it is needed; ``strings``, all text; ``all``, everything but
            nulls.
        null: what stands for null; text that equals it is quoted.
        store: the server and the credentials for an `s3://` URL; the standard chain's if None.

    Raises:
        ConfigError: an option makes no sense.

    >>> import tempfile
    >>> rows = pa.table({"city": ["Rome", None, ""], "visits": [3, 1, 2]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loader = CSVLoader(f"{folder}/visits.csv")
    ...     loader.begin(rows.schema)
    ...     written = loader.write(rows.to_reader())
    ...     loader.commit()
    ...     print(Path(loader.path).read_text(), end="")
    city,visits
    Rome,3
    ,1
    "",2
    """

    path: str | os.PathLike[str]
    _: KW_ONLY
    mode: str = "error"
    compression: str | None = None
    delimiter: str = ","
    header: bool = True
    quoting: str = "minimal"
    null: str = ""
    store: Store | None = None
    _run: FileRun = field(default_factory=FileRun, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_file("CSV", CODECS)
        self._refuse_unknown("quoting", self.quoting, _QUOTING)
        flag(self.header, "header", where=type(self).__name__)
        self._refuse_marks()

    def _refuse_marks(self) -> None:
        where = type(self).__name__
        object.__setattr__(self, "delimiter", marked(self.delimiter, where=where))
        size = len(self.delimiter.encode()) if isinstance(self.delimiter, str) else 0
        if not 0 < size <= _LONGEST_DELIMITER or set(self.delimiter) & set('"\r\n'):
            raise ConfigError(
                f"{where}: delimiter is up to {_LONGEST_DELIMITER} bytes, without quotes and line "
                f"ends, not {self.delimiter!r}"
            )
        if not isinstance(self.null, str) or set(self.null) & set('"\r\n' + self.delimiter):
            raise ConfigError(
                f"{where}: null is text without quotes, line ends and the delimiter, "
                f"not {self.null!r}"
            )

    def check(self, schema: pa.Schema) -> tuple[str, ...]:
        """Look whether the rows could be written; nothing is changed.

        Raises:
            SchemaError: DuckDB can't read a type, or the header that is there has other names.
            WriteError: the folder isn't there or may not be written, or something is there
                which the mode forbids to touch.
        """
        duck_types(schema, where=self.label)
        place = self._check_place()
        if self.mode == Mode.APPEND:
            with place.beginning() as path:
                self._check_header(path, schema)
        return ()

    def stored(self, schema: pa.Schema) -> tuple[Stored, ...]:
        """Give the DuckDB type of each column, whose text is written, and what is read back of it.

        `CSVSource(schema=those types, quoted_nulls=False)` reads it so; without them it infers
        types from the text, and takes the empty text for null.

        Raises:
            SchemaError: DuckDB can't read a type.
        """
        return duckdb_columns(schema, where=self.label)

    def _check_header(self, path: Path, schema: pa.Schema) -> None:
        with writing(self.label):
            try:
                there = header_of(path, self._codec, delimiter=self.delimiter)
            except DAMAGED as error:
                raise WriteError(
                    f"{self.label}: can't be appended to, it isn't whole or isn't "
                    f"{self._codec}-compressed UTF-8 text ({error})"
                ) from error
        if there is None:
            return
        difference = _difference(there, schema.names, header=self.header)
        if difference:
            if len(there) == 1 < len(schema.names):
                difference += f" (or values aren't parted by {self.delimiter!r} there)"
            raise SchemaError(f"{difference}; nothing was appended", where=self.label)

    @property
    def _rows_codec(self) -> str:
        return self._codec if self._codec in BY_DUCKDB else "none"

    def statement(self, select: str, schema: pa.Schema) -> str | None:
        """Give the COPY; None for compressions that DuckDB hasn't."""
        if self._codec not in BY_DUCKDB:
            return None
        # Whether an append needs a header is known for sure only at the commit.
        return self._copy(select, schema, header=self.header and self.mode != Mode.APPEND)

    def _copy(self, select: str, schema: pa.Schema, *, header: bool, to: Path | None = None) -> str:
        options = [
            "FORMAT csv",
            f"HEADER {literal(header)}",
            f"DELIMITER {literal(self.delimiter)}",
            f"NULLSTR {literal(self.null)}",
            f"COMPRESSION {literal(self._rows_codec)}",
        ]
        quoted = _quoted(schema, self.quoting)
        if quoted:
            options.append(f"FORCE_QUOTE ({names(quoted)})")
        return f"COPY ({select}\n) TO {literal(to or self._rows)} ({', '.join(options)})"

    def write(self, batches: pa.RecordBatchReader) -> int:
        """Write the rows where nobody sees them."""
        schema = duckable_schema(batches.schema)
        feed = Feed(batches, schema)
        header = self.header and self.mode != Mode.APPEND
        scratch = self._rows.parent / "spill"
        with (
            feed.written(self.label),
            Instance(memory_limit=MEMORY, scratch=scratch) as connection,
        ):
            connection.register(INPUT, feed.reader())
            connection.execute(self._copy(f"FROM {INPUT}", batches.schema, header=header))
            if self._codec != self._rows_codec and self.mode != Mode.APPEND:
                self._pack([(self._rows, self._rows_codec)])
        return feed.rows

    def commit(self) -> None:
        """Rename what was written to its place, durably; append to what is there by then."""
        stage = self._run.stage
        if stage is None:
            return
        with writing(self.label, *DAMAGED), stage.alone():
            if self.mode == Mode.APPEND:
                stage.publish(self._appended(stage.existing()), overwrite=True)
            else:
                packed = next(stage.folder.glob("packed/*"), self._rows)
                stage.publish(packed, overwrite=self.mode == Mode.REPLACE)
        self.abort()

    def _appended(self, there: Path | None) -> Path:
        schema = self._run.schema or pa.schema([])
        parts = [(self._rows, self._rows_codec)]
        if there is not None and there.stat().st_size:
            self._check_header(there, schema)
            parts.insert(0, (there, self._codec))
        elif self.header:
            parts.insert(0, (self._header_file(schema), self._rows_codec))
        return self._pack(parts)

    def _header_file(self, schema: pa.Schema) -> Path:
        path = self._rows.with_name("header")
        readable = duckable_schema(schema)
        with describing() as connection:
            connection.register(INPUT, reader_of(readable, [empty_batch(readable)]))
            connection.execute(self._copy(f"FROM {INPUT}", schema, header=True, to=path))
        return path


def _quoted(schema: pa.Schema, quoting: str) -> list[str]:
    if quoting == "all":
        return list(schema.names)
    if quoting == "strings":
        return [column.name for column in schema if _is_text(column.type)]
    return []


def _is_text(kind: pa.DataType) -> bool:
    tests = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
    return any(test(kind) for test in tests)


def _difference(there: list[str], wanted: list[str], *, header: bool) -> str:
    """Say how a file's first line differs from the columns; nothing if it doesn't."""
    if not header:
        if len(there) == len(wanted):
            return ""
        return f"the file has {len(there)} columns and the rows have {len(wanted)}"
    if there == wanted:
        return ""
    lacks = [column for column in wanted if column not in there]
    has = [column for column in there if column not in wanted]
    if not lacks and not has:
        return f"the header has another order: {', '.join(there)}, not {', '.join(wanted)}"
    parts = [
        f"the header lacks {', '.join(map(repr, lacks))}" if lacks else "",
        f"the rows lack {', '.join(map(repr, has))}" if has else "",
    ]
    return "; ".join(filter(None, parts))
