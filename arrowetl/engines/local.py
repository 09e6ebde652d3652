"""The local engine: a plan's segments as readers in this process, one pulling the other.

Nothing is pulled until the sink pulls, so memory holds a few batches a segment, and a slow sink
slows the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from arrowetl.arrow import conform, reader_of, rebatched
from arrowetl.duck import BUFFER, interrupt_questions, is_steady
from arrowetl.engines.bridge import Meter, Statement, Trouble
from arrowetl.engines.ledger import Counts, counted
from arrowetl.engines.shield import Shield, Shielded
from arrowetl.errors import ArrowETLError, LedgerError, SchemaError, StateError, WriteError
from arrowetl.exactness import resumed
from arrowetl.fidelity import refuse_rare
from arrowetl.instances import Instance
from arrowetl.observing import HIDDEN, SEEN, SET_APART, Observer, unseen
from arrowetl.planning.bind import bind_step
from arrowetl.planning.plan import REJECTED, Plan, Segment, Step
from arrowetl.planning.rules import input_schema
from arrowetl.reliability.deadletters import Rejects
from arrowetl.remembering import Memory
from arrowetl.stage import BATCH_ROWS, Rows, RowSink, Scope, Sink, SQLStage

if TYPE_CHECKING:
    from typing_extensions import Self

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Lean:
    """How DuckDB may use memory where rows only pass through one statement.

    Attributes:
        waiting: the most of the rows that wait for their turn to be written.
        buffer: bytes of a CSV file that are read at a time.
    """

    waiting: str
    buffer: int

    def settings(self) -> tuple[str, ...]:
        """Give the statements that say so to a connection."""
        return (
            f"SET operator_memory_limit = '{self.waiting}'",
            f"SET VARIABLE {BUFFER} = {self.buffer}",
        )


@dataclass(frozen=True)
class Settings:
    """How a run may use the machine."""

    batch_size: int = BATCH_ROWS
    """Rows in a batch, at most."""
    memory_limit: str | None = None
    """What DuckDB may hold before it spills; DuckDB's own default if None."""
    threads: int | None = None
    """Threads of DuckDB's; as many as there are cores if None."""
    ordered: bool = True
    """Whether rows keep the source's order."""
    kept_memory: str | None = None
    """What DuckDB doesn't give back to the system before the end; nothing if None."""
    lean: Lean | None = None
    """What holds for a run that is one statement, if anything does."""


@dataclass
class Running:
    """A segment that has been set going: its statement, if SQL, and what came out of it."""

    segment: Segment
    statement: Statement | None
    meter: Meter = field(default_factory=Meter)
    observer: Observer | None = None
    """Looks at the rows that leave the segment's last stage."""


