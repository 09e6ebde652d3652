"""Surveys of CSV files; that of a large one is begun before its layout is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from arrowetl.sources._files import FileStamp
from arrowetl.sources._mend import Signs
from arrowetl.sources._survey import Survey, survey

WORTH, LARGEST = 32 << 20, 1 << 30
"""Bytes of a file that is begun ahead. To find a layout out takes 0.05 s, whatever the size: of a
larger file that is nothing, and a survey by the wrong delimiter, which is waited for, much."""

HEAD = 4096
DELIMITERS = b",;\t|"


@dataclass(frozen=True)
class Surveys:
    """Makes surveys, or takes the one that was begun by the right guess."""

    nulls: Sequence[bytes]
    path: str = ""
    guess: Signs | None = None
    begun: Future[Survey] | None = None
    clocks: bool = False
    """Whether that one looks for times of day."""
    head: int | None = None
    """Bytes of a file that are looked at; all of them if None."""

    def of(self, path: str, signs: Signs, *, clocks: bool) -> Survey:
        """Give the survey of a local file; of `clocks` it says nothing unless asked to.

        Raises:
            OSError: the file can't be read.
        """
        # How a quote is escaped makes no difference.
        known = Signs(signs.delimiter, signs.quote, b"")
        told = self.clocks or not clocks
        if self.begun is not None and told and (path, known) == (self.path, self.guess):
            return self.begun.result()
        return survey(path, signs, self.nulls, clocks=clocks, head=self.head)


@contextmanager
def surveying(
    files: Sequence[FileStamp], delimiter: str | None, quote: str, nulls: Sequence[str]
) -> Iterator[Surveys]:
    """Begin the survey of the only file in a thread, by the delimiter that its head suggests."""
    null_bytes = [null.encode() for null in nulls]
    head = _head(files)
    if not head:
        yield Surveys(null_bytes)
        return
    signs = (bytes([sign]) for sign in DELIMITERS)
    likely = delimiter.encode() if delimiter else max(signs, key=head.splitlines()[0].count)
    guess = Signs(likely, quote.encode(), b"")
    clocks = re.search(rb"\d:\d\d", head) is not None
    with ThreadPoolExecutor(1, thread_name_prefix="arrowetl-survey") as pool:
        begun = pool.submit(survey, files[0].path, guess, null_bytes, clocks=clocks)
        yield Surveys(null_bytes, files[0].path, guess, begun, clocks)


def _head(files: Sequence[FileStamp]) -> bytes:
    """Give how the only file begins; nothing where it isn't worth it, or not the file to read."""
    if len(files) != 1 or files[0].remote is not None or files[0].member is not None:
        return b""
    if not WORTH <= files[0].size <= LARGEST:
        return b""
    # Whoever needs the file says what is wrong with it.
    with suppress(OSError), Path(files[0].path).open("rb") as file:
        head = file.read(HEAD)
        # Packed, or of another encoding: a copy of it is looked over.
        return b"" if b"\0" in head else head
    return b""
