"""Whether a confidence means what it says: of all that are 0.8 sure, 80 % should be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arrowetl.ml.categories import Flags, Numbers, sigmoid, softmax

BINS = 10
_LEAST = 1e-12
_STEPS = 60
_WIDEST = 4.0
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, eq=False)
class Reliability:
    """Answers by how sure they were, in `BINS` bins of the same width; empty ones left out.

    Attributes:
        bins: the number of each bin that has answers, from 0, int64.
        rows: how many answers are in it, int64.
        confidence: their mean confidence.
        right: the share of them that is right.
        error: the expected calibration error: the mean distance of the two, by answers (Naeini et
            al., *Obtaining Well Calibrated Probabilities Using Bayesian Binning*, 2015).
    """

    bins: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    confidence: Numbers
    right: Numbers
    error: float


def reliability(confidence: Numbers, right: Flags) -> Reliability:
    """Sort answers into bins by their confidence, and see how many are right.

    Args:
        confidence: how sure each answer is, from 0 to 1, shape (answers,).
        right: whether it is right.

    >>> found = reliability(np.array([0.95, 0.91, 0.15]), np.array([True, False, False]))
    >>> found.bins.tolist(), found.rows.tolist(), found.right.tolist(), round(found.error, 4)
    ([1, 9], [1, 2], [0.0, 0.5], 0.3367)
    """
    places = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    bins, inverse, rows = np.unique(places, return_inverse=True, return_counts=True)
    sure = np.bincount(inverse, confidence, len(bins)) / rows
    share = np.bincount(inverse, right, len(bins)) / rows
    error = float((np.abs(sure - share) * rows).sum() / max(1, len(confidence)))
    return Reliability(bins, rows, sure, share, error)


def brier(confidences: Numbers, truth: Flags) -> float:
    """Give the mean squared distance of confidences and truth, summed over a row's categories.

    0 is best (Brier, *Verification of Forecasts Expressed in Terms of Probability*, 1950).

    >>> brier(np.array([[0.9, 0.1]]), np.array([[True, False]]))
    0.02
    """
    if not len(truth):
        return 0.0
    return round(float(((confidences - truth) ** 2).sum(axis=1).mean()), 6)


def sharpness(scores: Numbers, truth: Flags, *, several: bool) -> float:
    """Give the number to multiply scores by so that confidences have the least log loss.

    It is one number, so it changes no order of categories, and few examples are enough. Found by
    golden section between exp(-4) and exp(4); the loss has one lowest place.

    Args:
        scores: of examples that the regression wasn't trained on, shape (rows, categories).
        truth: the right ones; exactly one in each row unless `several`.
        several: whether each category is judged by itself.

    >>> scores, truth = np.array([[1.0, 0], [0, 1], [1, 0]]), np.array([[1, 0], [0, 1], [0, 1]])
    >>> round(sharpness(scores, truth == 1, several=False), 2)
    0.69
    """

    def loss(power: float) -> float:
        made = scores * np.exp(power)
        sure = sigmoid(made) if several else softmax(made)
        told = np.where(truth, sure, 1 - sure) if several else sure[truth]
        return -float(np.log(np.maximum(told, _LEAST)).mean()) if told.size else 0.0

    low, high = -_WIDEST, _WIDEST
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if loss(left) <= loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))
