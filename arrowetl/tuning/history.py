"""The history of a tuner: what each run was like, had for settings and took; one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, fields
from os import PathLike
from pathlib import Path

_VERSION = 1
_WAIT = 2.0
"""Seconds to wait for another process that writes."""


@dataclass(frozen=True)
class Ran:
    """One run.

    Attributes:
        at: when it began, as ISO 8601 in UTC.
        pipeline: its name.
        task: what was tuned: the same pipeline over input of about the same size.
        kinds: the classes of its source, stages and destination.
        shape: numbers that say what the rows are like.
        settings: what was chosen, by knob.
        way: why: `start`, `usual`, `transfer`, `explore`, `exploit`, `smallest`.
        rows: how many came in.
        seconds: how long it took.
        cpu_seconds: of all threads of the process.
        peak: the most resident memory, in bytes.
        error: why it failed; None if it arrived. Those that failed teach nothing.
    """

    at: str
    pipeline: str
    task: str
    kinds: tuple[str, ...]
    shape: Mapping[str, float]
    settings: Mapping[str, int]
    way: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak: int
    error: str | None = None


@dataclass(frozen=True)
class History:
    """Runs, in a SQLite file of their own; several processes may use it.

    Keep it apart from files that a pipeline loads into: those are written by another SQLite
    library.

    Args:
        path: the file; it is made by the first run.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = History(f"{folder}/tuning.db")
    ...     history.runs()
    ()
    """

    path: str | PathLike[str]
    _columns: tuple[str, ...] = field(
        default=tuple(each.name for each in fields(Ran)), init=False, repr=False, compare=False
    )

    def add(self, ran: Ran) -> None:
        """Keep a run.

        Raises:
            sqlite3.Error, OSError: the file can't be written, or is no history.
        """
        row = asdict(ran)
        for column in ("kinds", "shape", "settings"):
            row[column] = json.dumps(row[column])
        marks = ", ".join("?" * len(self._columns))
        with self._open() as database:
            database.execute(
                f"CREATE TABLE IF NOT EXISTS runs_{_VERSION} ({', '.join(self._columns)})"
            )
            values = [row[column] for column in self._columns]
            database.execute(f"INSERT INTO runs_{_VERSION} VALUES ({marks})", values)

    def runs(self) -> tuple[Ran, ...]:
        """Give all runs, in order; none if there is no file yet.

        Raises:
            sqlite3.Error, OSError: the file can't be read, or is no history.
            ValueError: a row of it was written by something else.
        """
        if not Path(self.path).exists():
            return ()
        with self._open() as database:
            known = "SELECT count(*) FROM sqlite_master WHERE name = ?"
            if not database.execute(known, [f"runs_{_VERSION}"]).fetchone()[0]:
                return ()
            rows = database.execute(
                f"SELECT {', '.join(self._columns)} FROM runs_{_VERSION} ORDER BY rowid"
            ).fetchall()
        return tuple(map(self._ran, rows))

    def _ran(self, row: tuple[object, ...]) -> Ran:
        found = dict(zip(self._columns, row, strict=True))
        for column in ("kinds", "shape", "settings"):
            found[column] = json.loads(str(found[column]))
        return Ran(**{**found, "kinds": tuple(found["kinds"])})  # type: ignore[arg-type]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=_WAIT)) as database, database:
            yield database
