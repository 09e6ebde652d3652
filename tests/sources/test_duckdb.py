"""DuckDBSource: tables by the pipeline's own DuckDB, queries by one of theirs."""

import gc
import pickle
import subprocess
import sys
from contextlib import closing
from datetime import date
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.errors import ConfigError, ReadError, SchemaError, Transient
from tests.sinks.loading import names_in
from tests.sources.reading import rows_of


@pytest.fixture
def db(tmp_path):
    path = tmp_path / "shop.db"
    run(
        path,
        "CREATE TABLE orders AS SELECT i AS id, 'customer ' || i % 10 AS name, "
        "(i * 1.5)::DECIMAL(9,2) AS price FROM range(5) t(i)",
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders AS SELECT 'sold' AS state",
        "CREATE TABLE sales.people AS SELECT 'Ada' AS name",
        "CREATE MACRO doubled(x) AS x * 2",
        "CREATE VIEW dear AS SELECT id, doubled(price) AS price FROM orders WHERE price > 3",
        "CREATE VIEW named AS SELECT * FROM shop.main.orders",
    )
    return path


def run(path, *statements):
    with closing(duckdb.connect(str(path))) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_table_a_view_and_a_query(db):
    orders = ae.DuckDBSource(db, table="Orders")
    assert orders.schema() == pa.schema(
        [("id", pa.int64()), ("name", pa.string()), ("price", pa.decimal128(9, 2))]
    )
    assert rows_of(orders)[1] == (1, "customer 1", Decimal("1.50"))
    assert rows_of(ae.DuckDBSource(db, table="dear")) == [
        (3, Decimal("9.00")),
        (4, Decimal("12.00")),
    ]
    assert len(rows_of(ae.DuckDBSource(db, table="named"))) == 5
    assert rows_of(ae.DuckDBSource(db, table="sales.orders")) == [("sold",)]
    query = ae.DuckDBSource(db, query="SELECT max(id) AS top FROM orders; ", columns=["top"])
    assert rows_of(query) == [(4,)]


def test_columns_and_filters_reach_the_scan(db):
    pipeline = ae.Pipeline().extract(ae.DuckDBSource(db, table="orders"))
    pipeline.transform("SELECT id FROM input WHERE id > 2").load(ae.ArrowLoader())
    plan = str(pipeline.plan())
    assert "DuckDB reads it" in plan
    assert "reads 1 of 3 columns: id" in plan
    assert "filters while reading: (id > 2)" in plan
    result = pipeline.run().result
    assert result.table["id"].to_pylist() == [3, 4]
    assert (result.records_extracted, result.records_loaded) == (5, 2)


@pytest.mark.parametrize("threads", [1, 4])
def test_the_order_is_the_tables(db, threads):
    run(db, "CREATE TABLE big AS SELECT (i * 7919) % 1000003 AS i FROM range(600000) t(i)")
    for options in ({"table": "big"}, {"query": "SELECT * FROM big"}):
        pipeline = ae.Pipeline(threads=threads).extract(ae.DuckDBSource(db, **options))
        numbers = pipeline.reader().read_all()["i"].to_pylist()
        assert numbers == [i * 7919 % 1000003 for i in range(600000)]


