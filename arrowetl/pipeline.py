"""Pipeline: describe what to read, what to do and where to put it; then run it."""

from __future__ import annotations

import os
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from arrowetl.arguments import whole
from arrowetl.arrow import rebatched
from arrowetl.engines.asked import (
    allowed_rejects,
    callables,
    columns_or_all,
    contract_stages,
    destination,
    settings_of,
)
from arrowetl.engines.local import Settings
from arrowetl.engines.run import Job, load
from arrowetl.engines.streaming import Stream
from arrowetl.engines.watch import scratch_folder, terminable
from arrowetl.errors import ArrowETLError, ConfigError
from arrowetl.events import Listener
from arrowetl.observability.progress import ProgressBar
from arrowetl.planning.bind import bind
from arrowetl.planning.plan import Plan
from arrowetl.planning.rules import flows, optimise
from arrowetl.reliability.deadletters import RunFacts, check_apart
from arrowetl.result import PipelineResult, ResultFolder
from arrowetl.sources.anything import source_of
from arrowetl.stage import BATCH_ROWS, Sink, Source, Stage
from arrowetl.transforms.map import Map
from arrowetl.transforms.query import SQL

if TYPE_CHECKING:
    # What few pipelines need is imported when one does: importing all of it takes 0.15 s.
    from typing_extensions import Self

    from arrowetl.contracts import Contract
    from arrowetl.diagnosis import Diagnosis
    from arrowetl.preview import Preview
    from arrowetl.tuning.tuner import AutoTuner

Transform = Stage | str | Callable[[pa.RecordBatch], Any]


