"""How the records of an index are compared: by trigrams or by cosine, fitted once for many runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from arrowetl.ml.candidates import Ends, Hashed, Plan
from arrowetl.ml.grams import Rows
from arrowetl.ml.pairs import Flags
from arrowetl.ml.weights import Floats

Part = Mapping[str, npt.NDArray[Any]]
"""Arrays of records, by name."""


@dataclass(frozen=True)
class Drawn:
    """What a measure makes of records, to find candidates by."""

    arrays: dict[str, npt.NDArray[Any]]
    """Kept, a line each record."""
    hashes: Hashed
    """Not kept but in bands: a line each hash."""


class Measure(ABC):
    """Fitted on the records there were; for those and for later ones.

    Attributes:
        plan: how candidates are found; None where every pair is compared.
    """

    plan: Plan | None

    raw: ClassVar[tuple[str, ...]]
    """The names of the arrays that records are."""
    drawn: ClassVar[tuple[str, ...]]
    """The names of the arrays that are drawn from them."""

    @abstractmethod
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Give what was fitted, to be kept."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Give the numbers beside that."""

    @abstractmethod
    def draw(self, part: Part, *, threads: int) -> Drawn:
        """Draw what candidates are found by."""

    @abstractmethod
    def likely(self, new: Part, old: Part, pairs: Ends, least: float) -> Flags:
        """Say quickly which pairs may be as alike as `least`."""

    @abstractmethod
    def compare(self, new: Part, old: Part, pairs: Ends, *, threads: int) -> Floats:
        """Give how alike pairs are, exactly."""

    def every(
        self, new: Part, old: Part, least: float, *, threads: int
    ) -> Ends:  # pragma: no cover - a measure without a plan has its own
        """Give all pairs that may be as alike as `least`; called where there is no plan."""
        raise NotImplementedError


def plan_facts(planned: Plan | None) -> dict[str, int] | None:
    """Give a plan as plain numbers."""
    return None if planned is None else asdict(planned)


def plan_of(facts: Mapping[str, int] | None) -> Plan | None:
    """Give the plan back.

    >>> planned = Plan(depth=2, bands=10, crowd=100, candidates=7)
    >>> plan_of(plan_facts(planned)) == planned
    True
    """
    return None if facts is None else Plan(**facts)


def unique_pairs(left: Rows, right: Rows) -> tuple[tuple[Rows, Rows], tuple[Rows, Rows]]:
    """Give each side's different rows, and the places of the pairs' among them."""
    sides: Sequence[tuple[Rows, Rows]] = [
        np.unique(side, return_inverse=True) for side in (left, right)
    ]
    return (sides[0][0], sides[1][0]), (sides[0][1], sides[1][1])