TYPES = {
    "HUGEINT": ("5", pa.decimal128(38, 0), Decimal(5)),
    "UHUGEINT": ("5", pa.decimal128(38, 0), Decimal(5)),
    "BIGNUM": ("'123456789012345678901234567890123456789012345'", pa.string(),
               "123456789012345678901234567890123456789012345"),
    "UBIGINT": ("18446744073709551615", pa.uint64(), 2**64 - 1),
    "DECIMAL(38, 10)": ("1.5", pa.decimal128(38, 10), Decimal("1.5000000000")),
    "BIT": ("'0101'", pa.string(), "0101"),
    "BLOB": ("'\\x00'", pa.binary(), b"\0"),
    "TIMETZ": ("'12:00:00+02'", pa.string(), "12:00:00+02"),
    "INTERVAL": ("'1 month'", pa.month_day_nano_interval(), (1, 0, 0)),
    "UUID": ("'78787878-7878-7878-7878-787878787878'", pa.string(),
             "78787878-7878-7878-7878-787878787878"),
    "JSON": ("'{}'", pa.string(), "{}"),
    "VARIANT": ("'a'", pa.string(), '"a"'),
    "ENUM('a', 'b')": ("'a'", pa.dictionary(pa.uint8(), pa.string()), "a"),
    "INTEGER[]": ("[1, NULL]", None, [1, None]),
    "INTEGER[2]": ("[1, 2]", None, [1, 2]),
    "STRUCT(a INTEGER)": ("{'a': 1}", pa.struct([("a", pa.int32())]), {"a": 1}),
    "MAP(VARCHAR, INTEGER)": ("MAP {'a': 1}", pa.map_(pa.string(), pa.int32()), [("a", 1)]),
    "UNION(n INTEGER, s VARCHAR)": ("union_value(n := 1)", None, 1),
    "TIMESTAMP_S": ("'1970-01-01 00:00:01'", pa.timestamp("s"), None),
    "TIME_NS": ("'12:00:00.000000001'", pa.time64("ns"), None),
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("how", ["table", "query", "pipeline"])
def test_each_type_arrives_as_stated(db, kind, how):
    value, arrow, read = TYPES[kind]
    run(db, f"CREATE TABLE t AS SELECT {value}::{kind} AS x UNION ALL SELECT NULL")
    source = ae.DuckDBSource(db, **({"query": "FROM t"} if how == "query" else {"table": "t"}))
    table = (ae.Pipeline().extract(source) if how == "pipeline" else source).reader().read_all()
    assert table.schema == source.schema()
    assert arrow is None or table.schema.field("x").type == arrow
    first, second = table["x"].to_pylist() if read is not None else (None, None)
    assert (first, second) == (read, None)


def test_a_number_that_is_too_long_is_never_another_number(db):
    run(db, "CREATE TABLE t AS SELECT 170141183460469231731687303715884105727::HUGEINT AS x")
    with pytest.raises(ReadError, match=r"17014118346046923173.*DECIMAL\(38,0\)"):
        rows_of(ae.DuckDBSource(db, table="t"))
    pipeline = ae.Pipeline().extract(ae.DuckDBSource(db, table="t")).load(ae.ArrowLoader())
    with pytest.raises(ReadError, match=r"^DuckDBSource.*17014118346046923173.* column x$"):
        pipeline.run()


@pytest.mark.parametrize("name", ['x"; DROP TABLE y; --', "it's", "a.b", "select", "é☃", "[*]"])
def test_strange_names(tmp_path, name):
    quoted = '"' + name.replace('"', '""') + '"'
    path = tmp_path / f"{name.replace('/', '')}.db"
    run(path, f"CREATE TABLE {quoted} AS SELECT 1 AS {quoted}")
    assert rows_of(ae.DuckDBSource(path, table=name, columns=[name])) == [(1,)]
    assert rows_of(ae.DuckDBSource(path, query=f"SELECT * FROM {quoted}")) == [(1,)]


@pytest.mark.parametrize("stem", ["memory", "main", "temp", "system", "Memory", ".x", "a.b"])
def test_names_that_duckdb_keeps_for_itself(tmp_path, stem):
    run(tmp_path / stem, "CREATE TABLE t AS SELECT 1 AS x", "CREATE VIEW v AS SELECT * FROM t")
    for table in ("t", "v"):
        assert rows_of(ae.DuckDBSource(tmp_path / stem, table=table)) == [(1,)]
    assert rows_of(ae.DuckDBSource(tmp_path / stem, query="SELECT * FROM v")) == [(1,)]


# --- queries -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "params", "ids"),
    [
        ("SELECT id FROM orders WHERE id > ? AND name = ?", [1, "customer 2"], [2]),
        ("SELECT id FROM orders WHERE id = $2 OR id = $1", (1, 2), [1, 2]),
        ("SELECT id FROM orders WHERE price = $price", {"price": Decimal("1.50")}, [1]),
        ("SELECT id FROM orders WHERE id IN (SELECT unnest($ids))", {"ids": [1, 3]}, [1, 3]),
        ("SELECT id FROM orders WHERE name = ?", ["a' OR 1 = 1; --"], []),
        ("SELECT id FROM orders WHERE DATE '2024-01-01' < ? AND '?' = '?'", [date(2023, 1, 1)], []),
    ],
)
def test_values_are_bound(db, query, params, ids):
    source = ae.DuckDBSource(db, query=query, params=params)
    assert rows_of(source) == [(each,) for each in ids]
    again = pickle.loads(pickle.dumps(source))
    assert (again, hash(again)) == (source, hash(source))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "say table= or query="),
        ({"table": "a", "query": "SELECT 1"}, "say table= or query="),
        ({"query": "SELECT ?"}, "places for 1 values, params has 0"),
        ({"query": "SELECT $a", "params": {"b": 1}}, "parameters are a, params names b"),
        ({"table": "a", "params": [1]}, "places for 0 values, params has 1"),
        ({"query": "DROP TABLE orders"}, "query is one SELECT, this is DROP"),
        ({"query": "SELECT 1; SELECT 2"}, "query is one SELECT, this is SELECT, SELECT"),
        ({"query": "SELEKT 1"}, "syntax error"),
        ({"query": "SELECT 1) UNION (SELECT 2"}, "syntax error"),
        ({"table": "a", "shared": 0}, "shared is 0: it has to be True or False"),
        ({"table": "a", "columns": []}, "columns"),
    ],
)
def test_wrong_options(options, said):
    with pytest.raises(ConfigError, match=said):
        ae.DuckDBSource("shop.db", **options)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"table": "ordesr"}, ReadError, "no table or view 'ordesr'; did you mean 'orders'"),
        ({"table": "people"}, ReadError, "did you mean 'sales.people'"),
        ({"table": "orders", "columns": ["prise"]}, SchemaError, "did you mean 'price'"),
        ({"query": "SELECT * FROM ordesr"}, ConfigError, 'Did you mean "(sales\\.)?orders"'),
        ({"query": "SELECT prise FROM orders"}, ConfigError, 'Candidate bindings: "price"'),
        ({"query": "SELECT id, id FROM orders", "columns": ["di"]}, SchemaError, "no column 'di'"),
    ],
)
def test_what_is_not_there(db, options, error, said):
    with pytest.raises(error, match=said):
        ae.DuckDBSource(db, **options).schema()


