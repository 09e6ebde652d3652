"""Settings that cost little, found by trying: which to try next, and which are the best so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product
from math import prod

import numpy as np

from arrowetl.ml.surface import Numbers, Surface, Trial, point_of
from arrowetl.tunable import Knob

Settings = Mapping[str, int]
Point = tuple[int, ...]

CLOSE = 0.1
"""What counts as good as the best: a tenth more."""
LOOKED_AT = 2048
"""Settings that are weighed at a time, at most; of more, as many are drawn."""
SEARCHED, SETTLED = 8, 20
"""Runs that look for better settings; runs from which on the best are kept to, mostly."""
AGAIN, SELDOM = 3, 10
"""Meanwhile each third run repeats the best so far; then each tenth looks for better ones."""
WORTH = 0.01
"""A run isn't spent on what promises less than 1 %."""
DRAWS = 256
FAMILIAR = 0.5
"""How alike others have to be that a task begins with their best instead of the usual."""


class Way(str, Enum):
    """Why settings were chosen."""

    START = "start"
    """Nothing is known yet."""
    USUAL = "usual"
    """The usual ones, to compare with."""
    TRANSFER = "transfer"
    """What is best for tasks that are alike."""
    EXPLORE = "explore"
    """They may be better than the best so far."""
    EXPLOIT = "exploit"
    """They are the best so far."""
    SMALLEST = "smallest"
    """Nothing stays below the memory bound: what takes the least of it."""


@dataclass(frozen=True)
class Asked:
    """What to run next, and why."""

    settings: Settings
    way: Way


@dataclass(frozen=True)
class Compared:
    """How much more a task costs with another value of one knob, all else equal.

    Attributes:
        knob: its name.
        value: the one that is recommended.
        other: another one that was tried.
        ratio: the other's cost over this one's, as the model has it.
        runs: how many had either.
    """

    knob: str
    value: int
    other: int
    ratio: float
    runs: int


@dataclass(frozen=True)
class Advice:
    """The best settings so far.

    Attributes:
        settings: by name.
        confidence: from 0 to 1: in what share of 256 draws from the model they cost at most a
            tenth more than the best settings there are.
        cost: what they are expected to cost.
        compared: with what else was tried, the largest difference first.
    """

    settings: Settings
    confidence: float
    cost: float | None
    compared: tuple[Compared, ...] = ()


@dataclass(frozen=True)
class Bound:
    """How much memory settings may take.

    What was measured corrects what is predicted: if a run took more, all are taken to need more by
    that factor; and nothing is chosen that is as large, in every knob, as what exceeded the bound.

    Args:
        limit: in bytes; None for any.
        predict: gives an upper bound of what settings take; more with each knob.
    """

    limit: float | None = None
    predict: Callable[[Settings], float] = lambda settings: 0.0  # noqa: ARG005

    def learned(self, trials: Sequence[Trial]) -> Callable[[Settings], bool]:
        """Give what says whether settings stay below the bound, by all that is known."""
        if self.limit is None:
            return lambda settings: True  # noqa: ARG005
        limit = self.limit
        peaks = [(each.settings, each.peak) for each in trials if each.own and each.peak]
        ratios = [peak / max(self.predict(settings), 1.0) for settings, peak in peaks]
        factor = max([1.0, *ratios])
        over = [settings for settings, peak in peaks if peak > limit]

        def fits(settings: Settings) -> bool:
            if self.predict(settings) * factor > limit:
                return False
            return not any(_as_large(settings, each) for each in over)

        return fits


def _as_large(settings: Settings, other: Settings) -> bool:
    return all(value >= other.get(name, value) for name, value in settings.items())


