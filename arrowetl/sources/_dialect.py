"""What a CSV file looks like: sniffed once, then said to DuckDB in full.

The delimiter is what most rows agree on; DuckDB's sniffer is asked about header, types and date
formats, over those rows of a sample that are sound. Every option is then pinned, so that the
statement that reads the file means the same whatever the threads or the day. Not looked for:
quotes are double ones unless the user says otherwise (a column of names with apostrophes isn't
quoted by them), and no line is a comment.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from arrowetl.duck import BUFFER, describing
from arrowetl.errors import ReadError, translated
from arrowetl.sources._digits import EXACT, has_longer, with_all_digits
from arrowetl.sources._files import FileStamp, file_literal, local_file
from arrowetl.sources._mend import Signs, mixed_line_ends, write_line_feeds
from arrowetl.sources._shape import Shape, refuse_json, shape_of
from arrowetl.sources._text import Form, form_of, write_plain
from arrowetl.sql import literal, name, options

MAX_LINE = 8_000_000
"""Bytes in a line, at most: longer ones are rejected. A buffer of DuckDB's has as many, unless the
run says otherwise: what is passed on takes 430 MB so, and up to 600 with 32 MB."""

SAMPLE_BYTES = 4 << 20
"""How much of a compressed or recoded file is looked at for its dialect."""

SHORT_SAMPLE = 1_000
"""Rows from which types are inferred where there are many files."""

LIMITS = {
    "strict_mode": True,
    "null_padding": False,
    "max_line_size": MAX_LINE,
    "buffer_size": MAX_LINE,
    # It is plain by now; DuckDB would go by the name.
    "compression": "none",
}
TOLERANT: dict[str, object] = {"store_rejects": True}
"""How a sample is read: `ignore_errors` alone ends at the first line that isn't UTF-8."""

EMPTY = "(empty)"


@dataclass(frozen=True)
class Reading:
    """How the user says a file is to be read; None is to be found out."""

    delimiter: str | None
    header: bool | None
    quote: str
    escape: str | None
    skip: int | None
    null_values: tuple[str, ...]
    quoted_nulls: bool
    decimal: str
    date_format: str | None
    timestamp_format: str | None
    encoding: str
    compression: str
    sample_size: int | None

    @property
    def sample_bytes(self) -> int | None:
        """How much of a file's text is looked at, at most: a quarter where few rows are enough."""
        if self.sample_size is None:
            return None
        return SAMPLE_BYTES if self.sample_size > SHORT_SAMPLE else SAMPLE_BYTES // 4

    def settings(self) -> dict[str, object]:
        """Give what the user fixed as options of DuckDB's."""
        chosen = {
            "delim": self.delimiter,
            "header": self.header,
            "escape": self.escape if self.quote else "",
            "skip": self.skip,
            "dateformat": self.date_format,
            "timestampformat": self.timestamp_format,
        }
        fixed = {
            "quote": self.quote,
            "comment": "",
            "nullstr": list(self.null_values),
            "allow_quoted_nulls": self.quoted_nulls,
            "decimal_separator": self.decimal,
        }
        return {key: value for key, value in chosen.items() if value is not None} | fixed | LIMITS


@dataclass(frozen=True)
class Dialect:
    """How a file is written, but for its columns."""

    delimiter: str
    quote: str
    escape: str
    header: bool
    skip: int
    date_format: str | None = None
    timestamp_format: str | None = None

    @property
    def signs(self) -> Signs:
        """The bytes that structure the file."""
        return Signs(self.delimiter.encode(), self.quote.encode(), self.escape.encode())


@dataclass(frozen=True)
class Layout:
    """A file's dialect, and its columns with DuckDB's types, in the file's order."""

    form: Form
    dialect: Dialect
    columns: tuple[tuple[str, str], ...]
    long: frozenset[str] = frozenset()
    """The columns with numbers that a double doesn't keep."""