def test_a_query_that_fails_in_its_middle(db):
    query = "SELECT CASE WHEN id = 3 THEN error('boom') ELSE id END AS id FROM orders"
    with pytest.raises(ReadError, match=r"DuckDBSource.*boom"):
        rows_of(ae.DuckDBSource(db, query=query))


def test_a_query_larger_than_its_memory_spills(db):
    query = "SELECT i FROM range(4000000) t(i) ORDER BY hash(i)"
    source = ae.DuckDBSource(db, query=query, memory_limit="40MB")
    assert sum(batch.num_rows for batch in source.scan()) == 4_000_000
    assert names_in(db.parent) == ["shop.db"]


# --- files ---------------------------------------------------------------------------------


def test_a_missing_file_is_not_made(db):
    source = ae.DuckDBSource(db.parent / "shp.db", table="t")
    with pytest.raises(ReadError, match=r"no file '.*shp.db'; did you mean 'shop.db'"):
        source.schema()
    assert names_in(db.parent) == ["shop.db"]
    assert [finding.works for finding in source.diagnose()] == [False]


def test_what_is_no_database(tmp_path):
    for content in (b"", b"name,n\n", b"SQLite format 3\0" + b"\0" * 4096):
        (tmp_path / "x.db").write_bytes(content)
        with pytest.raises(ReadError, match="isn't a DuckDB database"):
            ae.DuckDBSource(tmp_path / "x.db", table="t").schema()


