"""Texts in an index: their trigrams, what each tells, signatures and sketches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from arrowetl.ml.candidates import LOOKED_AT, PLANNING, Ends, Hashed, Plan, plan
from arrowetl.ml.grams import GramSets, gathered
from arrowetl.ml.measures import Drawn, Measure, Part, plan_facts, plan_of, unique_pairs
from arrowetl.ml.minhash import signatures
from arrowetl.ml.pairs import Flags
from arrowetl.ml.sketches import Sketches, sketches, unit_of
from arrowetl.ml.trigram_pairs import DOUBT, compared
from arrowetl.ml.weights import Floats, WeighedSets, Weights, counted, weights_of

_AT_ONCE = 8
"""How many hashes are drawn at once: each needs a table of the vocabulary."""
_PAIRS = 1 << 18


@dataclass(frozen=True)
class TextMeasure(Measure):
    """What trigrams told when it was fitted, for texts of then and later.

    A trigram that nobody had then tells as much as one that is rare.
    """

    weights: Weights
    unit: float
    plan: Plan | None

    raw: ClassVar = ("grams", "starts")
    drawn: ClassVar = ("bits", "counts", "units", "totals")

    @classmethod
    def fit(
        cls, parts: Sequence[GramSets], levels: Sequence[float], threshold: float, *, threads: int
    ) -> TextMeasure:
        """Count the trigrams of all texts, and plan how candidates are found.

        Memory: 60 bytes a text, and 200 MB.
        """
        weights = counted(parts, levels)
        # Lines that nobody looks at take no memory.
        hashes = np.zeros((len(PLANNING), sum(sets.rows for sets in parts)), np.uint32)
        units, low = [0.0], 0
        for sets in parts:
            weighed = weights.including(sets).of(sets, threads=threads)
            found = _hashes(weighed, LOOKED_AT, threads=threads)
            hashes[LOOKED_AT, low : low + sets.rows] = found
            units.append(unit_of(weighed))
            low += sets.rows
        return cls(weights, max(units), plan(hashes, threshold))

    @classmethod
    def of(cls, facts: Mapping[str, Any], part: Part) -> TextMeasure:
        """Give what was kept."""
        levels = np.array(facts["levels"])
        weights = weights_of(np.array(part["vocabulary"]), np.array(part["weights"]), levels)
        return cls(weights, facts["unit"], plan_of(facts["plan"]))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Give the trigrams that texts shared, and what they tell."""
        return {"vocabulary": self.weights.vocabulary, "weights": self.weights.weights}

    def facts(self) -> dict[str, Any]:
        """Give the rest."""
        levels = [float(level) for level in self.weights.levels]
        return {"levels": levels, "unit": self.unit, "plan": plan_facts(self.plan)}

    def weigh(self, sets: GramSets, *, threads: int) -> WeighedSets:
        """Weigh texts; each of their trigrams has a place, since others may share it."""
        return self.weights.including(sets).of(sets, threads=threads)

    def draw(self, part: Part, *, threads: int) -> Drawn:
        """Draw signatures and sketches."""
        weighed = self.weigh(_sets(part), threads=threads)
        found = sketches(weighed, unit=self.unit, threads=threads)
        numbers = range(max(len(PLANNING), self.plan.hashes if self.plan else 0))
        arrays = {name: getattr(found, name) for name in self.drawn}
        return Drawn(arrays, _hashes(weighed, numbers, threads=threads))

    def likely(self, new: Part, old: Part, pairs: Ends, least: float) -> Flags:
        """Say by their sketches which pairs may be so alike."""
        return _sketches(new).similar(*pairs, least - DOUBT, other=_sketches(old))

    def compare(self, new: Part, old: Part, pairs: Ends, *, threads: int) -> Floats:
        """Give the similarities, as the weights are that were fitted."""
        found = [np.zeros(0)]
        left, right = pairs
        for low in range(0, len(left), _PAIRS):
            high = low + _PAIRS
            (first, second), (one, other) = unique_pairs(left[low:high], right[low:high])
            sets = gathered([(_sets(new), first), (_sets(old), second)])
            weighed = self.weights.of(sets, threads=threads)
            found.append(compared(weighed, one, other + len(first), threads=threads))
        return np.concatenate(found)


def _sets(part: Part) -> GramSets:
    return GramSets(part["grams"], part["starts"])


def _sketches(part: Part) -> Sketches:
    return Sketches(part["bits"], part["totals"], part["counts"], part["units"])


def _hashes(weighed: WeighedSets, numbers: Sequence[int], *, threads: int) -> Hashed:
    found = np.empty((len(numbers), weighed.rows), np.uint32)
    for low in range(0, len(numbers), _AT_ONCE):
        some = numbers[low : low + _AT_ONCE]
        found[low : low + len(some)] = signatures(weighed, some, threads=threads)
    return found
