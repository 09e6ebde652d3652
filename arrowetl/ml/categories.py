"""How likely each category is for a text, by its vector: from descriptions, or by what was learned.

Vectors are float32, shape (rows, dimension), C order, each one long; they are read, never written.
Confidences are float64, shape (rows, categories), from 0 to 1, rounded to `DIGITS` digits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arrowetl.arrow import Matrix

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DIGITS = 4
"""Confidences are rounded to so many digits: what is beyond depends on the machine."""
TEMPERATURE = 0.05
"""So much more of a cosine makes e times as likely."""
_CELLS = 1 << 22


class Scorer(ABC):
    """Gives each vector's confidence in each category."""

    several: bool
    """Whether a text can be in several categories."""

    def confidences(self, vectors: Matrix) -> Numbers:
        """Give the confidences; memory stays within some 40 MB, however many rows there are."""
        step = max(1, _CELLS // max(1, self._width))
        parts = [self._part(vectors[low : low + step]) for low in range(0, len(vectors), step)]
        found: Numbers = np.concatenate(parts or [self._part(vectors)]).round(DIGITS)
        return found

    @property
    @abstractmethod
    def _width(self) -> int:
        """How many numbers a row needs."""

    @abstractmethod
    def _part(self, vectors: Matrix) -> Numbers: ...


@dataclass(frozen=True, eq=False)
class Described(Scorer):
    """Categories by their descriptions: a text is in the one that it is most alike.

    With s the cosine of the text and the most alike of a category's descriptions, u `least_alike`
    and T `temperature`, the confidence is ``exp(s / T) / (exp(u / T) + sum of exp(s' / T))`` over
    all categories: belonging nowhere is one more category, which every text is u alike. Where
    `several` may be right at once, it is ``1 / (1 + exp((u - s) / T))``.

    Args:
        references: the descriptions' vectors, those of the first category first.
        owners: the category of each, int64, ascending; each category has one at least.
        least_alike: the cosine at which a text is as likely to belong nowhere.
        several: whether a text can be in several categories.
        temperature: how fast confidence grows with the cosine.

    >>> two = Described(np.eye(2, dtype=np.float32), np.arange(2), 0.1)
    >>> two.confidences(np.array([[1, 0], [0.6, 0.8]], np.float32)).tolist()
    [[1.0, 0.0], [0.018, 0.982]]
    """

    references: Matrix
    owners: npt.NDArray[np.int64]
    least_alike: float
    several: bool = False
    temperature: float = TEMPERATURE

    @property
    def _width(self) -> int:
        return len(self.references)

    def _part(self, vectors: Matrix) -> Numbers:
        starts = np.flatnonzero(np.diff(self.owners, prepend=-1))
        alike = np.maximum.reduceat(_cosines(vectors, self.references), starts, axis=1)
        scores = (alike - self.least_alike) / self.temperature
        if self.several:
            return sigmoid(scores)
        return softmax(np.concatenate([scores, np.zeros((len(scores), 1))], axis=1))[:, :-1]


@dataclass(frozen=True, eq=False)
class Trained(Scorer):
    """Categories by logistic regression: one for all, or for each one where `several` may be right.

    The scores ``vectors @ weights.T + bias`` are multiplied by `sharpness` (temperature scaling:
    Guo et al., *On Calibration of Modern Neural Networks*, 2017) before they become shares of one,
    or each a share by itself. A last row of weights beyond `categories` is for what belongs
    nowhere. Where `examples` are kept, all is multiplied by ``1 / (1 + exp((u - s) / T))``, with s
    the cosine of the most alike example and u `least_alike`: what is like no example is unknown.

    Args:
        weights: float64, shape (categories or one more, dimension).
        bias: float64, a number for each row of weights.
        categories: how many.
        sharpness: above 0; 1 leaves the scores as they are.
        several: whether a text can be in several categories.
        examples: vectors of texts that belong somewhere; None if they don't count.
        least_alike: the cosine at which a text is as likely to belong nowhere.

    >>> known = Trained(np.array([[9.0, 0], [0, 9]]), np.zeros(2), 2)
    >>> known.confidences(np.array([[0.6, 0.8]], np.float32)).tolist()
    [[0.1419, 0.8581]]
    """

    weights: Numbers
    bias: Numbers
    categories: int
    sharpness: float = 1.0
    several: bool = False
    examples: Matrix | None = None
    least_alike: float = 0.0

    @property
    def _width(self) -> int:
        return max(len(self.weights), 0 if self.examples is None else len(self.examples))

    def scores(self, vectors: Matrix) -> Numbers:
        """Give the regression's scores, a column for each row of weights."""
        made: Numbers = vectors.astype(np.float64) @ self.weights.T + self.bias
        return made

    def sure(self, scores: Numbers, alike: Numbers | None) -> Numbers:
        """Give the confidences that scores stand for, and the likeness to the nearest example."""
        sharp = scores * self.sharpness
        made = sigmoid(sharp) if self.several else softmax(sharp)
        found = made[:, : self.categories]
        if alike is not None:
            found = found * sigmoid((alike - self.least_alike) / TEMPERATURE)[:, None]
        return found

    def _part(self, vectors: Matrix) -> Numbers:
        alike = None if self.examples is None else nearest(vectors, self.examples)
        return self.sure(self.scores(vectors), alike)


def nearest(vectors: Matrix, examples: Matrix) -> Numbers:
    """Give the cosine of each vector and the example that is most alike.

    >>> nearest(np.eye(2, dtype=np.float32), np.array([[0.6, 0.8]], np.float32)).round(1).tolist()
    [0.6, 0.8]
    """
    found: Numbers = _cosines(vectors, examples).max(axis=1, initial=-1.0)
    return found


def _cosines(vectors: Matrix, others: Matrix) -> Numbers:
    found: Numbers = (vectors @ others.T).astype(np.float64)
    return found


def softmax(scores: Numbers) -> Numbers:
    """Give shares of one by scores, row by row.

    >>> softmax(np.array([[1000.0, 1000.0]])).tolist()
    [[0.5, 0.5]]
    """
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Numbers = powers / powers.sum(axis=1, keepdims=True)
    return shares


def sigmoid(scores: Numbers) -> Numbers:
    """Give a share from 0 to 1 for each score.

    >>> sigmoid(np.array([0.0, -1000.0])).tolist()
    [0.5, 0.0]
    """
    powers = np.exp(-np.abs(scores))
    shares: Numbers = np.where(scores >= 0, 1.0, powers) / (1.0 + powers)
    return shares
