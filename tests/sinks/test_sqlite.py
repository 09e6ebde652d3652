"""SQLiteLoader: one transaction, types as text, keys, and tables that change."""

import pickle
from datetime import date, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.errors import ConfigError, SchemaError, Transient, WriteError
from tests.sinks.loading import load, names_in, sqlite_rows, sqlite_run

ROWS = pa.table({"id": [1, 2], "city": ["Rome", None]})
MORE = pa.table({"id": [2, 3], "city": ["Oslo", "Bonn"]})
ALL = "SELECT * FROM t ORDER BY 1"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.db"


def loader(path, **options):
    return ae.SQLiteLoader(path, table="t", **options)


def ddl(path, table="t"):
    return sqlite_rows(path, f"SELECT sql FROM sqlite_master WHERE tbl_name = '{table}'")


def test_append_is_the_default(path):
    assert load(loader(path), ROWS) == 2
    load(loader(path), MORE)
    assert sqlite_rows(path, "SELECT * FROM t") == [
        (1, "Rome"),
        (2, None),
        (2, "Oslo"),
        (3, "Bonn"),
    ]
    assert ddl(path) == [('CREATE TABLE "t" ("id" INTEGER, "city" TEXT)',)]


def test_upsert_by_key(path):
    load(loader(path), ROWS)
    upsert = loader(path, mode="upsert", key="id")
    for _ in range(2):
        load(upsert, MORE)
    assert sqlite_rows(path, ALL) == [(1, "Rome"), (2, "Oslo"), (3, "Bonn")]


def test_upsert_the_last_row_of_a_run_wins(path):
    rows = pa.table({"id": [1, 2, 1, 1], "v": ["a", "b", "c", "d"]})
    for batch in (1, 3, 10):
        load(loader(path, mode="upsert", key=["id"]), rows, rows=batch)
        assert sqlite_rows(path, ALL) == [(1, "d"), (2, "b")]


def test_upsert_keeps_columns_that_the_rows_lack(path):
    load(loader(path), ROWS)
    load(loader(path, mode="upsert", key="id"), pa.table({"id": [1], "age": [7]}))
    assert sqlite_rows(path, ALL) == [(1, "Rome", 7), (2, None, None)]


def test_upsert_on_all_columns_keeps_one(path):
    for _ in range(2):
        load(loader(path, mode="upsert", key=["id"]), pa.table({"id": [1, 1]}))
    assert sqlite_rows(path, ALL) == [(1,)]


def test_upsert_uses_the_primary_key_there_is(path):
    sqlite_run(path, "CREATE TABLE t (ID INTEGER PRIMARY KEY, city TEXT)")
    for _ in range(2):
        load(loader(path, mode="upsert", key="id"), ROWS)
    assert sqlite_rows(path, ALL) == [(1, "Rome"), (2, None)]
    assert len(ddl(path)) == 1


@pytest.mark.parametrize("key", [pa.array([1, None]), pa.array([1.0, float("nan")])])
def test_a_null_in_the_key_is_an_error(path, key):
    with pytest.raises(WriteError, match="1 rows of a batch have no value in the key 'k'"):
        load(loader(path, mode="upsert", key="k"), pa.table({"k": key}))
    assert not path.exists()


def test_a_key_that_is_not_unique_there(path):
    sqlite_run(path, "CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1), (1)")
    with pytest.raises(WriteError, match="several rows with one id"):
        load(loader(path, mode="upsert", key="id"), pa.table({"id": [1]}))


