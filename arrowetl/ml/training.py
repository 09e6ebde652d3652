"""Logistic regression on the vectors of labelled texts, and how well it does on those left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from arrowetl.arrow import Matrix
from arrowetl.errors import ConfigError
from arrowetl.ml.calibration import sharpness
from arrowetl.ml.categories import DIGITS, Flags, Numbers, Trained, nearest
from arrowetl.stopping import check

FOLDS = 5
STRENGTH = 10.0
"""The inverse of the regularisation; which of 1 to 100 it is makes little difference once scores
are calibrated."""
SAME = 0.85
"""Examples whose vectors have this cosine say nearly the same: they share a fold."""
Places = npt.NDArray[np.int64]
_BLOCK = 256
_ROUNDS = 2000
_NEVER = -10.0
"""The score of a category that a fold has no example of."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts' vectors with the categories that they are in.

    Attributes:
        vectors: float32, shape (rows, dimension), each one long.
        truth: bool, shape (rows, categories); a row of none belongs nowhere.
    """

    vectors: Matrix
    truth: Flags

    def take(self, chosen: Any) -> Labelled:
        """Give some of the rows."""
        return Labelled(self.vectors[chosen], self.truth[chosen])

    def plus(self, other: Labelled | None) -> Labelled:
        """Give the rows with others behind them."""
        if other is None:
            return self
        vectors = np.concatenate([self.vectors, other.vectors])
        return Labelled(vectors, np.concatenate([self.truth, other.truth]))


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes:
        several: whether a text can be in several categories.
        least_alike: the cosine to the most alike example at which a text is as likely to belong
            nowhere; None if that doesn't count. It never does where examples belong nowhere: they
            say it themselves.
        seed: how examples are dealt into folds.
    """

    several: bool
    least_alike: float | None = None
    seed: int = 0


def train(
    examples: Labelled, plan: Training, always: Labelled | None = None
) -> tuple[Trained, Numbers]:
    """Train on all examples; see what models of four fifths of them say of the fifth left out.

    Cost: six regressions, or six for each category where there may be several.

    Args:
        examples: what to learn from; each category has two rows of them and `always`, at least.
        plan: how.
        always: what is learned from in every fold, and never judged: descriptions.

    Returns:
        The regression with its scores calibrated on examples left out, and the confidences in each
        example of a model that neither saw it nor was calibrated on it.

    >>> vectors = np.eye(4, dtype=np.float32)[[0, 1, 2, 3] * 3]
    >>> truth = np.eye(2, dtype=bool)[[0, 0, 1, 1] * 3]
    >>> made, judged = train(Labelled(vectors, truth), Training(several=False))
    >>> made.confidences(vectors[:4]).argmax(axis=1).tolist(), judged.shape
    ([0, 0, 1, 1], (12, 2))
    """
    model = _fitted(examples.plus(always), plan)
    parts = folds(examples.truth, plan.seed, look_alikes(examples.vectors))
    scores, alike = _left_out(examples, plan, always, parts)
    truth = examples.truth if plan.several else _with_nowhere(examples.truth, scores.shape[1])
    found = np.zeros(examples.truth.shape)
    for part in range(FOLDS):
        here, others = parts == part, parts != part
        sharp = sharpness(scores[others], truth[others], several=plan.several)
        made = replace(model, sharpness=sharp)
        found[here] = made.sure(scores[here], None if alike is None else alike[here])
    sharp = sharpness(scores, truth, several=plan.several)
    return replace(model, sharpness=sharp), np.round(found, DIGITS)


def folds(truth: Flags, seed: int, groups: Places | None = None) -> Places:
    """Deal rows into `FOLDS` folds so that each has about as many of each category.

    The rarest categories are dealt first, each row to the fold that has the fewest of its category
    (Sechidis et al., *On the Stratification of Multi-label Data*, 2011).

    Args:
        truth: bool, shape (rows, categories).
        seed: which of the ways to deal it is.
        groups: a number for each row; rows with the same go to the same fold.

    >>> folds(np.eye(2, dtype=bool)[[0] * 5 + [1] * 5], 0).reshape(2, 5).sum(axis=1).tolist()
    [10, 10]
    """
    random = np.random.default_rng(seed)
    marks = np.concatenate([truth, ~truth.any(axis=1, keepdims=True)], axis=1)
    groups = np.arange(len(marks)) if groups is None else groups
    order = random.permutation(len(marks))
    members = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[members], np.arange(groups.max(initial=-1) + 2))
    dealt = np.full(len(marks), -1)
    held = np.zeros((FOLDS, marks.shape[1] + 1), np.int64)
    for category in np.argsort(marks.sum(axis=0), kind="stable"):
        check()
        for row in order[marks[order, category]]:
            if dealt[row] < 0:
                # Of folds with the fewest of the category, the one with the fewest rows.
                fold = int(np.lexsort((held[:, -1], held[:, category]))[0])
                together = members[starts[groups[row]] : starts[groups[row] + 1]]
                dealt[together] = fold
                held[fold, :-1] += marks[together].sum(axis=0)
                held[fold, -1] += len(together)
    return dealt


