"""Rules: what the planner does to a plan as described, in order.

Each takes a plan and gives one that yields the same rows. Applying one twice changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa

from arrowetl.arrow import reader_of
from arrowetl.duck import describing, register_tables
from arrowetl.planning.plan import Plan, Scan, Segment, Step
from arrowetl.planning.taps import operators, tapped
from arrowetl.sql import STREAM, name
from arrowetl.stage import Scope, SQLStage

PYTHON = "runs in Python"
AFTER_PYTHON = "what comes before it runs in Python"
REJECTS = "can reject rows: they leave before it, as they were"
UNCOUNTABLE = "DuckDB would rewrite the fused statement so that its rows could not be counted"


def optimise(plan: Plan) -> Plan:
    """Apply every rule once, in order; the order is the whole story."""
    return replace(reduce(lambda plan, rule: rule(plan), RULES, plan), trees={})


def push_into_scan(plan: Plan) -> Plan:
    """Let the first statement read the source itself, where DuckDB can."""
    if plan.relation is None or (plan.segments and _reads(plan.segments[0])):
        return plan
    return replace(plan, segments=(Segment((), sql=True), *plan.segments))


def _reads(segment: Segment) -> bool:
    return segment.sql and not _rejects(segment)


def part_rejected(plan: Plan) -> Plan:
    """Let rows that a stage rejects leave at the end of the segment before it, as they were."""
    return replace(plan, segments=reduce(_parted, plan.segments, ()))


def _parted(done: tuple[Segment, ...], segment: Segment) -> tuple[Segment, ...]:
    if not _rejects(segment):
        return (*done, segment)
    last = done[-1] if done and done[-1].sql else None
    if last is not None and last.rejects_for == segment.steps[0]:
        return (*done, segment)
    keeper = last or Segment((), sql=True, why=AFTER_PYTHON if done else "")
    kept = replace(keeper, rejects_for=segment.steps[0])
    why = f"{segment.label} {REJECTS}"
    return (*done[: len(done) - (last is not None)], kept, replace(segment, why=why))


def fuse(plan: Plan) -> Plan:
    """Make one statement of adjacent SQL stages; where it is cut, say why."""
    return replace(plan, segments=reduce(_fused, plan.segments, ()))


def _fused(done: tuple[Segment, ...], segment: Segment) -> tuple[Segment, ...]:
    if not segment.sql:
        return (*done, replace(segment, why=PYTHON if done else ""))
    if not done or done[-1].rejects_for is not None:
        return (*done, segment)
    if not done[-1].sql:
        return (*done, replace(segment, why=AFTER_PYTHON))
    if done[-1].ends:
        return (*done, replace(segment, why=done[-1].ends))
    last = replace(done[-1], steps=done[-1].steps + segment.steps, rejects_for=segment.rejects_for)
    return (*done[:-1], last)


def _rejects(segment: Segment) -> bool:
    return bool(segment.steps) and bool(segment.steps[0].rejections)


def keep_counts(plan: Plan) -> Plan:
    """Cut a fused statement whose taps DuckDB's optimiser would lose or double.

    `WHERE false`, or a stage that never reads `input`, makes DuckDB drop everything below it.
    """
    kept = (
        [segment] if _countable(plan, number) else _apart(segment)
        for number, segment in enumerate(plan.segments)
    )
    return replace(plan, segments=tuple(chain.from_iterable(kept)))


def _countable(plan: Plan, number: int) -> bool:
    wanted = plan.taps(number)
    if not plan.segments[number].sql or len(plan.segments[number].steps) <= 1 - (number == 0):
        return True
    tree = explain_tree(plan, number)
    return tree is None or len(tapped(tree)) == len(wanted)


def _apart(segment: Segment) -> list[Segment]:
    steps = segment.steps
    first = replace(segment, steps=steps[:1], rejects_for=None)
    rest = [Segment((step,), sql=True, why=UNCOUNTABLE) for step in steps[1:]]
    parts = [first, *rest]
    return [*parts[:-1], replace(parts[-1], rejects_for=segment.rejects_for)]


def explain_tree(plan: Plan, number: int) -> dict[str, Any] | None:
    """Ask DuckDB for the plan of a segment's statement; None if that needs the real input."""
    # The same text may mean other side tables in another place.
    stages = tuple(id(step.stage) for step in plan.segments[number].steps)
    key = (plan.statement(number), stages, input_schema(plan, number))
    if key not in plan.trees:
        plan.trees[key] = _explained(plan, number)
    tree: dict[str, Any] | None = plan.trees[key]
    return tree


