"""Each rule: plan in, plan out. What is fused, what reaches the scan, and what isn't, and why."""

import json
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engine.harness import Batches, Each, Query, Relation, execute, keep, planned

from arrowetl import ArrowLoader, CSVSource, JSONLoader, Pipeline
from arrowetl.errors import SchemaError
from arrowetl.planning.rules import RULES
from arrowetl.stage import Rejection, Rows

NUMBERS = Relation("SELECT range AS x, 'n' || range AS name FROM range(100)")
TABLE = pa.table({"x": [1, 2, 3], "name": ["a", "b", None]})


def same(batch):
    return batch


def test_adjacent_sql_stages_are_one_statement_with_the_scan():
    plan = planned(NUMBERS, keep("x > 3"), Query("SELECT x FROM input"), keep("x < 9"))
    assert [segment.label for segment in plan.segments] == ["Query[1], Query[2], Query[3]"]
    assert plan.relation in plan.statement(0)


def test_a_python_stage_cuts_and_says_so():
    plan = planned(NUMBERS, keep("x > 3"), Each(same), keep("x < 9"))
    assert [segment.sql for segment in plan.segments] == [True, False, True]
    assert plan.segments[1].why == "runs in Python"
    assert plan.segments[2].why == "what comes before it runs in Python"


def test_a_stage_that_rejects_cuts_and_its_rows_leave_before_it():
    picky = Query("SELECT * FROM input", Rows.SAME, (Rejection("odd", "x % 2 = 1", "'odd'"),))
    plan = planned(NUMBERS, keep("x > 3"), picky, keep("x < 9"))
    assert [segment.label for segment in plan.segments] == ["Query[1]", "Query[2], Query[3]"]
    assert plan.segments[0].rejects_for.stage == picky
    assert "can reject rows" in plan.segments[1].why


def test_columns_that_nobody_needs_are_not_read(tmp_path):
    pq.write_table(TABLE, tmp_path / "t.parquet")
    source = Relation(f"SELECT * FROM read_parquet('{tmp_path}/t.parquet')", rows=3)
    plan = planned(source, Query("SELECT * FROM input WHERE x > 1"), Query("SELECT x FROM input"))
    assert plan.scan.columns == ("x",)
    assert "x" in plan.scan.filters[0]
    assert "1 of 2 columns: x" in str(plan)


def test_columns_that_nobody_needs_are_not_asked_of_a_python_source():
    assert planned(Batches(TABLE), Query("SELECT name FROM input")).scan.columns == ("name",)


@pytest.mark.parametrize(
    "column",
    ["a\nb", "\n", "a\r\nb", "a,b", "a.b", "s.a", 'a"b', " a ", "x" * 20_000, "\x01", "\ufeff"],
)
def test_a_column_is_read_however_duckdb_prints_its_name(column):
    table = pa.table({column: [1], "a": [2], "b": [3], "s": [{"a": 4}]})
    quoted = column.replace('"', '""')
    for select in (f'SELECT "{quoted}" FROM input', "SELECT * EXCLUDE b FROM input"):
        found = execute(Batches(table), Query(select)).table
        assert found[column].to_pylist() == [1]
        assert found.equals(table.select(found.column_names))


@pytest.mark.parametrize("column", ["a\0b", "\0", ""])
def test_a_name_that_duckdb_would_not_keep_is_refused(column):
    for table in ({column: [1]}, {"s": [[{column: 1}]]}):
        with pytest.raises(SchemaError, match=r"Query \(transform 1\): column .* doesn't keep the"):
            planned(Batches(pa.table(table)), Query("SELECT * FROM input"))


def test_a_statement_whose_rows_could_not_be_counted_is_cut():
    plan = planned(NUMBERS, keep("x > 3"), Query("SELECT 1 AS one"), keep("one = 1"))
    assert len(plan.segments) == 3
    assert "could not be counted" in plan.segments[1].why


@pytest.mark.parametrize("rule", RULES[:-1], ids=lambda rule: rule.__name__)
def test_a_rule_applied_twice_changes_nothing(rule):
    plan = planned(NUMBERS, keep("x > 3"), Each(same), keep("x < 9"))
    assert rule(plan) == plan


def test_a_plan_is_a_value():
    plan = planned(NUMBERS, keep("x > 3"), Each(same))
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert plan == planned(NUMBERS, keep("x > 3"), Each(same))


def test_a_misspelt_column_is_said_before_anything_is_read():
    with pytest.raises(SchemaError, match=r"Query: no column 'nmae'; did you mean 'name'\?") as got:
        planned(NUMBERS, Query("SELECT nmae FROM input"))
    assert got.value.column == "nmae"
    assert got.value.nearest == ("name",)


def test_a_function_that_fails_on_an_empty_batch_is_a_schema_error():
    def fails(batch):
        raise KeyError("y")

    with pytest.raises(SchemaError, match=r"Each \(transform 2\): failed on an empty batch"):
        planned(NUMBERS, keep("x > 1"), Each(fails))


def test_what_holds_rows_is_said():
    plan = planned(NUMBERS, Query("SELECT name, count(*) AS n FROM input GROUP BY name"))
    assert plan.holds == ("segment 1 holds groups; beyond memory_limit they spill",)


def test_braces_comments_and_inputs_of_its_own_are_safe_in_a_statement():
    plan = planned(
        NUMBERS,
        Query("SELECT {'a': x} AS s, '{}' AS t FROM input -- a comment"),
        Query("WITH input AS (SELECT s.a AS b FROM input) SELECT * FROM input /* { */"),
    )
    assert plan.schema == pa.schema({"b": pa.int64()})


@pytest.mark.parametrize("names", [["a", "a"], ["a", "A"]])
def test_columns_that_sql_can_not_tell_apart_are_refused(names):
    twins = pa.table([[1], [2]], names=names)
    with pytest.raises(SchemaError, match=r"Query \(transform 1\): columns 'a' and '[aA]' "):
        planned(Batches(twins), Query("SELECT * FROM input"))


def test_where_rows_can_be_rejected_is_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x\n1\n")
    picky = Query("SELECT * FROM input", Rows.SAME, (Rejection("odd", "x % 2 = 1", "'odd'"),))
    kept = "Rejects  are counted, and kept nowhere: there are no dead_letters"
    assert "rows that can't be read leave here" in str(planned(CSVSource(path)))
    assert kept in str(planned(CSVSource(path)))
    assert kept in str(planned(NUMBERS, picky))
    for source in (NUMBERS, CSVSource(path, on_error="raise")):
        assert "leave here" not in str(planned(source))
        assert "Rejects" not in str(planned(source))


def test_where_rejected_rows_go_is_said(tmp_path):
    letters = JSONLoader(tmp_path / "letters.jsonl")
    plan = Pipeline("p", dead_letters=letters).extract(TABLE).load(ArrowLoader()).plan()
    assert f"Rejects  go to {letters.label}" in str(plan)
    assert json.loads(plan.to_json())["dead_letters"] == letters.label