def ask(
    knobs: Sequence[Knob],
    trials: Sequence[Trial],
    *,
    bound: Bound | None = None,
    start: Settings | None = None,
    seed: int = 0,
) -> Asked:
    """Give the settings to run next.

    The first run has the settings of `start`; else what is best for tasks that are alike, or the
    usual. Then the expected improvement decides (Mockus 1978; Jones et al. 1998), and the more
    runs there were, the more of them have the best so far: up to the 8th all look for better ones;
    up to the 20th two of three; from then on one of ten, and only where 1 % or more is expected.
    Equal arguments give equal answers.

    Args:
        knobs: what may be chosen.
        trials: what there was, in order.
        bound: of memory.
        start: where to begin; of knobs that it leaves out, the usual.
        seed: which settings are drawn where there are too many to weigh all.

    >>> knob = Knob("rows", (10, 100, 1000), 100)
    >>> ask([knob], [])
    Asked(settings={'rows': 100}, way=<Way.USUAL: 'usual'>)
    >>> runs = [Trial({"rows": rows}, 1 / rows) for rows in (10, 100)]
    >>> ask([knob], runs)
    Asked(settings={'rows': 1000}, way=<Way.EXPLORE: 'explore'>)
    """
    fits = (bound or Bound()).learned(trials)
    own = [trial for trial in trials if trial.own]
    begun = _begin(knobs, trials, fits, start)
    if begun is not None:
        return begun
    possible = _candidates(knobs, own, fits, seed)
    if not possible:
        return _smallest(knobs, bound)
    if not own:
        return Asked(_named(knobs, _nearest(knobs, possible, start)), Way.USUAL)
    surface = Surface(knobs, trials)
    best = _best(surface, knobs, fits) or possible[0]
    if _turn(len(own)):
        gains = _gains(surface, possible)
        place = int(np.argmax(gains))
        if gains[place] >= WORTH or len(own) < SEARCHED:
            return Asked(_named(knobs, possible[place]), Way.EXPLORE)
    return Asked(_named(knobs, best), Way.EXPLOIT)


def recommend(
    knobs: Sequence[Knob],
    trials: Sequence[Trial],
    *,
    bound: Bound | None = None,
    seed: int = 0,
) -> Advice:
    """Give the best settings so far, how sure that is, and what else was tried.

    The best are those with the lowest mean in the model, not the luckiest run. Where nothing was
    run they are what is best for tasks that are alike, or the usual.

    >>> knob = Knob("rows", (10, 100, 1000), 100)
    >>> runs = [Trial({"rows": rows}, 1 / rows) for rows in (10, 100, 1000, 1000)]
    >>> advice = recommend([knob], runs)
    >>> advice.settings, advice.confidence
    ({'rows': 1000}, 1.0)
    >>> [(each.other, each.runs) for each in advice.compared]
    [(10, 3), (100, 3)]
    """
    fits = (bound or Bound()).learned(trials)
    own = [trial for trial in trials if trial.own]
    possible = _candidates(knobs, own, fits, seed)
    if not knobs or not possible:
        return Advice(_smallest(knobs, bound).settings if knobs else {}, 0.0, None)
    if not trials:
        usual = tuple(knob.usual for knob in knobs)
        usual = usual if fits(_named(knobs, usual)) else possible[0]
        return Advice(_named(knobs, usual), 0.0, None)
    surface = Surface(knobs, trials)
    best = _best(surface, knobs, fits)
    if best is None:
        best = possible[int(np.argmin(surface.predict(possible)[0]))]
    weighed = [best, *(point for point in possible[:512] if point != best)]
    drawn = surface.draws(weighed, DRAWS, seed)
    within = drawn[0] <= drawn.min(axis=0) + np.log1p(CLOSE)
    cost = float(np.exp(surface.predict([best])[0][0])) if own else None
    compared = _compared(surface, knobs, own, best)
    return Advice(_named(knobs, best), float(within.mean()), cost, compared)


def _begin(
    knobs: Sequence[Knob],
    trials: Sequence[Trial],
    fits: Callable[[Settings], bool],
    start: Settings | None,
) -> Asked | None:
    """Give what the first runs have; None once the model decides."""
    own = [trial for trial in trials if trial.own]
    usual = {knob.name: knob.usual for knob in knobs}
    begun = {**usual, **{name: start[name] for name in usual if start and name in start}}
    if not own:
        if start is None and any(trial.alike >= FAMILIAR for trial in trials):
            surface = Surface(knobs, trials)
            possible = _candidates(knobs, [], fits, 0)
            if possible and surface.informed:
                place = int(np.argmin(surface.predict(possible)[0]))
                return Asked(_named(knobs, possible[place]), Way.TRANSFER)
        if fits(begun):
            return Asked(begun, Way.START if start else Way.USUAL)
        return None
    tried = [point_of(knobs, trial.settings) for trial in own]
    if len(own) == 1 and fits(usual) and point_of(knobs, usual) not in tried:
        return Asked(usual, Way.USUAL)
    return None


