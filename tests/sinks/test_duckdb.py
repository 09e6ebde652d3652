"""DuckDBLoader: one transaction, keys, and tables that change."""

import math
import pickle
import subprocess
import sys
import uuid
from contextlib import closing
from datetime import date
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.errors import ConfigError, SchemaError, Transient, WriteError
from tests.sinks.loading import load, names_in

ROWS = pa.table({"id": [1, 2], "city": ["Rome", None]})
MORE = pa.table({"id": [2, 3], "city": ["Oslo", "Bonn"]})
ALL = "FROM t ORDER BY ALL"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.db"


def loader(path, **options):
    return ae.DuckDBLoader(path, table="t", **options)


def ask(path, query=ALL):
    with closing(duckdb.connect(str(path))) as connection:
        found = connection.execute(query)
        return found.fetchall() if found.description else []


def kinds(path):
    return {row[0]: row[1] for row in ask(path, "DESCRIBE t")}


def test_append_is_the_default(path, tmp_path):
    assert load(loader(path), ROWS) == 2
    load(loader(path), MORE)
    assert ask(path, "FROM t") == [(1, "Rome"), (2, None), (2, "Oslo"), (3, "Bonn")]
    assert names_in(tmp_path) == ["w.db"]


def test_schema_is_made(path):
    load(ae.DuckDBLoader(path, table='x"; DROP', schema="my schema"), ROWS)
    assert ask(path, 'SELECT count(*) FROM "my schema"."x""; DROP"') == [(2,)]


def test_upsert_by_key_the_last_wins(path):
    rows = pa.table({"id": [1, 2, 1, 1], "v": ["a", "b", "c", "d"]})
    for batch in (1, 3, 10):
        load(loader(path, mode="upsert", key="id"), rows, rows=batch)
        assert ask(path) == [(1, "d"), (2, "b")]


def test_upsert_into_a_primary_key(path):
    ask(path, "CREATE TABLE t (ID BIGINT PRIMARY KEY, city VARCHAR, n INTEGER DEFAULT 5)")
    load(loader(path, mode="upsert", key="id"), ROWS)
    load(loader(path, mode="upsert", key="id"), MORE)
    assert ask(path) == [(1, "Rome", 5), (2, "Oslo", 5), (3, "Bonn", 5)]


@pytest.mark.parametrize(
    ("there", "rows", "after"),
    [
        (["007", "8"], pa.array([7, 8]), [("007", 0), ("7", 1), ("8", 1)]),
        (["abc"], pa.array([7]), [("7", 1), ("abc", 0)]),
        (["1", "1.0"], pa.array([1.0]), [("1", 0), ("1.0", 1)]),
        (pa.array([1, 2], pa.int32()), pa.array([1.0, 1.5]), [(1.0, 1), (1.5, 1), (2.0, 0)]),
        (["2024-01-02"], pa.array([date(2024, 1, 2)]), [("2024-01-02", 1)]),
    ],
)
def test_upsert_compares_keys_as_the_table_keeps_them(path, there, rows, after):
    load(loader(path), pa.table({"id": there, "n": [0] * len(there)}))
    changed = pa.table({"id": rows, "n": [1] * len(rows)})
    load(loader(path, mode="upsert", key="id"), changed)
    assert ask(path) == after


def test_upsert_finds_one_key_in_two_spellings(path):
    ask(path, "CREATE TABLE t (id UUID, n BIGINT)")
    ids = ["0000000A-0000-0000-0000-000000000001", "0000000a-0000-0000-0000-000000000001"]
    load(loader(path, mode="upsert", key="id"), pa.table({"id": ids, "n": [1, 2]}))
    assert ask(path, "SELECT n FROM t") == [(2,)]


def test_upsert_by_a_column_that_the_table_lacks(path):
    load(loader(path), pa.table({"city": ["Rome"]}))
    with pytest.raises(SchemaError, match="no column 'id'"):
        loader(path, mode="upsert", key="id", on_schema_change="discard").check(ROWS.schema)


def test_upsert_on_all_columns_keeps_one(path):
    for _ in range(2):
        load(loader(path, mode="upsert", key=["id"]), pa.table({"id": [1, 1]}))
    assert ask(path) == [(1,)]


def test_a_null_in_the_key_is_an_error(path, tmp_path):
    with pytest.raises(WriteError, match="1 rows have no value in the key city"):
        load(loader(path, mode="upsert", key="city"), ROWS)
    assert names_in(tmp_path) == []


def test_replace(path):
    ask(path, "CREATE TABLE t (id BIGINT PRIMARY KEY, city VARCHAR)")
    load(loader(path), MORE)
    load(loader(path, mode="replace"), ROWS)
    assert ask(path) == [(1, "Rome"), (2, None)]
    assert ask(path, "SELECT count(*) FROM duckdb_constraints()") != [(0,)]
    load(loader(path, mode="replace"), pa.table({"x": [1.5]}))
    assert ask(path) == [(1.5,)]