class LocalRun:
    """One run of a plan. A context manager: leaving it closes everything, in the right order.

    Args:
        plan: what to run.
        settings: how.
        scratch: a folder for what is spilled; the caller removes it.
        rejects: where rejected rows go.
    """

    def __init__(self, plan: Plan, settings: Settings, scratch: Path, rejects: Rejects) -> None:
        """Open the run's DuckDB; nothing is read yet."""
        self.plan = plan
        self.settings = settings
        self.rejects = rejects
        self._scratch = scratch
        self.trouble = Trouble(told=lambda error, where: Shield(self.plan, 0).told(error, where))
        self.source_meter = Meter()
        self.running: list[Running] = []
        self.schema = plan.schema
        self._open: list[Batches] = []
        self._memories: list[Memory] = []
        with self.trouble.explained(plan.source.label):
            self._duckdb = Instance(
                memory_limit=settings.memory_limit,
                kept_memory=settings.kept_memory,
                threads=settings.threads,
                scratch=scratch,
                ordered=settings.ordered,
                attached=plan.source.attached if plan.relation is not None else {},
                reads=plan.relation,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def reader(self) -> pa.RecordBatchReader:
        """Set every segment going; give what comes out of the last."""
        schema, batches = self._chain(self.plan.segments)
        return reader_of(schema, batches)

    def load(self, sink: Sink) -> int:
        """Set every segment going and put the rows into the sink; give how many were put.

        The sink isn't committed: the ledger is looked at first.
        """
        if self.plan.copy is not None:
            return self._copy(sink)
        schema, batches = self._chain(self.plan.segments)
        self.schema = schema
        sink.begin(schema)
        if self.plan.guarded:
            guarded = [each for each in self.plan.stored if each.column in self.plan.guarded]
            batches = self._kept(refuse_rare(batches, guarded, where=sink.label))
        with reader_of(schema, batches) as reader, self.trouble.explained(sink.label):
            if isinstance(sink, RowSink):
                written = sink.write_rows(reader, partial(self.rejects.add, sink.label))
            else:
                written = sink.write(reader)
        self._expect(written, self._rows_out() - self.rejects.by_stage(sink.label), sink)
        return written

    def _copy(self, sink: Sink) -> int:
        *before, _ = self.plan.segments
        schema, batches = self._chain(tuple(before))
        running = self._start(len(before), schema, batches)
        select = self.plan.copy or ""
        sink.begin(self.plan.schema)
        statement = sink.statement(select, self.plan.schema)
        if running.statement is None or statement is None:
            raise WriteError(f"{sink.label} gave no statement for what it had planned to copy")
        running.meter.rows = running.statement.execute(statement)
        running.meter.ended = True
        return running.meter.rows

    def settle(self) -> None:
        """Read what nobody asked for, and take what the source couldn't read to the dead letters.

        A LIMIT further on leaves rows unread; the counts inside a statement come with its last.
        """
        for number, running in enumerate(self.running):
            if running.statement is None:
                continue
            if not running.meter.ended and self.plan.taps(number):
                running.statement.drain()
            running.statement.settle()
        first = self.running[0].statement if self.running and self.plan.relation else None
        label = self.plan.source.label
        with self.trouble.explained(label):
            for why in self.plan.source.rejected(first.cursor if first else None):
                told = Shield(self.plan, 0).unread(why)
                text = pa.RecordBatch.from_arrays([told["text"]], names=["text"])
                self.rejects.add(label, told, text)

    def counts(self) -> Counts:
        """Give the exact counts of every stage, once it has settled; checked.

        Raises:
            LedgerError: they don't add up.
        """
        return counted(self.plan, self.source_meter, self.running, self.rejects)

    def remember(self) -> None:
        """Make valid what stages remember, now that the rows have arrived.

        Raises:
            StateError: something can't be kept; the rows are where they belong all the same.
        """
        for memory in self._memories:
            try:
                memory.commit()
            except StateError as error:
                raise StateError(
                    f"the rows have arrived, but what they were isn't remembered ({error}): "
                    "a later run takes the same rows for new ones"
                ) from error

    def summaries(self) -> Iterator[tuple[Step, pa.Table]]:
        """Give what observers saw, by stage, once all rows have come out."""
        for running in self.running:
            if running.observer is not None:
                yield running.segment.steps[-1], running.observer.summary()

    @property
    def rows_so_far(self) -> int | None:
        """Rows that have come out of the last segment; None while one statement does it all."""
        if self.plan.copy is not None or not (self.running or self.source_meter.rows):
            return None
        return self._rows_out()

    @property
    def share_done(self) -> float | None:
        """Share of the source that is read, in [0, 1], if it can be known."""
        first = self.running[0].statement if self.running and self.plan.relation else None
        return first.share_done if first else None

    def interrupt(self) -> None:
        """Make everything end soon, from any thread."""
        self.trouble.stop.set()
        interrupt_questions()
        for running in self.running:
            if running.statement:
                running.statement.interrupt()

    def close(self) -> None:
        """Close the streams from the last to the first, then DuckDB. Safe twice."""
        untroubled = self.trouble.first is None and not self.trouble.stop.is_set()
        done = untroubled and all(running.meter.ended for running in self.running)
        self.trouble.stop.set()
        for running in reversed(self.running):
            if running.statement:
                running.statement.close()
        for batches in reversed(self._open):
            batches.close()  # each is a generator
        self._open.clear()
        for memory in self._memories:
            memory.abort()
        self._duckdb.close(done=done)

    # --- the chain -------------------------------------------------------------------------

    def _chain(self, segments: tuple[Segment, ...]) -> tuple[pa.Schema, Batches]:
        schema, batches = self._source()
        for number in range(len(segments)):
            running = self._start(number, schema, batches)
            segment = running.segment
            if running.statement is None:
                schema, batches = self._python(segment.steps[0], batches)
            else:
                sql = self.plan.statement(number)
                schema, batches = running.statement.stream(sql, self.settings.batch_size)
                if not number:
                    batches = self._kept(resumed(batches, partial(self._again, running.statement)))
            schema, batches = self._looked_at(running, schema, batches)
            if segment.rejects_for is not None:
                step = segment.rejects_for
                schema, batches = self._split(step, REJECTED, schema, batches)
            batches = self._kept(running.meter.count(batches))
        return schema, batches

    def _source(self) -> tuple[pa.Schema, Batches]:
        plan = self.plan
        if plan.relation is not None:
            return plan.schema_in, iter(())
        scanned = plan.source.scan(columns=plan.scan.columns, batch_size=self.settings.batch_size)
        guarded = self._kept(self.trouble.guard(plan.source.label, scanned))
        conformed = (_filled(batch, plan.schema_in) for batch in guarded)
        counted_rows = self._kept(self.source_meter.count(conformed))
        return plan.schema_in, rebatched(counted_rows, self.settings.batch_size)

    def _again(self, statement: Statement, known: int) -> Batches | None:
        """Give the first segment's rows once more, with care; None if they may come otherwise."""
        steps = self.plan.segments[0].steps
        same = all(
            each.stage.scope is Scope.ROW
            and (each.stage.rows is Rows.SAME or is_steady(each.select or ""))
            for each in steps
        )
        certain = not known or (same and self.settings.ordered and not self.plan.holds)
        plan = self.plan.read_with_care(self._scratch) if certain else None
        if plan is None:
            return None
        self.plan, self.trouble.first = plan, None
        return statement.stream(plan.statement(0), self.settings.batch_size)[1]

    def _start(self, number: int, schema: pa.Schema, batches: Batches) -> Running:
        before = self.plan.segments[number - 1].steps if number else ()
        decided = bool(before) and before[-1].stage.dynamic
        if decided or (number and schema != input_schema(self.plan, number)):
            self._rebind(number, schema)
        # Not as it was planned, but as it is bound by now.
        segment = self.plan.segments[number]
        statement = None
        if segment.sql:
            source = self.plan.source.label
            statement = Statement(
                self._duckdb.connection,
                where=segment.label or source,
                trouble=self.trouble,
                tables=_side_tables(segment),
                source=source,
                reads=None if number else self.plan.relation,
            )
            for setting in self.settings.lean.settings() if self.settings.lean else ():
                statement.cursor.execute(setting)
        last = segment.steps[-1] if segment.steps else None
        observer = last.stage.observer(last.before) if last else None
        if last and observer:
            observer = Shielded(observer, Shield(self.plan, last.position + 1))
        running = Running(segment, statement, observer=observer)
        self.running.append(running)
        if statement and (number or self.plan.relation is None):
            statement.feed(schema, batches)
        return running

    def _rebind(self, number: int, schema: pa.Schema) -> None:
        """Bind what follows a stage whose rows decided its schema."""

        def again(step: Step) -> Step:
            nonlocal schema
            bound = bind_step(replace(step, before=schema))
            schema = bound.after
            return bound

        later = [
            replace(segment, steps=tuple(again(step) for step in segment.steps))
            for segment in self.plan.segments[number:]
        ]
        ahead = [*later[1:], None]
        tied = [
            replace(one, rejects_for=two.steps[0]) if one.rejects_for and two else one
            for one, two in zip(later, ahead, strict=True)
        ]
        segments = (*self.plan.segments[:number], *tied)
        self.plan = replace(self.plan, segments=segments, schema=schema)

    def _python(self, step: Step, batches: Batches) -> tuple[pa.Schema, Batches]:
        memory = step.stage.memory()
        if memory is not None:
            self._memories.append(memory)
        process = step.stage.marked if memory is None else memory.process
        made = self._kept(self.trouble.guard(step.place, process(batches)))
        if not step.stage.dynamic:
            return step.after, self._checked(step, step.after, made)
        first = next(made, None)
        if first is None:
            return step.after, iter(())
        return first.schema, self._checked(step, first.schema, chain((first,), made))

    def _checked(self, step: Step, schema: pa.Schema, batches: Batches) -> Batches:
        for batch in batches:
            try:
                yield _conformed(batch, schema)
            except ValueError as error:
                said = f"it gave {error}"
                if "where null was promised" in said:  # of no rows, Arrow takes nothing for a type
                    said += "; a function's types that only rows show are stated: Map(fn, schema=…)"
                raise self._remember(SchemaError(said, where=step.place)) from error

    def _remember(self, error: ArrowETLError) -> ArrowETLError:
        self.trouble.first = self.trouble.first or error
        return error

    def _observed(
        self, observer: Observer, schema: pa.Schema, batches: Batches
    ) -> tuple[pa.Schema, Batches]:
        """Show batches to an observer, and pass them on without what was meant for it alone."""

        def seen() -> Batches:
            for batch in batches:
                observer.see(batch.select([n for n in batch.schema.names if n != REJECTED]))
                yield unseen(batch)

        rest = pa.schema([field for field in schema if field.name != SEEN], schema.metadata)
        return rest, self._kept(self.trouble.guard("observer", seen()))

    def _looked_at(
        self, running: Running, schema: pa.Schema, batches: Batches
    ) -> tuple[pa.Schema, Batches]:
        """Do what the segment's last stage wants with the columns that are hidden from others."""
        if running.observer is not None:
            schema, batches = self._observed(running.observer, schema, batches)
        last = running.segment.steps[-1] if running.segment.steps else None
        if last is not None and last.sets_apart:
            schema, batches = self._split(last, SET_APART, schema, batches)
        return schema, batches

    def _split(
        self, step: Step, column: str, schema: pa.Schema, batches: Batches
    ) -> tuple[pa.Schema, Batches]:
        """Send rows that a step rejects, by a column, to the dead letters; give the others."""
        good = pa.schema([field for field in schema if field.name != column], schema.metadata)
        return good, self._kept(self._without_rejected(step, column, batches))

    def _without_rejected(self, step: Step, column: str, batches: Batches) -> Batches:
        import pyarrow.compute as pc

        for batch in batches:
            reasons, rows = batch[column], batch.drop_columns([column])
            if reasons.null_count == batch.num_rows:
                yield rows
                continue
            bad = pc.is_valid(reasons)
            fields = reasons.filter(bad).flatten()
            why = pa.RecordBatch.from_arrays(fields, names=["reason_code", "reason", "column"])
            # As they were before the step: whatever else is hidden in them, or was added.
            shield = Shield(self.plan, step.position)
            if self.rejects.keep or shield.up:
                gone = rows.filter(bad).select(step.before.names)
                self.rejects.add(step.name, shield.without_values(why, gone), shield.redacted(gone))
            else:
                self.rejects.add(step.name, why, None)
            yield rows.filter(pc.invert(bad))

    # --- counts ----------------------------------------------------------------------------

    def _rows_out(self) -> int:
        return self.running[-1].meter.rows if self.running else self.source_meter.rows

    def _expect(self, written: int, sent: int, sink: Sink) -> None:
        if written != sent:
            raise LedgerError(f"{sink.label} was given {sent:,} rows and says it put {written:,}")

    def _kept(self, batches: Batches) -> Batches:
        """Remember a generator, so that `close` can end it."""
        self._open.append(batches)
        return batches


def _side_tables(segment: Segment) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for step in segment.steps:
        if isinstance(step.stage, SQLStage):
            tables |= step.stage.side_tables()
    return tables


def _conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give the batch with exactly `schema`, and whatever only the engine sees behind it."""
    hidden = [each for each in batch.schema.names if each in HIDDEN]
    found = conform(batch.drop_columns(hidden) if hidden else batch, schema)
    for each in hidden:
        found = found.append_column(each, batch[each])
    return found


def _filled(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give the batch with all columns of the schema; those that nobody reads are null."""
    if batch.num_columns == len(schema):
        return conform(batch, schema)
    known = set(batch.schema.names)
    columns = [
        batch[each.name] if each.name in known else pa.nulls(batch.num_rows, each.type)
        for each in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
