"""SQLiteSource: what is declared is what arrives, each value or its rejection, in one snapshot."""

import pickle
import subprocess
import sys
from datetime import date, datetime, time, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from adbc_driver_sqlite import dbapi

import arrowetl as ae
from arrowetl.errors import ConfigError, ReadError, SchemaError, Transient
from tests.sinks.loading import names_in, sqlite_run
from tests.sources.reading import rows_of


@pytest.fixture
def db(tmp_path):
    return tmp_path / "shop.db"


def read(source, **options):
    """Give the rows and what was rejected: reason code, column, reason."""
    rows = pa.Table.from_batches(source.scan(**options), source.schema()).to_pydict()
    rejected = [row for batch in source.rejected(None) for row in batch.to_pylist()]
    return list(zip(*rows.values(), strict=True)), rejected


def types_of(source):
    return dict(zip(source.schema().names, map(str, source.schema().types), strict=True))


# --- types ---------------------------------------------------------------------------------

DECLARED = {
    "INTEGER": "int64",
    "int": "int64",
    "TINYINT(1)": "int64",
    "UNSIGNED BIG INT": "int64",
    "INT8": "int64",
    "REAL": "double",
    "DOUBLE PRECISION": "double",
    "FLOAT": "double",
    "TEXT": "string",
    "VARCHAR(20)": "string",
    "NATIVE CHARACTER(70)": "string",
    "CLOB": "string",
    "JSON": "string",
    "BLOB": "binary",
    "BOOLEAN": "bool",
    "DATE": "date32[day]",
    "DATETIME": "timestamp[us]",
    "TIMESTAMP(6)": "timestamp[us]",
    "timestamp with time zone": "timestamp[us, tz=UTC]",
    "TIMESTAMPTZ": "timestamp[us, tz=UTC]",
    "TIMESTAMP_NS": "timestamp[ns]",
    "TIME": "time64[us]",
    "DECIMAL(9, 2)": "decimal128(9, 2)",
    "NUMERIC(12)": "decimal128(12, 0)",
    "DECIMAL_TEXT(50,4)": "decimal256(50, 4)",
    "NUMERIC": "null",
    "POINT": "null",
    "": "null",
}


def test_each_declared_type_has_one_arrow_type(db):
    columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(DECLARED))
    sqlite_run(db, f"CREATE TABLE t({columns})")
    expected = {f"c{n}": kind for n, kind in enumerate(DECLARED.values())}
    assert types_of(ae.SQLiteSource(db, table="t")) == expected


@pytest.mark.parametrize(
    ("values", "kind", "read_back"),
    [
        ("1, 2, NULL", "int64", [1, 2, None]),
        ("1, 2.5", "double", [1.0, 2.5]),
        ("9007199254740993, 2.5", "string", ["9007199254740993", "2.5"]),
        ("1, 'a', 1.5", "string", ["1", "a", "1.5"]),
        ("x'00ff', 'a'", "binary", [b"\0\xff", b"a"]),
        ("NULL", "null", [None]),
    ],
)
def test_where_nothing_is_declared_the_values_decide(db, values, kind, read_back):
    listed = ", ".join(f"({value})" for value in values.split(", "))
    sqlite_run(db, "CREATE TABLE t(x)", f"INSERT INTO t VALUES {listed}")
    source = ae.SQLiteSource(db, table="t")
    assert types_of(source) == {"x": kind}
    assert read(source) == ([(value,) for value in read_back], [])