def test_replace_keeps_what_belongs_to_the_table(path):
    sqlite_run(
        path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, city TEXT)",
        "CREATE INDEX by_city ON t (city)",
        "INSERT INTO t VALUES (7, 'old')",
    )
    load(loader(path, mode="replace"), ROWS)
    assert sqlite_rows(path, ALL) == [(1, "Rome"), (2, None)]
    assert "PRIMARY KEY" in ddl(path)[0][0]
    load(loader(path, mode="replace"), pa.table({"city": ["Bonn"], "n": [1]}))
    assert sqlite_rows(path, ALL) == [("Bonn", 1)]
    assert ddl(path) == [
        ('CREATE TABLE "t" ("city" TEXT, "n" INTEGER)',),
        ("CREATE INDEX by_city ON t (city)",),
    ]
    with pytest.raises(WriteError, match="'by_city' of the old table 't' doesn't fit"):
        load(loader(path, mode="replace"), pa.table({"n": [1]}))
    assert sqlite_rows(path, ALL) == [("Bonn", 1)]


def test_replace_with_a_view_on_it(path):
    load(loader(path), ROWS)
    sqlite_run(path, "CREATE VIEW v AS SELECT id FROM t")
    load(loader(path, mode="replace"), pa.table({"id": [1.5]}))
    assert sqlite_rows(path, "SELECT * FROM v") == [(1.5,)]


def test_readers_see_the_old_rows_until_the_commit(path):
    load(loader(path), ROWS)
    replacing = loader(path, mode="replace")
    replacing.begin(MORE.schema)
    replacing.write(MORE.to_reader())
    assert sqlite_rows(path, ALL) == [(1, "Rome"), (2, None)]
    replacing.commit()
    replacing.commit()
    assert sqlite_rows(path, ALL) == [(2, "Oslo"), (3, "Bonn")]


def test_error_mode(path):
    load(loader(path, mode="error"), ROWS)
    with pytest.raises(WriteError, match="the table is there already"):
        loader(path, mode="error").check(ROWS.schema)
    load(ae.SQLiteLoader(path, table="other", mode="error"), ROWS)


def test_evolve_adds_and_widens(path):
    sqlite_run(path, 'CREATE TABLE "t" ("id" BOOLEAN, "n" DATE, "flag" BOOLEAN)')
    sqlite_run(path, "CREATE INDEX by_id ON t (id)", "INSERT INTO t VALUES (1, 2, 1)")
    rows = pa.table({"ID": [2.5], "N": ["x"], "new": [True], "flag": [7]})
    assert [note for note in loader(path).check(rows.schema) if "column" in note] == [
        "column 'new' is added, as BOOLEAN",
        "column 'id' is widened to REAL",
        "column 'n' is widened to TEXT",
        "column 'flag' is widened to INTEGER",
    ]
    load(loader(path), rows)
    assert sqlite_rows(path, ALL) == [(1.0, "2", 1, None), (2.5, "x", 7, 1)]
    assert len(ddl(path)) == 2
    load(loader(path), pa.table({"id": [9]}))
    assert sqlite_rows(path, ALL)[-1] == (9.0, None, None, None)


@pytest.mark.parametrize(
    ("there", "rows"),
    [
        (pa.array([1]), pa.array(["1"])),
        (pa.array([1.0]), pa.array(["1"])),
        (pa.array([True]), pa.array(["true"])),
        (pa.array([Decimal("1.50")]), pa.array(["1.5"])),
        (pa.array([1]), pa.array([Decimal("1.50")])),
        (pa.array([1]), pa.array([date(2024, 1, 2)])),
        (pa.array([0.5]), pa.array([Decimal("0.5")])),
    ],
)
def test_a_column_of_numbers_stays_one(path, there, rows):
    load(loader(path), pa.table({"id": there}))
    before = ddl(path)
    with pytest.raises(SchemaError, match="no type holds both exactly; cast the rows"):
        load(loader(path), pa.table({"id": rows}))
    assert ddl(path) == before


