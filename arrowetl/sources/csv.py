"""CSV files: `CSVSource`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa

from arrowetl.arguments import delimiter as marked
from arrowetl.arguments import flag, text, whole
from arrowetl.errors import ConfigError, ReadError, SchemaError
from arrowetl.rejected import refusal
from arrowetl.sources._care import Care
from arrowetl.sources._columns import (
    Declared,
    Fields,
    as_names,
    check_choice,
    declared_over,
    merged,
    named_types,
    projected,
    require_all,
    select_list,
    spellings,
)
from arrowetl.sources._copies import Copier
from arrowetl.sources._csv_columns import guarded, joined, typed, values_of
from arrowetl.sources._cuts import loses_its_end
from arrowetl.sources._dialect import (
    SAMPLE_BYTES,
    SHORT_SAMPLE,
    Layout,
    Reading,
    blank_columns,
    layout_of,
    long_columns,
    read_csv,
)
from arrowetl.sources._fields import set_fields
from arrowetl.sources._file_source import FileSource
from arrowetl.sources._files import (
    FileStamp,
    PathLike,
    as_paths,
    side_by_side,
)
from arrowetl.sources._rejects import RejectTables, first_rejected, rejected_rows
from arrowetl.sources._surveys import Surveys, surveying
from arrowetl.sources._text import COMPRESSIONS, codec_name, parts_of
from arrowetl.stores.s3 import Store
from arrowetl.typemap import arrow_schema
from arrowetl.typemap.duckdb import SCALARS, arriving

LONGEST_SIGN = 4
"""Bytes of a delimiter, at most: DuckDB's limit."""

FULLY_SAMPLED = 32
"""Of so many files types are inferred from the whole sample; of the others from a short one."""

HELD = {"HUGEINT": "DECIMAL(38, 0)", "UHUGEINT": "DECIMAL(38, 0)"}
"""What is read in place of types whose longest numbers have a digit more than Arrow's."""