def test_other_cursors_see_the_old_rows_until_the_commit(path):
    load(loader(path), ROWS)
    replacing = loader(path, mode="replace")
    replacing.begin(MORE.schema)
    replacing.write(MORE.to_reader())
    assert ask(path) == [(1, "Rome"), (2, None)]
    replacing.commit()
    replacing.commit()
    assert ask(path) == [(2, "Oslo"), (3, "Bonn")]


def test_error_mode(path):
    load(loader(path, mode="error"), ROWS)
    with pytest.raises(WriteError, match="the table is there already"):
        loader(path, mode="error").check(ROWS.schema)


def test_evolve_adds_and_widens(path):
    ask(path, "CREATE TABLE t (id INTEGER, n DECIMAL(5,2), l INTEGER[], d DATE)")
    rows = pa.table(
        {
            "ID": [2**40],
            "n": [1000],
            "l": [[2**40]],
            "d": pa.array([1], pa.timestamp("us")),
            "new": pa.nulls(1),
        }
    )
    assert loader(path).check(rows.schema) == (
        "column 'new' is added, as INTEGER",
        "column 'id' is widened to BIGINT",
        "column 'n' is widened to DECIMAL(21,2)",
        "column 'l' is widened to BIGINT[]",
        "column 'd' is widened to TIMESTAMP",
    )
    load(loader(path), rows)
    assert kinds(path) == {
        "id": "BIGINT",
        "n": "DECIMAL(21,2)",
        "l": "BIGINT[]",
        "d": "TIMESTAMP",
        "new": "INTEGER",
    }
    assert ask(path, "SELECT id, n FROM t") == [(2**40, Decimal("1000.00"))]


@pytest.mark.parametrize(
    ("there", "rows", "becomes"),
    [
        ("INTEGER", pa.array(["x"]), "VARCHAR"),  # no row says yet that it is one of numbers
        ("BIGINT", pa.array(["1"]), None),
        ("DOUBLE", pa.array(["1"]), None),
        ("DECIMAL(5,2)", pa.array(["1"]), None),
        ("BOOLEAN", pa.array(["true"]), None),
        ("VARCHAR", pa.array([1]), "VARCHAR"),
        ("BIGINT", pa.array([1], pa.int8()), "BIGINT"),
        ("UBIGINT", pa.array([-1]), "HUGEINT"),
        ("DOUBLE", pa.array([1]), "DOUBLE"),
        ("DOUBLE", pa.array([1], pa.uint64()), "DOUBLE"),
        ("DOUBLE", pa.array([Decimal(2**60)]), "DOUBLE"),
        ("FLOAT", pa.array([2**24 + 1], pa.int32()), "DOUBLE"),
        ("FLOAT", pa.array([1], pa.int16()), "FLOAT"),
        ("INTEGER", pa.array([0.5]), "DOUBLE"),
        ("INTEGER", pa.array([0.5], pa.float32()), "DOUBLE"),
        ("STRUCT(a INTEGER)", pa.array([{"A": 0.5, "b": 1}]), "STRUCT(a DOUBLE, b BIGINT)"),
        ("DOUBLE[]", pa.array([[2**53, 2**54]]), "DOUBLE[]"),
        ("UUID", pa.array(["00000000-0000-0000-0000-000000000001"]), "UUID"),
        ("ENUM('a')", pa.array(["b"]), "VARCHAR"),
        ("DATE", pa.nulls(1), "DATE"),
        ("INTEGER", pa.array([{"a": 1}]), "STRUCT(a BIGINT)"),
        ("STRUCT(a INTEGER)", pa.array([{"a": 2**40}]), "STRUCT(a BIGINT)"),
        # Stored values would be rounded, or all of the rows'.
        ("DECIMAL(38,20)", pa.array([Decimal("0.5")], pa.decimal128(38, 10)), None),
        ("DOUBLE", pa.array([Decimal("0.5")]), None),
        ("BIGINT[]", pa.array([[0.5]]), None),
        ("STRUCT(a BIGINT)[]", pa.array([[{"a": 0.5}]]), None),
        ("MAP(VARCHAR, BIGINT)", pa.array([[("a", 0.5)]], pa.map_("string", "double")), None),
        ("DATE", pa.array([1]), None),
        ("BLOB", pa.array(["x"]), None),
        ("BIGINT", pa.array([[1]]), None),
        ("TIMESTAMP", pa.array([1], pa.timestamp("us", "UTC")), None),
    ],
)
def test_what_widens_to_what(path, there, rows, becomes):
    ask(path, f"CREATE TABLE t (x {there})")
    table = pa.table({"x": rows})
    if becomes is None:
        with pytest.raises(SchemaError, match="no type holds both"):
            loader(path).check(table.schema)
    else:
        load(loader(path), table)
        assert kinds(path) == {"x": becomes}