def test_text_becomes_what_its_column_says(db):
    sqlite_run(
        db,
        "CREATE TABLE t(paid BOOLEAN, day DATE, at DATETIME, z TIMESTAMPTZ, t TIME, "
        "price DECIMAL(9,2), long DECIMAL_TEXT(30,10))",
        "INSERT INTO t VALUES (1, '2024-02-29', '2024-02-29 12:30:00', '2024-02-29T12:30:00+02:00',"
        " '12:30:00.5', 19.99, '12345678901234567890.0123456789')",
        "INSERT INTO t VALUES ('false', '2024-02-29 00:00', '2024-02-29', '2024-02-29 12:30', "
        "'12:30', '0.5', '1')",
        "INSERT INTO t VALUES (NULL, NULL, '2024-02-29T12:30:00.123000000Z', NULL, NULL, 7, NULL)",
    )
    day, utc = date(2024, 2, 29), timezone.utc
    noon = datetime(2024, 2, 29, 12, 30)  # noqa: DTZ001 - the column has no zone
    assert read(ae.SQLiteSource(db, table="t")) == (
        [
            (
                True,
                day,
                noon,
                datetime(2024, 2, 29, 10, 30, tzinfo=utc),
                time(12, 30, 0, 500_000),
                Decimal("19.99"),
                Decimal("12345678901234567890.0123456789"),
            ),
            (
                False,
                day,
                datetime(2024, 2, 29),  # noqa: DTZ001 - the column has no zone
                datetime(2024, 2, 29, 12, 30, tzinfo=utc),
                time(12, 30),
                Decimal("0.50"),
                Decimal("1.0000000000"),
            ),
            (None, None, noon.replace(microsecond=123_000), None, None, Decimal("7.00"), None),
        ],
        [],
    )


def test_all_storage_classes_in_one_column(db):
    sqlite_run(
        db,
        "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, x REAL, b BLOB, s TEXT)",
        "INSERT INTO t VALUES (10, 1, 1, x'00', 'a'), (20, 'abc', 1.5, x'01', 5), "
        "(30, 1.5, 2, 'b', x'62'), (40, 2, 'x', x'', x'ff'), (50, 3, 3, 4, NULL), "
        "(60, 9223372036854775808, NULL, NULL, 'b'), "
        "(70, NULL, NULL, NULL, CAST(x'61ff' AS TEXT))",
    )
    rows, rejected = read(ae.SQLiteSource(db, table="t"))
    assert rows == [(10, 1, 1.0, b"\0", "a")]
    assert [(row["reason_code"], row["column"], row["reason"]) for row in rejected] == [
        ("cast", "n", "t, row 20: column 'n' holds 'abc', which doesn't fit int64"),
        ("cast", "n", "t, row 30: column 'n' holds 1.5, which doesn't fit int64"),
        ("encoding", "s", "t, row 40: column 's' holds '\\xFF', which isn't UTF-8"),
        ("cast", "b", "t, row 50: column 'b' holds 4, which doesn't fit binary"),
        (
            "cast",
            "n",
            "t, row 60: column 'n' holds 9.2233720368547758e+18, which doesn't fit int64",
        ),
        ("encoding", "s", "t, row 70: column 's' holds 'a\\xFF', which isn't UTF-8"),
    ]
    assert rejected[0]["text"] == '{"id":20,"x":1.5,"b":"\\\\x01","s":"5","n":"\'abc\'"}'
    place = {"file": str(db), "line": None, "byte": None, "table": "t"}
    assert [row["source"] for row in rejected] == [
        place | {"key": key} for key in ("20", "30", "40", "50", "60", "70")
    ]
    with pytest.raises(ae.ReadError, match="row 20: column 'n' holds 'abc', which doesn't fit"):
        read(ae.SQLiteSource(db, table="t", on_error="raise"))
    some = ae.SQLiteSource(db, table="t", columns=["s"])
    rows, rejected = read(some)
    assert rows == [("a",), ("5",), ("b",), (None,), ("b",)]
    assert [(row["reason_code"], row["text"]) for row in rejected] == [
        ("encoding", '{"s":"\\\\xFF"}'),
        ("encoding", '{"s":"a\\\\xFF"}'),
    ]


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("DATE", "'2024-02-30'"),
        ("DATE", "'2024-02-28 12:00'"),
        ("DATE", "20240228"),
        ("DATETIME", "1709164800"),
        ("DATETIME", "2460370.5"),
        ("DATETIME", "'yesterday'"),
        ("DATETIME", "'2024-02-28 12:00:00.1234567'"),
        ("TIMESTAMP_NS", "'1024-02-28 12:00'"),
        ("TIME", "'24:00:00'"),
        ("BOOLEAN", "2"),
        ("BOOLEAN", "1.5"),
        ("DECIMAL(4,2)", "0.125"),
        ("DECIMAL(4,2)", "1000"),
        ("DECIMAL(4,2)", "'1,5'"),
    ],
)
def test_values_that_are_not_what_their_column_says_are_never_guessed(db, declared, value):
    sqlite_run(db, f"CREATE TABLE t(x {declared})", f"INSERT INTO t VALUES (NULL), ({value})")
    rows, rejected = read(ae.SQLiteSource(db, table="t"))
    assert rows == [(None,)]
    assert [(row["reason_code"], row["column"]) for row in rejected] == [("cast", "x")]
    as_text = ae.SQLiteSource(db, table="t", schema={"x": "VARCHAR"})
    assert read(as_text) == ([(None,), (value.strip("'"),)], [])


