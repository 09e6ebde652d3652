"""Taps: how rows are counted inside a fused statement, at no cost that could be measured.

A tap is a system sample of 100 %: DuckDB decides for a vector of rows at a time whether to let it
through, always does, and its profile says how many rows passed. Filters don't move across a tap,
so each stage keeps its own rows; columns that nobody needs are still pruned through it.

On 5 million rows of CSV with five stages, the statement with four taps took as long as without
(2.17 s against 2.13 s, within the noise).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_METHOD = "System: 100.000000%"


def tap(select: str) -> str:
    r"""Count the rows of a SELECT that becomes part of a larger one.

    >>> tap("SELECT 1")
    'SELECT * FROM (SELECT 1\n) USING SAMPLE 100 PERCENT (system)'
    """
    return f"SELECT * FROM ({select}\n) USING SAMPLE 100 PERCENT (system)"


@dataclass(frozen=True)
class Tapped:
    """What one tap saw."""

    rows: int
    seconds: float
    """Time of the operators between this tap and the one before, summed over threads."""
    bytes: int | None = None
    """Size of the rows that passed, as vectors in memory; None if it isn't known."""


def tapped(tree: Mapping[str, Any]) -> list[Tapped]:
    """Read the taps out of a profile or an EXPLAIN in JSON, in the order of the stages.

    >>> inner = {"type": "STREAMING_SAMPLE", "extra_info": {"Sample Method": _METHOD},
    ...          "intermediate_rows": 5, "timing": 0.5, "children": []}
    >>> tapped({"type": "FILTER", "timing": 1.0, "children": [inner]})
    [Tapped(rows=5, seconds=0.5, bytes=None)]
    """
    return [
        Tapped(
            node.get("intermediate_rows", 0),
            _seconds_below(node),
            node.get("intermediate_size_bytes"),
        )
        for node in reversed(list(_outermost_first(tree)))
    ]


def is_tap(node: Mapping[str, Any]) -> bool:
    """Whether an operator is one of ours."""
    return (
        _kind(node) == "STREAMING_SAMPLE"
        and (node.get("extra_info") or {}).get("Sample Method") == _METHOD
    )


def operators(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give all operators of a profile or an EXPLAIN, parents first."""
    yield tree
    for child in tree.get("children", ()):
        yield from operators(child)


def _outermost_first(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if is_tap(node):
        yield node
    children = node.get("children", ())
    # A materialised CTE has its definition, which is the earlier stage, before its use.
    for child in reversed(children) if _kind(node) == "CTE" else children:
        yield from _outermost_first(child)


def _kind(node: Mapping[str, Any]) -> str:
    return str(node.get("type") or node.get("name") or "")


def _seconds_below(node: Mapping[str, Any]) -> float:
    """Sum the time of a tap and of what is below it, up to the next taps.

    Waiting for batches of the segment before isn't this one's time.
    """
    below = (child for child in node.get("children", ()) if not is_tap(child))
    own = 0.0 if "ARROW" in _kind(node) else float(node.get("timing") or 0)
    return own + sum(_seconds_below(child) for child in below)