@pytest.mark.parametrize(
    ("there", "kept", "other"),
    [
        ("INTEGER", ["3", None, str(2**60)], 3.5),
        ("BIGINT", ["0"], float("inf")),
        ("DECIMAL_TEXT(9,2)", ["1.25", "100.00"], 1.255),
    ],
)
def test_doubles_go_into_exact_columns_that_have_their_digits(path, there, kept, other):
    sqlite_run(path, f"CREATE TABLE t (id {there})")
    fit = [each and float(each) for each in kept]
    load(loader(path), pa.table({"id": fit}))
    load(loader(path, mode="upsert", key="id"), pa.table({"id": fit[:1]}))
    rows = sqlite_rows(path, "SELECT CAST(id AS TEXT), typeof(id) FROM t ORDER BY rowid")
    assert [text for text, _ in rows] == kept
    assert {kind for _, kind in rows} <= {"text" if "TEXT" in there else "integer", "null"}
    with pytest.raises(WriteError, match=f"'id' has {other}, which the table's .* would round"):
        load(loader(path), pa.table({"id": [other]}))


def test_no_row_is_rounded(path):
    load(loader(path), pa.table({"id": [0.5]}))
    with pytest.raises(WriteError, match="'id' has 9007199254740993, which the table's REAL would"):
        load(loader(path), pa.table({"id": [1, 2, 2**53 + 1]}))
    load(loader(path), pa.table({"id": [2**60, None]}))
    assert sqlite_rows(path, ALL) == [(None,), (0.5,), (2.0**60,)]


def times(kind):
    return pa.array([19_725, None], pa.int64()).cast(pa.int32()).cast(pa.date32()).cast(kind)


DAY, S, MS, US, NS = pa.date32(), *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns"))
KEPT = {
    "TIMESTAMP": "2024-01-03T00:00:00.000000",
    "TIMESTAMP_NS": "2024-01-03T00:00:00.000000000",
    "TIMESTAMPTZ_NS": "2024-01-03T00:00:00.000000000Z",
}
Z, ZN = pa.timestamp("us", "UTC"), pa.timestamp("ns", "Europe/Rome")


@pytest.mark.parametrize(
    ("there", "rows", "declared"),
    [
        (DAY, US, "TIMESTAMP"),
        (DAY, NS, "TIMESTAMP_NS"),
        (US, DAY, "TIMESTAMP"),
        (US, pa.date64(), "TIMESTAMP"),
        (S, NS, "TIMESTAMP_NS"),
        (MS, NS, "TIMESTAMP_NS"),
        (US, NS, "TIMESTAMP_NS"),
        (NS, DAY, "TIMESTAMP_NS"),
        (NS, MS, "TIMESTAMP_NS"),
        (Z, ZN, "TIMESTAMPTZ_NS"),
        (ZN, Z, "TIMESTAMPTZ_NS"),
    ],
)
def test_times_of_two_units_are_one_key(path, there, rows, declared):
    load(loader(path), pa.table({"at": times(there), "n": [0, 1]}))
    load(loader(path), pa.table({"at": times(rows), "n": [2, 3]}))
    coded = pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), times(rows))
    load(loader(path), pa.table({"at": coded.slice(0, 1), "n": [4]}))
    assert ddl(path) == [(f'CREATE TABLE "t" ("at" {declared}, "n" INTEGER)',)]
    text = KEPT[declared]
    assert sqlite_rows(path, "SELECT at FROM t ORDER BY n") == [
        *((text,), (None,), (text,), (None,), (text,))
    ]


@pytest.mark.parametrize(
    ("there", "rows"),
    [(US, Z), (Z, US), (NS, Z), (Z, DAY), (DAY, Z), (DAY, pa.time64("us"))],
)
def test_no_zone_goes_and_none_is_made_up(path, there, rows):
    load(loader(path), pa.table({"at": pa.array([0], pa.int64()).cast(US).cast(there)}))
    with pytest.raises(SchemaError, match="no type holds both"):
        loader(path).check(pa.schema({"at": rows}))


