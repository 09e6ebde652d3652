"""Copies of CSV files that DuckDB can read, and what they are copies of.

A copy lies in the run's scratch folder with a note beside it, so that rejected rows name the
user's file, whoever asks for them later.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from arrowetl.errors import ReadError
from arrowetl.sources._care import Care
from arrowetl.sources._dialect import MAX_LINE, Layout
from arrowetl.sources._digits import SECONDS
from arrowetl.sources._files import FileStamp, local_file
from arrowetl.sources._lines import LineNumbers
from arrowetl.sources._mend import (
    Fault,
    Signs,
    Spoilt,
    long_quote,
    long_rows,
    may_stay_open,
    mixed_line_ends,
    open_quote,
    shifted_rows,
    spoil,
    write_line_feeds,
)
from arrowetl.sources._survey import Survey
from arrowetl.sources._surveys import Surveys
from arrowetl.sources._text import write_plain

NOTE = ".origin.json"


@dataclass(frozen=True)
class Origin:
    """What a file that DuckDB reads is made from.

    Attributes:
        path: the user's file.
        exact: whether bytes stand where they stand in the user's file, once decompressed.
        utf8: whether the user's file is UTF-8; if not, `unmarked` finds what no letter was for.
        spoilt: the rows that were overwritten, so that they are rejected.
    """

    path: str
    exact: bool = True
    utf8: bool = True
    spoilt: tuple[Spoilt, ...] = ()


@dataclass(frozen=True)
class Readable:
    """A file that DuckDB reads row by row.

    Attributes:
        path: where it is.
        clocks: whether it has times of day of which DuckDB may cut something.
        joined: whether it has digits that an underscore joins.
    """

    path: str
    clocks: bool
    joined: bool


@dataclass(frozen=True)
class Copier:
    """Makes files of one layout readable.

    Attributes:
        layout: their layout.
        folder: the run's own, for copies.
        surveys: of the files.
        care: looks for values that DuckDB would change; None if somebody else does.
        where: what the source is called.
        glance: whether a plain file is taken as it is, whatever stands in it.
        head: bytes of other files that are made readable; all of them if None.
    """

    layout: Layout
    folder: Path
    surveys: Surveys
    care: Care | None
    where: str
    glance: bool = False
    head: int | None = None

    def readable(self, file: FileStamp) -> Readable:
        """Give a file that DuckDB reads row by row: the file itself, or a copy.

        A copy takes as much disk as the text does; memory stays at some megabytes.

        Raises:
            ReadError: the file is cut off or corrupt.
        """
        if self.glance and self.layout.form.plain and file.remote is None and file.member is None:
            seen = self._seen(file.path)
            return Readable(file.path, seen.clocks, seen.joined)
        with local_file(file, self.folder, where=self.where, limit=self.head) as path:
            return self._made_readable(file, path)

    def _seen(self, path: str) -> Survey:
        clocks = any(kind in SECONDS for _, kind in self.layout.columns)
        return self.surveys.of(path, self.layout.dialect.signs, clocks=clocks)

    def _made_readable(self, file: FileStamp, given: str) -> Readable:
        form, signs = self.layout.form, self.layout.dialect.signs
        path, exact = given, form.encoding == "utf-8"
        if not form.plain:
            path = str(_next(self.folder, file))
            write_plain(
                given, form, Path(path), where=self.where, limit=self.head, member=file.member
            )
            if given != file.path:
                Path(given).unlink()  # it may be as large as all that is left of the disk
        seen = self._seen(path)
        if seen.returns and mixed_line_ends(path):
            mended = _next(self.folder, file)
            write_line_feeds(path, mended, signs)
            path, exact = str(mended), False
        spoilt: tuple[Spoilt, ...] = ()
        others = partial(_faults, nulls=self.surveys.nulls, seen=seen)
        for look in (others, self.care.faults if self.care else None):
            # The second looks at what the first has left.
            bad = look(path, self.layout, where=f"{self.where}: {file.name!r}") if look else []
            if bad and path == file.path:
                path = shutil.copyfile(path, _next(self.folder, file)).as_posix()
            spoilt += tuple(spoil(Path(path), bad, signs)) if bad else ()
        if path != file.path:
            told = vars(Origin(file.name, exact, form.encoding == "utf-8", spoilt))
            note = json.dumps({**told, "spoilt": [vars(row) for row in spoilt]})
            Path(path + NOTE).write_text(note, encoding="utf-8")
        return Readable(path, seen.clocks, seen.joined)


def _faults(
    path: str, layout: Layout, *, nulls: Sequence[bytes], seen: Survey, where: str
) -> list[Fault]:
    """Give the rows that DuckDB would take or trip over."""
    signs, width = layout.dialect.signs, len(layout.columns)
    spans = shifted_rows(path, signs, width=width, nulls=nulls) if seen.null_tails else []
    many = f"Expected Number of Columns: {width} Found: {width + 1}"
    bad = [Fault(*span, "too_many_columns", many) for span in spans]
    unclosed = open_quote(path, signs) if seen.quotes and may_stay_open(path, signs) else []
    reason = "a quote opens here that nothing closes"
    bad += [Fault(*span, "unquoted_value", reason) for span in unclosed]
    if seen.longest > MAX_LINE and not unclosed:
        bad += _long_rows(path, signs, where)
    return bad


def _long_rows(path: str, signs: Signs, where: str) -> list[Fault]:
    opened = long_quote(path, signs, span=MAX_LINE)
    if opened is not None:
        # What of it belongs to the value, and what was swallowed, can't be told.
        raise swallowed(f"{where}, line {LineNumbers(path).of(opened)}", span=MAX_LINE)
    return [
        Fault(start, end, "line_size", f"the row has {end - start:,} bytes, over {MAX_LINE:,}")
        for start, end in long_rows(path, signs, limit=MAX_LINE)
    ]


def swallowed(place: str, *, span: int) -> ReadError:
    """Give the error for a quote that takes in too much."""
    return ReadError(
        f"{place}: a quote opens here, and takes in over {span:,} bytes. Mend the line, or say "
        "quote='' if quotes are letters in this file"
    )


def _next(folder: Path, file: FileStamp) -> Path:
    """Give a name in `folder` that is free; it ends as the file's, for those who look there."""
    folder.mkdir(parents=True, exist_ok=True)
    tail = "".join(letter if letter.isalnum() else "_" for letter in Path(file.name).stem[-40:])
    handle, path = tempfile.mkstemp(suffix=f"_{tail}.csv", dir=folder)
    os.close(handle)
    return Path(path)


def origin_of(path: str) -> Origin:
    """Give what the file at `path` is made from: itself, if no note says otherwise."""
    note = Path(path + NOTE)
    if not note.exists():
        return Origin(path)
    said = json.loads(note.read_text(encoding="utf-8"))
    spoilt = tuple(Spoilt(**row) for row in said.pop("spoilt"))
    return Origin(**said, spoilt=spoilt)
