"""The same rows whatever the batches, the threads and the fusing: random data, random pipelines."""

from __future__ import annotations

from datetime import timezone
from itertools import pairwise

import pyarrow as pa
from engine.harness import UNFUSED, Batches, Each, Query, Relation, execute, keep, planned
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrowetl import (
    SQL,
    Aggregator,
    Cast,
    Deduplicator,
    Filter,
    Map,
    NullRemover,
    Rename,
    Select,
)
from arrowetl.instances import Instance
from arrowetl.planning.rules import RULES, find_scan
from arrowetl.sql import name as quoted
from arrowetl.stage import Rejection, Rows

COLUMNS = {
    "a": (pa.int64(), st.integers(-5, 5)),
    "b b": (pa.string(), st.text("ab'\"; \n\N{SNOWMAN}", max_size=4)),
    "select": (pa.float64(), st.sampled_from([0.0, -0.0, 1.5, float("nan"), float("inf")])),
    "d": (pa.date32(), st.dates()),
    "l": (pa.list_(pa.int32()), st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=3)),
    "s": (
        pa.struct([("k", pa.bool_())]),
        st.fixed_dictionaries({"k": st.one_of(st.none(), st.booleans())}),
    ),
}


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 60))
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), unique=True, min_size=1))
    names = ["a", *[name for name in names if name != "a"]]
    columns = [
        pa.array(
            draw(st.lists(st.one_of(st.none(), COLUMNS[name][1]), min_size=rows, max_size=rows)),
            COLUMNS[name][0],
        )
        for name in names
    ]
    table = pa.table(columns, names=names)
    cuts = sorted(draw(st.lists(st.integers(0, rows), max_size=3)))
    edges = [0, *cuts, rows]
    parts = [table.slice(low, high - low) for low, high in pairwise(edges)]
    return pa.concat_tables(parts)


def same(batch):
    return batch.slice(0)


# No stage that stops reading early: which rows it leaves unread, DuckDB alone decides.
STAGES = st.sampled_from(
    [
        keep("a IS NOT NULL"),
        keep("a > 0"),
        Query("SELECT * REPLACE (a * 2 AS a) FROM input", Rows.SAME),
        Query("SELECT *, a + 1 AS more FROM input QUALIFY row_number() OVER (PARTITION BY a) < 9"),
        Query("SELECT DISTINCT a FROM input"),
        Query("SELECT a, count(*) AS n FROM input GROUP BY a"),
        Query("SELECT * FROM input WHERE a > (SELECT avg(a) FROM input)", Rows.REMOVES),
        Query("SELECT * FROM input", Rows.SAME, (Rejection("big", "a > 3", "'a is ' || a", "a"),)),
        Each(same),
    ]
)


def content(table: pa.Table) -> list[tuple]:
    """Sum a hash of every row: the same for the same rows in any order."""
    with Instance(threads=1) as connection:
        connection.register("t", table)
        columns = ", ".join('"' + name.replace('"', '""') + '"' for name in table.column_names)
        return connection.sql(f"SELECT count(*), sum(hash({columns})::HUGEINT) FROM t").fetchall()


def stages_for(stages):
    """Drop what a stage before has taken the columns from."""
    kept, grouped, more = [], False, False
    for stage in stages:
        sql = getattr(stage, "sql", "")
        if "AS more" in sql and (more or grouped):
            continue
        more = more or "AS more" in sql
        grouped = grouped or "DISTINCT" in sql or "GROUP BY" in sql
        kept.append(stage)
    return kept


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.lists(STAGES, max_size=4).map(stages_for))
def test_no_result_depends_on_batches_threads_or_fusing(table, stages):
    wide = any("QUALIFY" in getattr(stage, "sql", "") for stage in stages)
    if wide and table.num_rows > 8:  # which rows of a large group go isn't said
        table = table.slice(0, 8)
    first = execute(Batches(table), *stages, batch_size=1, threads=1, rules=UNFUSED)
    for batch_size, threads, rules in [
        (7, 2, RULES),
        (1_000, 1, RULES),
        (65_536, 2, UNFUSED),
        (10**9, 2, RULES),
    ]:
        ran = execute(Batches(table), *stages, batch_size=batch_size, threads=threads, rules=rules)
        assert ran.table.schema == first.table.schema
        assert content(ran.table) == content(first.table)
        assert ran.rejects.counts == first.rejects.counts
        counts = [(line.records_in, line.records_out) for line in ran.counts]
        assert counts == [(line.records_in, line.records_out) for line in first.counts]