class Pipeline:
    """A source, stages and a destination. Nothing happens until `run`, `reader` or `preview`.

    Args:
        name: what it is called in results and dead letters.
        batch_size: rows in a batch, at most; 65,536 by default. It changes no result.
        memory_limit: what DuckDB may hold, for instance ``"1GB"``; more is spilled to disk.
        threads: threads of DuckDB's; as many as there are cores by default.
        dead_letters: where rejected rows go; without it they are counted, with samples.
        max_rejects: how many rows may be rejected before the run fails: a number, or a share
            below 1. Any number by default.
        ordered: whether rows keep the source's order; False is quicker, and takes less memory.
        allow_lossy: the columns that may lose something in the destination (nanoseconds, a NaN),
            or True for all; `explain` and `arrowetl types` say what. Without it that is an error.
        schema_contract: what the source's rows have to keep: a `Contract`, the path of one, or a
            mapping of `contract` and the modes of `EnforceContract`, which does it.
        tuner: an `AutoTuner`, the path of its history, or a mapping of its options: chooses the
            settings of each `run` that nobody has set, and learns from it.
        progress: whether to draw a progress bar; by default only on a terminal.
        listeners: callables that are given every event of a run (see `arrowetl.events`).

    >>> import pyarrow as pa
    >>> import arrowetl as ae
    >>> people = pa.table({"name": ["Ada", "Bob", None], "age": [36, 17, 50]})
    >>> pipeline = (
    ...     ae.Pipeline("adults")
    ...     .extract(ae.ArrowSource(people))
    ...     .transform(ae.NullRemover(columns=["name"]))
    ...     .transform("SELECT name, age FROM input WHERE age >= 18")
    ...     .load(ae.ArrowLoader())
    ...     .run()
    ... )
    >>> pipeline.result.table.to_pydict()
    {'name': ['Ada'], 'age': [36]}
    >>> [(stage.name, stage.records_in, stage.records_out) for stage in pipeline.result.stages]
    [('ArrowSource(pyarrow.Table)', 3, 3), ('NullRemover', 3, 2), ('SQL', 2, 1)]
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        batch_size: int | None = None,
        memory_limit: str | None = None,
        threads: int | None = None,
        dead_letters: Sink | None = None,
        max_rejects: float | None = None,
        ordered: bool = True,
        allow_lossy: bool | str | Sequence[str] = False,
        schema_contract: Contract | str | os.PathLike[str] | Mapping[str, Any] | None = None,
        tuner: AutoTuner | str | os.PathLike[str] | Mapping[str, Any] | None = None,
        progress: bool | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """Describe nothing yet."""
        self.name = name or "pipeline"
        self._settings = settings_of(
            batch_size=batch_size, memory_limit=memory_limit, threads=threads, ordered=ordered
        )
        self._dead_letters = (
            None if dead_letters is None else destination(dead_letters, "dead_letters")
        )
        self._max_rejects = allowed_rejects(max_rejects)
        self._allow_lossy = columns_or_all(allow_lossy)
        self._tuner = _tuner(tuner)
        self._progress = progress
        self._listeners = callables(listeners)
        self._source: Source | None = None
        self._contract = contract_stages(schema_contract)
        self._added: list[Stage] = []
        self._sink: Sink | None = None
        self._result: PipelineResult | None = None
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()

    def extract(self, source: Any) -> Pipeline:
        """Read from a source, or from whatever holds rows.

        A path is read by its ending (CSV, JSON, Parquet); a list of dicts, an iterator of them, or
        a function that gives one, as `PythonSource` does; tables, data frames and streams as
        `ArrowSource` does. Of another pipeline the source and the stages come before this one's,
        in one plan; one that has settings or dead letters of its own runs by itself, and its rows
        stream into this one. Its destination is left alone.

        Raises:
            ConfigError: nothing reads it, or the pipeline has a source already.
        """
        if self._source is not None:
            raise ConfigError(f"the pipeline reads from {self._source.label} already")
        if not isinstance(source, Pipeline):
            self._source = source_of(source)
        elif source._source is not None and source._plain:  # noqa: SLF001 - another of its kind
            self._source = source._source  # noqa: SLF001
            self._added[:0] = source._added  # noqa: SLF001
        else:
            self._source = _Inner(source)
        return self

    @property
    def _plain(self) -> bool:
        """Whether it has nothing of its own but a source and stages."""
        others = self._listeners or self._contract or self._tuner or None
        own = (self._dead_letters, self._max_rejects, others)
        return own == (None, None, None) and self._settings == Settings()

    def transform(self, stage: Transform) -> Pipeline:
        """Add a stage: one of ours, a SELECT over `input`, or a function over a batch."""
        match stage:
            case Stage():
                self._added.extend(stage.stages)
            case str():
                self._added.append(SQL(stage))
            case _ if callable(stage):
                self._added.append(Map(stage))
            case _:
                raise ConfigError(
                    f"transform takes a stage, a SELECT or a function over a batch, not {stage!r}"
                )
        return self

    def load(self, sink: Sink) -> Pipeline:
        """Put the rows into `sink`."""
        found = destination(sink, "load")
        if self._sink is not None:
            raise ConfigError(f"the pipeline loads into {self._sink.label} already")
        check_apart(found, self._dead_letters)
        self._sink = found
        return self

    def run(self) -> Pipeline:
        """Run it: all rows arrive, or the destination is as it was. `result` says what happened.

        Raises:
            SchemaError: columns or types don't fit; nothing was read.
            ArrowETLError: what else went wrong, by kind.
        """
        if self._sink is None:
            raise ConfigError("nothing to load into: add .load(...), or use .reader()")
        folder = ResultFolder()
        sink = self._sink
        with scratch_folder() as scratch:
            job = self._job(scratch, sink, folder, ProgressBar(on=self._progress))
            if self._tuner is not None:
                from arrowetl.tuning.session import tuned

                replan = partial(self._planned, scratch)
                job, sink = tuned(self._tuner, job, self._stages, sink, replan=replan)
            load(job, sink)
        table = getattr(sink, "table", None)  # others have one too: its name
        self._result = folder.result(table if isinstance(table, pa.Table) else None)
        return self

    @property
    def result(self) -> PipelineResult:
        """What the last run did.

        Raises:
            ConfigError: it hasn't been run.
        """
        if self._result is None:
            raise ConfigError("there is no result before run()")
        return self._result

    def plan(self) -> Plan:
        """Give what would run, as a value; `str` of it is what `explain` prints.

        That the destination is there already, and may not be, is a note of it.

        Raises:
            SchemaError: columns or types don't fit.
        """
        with scratch_folder() as scratch:
            return self._planned(scratch, self._stages, self._sink, rows=False)

    def explain(self, *, analyze: bool = False) -> None:
        """Print what would run; with `analyze`, run it too: rows, sizes, seconds and memory."""
        print(self.plan())  # noqa: T201 - printing is what it is for
        if self._tuner is not None and self._sink is not None:
            from arrowetl.tuning.session import proposed

            with scratch_folder() as scratch:
                job = self._job(scratch, self._sink, rows=False)
            print(f"Tuner    {proposed(self._tuner, job, self._stages, self._sink)}")  # noqa: T201
        if analyze:
            print(self.run().result)  # noqa: T201

    def reader(self) -> pa.RecordBatchReader:
        """Give the rows as an Arrow stream; the destination, if there is one, is left alone.

        Counts are checked, and `result` is there, once the last row was read.
        """
        stream = self._stream()
        self._streams.add(stream)
        return stream.reader()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.reader().__arrow_c_stream__(requested_schema)

    def preview(self, limit: int = 20) -> Preview:
        """Give the first rows that would arrive; nothing is written."""
        from arrowetl.preview import previewed

        whole(limit, "limit")
        with terminable():
            return previewed(partial(self._stream, remembers=False), limit)

    def diagnose(self) -> Diagnosis:
        """Try each connection and each permission that a run will need, as `arrowetl doctor` does.

        Reads no rows, changes nothing, and raises nothing for what doesn't work.
        """
        from arrowetl.diagnosis import diagnose

        return diagnose(
            self.name,
            self._described_source,
            self._stages,
            self._sink,
            dead_letters=self._dead_letters,
            allow_lossy=self._allow_lossy,
        )

    def close(self) -> None:
        """Let go of streams that were not read to their end."""
        for stream in list(self._streams):
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        parts = [
            f"Pipeline({self.name!r})",
            *([f"extract({self._source.label})"] if self._source else []),
            *[f"transform({stage.label})" for stage in self._stages],
            *([f"load({self._sink.label})"] if self._sink else []),
        ]
        return ".".join(parts)

    def _repr_html_(self) -> str:
        import html

        try:
            shown = str(self.plan())
        except ArrowETLError as error:  # a pipeline that isn't whole yet is looked at, too
            shown = f"{self!r}\n{type(error).__name__}: {error}"
        return f"<pre>{html.escape(shown)}</pre>"

    @property
    def _described_source(self) -> Source:
        if self._source is None:
            raise ConfigError("nothing to read from: add .extract(...)")
        return self._source

    @property
    def _stages(self) -> list[Stage]:
        """All stages: those of the contract directly behind the source."""
        return [*self._contract, *self._added]

    def _planned(
        self,
        scratch: Path,
        stages: Sequence[Stage],
        sink: Sink | None,
        *,
        rows: bool | None = None,
    ) -> Plan:
        """Plan it; to be glanced at only, with some rows or none, if `rows` isn't None."""
        plan = bind(
            self.name,
            self._described_source,
            list(stages),
            sink,
            scratch=scratch,
            ordered=self._settings.ordered,
            allow_lossy=self._allow_lossy,
            dead_letters=self._dead_letters,
            rows=rows,
        )
        return optimise(plan)

    def _job(
        self, scratch: Path, sink: Sink | None, *listeners: Listener, rows: bool | None = None
    ) -> Job:
        facts = RunFacts(uuid.uuid4().hex, self.name, datetime.now(timezone.utc))
        return Job(
            self._planned(scratch, self._stages, sink, rows=rows),
            self._settings,
            facts,
            scratch,
            self._dead_letters,
            self._max_rejects,
            (*listeners, *self._listeners),
        )

    def _stream(
        self, *, remembers: bool = True, careful: bool = False, glance: bool = False
    ) -> Stream:
        """Set it going without a destination; see `Stream`. At a glance little is looked over."""

        def job(scratch: Path, listener: Listener) -> Job:
            if glance:
                glanced = self._job(scratch, None, listener, rows=True)
                if flows(glanced.plan):
                    return glanced
            return self._job(scratch, None, listener)

        return Stream(job, self._ended, remembers=remembers, careful=careful)

    def _ended(self, result: PipelineResult) -> None:
        self._result = result