@pytest.mark.parametrize(
    ("there", "fit", "other"),
    [
        ("DECIMAL(7,2)", [1.25, 0.07, None], 1.255),
        ("DECIMAL(38,10)", [123456789.1234], math.nan),
        ("BIGINT", [3.0, -(2.0**63)], 3.5),
        ("UBIGINT", [2.0**63], 0.5),
        ("HUGEINT", [1e20], 1.5),
    ],
)
def test_doubles_go_into_exact_columns_that_have_their_digits(path, there, fit, other):
    ask(path, f"CREATE TABLE t (id INTEGER, x {there})")
    ids = pa.array(range(len(fit)), pa.int32())
    load(loader(path, on_schema_change="freeze"), pa.table({"id": ids, "x": fit}))
    load(loader(path, mode="upsert", key="id"), pa.table({"id": ids, "x": fit}))
    same = [None if each is None else int(each) if each % 1 == 0 else each for each in fit]
    stored = ask(path, "SELECT x::VARCHAR FROM t ORDER BY id")
    assert [each and Decimal(each) for (each,) in stored] == [
        None if each is None else Decimal(str(each)) for each in same
    ]
    with pytest.raises(WriteError, match=f"'x' has {other}, which the table's .* would round"):
        load(loader(path), pa.table({"id": ids[:1], "x": [other]}))
    assert kinds(path)["x"] == there


def test_a_column_of_numbers_stays_one(path):
    load(loader(path), pa.table({"id": [1]}))
    load(loader(path), pa.table({"id": pa.nulls(1)}))
    with pytest.raises(SchemaError, match="BIGINT in the table and VARCHAR in the rows"):
        load(loader(path), pa.table({"id": ["1"]}))
    assert ask(path) == [(1,), (None,)]


BIG = 2**53 + 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "upsert", "key": "id"},
        {"on_schema_change": "discard"},
        {"mode": "replace", "on_schema_change": "discard"},
    ],
)
def test_no_row_is_rounded(path, options):
    ask(path, "CREATE TABLE t (id DOUBLE)")
    with pytest.raises(WriteError, match=f"'id' has {BIG}, which the table's DOUBLE would round"):
        load(loader(path, **options), pa.table({"id": [1, 2, BIG]}))
    assert ask(path) == []
    load(loader(path, **options), pa.table({"id": [2**60, -1]}))
    assert ask(path) == [(-1.0,), (2.0**60,)]


@pytest.mark.parametrize(
    ("there", "rows", "told"),
    [
        ("DOUBLE", pa.array([2**64 - 1], pa.uint64()), "has 18446744073709551615"),
        ("DOUBLE", pa.array([Decimal(10**30 + 1)]), f"has {10**30 + 1}"),
        ("FLOAT[]", pa.array([[0], [2**24 + 1]], pa.list_(pa.int32())), "has .16777217., .* FLOAT"),
        ("STRUCT(a DOUBLE)", pa.array([{"A": BIG}]), "has {'A': 9007199254740993}"),
        ("DOUBLE[]", pa.array([[1] * 99 + [BIG]]), r"has \[1, [1, ]*\.\.\., which"),
    ],
)
def test_a_number_that_a_column_would_round(path, there, rows, told):
    ask(path, f"CREATE TABLE t (x {there})")
    with pytest.raises(WriteError, match=told):
        load(loader(path), pa.table({"x": rows}))


def test_nulls_settle_no_type(path):
    for values in (pa.nulls(1), pa.nulls(1), pa.array(["x"])):
        load(loader(path), pa.table({"id": values}))
    assert ask(path) == [("x",), (None,), (None,)]


