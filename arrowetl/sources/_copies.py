"""Copies of CSV files that DuckDB can read, and what they are copies of.

A copy lies in the run's scratch folder with a note beside it, so that rejected rows name the
user's file, whoever asks for them later.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from arrowetl.sources._dialect import Layout
from arrowetl.sources._files import FileStamp
from arrowetl.sources._mend import (
    OpenQuote,
    may_stay_open,
    mixed_line_ends,
    open_quote,
    write_line_feeds,
    write_without_quote,
)
from arrowetl.sources._text import write_plain

NOTE = ".origin.json"


@dataclass(frozen=True)
class Origin:
    """What a file that DuckDB reads is made from.

    Attributes:
        path: the user's file.
        exact: whether bytes stand where they stand in the user's file, once decompressed.
        open_quote: the quote that was overwritten because nothing closes it.
    """

    path: str
    exact: bool = True
    open_quote: OpenQuote | None = None


def readable(file: FileStamp, layout: Layout, folder: Path, *, where: str) -> str:
    """Give a file that DuckDB reads row by row: the file itself, or a copy in `folder`.

    A copy takes as much disk as the text does; memory stays at some megabytes.

    Raises:
        ReadError: the file is cut off or corrupt.
    """
    path, exact = file.path, layout.form.encoding == "utf-8"
    signs = layout.dialect.signs
    if not layout.form.plain:
        path = str(_next(folder, file))
        write_plain(file.path, layout.form, Path(path), where=where)
    if mixed_line_ends(path):
        mended = _next(folder, file)
        write_line_feeds(path, mended, signs)
        path, exact = str(mended), False
    quote = None
    if signs.quote and may_stay_open(path, signs) and (byte := open_quote(path, signs)) is not None:
        target = _next(folder, file) if path == file.path else Path(path)
        quote = write_without_quote(path, target, byte)
        path = str(target)
    if path != file.path:
        note = json.dumps(asdict(Origin(file.path, exact, quote)))
        Path(path + NOTE).write_text(note, encoding="utf-8")
    return path


def _next(folder: Path, file: FileStamp) -> Path:
    """Give a name in `folder` that is free; it ends as the file's, for those who look there."""
    folder.mkdir(parents=True, exist_ok=True)
    tail = "".join(letter if letter.isalnum() else "_" for letter in Path(file.path).stem[-40:])
    target = folder / f"{len(list(folder.iterdir())):06d}_{tail}.csv"
    target.touch()
    return target


def origin_of(path: str) -> Origin:
    """Give what the file at `path` is made from: itself, if no note says otherwise."""
    note = Path(path + NOTE)
    if not note.exists():
        return Origin(path)
    said = json.loads(note.read_text(encoding="utf-8"))
    quote = said.pop("open_quote")
    return Origin(**said, open_quote=OpenQuote(**quote) if quote else None)