def _nearest(knobs: Sequence[Knob], points: Sequence[Point], start: Settings | None) -> Point:
    """Give the point that is nearest to where runs would begin, if that weren't over the bound."""
    wanted = np.log2([(start or {}).get(knob.name, knob.usual) for knob in knobs])
    apart = np.abs(np.log2(np.array(points, np.float64)) - wanted).sum(axis=1)
    return points[int(np.argmin(apart))]


def _turn(runs: int) -> bool:
    """Whether the run after so many looks for better settings."""
    if runs < SEARCHED:
        return True
    if runs < SETTLED:
        return runs % AGAIN != 0
    return runs % SELDOM == 0


def _candidates(
    knobs: Sequence[Knob], own: Sequence[Trial], fits: Callable[[Settings], bool], seed: int
) -> list[Point]:
    """Give settings that may be chosen, those that were tried first."""
    tried = dict.fromkeys(point_of(knobs, trial.settings) for trial in own)
    sizes = [len(knob.values) for knob in knobs]
    if prod(sizes) <= LOOKED_AT:
        others = list(product(*(knob.values for knob in knobs)))
    else:
        drawn = np.random.default_rng(seed).integers(0, sizes, (LOOKED_AT, len(sizes)))
        others = [
            tuple(knob.values[place] for knob, place in zip(knobs, row, strict=True))
            for row in drawn
        ]
        others += [point for each in tried for point in _beside(knobs, each)]
    possible = dict.fromkeys([*tried, *others])
    return [point for point in possible if fits(_named(knobs, point))]


def _beside(knobs: Sequence[Knob], point: Point) -> list[Point]:
    """Give the points that differ in one knob."""
    return [
        (*point[:place], value, *point[place + 1 :])
        for place, knob in enumerate(knobs)
        for value in knob.values
    ]


def _gains(surface: Surface, points: Sequence[Point]) -> Numbers:
    """Give the improvement that is expected of each point, as a share of the cost."""
    from scipy.stats import norm

    mean, deviation = surface.predict(points)
    deviation = np.maximum(deviation, 1e-9)
    better = surface.best - mean
    off = better / deviation
    gains: Numbers = better * norm.cdf(off) + deviation * norm.pdf(off)
    return gains


def _best(
    surface: Surface, knobs: Sequence[Knob], fits: Callable[[Settings], bool]
) -> Point | None:
    """Give the best of what was tried and stays below the bound."""
    tried = [each.point for each in surface.known if fits(_named(knobs, each.point))]
    return tried[int(np.argmin(surface.predict(tried)[0]))] if tried else None


def _smallest(knobs: Sequence[Knob], bound: Bound | None) -> Asked:
    """Give the settings that take the least memory."""
    point = tuple(min(knob.values) for knob in knobs)
    return Asked(_named(knobs, point), Way.SMALLEST if bound else Way.USUAL)


def _named(knobs: Sequence[Knob], point: Point) -> dict[str, int]:
    return {knob.name: value for knob, value in zip(knobs, point, strict=True)}


def _compared(
    surface: Surface, knobs: Sequence[Knob], own: Sequence[Trial], best: Point
) -> tuple[Compared, ...]:
    """Compare the best settings with each other value that was tried of one of them."""
    points = [point_of(knobs, trial.settings) for trial in own]
    found = []
    for place, knob in enumerate(knobs):
        used = [point[place] for point in points]
        for other in sorted(set(used) - {best[place]}):
            beside = (*best[:place], other, *best[place + 1 :])
            means = surface.predict([best, beside])[0]
            ratio = float(np.exp(means[1] - means[0]))
            runs = used.count(other) + used.count(best[place])
            found.append(Compared(knob.name, best[place], other, ratio, runs))
    return tuple(sorted(found, key=lambda each: -abs(np.log(each.ratio))))
