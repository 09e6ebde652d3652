"""The bridge between DuckDB and Python: one place owns the cursors and their streams.

What goes in is a reader that can be read once; what comes out is an iterator of batches. An
exception on either side is kept as it was raised, and everything is closed from the end that
reads to the end that is read, so that no thread waits for one that is gone.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import duckdb
import pyarrow as pa

from arrowetl.arrow import reader_of, unsliced
from arrowetl.duck import own_error, register_tables
from arrowetl.errors import ArrowETLError, ReadError, StageError, WriteError, bared, first_line
from arrowetl.exactness import exactly
from arrowetl.planning.taps import Tapped, tapped
from arrowetl.sql import STREAM
from arrowetl.stopping import Stop, Stopped

_SETTINGS = (
    "SET enable_profiling = 'no_output'",
    "SET profiling_coverage = 'ALL'",
    "SET tracked_metrics = ['operator.*', 'system.*']",
    "SET enable_progress_bar = true",
    "SET enable_progress_bar_print = false",
    "SET progress_bar_time = 0",
    # Of rows that are streamed on; with the usual megabyte threads wait for who takes them.
    "SET streaming_buffer_size = '16MB'",
)


@dataclass
class Trouble:
    """What went wrong first, and whether to stop."""

    stop: Stop = field(default_factory=Stop)
    first: BaseException | None = None
    told: Callable[[BaseException, str], BaseException] = lambda error, _: error
    """What every error goes through, with its place, before anybody sees it: it may show what is
    masked."""

    def check(self) -> None:
        """Raise Stopped if somebody asked for it."""
        self.stop.check()

    def guard(self, where: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass batches on; keep the exception that ends them, with the place it came from.

        DuckDB gives back an exception of its own, with ours as text: the one kept here is what
        the user sees.
        """
        try:
            while True:
                batch = self.stop.during(lambda: next(batches, None))
                if batch is None:
                    return
                self.check()
                yield batch
        except Exception as error:
            if self.first is None:
                self.first = noted(self.told(error, where), where)
            raise
        finally:
            # A stage may hold a file or a connection: let go of it now, not when it is collected.
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    @contextmanager
    def explained(self, where: str, kind: type[ArrowETLError] = StageError) -> Iterator[None]:
        """Raise what the user should see for whatever comes out of a stream; see `translate`."""
        try:
            yield
        except Exception as error:
            cause = self.first
            if cause is None:
                cause = self.told(translate(error, where, kind), where)
                if isinstance(cause, ArrowETLError):
                    # A statement further on would have it from DuckDB, as text.
                    self.first = cause
            if cause is error:
                raise
            raise cause from cause.__cause__


def noted(error: BaseException, where: str) -> BaseException:
    """Add the place to an exception, which stays what it is."""
    if not isinstance(error, ArrowETLError | Stopped):
        notes = [*getattr(error, "__notes__", []), f"raised in {where}"]
        error.__notes__ = notes  # type: ignore[attr-defined]  # add_note, for Python 3.10
    return error


_DAMAGED = re.compile(
    r"(Invalid Input Error: )?(Failed to read file .*([Dd]ecompress|[Cc]orrupt)|"
    r"Invalid string encoding found in Parquet file)"
)


_UNFIT = re.compile(
    r'Error while reading file "(?P<file>.*?)": failed to cast column "(?P<column>.*?)" from type '
    r"(?P<own>.*?) to (?P<joined>.*?): "
)


@contextmanager
def files_told(source: str | None) -> Iterator[None]:
    """Raise ReadError where DuckDB can't make sense of a Parquet file, or of one beside others.

    Of most faults its reader speaks in its own words, with an error of no kind.

    Args:
        source: what reads such files in the statement; None if nothing does.
    """
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        unkind = type(error) is duckdb.Error or str(error).startswith("Invalid Error: ")
        damaged = unkind or _DAMAGED.match(str(error)) is not None
        if source is None or own_error(error) is not None:
            raise
        unfit = _UNFIT.search(str(error))
        if unfit is not None:
            raise _apart(unfit, source) from error
        if not damaged:
            raise
        bare = f"{source}: a Parquet file is damaged; write it again, or take it from a copy"
        raise ReadError(f"{bare} ({first_line(error)})", bare=bare) from error


def _apart(unfit: re.Match[str], source: str) -> ReadError:
    from arrowetl.stores.mounted import with_urls

    said = (
        f"{source}: column {unfit['column']!r} is {unfit['own']} in {with_urls(unfit['file'])!r}, "
        f"and {unfit['joined']} together with others, which can't hold all its values; read them "
        "apart"
    )
    return ReadError(said, bare=said)