def test_a_file_of_a_newer_duckdb(db):
    content = bytearray(db.read_bytes())
    content[12:20] = (5000).to_bytes(8, "little")
    checksum = 5381
    for at in range(8, 4096, 8):
        word = int.from_bytes(content[at : at + 8], "little")
        checksum ^= word * 0xBF58476D1CE4E5B9 % 2**64
    content[:8] = checksum.to_bytes(8, "little")
    db.write_bytes(content)
    with pytest.raises(ReadError, match=r"storage version number 5000.*upgrade duckdb"):
        ae.DuckDBSource(db, table="orders").schema()


def test_several_read_at_once_and_nothing_is_left_open(db):
    first = ae.DuckDBSource(db, table="orders").reader(batch_size=2)
    second = ae.DuckDBSource(db, query="FROM orders").reader(batch_size=2)
    next(first)
    next(second)
    assert len(rows_of(ae.DuckDBSource(db, table="orders"))) == 5
    del first, second
    gc.collect()
    run(db, "DELETE FROM orders")


def test_a_file_that_this_process_writes(db):
    with closing(duckdb.connect(str(db))) as writer:
        writer.execute("BEGIN; DELETE FROM orders WHERE id > 1")
        for source in (
            ae.DuckDBSource(db, table="orders"),
            ae.DuckDBSource(db, query="FROM orders"),
        ):
            assert [row[0] for row in rows_of(source)] == [0, 1, 2, 3, 4]
            assert ae.Pipeline().extract(source).reader().read_all().num_rows == 5
        writer.execute("COMMIT")
        assert [row[0] for row in rows_of(source)] == [0, 1]
        findings = [finding.detail for finding in source.diagnose()]
        assert findings[1] == "5 tables and views, through the instance that is open for writing"


def test_a_file_that_this_process_has_attached(db):
    with closing(duckdb.connect()) as other:
        other.execute(f"ATTACH '{db}' AS x")
        with pytest.raises(ReadError, match=r"ArrowSource\(connection\.sql\("):
            ae.DuckDBSource(db, table="orders").schema()
        assert len(rows_of(ae.ArrowSource(other.sql("FROM x.orders")))) == 5


def test_a_file_that_another_process_writes(db):
    code = (
        f"import duckdb, sys\nc = duckdb.connect({str(db)!r})\n"
        "print('open', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(
            ReadError, match=f"process {other.pid} has it open for writing"
        ) as error:
            ae.DuckDBSource(db, table="orders").schema()
        assert isinstance(error.value, Transient)
        other.communicate()
    assert len(rows_of(ae.DuckDBSource(db, table="orders"))) == 5


@pytest.mark.parametrize(
    "rows", ["FROM input", "SELECT id, sum(price) AS p FROM input GROUP BY id"]
)
def test_a_pipeline_that_writes_the_file_it_reads(db, rows):
    source = ae.DuckDBSource(db, table="orders")
    pipeline = ae.Pipeline().extract(source).transform(rows)
    pipeline.load(ae.DuckDBLoader(db, table="copied", mode="replace")).run()
    assert pipeline.result.records_loaded == 5
    assert len(rows_of(ae.DuckDBSource(db, table="copied"))) == 5


def test_a_pipeline_that_replaces_the_table_it_reads(db):
    source = ae.DuckDBSource(db, table="orders")
    pipeline = ae.Pipeline().extract(source).transform("SELECT * FROM input WHERE id < 2")
    pipeline.load(ae.DuckDBLoader(db, table="orders", mode="replace")).run()
    assert [row[0] for row in rows_of(source)] == [0, 1]


def test_a_configuration(db, tmp_path):
    from arrowetl.config import load_config

    (tmp_path / "p.yaml").write_text(
        f"source: {{type: duckdb, path: {db}, query: 'SELECT id FROM orders WHERE id > $low', "
        f"params: {{low: 2}}}}\nload: {{type: csv, path: {tmp_path}/out.csv}}\n"
    )
    load_config(tmp_path / "p.yaml").run()
    assert (tmp_path / "out.csv").read_text() == "id\n3\n4\n"
