"""Which columns may not be shown, since a stage further on masks them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from arrowetl.errors import ArrowETLError, without_values
from arrowetl.planning.plan import Plan, Step
from arrowetl.stage import Stage


@contextmanager
def unshown(stages: Sequence[Stage]) -> Iterator[None]:
    """Let errors of planning show no value, if a stage masks some: sources are looked into."""
    try:
        yield
    except ArrowETLError as error:
        told = without_values(error) if any(stage.masks for stage in stages) else error
        if told is error:
            raise
        raise told from None


def is_masked(plan: Plan, position: int = 0) -> bool:
    """Whether the step at a position, or one behind it, masks columns."""
    return any(True for _ in _masking(plan, position))


def hidden(plan: Plan, position: int, columns: Iterable[str]) -> list[str]:
    """Give those of the columns that nobody may see of rows on their way into a step.

    They are those that a stage from there on masks, and those that it doesn't get: they may have
    been renamed, or be what a masked column is made of.

    Args:
        plan: what runs.
        position: the step's; 0 for rows as the source reads them.
        columns: those of the rows.
    """
    masking = list(_masking(plan, position))
    return [
        column
        for column in columns
        if any(column in step.stage.masks or column not in step.before.names for step in masking)
    ]


def _masking(plan: Plan, position: int) -> Iterable[Step]:
    return (step for step in plan.steps if step.position >= position and step.stage.masks)