def test_a_time_of_day_gets_nanoseconds(path):
    for unit in ("us", "ns", "us"):
        load(loader(path), pa.table({"at": pa.array([1_000_000], pa.time64(unit))}))
    assert sqlite_rows(path, "SELECT at FROM t") == [
        *(("00:00:01",), ("00:00:00.001",), ("00:00:01",)),
    ]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (pa.array([1, 2**63], pa.uint64()), "'x' has 9223372036854775808, and SQLite's integers"),
        (pa.array([2**31 - 1], pa.int32()).cast(DAY), "'x' has infinity, and the text that SQLite"),
        (pa.array([None, 2_932_897], pa.int32()).cast(DAY), "'x' has 10000-01-01, and the text"),
        (pa.array([-800_000], pa.int32()).cast(DAY), "'x' has -0221-09-04, and the text"),
        (pa.array([1 - 2**63]).cast(US), "'x' has -infinity, and the text that SQLite"),
        (pa.array([253_402_300_800]).cast(S), "'x' has 10000-01-01 00:00:00, and the text"),
        (pa.array([2**63 - 1]).cast(Z), "'x' has infinity, and the text"),
    ],
)
def test_values_that_sqlite_has_no_form_for(path, values, told):
    for column in (values, values.dictionary_encode()):
        with pytest.raises(WriteError, match=told):
            load(loader(path), pa.table({"x": column}))


def test_a_year_that_nanoseconds_do_not_reach(path):
    load(loader(path), pa.table({"x": pa.array([0], NS)}))
    with pytest.raises(WriteError, match="'x' has 2300-01-01, and the table's nanoseconds end"):
        load(loader(path), pa.table({"x": [date(2300, 1, 1)]}))


def test_evolve_does_not_lose_constraints(path):
    sqlite_run(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, n BOOLEAN NOT NULL)")
    with pytest.raises(SchemaError, match="'n' should be widened to REAL, and SQLite can't"):
        load(loader(path), pa.table({"id": [1], "n": [1.5]}))


def test_freeze(path):
    load(loader(path), ROWS)
    frozen = loader(path, on_schema_change="freeze")
    load(frozen, MORE)
    for rows, message in [
        (pa.table({"id": [1]}), "the rows have no column 'city'"),
        (ROWS.append_column("x", pa.array([1, 2])), "the table has no column 'x'"),
        (pa.table({"id": ["x"], "city": ["a"]}), "INTEGER in the table and TEXT in the rows"),
    ]:
        with pytest.raises(SchemaError, match=message):
            frozen.check(rows.schema)


def test_text_into_a_column_that_reads_it_is_no_change(path):
    sqlite_run(path, "CREATE TABLE t (id INTEGER, city VARCHAR(20), at DATETIME)")
    rows = pa.table({"id": [1], "city": ["a"], "at": pa.array([0], pa.timestamp("us"))})
    assert load(loader(path, on_schema_change="freeze"), rows) == 1
    assert sqlite_rows(path, "SELECT * FROM t") == [(1, "a", "1970-01-01T00:00:00.000000")]


def test_discard(path):
    load(loader(path), ROWS)
    dropping = loader(path, on_schema_change="discard")
    rows = pa.table({"x": [1], "id": [5]})
    assert "column 'x' is dropped" in dropping.check(rows.schema)[-1]
    assert load(dropping, rows) == 1
    assert sqlite_rows(path, ALL)[-1] == (5, None)
    with pytest.raises(SchemaError, match="no type holds both exactly"):
        dropping.check(pa.schema({"id": pa.decimal128(3, 1)}))
    with pytest.raises(SchemaError, match="no column 'x'"):
        load(loader(path, on_schema_change="discard", mode="upsert", key="x"), rows)


