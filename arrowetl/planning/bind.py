"""Bind: schemas flow from the source to the sink, before a row is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from arrowetl.arrow import as_undecided, undecided
from arrowetl.errors import ArrowETLError, OccupiedError, SchemaError
from arrowetl.fidelity import refuse_lossy
from arrowetl.planning.masking import hidden, unshown
from arrowetl.planning.plan import Plan, Segment, Step
from arrowetl.stage import Sink, Source, SQLStage, Stage
from arrowetl.typemap import refuse_twins, refuse_unkept


def bind(
    pipeline: str,
    source: Source,
    stages: Sequence[Stage],
    sink: Sink | None,
    *,
    scratch: Path,
    ordered: bool = True,
    allow_lossy: bool | Sequence[str] = False,
    dead_letters: Sink | None = None,
    rows: bool | None = None,
) -> Plan:
    """Make the plan as described: a segment a stage, nothing fused or pushed down yet.

    Args:
        pipeline: its name.
        source: where rows come from.
        stages: what becomes of them.
        sink: where they go.
        scratch: a folder for what a source has to make readable first.
        ordered: whether rows keep the source's order.
        allow_lossy: the columns that may lose something in the sink; True for all.
        dead_letters: where rejected rows go.
        rows: of what is only glanced at, whether some rows are shown; a note says then that the
            sink is there already. None of what will run.

    Raises:
        SchemaError: a stage or the sink doesn't fit; names the stage and the column.
        ReadError: the source's schema can't be had.
        WriteError: the destination can't be written.
    """
    if sink is not None:
        source = source.beside(sink)
    with unshown(stages):
        looked = source if rows is None else source.glance(rows=rows)
        relation = looked.relation(scratch)
        schema = source.schema()
        rows_known = source.row_count() if relation is not None else None
        steps = bind_steps(stages, schema)
    last = steps[-1].after if steps else schema
    plan = Plan(
        name=pipeline,
        source=source,
        schema_in=schema,
        relation=relation,
        rows_known=rows_known,
        segments=tuple(Segment((step,), step.select is not None) for step in steps),
        sink=sink,
        schema=last,
        ordered=ordered,
        dead_letters=dead_letters.label if dead_letters else None,
    )
    plan = _covered(plan)
    return plan if sink is None else _into_sink(plan, sink, allow_lossy, shown=rows is not None)


def _covered(plan: Plan) -> Plan:
    """Let no stage put values that are masked further on into a column that it adds."""

    def again(segment: Segment) -> Segment:
        [step] = segment.steps
        masked = hidden(plan, step.position, step.before.names)
        stage = step.stage.covering(masked) if masked else step.stage
        if stage is step.stage:
            return segment
        return replace(segment, steps=(bind_step(replace(step, stage=stage)),))

    return replace(plan, segments=tuple(map(again, plan.segments)))


def _into_sink(plan: Plan, sink: Sink, allow_lossy: bool | Sequence[str], *, shown: bool) -> Plan:
    with _told_of_undecided(tuple(plan.steps), plan.schema):
        try:
            notes = sink.check(plan.schema)
        except OccupiedError as error:
            if not shown:
                raise
            notes = (f"a run would end at once: {error}",)
        stored = sink.stored(plan.schema)
    guarded = refuse_lossy(stored, allowed=allow_lossy, where=sink.label)
    told = {each.note for each in stored}
    others = tuple(note for note in notes if note not in told)
    return replace(plan, stored=stored, guarded=guarded, notes=others)


def bind_steps(stages: Sequence[Stage], schema: pa.Schema) -> tuple[Step, ...]:
    """Bind stages one after the other, each to what comes from the one before."""
    labels = [stage.label for stage in stages]
    steps: list[Step] = []
    for position, stage in enumerate(stages, 1):
        unique = labels.count(stage.label) == 1
        step_name = stage.label if unique else f"{stage.label}[{position}]"
        before = steps[-1].after if steps else schema
        with _told_of_undecided(steps, before):
            steps.append(bind_step(Step(position, step_name, stage, before, before)))
    return tuple(steps)


@contextmanager
def _told_of_undecided(steps: Sequence[Step], schema: pa.Schema) -> Iterator[None]:
    """Add to an error about texts what they may become, and how to say it beforehand."""
    try:
        yield
    except SchemaError as error:
        known = error.column is None or error.column in schema.names
        by = next((step.stage.label for step in reversed(steps) if step.stage.dynamic), None)
        if not (undecided(schema) and known and by):
            raise
        said = str(error).rstrip(".")
        end = "\n" if "\n" in said else ". "
        told = SchemaError(
            f"{said}{end}Only rows tell {by} the types of texts, "
            "and none was read yet: put a Cast to the types that this needs in between, or let "
            f"the source give them, as CSVSource does, and leave out {by}",
            column=error.column,
            nearest=error.nearest,
        )
        told.where = error.where
        raise told from error.__cause__


def bind_step(step: Step) -> Step:
    """Bind a stage to the schema before it; say in its name whatever it complains of.

    What rows have yet to decide before it, they have behind it.
    """
    stage, schema = step.stage, step.before
    if isinstance(stage, SQLStage):
        # DuckDB would call a column by another name, and say nothing.
        refuse_twins(schema, where=step.place)
        refuse_unkept(schema, where=step.place)
    try:
        after = stage.bind(schema)
        if undecided(schema):
            after = as_undecided(after)
        if not isinstance(stage, SQLStage):
            return replace(step, after=after)
        rejections = tuple(stage.rejections(schema))
        return replace(step, after=after, select=stage.select(schema), rejections=rejections)
    except ArrowETLError:
        raise
    except Exception as error:
        raise SchemaError(
            f"failed on an empty batch of its input: {type(error).__name__}: {error}",
            where=step.place,
        ) from error
