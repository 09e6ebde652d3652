"""What was tried before a run, and what was found: the lines of `arrowetl doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from arrowetl.errors import ArrowETLError, without_values


@dataclass(frozen=True)
class Finding:
    """One thing that was tried before a run: whether it works, and what to do if it doesn't."""

    step: str
    """What was tried, in the infinitive: "connect", "create a table in schema 'sales'"."""
    works: bool | None
    """None if it wasn't tried, since something else has to work before."""
    detail: str
    """What was found, or what is wrong and what to do; no secrets in it."""
    bare: str | None = field(default=None, repr=False)
    """The detail as it is where a stage masks values, if it isn't the same."""


def found(step: str, attempt: Callable[[], str]) -> Finding:
    """Try something; give what it says, or the error's text.

    >>> found("connect", lambda: "PostgreSQL 18.1")
    Finding(step='connect', works=True, detail='PostgreSQL 18.1')
    """
    try:
        return Finding(step, works=True, detail=attempt())
    except ArrowETLError as error:
        bare = str(without_values(error))
        return Finding(step, works=False, detail=str(error), bare=bare)


def tried(steps: Iterable[tuple[str, Callable[[], str]]]) -> Iterator[Finding]:
    """Try steps one after the other; stop after the first that doesn't work.

    >>> [finding.step for finding in tried([("connect", lambda: "18.1"), ("ask", lambda: "")])]
    ['connect', 'ask']
    """
    for step, attempt in steps:
        finding = found(step, attempt)
        yield finding
        if not finding.works:
            return
