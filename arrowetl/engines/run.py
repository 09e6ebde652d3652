"""A run from its first event to its last: read, count, check, deliver the rejected, commit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from arrowetl.duck import interrupt_questions
from arrowetl.engines.ledger import Counts
from arrowetl.engines.local import Lean, LocalRun, Settings
from arrowetl.engines.watch import MemoryPeak, watched
from arrowetl.errors import InexactError, RejectError, StageError
from arrowetl.events import (
    Committed,
    Event,
    Listener,
    Progressed,
    RowsRejected,
    RunEnded,
    RunStarted,
    StageCounted,
    StageObserved,
)
from arrowetl.planning.plan import Plan
from arrowetl.reliability.deadletters import Rejects, RunFacts
from arrowetl.stage import Sink

PROGRESS_SECONDS = 0.2

LEAN_MEGABYTES = 200
"""A thread's share, in a run that holds no rows, of those that wait for their turn to be written.
CSV to Parquet on two threads took 2.84 s and 448 MB for 5 million rows, 10.6 s and 465 MB for 20;
without it 2.97 s and 465 MB, and 11.2 s and 657 MB. A limit to all memory costs 4 % more time."""

STREAMED_MEGABYTES = 300
"""A thread's share of all memory where rows pass through several segments, which share it."""

KEPT_MEGABYTES = 100
"""A thread's share of the memory that isn't given back before a run's end: asked for again and
again it takes 5 % of the time of a copy, 10 % of an exact deduplication's."""

SMALL = 16 << 20
"""Bytes of a source for which no memory needs to be kept."""

LEAN_BUFFER = 32_000_000
"""Bytes of a CSV file at a time: with 8 MB more rows wait, and 20 million take 730 MB."""


@dataclass(frozen=True)
class Job:
    """All that a run is given."""

    plan: Plan
    settings: Settings
    facts: RunFacts
    scratch: Path
    dead_letters: Sink | None = None
    max_rejects: float | None = None
    """How many rows may be rejected: a number, or below 1 a share of the rows read."""
    listeners: Sequence[Listener] = ()
    fallback: Settings | None = None
    """What to run with where the memory of `settings` isn't enough; None to fail then."""

    def emit(self, event: Event) -> None:
        """Tell every listener."""
        for listener in self.listeners:
            listener(event)

    def rejects(self) -> Rejects:
        """Give an empty collection of this run's rejected rows."""
        return Rejects(self.facts, self.scratch, keep=self.dead_letters is not None)


def load(job: Job, sink: Sink) -> None:
    """Run the plan into the sink: all of it arrives, or nothing does.

    Raises:
        ArrowETLError: what went wrong; the destination is as it was.
        KeyboardInterrupt, SystemExit: the run was stopped; the destination is as it was.
    """
    memory = MemoryPeak()
    started = time.perf_counter()
    failure: str | None = None
    job.emit(
        RunStarted(job.facts.run_id, job.facts.pipeline, job.facts.started_at, job.plan.source.size)
    )
    try:
        _attempt(job, sink, memory)
    except BaseException as error:
        failure = f"{type(error).__name__}: {error}"
        raise
    finally:
        memory.look()
        job.emit(
            RunEnded(
                job.facts.run_id,
                time.perf_counter() - started,
                job.plan.source.size,
                memory.peak,
                failure,
            )
        )


def _attempt(job: Job, sink: Sink, memory: MemoryPeak) -> None:
    """Run it; if the source comes upon a value that it can't give as it is, again, with care."""
    try:
        _within_memory(job, sink, memory)
    except InexactError:
        plan = watched(
            lambda: job.plan.read_with_care(job.scratch),
            tick=memory.look,
            interrupt=interrupt_questions,
        )
        if plan is None:
            raise
        _within_memory(replace(job, plan=plan), sink, memory)


def _within_memory(job: Job, sink: Sink, memory: MemoryPeak) -> None:
    job = replace(job, settings=_keeping(job))
    lean = _lean(job)
    wider = job.settings if lean is not job.settings else job.fallback
    if wider is not None:
        try:
            _watched(replace(job, settings=lean), sink, memory)
        except StageError as error:
            if not isinstance(error.__cause__, duckdb.OutOfMemoryException):
                raise
        else:
            return
    _watched(job if wider is None else replace(job, settings=wider), sink, memory)


