"""Surveys of CSV files that are kept until a file changes, and begun before its layout is known."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock, Thread

from arrowetl.sources._files import FileStamp
from arrowetl.sources._mend import Signs
from arrowetl.sources._survey import Survey, survey

WORTH, LARGEST = 32 << 20, 4 << 30
"""Bytes of a file that is begun ahead: finding out a layout takes 0.05 s, whatever the size."""

HEAD = 4096
DELIMITERS = b",;\t|"


def survey_of(file: FileStamp, signs: Signs, nulls: Sequence[bytes]) -> Survey:
    """Give the survey of a local file: the one that is known, or that is being made.

    Raises:
        OSError: the file can't be read.
    """
    return _task(file, signs.delimiter, signs.quote, tuple(nulls)).survey()


def begin_survey(
    file: FileStamp, delimiter: bytes | None, quote: bytes, nulls: Sequence[bytes]
) -> None:
    """Begin the survey of a local file in a thread, by the delimiter that its head suggests."""
    if not WORTH <= file.size <= LARGEST:
        return
    with suppress(OSError), Path(file.path).open("rb") as opened:
        head = opened.read(HEAD)
        if b"\0" in head:
            return  # packed, or of another encoding: a copy of it is looked at
        signs = (bytes([sign]) for sign in DELIMITERS)
        likely = delimiter or max(signs, key=head.splitlines()[0].count)
        task = _task(file, likely, quote, tuple(nulls))
        Thread(target=task.run, name="arrowetl-survey", daemon=True).start()


class _Task:
    """A survey that is made once, by whoever asks first."""

    def __init__(self, path: str, signs: Signs, nulls: Sequence[bytes]) -> None:
        self._path, self._signs, self._nulls = path, signs, nulls
        self._lock = Lock()
        self._found: Survey | None = None

    def run(self) -> None:
        """Make it; who needs it makes it again, and hears what is wrong."""
        with suppress(OSError):
            self.survey()

    def survey(self) -> Survey:
        """Give it, once it is made."""
        with self._lock:
            if self._found is None:
                self._found = survey(self._path, self._signs, self._nulls)
            return self._found


@lru_cache(maxsize=256)
def _task(file: FileStamp, delimiter: bytes, quote: bytes, nulls: tuple[bytes, ...]) -> _Task:
    return _Task(file.path, Signs(delimiter, quote, b""), nulls)