@dataclass(frozen=True, init=False, repr=False)
class CSVSource(FileSource):
    r"""Read CSV files of any size, and set apart the lines that can't be read.

    The dialect (delimiter, escape, header, lines above the header, date formats) and the types
    are found out from a sample of each file, and are fixed from then on. A line that doesn't fit
    is rejected, with its place, its text and the reason; the others arrive. Two columns of one
    name in a file, whatever its case, are told apart as DuckDB does: `a`, `a_1`; in several files
    they are one, spelled as in the first that has it. An empty value is null, as is a quoted empty
    one unless `quoted_nulls=False`. Spaces are kept. Blank lines are no
    rows, except in a file of one column, where they are nulls. Where some date-times of a column
    have a zone, those without are taken to be UTC.

    Of columns that a pipeline doesn't use, values aren't converted, and so aren't rejected.

    Memory is bounded however large the file is. Files that are compressed or not in UTF-8, whose
    line ends are of several kinds, or in which DuckDB would misread lines, are first written to
    the run's scratch folder as plain ones, which costs disk as large as their text. A quote that
    takes in a megabyte of lines is a ReadError: what belongs to it can't be told.

    Args:
        path: a path, a glob (`orders/*.csv`), a `file://` or `s3://` URL, or a list of them. What
            is in a store is fetched to the run's scratch folder; its head does for the schema. Of
            a zip archive all files are read, by name; they are called `a.zip!b.csv`.
        delimiter: one to four bytes; found out if None.
        header: whether the first line has the names; found out if None. Without one, columns are
            `column0`, `column1` and so on, or the names in `schema`.
        encoding: any that Python knows; `auto` is UTF-8, or what a byte-order mark says. A line
            with bytes that aren't in it is rejected; its text has them as `\xe9`, and `\` as `\\`.
            A line's byte in the file is known where the text is UTF-8.
        quote: what quotes values; `""` if nothing does.
        escape: what stands before a quote in a quoted value; found out if None.
        skip: lines above the header, or above the rows; found out if None, where a header is.
        null_values: texts that mean null.
        quoted_nulls: whether they do in quotes, too.
        decimal: the decimal separator.
        date_format: the dates' `strptime` format; found out if None. Likewise `timestamp_format`.
        timestamp_format: that of date-times.
        columns: the ones to give, in this order; all if None.
        schema: types by column name (as `Cast` takes them), or a `pa.Schema`. Columns
            it doesn't name are inferred. A file without a header has its names from it, by
            position.
        types: what `schema` is kept as; give one of the two.
        sample_size: rows of each file from which types are inferred (at most 4 MB of text; and at
            most 1,000 rows of a file that isn't one of the first 32). None is every row: that
            costs one more pass, and no value of an inferred column is rejected then. A column
            that would be double and has a whole number of more than 15 digits there is text, as
            is one with more than 38. Of double columns digits behind the 15th may be lost,
            as of FLOAT behind the sixth, and of an INTERVAL behind its microseconds.
        union_by_name: let files have columns in another order, and lack some (they are null). If
            False, a file whose columns differ from the first one's is a SchemaError. Types are
            joined either way: int64 and double to double (to string, if a whole number has more
            than 15 digits), date and timestamp to timestamp, any others to string.
        on_error: `dead_letter` sets bad lines apart; `raise` raises a ReadError for the first,
            once the rows were read and before they are committed.
        compression: `gzip`, `bz2`, `xz`, `zstd`, `lz4`, `zip`, `none`; `auto` looks at the first
            bytes, not at the name.
        store: the server and the credentials for `s3://` URLs; the standard chain's if None.
        careful: whether each value is looked at before the first row is given, which takes about
            as long as reading them: a fraction in a column of whole numbers, a zone in one of
            date-times without, a digit too many. Their lines are rejected; a ReadError says so if
            there are more than 100,000. Or the columns where it matters. A run that comes upon
            such a value does it by itself, and begins again; so does a stream, unless a stage of
            SQL has given rows whose order nobody knows: that is an InexactError.

    Raises:
        ConfigError: an option makes no sense.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "orders.csv"
    >>> _ = path.write_text("id;paid\n1;2026-01-31\n2;2026-02-01\n", encoding="utf-8")
    >>> CSVSource(path).schema()
    id: int64
    paid: date32[day]
    """

    path: PathLike | Sequence[PathLike]
    delimiter: str | None
    header: bool | None
    encoding: str
    quote: str
    escape: str | None
    skip: int | None
    null_values: Sequence[str]
    quoted_nulls: bool
    decimal: str
    date_format: str | None
    timestamp_format: str | None
    columns: Sequence[str] | None
    types: Fields
    sample_size: int | None
    union_by_name: bool
    on_error: str
    compression: str
    store: Store | None
    careful: bool | Sequence[str]
    _glance: ClassVar[str | None] = None
    """What it is only glanced at for: its `plan`, or some `rows`."""

    def __init__(  # noqa: PLR0913 - its options
        self,
        path: PathLike | Sequence[PathLike],
        *,
        delimiter: str | None = None,
        header: bool | None = None,
        encoding: str = "auto",
        quote: str = '"',
        escape: str | None = None,
        skip: int | None = None,
        null_values: str | Sequence[str] = ("",),
        quoted_nulls: bool = True,
        decimal: str = ".",
        date_format: str | None = None,
        timestamp_format: str | None = None,
        columns: Sequence[str] | None = None,
        schema: Declared | None = None,
        types: Fields = (),
        sample_size: int | None = 20_480,
        union_by_name: bool = True,
        on_error: str = "dead_letter",
        compression: str = "auto",
        store: Store | None = None,
        careful: bool | Sequence[str] = False,
    ) -> None:
        """Check the options, and keep lists as tuples."""
        where = type(self).__name__
        declared, option = (types, "types") if schema is None else (schema, "schema")
        settled = {
            "path": as_paths(path, where=where),
            "delimiter": marked(delimiter, where=where),
            "encoding": codec_name(encoding, where=where),
            "null_values": _texts(null_values, where),
            "columns": as_names(columns, where=where),
            "types": named_types(declared, where=where, option=option),
            "careful": careful
            if isinstance(careful, bool)
            else as_names(careful, where=where, option="careful"),
        }
        set_fields(self, locals() | settled)
        check_choice("on_error", self.on_error, ("dead_letter", "raise"), where)
        check_choice("compression", self.compression, COMPRESSIONS, where)
        _check_kinds(self, where)
        _check_signs(self, where)

    def schema(self) -> pa.Schema:
        """Give the schema: inferred from samples, joined over the files, as they arrive.

        Raises:
            ReadError: a file isn't there, is empty, or isn't text.
            SchemaError: columns are asked for that no file has.
        """
        return arrow_schema(self._survey(self._parts()).columns)

    def relation(self, scratch: Path) -> str:
        """Give the SELECT that reads the files, every option said; see the class for `scratch`.

        Raises:
            ReadError: a compressed file is cut off or corrupt, too.
        """
        files = self._parts()
        with self._surveying(files) as surveys:
            survey = self._survey(files)
            if not survey.files:
                nulls = select_list(survey.columns, {})
                return f"SELECT {nulls} WHERE false"
            # Files that are written alike are one scan; the order of files is kept.
            alike = groupby(survey.files, key=lambda each: each[1])
            return "\nUNION ALL ".join(
                self._scan(
                    [file for file, _ in some],
                    layout,
                    survey.columns,
                    surveys=surveys,
                    scratch=scratch,
                )
                for layout, some in alike
            )

    def rejected(self, connection: duckdb.DuckDBPyConnection | None) -> Iterator[pa.RecordBatch]:
        """Give the lines that couldn't be read: numbers count lines of text, bytes from 1.

        A line is one row here, whatever is wrong with it. `byte` counts in the decompressed
        text, and is null where the file isn't UTF-8 or has line ends of several kinds.

        Raises:
            ReadError: `on_error="raise"`, and there is one.
        """
        if connection is None:
            return
        found = rejected_rows(connection, self._reject_tables, self._types, where=self.label)
        for batch in found:
            if self.on_error == "raise" and batch.num_rows:
                raise refusal(batch, first_rejected(batch), where=self.label)
            yield batch

    def with_care(self, columns: Sequence[str] | None) -> CSVSource:
        """Give the source with `careful` set."""
        return replace(self, careful=True if columns is None else columns)

    def glance(self, *, rows: bool) -> CSVSource:
        """Give the source as one that doesn't look over whole files before they are read."""
        seen = copy(self)
        object.__setattr__(seen, "_glance", "rows" if rows else "plan")
        return seen

    @classmethod
    def arrivals(cls) -> Mapping[str, pa.DataType]:
        """Give the Arrow type of each type that text is read as, found out or stated."""
        return arriving(SCALARS)

    @property
    def _reject_tables(self) -> RejectTables:
        return RejectTables.of(hashlib.sha256(repr(self).encode()).hexdigest()[:16])

    def _types(self) -> dict[str, str]:
        return dict(self._survey(self._parts()).columns)

    def _parts(self) -> list[FileStamp]:
        """Give the files, and those inside archives in the archives' place."""
        inside = partial(parts_of, compression=self.compression, where=self.label)
        return [part for file in self._files() for part in inside(file)]

    def _surveying(self, files: Sequence[FileStamp]) -> AbstractContextManager[Surveys]:
        if self._glance:
            nulls = [null.encode() for null in self.null_values]
            return nullcontext(Surveys(nulls, head=SAMPLE_BYTES))
        return surveying(files, self.delimiter, self.quote, self.null_values)

    def _reading(self, **known: object) -> Reading:
        mine = {key: getattr(self, key) for key in READING}
        return Reading(**(mine | known))

    def _survey(self, files: Sequence[FileStamp]) -> Survey:
        """Look at each file's sample, and say what they are together."""
        read = [(file, layout) for file, layout in self._layouts(files) if layout is not None]
        spelled = spellings([layout.columns for _, layout in read])
        found = [(file, self._with_names(_spelled(layout, spelled), file)) for file, layout in read]
        if not found and not self.types:
            raise ReadError(f"{self.label}: the file is empty; give its columns with schema=")
        return self._together(found)

    def _layouts(self, files: Sequence[FileStamp]) -> Iterator[tuple[FileStamp, Layout | None]]:
        reading = self._reading()
        for number, file in enumerate(files):
            layout = layout_of(file, reading, self.label)
            yield file, layout
            if layout is not None:
                # One file's header tells of the others'.
                known = self._reading(header=layout.dialect.header)
                yield from self._more_layouts(files[number + 1 :], known, number + 1)
                return

    def _more_layouts(
        self, files: Sequence[FileStamp], reading: Reading, before: int
    ) -> Iterator[tuple[FileStamp, Layout | None]]:
        whole = max(FULLY_SAMPLED - before, 0)
        rows = self.sample_size
        short = replace(reading, sample_size=None if rows is None else min(rows, SHORT_SAMPLE))
        for some, told in ((files[:whole], reading), (files[whole:], short)):
            layouts = side_by_side(partial(layout_of, reading=told, where=self.label), some)
            yield from zip(some, layouts, strict=True)

    def _with_names(self, layout: Layout, file: FileStamp) -> Layout:
        where = f"{self.label}: {file.name!r}"
        columns = declared_over(
            layout.columns, self.types, header=layout.dialect.header, where=where
        )
        return replace(layout, columns=columns)

    def _together(self, found: list[tuple[FileStamp, Layout]]) -> Survey:
        def asked(columns: Callable[..., frozenset[str]], number: int, column: str) -> bool:
            file, layout = found[number]
            return column in columns(file, self._reading(), layout, self.label)

        if not self.union_by_name:
            self._require_alike(found)
        is_blank, is_long = partial(asked, blank_columns), partial(asked, long_columns)
        columns = merged([layout.columns for _, layout in found], is_blank, is_long) or self.types
        columns = tuple((column, HELD.get(kind, kind)) for column, kind in columns)
        require_all(dict(self.types), columns, where=self.label)
        if not isinstance(self.careful, bool):
            require_all(self.careful, columns, where=f"{self.label}: careful")
        types = dict(columns)
        long = frozenset[str]().union(*(layout.long for _, layout in found))
        files = tuple((file, joined(layout, types, long)) for file, layout in found)
        return Survey(projected(columns, self.columns, where=self.label), files)

    def _require_alike(self, found: list[tuple[FileStamp, Layout]]) -> None:
        for file, layout in found[1:]:
            first, these = (list(dict(each.columns)) for each in (found[0][1], layout))
            if these != first:
                raise SchemaError(
                    f"{file.name!r} has the columns {', '.join(these)}, and the first file has "
                    f"{', '.join(first)}; union_by_name=True joins them",
                    where=self.label,
                )

    def _scan(
        self,
        files: list[FileStamp],
        layout: Layout,
        columns: Fields,
        *,
        surveys: Surveys,
        scratch: Path,
    ) -> str:
        reading = self._reading()
        # At a glance nobody looks: values are guarded, as they are without care.
        care = self._care(reading, columns) if self.careful and not self._glance else None
        copier = Copier(
            layout,
            scratch,
            surveys,
            care,
            self.label,
            self._glance is not None,
            reading.sample_bytes if self._glance == "plan" else None,
        )
        found = side_by_side(copier.readable, files)
        guards = guarded(layout, found, care.columns if care else frozenset())
        read = typed(layout, {each: guards[each].read for each in guards}, layout.long)
        wanted = select_list(columns, values_of(layout, guards, dict(columns)))
        more = self._reject_tables.options()
        # The order of files is kept.
        paths = (each.path for each in found)
        alike = groupby(paths, key=lambda path: loses_its_end(path, read, reading))
        return "\nUNION ALL ".join(
            f"SELECT {wanted} FROM "
            + read_csv(list(each), read, reading, more | ({"parallel": False} if slow else {}))
            for slow, each in alike
        )

    def _care(self, reading: Reading, columns: Fields) -> Care:
        matter = {column for column, _ in columns}
        asked = matter if isinstance(self.careful, bool) else {*self.careful}
        return Care(reading, frozenset(matter & asked))