NAMES = st.one_of(
    st.sampled_from(
        ["select", "a b", 'q"q', "it's", "a\nb", "\r\n", "\x01", "x,y", "s.t", "\U0001f600", " "]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=5),
)
KINDS = [
    *((kind, values) for column, (kind, values) in COLUMNS.items() if column != "a"),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.bool_(), st.booleans()),
    (pa.binary(), st.binary(max_size=3)),
    (pa.decimal128(9, 2), st.decimals(-1000, 1000, places=2)),
    (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(timezone.utc))),
]


@st.composite
def any_tables(draw):
    """Draw a table of any names and types, with a small key first; few rows, or thousands."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.lower))
    distinct = draw(st.integers(1, 12))
    kinds = [COLUMNS["a"], *(draw(st.sampled_from(KINDS)) for _ in names[1:])]
    columns = [
        pa.array(draw(st.lists(st.none() | values, min_size=distinct, max_size=distinct)), kind)
        for kind, values in kinds
    ]
    rows = draw(st.sampled_from([0, 1, 8, 50, 50, 2_500]))
    return pa.table(columns, names=names).take(
        pa.array([row * 5 % distinct for row in range(rows)], pa.int64())
    )


LIBRARY = {
    "nulls": lambda names: NullRemover("drop"),
    "nulls in one": lambda names: NullRemover("drop", columns=names[-1:]),
    "filter": lambda names: Filter(f"{quoted(names[0])} > 0"),
    "select": lambda names: Select(names[:2]),
    "rename": lambda names: Rename({names[-1]: "new\nname"}),
    "cast": lambda names: Cast({names[0]: "DOUBLE"}),
    "map": lambda names: Map(same),
    "first of each": lambda names: Deduplicator(on=names[:1]),
    "distinct": lambda names: Deduplicator(),
    "groups": lambda names: Aggregator(names[:1], {"n n": "count(*)"}),
    "sql": lambda names: SQL(
        f"SELECT * REPLACE ({quoted(names[0])} AS {quoted(names[0])}) FROM input"
    ),
}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(any_tables(), st.lists(st.sampled_from(sorted(LIBRARY)), max_size=4, unique=True))
def test_no_result_of_our_stages_depends_on_batches_threads_fusing_or_pruning(table, kinds):
    stages, names = [], table.column_names
    for kind in kinds:
        stages.append(LIBRARY[kind](names))
        names = planned(Batches(table), *stages).schema.names
    plain = tuple(rule for rule in UNFUSED if rule is not find_scan)
    first = execute(Batches(table), *stages, batch_size=65_536, threads=1, rules=plain)
    if not stages:
        assert content(first.table) == content(table)
    small = table.num_rows <= 50
    for batch_size, threads, rules in [
        (1 if small else 100, 2, RULES),
        (7 if small else 999, 1, RULES),
        (1_000, 2, UNFUSED),
        (10**9, 2, RULES),
    ]:
        ran = execute(Batches(table), *stages, batch_size=batch_size, threads=threads, rules=rules)
        assert ran.table.schema == first.table.schema
        assert content(ran.table) == content(first.table)
        counts = [(line.records_in, line.records_out) for line in ran.counts]
        assert counts == [(line.records_in, line.records_out) for line in first.counts]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(any_tables())
def test_all_columns_pass_a_statement_whatever_they_are_called(table):
    last = table.column_names[-1:]
    for select, columns in (("*", table.column_names), (quoted(last[0]), last)):
        found = execute(Batches(table), SQL(f"SELECT {select} FROM input")).table
        assert found.schema == table.select(columns).schema
        assert content(found) == content(table.select(columns))


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([1, 7, 1_000, 65_536, 10**9]), st.sampled_from([1, 2]))
def test_the_source_s_order_is_kept(batch_size, threads):
    numbers = Relation("SELECT range AS x FROM range(20_000)")
    ran = execute(
        numbers, keep("x % 3 > 0"), Each(same), keep("x % 5 > 0"),
        batch_size=batch_size, threads=threads,
    )  # fmt: skip
    assert ran.table["x"].to_pylist() == [x for x in range(20_000) if x % 3 and x % 5]


def test_a_long_list_of_values_keeps_the_order():
    """As a join, which DuckDB makes of it, it would let a small first chunk come last."""
    rows = pa.table({"x": range(10_000)})
    parts = pa.concat_tables([rows.slice(0, 52), rows.slice(52)])
    words = ", ".join(f"lower('{number}')" for number in range(20))
    ran = execute(Batches(parts), keep(f"x::VARCHAR NOT IN ({words})"))
    assert ran.table["x"].to_pylist() == list(range(20, 10_000))