def test_one_bad_value_far_into_the_table(db):
    sqlite_run(
        db,
        "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, day DATE, late TEXT)",
        "INSERT INTO t WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i LIMIT 9000) "
        "SELECT i, CASE i WHEN 5000 THEN 'bad' ELSE i END, "
        "CASE i WHEN 7000 THEN 'bad' WHEN 8000 THEN '2024-13-01' ELSE '2024-01-01' END, "
        "CASE WHEN i > 8990 THEN 'x' END FROM i",
    )
    rows, rejected = read(ae.SQLiteSource(db, table="t"), batch_size=100)
    assert [row[0] for row in rows] == [n for n in range(1, 9001) if n not in {5000, 7000, 8000}]
    assert [row["reason"].split(":")[0] for row in rejected] == [
        "t, row 5000",
        "t, row 7000",
        "t, row 8000",
    ]
    assert [row[3] for row in rows[-11:]] == [None] + ["x"] * 10


def test_the_rows_do_not_depend_on_what_stands_beside_them(db):
    values = ["2024-01-01", "2024-01-01 10:00", "2024-01-01T10:00:00Z", "2024-02-30", "x"]
    many = ", ".join(f"('{values[n * n % 5]}')" for n in range(50))
    sqlite_run(db, "CREATE TABLE t(d DATE, at DATETIME)", f"INSERT INTO t(at) VALUES {many}")
    source = ae.SQLiteSource(db, table="t")
    whole = read(source)
    for rows in (1, 2, 7):
        assert read(source, batch_size=rows) == whole


def test_a_wide_table(db):
    columns = ", ".join(f'"c{n}" INTEGER' for n in range(1500))
    sqlite_run(db, f"CREATE TABLE t({columns})", "INSERT INTO t(c1499, c0) VALUES ('x', 1), (2, 3)")
    rows, rejected = read(ae.SQLiteSource(db, table="t"))
    assert [(row[0], row[1499]) for row in rows] == [(3, 2)]
    assert rejected[0]["column"] == "c1499"


# --- kinds of tables -----------------------------------------------------------------------


def test_the_order_is_the_tables_whatever_index_would_be_quicker(db):
    sqlite_run(
        db,
        "CREATE TABLE t(a INTEGER, b TEXT)",
        "CREATE INDEX i ON t(a, b)",
        "INSERT INTO t VALUES (3, 'x'), (1, 'y'), (2, 'z')",
    )
    assert rows_of(ae.SQLiteSource(db, table="t", columns=["a"])) == [(3,), (1,), (2,)]


def test_views_keyed_and_strict_tables_and_generated_columns(db):
    sqlite_run(
        db,
        "CREATE TABLE k(a TEXT, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID",
        "INSERT INTO k VALUES ('b', 1), ('a', 'two')",
        "CREATE TABLE s(n INTEGER, x ANY, d TEXT) STRICT",
        "INSERT INTO s VALUES (1, 'a', '1'), (2, 5, NULL)",
        "CREATE TABLE g(n INTEGER, twice INTEGER GENERATED ALWAYS AS (n * 2), "
        "text TEXT AS (n || '!') STORED)",
        "INSERT INTO g(n) VALUES (4)",
        "CREATE TABLE r(rowid TEXT, _rowid_ INTEGER)",
        "INSERT INTO r VALUES ('x', 'y')",
        "CREATE VIEW v AS SELECT n, n + 1 AS more, d FROM s ORDER BY n DESC",
        "CREATE VIRTUAL TABLE f USING fts5(body)",
        "INSERT INTO f VALUES ('some words')",
    )
    rows, rejected = read(ae.SQLiteSource(db, table="k"))
    assert rows == [("b", 1)]
    assert rejected[0]["reason"].startswith("k, row 'a', 'two': column 'b' holds 'two'")
    assert rows_of(ae.SQLiteSource(db, table="s")) == [(1, "a", "1"), (2, "5", None)]
    assert rows_of(ae.SQLiteSource(db, table="g")) == [(4, 8, "4!")]
    assert rows_of(ae.SQLiteSource(db, table="v")) == [(2, 3, None), (1, 2, "1")]
    assert types_of(ae.SQLiteSource(db, table="v")) == {
        "n": "int64",
        "more": "int64",
        "d": "string",
    }
    assert rows_of(ae.SQLiteSource(db, table="F")) == [("some words",)]
    rows, rejected = read(ae.SQLiteSource(db, table="r"))
    assert rejected[0]["reason"].startswith("r, row 1: column '_rowid_' holds 'y'")