_HEADER = "True if the first line has the names, False if it is a row, None to find out"

READING = tuple(each.name for each in fields(Reading))


@dataclass(frozen=True)
class Survey:
    """What a source's files are together: its columns, and each file with its own layout."""

    columns: Fields
    files: tuple[tuple[FileStamp, Layout], ...]


def _spelled(layout: Layout, names: Mapping[str, str]) -> Layout:
    """Give a file's layout with the names that its columns have in all files."""
    columns = tuple((names[column], kind) for column, kind in layout.columns)
    return replace(layout, columns=columns, long=frozenset(names[each] for each in layout.long))


def _texts(values: Sequence[str], where: str) -> tuple[str, ...]:
    listed: tuple[Any, ...] = (values,)
    if isinstance(values, Iterable) and not isinstance(values, str):
        listed = tuple(values)
    if not listed or not all(isinstance(value, str) for value in listed):
        raise ConfigError(f"{where}: null_values takes one or more texts, not {values!r}")
    return listed


def _check_signs(source: CSVSource, where: str) -> None:
    if source.delimiter is not None and not 1 <= len(source.delimiter.encode()) <= LONGEST_SIGN:
        raise ConfigError(f"{where}: delimiter={source.delimiter!r} must be one to four bytes")
    for option, value in (("quote", source.quote), ("escape", source.escape or "")):
        if len(value.encode()) > 1:
            raise ConfigError(f"{where}: {option}={value!r} must be one byte, or empty")
    if len(source.decimal) != 1:
        raise ConfigError(f"{where}: decimal={source.decimal!r} must be one character")


def _check_kinds(source: CSVSource, where: str) -> None:
    whole(source.skip, "skip", where=where, least=0, or_none=True)
    whole(source.sample_size, "sample_size", where=where, or_none=True)
    for option in ("quote", "decimal"):
        text(getattr(source, option), option, where=where)
    for option in ("delimiter", "escape", "date_format", "timestamp_format"):
        text(getattr(source, option), option, where=where, or_none=True)
    flag(source.header, "header", where=where, or_none=True, wanted=_HEADER)
    flag(source.quoted_nulls, "quoted_nulls", where=where)
    flag(source.union_by_name, "union_by_name", where=where)
