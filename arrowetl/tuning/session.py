"""A run with a tuner: settings chosen before it, what it took kept after it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from arrowetl.engines.run import Job
from arrowetl.errors import ConfigError, closest, did_you_mean
from arrowetl.events import Event, Listener, RunEnded, RunStarted, StageCounted, Tuned
from arrowetl.planning.plan import Plan
from arrowetl.stage import Sink, Stage
from arrowetl.tuning.history import Ran
from arrowetl.tuning.task import Task, knobs_of, memory_of, set_to, task_of
from arrowetl.tuning.tuner import AutoTuner, Proposal

Replan = Callable[[Sequence[Stage], Sink], Plan]
"""Makes the plan of other stages and another destination."""

_OPTIONS = (
    "history",
    "target",
    "measure",
    "memory",
    "cpu_second_price",
    "gb_second_price",
    "start",
    "seed",
)


def tuner_of(
    given: AutoTuner | str | os.PathLike[str] | Mapping[str, Any],
) -> AutoTuner:
    """Give the tuner that a pipeline is given: itself, by its history's path, or by its options.

    Raises:
        ConfigError: options make no sense.
    """
    if isinstance(given, AutoTuner):
        return given
    if not isinstance(given, Mapping):
        return AutoTuner(given)
    for key in given:
        if key not in _OPTIONS:
            hint = did_you_mean(closest(str(key), _OPTIONS))
            raise ConfigError(f"Pipeline: tuner has no {key!r}{hint}")
    if "history" not in given:
        raise ConfigError("Pipeline: tuner has no history; give the path of a file for it")
    return AutoTuner(**given)


def proposed(tuner: AutoTuner, job: Job, stages: Sequence[Stage], sink: Sink) -> Proposal:
    """Choose the settings of a job's run."""
    knobs = knobs_of(job.plan, job.settings, stages, sink)
    return tuner.propose(task_of(job.plan), knobs, lambda chosen: memory_of(job.plan, chosen))


def tuned(
    tuner: AutoTuner, job: Job, stages: Sequence[Stage], sink: Sink, *, replan: Replan
) -> tuple[Job, Sink]:
    """Give the job, and the destination, with the settings that the tuner chose.

    Args:
        tuner: chooses, and keeps what the run takes.
        job: what would run without it.
        stages: the plan's.
        sink: the plan's.
        replan: plans again, if settings of stages or of the destination were chosen.
    """
    proposal = proposed(tuner, job, stages, sink)
    chosen = proposal.settings
    others = [stage.tuned(chosen) for stage in stages]
    other = sink.tuned(chosen)
    changed = other is not sink or any(a is not b for a, b in zip(others, stages, strict=True))
    keeper = _Keeper(tuner, task_of(job.plan), proposal, tuple(job.listeners))
    return (
        replace(
            job,
            plan=replan(others, other) if changed else job.plan,
            settings=set_to(job.settings, chosen),
            fallback=job.settings if "memory_mb" in chosen else None,
            listeners=(*job.listeners, keeper),
        ),
        other,
    )


@dataclass
class _Keeper:
    """A listener that keeps what a run took, and tells the others what was chosen."""

    tuner: AutoTuner
    task: Task
    proposal: Proposal
    listeners: Sequence[Listener]
    _at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    _before: float = 0.0
    _rows: int = 0

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._at, self._before = event.at, time.process_time()
            case StageCounted() if event.position == 0:
                self._rows = event.records_in
            case RunEnded():
                self._end(event)
            case _:
                pass

    def _end(self, event: RunEnded) -> None:
        note = self.tuner.record(
            Ran(
                self._at.isoformat(),
                self.task.pipeline,
                self.task.name,
                self.task.kinds,
                self.task.shape,
                self.proposal.settings,
                self.proposal.way,
                self._rows,
                event.seconds,
                time.process_time() - self._before,
                event.peak_memory_bytes,
                None if event.error is None else event.error.partition(":")[0],
            )
        )
        notes = (*self.proposal.notes, *([note] if note else []))
        told = Tuned(
            event.run_id,
            self.proposal.settings,
            self.proposal.way,
            self.proposal.confidence,
            self.proposal.runs,
            self.proposal.reasons,
            notes,
        )
        for listener in self.listeners:
            listener(told)