@pytest.mark.parametrize(
    "name", ['x"; DROP TABLE y; --', "it's", "two words", "select", "é☃", "[a]"]
)
def test_strange_names(db, name):
    quoted = '"' + name.replace('"', '""') + '"'
    sqlite_run(
        db,
        f'CREATE TABLE {quoted}({quoted} INTEGER, "$.a/b~c" INTEGER)',
        f"INSERT INTO {quoted} VALUES (1, 2), ('x', 3), (4, 'y')",
    )
    rows, rejected = read(ae.SQLiteSource(db, table=name))
    assert rows == [(1, 2)]
    assert [row["column"] for row in rejected] == [name, "$.a/b~c"]
    assert "holds 'y'" in rejected[1]["reason"]


def test_utf_16(db):
    sqlite_run(
        db,
        "PRAGMA encoding = 'UTF-16'",
        "CREATE TABLE t(s TEXT, n INTEGER, d DATE)",
        "INSERT INTO t VALUES ('é☃', 1, '2024-01-01'), ('b', 'x', NULL)",
    )
    rows, rejected = read(ae.SQLiteSource(db, table="t"))
    assert rows == [("é☃", 1, date(2024, 1, 1))]
    assert rejected[0]["text"] == '{"s":"b","d":null,"n":"\'x\'"}'


def test_text_with_a_null_character(db):
    sqlite_run(db, "CREATE TABLE t(s TEXT)", "INSERT INTO t VALUES ('a' || char(0) || 'b')")
    assert rows_of(ae.SQLiteSource(db, table="t")) == [("a\0b",)]


# --- queries -------------------------------------------------------------------------------


@pytest.fixture
def orders(db):
    sqlite_run(
        db,
        "CREATE TABLE orders(id INTEGER PRIMARY KEY, day DATE, price DECIMAL(9,2), note)",
        "INSERT INTO orders VALUES (1, '2024-01-01', 5, 'a'), (2, '2024-01-02', 7.5, NULL), "
        "(3, NULL, 'free', x'00')",
    )
    return db


def test_a_query_has_the_declared_types_of_its_columns(orders):
    query = (
        "SELECT day, price, count(*) AS n, max(price) AS most FROM orders WHERE id < 3 GROUP BY id;"
    )
    source = ae.SQLiteSource(orders, query=query)
    assert types_of(source) == {
        "day": "date32[day]",
        "price": "decimal128(9, 2)",
        "n": "int64",
        "most": "double",
    }
    assert rows_of(source) == [
        (date(2024, 1, 1), Decimal("5.00"), 1, 5.0),
        (date(2024, 1, 2), Decimal("7.50"), 1, 7.5),
    ]


def test_rows_of_a_query_that_do_not_fit(orders):
    rows, rejected = read(
        ae.SQLiteSource(orders, query="SELECT price FROM orders ORDER BY id DESC")
    )
    assert rows == [(Decimal("5.00"),), (Decimal("7.50"),)][::-1]
    assert [row["reason"] for row in rejected] == [
        "column 'price' holds 'free', which doesn't fit decimal128(9, 2)"
    ]


