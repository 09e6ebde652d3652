"""The kernel of the tuner's Gaussian process: a sum over the settings. Needs scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.gaussian_process.kernels import Kernel

Numbers = npt.NDArray[np.float64]


class Additive(Kernel):  # type: ignore[misc]  # scikit-learn has no types
    """A Matern 5/2 kernel of each setting by itself, their mean, and a part for them together.

    Settings of a pipeline act mostly by themselves: with the sum, a run says something about all
    settings that share one value with it, so twenty runs are enough for six knobs (additive
    Gaussian processes, Duvenaud et al. 2011). It has no gradient: who uses it compares a few.

    Args:
        scale: the standard deviation of what it models.
        length: over which a setting's effect changes; the knob's range is 1.
        joint: the share of the variance that settings have only together, from 0 to 1.

    >>> Additive(1.0, 0.5, 0.2)(np.zeros((2, 3))).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """

    def __init__(self, scale: float, length: float, joint: float) -> None:
        """Keep the numbers."""
        self.scale = scale
        self.length = length
        self.joint = joint

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:  # noqa: ARG002, N803
        """Give the covariances of rows of X with rows of Y, or of X."""
        off = np.abs(X[:, None, :] - (X if Y is None else Y)[None, :, :]) / self.length
        root = np.sqrt(5) * off
        each = (1 + root + root**2 / 3) * np.exp(-root)
        mixed = (1 - self.joint) * each.mean(axis=2) + self.joint * each.prod(axis=2)
        return self.scale**2 * mixed

    def diag(self, X: Any) -> Numbers:  # noqa: N803
        """Give the variances of rows of X."""
        return np.full(len(X), self.scale**2)

    def is_stationary(self) -> bool:
        """Say that only differences count."""
        return True