def _explained(plan: Plan, number: int) -> dict[str, Any] | None:
    connection = segment_connection(plan, number)
    try:
        text = connection.execute(f"EXPLAIN (FORMAT json) {plan.statement(number)}").fetchall()
    except duckdb.Error:
        return None
    finally:
        connection.close()
    return {"type": "ROOT", "children": json.loads(text[0][1])}


FLOWING = {
    *("FILTER", "PROJECTION", "UNNEST", "UNION"),
    *("STREAMING_LIMIT", "STREAMING_SAMPLE", "STREAMING_WINDOW"),
}
"""Operators that give rows as they come."""


def flows(plan: Plan) -> bool:
    """Tell whether the first rows come out when only the first have gone in; in doubt they don't.

    A count, say, is of all rows.
    """
    return all(
        _flows(explain_tree(plan, number)) if segment.sql else _by_rows(segment)
        for number, segment in enumerate(plan.segments)
    )


def _flows(tree: dict[str, Any] | None) -> bool:
    inner = [node for node in operators(tree or {}) if node.get("children") and node.get("name")]
    return tree is not None and all(node["name"] in FLOWING for node in inner)


def _by_rows(segment: Segment) -> bool:
    return all(step.stage.scope is Scope.ROW for step in segment.steps)


def segment_connection(plan: Plan, number: int) -> duckdb.DuckDBPyConnection:
    """Open a connection in which a segment's statement binds, without its rows."""
    reads = number == 0 and plan.relation is not None
    connection = describing(plan.source.attached if reads else {})
    if not reads:
        connection.register(STREAM, reader_of(input_schema(plan, number), ()))
    for step in plan.segments[number].steps:
        if isinstance(step.stage, SQLStage):
            register_tables(connection, step.stage.side_tables(), empty=True)
    return connection


def input_schema(plan: Plan, number: int) -> pa.Schema:
    """Give the schema of the rows that come to a segment."""
    earlier = [step for segment in plan.segments[:number] for step in segment.steps]
    return earlier[-1].after if earlier else plan.schema_in


def find_scan(plan: Plan) -> Plan:
    """Find which columns and filters reach the source's own reading."""
    if not plan.segments or not plan.segments[0].sql:
        return plan
    tree = explain_tree(plan, 0)
    if tree is None:
        return plan
    leaves = [node for node in operators(tree) if _reads_source(node, plan)]
    if len(leaves) != 1:
        return plan
    info = leaves[0].get("extra_info") or {}
    columns = _wanted(plan.schema_in.names, _listed(info.get("Projections")))
    return replace(plan, scan=Scan(columns, tuple(_listed(info.get("Filters")))))


def _wanted(there: Sequence[str], printed: Sequence[str]) -> tuple[str, ...] | None:
    r"""Give the columns that DuckDB prints of a scan; None for all of them.

    A column that isn't among them arrives as nulls, so all are read where one may be printed
    otherwise than it is called. A struct of which a part is read is printed with that part.

    >>> _wanted(["a", "b", "c"], ["a", "c.part"])
    ('a', 'c')
    >>> _wanted(["a\nb", "c"], ["a", "b"])
    """
    # They are printed with a line each.
    if not printed or any("\n" in column for column in there):
        return None
    known = set(there)
    owners = [known.intersection(_beginnings(each)) for each in printed]
    if not all(owners):
        return None
    wanted = set().union(*owners)
    return None if len(wanted) == len(there) else tuple(filter(wanted.__contains__, there))