@pytest.mark.parametrize(
    ("query", "params", "ids"),
    [
        ("SELECT id FROM orders WHERE id >= ? AND note IS ?", [1, "a"], [1]),
        ("SELECT id FROM orders WHERE id = ?2 OR id = ?1", (1, 2), [1, 2]),
        ("SELECT id FROM orders WHERE day = :day -- :no, '?'", {"day": date(2024, 1, 2)}, [2]),
        ("SELECT id FROM orders WHERE id IN (@a, $a, :b)", {"a": 1, "b": True}, [1]),
        ("SELECT id FROM orders WHERE note = ?", [b"\0"], [3]),
        ("SELECT id FROM orders WHERE note = '?' OR price > ?", [6.5], [2, 3]),
        ("SELECT id FROM orders WHERE note = ?", ["a' OR 1 = 1; --"], []),
    ],
)
def test_values_are_bound(orders, query, params, ids):
    source = ae.SQLiteSource(orders, query=query, params=params)
    assert rows_of(source) == [(each,) for each in ids]
    again = pickle.loads(pickle.dumps(source))
    assert (again, hash(again)) == (source, hash(source))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "say table= or query="),
        ({"table": "a", "query": "SELECT 1"}, "say table= or query="),
        ({"table": ""}, "table is a name"),
        ({"query": "SELECT ?"}, "places for 1 values, params has 0"),
        ({"query": "SELECT :a", "params": {"b": 1}}, "parameters are a, params names b"),
        ({"query": "SELECT :a", "params": [1]}, "parameters are a, params names none"),
        ({"query": "SELECT ?", "params": [Decimal(1)]}, "give a decimal as text"),
        ({"query": "SELECT ?", "params": [2**63]}, "a number of 64 bits"),
        ({"query": "SELECT ?", "params": "x"}, "params is a list"),
        ({"table": "a", "columns": []}, "columns"),
        ({"table": "a", "schema": {"x": "INTEGER[]"}}, "can't be list"),
        ({"table": "a", "schema": {"x": "nonsense"}}, "nonsense"),
        ({"table": "a", "timeout": -1}, "timeout"),
        ({"table": "a", "spooled": "no"}, "spooled is .no.: it has to be True or False"),
    ],
)
def test_wrong_options(options, said):
    with pytest.raises(ConfigError, match=said):
        ae.SQLiteSource("shop.db", **options)


def test_wrong_paths():
    with pytest.raises(ConfigError, match="isn't on a local disk"):
        ae.SQLiteSource("s3://bucket/shop.db", table="x")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM ordesr", "no such table: ordesr; did you mean 'orders'?"),
        ("SELECT prise FROM orders", "no such column: prise"),
        ("SELECT 1; SELECT 2", "isn't one that SQLite can run"),
        ("DELETE FROM orders", "isn't one that SQLite can run"),
        ("SELECT 1) UNION SELECT (2", "isn't one that SQLite can run"),
    ],
)
def test_wrong_queries(orders, query, said):
    with pytest.raises(ConfigError, match=said):
        ae.SQLiteSource(orders, query=query).schema()
    assert len(rows_of(ae.SQLiteSource(orders, table="orders", columns=["id"]))) == 3


@pytest.mark.parametrize(
    ("query", "params", "twice"),
    [
        ("SELECT 1 AS a, 2 AS a", (), "a"),
        ("SELECT ? AS a, 2 AS b, 3 AS A;", [1], "a"),
        (
            "SELECT * FROM orders AS x JOIN orders AS y USING (price) WHERE x.id = :id",
            {"id": 1},
            "id",
        ),
    ],
)
def test_two_columns_of_a_query_with_one_name(orders, query, params, twice):
    with pytest.raises(SchemaError, match=f"two columns are called '{twice}' .* AS") as raised:
        ae.SQLiteSource(orders, query=query, params=params, columns=[twice]).schema()
    assert raised.value.column == twice
    assert ae.SQLiteSource(orders, query='SELECT 1 AS a, 2 AS "a:1"').schema().names == ["a", "a:1"]


def test_an_error_in_the_middle_of_a_query(orders):
    with pytest.raises(ReadError, match="integer overflow"):
        rows_of(
            ae.SQLiteSource(orders, query="SELECT abs(-9223372036854775807 - id) AS x FROM orders")
        )


# --- files ---------------------------------------------------------------------------------


