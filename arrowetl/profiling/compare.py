"""Two profiles compared: what has changed in the data, and whether chance alone explains it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from arrowetl.errors import ConfigError, closest, did_you_mean
from arrowetl.profiling.profile import ColumnProfile, Profile

if TYPE_CHECKING:
    from rich.console import RenderableType

SEVERITIES = ("info", "warning", "error")
"""From what is good to know to what breaks those who use the data."""


@dataclass(frozen=True)
class Thresholds:
    """What counts as a change. It must matter, and not be what chance does to so many rows.

    Attributes:
        alpha: how probable a difference may be between random samples of the same rows, and still
            be told as more than information; small, since many things are compared.
        nulls: the difference between shares of nulls that matters.
        patterns: that between shares of texts with a pattern.
        stability: the population stability index of values that matters (0.1 is "some change",
            0.25 "much": Siddiqi, 2006).
        distance: the distance of Kolmogorov and Smirnov between numbers that matters.
        mean: the shift of a mean that matters, in standard deviations (0.2 is "small": Cohen,
            1988).
    """

    alpha: float = 1e-6
    nulls: float = 0.01
    patterns: float = 0.05
    stability: float = 0.1
    distance: float = 0.1
    mean: float = 0.2

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ConfigError(f"Thresholds: {name} must be a number above 0, not {value!r}")
        if self.alpha >= 1:
            raise ConfigError(f"Thresholds: alpha must be below 1, not {self.alpha!r}")


@dataclass(frozen=True)
class Change:
    """One thing that has changed.

    Attributes:
        severity: ``info``, ``warning`` or ``error``.
        kind: a short fixed word: ``removed``, ``type``, ``nulls``, ``distribution``...
        column: where; None if it is about all of it.
        before: how it was, for people.
        after: how it is.
        text: what it means, as a sentence.
    """

    severity: str
    kind: str
    column: str | None
    before: str
    after: str
    text: str


@dataclass(frozen=True)
class Drift:
    """What has changed between two profiles. `str` is a table, a notebook shows one too.

    Attributes:
        old: the profile before.
        new: the profile after.
        changes: the gravest first, then as columns come.
    """

    old: Profile
    new: Profile
    changes: tuple[Change, ...] = ()

    @property
    def worst(self) -> str | None:
        """The gravest severity there is; None if nothing has changed."""
        return max((each.severity for each in self.changes), key=SEVERITIES.index, default=None)

    def at_least(self, severity: str) -> tuple[Change, ...]:
        """Give the changes that are so grave, or graver.

        Raises:
            ConfigError: there is no such severity.
        """
        if severity not in SEVERITIES:
            known = ", ".join(SEVERITIES)
            hint = did_you_mean(closest(severity, SEVERITIES))
            raise ConfigError(f"Drift: no severity {severity!r}{hint} There are {known}")
        grave = SEVERITIES[SEVERITIES.index(severity) :]
        return tuple(each for each in self.changes if each.severity in grave)

    def to_dict(self) -> dict[str, Any]:
        """Give the changes and which rows were compared, as dicts and lists that JSON takes."""
        sides = {"old": self.old, "new": self.new}
        return {
            **{
                name: {"source": side.source, "sample": asdict(side.sample)}
                for name, side in sides.items()
            },
            "worst": self.worst,
            "changes": [asdict(each) for each in self.changes],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Give the changes as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    def to_html(self, *, title: str | None = None) -> str:
        """Give it as one page of HTML that loads nothing; see `drift_html.drift_page`."""
        from arrowetl.profiling.drift_html import drift_page

        return drift_page(self, title=title)

    def __str__(self) -> str:
        from arrowetl.profiling.terminal import printed

        return printed(self)

    def __rich__(self) -> RenderableType:
        from arrowetl.profiling.terminal import rendered_drift

        return rendered_drift(self)

    def _repr_html_(self) -> str:
        from arrowetl.profiling.drift_html import fragment

        return fragment(self)


def compare(old: Profile, new: Profile, *, thresholds: Thresholds | None = None) -> Drift:
    """Say what has changed from one profile to another.

    Numbers and times are compared by the statistic of Kolmogorov and Smirnov, texts by the
    population stability index, counts by a likelihood-ratio test; numbers of different values and
    keys by what any population allows. Differences that chance explains between samples of one
    population are told as ``info``, or not at all.

    Args:
        old: how it was.
        new: how it is.
        thresholds: what counts as a change.

    >>> from arrowetl.profiling.profile import Profile, Sample
    >>> nothing = Profile(0, (), Sample(0, 0), "")
    >>> compare(nothing, nothing).changes
    ()
    """
    limits = thresholds or Thresholds()
    found = [*_whole(old, new), *_columns(old, new, limits), *_cautions(old, new)]
    found.sort(key=lambda each: -SEVERITIES.index(each.severity))
    return Drift(old, new, tuple(found))


def _columns(old: Profile, new: Profile, limits: Thresholds) -> Iterator[Change]:
    from arrowetl.profiling._drifts import CHECKS

    before = {each.name: each for each in old.columns}
    after = {each.name: each for each in new.columns}
    yield from (_removed(each) for name, each in before.items() if name not in after)
    for name, now in after.items():
        if name not in before:
            yield _added(now)
            continue
        for check in CHECKS:
            yield from check(before[name], now, limits)


def _removed(column: ColumnProfile) -> Change:
    return Change("error", "removed", column.name, column.type, "", "the column is gone")


def _added(column: ColumnProfile) -> Change:
    pii = ", ".join(each.label.replace("_", " ") for each in column.pii)
    if pii:
        return Change(
            "error",
            "added",
            column.name,
            "",
            column.type,
            f"a new column with personal data: {pii}",
        )
    return Change("info", "added", column.name, "", column.type, "a new column")


def _whole(old: Profile, new: Profile) -> Iterator[Change]:
    if old.sample.of and not new.sample.of:
        yield Change("error", "rows", None, f"{old.sample.of:,}", "0", "there are no rows any more")
    names = [[each.name for each in side.columns] for side in (old, new)]
    if names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
        before, after = (", ".join(each) for each in names)
        yield Change("info", "order", None, before, after, "the columns are in another order")


def _cautions(old: Profile, new: Profile) -> Iterator[Change]:
    known = {(each.kind, each.column) for each in old.cautions}
    both = {each.name for each in old.columns} | {None}
    for each in new.cautions:
        if (each.kind, each.column) not in known and each.column in both:
            kind = each.kind.replace("_", " ")
            yield Change("info", "caution", each.column, "", kind, f"new to look at: {each.text}")