def read_csv(
    files: list[str], layout: Layout, reading: Reading, more: dict[str, object] | None = None
) -> str:
    """Write the call that reads `files`, which all have `layout`, with nothing left to guess."""
    dialect = layout.dialect
    settings: dict[str, object] = {
        "auto_detect": False,
        **reading.settings(),
        "delim": dialect.delimiter,
        "escape": dialect.escape,
        "header": dialect.header,
        "skip": dialect.skip,
        "columns": dict(layout.columns),
    }
    formats = {"dateformat": dialect.date_format, "timestampformat": dialect.timestamp_format}
    settings |= {key: value for key, value in formats.items() if value is not None}
    listed = ", ".join(map(file_literal, files))
    buffer = f"coalesce(getvariable('{BUFFER}'), {settings.pop('buffer_size')})"
    return f"read_csv([{listed}]{options(settings | (more or {}))}, buffer_size = {buffer})"


@lru_cache(maxsize=4096)
def layout_of(file: FileStamp, reading: Reading, where: str) -> Layout | None:
    """Find out a file's layout from its sample; None if the file is empty. Kept until it changes.

    Raises:
        ReadError: it isn't text, is corrupt, or has no layout that fits.
    """
    with (
        tempfile.TemporaryDirectory(prefix="arrowetl-") as folder,
        local_file(file, Path(folder), where=where, limit=_head(reading)) as whole,
    ):
        form = form_of(
            whole, reading.compression, reading.encoding, member=file.member, where=where
        )
        path = _sample(whole, form, reading, Path(folder), member=file.member, where=where)
        if _is_blank(path):
            return None
        place = f"{where}: {file.name!r}"
        with translated(place, {duckdb.Error: ReadError}):
            shape = shape_of(
                path,
                delimiter=reading.delimiter,
                quote=reading.quote,
                skip=reading.skip,
                header=reading.header,
                where=place,
            )
            found = _sniff(path, shape, reading, Path(folder) / "sound.csv", where=place)
    digits = found["digits"]
    return Layout(form, _dialect(found, shape, reading), tuple(digits.types.items()), digits.long)


def blank_columns(file: FileStamp, reading: Reading, layout: Layout, where: str) -> frozenset[str]:
    """Give the columns that hold nothing in the file's sample: their type is anybody's guess."""
    return _columns_where(_is_blank_column, file, reading, layout, where=where)


def long_columns(file: FileStamp, reading: Reading, layout: Layout, where: str) -> frozenset[str]:
    """Give the columns with whole numbers in the file's sample that a double may not keep."""
    return _columns_where(_is_beyond_double, file, reading, layout, where=where)


def _is_blank_column(column: str) -> str:
    return f"count({column}) = 0"


def _is_beyond_double(column: str) -> str:
    return has_longer(f"{column}::VARCHAR", EXACT)


@lru_cache(maxsize=4096)
def _columns_where(
    test: Callable[[str], str], file: FileStamp, reading: Reading, layout: Layout, *, where: str
) -> frozenset[str]:
    """Give the columns of which a test, an aggregate in SQL, is true in the file's sample."""
    with (
        tempfile.TemporaryDirectory(prefix="arrowetl-") as folder,
        local_file(file, Path(folder), where=where, limit=_head(reading)) as whole,
    ):
        form = layout.form
        path = _sample(whole, form, reading, Path(folder), member=file.member, where=where)
        tests = ", ".join(test(name(column)) for column, _ in layout.columns)
        rows = read_csv([path], layout, reading, TOLERANT)
        with describing() as connection:
            (answers,) = connection.sql(
                f"SELECT {tests} FROM (FROM {rows}{_limit(reading, 0)})"
            ).fetchall()
    found = zip(layout.columns, answers, strict=True)
    return frozenset(column for (column, _), is_so in found if is_so)


def _limit(reading: Reading, header: int) -> str:
    return "" if reading.sample_size is None else f" LIMIT {reading.sample_size + header}"


def _head(reading: Reading) -> int | None:
    """Say how much of a file in a store is fetched for its sample: more than is looked at."""
    return None if reading.sample_bytes is None else reading.sample_bytes + SAMPLE_BYTES // 4


