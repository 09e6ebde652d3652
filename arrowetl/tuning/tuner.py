"""AutoTuner: settings that get better from run to run."""

from __future__ import annotations

import importlib.util
import logging
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from os import PathLike, fspath
from typing import TYPE_CHECKING

from arrowetl.errors import ConfigError, StateError, closest, did_you_mean
from arrowetl.tunable import Knob
from arrowetl.tuning.history import History, Ran
from arrowetl.tuning.task import Task

if TYPE_CHECKING:
    import pyarrow as pa

    from arrowetl.ml.surface import Trial
    from arrowetl.ml.tune import Advice

TARGETS = ("throughput", "memory", "cost")
MEASURES = ("wall", "cpu")
TROUBLES = (sqlite3.Error, OSError, ValueError, ArithmeticError, LookupError, TypeError)
"""What a history or an optimiser may raise; none of it makes a run fail."""

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_SHOWN = 3
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Proposal:
    """What a tuner chose for a run, and why.

    Attributes:
        settings: by knob.
        way: `start`, `usual`, `transfer` (what was best for tasks that are alike), `explore`,
            `exploit` (the best so far), `smallest` (nothing stays below the memory bound).
        confidence: from 0 to 1: how likely the best so far costs at most a tenth more than the
            best there is, by the model of what settings cost.
        reasons: what the runs so far say of each setting.
        runs: how many runs of this task there were.
        notes: what went wrong with the tuner, if something did.
    """

    settings: Mapping[str, int]
    way: str
    confidence: float = 0.0
    reasons: tuple[str, ...] = ()
    runs: int = 0
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in a line."""
        chosen = ", ".join(f"{name} {value:,}" for name, value in self.settings.items())
        said = f"{chosen or 'nothing to choose'}: {WAYS[self.way]}"
        sure = f", {self.confidence:.0%} sure of the best so far" if self.runs else ""
        runs = "1 run" if self.runs == 1 else f"{self.runs} runs"
        return "; ".join([f"{said}, after {runs}{sure}", *self.notes])


WAYS = {
    "start": "where it was told to begin",
    "usual": "the usual",
    "transfer": "the best for pipelines that are alike",
    "explore": "may be better than the best so far",
    "exploit": "the best so far",
    "smallest": "what takes the least memory",
}


@dataclass(frozen=True)
class AutoTuner:
    """Remembers what runs took, and chooses the settings of the next.

    `Pipeline(tuner=AutoTuner("tuning.db"))`. Chosen are rows in a batch (which is also what
    databases are handed at a time), DuckDB's threads and memory limit, rows in a Parquet row group
    and texts that a model encodes at once: those that make a difference to the pipeline, and that
    nobody has set. They change how quick it is, never what comes out; only how alike embeddings
    are may differ in the last of six digits, by the batches they were encoded in.

    The first run has the usual settings; then those are tried that promise most, by a Gaussian
    process over all runs of the pipeline (`arrowetl.ml.tune.ask`), fewer as runs go on: two of
    three up to the 20th run, then one of ten. Runs of other pipelines tell the first settings of a
    new one, as far as their rows, columns and stages are alike. Cost: some tenths of
    a second a run at most, one more in a process that hasn't loaded scikit-learn yet (the extra
    `ml`), and a few hundred bytes of history.

    A tuner never makes a run fail: if its history can't be read or written, or its model fails,
    the run has the settings that it would have had, and the result says so. Where a chosen memory
    limit isn't enough, the run starts again without it.

    Args:
        history: a SQLite file of its own; made by the first run.
        target: what is to be better: `throughput` (rows a second), `memory` (the peak), or `cost`
            (of processor and memory).
        measure: for throughput: seconds by the clock (`wall`) or of the processor (`cpu`); other
            work on the machine disturbs the first more.
        memory: what a run may take, ``"2GB"`` or a number of bytes; None for no bound. Settings
            that are expected to take more, by all that runs have shown, aren't chosen.
        cpu_second_price: for cost; what a cloud takes for a core and second, in dollars.
        gb_second_price: for cost; the same for a gigabyte of memory.
        start: settings of the first run, by knob, in place of the usual ones.
        seed: which of very many settings are weighed.

    Raises:
        ConfigError: an option makes no sense, or scikit-learn isn't there.

    >>> import tempfile
    >>> import pyarrow as pa
    >>> import arrowetl as ae
    >>> rows = pa.table({"x": range(1000)})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tuner = ae.AutoTuner(f"{folder}/tuning.db")
    ...     for _ in range(2):
    ...         pipeline = ae.Pipeline("small", tuner=tuner).extract(rows).load(ae.ArrowLoader())
    ...         pipeline = pipeline.run()
    ...     tuner.history_table().column("way").to_pylist()
    ['usual', 'explore']
    """

    history: str | PathLike[str]
    _: KW_ONLY
    target: str = "throughput"
    measure: str = "wall"
    memory: str | int | None = None
    cpu_second_price: float = 1.1e-5
    gb_second_price: float = 1.2e-6
    start: Mapping[str, int] = field(default_factory=dict, hash=False)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the options."""
        object.__setattr__(self, "history", fspath(self.history))
        for option, known in (("target", TARGETS), ("measure", MEASURES)):
            value = getattr(self, option)
            if value not in known:
                hint = did_you_mean(closest(str(value), known))
                raise ConfigError(
                    f"AutoTuner: no {option} {value!r}{hint} There are: {', '.join(known)}"
                )
        object.__setattr__(self, "memory", _bytes(self.memory))
        for name, value in self.start.items():
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"AutoTuner: start of {name!r} is a number from 1, not {value!r}")
        if importlib.util.find_spec("sklearn") is None:
            raise ConfigError(
                "AutoTuner needs the package 'sklearn', which isn't there: "
                "pip install 'arrowetl[ml]'"
            )

    def propose(
        self, task: Task, knobs: Sequence[Knob], takes: Callable[[Mapping[str, int]], float]
    ) -> Proposal:
        """Choose the settings of a task's next run; raises nothing that a run could fail by.

        Args:
            task: what is to run.
            knobs: what may be chosen.
            takes: how many bytes a run takes with some settings, at most.
        """
        usual = {knob.name: knob.usual for knob in knobs}
        if not knobs:
            return Proposal({}, "usual")
        try:
            return self._proposed(task, knobs, takes)
        except TROUBLES as error:
            note = f"the tuner was of no use: {_said(error)}"
            _LOG.warning(note)
            return Proposal(usual, "usual", notes=(note,))

    def _proposed(
        self, task: Task, knobs: Sequence[Knob], takes: Callable[[Mapping[str, int]], float]
    ) -> Proposal:
        from threadpoolctl import threadpool_limits

        from arrowetl.ml.tune import Bound, ask, recommend

        trials = self._trials(task)
        bound = Bound(float(self.memory), takes) if isinstance(self.memory, int) else None
        own = sum(trial.own for trial in trials)
        # The matrices are tiny: threads that wait for each other would take most of the time.
        with threadpool_limits(1, "blas"):
            asked = ask(knobs, trials, bound=bound, start=self.start or None, seed=self.seed)
            advice = recommend(knobs, trials, bound=bound, seed=self.seed) if own else None
        sure = advice.confidence if advice else 0.0
        return Proposal(asked.settings, asked.way.value, sure, reasons(advice, self.target), own)

    def _trials(self, task: Task) -> list[Trial]:
        return trials_of(self, task, History(self.history).runs())

    def record(self, ran: Ran) -> str | None:
        """Keep what a run took; give what went wrong with that, if something did."""
        try:
            History(self.history).add(ran)
        except TROUBLES as error:
            note = f"the run wasn't kept in the tuner's history: {_said(error)}"
            _LOG.warning(note)
            return note
        return None

    def history_table(self) -> pa.Table:
        """Give the history as a table, a run a row, in order; settings and shape as JSON text.

        Raises:
            StateError: the file is no history.
        """
        import json

        import pyarrow as pa

        runs = runs_of(self)
        plain = {
            "at": pa.string(),
            "pipeline": pa.string(),
            "task": pa.string(),
            "way": pa.string(),
            "rows": pa.int64(),
            "seconds": pa.float64(),
            "cpu_seconds": pa.float64(),
            "peak": pa.int64(),
            "error": pa.string(),
        }
        columns = {
            name: pa.array([getattr(run, name) for run in runs], kind)
            for name, kind in plain.items()
        }
        columns["cost"] = pa.array([self.cost_of(run) for run in runs], pa.float64())
        for name in ("settings", "shape"):
            texts = [json.dumps(getattr(run, name)) for run in runs]
            columns[name] = pa.array(texts, pa.string())
        return pa.table(columns)

    def cost_of(self, ran: Ran) -> float | None:
        """Give what is to be low: seconds a row, bytes, or dollars a row; None if it has none."""
        if ran.error is not None or ran.rows < 1 or ran.seconds <= 0:
            return None
        if self.target == "memory":
            return float(ran.peak)
        if self.target == "cost":
            memory = ran.peak / 1e9 * ran.seconds * self.gb_second_price
            return (ran.cpu_seconds * self.cpu_second_price + memory) / ran.rows or None
        spent = ran.seconds if self.measure == "wall" else ran.cpu_seconds
        return spent / ran.rows or None


