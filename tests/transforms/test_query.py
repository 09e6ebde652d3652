"""SQL and Filter."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from arrowetl import SQL, ArrowSource, ConfigError, Filter, Rows, SchemaError, Scope
from arrowetl.testing import run_stage

TABLE = pa.table({"id": [1, 2, 3], "name": ["a", None, "{c} 'd'"]})


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM input WHERE id > 1",
        "FROM input SELECT id WHERE id > 1",
        "WITH input AS (SELECT * FROM input WHERE id > 1) SELECT id FROM input;",
        "SELECT id FROM input WHERE id > 1 -- the last ones",
        "SELECT i.id FROM input i JOIN input j ON i.id = j.id AND j.id > 1",
    ],
)
def test_any_select_will_do(query):
    assert sorted(run_stage(SQL(query), TABLE)["id"].to_pylist()) == [2, 3]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", "syntax error"),
        ("DROP TABLE input", "this is a DROP"),
        ("SELECT 1; SELECT 2", "this is 2"),
        ("", "this is 0"),
        ("SELECT ?", "parameter without a value"),
    ],
)
def test_what_is_not_one_select(query, message):
    with pytest.raises(ConfigError, match=message):
        SQL(query)


def test_a_misspelt_column_is_found_before_a_row_is_read():
    with pytest.raises(SchemaError, match=r"no column 'nmae'; did you mean 'name'"):
        SQL("SELECT nmae FROM input").bind(TABLE.schema)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (SQL("FROM orders"), "SQL: no table 'orders'. `input` is the rows so far; other tables "),
        (SQL("FROM imput"), "no table 'imput'; did you mean 'input'?"),
        (SQL("FROM s.orders"), "no table 's.orders'."),
        (SQL("FROM cites", tables={"cities": TABLE}), "'cites': ...}). Tables: input, cities"),
        (Filter("id IN (SELECT id FROM orders)"), "Filter: no table 'orders'."),
        (Filter('name = "paid"'), "Columns: id, name; text goes in single quotes: 'paid'"),
    ],
)
def test_unknown_names_are_told_with_what_is_known(stage, message):
    with pytest.raises(SchemaError) as caught:
        stage.bind(TABLE.schema)
    assert message in str(caught.value)
    assert "pg_" not in str(caught.value)


def test_names_without_quotes_are_no_texts():
    with pytest.raises(SchemaError, match=r"Columns: id, name$"):
        Filter("name = paid").bind(TABLE.schema)


@pytest.mark.parametrize(
    "other",
    [
        pa.table({"id": [1, 3], "city": ["x", "y"]}),
        pa.record_batch({"id": [1, 3], "city": ["x", "y"]}),
        pl.DataFrame({"id": [1, 3], "city": ["x", "y"]}),
        pd.DataFrame({"id": [1, 3], "city": ["x", "y"]}),
        ArrowSource(pa.table({"id": [1, 3], "city": ["x", "y"]})),
    ],
    ids=lambda other: type(other).__module__,
)
def test_other_tables_join(other):
    stage = SQL("SELECT id, city FROM input JOIN cities USING (id)", tables={"cities": other})
    assert run_stage(stage, TABLE).sort_by("id").to_pydict() == {"id": [1, 3], "city": ["x", "y"]}


def test_what_is_no_table():
    with pytest.raises(ConfigError, match=r"'x' is \[1\]: it has to be an Arrow table"):
        SQL("SELECT * FROM input", tables={"x": [1]})
    with pytest.raises(ConfigError, match="can't be called 'Input'"):
        SQL("SELECT * FROM input", tables={"Input": TABLE})


def test_a_statement_may_do_anything_with_the_rows():
    stage = SQL("SELECT * FROM input")
    assert (stage.scope, stage.rows) == (Scope.STREAM, Rows.ANY)


@pytest.mark.parametrize(
    ("predicate", "ids"),
    [
        ("id >= 2", [2, 3]),
        ("name = 'a'", [1]),
        ("name <> 'a'", [3]),
        ("name IS NULL -- it is not there", [2]),
        ("name LIKE '%{c}%'", [3]),
        ("id = 1 OR id = 3", [1, 3]),
        ("id > (SELECT avg(id) FROM input)", [3]),
        ("true", [1, 2, 3]),
        ("name = NULL", []),
    ],
)
def test_filter_keeps_what_is_true(predicate, ids):
    assert run_stage(Filter(predicate), TABLE)["id"].to_pylist() == ids


@pytest.mark.parametrize(
    "predicate",
    [
        "",
        "id > 1; DROP TABLE input",
        "id > 1) OR (true",
        "true) UNION ALL SELECT * FROM input WHERE (true",
        "id > 1 ORDER BY id",
        "id > 1 LIMIT 1",
        "SELECT 1",
        "id > 1 AS x",
        "id > ?",
        "/* no end",
    ],
)
def test_what_is_not_one_expression(predicate):
    with pytest.raises(ConfigError, match=r"not one SQL expression|parameter"):
        Filter(predicate)


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        ("nmae = 1", "no column 'nmae'; did you mean 'name'"),
        ("name", "the predicate gives string, not true or false"),
        ("id", "the predicate gives int64, not true or false"),
        ("id, name", "not true or false"),
        ("sum(id) > 1", "WHERE clause cannot contain aggregates"),
        ("row_number() OVER () > 1", "WHERE clause cannot contain window functions"),
    ],
)
def test_expressions_that_are_no_predicates(predicate, message):
    with pytest.raises(SchemaError, match=message):
        Filter(predicate).bind(TABLE.schema)


def test_a_subquery_sees_all_rows():
    assert Filter("id > 1").scope is Scope.ROW
    assert Filter("id > (SELECT avg(id) FROM input)").scope is Scope.STREAM
    assert Filter("EXISTS (FROM input)").scope is Scope.STREAM


@pytest.mark.parametrize(
    "query",
    [
        "SELECT *, upper(name) AS name FROM input",
        "SELECT id, id FROM input",
        "SELECT id, 1 AS ID FROM input",
        "SELECT * FROM input i JOIN input j ON i.id = j.id",
    ],
)
def test_two_columns_of_one_name_are_refused(query):
    with pytest.raises(SchemaError, match=r"two columns are called '(id|name)'.* REPLACE"):
        SQL(query).bind(TABLE.schema)


def test_a_column_in_another_s_place_is_no_second_one():
    table = run_stage(SQL("SELECT * REPLACE (upper(name) AS name) FROM input"), TABLE)
    assert table["name"].to_pylist() == ["A", None, "{C} 'D'"]


@pytest.mark.parametrize(
    "kind",
    ["BIT", "BIGNUM", "UHUGEINT", "VARIANT", "TIMETZ", "STRUCT(size BIT)", "BIT[][]", "BIT[2]",
     "MAP(INTEGER, BIGNUM)", "UNION(a INTEGER, b TIMETZ)"],
)  # fmt: skip
def test_a_type_that_arrow_does_not_have_is_refused(kind):
    with pytest.raises(SchemaError, match=r"column 'x' is .*, and Arrow has no type for .*: cast"):
        SQL(f"SELECT NULL::{kind} AS x FROM input").bind(TABLE.schema)


def test_such_a_type_may_come_up_on_the_way():
    found = run_stage(SQL("SELECT id::BIT::VARCHAR AS x FROM input WHERE id = 1"), TABLE)
    assert found["x"].to_pylist() == ["0" * 63 + "1"]