def test_a_missing_file_is_not_made(tmp_path):
    sqlite_run(tmp_path / "shop.db", "CREATE TABLE t(x)")
    source = ae.SQLiteSource(tmp_path / "shp.db", table="t")
    with pytest.raises(ReadError, match=r"no file '.*shp.db'; did you mean 'shop.db'"):
        source.schema()
    assert names_in(tmp_path) == ["shop.db"]
    (finding,) = source.diagnose()
    assert not finding.works
    assert "did you mean" in finding.detail


def test_what_is_no_database(tmp_path):
    for content in (b"name,n\n", b"\x8b" * 4096):
        (tmp_path / "x.db").write_bytes(content)
        with pytest.raises(ReadError, match="isn't a SQLite database, or is an encrypted one"):
            ae.SQLiteSource(tmp_path / "x.db", table="t").schema()
    (tmp_path / "x.db").write_bytes(b"")
    with pytest.raises(ReadError, match=r"no table or view 't'\. There are: none"):
        ae.SQLiteSource(tmp_path / "x.db", table="t").schema()
    with pytest.raises(ReadError, match="is a folder"):
        ae.SQLiteSource(tmp_path, table="t").schema()


def test_a_damaged_file(db):
    sqlite_run(
        db,
        "CREATE TABLE t(s TEXT)",
        "INSERT INTO t WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i LIMIT 5000) "
        "SELECT 'some words of number ' || i FROM i",
    )
    content = db.read_bytes()
    db.write_bytes(content[:40_000] + b"\xff" * 20_000 + content[60_000:])
    with pytest.raises(ReadError, match=r"the file is damaged; `sqlite3 FILE \.recover`"):
        rows_of(ae.SQLiteSource(db, table="t"))


def test_a_missing_table_and_a_missing_column(orders):
    with pytest.raises(ReadError, match=r"no table or view 'ordesr'; did you mean 'orders'\?"):
        ae.SQLiteSource(orders, table="ordesr").schema()
    with pytest.raises(SchemaError, match="no column 'prise'; did you mean 'price'"):
        ae.SQLiteSource(orders, table="orders", columns=["prise"]).schema()
    with pytest.raises(SchemaError, match="no column 'nite'; did you mean 'note'"):
        ae.SQLiteSource(orders, table="orders", schema={"nite": "INT"}).schema()
    with pytest.raises(SchemaError, match="no column 'x'"):
        ae.SQLiteSource(orders, table="orders").scan(columns=["x"])


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_snapshot_while_others_write(db, mode):
    sqlite_run(
        db,
        f"PRAGMA journal_mode = {mode}",
        "CREATE TABLE t(n INTEGER)",
        "INSERT INTO t WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i LIMIT 9000) "
        "SELECT i FROM i",
    )
    batches = ae.SQLiteSource(db, table="t").scan(batch_size=100)
    read = [next(batches)]
    if mode == "wal":
        sqlite_run(db, "DELETE FROM t WHERE n > 50")
    else:
        with pytest.raises(dbapi.Error, match="database is locked"):
            sqlite_run(db, "PRAGMA busy_timeout = 1", "DELETE FROM t WHERE n > 50")
    read += batches
    assert pa.Table.from_batches(read)["n"].to_pylist() == list(range(1, 9001))
    left = 50 if mode == "wal" else 9000
    assert len(rows_of(ae.SQLiteSource(db, table="t"))) == left


def test_reading_leaves_the_file_as_it_was(db):
    sqlite_run(db, "CREATE TABLE t(x)", "INSERT INTO t VALUES (1)")
    before = db.read_bytes(), names_in(db.parent)
    rows_of(ae.SQLiteSource(db, table="t"))
    assert (db.read_bytes(), names_in(db.parent)) == before


def test_a_locked_database_may_be_tried_again(db):
    sqlite_run(db, "CREATE TABLE t(x)")
    code = (
        "import sqlite3, sys\n"
        f"c = sqlite3.connect({str(db)!r}, isolation_level=None)\n"
        "c.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(
            ReadError, match=r"has locked the database; wait longer \(timeout=\)"
        ) as error:
            ae.SQLiteSource(db, table="t", timeout=0.1).schema()
        assert isinstance(error.value, Transient)
        other.communicate()
    assert rows_of(ae.SQLiteSource(db, table="t")) == []


