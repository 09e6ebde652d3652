"""A model of how settings cost: a Gaussian process over few, noisy, repeated measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from arrowetl.errors import ConfigError
from arrowetl.tunable import Knob

Numbers = npt.NDArray[np.float64]

NOISE = 0.07
"""How much timings of one setting differ, where none was repeated: 7 %."""
LEAST_NOISE = 0.02
WORST = 1.2
"""Settings that cost more than e to this (3.3 times) of the best are all as bad: one that is fifty
times as slow would hide what differs among the good ones."""
KERNELS = tuple(
    (scale, length, joint)
    for scale in (0.5, 0.25, 1.0)
    for length in (0.6, 0.3, 1.0)
    for joint in (0.2, 0.6)
)
"""The kernels that are compared (see `Additive`), the usual first. A few, and none that says of a
knob that it doesn't matter: that is too soon to say after ten runs."""
FITTED_FROM = 6
"""From so many different settings on they are compared; before, the usual is taken."""
GROUP = 3
"""Other pipelines count once they tried so many settings."""


@dataclass(frozen=True)
class Trial:
    """What a run with some settings took.

    Attributes:
        settings: by name; of knobs that it doesn't name, the usual one.
        cost: what is to be low, above 0; a tenth more is a tenth more wherever it is.
        peak: the most memory, in bytes; None if nobody looked.
        alike: 1 for a run of the very task, lower for one of another, by how alike that is.
        group: the task, of others.
    """

    settings: Mapping[str, int]
    cost: float
    peak: float | None = None
    alike: float = 1.0
    group: str = ""

    @property
    def own(self) -> bool:
        """Whether it is a run of the very task."""
        return self.alike >= 1


@dataclass(frozen=True)
class Measured:
    """What is known of one point: the median of its runs, as a logarithm."""

    point: tuple[int, ...]
    cost: float
    runs: int


def measured(knobs: Sequence[Knob], trials: Sequence[Trial]) -> list[Measured]:
    """Give what is known of each setting that was tried, in the order of the first runs.

    >>> knob = Knob("rows", (1, 2), 1)
    >>> [(each.point, each.runs) for each in measured([knob], [Trial({"rows": 2}, 5.0)] * 3)]
    [((2,), 3)]
    """
    found: dict[tuple[int, ...], list[float]] = {}
    for trial in trials:
        found.setdefault(point_of(knobs, trial.settings), []).append(float(np.log(trial.cost)))
    return [Measured(point, float(np.median(c)), len(c)) for point, c in found.items()]


def point_of(knobs: Sequence[Knob], settings: Mapping[str, int]) -> tuple[int, ...]:
    """Give the settings of the knobs, in their order."""
    return tuple(settings.get(knob.name, knob.usual) for knob in knobs)


