"""A plan as text: what will run where, before any row is read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa

from arrowetl.planning.plan import Plan, Segment


def explained(plan: Plan) -> str:
    """Give the plan as text: source, segments with their SQL, sink, notes."""
    return "\n".join(_lines(plan))


def as_dict(plan: Plan) -> dict[str, Any]:
    """Give the plan as plain values, for programs."""
    return {
        "name": plan.name,
        "source": {
            "label": plan.source.label,
            "read_by": "duckdb" if plan.relation else "python",
            "columns": list(plan.scan.columns or plan.schema_in.names),
            "filters": list(plan.scan.filters),
            "rejects": plan.source.rejects,
        },
        "segments": [
            {
                "stages": [step.name for step in segment.steps],
                "runs_in": "duckdb" if segment.sql else "python",
                "why_apart": segment.why or None,
                "rejects_for": segment.rejects_for.name if segment.rejects_for else None,
                "sql": plan.statement(number) if segment.sql else None,
            }
            for number, segment in enumerate(plan.segments)
        ],
        "sink": plan.sink
        and {
            "label": plan.sink.label,
            "copies": plan.copy is not None,
            "rejects": plan.refuses,
        },
        "dead_letters": plan.dead_letters,
        "schema": {field.name: str(field.type) for field in plan.schema},
        "types": [
            {
                "column": each.column,
                "arrow": str(each.arrow),
                "declared": each.declared or None,
                "back": str(each.back or each.arrow),
                "fate": each.fate.value,
                "why": each.why,
            }
            for each in plan.changed
        ],
        "notes": [*plan.notes, *plan.holds],
    }


def _lines(plan: Plan) -> Iterator[str]:
    yield f"Pipeline {plan.name}"
    yield from _source(plan)
    for number, segment in enumerate(plan.segments):
        yield from _segment(plan, number, segment)
    yield from _sink(plan)
    yield from _rejects(plan)
    yield f"Schema   {_columns(plan.schema)}"
    for kind in _types(plan):
        yield f"Type     {kind}"
    for note in (*plan.notes, *plan.holds):
        yield f"Note     {note}"


def _types(plan: Plan) -> Iterator[str]:
    """Give a line for the columns that are kept in one way, if it isn't as they are."""
    ways: dict[str, list[str]] = {}
    for each in plan.changed:
        ways.setdefault(replace(each, column="").note, []).append(each.column)
    for way, columns in ways.items():
        yield ", ".join(columns) + way
    for each in plan.stored:
        if each.column in plan.guarded:
            yield f"{each.column}: {each.rare} ends the run, unless allow_lossy allows it"


def _source(plan: Plan) -> Iterator[str]:
    how = "DuckDB reads it" if plan.relation else "batches come from Python"
    yield f"Source   {plan.source.label}: {how}"
    wanted, there = plan.scan.columns, plan.schema_in.names
    if wanted is None:
        yield f"         reads all {len(there)} columns"
    else:
        yield f"         reads {len(wanted)} of {len(there)} columns: {', '.join(wanted)}"
    for predicate in plan.scan.filters:
        yield f"         filters while reading: {predicate}"
    if plan.rows_known is not None:
        yield f"         has {plan.rows_known:,} rows, by its metadata"
    if plan.source.rejects:
        yield "         rows that can't be read leave here"


def _segment(plan: Plan, number: int, segment: Segment) -> Iterator[str]:
    kind = "one DuckDB statement" if segment.sql else "Python, a batch at a time"
    head = f"{number + 1}. {segment.label or 'read'}: {kind}"
    yield f"Segment  {head}"
    if segment.why:
        yield f"         apart, because {segment.why}"
    if segment.rejects_for is not None:
        codes = ", ".join(sorted({each.code for each in segment.rejects_for.rejections}))
        yield f"         rows that {segment.rejects_for.name} rejects leave here ({codes})"
    if segment.sql:
        yield textwrap.indent(plan.statement(number), " " * 11)


def _sink(plan: Plan) -> Iterator[str]:
    if plan.sink is None:
        yield "Sink     none: the rows are read from the pipeline as an Arrow stream"
    elif plan.copy is not None:
        yield f"Sink     {plan.sink.label}: the last statement writes it (COPY)"
    else:
        yield f"Sink     {plan.sink.label}: is given record batches"
    if plan.refuses:
        yield "         rows that it refuses leave here"


def _rejects(plan: Plan) -> Iterator[str]:
    """Say where rejected rows go, if there may be any."""
    by_stages = any(step.rejections or step.sets_apart for step in plan.steps)
    if plan.dead_letters is not None:
        yield f"Rejects  go to {plan.dead_letters}"
    elif by_stages or plan.source.rejects or plan.refuses:
        yield "Rejects  are counted, and kept nowhere: there are no dead_letters"


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema) or "no columns"
