"""A plan: what will run, as values. It knows its schemas, prints, compares and pickles."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from arrowetl.planning.taps import tap
from arrowetl.sql import INPUT, STREAM, literal, name, nest
from arrowetl.stage import Rejection, Rows, RowSink, Sink, Source, Stage
from arrowetl.typemap import Fate, Stored

REJECTED = "arrowetl:rejected"
"""The column in which a segment says why a row is rejected; null for a good one."""


@dataclass(frozen=True)
class Step:
    """A stage in its place, with the schemas before and after it."""

    position: int
    """Its place in the pipeline; the source is 0."""
    name: str
    """Its label, with its position where another stage has the same label."""
    stage: Stage
    before: pa.Schema
    after: pa.Schema
    select: str | None = None
    """Its SELECT over `input`; None if it runs in Python."""
    rejections: tuple[Rejection, ...] = ()

    @property
    def place(self) -> str:
        """What it is called in errors."""
        return f"{self.stage.label} (transform {self.position})"

    @property
    def observed(self) -> bool:
        """Whether its rows are looked at as they leave."""
        return self.stage.observer(self.before) is not None

    @property
    def sets_apart(self) -> bool:
        """Whether it rejects rows by a column of its own."""
        return self.stage.sets_apart

    @property
    def counted(self) -> bool:
        """Whether its rows have to be counted: the number may change."""
        return self.stage.rows is not Rows.SAME

    @property
    def statement(self) -> str:
        """Its SELECT, with a tap on it if its rows have to be counted."""
        select = self.select or f"SELECT * FROM {INPUT}"
        return tap(select) if self.counted else select


@dataclass(frozen=True)
class Segment:
    """Steps that run together: one SQL statement, or one Python stage."""

    steps: tuple[Step, ...]
    sql: bool
    why: str = ""
    """Why it isn't one with the segment before it."""
    rejects_for: Step | None = None
    """The next step, if rows that it rejects leave at this segment's end."""

    @property
    def label(self) -> str:
        """Its steps' names."""
        return ", ".join(step.name for step in self.steps)

    def statement(self, relation: str | None = None) -> str:
        """Give its one SELECT.

        Args:
            relation: the SELECT that gives the first step its rows; the batches that come
                from the segment before do so if it is None.
        """
        statements = [relation or f"SELECT * FROM {name(STREAM)}"]
        statements += [step.statement for step in self.steps]
        if self.rejects_for is not None:
            statements.append(_with_reason(self.rejects_for.rejections))
        return nest(statements)

    @property
    def ends(self) -> str:
        """Why nothing can be fused behind it; nothing if something can."""
        last = self.steps[-1] if self.steps else None
        if last is not None and last.sets_apart:
            return f"{last.name} sets rows apart that it has looked at"
        return f"{last.name} looks at its rows as they leave" if last and last.observed else ""

    @property
    def taps(self) -> tuple[int, ...]:
        """Positions of the steps whose rows are counted inside the statement, in order."""
        return tuple(step.position for step in self.steps if step.counted)


def _with_reason(rejections: tuple[Rejection, ...]) -> str:
    cases = " ".join(
        f"WHEN {each.where} THEN {{'code': {literal(each.code)}, 'reason': {each.reason}, "
        f"'column': {literal(each.column)}::VARCHAR}}"
        for each in rejections
    )
    return f"SELECT *, CASE {cases} END AS {name(REJECTED)} FROM {INPUT}"


@dataclass(frozen=True)
class Scan:
    """What reaches the source's own reading."""

    columns: tuple[str, ...] | None = None
    """The only columns that are read; None for all."""
    filters: tuple[str, ...] = ()
    """Predicates that the scan itself applies."""


@dataclass(frozen=True)
class Plan:
    """A whole pipeline, bound and cut into segments. `str` of it explains it."""

    name: str
    source: Source
    schema_in: pa.Schema
    relation: str | None
    """The SELECT by which DuckDB reads the source; None if the source gives batches."""
    rows_known: int | None
    """How many rows `relation` has, if its metadata says so; else they are counted."""
    segments: tuple[Segment, ...]
    sink: Sink | None
    schema: pa.Schema
    """What arrives at the sink."""
    scan: Scan = field(default_factory=Scan)
    ordered: bool = True
    """Whether rows keep the source's order."""
    copy: str | None = None
    """The SELECT that the sink's own statement takes in whole; None if batches are written."""
    holds: tuple[str, ...] = ()
    """What is held, and spilled where memory ends: nothing, or a sentence a segment."""
    stored: tuple[Stored, ...] = ()
    """What the sink makes of each column's type."""
    guarded: tuple[str, ...] = ()
    """Columns of which rare values would be lost, and may not: one ends the run."""
    dead_letters: str | None = None
    """Where rejected rows go; None if they are only counted."""
    notes: tuple[str, ...] = ()
    """What a user should know beforehand: columns that will be added or dropped."""
    trees: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)
    """What DuckDB said of statements while it was planned: several rules ask the same."""

    @property
    def steps(self) -> Iterator[Step]:
        """All steps, in order."""
        return (step for segment in self.segments for step in segment.steps)

    @property
    def refuses(self) -> bool:
        """Whether the sink may refuse rows, and put the others."""
        return isinstance(self.sink, RowSink) and getattr(self.sink, "on_error", "") != "raise"

    @property
    def changed(self) -> tuple[Stored, ...]:
        """The columns whose type, read back, isn't what it was."""
        return tuple(each for each in self.stored if each.fate is not Fate.LOSSLESS)

    @property
    def tapped_relation(self) -> str | None:
        """The relation, with its rows counted unless they are known."""
        if self.relation is None or self.rows_known is not None:
            return self.relation
        return tap(self.relation)

    def statement(self, number: int) -> str:
        """Give the statement of the segment with this number."""
        return self.segments[number].statement(self.tapped_relation if number == 0 else None)

    def taps(self, number: int) -> tuple[int, ...]:
        """Give the positions that are counted inside the segment's statement, in order."""
        source_too = number == 0 and self.relation is not None and self.rows_known is None
        return ((0,) if source_too else ()) + self.segments[number].taps

    def read_with_care(self, scratch: Path) -> Plan | None:
        """Give the plan that reads the source with care; None if it can't be.

        The first segment's statement is the same but for what it reads.
        """
        source = self.source.with_care(self.scan.columns)
        relation = source.relation(scratch) if source is not None else None
        if source is None or self.tapped_relation is None or relation is None:
            return None
        plan = replace(self, source=source, relation=relation)
        if self.copy is None or plan.tapped_relation is None:
            return plan
        return replace(plan, copy=self.copy.replace(self.tapped_relation, plan.tapped_relation))

    def to_json(self) -> str:
        """Give the plan as a JSON object: source, segments with their SQL, sink, schema, notes."""
        import orjson

        from arrowetl.planning.explain import as_dict

        return orjson.dumps(as_dict(self), option=orjson.OPT_INDENT_2).decode()

    def __str__(self) -> str:
        from arrowetl.planning.explain import explained

        return explained(self)