def test_what_duckdb_can_not_alter(path):
    ask(path, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with pytest.raises(SchemaError, match="'id' should be widened to BIGINT, and DuckDB refuses"):
        load(loader(path), pa.table({"id": [1]}))
    assert kinds(path) == {"id": "INTEGER"}


def test_freeze_and_discard(path):
    load(loader(path), ROWS)
    wider = ROWS.append_column("x", pa.array([1, 2]))
    with pytest.raises(SchemaError, match="the table has no column 'x'"):
        loader(path, on_schema_change="freeze").check(wider.schema)
    dropping = loader(path, on_schema_change="discard")
    assert "column 'x' is dropped" in dropping.check(wider.schema)[-1]
    load(dropping, wider)
    assert ask(path, "SELECT count(*) FROM t") == [(4,)]


@pytest.mark.parametrize("policy", ["freeze", "discard"])
def test_text_into_a_column_that_reads_it_is_no_change(path, policy):
    made = "u UUID, j JSON, e ENUM ('ok', 'no'), v VARCHAR(5)"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute(f"CREATE TABLE t ({made})")
    row = {"u": str(uuid.UUID(int=1)), "j": "[1]", "e": "ok", "v": "a"}
    load(loader(path, on_schema_change=policy), pa.Table.from_pylist([row]))
    kinds = [kind for _, kind, *_ in ask(path, "DESCRIBE t")]
    assert kinds == ["UUID", "JSON", "ENUM('ok', 'no')", "VARCHAR"]
    with pytest.raises(WriteError, match="oh"):
        load(loader(path, on_schema_change=policy), pa.Table.from_pylist([{**row, "e": "oh"}]))


def test_notes_and_types(path):
    rows = pa.table(
        {
            "wide": pa.array([Decimal("1.5")], pa.decimal256(60, 2)),
            "took": pa.array([1500], pa.duration("ns")),
            "codes": pa.array(["a"]).dictionary_encode(),
            "at": pa.array([0], pa.timestamp("us", "Europe/Berlin")),
            "half": pa.array([1.5], pa.float16()),
            "list": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2)),
        }
    )
    codes = "(the values instead of their codes)"
    zone = "(the instant, without the name of its time zone)"
    notes = tuple(each.note for each in loader(path).stored(rows.schema))
    assert notes[:4] == (
        "wide: decimal256(60, 2) becomes VARCHAR, widened (the exact digits, as text)",
        "took: duration[ns] becomes INTERVAL, lossy (intervals have microseconds)",
        f"codes: {rows.schema.field('codes').type} becomes VARCHAR, widened {codes}",
        f"at: {rows.schema.field('at').type} becomes TIMESTAMP WITH TIME ZONE, widened {zone}",
    )
    load(loader(path), rows)
    assert kinds(path)["list"] == "FLOAT[2]"
    assert ask(path, "SELECT wide, codes, half FROM t") == [("1.50", "a", 1.5)]


def test_check_and_abort_change_nothing(path, tmp_path):
    loader(path).check(ROWS.schema)
    aborted = loader(path)
    aborted.begin(ROWS.schema)
    aborted.write(ROWS.to_reader())
    aborted.abort()
    aborted.abort()
    assert names_in(tmp_path) == []


def test_the_reader_s_own_error_is_raised(path, tmp_path):
    def failing():
        yield ROWS.to_batches()[0]
        raise LookupError("the source broke")

    for options in ({}, {"mode": "upsert", "key": "id"}):
        aborted = loader(path, **options)
        aborted.begin(ROWS.schema)
        with pytest.raises(LookupError, match="the source broke"):
            aborted.write(pa.RecordBatchReader.from_batches(ROWS.schema, failing()))
        aborted.abort()
    assert names_in(tmp_path) == []


def test_a_file_locked_by_another_process_says_by_whom(path):
    load(loader(path), ROWS)
    script = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(WriteError, match=rf"Conflicting lock is held .*{other.pid}") as caught:
            loader(path).begin(ROWS.schema)
        with pytest.raises(WriteError, match="Conflicting lock"):
            loader(path).check(ROWS.schema)
        other.communicate("\n")
    assert isinstance(caught.value, Transient)
    load(loader(path), ROWS)


def test_what_is_no_database(path, tmp_path):
    path.write_bytes(b"not a database" * 500)
    with pytest.raises(WriteError, match="isn't a DuckDB database"):
        loader(path).check(ROWS.schema)
    with pytest.raises(WriteError, match="Is a directory"):
        loader(tmp_path).begin(ROWS.schema)
    ask(tmp_path / "v.db", "CREATE VIEW t AS SELECT 1")
    with pytest.raises(WriteError, match="is a view"):
        loader(tmp_path / "v.db").check(ROWS.schema)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "t", "mode": "upsert"}, "needs key="),
        ({"table": ""}, "table is a name"),
        ({"table": "t", "schema": ""}, "schema is a name"),
        ({"table": "t", "mode": "merge"}, "no mode 'merge'"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigError, match=message):
        ae.DuckDBLoader("w.db", **options)


def test_a_question_mark_in_the_path_is_refused(tmp_path):
    """DuckDB 2.0 writes its log to another place then, and fails at the commit."""
    with pytest.raises(WriteError, match=r"'\?' in its path"):
        loader(tmp_path / "a?b").begin(ROWS.schema)
    assert names_in(tmp_path) == []


def test_value_semantics(path):
    one = loader(path, mode=ae.Mode.UPSERT, key=["id"])
    assert one == pickle.loads(pickle.dumps(one))
    assert eval(repr(one), {"DuckDBLoader": ae.DuckDBLoader}) == one