def translate(
    error: Exception, where: str, kind: type[ArrowETLError] = StageError
) -> BaseException:
    """Give an error of DuckDB's or Arrow's as ours, itself as the cause; others as they are.

    Args:
        error: what was raised.
        where: what raised it: a stage, or the source.
        kind: what it is where DuckDB doesn't say more: a ReadError where there is no stage.
    """
    if isinstance(error, ArrowETLError):
        return error
    own = own_error(error)
    if own is not None:
        own.__cause__ = error
        return own
    said, bare = f"{where}: {error}", bared(error, where)
    if isinstance(error, duckdb.OutOfMemoryException):
        said = (
            f"{where}: memory_limit is too small for this: raise it, or use fewer threads ({error})"
        )
        ours: ArrowETLError = StageError(said, bare=said)
    elif "No space left" in str(error):
        ours = WriteError(f"{where}: the disk is full ({error})", bare=f"{where}: the disk is full")
    elif isinstance(error, duckdb.IOException):
        ours = ReadError(said, bare=bare)
    elif isinstance(error, duckdb.Error | pa.ArrowException | OSError):
        conversion = kind is StageError and isinstance(error, duckdb.ConversionException)
        advice = "; Cast with on_error=dead_letter sets such rows apart" if conversion else ""
        ours = kind(f"{where}: {_said(error)}{advice}", bare=bare)
    else:
        return error
    ours.__cause__ = error
    return ours


def _said(error: Exception) -> str:
    """Give what is said without the statement, which is ours and not the user's."""
    return str(error).split("\n\nLINE", maxsplit=1)[0].rstrip()


@dataclass
class Meter:
    """How many rows and bytes passed a point, whether all did, and what that took."""

    rows: int = 0
    ended: bool = False
    seconds: float = 0.0
    bytes: int = 0
    memory: int = 0
    """The most that Arrow held, in bytes, looked at with each batch; a batch at least."""

    def count(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass batches on, counted and timed; the time of what is upstream is part of it."""
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            self.seconds += time.perf_counter() - started
            if batch is None:
                break
            self.rows += batch.num_rows
            self.bytes += batch.nbytes
            # What DuckDB made isn't Arrow's.
            self.memory = max(self.memory, pa.total_allocated_bytes(), batch.nbytes)
            yield batch
        self.ended = True


class Statement:
    """One SQL segment on its way: a cursor, its input, its statement, its counts."""

    def __init__(
        self,
        root: duckdb.DuckDBPyConnection,
        *,
        where: str,
        trouble: Trouble,
        tables: dict[str, Any],
        source: str,
        reads: str | None = None,
    ) -> None:
        """Open a cursor of the run's DuckDB, with side tables known by name.

        `source` is what the run reads, and `reads` the SQL by which it does so here, if it does.
        """
        self.cursor = root.cursor()
        self.where = where
        self._source = source
        self._parquet = "read_parquet(" in (reads or "")
        # Without a stage there is nobody else to blame.
        self._kind = ReadError if reads is not None and where == source else StageError
        self._trouble = trouble
        self._reader: pa.RecordBatchReader | None = None
        self.taps: list[Tapped] = []
        self.memory: int | None = None
        """The most that DuckDB held while it ran, in bytes; None before it has settled."""
        for setting in _SETTINGS:
            self.cursor.execute(setting)
        register_tables(self.cursor, tables, watched=partial(trouble.guard, where))

    def feed(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        """Make batches the rows of `input`. They are pulled as they are needed."""
        self.cursor.register(STREAM, reader_of(schema, map(unsliced, batches)))

    def stream(self, sql: str, batch_size: int) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Start a statement; give its schema and its rows, which come as they are pulled."""
        self._let_go()
        self._reader = self._tried(lambda: self.cursor.sql(sql).to_arrow_reader(batch_size))
        return self._reader.schema, self._pulled(self._reader)

    def _pulled(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        while True:
            batch = self._tried(lambda: next(reader, None))
            if batch is None:
                return
            yield batch

    def execute(self, sql: str) -> int:
        """Run a COPY to its end; give the number of rows it wrote."""
        return int(self._tried(lambda: self.cursor.execute(sql).fetchall())[0][0])

    def drain(self) -> None:
        """Read what is left and let go of it, so that the counts are whole."""
        if self._reader is not None:
            for _ in self._pulled(self._reader):
                pass

    def settle(self) -> None:
        """Keep what DuckDB measured, once all rows have come out: what the taps counted, too."""
        profile = json.loads(self.cursor.get_profiling_information(format="json"))
        self.memory = profile.get("system", {}).get("peak_buffer_memory")
        self.taps = tapped({"type": "ROOT", "children": profile.get("operator", [])})

    @property
    def share_done(self) -> float | None:
        """Share of the statement's input that is read, in [0, 1]; None if DuckDB can't say."""
        percent = self.cursor.query_progress()
        return percent / 100 if percent >= 0 else None

    def interrupt(self) -> None:
        """Make the statement end soon, from any thread."""
        self.cursor.interrupt()

    def close(self) -> None:
        """Close the stream, then the cursor. Safe twice."""
        self._let_go()
        self.cursor.close()

    def _let_go(self) -> None:
        if self._reader is not None:
            with suppress(pa.ArrowException, duckdb.Error, OSError):
                self._reader.close()
            self._reader = None

    def _tried(self, call: Callable[[], Any]) -> Any:
        files = files_told(self._source if self._parquet else None)
        with self._trouble.explained(self.where, self._kind), exactly(self._source), files:
            return call()
