"""One look over JSON files, or over the beginning of each: what their records have in them."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import pyarrow as pa

from arrowetl.errors import ReadError
from arrowetl.instances import Instance
from arrowetl.sources._files import FileStamp
from arrowetl.sources._json_apart import with_parts
from arrowetl.sources._json_format import Format, format_of, head_of
from arrowetl.sources._json_shape import Node, learn
from arrowetl.sources._json_shape import Path as Place
from arrowetl.sources._json_split import Records, cut_elements, cut_lines, cut_values
from arrowetl.sources._text import Text, texts_of

GROUP = 32
"""Batches that are asked about at once, each of about a megabyte."""

MEMORY = "512MB"
"""What DuckDB may hold of them; it holds a fraction."""


@dataclass(frozen=True)
class Reading:
    """How files are read.

    Attributes:
        format: how records are written; found out for each file if `auto`.
        path: where in a document its records are; None is where the format says.
        encoding: of the text.
        compression: of the file.
        where: the source, for messages.
    """

    format: str
    path: Place | None
    encoding: str
    compression: str
    where: str

    def texts(self, file: FileStamp, folder: Path) -> tuple[Text, ...]:
        """Give the texts in a file; `folder` is for what isn't on this machine."""
        return texts_of(
            file,
            folder,
            compression=self.compression,
            encoding=self.encoding,
            nul=True,  # they are bad records, wherever they are
            where=self.where,
        )

    def records(self, text: Text) -> tuple[Place, Records]:
        """Give where the records are in what the text is cut into, and these documents.

        Raises:
            ReadError: while they are read: the list of records isn't where it should be.
        """
        head, blocks = head_of(text.blocks())
        form: Format = format_of(head) if self.format == "auto" else self.format  # type: ignore[assignment]
        start, cut = self._cut(form, blocks)
        return start, _naming(cut, f"{self.where}: {text.file.name!r}: ")

    def _cut(self, form: Format, blocks: Iterator[bytes]) -> tuple[Place, Records]:
        path = self.path
        if form == "lines":
            return path or (), cut_lines(blocks)
        if form == "array":
            rest = path[1:] if path and path[0] is None else path or ()
            if path and path[0] is not None:
                raise ReadError(
                    f"{self.where}: the file is an array, so record_path begins with [*]: "
                    f"'[*].{path[0]}...'"
                )
            return rest, cut_elements(blocks)
        if path and None in path:
            first = path.index(None)
            keys = [str(step) for step in path[:first]]
            return path[first + 1 :], cut_elements(blocks, keys)
        return path or (), cut_values(blocks)


def _naming(records: Records, place: str) -> Records:
    try:
        yield from records
    except ReadError as error:
        raise ReadError(f"{place}{error}") from error


@dataclass(frozen=True)
class Survey:
    """What is known of the records in some files.

    Attributes:
        root: the kinds of values in a document.
        start: where the records are in it.
        whole: whether every record was looked at.
    """

    root: Node
    start: Place
    whole: bool


@lru_cache(maxsize=64)
def survey(files: tuple[FileStamp, ...], reading: Reading, limit: int | None) -> tuple[Survey, ...]:
    """Look over files, `limit` records of each at most; files of one `start` are one survey.

    Raises:
        ReadError: a file can't be read.
    """
    roots: dict[Place, Node] = {}
    with (
        tempfile.TemporaryDirectory(prefix="arrowetl-") as scratch,
        Instance(memory_limit=MEMORY, scratch=Path(scratch)) as connection,
    ):
        for file in files:
            for text in reading.texts(file, Path(scratch)):
                start, records = reading.records(text)
                root = roots.setdefault(start, Node())
                root.at(start)
                with closing(_ahead(_groups(_limited(records, limit)))) as groups:
                    for group in groups:
                        whole = with_parts(connection, group, start) if None in start else group
                        learn(connection, whole, root, start)
    return tuple(Survey(root, start, limit is None) for start, root in roots.items())


def _groups(records: Records) -> Iterator[pa.Table]:
    while group := list(islice(records, GROUP)):
        yield pa.Table.from_batches(group)


def _ahead(groups: Iterator[pa.Table]) -> Generator[pa.Table, None, None]:
    """Cut the next group while one is asked about."""
    with ThreadPoolExecutor(1, thread_name_prefix="arrowetl-survey") as worker:
        coming = worker.submit(next, groups, None)
        while (group := coming.result()) is not None:
            coming = worker.submit(next, groups, None)
            yield group


def _limited(records: Records, limit: int | None) -> Records:
    if limit is None:
        yield from records
        return
    for batch in records:
        yield batch.slice(0, limit)
        limit -= batch.num_rows
        if limit <= 0:
            return
