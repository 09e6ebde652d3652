"""How a CategoryReport looks: in a terminal, as a page, and its calibration curve as a drawing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from arrowetl.profiling._drawing import LINE, OURS, SOFT, drawing, line, words
from arrowetl.profiling._markup import Markup, legible, table, tag, value
from arrowetl.profiling._wording import share
from arrowetl.profiling.html import document

if TYPE_CHECKING:
    from rich.console import RenderableType

    from arrowetl.transforms.category_report import CategoryReport

_SIDE, _LEFT, _TOP, _RIGHT, _FOOT = 320, 56, 44, 24, 52
_NAME = 40
_LARGEST, _SMALLEST = 9.0, 2.5


def curve(report: CategoryReport) -> str:
    """Draw how often answers were right over how sure they were; on the diagonal they mean it.

    It loads nothing and has no style of its own, so it may stand in a page that forbids both.
    """
    wide, high = _LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _FOOT
    said = (
        f"Calibration: {len(report.bins)} groups of answers; the expected calibration error is "
        f"{report.calibration_error:.3f}"
    )
    return drawing(
        said,
        wide,
        high,
        words("Of the answers so sure, how many are right", 16, 20, size="15", weight="600"),
        words(f"expected calibration error {report.calibration_error:.3f}", 16, 37, soft=True),
        *_grid(),
        *_curve(report),
    )


def _at(confidence: float, right: float) -> tuple[float, float]:
    return _LEFT + _SIDE * confidence, _TOP + 8 + (_SIDE - 8) * (1 - right)


def _grid() -> Iterator[Markup]:
    for step in (0, 0.2, 0.4, 0.6, 0.8, 1.0):
        yield line(_at(0, step), _at(1, step), stroke=LINE)
        yield words(f"{step:.0%}", 14, _at(0, step)[1] + 4, soft=True)
        yield words(f"{step:g}", _at(step, 0)[0] - 6, _at(0, 0)[1] + 18, soft=True)
    yield line(_at(0, 0), _at(1, 1), stroke=SOFT, stroke_dasharray="4 4")
    yield words("confidence", _LEFT + _SIDE / 2 - 30, _at(0, 0)[1] + 38, soft=True)


def _curve(report: CategoryReport) -> Iterator[Markup]:
    points = [(_at(each.confidence, each.right), each) for each in report.bins]
    places = " ".join(f"{x:.1f},{y:.1f}" for (x, y), _ in points)
    yield tag("polyline", points=places, fill="none", stroke=OURS, stroke_width="2")
    most = max((each.rows for each in report.bins), default=1)
    for (x, y), each in points:
        told = f"{each.rows:,} answers, {each.confidence:.2f} sure, {share(each.right)} right"
        radius = max(_SMALLEST, _LARGEST * (each.rows / most) ** 0.5)
        dot = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{radius:.1f}"}
        yield tag("circle", tag("title", told), fill=OURS, fill_opacity="0.7", **dot)


def page(report: CategoryReport, *, title: str | None = None) -> str:
    """Give the report as one page of HTML: nothing is loaded, nothing runs."""
    facts = (
        ("texts", f"{report.rows:,}"),
        ("right", share(report.accuracy)),
        ("mean F1", f"{report.macro_f1:.3f}"),
        ("calibration error", f"{report.calibration_error:.3f}"),
        ("Brier score", f"{report.brier:.3f}"),
    )
    shown = (tag("div", tag("dt", name), tag("dd", said)) for name, said in facts)
    parts = [
        tag("p", _scope(report), class_="soft"),
        tag("dl", *shown, class_="facts"),
        _cautions(report),
        _section("Categories", table(_SCORES, _score_rows(report), caption="A line a category")),
        _confusion(report),
        _section(
            "Confidence",
            tag("div", Markup(curve(report)), class_="curve"),
            table(_BINS, _bin_rows(report), caption="Answers by how sure they were"),
            table(_LIMITS, _limit_rows(report), caption="What other thresholds would give"),
        ),
    ]
    return document(title or "Categories", *parts)


def fragment(report: CategoryReport) -> str:
    """Give the scores and the curve, for a notebook's cell."""
    scores = table(_SCORES, _score_rows(report), caption=_scope(report))
    return tag("div", scores, Markup(curve(report)))


def _section(heading: str, *parts: object) -> Markup:
    return tag("section", tag("h2", heading), *parts)


def _scope(report: CategoryReport) -> str:
    several = "a text can have several categories; " if report.several else ""
    return f"{report.judged}; {several}below {report.threshold:g} a text is unknown."


def _cautions(report: CategoryReport) -> Markup | None:
    if not report.cautions:
        return None
    return _section("To look at", tag("ul", *(tag("li", each) for each in report.cautions)))


def _confusion(report: CategoryReport) -> Markup | None:
    if not report.confusion:
        return None
    head = ("is / was said to be", *(value(legible(name, _NAME)) for name in report.names))
    rows = [
        (value(legible(name, _NAME)), *map(str, counts))
        for name, counts in zip(report.names, report.confusion, strict=True)
    ]
    return _section("What is taken for what", table(head, rows, caption="Texts"))


_SCORES = ("category", "precision", "recall", "F1", "texts", "found")
_BINS = ("confidence", "answers", "mean confidence", "right")
_LIMITS = ("threshold", "answered", "right of these")


def _score_rows(report: CategoryReport) -> list[tuple[str, ...]]:
    return [
        (
            legible(each.category, _NAME),
            *map(_number, (each.precision, each.recall, each.f1)),
            f"{each.support:,}",
            f"{each.found:,}",
        )
        for each in report.scores
    ]


def _bin_rows(report: CategoryReport) -> list[tuple[str, ...]]:
    return [
        (
            f"{each.low:.1f} to {each.high:.1f}",
            f"{each.rows:,}",
            f"{each.confidence:.3f}",
            share(each.right),
        )
        for each in report.bins
    ]


def _limit_rows(report: CategoryReport) -> list[tuple[str, ...]]:
    return [
        (
            f"{each.threshold:g}",
            share(each.answered),
            "" if each.right is None else share(each.right),
        )
        for each in report.thresholds
    ]


def _number(found: float | None) -> str:
    return "" if found is None else f"{found:.3f}"


def rendered(report: CategoryReport) -> RenderableType:
    """Give the report for a terminal."""
    from rich.console import Group
    from rich.text import Text

    facts = (
        f"{report.rows:,} texts · {share(report.accuracy)} right · mean F1 {report.macro_f1:.3f} · "
        f"calibration error {report.calibration_error:.3f} · Brier score {report.brier:.3f}"
    )
    parts: list[RenderableType] = [Text(_scope(report)), Text(facts)]
    parts.append(_table("Categories", _SCORES, _score_rows(report)))
    if report.confusion:
        letters = [f"{at}" for at in range(1, len(report.names) + 1)]
        head = ("is / was said to be", *letters)
        rows = [
            (f"{letter} {legible(name, _NAME)}", *(str(n) if n else "·" for n in counts))
            for letter, name, counts in zip(letters, report.names, report.confusion, strict=True)
        ]
        parts.append(_table("What is taken for what", head, rows))
    parts.append(_table("Confidence", _BINS, _bin_rows(report)))
    parts.append(_table("Thresholds", _LIMITS, _limit_rows(report)))
    parts += [Text(f"To look at: {each}") for each in report.cautions]
    return Group(*parts)


def _table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title, title_justify="left", box=None, pad_edge=False)
    first, *others = head
    made.add_column(first, overflow="fold")
    for name in others:
        made.add_column(name, justify="right")
    for row in rows:
        made.add_row(*map(Text, row))
    return made