class Surface:
    """What settings cost, by the runs there were: the logarithm's mean and deviation.

    A Gaussian process (scikit-learn's, with the kernel `arrowetl.ml.additive.Additive` over the
    settings' logarithms) whose prior mean is another one, over what pipelines that are alike
    found: how much worse than their own best each setting was (the stacked residuals of Golovin et
    al., "Google Vizier", 2017). Repeats are one point, their median, with less noise; the noise is
    what repeats say it is. A timing that fits nothing around it counts less. Cost: milliseconds,
    for hundreds of runs.

    Args:
        knobs: what may be chosen; at least one.
        trials: the runs.

    Raises:
        ConfigError: scikit-learn isn't there.
    """

    def __init__(self, knobs: Sequence[Knob], trials: Sequence[Trial]) -> None:
        """Fit it."""
        self.knobs = tuple(knobs)
        own = [trial for trial in trials if trial.own]
        self.known = measured(knobs, own)
        self.noise = _noise(knobs, trials)
        self._low, self._high = _span(knobs, trials)
        self._prior = self._of_others([trial for trial in trials if not trial.own])
        self._level = 0.0
        self._own = self._fit_own()

    def _scaled(self, points: Sequence[Sequence[int]]) -> Numbers:
        """Give points as logarithms, from 0 to 1."""
        logs = np.log2(np.array(points, np.float64).reshape(-1, len(self.knobs)))
        scaled: Numbers = (logs - self._low) / np.maximum(self._high - self._low, 1e-9)
        return scaled

    def _of_others(self, trials: Sequence[Trial]) -> Any:
        """Fit how much worse than the best of their task others' settings were."""
        points, costs, noises = [], [], []
        for group in sorted({trial.group for trial in trials}):
            runs = [trial for trial in trials if trial.group == group]
            known = measured(self.knobs, runs)
            if len(known) < GROUP:
                continue
            best = min(each.cost for each in known)
            alike = float(np.mean([trial.alike for trial in runs]))
            for each in known:
                points.append(each.point)
                costs.append(min(each.cost - best, WORST))
                noises.append((self.noise**2 / each.runs + 0.1**2) / max(alike, 0.01) ** 2)
        return _fitted(self._scaled(points), np.array(costs), np.array(noises)) if points else None

    def _fit_own(self) -> Any:
        if not self.known:
            return None
        points = self._scaled([each.point for each in self.known])
        best = min(each.cost for each in self.known)
        costs = np.array([min(each.cost, best + WORST) for each in self.known])
        rest = costs - self._expected(points)[0]
        self._level = float(np.median(rest))
        noises = self.noise**2 / np.array([each.runs for each in self.known])
        fitted = _fitted(points, rest - self._level, noises)
        # Timings that fit nothing around them: once more, with less of them.
        off = np.abs(fitted.predict(points) - (rest - self._level)) / np.sqrt(noises)
        doubtful = off > 2  # noqa: PLR2004 - standard deviations
        if doubtful.any():
            fitted = _fitted(points, rest - self._level, noises * np.where(doubtful, off / 2, 1))
        return fitted

    def _expected(self, scaled: Numbers) -> tuple[Numbers, Numbers]:
        """Give what others found of some points: mean and deviation."""
        if self._prior is None:
            return np.zeros(len(scaled)), np.zeros(len(scaled))
        mean, deviation = self._prior.predict(scaled, return_std=True)
        return mean, deviation

    @property
    def informed(self) -> bool:
        """Whether others' runs say anything."""
        return self._prior is not None

    def predict(self, points: Sequence[Sequence[int]]) -> tuple[Numbers, Numbers]:
        """Give mean and standard deviation of the cost's logarithm, noise left out."""
        scaled = self._scaled(points)
        mean, deviation = self._expected(scaled)
        if self._own is None:
            return mean, np.hypot(deviation, 0.1)
        more, own = self._own.predict(scaled, return_std=True)
        return mean + more + self._level, own

    def draws(self, points: Sequence[Sequence[int]], number: int, seed: int) -> Numbers:
        """Draw the costs' logarithms of some points together, `number` times: a row a point."""
        scaled = self._scaled(points)
        mean, deviation = self._expected(scaled)
        if self._own is None:
            around = np.random.default_rng(seed).normal(size=(len(points), number))
            return mean[:, None] + around * np.hypot(deviation, 0.1)[:, None]
        drawn: Numbers = self._own.sample_y(scaled, number, random_state=seed)
        return drawn + (mean + self._level)[:, None]

    @cached_property
    def best(self) -> float:
        """The lowest mean among what was tried."""
        return float(self.predict([each.point for each in self.known])[0].min())


def _span(knobs: Sequence[Knob], trials: Sequence[Trial]) -> tuple[Numbers, Numbers]:
    tried = [point_of(knobs, trial.settings) for trial in trials]
    by_knob = [
        [*knob.values, knob.usual, *(point[place] for point in tried)]
        for place, knob in enumerate(knobs)
    ]
    ends = np.log2(np.array([(min(values), max(values)) for values in by_knob], np.float64))
    return ends[:, 0], ends[:, 1]


def _noise(knobs: Sequence[Knob], trials: Sequence[Trial]) -> float:
    """Give how much runs of one setting differ: pooled, by the median of deviations."""
    runs: dict[tuple[str, tuple[int, ...]], list[float]] = {}
    for trial in trials:
        key = ("" if trial.own else trial.group, point_of(knobs, trial.settings))
        runs.setdefault(key, []).append(float(np.log(trial.cost)))
    off = [abs(c - np.median(costs)) for costs in runs.values() if len(costs) > 1 for c in costs]
    if not off:
        return NOISE
    # A few repeats say little: the usual noise counts as four of them. 1.48 makes it a deviation.
    said = 1.48 * float(np.median(off))
    mixed = np.sqrt((4 * NOISE**2 + len(off) * said**2) / (4 + len(off)))
    return max(float(mixed), LEAST_NOISE)


def _fitted(points: Numbers, costs: Numbers, noises: Numbers) -> Any:
    """Give the process, of a few kernels the one by which the costs are likeliest."""
    try:
        from sklearn.gaussian_process import GaussianProcessRegressor

        from arrowetl.ml.additive import Additive
    except ImportError as error:
        raise ConfigError(
            "AutoTuner needs scikit-learn, which isn't there: pip install 'arrowetl[ml]'"
        ) from error
    chosen = KERNELS if len(points) >= FITTED_FROM else KERNELS[:1]
    made = [
        GaussianProcessRegressor(Additive(*numbers), alpha=noises, optimizer=None).fit(
            points, costs
        )
        for numbers in chosen
    ]
    return max(made, key=lambda each: float(each.log_marginal_likelihood_value_))