def _threads(settings: Settings) -> int:
    return settings.threads or os.cpu_count() or 1


def _keeping(job: Job) -> Settings:
    """Let a run keep memory that it has used, unless the user says how much there is."""
    settings, size = job.settings, job.plan.source.size
    if settings.memory_limit is not None or (size is not None and size <= SMALL):
        return settings
    return replace(settings, kept_memory=f"{KEPT_MEGABYTES * _threads(settings)}MB")


def _lean(job: Job) -> Settings:
    """Give a run that holds no rows little memory, unless the user says how much.

    Writing rows in order, DuckDB holds those that come too early until its memory ends, for no
    gain: peak memory would grow with the input. Rows of unusual size may need more than this; the
    files are then read again without the limit, and nothing of the first try was committed.
    """
    plan, settings = job.plan, job.settings
    if plan.copy is None or plan.holds or plan.relation is None or not settings.ordered:
        return settings
    if settings.memory_limit is not None:
        return settings
    threads = _threads(settings)
    if len(plan.segments) > 1:
        return replace(settings, memory_limit=f"{STREAMED_MEGABYTES * threads}MB")
    return replace(settings, lean=Lean(f"{LEAN_MEGABYTES * threads}MB", LEAN_BUFFER))


def _watched(job: Job, sink: Sink, memory: MemoryPeak) -> None:
    with LocalRun(job.plan, job.settings, job.scratch, job.rejects()) as run:
        watched(
            lambda: _load(job, run, sink),
            tick=_ticker(job, run, memory),
            interrupt=run.interrupt,
        )


def _load(job: Job, run: LocalRun, sink: Sink) -> None:
    try:
        rows = run.load(sink)
        finish(job, run)
        sink.commit()
    except BaseException:
        sink.abort()
        raise
    finally:
        run.rejects.close()
    # Only now: what is remembered before its rows have arrived would be lost with them.
    run.remember()
    job.emit(Committed(job.facts.run_id, rows, run.schema))


def finish(job: Job, run: LocalRun) -> None:
    """Count, check and deliver what was rejected, once all rows have come out.

    Raises:
        LedgerError: the counts don't add up.
        RejectError: more rows were rejected than allowed; they are delivered all the same.
    """
    run.settle()
    counts = run.counts()
    _tell(job, counts, run.rejects)
    for step, summary in run.summaries():
        job.emit(StageObserved(job.facts.run_id, step.name, step.position, summary))
    if job.dead_letters is not None and run.rejects.total:
        run.rejects.deliver(job.dead_letters)
    _limit(job, counts, run.rejects)


def _tell(job: Job, counts: Counts, rejects: Rejects) -> None:
    for (stage, code), rows in rejects.counts.items():
        samples = tuple(rejects.samples.get((stage, code), ()))
        job.emit(RowsRejected(job.facts.run_id, stage, code, rows, samples))
    for line in counts:
        job.emit(
            StageCounted(
                job.facts.run_id,
                line.label,
                line.position,
                line.records_in,
                line.records_out,
                line.records_rejected,
                line.seconds,
                line.pushed_down,
                line.rows.value,
                line.bytes_out,
                line.memory,
            )
        )


def _limit(job: Job, counts: Counts, rejects: Rejects) -> None:
    if job.max_rejects is None:
        return
    read = counts[0].records_in
    allowed = job.max_rejects if job.max_rejects >= 1 else job.max_rejects * read
    if rejects.total > allowed:
        reasons = "; ".join(
            f"{rows:,} {code} in {stage} (for instance: {rejects.samples[stage, code][0]})"
            for (stage, code), rows in rejects.counts.most_common(3)
        )
        raise RejectError(
            f"{rejects.total:,} of {read:,} rows were rejected, max_rejects={job.max_rejects:g} "
            f"allows {allowed:,.0f}; nothing was committed. {reasons}"
        )


def _ticker(job: Job, run: LocalRun, memory: MemoryPeak) -> Callable[[], None]:
    last = time.perf_counter()

    def tick() -> None:
        nonlocal last
        memory.look()
        if time.perf_counter() - last >= PROGRESS_SECONDS:
            last = time.perf_counter()
            job.emit(Progressed(job.facts.run_id, run.rows_so_far, run.share_done))

    return tick