def runs_of(tuner: AutoTuner) -> tuple[Ran, ...]:
    """Give all runs of a tuner's history, in order; none if there is no file yet.

    Raises:
        StateError: the file is no history.
    """
    try:
        return History(tuner.history).runs()
    except TROUBLES as error:
        raise StateError(
            f"{fspath(tuner.history)!r} is no tuner's history ({_said(error)}); give another "
            "file, or remove it to begin anew"
        ) from error


def trials_of(tuner: AutoTuner, task: Task, runs: Sequence[Ran]) -> list[Trial]:
    """Give what runs say of a task: its own, and those of others by how alike they are."""
    from arrowetl.ml.surface import Trial

    found = []
    for ran in runs:
        cost = tuner.cost_of(ran)
        if cost is None:
            continue
        alike = 1.0 if ran.task == task.name else task.alike(ran.kinds, ran.shape)
        found.append(Trial(ran.settings, cost, float(ran.peak), alike, ran.task))
    return found


_MATTERS = 1.02


def reasons(advice: Advice | None, target: str) -> tuple[str, ...]:
    """Say what the runs so far tell of each setting, the largest difference first."""
    unit = {"throughput": "the time a row", "memory": "the memory", "cost": "the cost"}[target]
    said = []
    for each in advice.compared if advice else ():
        if each.ratio < _MATTERS:
            continue
        said.append(
            f"{each.knob}={each.other:,} takes {each.ratio:.2f} times {unit} of "
            f"{each.value:,} (from {each.runs} runs)"
        )
    return tuple(said[:_SHOWN])


def _bytes(given: str | int | None) -> int | None:
    if given is None:
        return None
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", str(given))
    size = float(found[1]) * _UNITS.get(found[2].upper(), 0) if found else 0
    if isinstance(given, bool) or size <= 0:
        raise ConfigError(f"AutoTuner: memory is a size such as '2GB', not {given!r}")
    return int(size)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
