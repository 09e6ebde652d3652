"""A contract from a profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.types as kinds

from arrowetl.contracts.contract import Contract, Field
from arrowetl.contracts.paths import Part, path_of
from arrowetl.contracts.types import word_of
from arrowetl.profiling._types import schema_from_text
from arrowetl.profiling.profile import ColumnProfile, Profile
from arrowetl.rules import Rule
from arrowetl.rules.learning import Belief, belief_of


def learned(profile: Profile, *, rows: int, share: float) -> Contract:
    """Give the contract that the rows of a profile keep, as `Contract.learn` says."""
    known = {each.name: each for each in profile.columns}
    looking = _Looking(known, belief_of(profile, rows=rows, share=share))
    fields, rules = [], []
    for place, column in enumerate(schema_from_text(profile.arrow_schema)):
        for field, kept in looking.parts(
            (column.name,), column.name, column.type, first=not place, absent=0
        ):
            fields.append(field)
            rules += kept
    return Contract(fields, rules=rules, source=profile.source)


@dataclass(frozen=True)
class _Looking:
    """Goes through columns and what is in them, as the profile did."""

    known: Mapping[str, ColumnProfile]
    belief: Belief

    def parts(
        self, parts: tuple[Part, ...], profiled: str, kind: Any, *, first: bool, absent: int
    ) -> Iterator[tuple[Field, list[Rule]]]:
        """Give a field with its rules, then those in it.

        Args:
            parts: the way to it.
            profiled: what the profile calls it.
            kind: its Arrow type.
            first: whether it is the first column.
            absent: how often what it is in isn't there.
        """
        found, path = self.known.get(profiled), path_of(parts)
        rules = self._rules(parts, kind, found, first=first, absent=absent) if found else []
        there = next((rule for rule in rules if rule.not_null), None)
        evidence = there.evidence if there else None
        [personal] = found.pii[:1] if found and found.pii else [None]
        field = Field(
            path,
            word_of(kind),
            nullable=there is None,
            evidence=evidence,
            pii=personal.label if personal else None,
            pii_evidence="; ".join(personal.evidence) if personal else None,
        )
        yield field, [rule for rule in rules if not rule.not_null]
        if field.type == "struct":
            for part in kind:
                inside = (*parts, part.name), f"{profiled}.{part.name}"
                yield from self.parts(
                    *inside, part.type, first=False, absent=found.nulls if found else 0
                )
        elif field.type == "list":
            yield from self.parts(
                (*parts, None), f"{profiled}[]", kind.value_type, first=False, absent=0
            )

    def _rules(
        self, parts: tuple[Part, ...], kind: Any, found: ColumnProfile, *, first: bool, absent: int
    ) -> list[Rule]:
        if kinds.is_dictionary(kind):
            kind = kind.value_type
        unit = "elements" if None in parts else "rows"
        rules = self.belief.rules(
            found, path_of(parts), kind, first=first, absent=absent, unit=unit
        )
        return [rule for rule in rules if not rule.unique or len(parts) == 1]
