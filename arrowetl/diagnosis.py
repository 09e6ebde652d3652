"""What `arrowetl doctor` says: each place of a pipeline, tried step by step before a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from arrowetl.errors import ArrowETLError
from arrowetl.fidelity import refuse_lossy
from arrowetl.planning.bind import bind_steps
from arrowetl.planning.masking import unshown
from arrowetl.reliability.deadletters import ENVELOPE
from arrowetl.stage import Finding, Sink, Source, SQLStage, Stage, found

if TYPE_CHECKING:
    from rich.console import RenderableType


_MARKS = {True: "ok    ", False: "FAILED", None: "-     "}
"""What stands before a finding, by whether it works."""
_FOREIGN = (OSError, duckdb.Error, pa.ArrowException)


@dataclass(frozen=True)
class Place:
    """One place of a pipeline, and what was found there.

    Attributes:
        role: `source`, `table` (to join with), `transforms`, `destination` or `dead letters`.
        label: what it is called; no secrets in it.
        findings: what was tried, in this order; nothing after the first that doesn't work.
    """

    role: str
    label: str
    findings: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether all that was tried works."""
        return all(finding.works is not False for finding in self.findings)


@dataclass(frozen=True)
class Diagnosis:
    """What was tried before a run; `str` is a checklist."""

    pipeline: str
    places: tuple[Place, ...]

    @property
    def works(self) -> bool:
        """Whether the pipeline can run, as far as could be tried."""
        return all(place.works for place in self.places)

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values, for programs."""
        return {
            "pipeline": self.pipeline,
            "works": self.works,
            "places": [
                {
                    "role": place.role,
                    "label": place.label,
                    "works": place.works,
                    "steps": [
                        {"step": each.step, "works": each.works, "detail": each.detail}
                        for each in place.findings
                    ],
                }
                for place in self.places
            ],
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for place in self.places:
            yield f"{place.role}: {place.label}"
            for each in place.findings:
                detail = f": {each.detail}" if each.detail else ""
                yield f"  {_MARKS[each.works]} {each.step}{detail}"
        found = [finding.works for place in self.places for finding in place.findings]
        failed = found.count(False)
        yield f"{failed} of these don't work" if failed else "all works"

    def __rich__(self) -> RenderableType:
        return self.drawn()

    def drawn(self, hide: Callable[[str], str] = str) -> RenderableType:
        """Give what rich draws; the text goes through `hide` before it is laid out."""
        from rich.text import Text

        text = Text(hide(str(self)))
        text.highlight_regex(r"(?m)^  ok ", "green")
        text.highlight_regex(r"(?m)^  FAILED ", "bold red")
        return text


def diagnose(
    pipeline: str,
    source: Source,
    stages: Sequence[Stage],
    sink: Sink | None,
    *,
    dead_letters: Sink | None = None,
    allow_lossy: bool | Sequence[str] = False,
) -> Diagnosis:
    """Try all that a run will need. Reads no rows, and changes nothing.

    What needs the schema of the rows isn't tried where a step before it failed; whether the
    destination is reached, is.
    """
    tables = (("table", each) for stage in stages for each in _tables(stage))
    places = [
        _place(role, each.label, _unshown(each.diagnose(), stages))
        for role, each in (("source", source), *tables)
    ]
    schema = _schema(source, stages, places) if all(each.works for each in places) else None
    if sink is not None:
        findings = _into(sink, schema, allow_lossy)
        places.append(_place("destination", sink.label, findings))
    if dead_letters is not None:
        letters = pa.schema([*ENVELOPE, ("row", pa.string())])
        places.append(_place("dead letters", dead_letters.label, dead_letters.diagnose(letters)))
    return Diagnosis(pipeline, tuple(places))


def _place(role: str, label: str, findings: Iterable[Finding]) -> Place:
    return Place(role, label, tuple(_until_one_fails(findings)))


def _unshown(findings: Iterable[Finding], stages: Sequence[Stage]) -> Iterator[Finding]:
    """Give findings that show no value, if a stage masks some."""
    masked = any(stage.masks for stage in stages)
    try:
        for each in findings:
            yield replace(each, detail=each.bare) if masked and each.bare is not None else each
    except _FOREIGN as error:
        if not masked:
            raise
        yield Finding("look at it", works=False, detail=type(error).__name__)


def _until_one_fails(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Give findings; what isn't one, but an error of another library, is one too."""
    try:
        for finding in findings:
            yield finding
            if not finding.works:
                return
    except _FOREIGN as error:
        yield Finding("look at it", works=False, detail=f"{type(error).__name__}: {error}")


def _tables(stage: Stage) -> list[Source]:
    named = stage.side_tables().values() if isinstance(stage, SQLStage) else ()
    return [table for table in named if isinstance(table, Source)]


def _schema(source: Source, stages: Sequence[Stage], places: list[Place]) -> pa.Schema | None:
    """Give the schema that comes out of the stages; None, and why, if they don't fit."""
    try:
        with unshown(stages):
            steps = bind_steps(stages, source.schema())
    except ArrowETLError as error:
        finding = Finding("fit together", works=False, detail=str(error))
        places.append(Place("transforms", f"{len(stages)} of them", (finding,)))
        return None
    return steps[-1].after if steps else source.schema()


def _into(
    sink: Sink, schema: pa.Schema | None, allow_lossy: bool | Sequence[str]
) -> Iterator[Finding]:
    if schema is None:
        yield from sink.reached()
        why = "not tried: what will arrive isn't known before the steps above work"
        yield Finding("take the rows", works=None, detail=why)
        return
    yield from sink.diagnose(schema)
    yield found("keep the values", partial(_kept, sink, schema, allow_lossy))


def _kept(sink: Sink, schema: pa.Schema, allow_lossy: bool | Sequence[str]) -> str:
    stored = sink.stored(schema)
    refuse_lossy(stored, allowed=allow_lossy, where=sink.label)
    changed = [each.note for each in stored if each.fate.value != "lossless"]
    return "; ".join(changed) or "as they are"