def _sample(
    path: str, form: Form, reading: Reading, folder: Path, *, member: str | None, where: str
) -> str:
    """Give a plain file with the sample in it: the file itself, where that will do."""
    sample, mended = folder / "sample.csv", folder / "mended.csv"
    looked_at = path
    if reading.sample_size is not None or not form.plain:
        limit = reading.sample_bytes
        write_plain(path, form, sample, where=where, limit=limit, member=member)
        looked_at = str(sample)
    if not mixed_line_ends(looked_at):
        return looked_at
    # The delimiter isn't known yet; a comma here only decides what counts as a quote.
    signs = Signs((reading.delimiter or ",").encode(), reading.quote.encode(), b"")
    write_line_feeds(looked_at, mended, signs)
    return str(mended)


def _is_blank(path: str) -> bool:
    with Path(path).open("rb") as file:
        return not file.read(1 << 16).removeprefix(b"\xef\xbb\xbf").strip()


def _sniff(path: str, shape: Shape, reading: Reading, sound: Path, *, where: str) -> dict[str, Any]:
    """Sniff header, types and formats, from a copy of the sample's sound rows."""
    columns = tuple((f"c{number}", "VARCHAR") for number in range(shape.width))
    raw = Dialect(shape.delimiter, reading.quote, _escape(shape, reading), False, shape.skip)
    tolerant = TOLERANT | {"nullstr": [""]}
    texts = Layout(Form("none", "utf-8"), raw, columns)
    rows = read_csv([path], texts, reading, tolerant)
    settings = reading.settings() | {
        "delim": ",",
        "quote": '"',
        "escape": '"',
        "skip": 0,
        "sample_size": -1,
    }
    with describing() as connection:
        connection.execute(f"CREATE TEMP TABLE sample AS FROM {rows}{_limit(reading, 1)}")
        connection.execute(f"COPY sample TO {literal(sound)} (FORMAT csv, HEADER false)")
        if _is_blank(str(sound)):
            refuse_json(path, where)
            raise ReadError(f"{where}: no row can be read: say delimiter=, quote= or encoding=")
        found = connection.sql(f"FROM sniff_csv({file_literal(str(sound))}{options(settings)})")
        said = dict(zip(found.columns, found.fetchall()[0], strict=True))
        if said["HasHeader"] and not shape.skip:
            refuse_json(path, where)
        inferred = {column["name"]: column["type"] for column in said["Columns"]}
        values = _values(columns, reading, header=bool(said["HasHeader"]))
        return said | {"digits": with_all_digits(connection, values, inferred)}


def _values(columns: Sequence[tuple[str, str]], reading: Reading, *, header: bool) -> str:
    """Give the sample's values, of the rows below the header: what means null is null."""
    nulls = ", ".join(map(literal, reading.null_values))
    each = ", ".join(f"CASE WHEN {c} NOT IN ({nulls}) THEN {c} END AS {c}" for c, _ in columns)
    return f"(SELECT {each} FROM (FROM sample OFFSET {int(header)}){_limit(reading, 0)})"


def _dialect(found: dict[str, Any], shape: Shape, reading: Reading) -> Dialect:
    header = bool(found["HasHeader"])
    return Dialect(
        delimiter=shape.delimiter,
        quote=reading.quote,
        escape=_escape(shape, reading),
        header=header,
        # Lines above a header are a title; without a header they are rows.
        skip=shape.skip if header or reading.skip is not None else 0,
        date_format=reading.date_format or _given(found["DateFormat"]) or None,
        timestamp_format=reading.timestamp_format or _given(found["TimestampFormat"]) or None,
    )


def _escape(shape: Shape, reading: Reading) -> str:
    if not reading.quote:
        return ""
    return (shape.escape if reading.escape is None else reading.escape) or reading.quote


def _given(sniffed: str | None) -> str:
    return "" if sniffed is None or sniffed == EMPTY else sniffed