def _beginnings(printed: str) -> Iterator[str]:
    return (printed[: dot.start()] for dot in re.finditer(r"\.|$", printed))


def _reads_source(node: dict[str, Any] | Any, plan: Plan) -> bool:
    kind = str(node.get("name") or "")
    if node.get("children"):
        return False
    return kind.startswith(("READ_", "SEQ_SCAN")) if plan.relation else "ARROW" in kind


def _listed(value: str | list[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


# COPY writes these otherwise than Arrow would give them: a file must not tell which way it came.
_COPY_DIFFERS = re.compile(
    r"\b(UUID|JSON|ENUM|BIT|BITSTRING|INTERVAL|TIME WITH|UHUGEINT|BIGNUM|UNION|"
    r"NULL|TIMESTAMP_S|TIMESTAMP_MS|VARIANT|GEOMETRY|MAP)\b|HUGEINT.*[\[\)]"
)


LARGEST_PART = 256 << 20
"""Bytes of a source's part, at most, that COPY may hold."""


def push_into_sink(plan: Plan) -> Plan:
    """Let the last statement write the destination itself, where both can."""
    number = len(plan.segments) - 1
    # To keep an order DuckDB holds rows that come too early, without end if a source can't be
    # read again with less memory (see engines/run.py), and whatever one thread reads alone.
    unbounded = plan.ordered and (plan.relation is None or _in_large_parts(plan))
    if plan.sink is None or unbounded or number < 0 or not plan.segments[number].sql:
        return plan
    if plan.guarded or plan.segments[number].ends:
        return plan  # values are looked at on their way
    if plan.sink.statement("SELECT 1", plan.schema) is None or any(map(is_dynamic, plan.steps)):
        return plan
    columns = _column_types(plan, number)
    if columns is None or any(_COPY_DIFFERS.search(kind) for kind in columns.values()):
        return plan
    wide = [f"{name(c)}::DECIMAL(38, 0) AS {name(c)}" for c, t in columns.items() if t == "HUGEINT"]
    select = plan.statement(number)
    return replace(
        plan, copy=f"SELECT * REPLACE ({', '.join(wide)}) FROM ({select})" if wide else select
    )


def _in_large_parts(plan: Plan) -> bool:
    return (plan.source.largest_part() or 0) > LARGEST_PART


def is_dynamic(step: Step) -> bool:
    """Whether the step's schema is known only when its rows have been seen."""
    return step.stage.dynamic


def _column_types(plan: Plan, number: int) -> dict[str, str] | None:
    connection = segment_connection(plan, number)
    try:
        relation = connection.sql(plan.statement(number))
        return dict(zip(relation.columns, map(str, relation.types), strict=True))
    except duckdb.Error:
        return None
    finally:
        connection.close()


HOLDS = {
    "CTE": "rows that are read twice",
    "HASH_GROUP_BY": "groups",
    "HASH_JOIN": "one side of a join",
    "ORDER_BY": "rows to be sorted",
    "WINDOW": "rows of windows",
}
"""Operators that hold rows, and spill them beyond the memory limit."""


def find_held(plan: Plan) -> Plan:
    """Find which statements hold rows, and so may spill."""
    found = []
    for number, segment in enumerate(plan.segments):
        tree = explain_tree(plan, number) if segment.sql else None
        kinds = {str(node.get("name")) for node in operators(tree or {})}
        held = [what for kind, what in HOLDS.items() if kind in kinds]
        if held:
            found.append(
                f"segment {number + 1} holds {', '.join(held)}; beyond memory_limit they spill"
            )
    return replace(plan, holds=tuple(found))


RULES: tuple[Callable[[Plan], Plan], ...] = (
    push_into_scan,
    part_rejected,
    fuse,
    keep_counts,
    find_scan,
    push_into_sink,
    find_held,
)
