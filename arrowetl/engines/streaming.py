"""Streaming: the rows of a job without a destination, pulled by whoever reads them."""

from __future__ import annotations

import atexit
import tempfile
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import pyarrow as pa

from arrowetl.arrow import reader_of
from arrowetl.engines.local import LocalRun
from arrowetl.engines.run import Job, finish
from arrowetl.engines.watch import resident_bytes
from arrowetl.events import Committed, Listener, RunEnded, RunStarted
from arrowetl.result import PipelineResult, ResultFolder

_PULLS: weakref.WeakSet[partial[pa.RecordBatch]] = weakref.WeakSet()


@atexit.register
def _let_go() -> None:
    """Empty the readers that live until the interpreter's exit.

    Arrow never frees what such a reader iterates over. It would keep every module of ours alive,
    and DuckDB's, which prints what it finds alive then.
    """
    for pull in list(_PULLS):
        pull.__setstate__((next, (iter(()),), {}, None))  # type: ignore[attr-defined]


class _Open:
    """What a stream holds open. Let go of at its end, or the interpreter's, whichever is first."""

    def __init__(self, job_in: Callable[[Path], Job], *, careful: bool) -> None:
        self._stack = ExitStack()
        folder = tempfile.TemporaryDirectory(prefix="arrowetl-")
        scratch = Path(self._stack.enter_context(folder))
        try:
            job = job_in(scratch)
            plan = job.plan.read_with_care(scratch) if careful else None
            self.job = job if plan is None else replace(job, plan=plan)
            self.run = self._stack.enter_context(
                LocalRun(self.job.plan, self.job.settings, scratch, self.job.rejects())
            )
            self.reader = self.run.reader()
        except BaseException:
            self._stack.close()
            raise

    def close(self) -> None:
        """Close everything, and forget it: what DuckDB finds alive at the exit, it complains of."""
        self._stack.close()
        self.__dict__ = {"_stack": self._stack}


class Stream:
    """The batches of a job without a sink; closes what it opened, whatever happens.

    Args:
        job_in: plans the job, given a scratch folder and who is told of events.
        ended: is given the result once all rows have come out.
        remembers: whether what stages remember is valid from then on.
        careful: whether the source is read with care from the beginning.
    """

    def __init__(
        self,
        job_in: Callable[[Path, Listener], Job],
        ended: Callable[[PipelineResult], None],
        *,
        remembers: bool,
        careful: bool,
    ) -> None:
        """Set the first segment going."""
        self._ended, self._remembers = ended, remembers
        self._folder = ResultFolder()
        self._open = _Open(lambda scratch: job_in(scratch, self._folder), careful=careful)
        # Also at the interpreter's exit, and when a reader is dropped before its end.
        self._finalizer = weakref.finalize(self, self._open.close)
        job = self._open.job
        self._facts, self._size = job.facts, job.plan.source.size
        facts = self._facts
        job.emit(RunStarted(facts.run_id, facts.pipeline, facts.started_at, self._size))
        self.schema: pa.Schema = self._open.reader.schema
        self._rows = 0

    def reader(self) -> pa.RecordBatchReader:
        """Give the batches as an Arrow stream."""
        pull = partial(next, self)
        _PULLS.add(pull)
        return reader_of(self.schema, iter(pull, None))

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> pa.RecordBatch:
        if not self._finalizer.alive:
            raise StopIteration
        try:
            batch = next(self._open.reader)
        except StopIteration:
            self._end()
            raise
        except BaseException:
            self.close()
            raise
        self._rows += batch.num_rows
        return batch

    def _end(self) -> None:
        job, run = self._open.job, self._open.run
        try:
            finish(job, run)
            if self._remembers:
                run.remember()
        finally:
            run.rejects.close()
            self.close()
        seconds = (datetime.now(timezone.utc) - self._facts.started_at).total_seconds()
        job.emit(Committed(self._facts.run_id, self._rows, self.schema))
        job.emit(RunEnded(self._facts.run_id, seconds, self._size, resident_bytes()))
        self._ended(self._folder.result())

    def close(self) -> None:
        """Stop, and let go of everything. Safe twice."""
        self._finalizer()
