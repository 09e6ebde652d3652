"""CategoryReport: how right a Categorizer is, and whether its confidence means what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from arrowetl.errors import ConfigError
from arrowetl.ml.calibration import BINS, brier, reliability
from arrowetl.ml.categories import Flags, Numbers

if TYPE_CHECKING:
    from rich.console import RenderableType

UNKNOWN = "(unknown)"
"""What a text without a category is called in a report."""
THRESHOLDS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_FEW = 10


@dataclass(frozen=True)
class CategoryScore:
    """How well one category is found.

    Attributes:
        category: its name.
        precision: the share of texts said to be in it that are; None if none was.
        recall: the share of its texts that were found; None if it has none.
        f1: the harmonic mean of the two; None if it has no texts and none was said to be in it.
        support: how many texts are in it.
        found: how many were said to be.
    """

    category: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    found: int


@dataclass(frozen=True)
class CalibrationBin:
    """Answers that were about as sure: of the confidence `low` to `high`."""

    low: float
    high: float
    rows: int
    confidence: float
    right: float


@dataclass(frozen=True)
class ThresholdScore:
    """What another threshold would give: the share of texts answered, and of these answers right.

    Where a text can have several categories: the share of all answers that would stand, and of
    them right.
    """

    threshold: float
    answered: float
    right: float | None


@dataclass(frozen=True)
class CategoryReport:
    """How right the categories of labelled texts are; `str` is a text, a notebook shows a page.

    Attributes:
        judged: which texts were judged, and how.
        rows: how many.
        threshold: below it a text is unknown.
        several: whether a text can have several categories.
        accuracy: the share of texts whose category, or categories, are right; one that belongs
            nowhere is right if it is unknown.
        macro_f1: the mean of the categories' F1.
        scores: a line a category.
        names: those of the confusion's rows and columns; the last is unknown.
        confusion: texts by their category (a row each) and by what was said; empty for several.
        bins: whether confidence means what it says; each text's likeliest category counts, or all
            pairs of text and category where there are several.
        calibration_error: the expected calibration error over these bins; 0 is best.
        brier: the mean squared distance of confidences and truth; 0 is best.
        thresholds: what other thresholds would give.
        cautions: what speaks against trusting the figures.
    """

    judged: str
    rows: int
    threshold: float
    several: bool
    accuracy: float
    macro_f1: float
    scores: tuple[CategoryScore, ...]
    names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    bins: tuple[CalibrationBin, ...]
    calibration_error: float
    brier: float
    thresholds: tuple[ThresholdScore, ...]
    cautions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """Give it as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=indent)

    def to_arrow(self) -> pa.Table:
        """Give the scores, a row a category."""
        schema = pa.schema(
            {
                "category": pa.string(),
                "precision": pa.float64(),
                "recall": pa.float64(),
                "f1": pa.float64(),
                "support": pa.int64(),
                "found": pa.int64(),
            }
        )
        return pa.Table.from_pylist([asdict(each) for each in self.scores], schema)

    def calibration(self) -> pa.Table:
        """Give the bins, a row each: `low`, `high`, `rows`, `confidence`, `right`."""
        kinds = {"rows": pa.int64()}
        names = ("low", "high", "rows", "confidence", "right")
        schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in names])
        return pa.Table.from_pylist([asdict(each) for each in self.bins], schema)

    def to_svg(self) -> str:
        """Give the calibration curve as a drawing that is complete in itself."""
        from arrowetl.transforms._category_page import curve

        return curve(self)

    def to_html(self, *, title: str | None = None) -> str:
        """Give it as one page of HTML that loads nothing."""
        from arrowetl.transforms._category_page import page

        return page(self, title=title)

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file, in the form that its ending says: html, svg or json.

        Raises:
            ConfigError: it is another ending.
            OSError: the file can't be written.
        """
        forms = {".html": self.to_html, ".svg": self.to_svg, ".json": self.to_json}
        form = forms.get(Path(path).suffix.lower())
        if form is None:
            raise ConfigError(f"a report is saved as .html, .svg or .json, not {fspath(path)!r}")
        Path(path).write_text(form() + "\n", encoding="utf-8")

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=100, no_color=True)
        with console.capture() as captured:
            console.print(self)
        return captured.get().rstrip()

    def __rich__(self) -> RenderableType:
        from arrowetl.transforms._category_page import rendered

        return rendered(self)

    def _repr_html_(self) -> str:
        from arrowetl.transforms._category_page import fragment

        return fragment(self)


@dataclass(frozen=True, eq=False)
class Judged:
    """Labelled texts with the confidences that were found for them.

    Attributes:
        names: of the categories.
        truth: bool, shape (rows, categories).
        confidences: float64, of the same shape.
    """

    names: tuple[str, ...]
    truth: Flags
    confidences: Numbers

    def said(self, threshold: float, *, several: bool) -> Flags:
        """Give which categories each text is said to be in."""
        sure = self.confidences >= threshold
        return sure if several else sure & _first_best(self.confidences)


def _first_best(confidences: Numbers) -> Flags:
    found = np.zeros(confidences.shape, np.bool_)
    found[np.arange(len(found)), confidences.argmax(axis=1)] = True
    return found


def report_of(
    judged: Judged, *, how: str, threshold: float, several: bool, cautions: Sequence[str] = ()
) -> CategoryReport:
    """Hold what was said against the truth.

    >>> found = Judged(("a", "b"), np.eye(2, dtype=bool), np.array([[0.9, 0.1], [0.8, 0.2]]))
    >>> made = report_of(found, how="two texts", threshold=0.5, several=False)
    >>> made.accuracy, made.confusion, round(made.calibration_error, 2)
    (0.5, ((1, 0, 0), (1, 0, 0), (0, 0, 0)), 0.45)
    """
    truth, said = judged.truth, judged.said(threshold, several=several)
    scores = tuple(_scores(judged.names, truth, said))
    measured = [each.f1 for each in scores if each.f1 is not None]
    likeliest = np.ones_like(truth) if several else _first_best(judged.confidences)
    sure, right = judged.confidences[likeliest], truth[likeliest]
    found = reliability(sure, right)
    return CategoryReport(
        judged=how,
        rows=len(truth),
        threshold=threshold,
        several=several,
        accuracy=_rounded((truth == said).all(axis=1).mean()) if len(truth) else 0.0,
        macro_f1=_rounded(np.mean(measured)) if measured else 0.0,
        scores=scores,
        names=() if several else (*judged.names, UNKNOWN),
        confusion=() if several else _confusion(truth, said),
        bins=tuple(
            CalibrationBin(int(at) / BINS, (int(at) + 1) / BINS, int(n), _rounded(c), _rounded(r))
            for at, n, c, r in zip(
                found.bins, found.rows, found.confidence, found.right, strict=True
            )
        ),
        calibration_error=_rounded(found.error),
        brier=_rounded(brier(judged.confidences, truth)),
        thresholds=tuple(_thresholds(sure, right)),
        cautions=(*cautions, *_few(scores)),
    )


def _scores(names: Sequence[str], truth: Flags, said: Flags) -> Iterator[CategoryScore]:
    for at, name in enumerate(names):
        right = int((truth[:, at] & said[:, at]).sum())
        support, found = int(truth[:, at].sum()), int(said[:, at].sum())
        yield CategoryScore(
            name,
            _rounded(right / found) if found else None,
            _rounded(right / support) if support else None,
            _rounded(2 * right / (support + found)) if support + found else None,
            support,
            found,
        )


def _confusion(truth: Flags, said: Flags) -> tuple[tuple[int, ...], ...]:
    size = truth.shape[1] + 1
    sides = [np.where(each.any(axis=1), each.argmax(axis=1), size - 1) for each in (truth, said)]
    counts = np.bincount(sides[0] * size + sides[1], minlength=size * size).reshape(size, size)
    return tuple(tuple(map(int, row)) for row in counts)


def _thresholds(sure: Numbers, right: Flags) -> Iterator[ThresholdScore]:
    for threshold in THRESHOLDS:
        stands = sure >= threshold
        share = _rounded(stands.mean()) if len(sure) else 0.0
        yield ThresholdScore(
            threshold, share, _rounded(right[stands].mean()) if stands.any() else None
        )


def _few(scores: Sequence[CategoryScore]) -> Iterator[str]:
    for each in scores:
        if each.support < _FEW:
            texts = "text" if each.support == 1 else "texts"
            yield f"{each.category!r} has {each.support} {texts}: its figures say little"


def _rounded(number: Any) -> float:
    return round(float(number), 6)
