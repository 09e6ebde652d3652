"""Text files, logs among them: `TextSource`."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from arrowetl.arguments import text, whole
from arrowetl.errors import ConfigError
from arrowetl.rejected import refusal
from arrowetl.sources._aside import Aside, Spool
from arrowetl.sources._columns import (
    Declared,
    Fields,
    as_names,
    check_choice,
    named_types,
    projected,
    require_all,
)
from arrowetl.sources._fields import set_fields
from arrowetl.sources._file_source import FileSource
from arrowetl.sources._files import (
    PathLike,
    as_paths,
)
from arrowetl.sources._rejects import first_rejected
from arrowetl.sources._text import COMPRESSIONS, codec_name
from arrowetl.sources._text_files import TextFiles, group_types, plain_rows
from arrowetl.sources._text_pattern import (
    PLACES,
    check_expression,
    matched_rows,
    matched_select,
    pattern_of,
)
from arrowetl.sources._text_types import Formats
from arrowetl.stage import BATCH_ROWS
from arrowetl.stores.s3 import Store
from arrowetl.typemap import arrow_schema
from arrowetl.typemap.duckdb import SCALARS, arriving


@dataclass(frozen=True, init=False, repr=False)
class TextSource(FileSource):
    r"""Read text files of any size line by line; with a pattern, as the columns it finds in a line.

    Without a pattern a row is a line: `file`, `line` (from 1) and `text`, without its end. Lines
    end with LF, CRLF or CR, also mixed; what stands behind the last end is a line if it isn't
    empty. Empty lines are rows, and NUL is a letter.

    With a pattern a column is a named group of it, null where the group isn't in the line, or is
    empty. A line in which the pattern isn't found is rejected, with its place and text, as is one
    with a value that doesn't fit its column's type, or with bytes that aren't in the file's
    encoding, or longer than 16 MiB. Of columns that a pipeline doesn't use, values aren't
    converted, and so aren't rejected.

    Memory is bounded however large the files are, and nothing is unpacked to disk. Lines are cut at
    some 600 MB/s by one thread; a pattern reads 40 to 80 MB/s a core.

    Args:
        path: a path, a glob (`logs/*.gz`), a `file://` or `s3://` URL, or a list of them. Of a zip
            archive all files are read, by name; they are called `a.zip!b.log`.
        pattern: a regular expression that is looked for in each line (`^` and `$` fix its ends),
            as RE2 has them, with a name for every group: `(?P<name>...)`; `(?:...)` has none. Or
            `common` or `combined`, the formats of web servers' logs.
        record_start: a regular expression; lines in which it isn't found go on with the record
            before, as a stack trace does. `line` is where a record begins; its text has the line
            ends of the file, so `.` stops at them unless the pattern begins with `(?s)`.
        columns: the ones to give, in this order: groups, and `file`, `line`, `byte` and `text`
            where no group is called so. All groups if None.
        schema: types by group (as `Cast` takes them), or a `pa.Schema`. Groups it doesn't
            name are inferred: integers, doubles, booleans, dates, times, date-times with zone
            or without, in ISO 8601 or as Apache and nginx write them. Where some have a zone, the
            others are taken to be UTC. A number with a leading zero is text.
        types: what `schema` is kept as; give one of the two.
        date_format: the dates' `strptime` format. Likewise `timestamp_format`.
        timestamp_format: that of date-times; with `%z` they have a zone.
        sample_size: lines from which types are inferred, of at most 32 files together. None is
            every line of every file: that costs one more pass, and no value is rejected then.
        encoding: any that Python knows; `auto` is UTF-8, or what a byte-order mark says. Bytes
            that aren't in it are `\xe9` in a rejected line's text, and then `\` is `\\`. A line's
            byte in the file is known where the text is UTF-8.
        on_error: `dead_letter` sets bad lines apart; `raise` raises a ReadError for the first.
        compression: `gzip`, `bz2`, `xz`, `zstd`, `lz4`, `zip`, `none`; `auto` looks at the first
            bytes, not at the name.
        store: the server and the credentials for `s3://` URLs; the standard chain's if None.

    Raises:
        ConfigError: an option makes no sense; RE2 doesn't take a pattern.

    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "app.log"
    >>> _ = path.write_text("2026-01-31 INFO 12 rows\n2026-02-01 WARN 7 rows\n", encoding="utf-8")
    >>> source = TextSource(path, pattern=r"^(?P<day>\S+) (?P<level>\w+) (?P<rows>\d+)")
    >>> source.schema()
    day: date32[day]
    level: string
    rows: int64
    >>> TextSource(path).reader().read_all()["line"].to_pylist()
    [1, 2]
    """

    path: PathLike | Sequence[PathLike]
    pattern: str | None
    record_start: str | None
    columns: Sequence[str] | None
    types: Fields
    date_format: str | None
    timestamp_format: str | None
    sample_size: int | None
    encoding: str
    on_error: str
    compression: str
    store: Store | None
    _aside: Aside = field(init=False, repr=False, compare=False)

    def __init__(  # noqa: PLR0913 - its options
        self,
        path: PathLike | Sequence[PathLike],
        *,
        pattern: str | None = None,
        record_start: str | None = None,
        columns: Sequence[str] | None = None,
        schema: Declared | None = None,
        types: Fields = (),
        date_format: str | None = None,
        timestamp_format: str | None = None,
        sample_size: int | None = 20_480,
        encoding: str = "auto",
        on_error: str = "dead_letter",
        compression: str = "auto",
        store: Store | None = None,
    ) -> None:
        """Check the options, and keep lists as tuples."""
        where = type(self).__name__
        declared, option = (types, "types") if schema is None else (schema, "schema")
        settled = {
            "_aside": Aside(),
            "path": as_paths(path, where=where),
            "encoding": codec_name(encoding, where=where),
            "columns": as_names(columns, where=where),
            "types": named_types(declared, where=where, option=option),
        }
        set_fields(self, locals() | settled)
        check_choice("on_error", self.on_error, ("dead_letter", "raise"), where)
        check_choice("compression", self.compression, COMPRESSIONS, where)
        for option in ("pattern", "record_start", "date_format", "timestamp_format"):
            text(getattr(self, option), option, where=where, or_none=True)
        whole(self.sample_size, "sample_size", where=where, or_none=True)
        self._check_patterns(where)

    def _check_patterns(self, where: str) -> None:
        if self.record_start is not None:
            check_expression(self.record_start, option="record_start", where=where)
        if self.pattern is not None:
            pattern_of(self.pattern, where=where)
        elif self.types:
            raise ConfigError(f"{where}: schema says types of a pattern's groups; say pattern=")

    def schema(self) -> pa.Schema:
        """Give the schema: the groups' types are declared, or inferred from a sample.

        Raises:
            ReadError: a file isn't there, isn't text, is cut off or corrupt.
            SchemaError: columns or types are stated that no group has.
        """
        return arrow_schema(self._columns(self._read()))

    def scan(
        self, *, columns: Sequence[str] | None = None, batch_size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows, in the order of files and lines.

        Raises:
            ReadError: a file is cut off or corrupt; with `on_error="raise"`, a line is bad.
        """
        files = self._read()
        wanted = projected(self._columns(files), columns, where=self.label)
        with (
            self._aside.scanning() as spool,
            closing(files.lines()) as lines,
            closing(self._rows(lines, wanted, batch_size)) as found,
        ):
            for rows, rejected in found:
                self._set_apart(rejected, spool)
                yield rows

    def _rows(
        self, lines: Iterator[pa.RecordBatch], wanted: Fields, batch_size: int
    ) -> Generator[tuple[pa.RecordBatch, pa.RecordBatch | None], None, None]:
        if self.pattern is None:
            return plain_rows(lines, [column for column, _ in wanted], batch_size=batch_size)
        known = pattern_of(self.pattern, where=self.label)
        select = matched_select(known, wanted, self._formats)
        return matched_rows(select, lines, batch_size=batch_size)

    def rejected(
        self,
        connection: duckdb.DuckDBPyConnection | None,  # noqa: ARG002 - rows come from `scan`
    ) -> Iterator[pa.RecordBatch]:
        """Give the lines that the last scan rejected.

        `byte` counts from 1 in the decompressed text; it is null where that isn't UTF-8.
        """
        yield from self._aside.taken()

    @classmethod
    def arrivals(cls) -> Mapping[str, pa.DataType]:
        """Give the Arrow type of each type that text is read as, found out or stated."""
        return arriving(SCALARS)

    @property
    def _formats(self) -> Formats:
        return Formats(self.date_format, self.timestamp_format)

    def _read(self) -> TextFiles:
        return TextFiles(
            self._files(), self.compression, self.encoding, self.record_start, self.label
        )

    def _columns(self, files: TextFiles) -> Fields:
        groups = () if self.pattern is None else self._groups(self.pattern, files)
        require_all(dict(self.types), groups, where=self.label)
        more = tuple(column for column in PLACES if column[0] not in dict(groups))
        usual = groups or tuple((column, kind) for column, kind in more if column != "byte")
        asked = usual if self.columns is None else groups + more
        return projected(asked, self.columns, where=self.label)

    def _groups(self, pattern: str, files: TextFiles) -> Fields:
        known = pattern_of(pattern, where=self.label)
        declared = dict(self.types)
        if not set(known.groups) <= set(declared):
            declared = dict(group_types(files, pattern, self._formats, self.sample_size)) | declared
        return tuple((group, declared[group]) for group in known.groups)

    def _set_apart(self, rejected: pa.RecordBatch | None, spool: Spool) -> None:
        if rejected is None:
            return
        if self.on_error == "raise":
            raise refusal(rejected, first_rejected(rejected), where=self.label)
        spool.add(rejected)