TYPES = [
    (pa.array([2**63 - 1], pa.uint64()), "INTEGER", 2**63 - 1),
    (pa.array([True]), "BOOLEAN", 1),
    (pa.array([1.5], pa.float16()), "REAL", 1.5),
    (pa.array([1.5], pa.float32()), "REAL", 1.5),
    (pa.array(["a\0b"]), "TEXT", "a\0b"),
    (pa.array(["é"], pa.large_string()), "TEXT", "é"),
    (pa.array(["a"], pa.string_view()), "TEXT", "a"),
    (pa.array([b"a\0"]), "BLOB", b"a\0"),
    (pa.array([b"a"], pa.large_binary()), "BLOB", b"a"),
    (pa.array([b"a"], pa.binary_view()), "BLOB", b"a"),
    (pa.array([b"abc"], pa.binary(3)), "BLOB", b"abc"),
    (pa.array([date(2024, 1, 2)]), "DATE", "2024-01-02"),
    (pa.array([date(2024, 1, 2)], pa.date64()), "DATE", "2024-01-02"),
    (pa.array([time(1, 2, 3)], pa.time32("s")), "TIME", "01:02:03"),
    (pa.array([time(1, 2, 3, 4)]), "TIME", "01:02:03.000004"),
    (pa.array([1_704_153_600], pa.timestamp("s")), "TIMESTAMP", "2024-01-02T00:00:00"),
    (
        pa.array([1_704_164_400_000_000], pa.timestamp("us")),
        "TIMESTAMP",
        "2024-01-02T03:00:00.000000",
    ),
    (pa.array([1], pa.timestamp("ns")), "TIMESTAMP_NS", "1970-01-01T00:00:00.000000001"),
    (
        pa.array([1], pa.timestamp("us", "Europe/Berlin")),
        "TIMESTAMPTZ",
        "1970-01-01T00:00:00.000001Z",
    ),
    (pa.array([1], pa.timestamp("s", "UTC")), "TIMESTAMPTZ", "1970-01-01T00:00:01.000000Z"),
    (pa.array([1], pa.timestamp("ns", "UTC")), "TIMESTAMPTZ_NS", "1970-01-01T00:00:00.000000001Z"),
    (pa.array([timedelta(hours=30, microseconds=1)]), "TEXT", "30:00:00.000001"),
    (pa.array([Decimal("1.50")]), "DECIMAL_TEXT(3,2)", "1.50"),
    (
        pa.array([Decimal("-12345678901234567890123456789.123456789")]),
        "DECIMAL_TEXT(38,9)",
        "-12345678901234567890123456789.123456789",
    ),
    (pa.array([Decimal("1.50")], pa.decimal256(60, 2)), "DECIMAL_TEXT(60,2)", "1.50"),
    (pa.array([Decimal(12300)], pa.decimal128(5, -2)), "DECIMAL_TEXT(7,0)", "12300"),
    (pa.nulls(1), "", None),
    (pa.array([[1, None]]), "TEXT", "[1,null]"),
    (pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2)), "TEXT", "[1.0,2.0]"),
    (pa.array([{"a": [date(2024, 1, 2)], "b": 'q"'}]), "TEXT", '{"a":["2024-01-02"],"b":"q\\""}'),
    (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "TEXT", '{"k":1}'),
    (pa.array(["a"]).dictionary_encode(), "TEXT", "a"),
    (pa.array([5]).dictionary_encode(), "INTEGER", 5),
    (pa.array([b"a"]).dictionary_encode(), "BLOB", b"a"),
    (pa.array([Decimal("1.50")]).dictionary_encode(), "DECIMAL_TEXT(3,2)", "1.50"),
    (pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array(["x"])), "TEXT", "x"),
    (pa.array([b"0123456789abcdef"], pa.uuid()), "TEXT", "30313233-3435-3637-3839-616263646566"),
    (pa.array(['{"a": 1}'], pa.json_()), "TEXT", '{"a": 1}'),
    (pa.array([1], pa.bool8()), "BOOLEAN", 1),
]


@pytest.mark.parametrize(
    ("values", "declared", "expected"), TYPES, ids=lambda x: str(getattr(x, "type", ""))
)
def test_types(path, values, declared, expected):
    rows = pa.table({"x": values, 'odd "name"': values})
    load(loader(path), rows)
    assert sqlite_rows(path, "SELECT * FROM t") == [(expected, expected)]
    assert sqlite_rows(path, "SELECT type FROM pragma_table_info('t')") == [(declared,)] * 2
    load(loader(path, on_schema_change="freeze"), rows)


