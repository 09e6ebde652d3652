"""One look over JSON files, or over the beginning of each: what their records have in them."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from threading import Event

import pyarrow as pa

from arrowetl.errors import ReadError
from arrowetl.instances import Instance
from arrowetl.sources._files import FileStamp, in_turn
from arrowetl.sources._json_apart import with_parts
from arrowetl.sources._json_format import Format, format_of, head_of
from arrowetl.sources._json_shape import Node, keys_apart, learn
from arrowetl.sources._json_shape import Path as Place
from arrowetl.sources._json_split import Records, cut_elements, cut_lines, cut_values
from arrowetl.sources._text import Text, texts_of

GROUP = 40 << 20
"""Bytes of records that are asked about at once, of one file or of many."""

APIECE = 8 << 10
"""What a batch takes besides its bytes, however small it is."""

MEMORY = "512MB"
"""What DuckDB may hold of them; it holds a fraction."""


Group = tuple[Place, pa.Table | None]
"""Where records are in documents, and some of these."""


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

    @contextmanager
    def texts(self, files: Sequence[FileStamp], folder: Path) -> Iterator[Iterator[Text]]:
        """Give the texts in files, one by one; `folder` is for what isn't on this machine."""
        texts = partial(
            texts_of,
            folder=folder,
            compression=self.compression,
            encoding=self.encoding,
            nul=True,  # they are bad records, wherever they are
            where=self.where,
        )
        with in_turn(texts, files) as found:
            yield chain.from_iterable(found)

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
    stop = Event()
    with (
        tempfile.TemporaryDirectory(prefix="arrowetl-") as scratch,
        Instance(memory_limit=MEMORY, scratch=Path(scratch)) as connection,
        reading.texts(files, Path(scratch)) as texts,
        closing(_ahead(_groups(_parts(texts, reading, limit, stop)), stop)) as groups,
    ):
        for start, group in groups:
            root = roots.setdefault(start, Node())
            root.at(start)
            if group is not None:
                whole = with_parts(connection, group, start) if None in start else group
                learn(connection, whole, root, start)
    return tuple(Survey(root, start, limit is None) for start, root in roots.items())


@lru_cache(maxsize=64)
def are_alike(files: tuple[FileStamp, ...], reading: Reading, limit: int | None) -> bool:
    """Say whether the records of each file surely have all the keys that `survey` found.

    Of documents that aren't JSON as a whole the keys aren't looked at: then it isn't sure.
    """
    surveys = survey(files, reading, limit)
    known = {key for each in surveys for key in each.root.at(each.start).keys}
    missing = {file.path: set(known) for file in files}
    paths = list(missing)
    with (
        tempfile.TemporaryDirectory(prefix="arrowetl-") as scratch,
        Instance(memory_limit=MEMORY, scratch=Path(scratch)) as connection,
        reading.texts(files, Path(scratch)) as texts,
    ):
        for start, group in _groups(_of_files(texts, reading, limit, paths)):
            if group is not None:
                for number, keys in keys_apart(connection, group, start):
                    missing[paths[number]].difference_update(keys)
    return not any(missing.values())


def _of_files(
    texts: Iterable[Text], reading: Reading, limit: int | None, paths: Sequence[str]
) -> Iterator[tuple[Place, Records]]:
    numbers = {path: pa.scalar(number, pa.int32()) for number, path in enumerate(paths)}
    for text in texts:
        number = numbers[text.file.path]
        start, records = reading.records(text)
        yield start, _numbered(_limited(records, limit), number)


def _numbered(records: Records, number: pa.Scalar) -> Records:
    for batch in records:
        yield batch.append_column("file", pa.repeat(number, batch.num_rows))


def _parts(
    texts: Iterable[Text], reading: Reading, limit: int | None, stop: Event
) -> Iterator[tuple[Place, Records]]:
    for text in texts:
        if stop.is_set():
            return
        start, records = reading.records(text)
        yield start, _limited(records, limit)


def _groups(parts: Iterable[tuple[Place, Records]]) -> Iterator[Group]:
    """Put together what is asked about at once; each `start` comes once without records first.

    To plan the questions takes 0.1 s, however few the records are.
    """
    held: dict[Place, list[pa.RecordBatch]] = {}
    sizes: Counter[Place] = Counter()
    for start, records in parts:
        if start not in held:
            held[start] = []
            yield start, None
        for batch in records:
            held[start].append(batch)
            # What a batch was cut from stays with it.
            sizes[start] += batch.get_total_buffer_size() + APIECE
            if sizes[start] >= GROUP:
                yield start, pa.Table.from_batches(held[start])
                held[start], sizes[start] = [], 0
    for start, batches in held.items():
        if batches:
            yield start, pa.Table.from_batches(batches)


def _ahead(groups: Iterator[Group], stop: Event) -> Generator[Group, None, None]:
    """Cut the next group while one is asked about; once interrupted, no more files."""
    with ThreadPoolExecutor(1, thread_name_prefix="arrowetl-survey") as worker:
        try:
            coming = worker.submit(next, groups, None)
            while (group := coming.result()) is not None:
                coming = worker.submit(next, groups, None)
                yield group
        finally:
            stop.set()


def _limited(records: Records, limit: int | None) -> Records:
    if limit is None:
        yield from records
        return
    for batch in records:
        yield batch.slice(0, limit)
        limit -= batch.num_rows
        if limit <= 0:
            return