def test_a_schema_that_changes_is_seen(db):
    sqlite_run(db, "CREATE TABLE t(x)", "INSERT INTO t VALUES (1)")
    source = ae.SQLiteSource(db, table="t")
    assert types_of(source) == {"x": "int64"}
    sqlite_run(db, "INSERT INTO t VALUES ('a')")
    assert types_of(source) == {"x": "string"}
    sqlite_run(db, "ALTER TABLE t ADD COLUMN y DATE")
    assert types_of(source) == {"x": "string", "y": "date32[day]"}


def test_large_blobs_come_in_small_batches(db, monkeypatch):
    monkeypatch.setattr("arrowetl.sources._sqlite_reading.LARGE", 1 << 20)
    monkeypatch.setattr("arrowetl.sources._sqlite_reading.BATCH_BYTES", 1 << 20)
    sqlite_run(
        db,
        "CREATE TABLE t(n INTEGER, b BLOB)",
        "INSERT INTO t WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i LIMIT 40) "
        "SELECT i, randomblob(100000) FROM i",
    )
    source = ae.SQLiteSource(db, table="t")
    assert max(batch.nbytes for batch in source.scan()) <= 33 << 20
    assert len(rows_of(source)) == 40


# --- in a pipeline -------------------------------------------------------------------------


def test_a_pipeline_counts_and_keeps_what_was_rejected(orders, tmp_path):
    result = (
        ae.Pipeline("orders", dead_letters=ae.ParquetLoader(tmp_path / "rejects"))
        .extract(ae.SQLiteSource(orders, table="orders"))
        .transform("SELECT id, price * 2 AS twice FROM input")
        .load(ae.ArrowLoader())
        .run()
        .result
    )
    assert result.table.to_pydict() == {"id": [1, 2], "twice": [Decimal("10.00"), Decimal("15.00")]}
    assert (result.records_extracted, result.records_loaded, result.records_rejected) == (3, 2, 1)
    letters = ae.ParquetSource(tmp_path / "rejects").reader().read_all().to_pylist()
    assert [(letter["reason_code"], letter["column"]) for letter in letters] == [("cast", "price")]
    assert '"price":"free"' in letters[0]["row"]["text"]


def test_columns_that_nobody_needs_reject_nothing(orders):
    pipeline = ae.Pipeline().extract(ae.SQLiteSource(orders, table="orders"))
    pipeline.transform("SELECT id FROM input").load(ae.ArrowLoader()).run()
    assert pipeline.result.table["id"].to_pylist() == [1, 2, 3]


def test_doctor_finds_that_all_is_well(orders):
    findings = list(ae.SQLiteSource(orders, table="orders").diagnose())
    assert [(each.step, each.works) for each in findings] == [
        ("find the file", True),
        ("read it", True),
        ("read the schema", True),
    ]


def test_a_configuration(orders, tmp_path):
    from arrowetl.config import load_config

    (tmp_path / "p.yaml").write_text(
        f"source: {{type: sqlite, path: {orders}, query: 'SELECT id FROM orders WHERE id > ?', "
        f"params: [1], schema: {{id: INTEGER}}}}\nload: {{type: csv, path: {tmp_path}/out.csv}}\n"
    )
    load_config(tmp_path / "p.yaml").run()
    assert (tmp_path / "out.csv").read_text() == "id\n2\n3\n"


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("table", ["orders", "copied"])
def test_a_pipeline_that_writes_the_file_it_reads(orders, mode, table):
    sqlite_run(
        orders,
        f"PRAGMA journal_mode = {mode}",
        "INSERT INTO orders(id, note) WITH RECURSIVE i(i) AS (SELECT 10 UNION ALL "
        "SELECT i + 1 FROM i LIMIT 60000) SELECT i, 'a note that is long enough' FROM i",
    )
    source = ae.SQLiteSource(orders, table="orders", columns=["id", "note"])
    pipeline = ae.Pipeline().extract(source).transform("SELECT * FROM input WHERE id >= 10")
    pipeline.load(ae.SQLiteLoader(orders, table=table, mode="replace")).run()
    assert pipeline.result.records_loaded == 60_000
    assert len(rows_of(ae.SQLiteSource(orders, table=table, columns=["id"]))) == 60_000