def _tuner(
    given: AutoTuner | str | os.PathLike[str] | Mapping[str, Any] | None,
) -> AutoTuner | None:
    if given is None:
        return None
    from arrowetl.tuning.session import tuner_of

    return tuner_of(given)


@dataclass(frozen=True)
class _Inner(Source):
    """The rows of a pipeline that runs by itself, with its own counts and dead letters."""

    pipeline: Pipeline

    def schema(self) -> pa.Schema:
        """Give what arrives at its end; nothing runs, unless its rows decide what that is."""
        plan = self.pipeline.plan()
        for step in plan.steps:
            if step.stage.memory() is not None:
                # It would count as seen what the outer run may never deliver.
                raise ConfigError(
                    f"{step.place} remembers its rows, and pipeline {self.pipeline.name!r} with "
                    "settings of its own can't tell whether they arrive: put it in the outer one"
                )
        if not _is_dynamic(plan):
            return plan.schema
        with closing(self.pipeline._stream(remembers=False)) as stream:  # noqa: SLF001
            return stream.schema

    def scan(
        self, *, columns: Sequence[str] | None = None, batch_size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Run it; its counts are checked, its dead letters delivered, when all rows came out."""
        with self.pipeline.reader() as reader:
            for batch in rebatched(reader, batch_size):
                yield batch if columns is None else batch.select(list(columns))

    @property
    def label(self) -> str:
        """The pipeline's name."""
        return f"Pipeline({self.pipeline.name!r})"


def _is_dynamic(plan: Plan) -> bool:
    return any(step.stage.dynamic for step in plan.steps)
