"""Rules that rows have to keep, and one expression that says which of them a row breaks."""

from __future__ import annotations

from collections.abc import Sequence

from arrowetl.rules.learning import inferred as inferred
from arrowetl.rules.rule import CONSISTENCY as CONSISTENCY
from arrowetl.rules.rule import VALIDITY as VALIDITY
from arrowetl.rules.rule import Rule as Rule
from arrowetl.rules.rule import as_rules as as_rules
from arrowetl.sql import literal

WORD = 64
"""Rules in one word of a mask."""


def words(rules: Sequence[Rule]) -> list[Sequence[Rule]]:
    """Give the rules of each word of the mask.

    >>> [len(word) for word in words([Rule("x", unique=True)] * 70)]
    [64, 6]
    """
    return [rules[start : start + WORD] for start in range(0, len(rules), WORD)]


def broken(rules: Sequence[Rule]) -> list[str]:
    """Give SQL expressions, a UBIGINT each: which rules a row breaks, the first the lowest bit.

    >>> print(*broken([Rule("x", not_null=True)]))
    CASE WHEN coalesce(("x" IS NOT NULL), true) THEN 0::UBIGINT ELSE 1::UBIGINT END
    """
    return [
        " | ".join(
            f"CASE WHEN {rule.passes()} THEN 0::UBIGINT ELSE {1 << bit}::UBIGINT END"
            for bit, rule in enumerate(word)
        )
        for word in words(rules)
    ]


def broken_names(rules: Sequence[Rule], masks: Sequence[str]) -> str:
    """Give a SQL list of the names of the rules that masks say are broken, in their order."""
    chosen = (
        f"CASE WHEN {mask} & {1 << bit}::UBIGINT <> 0 THEN {literal(rule.name)} END"
        for word, mask in zip(words(rules), masks, strict=True)
        for bit, rule in enumerate(word)
    )
    return f"list_filter([{', '.join(chosen)}]::VARCHAR[], lambda each: each IS NOT NULL)"


def broken_reasons(rules: Sequence[Rule], masks: Sequence[str]) -> str:
    """Give a SQL text of what is wrong with a row, rule by rule."""
    told = (
        f"CASE WHEN {mask} & {1 << bit}::UBIGINT <> 0 THEN {rule.reason()} END"
        for word, mask in zip(words(rules), masks, strict=True)
        for bit, rule in enumerate(word)
    )
    return f"concat_ws('; ', {', '.join(told)})" if rules else "''"