def look_alikes(vectors: Matrix) -> Places:
    """Give a number for each row; rows that say nearly the same have the same.

    A row joins the first before it that stands for others and is `SAME` alike. What is written
    again with another name in it would else be learned in four folds and found in the fifth.

    >>> look_alikes(np.array([[1, 0], [0, 1], [0.96, 0.28]], np.float32)).tolist()
    [0, 1, 0]
    """
    found = np.full(len(vectors), -1)
    number = 0
    for low in range(0, len(vectors), _BLOCK):
        check()
        alike = vectors[low : low + _BLOCK] @ vectors[low:].T >= SAME
        for row, like in enumerate(alike, low):
            if found[row] < 0:
                found[low:][like & (found[low:] < 0)] = number
                found[row] = number
                number += 1
    return found


def _left_out(
    examples: Labelled, plan: Training, always: Labelled | None, parts: Places
) -> tuple[Numbers, Numbers | None]:
    """Give each example's scores, and its likeness to the nearest, by models of other folds."""
    width = examples.truth.shape[1] + (_any_nowhere(examples) and not plan.several)
    scores, alike = np.full((len(parts), width), _NEVER), np.zeros(len(parts))
    for part in np.unique(parts):
        check()
        here = parts == part
        others = examples.take(~here).plus(always)
        vectors = examples.vectors[here]
        scores[here] = _fitted(others, plan, width).scores(vectors)
        alike[here] = nearest(vectors, others.vectors)
    counts = plan.least_alike is not None and not _any_nowhere(examples)
    return scores, alike if counts else None


def _any_nowhere(examples: Labelled) -> bool:
    return bool((~examples.truth.any(axis=1)).any())


def _fitted(examples: Labelled, plan: Training, width: int | None = None) -> Trained:
    """Fit the regression, or one for each category; nothing is calibrated."""
    count = examples.truth.shape[1]
    nowhere = _any_nowhere(examples)
    wide = (count + (nowhere and not plan.several)) if width is None else width
    weights, bias = np.zeros((wide, examples.vectors.shape[1])), np.full(wide, _NEVER)
    if plan.several:
        for category, marks in enumerate(examples.truth.T):
            check()
            if marks.any() and not marks.all():
                found = _regression(examples.vectors, marks)
                weights[category], bias[category] = found.coef_[0], found.intercept_[0]
    else:
        classes = np.where(examples.truth.any(axis=1), examples.truth.argmax(axis=1), count)
        found = _regression(examples.vectors, classes)
        # Of two classes there is one row for both.
        halves = np.array([[-0.5], [0.5]])
        both = len(found.classes_) == len(halves)
        weights[found.classes_] = halves * found.coef_ if both else found.coef_
        bias[found.classes_] = halves[:, 0] * found.intercept_ if both else found.intercept_
    counts = plan.least_alike is not None and not nowhere
    known = examples.vectors if counts else None
    return Trained(weights, bias, count, 1.0, plan.several, known, plan.least_alike or 0.0)


def _regression(vectors: Matrix, classes: npt.NDArray[Any]) -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise ConfigError(
            "training on examples needs scikit-learn: pip install 'arrowetl[ml]'"
        ) from error
    model = LogisticRegression(C=STRENGTH, max_iter=_ROUNDS)
    # One thread: the same numbers on every machine, and several wait for each other much longer
    # than they work where something else is running (30 times as long, measured).
    with threadpool_limits(1, user_api="blas"):
        return model.fit(vectors.astype(np.float64), classes)


def _with_nowhere(truth: Flags, width: int) -> Flags:
    """Give the truth with a column for what belongs nowhere, where scores have one."""
    if width == truth.shape[1]:
        return truth
    return np.concatenate([truth, ~truth.any(axis=1, keepdims=True)], axis=1)
