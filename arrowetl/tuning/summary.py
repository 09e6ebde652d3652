"""What a tuner's history says: each task's runs, and the settings that are best for it so far."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from arrowetl.errors import ConfigError, StateError, closest, did_you_mean
from arrowetl.result import size_text
from arrowetl.tunable import Knob
from arrowetl.tuning.history import Ran
from arrowetl.tuning.task import Task
from arrowetl.tuning.tuner import TROUBLES, AutoTuner, reasons, runs_of, trials_of

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class RunSummary:
    """One run.

    Attributes:
        run: which of its task's runs it was, from 1.
        at: when it began, as ISO 8601 in UTC.
        settings: by knob.
        way: why it had them: `start`, `usual`, `transfer`, `explore`, `exploit`, `smallest`.
        rows: how many came in.
        seconds: by the clock.
        cpu_seconds: of all threads.
        peak: the most resident memory, in bytes.
        error: why it failed; None if it arrived.
        cost: what the target wants to be low, in the summary's unit; None if it has none.
        over: whether it took more memory than the tuner may.
        best: whether it cost less than all runs before it.
        best_so_far: the least that a run up to here cost.
    """

    run: int
    at: str
    settings: Mapping[str, int]
    way: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak: int
    error: str | None
    cost: float | None
    over: bool
    best: bool
    best_so_far: float | None


@dataclass(frozen=True)
class Recommendation:
    """The settings that are best by the model of what settings cost, not by the luckiest run.

    Attributes:
        settings: by knob.
        confidence: from 0 to 1: how likely they cost at most a tenth more than the best there is.
        cost: what they are expected to cost, in the summary's unit; None if nothing that was tried
            stays below the memory bound.
        usual_cost: the median of the runs with the usual settings; None if there was none.
        reasons: what the runs say of each setting, the largest difference first.
    """

    settings: Mapping[str, int]
    confidence: float
    cost: float | None
    usual_cost: float | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskSummary:
    """A pipeline over input of about a size.

    Attributes:
        pipeline: its name.
        task: what tells it from the pipeline's other tasks.
        input: its size, about, and its columns.
        total: how many runs there were.
        runs: those that are shown, in order.
        recommendation: None if no run arrived.
    """

    pipeline: str
    task: str
    input: str
    total: int
    runs: tuple[RunSummary, ...]
    recommendation: Recommendation | None

    @property
    def best(self) -> RunSummary | None:
        """The run that cost least, of those that are shown."""
        return next((each for each in reversed(self.runs) if each.best), None)


@dataclass(frozen=True)
class TuningSummary:
    """A history: its tasks, the one that ran first first. `str` is a text.

    Attributes:
        history: the file.
        target: what is to be better.
        measure: whose seconds count, for throughput.
        memory: what a run may take, in bytes; None for any.
        unit: of all costs.
        tasks: with their runs.
    """

    history: str
    target: str
    measure: str
    memory: int | None
    unit: str
    tasks: tuple[TaskSummary, ...]

    def last(self, runs: int) -> TuningSummary:
        """Give another one with the last runs of each task only; what is best stays as it is."""
        return replace(
            self, tasks=tuple(replace(each, runs=each.runs[-runs:]) for each in self.tasks)
        )

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """Give it as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=indent)

    def to_svg(self) -> str:
        """Give the cost by run, a panel a task, as a drawing that is complete in itself."""
        from arrowetl.tuning._summary_page import drawn

        return drawn(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file, in the form that its ending says: svg or json.

        Raises:
            ConfigError: it is another ending.
            OSError: the file can't be written.
        """
        forms = {".svg": self.to_svg, ".json": self.to_json}
        form = forms.get(Path(path).suffix.lower())
        if form is None:
            raise ConfigError(f"a plot is saved as .svg, its values as .json, not {fspath(path)!r}")
        Path(path).write_text(form() + "\n", encoding="utf-8")

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=140, no_color=True)
        with console.capture() as captured:
            console.print(self)
        return captured.get().rstrip()

    def __rich__(self) -> RenderableType:
        from arrowetl.tuning._summary_page import rendered

        return rendered(self)


def summary_of(tuner: AutoTuner, *, pipeline: str | None = None) -> TuningSummary:
    """Say what a tuner's history holds, and what it recommends by it.

    Cost: the model is fitted once a task, some 30 ms each.

    Args:
        tuner: its history, and what it wants to be better.
        pipeline: the name of the one to look at; None for all.

    Raises:
        ConfigError: there is no such file, or the pipeline never ran with it.
        StateError: the file is no history, or holds no runs.

    >>> import tempfile
    >>> from arrowetl.tuning.history import History
    >>> ran = Ran("2026-01-01T00:00:00+00:00", "orders", "a", (), {}, {"threads": 2}, "usual",
    ...           1000, 0.5, 0.9, 200_000_000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tuner = AutoTuner(f"{folder}/tuning.db")
    ...     History(tuner.history).add(ran)
    ...     found = summary_of(tuner)
    >>> found.tasks[0].runs[0].cost, found.unit, found.tasks[0].recommendation.settings
    (500.0, 'µs a row', {'threads': 2})
    """
    runs = _kept(tuner)
    names = list(dict.fromkeys(ran.pipeline for ran in runs))
    if pipeline is not None and pipeline not in names:
        raise ConfigError(
            f"no run of {pipeline!r} in {fspath(tuner.history)!r}"
            f"{did_you_mean(closest(pipeline, names))} There are: {', '.join(names)}"
        )
    unit, scale = _unit(tuner)
    tasks = dict.fromkeys(ran.task for ran in runs if pipeline in {None, ran.pipeline})
    memory = tuner.memory if isinstance(tuner.memory, int) else None
    try:
        found = tuple(_task(tuner, task, runs, scale) for task in tasks)
    except (*TROUBLES, AttributeError) as error:
        raise StateError(
            f"{fspath(tuner.history)!r} holds runs that no tuner wrote "
            f"({type(error).__name__}: {error}); give another file, or remove it to begin anew"
        ) from error
    return TuningSummary(fspath(tuner.history), tuner.target, tuner.measure, memory, unit, found)


def _kept(tuner: AutoTuner) -> Sequence[Ran]:
    history = fspath(tuner.history)
    begin = f"a pipeline writes it when it runs with a tuner: Pipeline(tuner={history!r})"
    if not Path(history).exists():
        raise ConfigError(f"{history!r} isn't there; {begin}")
    runs = runs_of(tuner)
    if not runs:
        raise StateError(f"{history!r} holds no runs; {begin}")
    return runs


def _unit(tuner: AutoTuner) -> tuple[str, float]:
    """Give the unit in which people read costs, and how many of it the tuner's own has."""
    if tuner.target == "memory":
        return "MiB", 1 / (1 << 20)
    if tuner.target == "cost":
        return "$ a billion rows", 1e9
    return "µs a row" if tuner.measure == "wall" else "CPU µs a row", 1e6


def _task(tuner: AutoTuner, name: str, runs: Sequence[Ran], scale: float) -> TaskSummary:
    own = [ran for ran in runs if ran.task == name]
    last = own[-1]
    task = Task(name, last.pipeline, last.kinds, last.shape)
    return TaskSummary(
        pipeline=last.pipeline,
        task=name,
        input=_input(last.shape),
        total=len(own),
        runs=tuple(_runs(tuner, own, scale)),
        recommendation=_recommended(tuner, task, runs, scale),
    )


def _input(shape: Mapping[str, float]) -> str:
    """Say how large input is; a source that doesn't know its size has none."""
    columns = round(10 ** shape.get("columns", 0.0))
    size = shape.get("bytes", 0.0)
    said = f"about {size_text(10**size)}" if size > 0 else "of unknown size"
    return f"{said}, {columns} {'column' if columns == 1 else 'columns'}"


def _runs(tuner: AutoTuner, own: Sequence[Ran], scale: float) -> Iterator[RunSummary]:
    least: float | None = None
    for place, ran in enumerate(own, 1):
        found = tuner.cost_of(ran)
        cost = None if found is None else found * scale
        over = isinstance(tuner.memory, int) and ran.peak > tuner.memory
        best = cost is not None and not over and (least is None or cost < least)
        least = cost if best else least
        yield RunSummary(
            place,
            ran.at,
            ran.settings,
            ran.way,
            ran.rows,
            ran.seconds,
            ran.cpu_seconds,
            ran.peak,
            ran.error,
            cost,
            over,
            best,
            least,
        )


def _recommended(
    tuner: AutoTuner, task: Task, runs: Sequence[Ran], scale: float
) -> Recommendation | None:
    """Give the best settings; those that a plan would allow but no run had aren't known here."""
    from arrowetl.ml.tune import Bound, recommend

    arrived = [ran for ran in runs if ran.task == task.name and tuner.cost_of(ran) is not None]
    if not arrived:
        return None
    knobs = knobs_tried(arrived)
    bound = Bound(float(tuner.memory)) if isinstance(tuner.memory, int) else None
    advice = recommend(knobs, trials_of(tuner, task, runs), bound=bound, seed=tuner.seed)
    usual = {knob.name: knob.usual for knob in knobs}
    costs = [tuner.cost_of(ran) or 0.0 for ran in arrived if {**usual, **ran.settings} == usual]
    return Recommendation(
        advice.settings,
        advice.confidence,
        None if advice.cost is None else advice.cost * scale,
        median(costs) * scale if costs else None,
        reasons(advice, tuner.target),
    )


def knobs_tried(runs: Sequence[Ran]) -> tuple[Knob, ...]:
    """Give the knobs that runs had, with the values that were tried.

    The usual value is that of the run which had the usual settings, else the most common one.

    Raises:
        ValueError: a setting is below 1.

    >>> ran = Ran("", "p", "t", (), {}, {"threads": 2}, "usual", 1, 1.0, 1.0, 1)
    >>> knobs_tried([replace(ran, settings={"threads": 1}, way="explore"), ran])
    (Knob(name='threads', values=(1, 2), usual=2),)
    """
    names = dict.fromkeys(name for ran in runs for name in ran.settings)
    found = []
    for name in names:
        having = [ran for ran in runs if name in ran.settings]
        values = [ran.settings[name] for ran in having]
        if min(values) < 1:
            raise ValueError(f"{name} of {min(values)}")
        usual = [ran.settings[name] for ran in having if ran.way == "usual"]
        common = Counter(values).most_common(1)[0][0]
        found.append(Knob(name, tuple(sorted(set(values))), usual[-1] if usual else common))
    return tuple(found)
