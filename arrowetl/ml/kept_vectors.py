"""Vectors in an index: the matrix, and on which side of hyperplanes its rows are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from arrowetl.arrow import Matrix
from arrowetl.ml._threads import in_order
from arrowetl.ml.candidates import Ends, Plan
from arrowetl.ml.grams import Rows
from arrowetl.ml.hyperplanes import Hyperplanes, centre_of, hyperplanes
from arrowetl.ml.measures import Drawn, Measure, Part, plan_facts, plan_of
from arrowetl.ml.pairs import Flags
from arrowetl.ml.vector_pairs import EVERY, SLACK, cosines, near_plan
from arrowetl.ml.weights import Floats

_BLOCK = 1024


@dataclass(frozen=True)
class VectorMeasure(Measure):
    """The centre that vectors had when it was fitted, for vectors of then and later."""

    centre: npt.NDArray[np.float32]
    plan: Plan | None

    raw: ClassVar = ("values",)
    drawn: ClassVar = ("first", "bits", "along", "far")

    @classmethod
    def fit(
        cls, parts: Sequence[Matrix], threshold: float, *, limit: int, threads: int
    ) -> VectorMeasure:
        """Find the centre, and plan how candidates are found; of 8,192 every pair is compared.

        Memory: 410 bytes a vector.
        """
        rows = sum(map(len, parts))
        if rows <= EVERY:
            return cls(np.zeros(parts[0].shape[1], np.float32), None)
        centre = centre_of([(values, np.arange(len(values))) for values in parts])
        drawn = [_drawn(values, centre, threads=threads) for values in parts]
        hashes = np.concatenate([each.hashes() for each in drawn], axis=1)
        return cls(centre, near_plan(hashes, drawn[0], threshold, limit))

    @classmethod
    def of(cls, facts: Mapping[str, Any], part: Part) -> VectorMeasure:
        """Give what was kept."""
        return cls(np.array(part["centre"]), plan_of(facts["plan"]))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Give the centre."""
        return {"centre": self.centre}

    def facts(self) -> dict[str, Any]:
        """Give the rest."""
        return {"plan": plan_facts(self.plan)}

    def draw(self, part: Part, *, threads: int) -> Drawn:
        """Draw the sides; none where every pair is compared."""
        if self.plan is None:
            return Drawn({}, np.zeros((0, len(part["values"])), np.uint8))
        found = _drawn(part["values"], self.centre, threads=threads)
        return Drawn({name: getattr(found, name) for name in self.drawn}, found.hashes())

    def likely(self, new: Part, old: Part, pairs: Ends, least: float) -> Flags:
        """Say by the sides they are on which pairs may be so near."""
        planes = self._planes(old)
        return self._planes(new).similar(*pairs, least, other=planes)

    def compare(self, new: Part, old: Part, pairs: Ends, *, threads: int) -> Floats:
        """Give the cosines."""
        left, right = pairs
        return cosines(new["values"], left, old["values"], right, threads=threads)

    def every(self, new: Part, old: Part, least: float, *, threads: int) -> Ends:
        """Multiply blocks of the new ones with all old ones."""
        values, others = new["values"], old["values"]

        def near(low: int) -> tuple[Rows, Rows]:
            left, right = np.nonzero(values[low : low + _BLOCK] @ others.T >= least - SLACK)
            return left + low, right

        found = in_order(near, range(0, len(values), _BLOCK), threads=threads)
        none = np.zeros(0, np.int64)
        left, right = (np.concatenate(side) for side in zip((none, none), *found, strict=True))
        return left, right

    def _planes(self, part: Part) -> Hyperplanes:
        squared = float(self.centre @ self.centre)
        return Hyperplanes(part["first"], part["bits"], part["along"], part["far"], squared)


def _drawn(values: Matrix, centre: npt.NDArray[np.float32], *, threads: int) -> Hyperplanes:
    return hyperplanes(values, np.arange(len(values)), centre=centre, threads=threads)
