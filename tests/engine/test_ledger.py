"""Rows in = rows out + removed + merged + rejected, at every stage, or nothing is committed."""

import pyarrow as pa
import pytest
from engine.harness import UNFUSED, Batches, Each, Query, Relation, execute, keep

from arrowetl.errors import LedgerError, SchemaError
from arrowetl.planning.rules import RULES
from arrowetl.stage import Rejection, Rows, Stage

THOUSAND = Relation("SELECT range AS x FROM range(1000)")
ODD = Rejection("odd", "x % 2 = 1", "'x is ' || x", "x")


def same(batch):
    return batch


@pytest.mark.parametrize("rules", [RULES, UNFUSED], ids=["fused", "unfused"])
def test_every_stage_of_one_statement_is_counted(rules):
    ran = execute(
        THOUSAND,
        keep("x >= 100"),
        Query("SELECT x, x * 2 AS y FROM input", Rows.SAME),
        keep("y < 1000"),
        Query("SELECT y % 10 AS d, count(*) AS n FROM input GROUP BY d"),
        rules=rules,
    )
    assert [(line.records_in, line.records_out) for line in ran.counts] == [
        (1000, 1000),
        (1000, 900),
        (900, 900),
        (900, 400),
        (400, 5),
    ]


def test_a_stage_that_reads_its_input_twice_is_counted_once():
    above = Query("SELECT * FROM input WHERE x > (SELECT avg(x) FROM input)", Rows.REMOVES)
    ran = execute(THOUSAND, keep("x < 100"), above, keep("x < 60"))
    assert [(line.records_in, line.records_out) for line in ran.counts[1:]] == [
        (1000, 100),
        (100, 50),
        (50, 10),
    ]


def test_a_join_may_add_rows():
    ran = execute(THOUSAND, keep("x < 3"), Query("SELECT a.x FROM input a, input b"))
    assert ran.count("Query[2]") == (3, 9, 0)


def test_rejected_rows_are_counted_and_kept_as_they_were():
    picky = Query("SELECT x + 0.5 AS half FROM input", Rows.SAME, (ODD,))
    ran = execute(THOUSAND, keep("x < 10"), picky)
    assert ran.table["half"].to_pylist() == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert ran.count("Query[2]") == (10, 5, 5)
    letters = ran.letters["Query[2]"]
    assert letters["row"].to_pylist() == [{"x": n} for n in (1, 3, 5, 7, 9)]
    assert letters["reason"].to_pylist()[0] == "x is 1"
    assert set(letters["column"].to_pylist()) == {"x"}


def test_a_stage_that_loses_a_row_stops_the_run():
    with pytest.raises(
        LedgerError, match=r"Each \(transform 1\) says it keeps its rows, and lost 1"
    ):
        execute(THOUSAND, Each(lambda batch: batch.slice(1)))


def test_a_stage_that_doubles_rows_stops_the_run():
    class Doubles(Stage):
        rows = Rows.REMOVES

        def process(self, batches):
            for batch in batches:
                yield batch
                yield batch

    with pytest.raises(LedgerError, match="only takes rows away, and added 1,000 to 1,000"):
        execute(THOUSAND, Doubles())


def test_a_sql_stage_that_lies_about_its_rows_stops_the_run():
    liar = Query("SELECT * FROM input WHERE x <> 7", Rows.SAME)
    with pytest.raises(LedgerError, match="counted in the statement and 999 came out"):
        execute(THOUSAND, liar)


def test_a_stage_that_gives_another_schema_than_it_said_stops_the_run():
    class Drifts(Stage):
        def process(self, batches):
            for batch in batches:
                wide = batch.num_rows == 0
                yield batch if wide else batch.set_column(0, "x", batch["x"].cast(pa.float64()))

    with pytest.raises(SchemaError, match="column 'x' is double where int64 was promised"):
        execute(THOUSAND, Drifts())


def test_a_limit_after_python_leaves_rows_unread_and_the_rest_adds_up():
    ran = execute(
        THOUSAND, keep("x >= 0"), Each(same), Query("SELECT * FROM input LIMIT 10"), batch_size=50
    )
    assert ran.table.num_rows == 10
    assert ran.count("Query[1]") == (1000, 1000, 0)


def test_no_rows_at_all_add_up():
    none = Batches(pa.table({"x": pa.array([], pa.int64())}))
    ran = execute(none, keep("x > 1"), Each(same), keep("x > 2"))
    assert [(line.records_in, line.records_out) for line in ran.counts] == [(0, 0)] * 4
    assert ran.table.schema == pa.schema({"x": pa.int64()})


def test_a_filter_that_is_always_false_counts_nothing():
    ran = execute(THOUSAND, keep("x > 5"), keep("false"), keep("x > 7"))
    assert ran.table.num_rows == 0
    assert ran.counts[-1].records_out == 0


def test_slices_of_structs_in_structs_pass():
    rows = pa.table({"s": [{"a": {"b": n}} for n in range(10)]})
    ran = execute(Batches(rows), Each(same), keep("s.a.b > 2"), batch_size=3)
    assert [row["a"]["b"] for row in ran.table["s"].to_pylist()] == list(range(3, 10))
