"""The lines of several files as one stream, and a sample of them."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import pyarrow as pa

from arrowetl.arrow import rebatched
from arrowetl.errors import ReadError
from arrowetl.rejected import REJECTED_SCHEMA, places
from arrowetl.sources._columns import Fields
from arrowetl.sources._files import FileStamp, in_turn
from arrowetl.sources._text import Text, texts_of, unmarked
from arrowetl.sources._text_lines import ENCODING, FAULTS, LINE_SIZE, cut
from arrowetl.sources._text_pattern import NUMBERED, inferred, pattern_of
from arrowetl.sources._text_types import Formats

SAMPLED_FILES = 32
"""Files, at most, from whose lines types are inferred: spread over all, the first among them."""

HEAD_BYTES = 4 << 20
"""How much of a file in a store is fetched to infer types."""


@dataclass(frozen=True)
class TextFiles:
    """Files, and how they are read as lines or records."""

    files: tuple[FileStamp, ...]
    compression: str
    encoding: str
    record_start: str | None
    where: str

    def lines(self) -> Generator[pa.RecordBatch, None, None]:
        """Give all lines as `NUMBERED` says, in the order of files and lines.

        Raises:
            ReadError: while they are read: a file is cut off, corrupt, or no text.
        """
        with tempfile.TemporaryDirectory(prefix="arrowetl-") as folder:
            yield from self._lines(self.files, Path(folder))

    def sample(self, rows: int | None) -> Generator[pa.RecordBatch, None, None]:
        """Give the first lines of some of the files, `rows` together; all if None.

        Raises:
            ReadError: as `lines` does.
        """
        if rows is None:
            yield from self.lines()
            return
        chosen = self.files[:: max(1, -(-len(self.files) // SAMPLED_FILES))]
        for file in chosen:
            with tempfile.TemporaryDirectory(prefix="arrowetl-") as folder:
                yield from self._head(file, max(1, rows // len(chosen)), Path(folder))

    def _head(
        self, file: FileStamp, rows: int, folder: Path
    ) -> Generator[pa.RecordBatch, None, None]:
        with closing(self._lines([file], folder, limit=HEAD_BYTES)) as lines:
            try:
                for batch in lines:
                    yield batch.slice(0, rows)
                    rows -= batch.num_rows
                    if rows <= 0:
                        return
            except ReadError:
                # What is packed, and was fetched in part, has no end.
                if file.remote is None or file.size <= HEAD_BYTES:
                    raise

    def _lines(
        self, files: Sequence[FileStamp], folder: Path, limit: int | None = None
    ) -> Generator[pa.RecordBatch, None, None]:
        texts = partial(
            texts_of,
            folder=folder,
            compression=self.compression,
            encoding=self.encoding,
            nul=True,
            where=self.where,
            limit=limit,
        )
        with in_turn(texts, files) as found:
            for inside in found:
                for text in inside:
                    yield from _numbered(text, self.record_start)
                if inside[0].local != inside[0].file.path:
                    Path(inside[0].local).unlink()  # the next may need the room


def _numbered(text: Text, record_start: str | None) -> Generator[pa.RecordBatch, None, None]:
    """Give a text's lines, with its name; their bytes are known where it is UTF-8 itself."""
    import pyarrow.compute as pc

    name, exact = text.file.name, text.form.encoding == "utf-8"
    with closing(text.blocks()) as blocks:
        for batch in cut(blocks, record_start):
            rows = batch.num_rows
            places = pc.add(batch["byte"], text.form.mark) if exact else pa.nulls(rows, pa.int64())
            texts = batch["text"]
            if not exact and batch["fault"].null_count < rows:
                texts = pc.if_else(batch["fault"].is_valid(), unmarked(texts), texts)
            columns = [pa.repeat(name, rows), batch["line"], places, texts, batch["fault"]]
            yield pa.RecordBatch.from_arrays(columns, schema=NUMBERED)


def plain_rows(
    lines: Iterator[pa.RecordBatch], columns: Sequence[str], *, batch_size: int
) -> Generator[tuple[pa.RecordBatch, pa.RecordBatch | None], None, None]:
    """Give lines as they are, with only `columns`; and those with a fault, if there are any."""
    import pyarrow.compute as pc

    for batch in rebatched(lines, batch_size):
        if batch["fault"].null_count == batch.num_rows:
            yield batch.select(columns), None
            continue
        bad = pc.is_valid(batch["fault"])
        yield batch.filter(pc.invert(bad)).select(columns), _rejected(batch.filter(bad))


def _rejected(lines: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow.compute as pc

    codes = lines["fault"]
    reasons = pc.if_else(pc.equal(codes, ENCODING), FAULTS[ENCODING], FAULTS[LINE_SIZE])
    place = places(lines.num_rows, **{part: lines[part] for part in ("file", "line", "byte")})
    column = pa.nulls(lines.num_rows, pa.string())
    return pa.RecordBatch.from_arrays(
        [codes, reasons, column, place, lines["text"]], schema=REJECTED_SCHEMA
    )


@lru_cache(maxsize=64)
def group_types(
    files: TextFiles, pattern: str, formats: Formats, sample_size: int | None
) -> Fields:
    """Find the types of a pattern's groups over a sample of the files; kept until they change.

    Raises:
        ReadError: a file can't be read.
    """
    with closing(files.sample(sample_size)) as lines:
        return inferred(lines, pattern_of(pattern, where=files.where), formats)