def test_unsigned_numbers_too_large_are_an_error(path):
    load(loader(path), ROWS)
    rows = pa.table({"id": pa.array([1, 2**63], pa.uint64()), "city": ["a", "b"]})
    with pytest.raises(WriteError, match="9223372036854775808"):
        load(loader(path), rows)
    assert sqlite_rows(path, "SELECT count(*) FROM t") == [(2,)]


def test_check_says_what_becomes_of_types_and_changes_nothing(path, tmp_path):
    schema = pa.schema({"paid": pa.decimal128(9, 2), "x": pa.float64(), "id": pa.int64()})
    assert loader(path).check(schema) == ()
    assert tuple(each.note for each in loader(path).stored(schema)[:2]) == (
        "paid: decimal128(9, 2) becomes DECIMAL_TEXT(9,2), lossless (the exact digits, as text)",
        "x: double becomes REAL, lossy (NaN becomes null, -0.0 becomes 0.0)",
    )
    assert names_in(tmp_path) == []


def test_no_rows_make_the_table(path):
    assert load(loader(path), ROWS.slice(0, 0)) == 0
    assert sqlite_rows(path, "SELECT count(*) FROM t") == [(0,)]


def test_abort_leaves_nothing(path, tmp_path):
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

    aborted = loader(path)
    aborted.begin(ROWS.schema)
    with pytest.raises(LookupError, match="the source broke"):
        aborted.write(pa.RecordBatchReader.from_batches(ROWS.schema, failing()))
    aborted.abort()
    assert names_in(tmp_path) == []


def test_a_locked_database_is_transient(path):
    load(loader(path), ROWS)
    holding = loader(path)
    holding.begin(ROWS.schema)
    with pytest.raises(WriteError, match="database is locked") as caught:
        load(loader(path, timeout=0.05), ROWS)
    assert isinstance(caught.value, Transient)
    holding.abort()
    load(loader(path), ROWS)


def test_more_columns_than_sqlite_takes(path):
    wide = pa.table({f"c{n}": [n] for n in range(2000)})
    load(loader(path), wide)
    with pytest.raises(SchemaError, match="2,001 columns, and SQLite takes 2,000"):
        loader(path).check(wide.append_column("more", pa.array([1])).schema)


def test_what_is_no_database(path, tmp_path):
    path.write_bytes(b"not a database" * 500)
    with pytest.raises(WriteError, match="isn't a SQLite database"):
        loader(path).check(ROWS.schema)
    with pytest.raises(WriteError, match="is a folder"):
        loader(tmp_path).begin(ROWS.schema)
    sqlite_run(tmp_path / "v.db", "CREATE VIEW t AS SELECT 1")
    with pytest.raises(WriteError, match="'t' is a view"):
        loader(tmp_path / "v.db").check(ROWS.schema)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "t", "mode": "upsert"}, "needs key="),
        ({"table": ""}, "table is a name"),
        ({"table": "sqlite_x"}, "keeps names like"),
        ({"table": "t", "on_schema_change": "frees"}, "did you mean 'freeze'"),
        (
            {"table": "t", "batch_rows": 0},
            "batch_rows is 0: it has to be a whole number",
        ),
        ({"table": "t", "timeout": -1}, "timeout is -1: it has to be a number of seconds"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigError, match=message):
        ae.SQLiteLoader("w.db", **options)


def test_value_semantics(path):
    one = loader(path, mode=ae.Mode.UPSERT, key=["id"])
    assert one == pickle.loads(pickle.dumps(one))
    assert eval(repr(one), {"SQLiteLoader": ae.SQLiteLoader}) == one
    assert hash(one) == hash(pickle.loads(pickle.dumps(one)))
