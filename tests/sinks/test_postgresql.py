"""PostgreSQLLoader: modes, types, schema changes, names, errors; against a real server."""

import math
import uuid
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from tests.postgres_server import execute, postgres
from tests.sinks.pg import Database
from tests.sinks.test_roundtrip import SCALARS, nested, tables

CITIES = pa.table({"id": [1, 2, 3], "city": ["Rome", "Oslo", None]})
MORE = pa.table({"id": [2, 4], "city": ["Bonn", "Paris"]})
LIST = "SELECT * FROM t ORDER BY 1"


@pytest.fixture(scope="module")
def database():
    with postgres().database() as uri:
        database = Database(uri)
        yield database
        database.close()


@pytest.fixture
def pg(database):
    database.empty()
    return database


def test_a_table_is_made_with_its_schema(pg):
    assert pg.load(CITIES, schema="new one") == 3
    assert pg.rows('SELECT * FROM "new one".t ORDER BY id') == [(1, "Rome"), (2, "Oslo"), (3, None)]
    pg.run('DROP SCHEMA "new one" CASCADE')


def test_append_adds(pg):
    pg.load(CITIES)
    pg.load(MORE)
    assert pg.rows(LIST) == [(1, "Rome"), (2, "Oslo"), (2, "Bonn"), (3, None), (4, "Paris")]


def test_error_wants_no_table(pg):
    pg.load(CITIES, mode="error")
    with pytest.raises(ae.WriteError, match="the table is there already, and mode='error'"):
        pg.load(CITIES, mode="error")


@pytest.mark.parametrize("exclusive", [True, False])
def test_upsert_replaces_by_key_and_the_last_wins(pg, exclusive):
    pg.load(CITIES, mode="upsert", key="id")
    assert pg.types() == {"id": "bigint", "city": "text"}
    twice = pa.table({"id": [2, 4, 2, 4, 5], "city": ["a", "b", "Bonn", "Paris", "Kyiv"]})
    assert pg.load(twice, mode="upsert", key="id", exclusive=exclusive) == 5
    assert pg.rows(LIST) == [(1, "Rome"), (2, "Bonn"), (3, None), (4, "Paris"), (5, "Kyiv")]
    with pytest.raises(ae.ArrowETLError, match="duplicate key"):
        pg.load(CITIES, on_error="raise")


KEYS = [
    pa.array([1, 2, 1], pa.uint64()),
    pa.array([1.5, math.nan, math.nan], pa.float32()),
    pa.array([0.5, 1, 0.5], pa.float16()),
    pa.array([True, False, True]),
    pa.array(["b", "a", "b"], pa.string_view()),
    pa.array(["b", "a", "b"]).dictionary_encode(),
    pa.array([b"b", b"a", b"b"]),
    pa.array([Decimal("1.10"), Decimal(2), Decimal("1.10")], pa.decimal256(50, 2)),
    pa.array([date(2020, 1, 1), date(1, 1, 1), date(2020, 1, 1)]),
    pa.array([1000, 2000, 1000], pa.timestamp("ns", "UTC")),
    pa.array([1, 2, 1], pa.duration("s")),
    pa.array([[1], [], [1]]),
    pa.array([{"a": 1}, {"a": 2}, {"a": 1}]),
    pa.ExtensionArray.from_storage(
        pa.uuid(), pa.array([b"a" * 16, b"b" * 16, b"a" * 16], pa.binary(16))
    ),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key.type))
@pytest.mark.parametrize("exclusive", [True, False])
def test_any_type_can_be_a_key(pg, key, exclusive):
    rows = pa.Table.from_arrays(
        [key, pa.array([1, 1, 1]), pa.array([1, 2, 3])], names=["k", "l", "n"]
    )
    for _ in range(2):
        assert pg.load(rows, mode="upsert", key=["l", "k"], exclusive=exclusive) == 3
    kept = [1, 3] if pa.types.is_floating(key.type) and key.type.bit_width == 32 else [2, 3]
    assert pg.rows("SELECT n FROM t ORDER BY n") == [(n,) for n in kept]


def test_upsert_keeps_columns_that_the_rows_lack(pg):
    pg.run(
        "CREATE TABLE t (id int PRIMARY KEY, city text, n int DEFAULT 7)",
        "INSERT INTO t VALUES (1, 'Rome', 1), (2, 'Oslo', 2)",
    )
    pg.load(MORE, mode="upsert", key=["id"])
    assert pg.rows(LIST) == [(1, "Rome", 1), (2, "Bonn", 2), (4, "Paris", 7)]


def test_upsert_updates_where_a_deleted_row_would_be_noticed(pg):
    pg.run(
        "CREATE TABLE t (id bigint PRIMARY KEY, city text)",
        "INSERT INTO t VALUES (1, 'Rome'), (2, 'Oslo')",
        "CREATE TABLE child (t bigint REFERENCES t ON DELETE CASCADE)",
        "INSERT INTO child VALUES (1), (2)",
    )
    pg.load(MORE, mode="upsert", key="id")
    assert pg.rows(LIST) == [(1, "Rome"), (2, "Bonn"), (4, "Paris")]
    assert pg.rows("SELECT count(*) FROM child") == [(2,)]


def test_rows_of_tables_that_inherit_are_left_alone(pg):
    pg.run(
        "CREATE TABLE t (id bigint PRIMARY KEY, city text)",
        "CREATE TABLE child (extra text) INHERITS (t)",
        "INSERT INTO child VALUES (2, 'theirs', 'x')",
    )
    assert pg.load(MORE, mode="upsert", key="id") == 2
    assert pg.load(pa.table({"id": [2, 9], "city": ["again", "new"]})) == 1
    assert pg.rows("SELECT * FROM ONLY t ORDER BY 1") == [(2, "Bonn"), (4, "Paris"), (9, "new")]
    assert pg.rows("SELECT * FROM child") == [(2, "theirs", "x")]
    with pytest.raises(ae.WriteError, match="rows of child, whose rows are also of this table"):
        pg.load(MORE, mode="replace")


def test_upsert_needs_a_key_that_is_one(pg):
    pg.run("CREATE TABLE t (id bigint, city text)", "INSERT INTO t VALUES (1, 'a'), (1, 'b')")
    with pytest.raises(ae.WriteError, match="several rows with one id, so it can't be a key"):
        pg.load(MORE, mode="upsert", key="id")
    with pytest.raises(ae.SchemaError, match="no column 'idd'; did you mean 'id'"):
        pg.load(MORE, mode="upsert", key="idd")
    with pytest.raises(ae.ConfigError, match="mode='upsert' needs key="):
        pg.loader(mode="upsert")


def test_upsert_makes_an_index_where_there_is_none(pg):
    pg.run("CREATE TABLE t (id bigint, city text)", "INSERT INTO t VALUES (2, 'a')")
    pg.load(MORE, mode="upsert", key="id")
    pg.load(MORE, mode="upsert", key="id")
    assert pg.rows(LIST) == [(2, "Bonn"), (4, "Paris")]
    assert len(pg.rows("SELECT 1 FROM pg_indexes WHERE tablename = 't'")) == 1


def test_replace_keeps_what_hangs_on_the_table(pg):
    pg.run(
        "CREATE TABLE t (n serial, id bigint UNIQUE, city varchar(9) CHECK (city <> 'x'))",
        "INSERT INTO t (id, city) VALUES (7, 'old')",
        "CREATE VIEW v AS SELECT id FROM t",
        "GRANT SELECT ON t TO public",
    )
    pg.load(CITIES, mode="replace")
    assert pg.rows("SELECT id, city FROM t ORDER BY id") == [(1, "Rome"), (2, "Oslo"), (3, None)]
    assert pg.rows("SELECT * FROM v ORDER BY 1") == [(1,), (2,), (3,)]
    assert pg.types()["city"] == "character varying(9)"


def test_replace_by_wider_rows_keeps_the_tables_rules(pg):
    pg.run(
        "CREATE TABLE t (id int PRIMARY KEY, city varchar(4) NOT NULL, CHECK (id > 0))",
        "INSERT INTO t VALUES (7, 'old')",
    )
    rows = pa.table({"id": [1, -2, 2**40], "city": ["Rome", "Oslo", None], "new": ["a", "b", "c"]})
    assert pg.load(rows, mode="replace") == 1
    assert [code for code, _, _ in pg.refused] == ["not_null_violation", "check_violation"]
    assert pg.types() == {"id": "bigint", "city": "character varying(4)", "new": "text"}
    assert pg.rows(LIST) == [(1, "Rome", "a")]


def test_replace_keeps_partitions(pg):
    pg.run(
        "CREATE TABLE t (k int, n int) PARTITION BY LIST (k)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1, 2)",
    )
    pg.load(pa.table({"k": [1, 2, 2**40], "n": [1, 2, 3]}), mode="replace")
    assert pg.rows("SELECT * FROM t1 ORDER BY k") == [(1, 1), (2, 2)]
    assert [code for code, _, _ in pg.refused] == ["numeric_value_out_of_range"]


def test_a_new_table_is_told_before_it_takes_the_place_of_an_old_one(pg):
    pg.run("CREATE TABLE t (id bigint PRIMARY KEY, city text, gone int)")
    (note,) = pg.loader(mode="replace").check(CITIES.schema)
    assert "the rows have no column 'gone': grants stay, and constraints" in note
    (note,) = pg.loader(mode="replace").check(
        pa.schema({**dict.fromkeys(["id", "gone"], pa.int64()), "city": pa.binary()})
    )
    assert "its column 'city' can't hold the rows'" in note
    pg.run("CREATE TABLE part () INHERITS (t)", "CREATE TABLE child (t bigint REFERENCES t)")
    held = "a foreign key of table child, table part, which inherits from it, depends on the old"
    assert held in last(pg.loader(mode="replace"))


def test_replace_by_other_columns_keeps_grants(pg):
    pg.run(
        "CREATE TABLE t (id bigint, gone int)",
        "GRANT SELECT ON t TO public",
        "GRANT INSERT ON t TO pg_monitor WITH GRANT OPTION",
    )
    pg.load(CITIES, mode="replace")
    assert pg.types() == {"id": "bigint", "city": "text"}
    granted = "SELECT has_table_privilege('pg_monitor', 't', 'INSERT WITH GRANT OPTION'), "
    assert pg.rows(granted + "has_table_privilege('pg_read_all_stats', 't', 'SELECT')") == [
        (True, True)
    ]
    pg.run("CREATE VIEW v AS SELECT id FROM t")
    with pytest.raises(ae.WriteError, match="view v depends on the old; make the rows fit"):
        pg.load(CITIES.select(["city"]), mode="replace")
    assert pg.rows("SELECT count(*) FROM t") == [(3,)]


def test_replace_takes_no_rows_of_other_tables_along(pg):
    pg.run(
        "CREATE TABLE t (id bigint PRIMARY KEY, city text)",
        "CREATE TABLE child (t bigint REFERENCES t ON DELETE SET NULL)",
    )
    with pytest.raises(ae.WriteError, match="would delete or change rows of child"):
        pg.load(CITIES, mode="replace")


@pytest.mark.parametrize("mode", ["append", "replace", "upsert"])
def test_readers_see_the_old_rows_until_the_commit_and_do_not_wait(pg, mode):
    pg.load(CITIES)
    loader = pg.loader(mode=mode, key=["id"] if mode == "upsert" else ())
    loader.begin(MORE.schema)
    loader.write(MORE.to_reader())
    before = execute(pg.uri, "SET lock_timeout = '1s'", LIST, autocommit=True)
    assert before == [(1, "Rome"), (2, "Oslo"), (3, None)]
    loader.commit()
    ids = {"append": [1, 2, 2, 3, 4], "replace": [2, 4], "upsert": [1, 2, 3, 4]}[mode]
    assert [row[0] for row in pg.rows(LIST)] == ids


def test_readers_see_the_old_table_until_another_takes_its_place(pg):
    pg.load(CITIES)
    loader = pg.loader(mode="replace")
    loader.begin(MORE.select(["id"]).schema)
    loader.write(MORE.select(["id"]).to_reader())
    assert len(execute(pg.uri, "SET lock_timeout = '1s'", LIST, autocommit=True)) == 3
    loader.commit()
    assert pg.rows(LIST) == [(2,), (4,)]
    assert pg.rows("SELECT relname::text FROM pg_class WHERE relname LIKE 'arrowetl%'") == []


# --- schema changes -----------------------------------------------------------------------------


def test_evolve_adds_and_widens(pg):
    pg.run(
        "CREATE TABLE t (a smallint, b numeric(5,2), c date, d varchar(3), e integer[], f real)",
        "INSERT INTO t VALUES (1, 1.5, '2020-01-01', 'abc', '{1}', 0.5)",
    )
    rows = pa.table(
        {
            "A": [2**40],
            "b": pa.array([Decimal("12345678.123")], pa.decimal128(11, 3)),
            "c": pa.array([datetime(2020, 1, 2, 3)], pa.timestamp("us")),  # noqa: DTZ001
            "d": ["xyz"],
            "e": [[2**40]],
            "f": [0.1],
            "g": [{"new": 1}],
        }
    )
    notes = pg.loader().check(rows.schema)
    assert notes == (
        "column 'g' is added, as jsonb",
        "column 'a' is widened to bigint",
        "column 'b' is widened to numeric(11,3)",
        "column 'c' is widened to timestamp without time zone",
        "column 'e' is widened to bigint[]",
        "column 'f' is widened to double precision",
    )
    pg.load(rows)
    assert pg.types() == {
        "a": "bigint",
        "b": "numeric(11,3)",
        "c": "timestamp without time zone",
        "d": "character varying(3)",
        "e": "bigint[]",
        "f": "double precision",
        "g": "jsonb",
    }
    assert pg.rows("SELECT a, b, d, f, g ->> 'new' FROM t ORDER BY a")[1] == (
        *(2**40, "12345678.123", "xyz", 0.1, "1"),
    )


def test_freeze_and_discard(pg):
    pg.run("CREATE TABLE t (id integer)")
    narrow = CITIES.set_column(0, "id", pa.array([1, 2, 3], pa.int32()))
    with pytest.raises(ae.SchemaError, match="no column 'city', and on_schema_change='freeze'"):
        pg.load(narrow, on_schema_change="freeze")
    notes = pg.loader(on_schema_change="discard").check(narrow.schema)
    assert notes == (
        "column 'city' is dropped: the table has none, and on_schema_change='discard'",
    )
    pg.load(narrow, on_schema_change="discard")
    assert pg.rows(LIST) == [(1,), (2,), (3,)]


def test_freeze_takes_text_where_a_column_reads_it(pg):
    """No column would have to change: a row whose text can't be read is rejected by itself."""
    pg.run(
        "CREATE TYPE mood AS ENUM ('ok')",
        "CREATE TABLE t (v varchar(5), c char(2), e mood, i inet, u uuid, j jsonb, d date, n int)",
    )
    row = {"v": "abc", "c": "de", "e": "ok", "i": "10.0.0.1", "u": str(uuid.UUID(int=1))}
    row |= {"j": "[1]", "d": "2026-01-02", "n": "7"}
    bad = {"v": "abcdef", "e": "no", "n": "x"}
    rows = pa.Table.from_pylist([row, *({**row, key: value} for key, value in bad.items())])
    before = pg.types()
    for policy in ("freeze", "discard"):
        assert pg.load(rows, on_schema_change=policy) == 1
        assert sorted(column for _, column, _ in pg.refused) == ["e", "n", "v"]
    assert pg.types() == before
    later = rows.set_column(6, "d", pa.array([0] * 4, pa.timestamp("us")))
    with pytest.raises(ae.SchemaError, match="'freeze' forbids to widen it; cast it"):
        pg.load(later, on_schema_change="freeze")
    pg.run("DROP TYPE mood CASCADE")


def test_what_can_not_be_widened_says_why(pg):
    moments = pa.table({"id": pa.array([0], pa.timestamp("us"))})
    pg.run("CREATE DOMAIN small AS date CHECK (value < '2999-01-01')", "CREATE TABLE t (id small)")
    with pytest.raises(ae.SchemaError, match="its type is a domain, whose rules would go"):
        pg.load(moments)
    pg.run("DROP TABLE t", "CREATE TABLE t (id date)", "CREATE VIEW v AS SELECT id FROM t")
    with pytest.raises(ae.SchemaError, match="and can't: view v needs it as it is"):
        pg.load(moments)
    pg.run("DROP VIEW v", "CREATE TABLE whole (t t)")
    with pytest.raises(ae.SchemaError, match="and can't: cannot alter table"):
        pg.load(moments)
    pg.run("DROP TABLE whole")
    pg.run("DROP TABLE t CASCADE", "CREATE TABLE t (id bytea)")
    with pytest.raises(ae.SchemaError, match="no type holds both"):
        pg.load(CITIES.select(["id"]))


NARROW = {
    "a view": ["CREATE TABLE t (id int PRIMARY KEY)", "CREATE VIEW v AS SELECT id FROM t"],
    "a generated column": [
        "CREATE TABLE t (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id / 2) STORED)"
    ],
    "the partition key": [
        "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE p PARTITION OF t DEFAULT",
    ],
    "a domain": ["CREATE DOMAIN whole AS int", "CREATE TABLE t (id whole PRIMARY KEY)"],
    "freeze": ["CREATE TABLE t (id int PRIMARY KEY)"],
    "discard": ["CREATE TABLE t (id int PRIMARY KEY)"],
}


@pytest.mark.parametrize("why", NARROW)
@pytest.mark.parametrize("mode", ["append", "replace", "upsert"])
def test_a_column_that_stays_narrow_takes_what_it_can_hold(pg, why, mode):
    pg.run(*NARROW[why])
    policy = {"on_schema_change": why} if why in {"freeze", "discard"} else {}
    options = {"mode": mode, "key": "id" if mode == "upsert" else (), **policy}
    rows = pa.table({"id": [1, 2**31, 2, -(2**31), -(2**31) - 1]})
    (note,) = pg.loader(**options).check(rows.schema)
    assert "column 'id' stays integer (" in note
    assert pg.load(rows, **options) == 3
    assert [row[0] for row in pg.rows(LIST)] == [-(2**31), 1, 2]
    assert pg.refused == [
        ("numeric_value_out_of_range", "id", {"id": each}) for each in (2**31, -(2**31) - 1)
    ]


def test_numbers_that_a_frozen_column_can_not_hold_are_rejected(pg):
    pg.run("CREATE TABLE t (s smallint, n numeric(3,1), e int[], b bigint, u int)")
    rows = pa.table(
        {
            "s": pa.array([1, 40_000, 1, 1, 1], pa.uint16()).dictionary_encode(),
            "n": [1, 1, 100, 1, 1],
            "e": [[1], [1], [1], [2**31], [1]],
            "b": pa.array([1] * 5, pa.int8()),
            "u": pa.array([1, 1, 1, 1, 2**40], pa.uint64()),
        }
    )
    assert pg.load(rows, on_schema_change="freeze") == 1
    assert sorted(column for _, column, _ in pg.refused) == ["e", "n", "s", "u"]


DOUBLES = {
    "numeric(7,2)": ([1.25, 1.255, 1e5, math.nan, math.inf], ["1.25", "NaN"]),
    "numeric": ([0.1, 1e-7, 2.0**53, math.nan], ["0.1", "0.0000001", "9007199254740992", "NaN"]),
    "numeric(30,12)": ([123456789.123456789, 0.1 + 0.2], ["123456789.123456790000"]),
    "integer": ([3.0, 3.5, 2.0**31, math.nan, -0.0], ["3", "0"]),
    "bigint": ([2.0**53, 2.0**63, -(2.0**63)], ["9007199254740992", str(-(2**63))]),
}


@pytest.mark.parametrize("kind", DOUBLES)
@pytest.mark.parametrize(
    "options",
    [{}, {"on_schema_change": "freeze"}, {"mode": "upsert", "key": "id"}],
    ids=["evolve", "freeze", "upsert"],
)
def test_doubles_go_into_exact_columns_that_have_their_digits(pg, kind, options):
    pg.run(f"CREATE TABLE t (id int PRIMARY KEY, x {kind})")
    values, kept = DOUBLES[kind]
    rows = pa.table({"id": range(len(values) + 1), "x": [*values, None]})
    (note,) = (each for each in pg.loader(**options).check(rows.schema) if "'x'" in each)
    assert f"column 'x' stays {kind} (the rows' numbers are floating" in note
    assert pg.load(rows, **options) == len(kept) + 1
    assert pg.rows("SELECT x::text FROM t ORDER BY id") == [(each,) for each in [*kept, None]]
    assert {(code, column) for code, column, _ in pg.refused} <= {
        ("numeric_value_out_of_range", "x")
    }
    assert pg.types()["x"] == kind


def test_texts_that_a_numeric_column_would_round_are_rejected(pg):
    pg.run("CREATE TABLE t (id int, x numeric(7,2))")
    texts = ["1.25", "1.255", " -3.100", "1e-3", "1.5e1", "x", None, ".009"]
    assert pg.load(pa.table({"id": range(8), "x": pa.array(texts)})) == 4
    assert pg.rows("SELECT id, x::text FROM t ORDER BY id") == [
        (0, "1.25"), (2, "-3.10"), (4, "15.00"), (6, None),
    ]  # fmt: skip
    assert sorted(code for code, _, _ in pg.refused) == [
        "invalid_text_representation", *["numeric_value_out_of_range"] * 3,
    ]  # fmt: skip


def test_a_double_that_ends_a_load_is_told(pg):
    pg.run("CREATE TABLE t (x numeric(7,2))")
    with pytest.raises(ae.WriteError, match=r"doesn't hold exactly \(column 'x' has 1\.255\)"):
        pg.load(pa.table({"x": [1.255]}), on_error="raise")


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_numbers_that_a_double_would_round_are_rejected(pg, mode):
    pg.run("CREATE TABLE t (id float8 PRIMARY KEY, u float8, d float8, e float8[])")
    big, fine = 2**53 + 1, 2**60
    rows = pa.table(
        {
            "id": [big, *range(4), fine],
            "u": pa.array([0, 2**64 - 1, None, 0, 0, fine], pa.uint64()),
            "d": pa.array(map(Decimal, [0, 0, 0, 10**19 + 1, 0, fine]), pa.decimal128(20, 0)),
            "e": [[], [], [], [], [1, big], [fine, None]],
        }
    )
    options = {"mode": mode, "key": "id"} if mode == "upsert" else {}
    assert pg.load(rows, **options) == 2
    assert sorted(column for _, column, _ in pg.refused) == ["d", "e", "id", "u"]
    assert {code for code, _, _ in pg.refused} == {"numeric_value_out_of_range"}
    assert pg.rows("SELECT * FROM t ORDER BY id") == [
        (1.0, None, 0.0, []),
        (float(fine), float(fine), float(fine), [float(fine), None]),
    ]


@pytest.mark.parametrize(
    ("there", "rows"),
    [
        ("bigint[]", pa.array([[0.5]])),
        ("numeric(9,2)[]", pa.array([[0.5]], pa.list_(pa.float32()))),
        ("double precision", pa.array([Decimal("0.5")])),
    ],
)
def test_no_column_is_rounded(pg, there, rows):
    pg.run(f"CREATE TABLE t (x {there})")
    with pytest.raises(ae.SchemaError, match="no type holds both exactly; cast the rows"):
        pg.load(pa.table({"x": rows}))


def test_columns_that_the_table_fills_may_be_missing_and_no_others(pg):
    pg.run(
        "CREATE TABLE t (n bigint GENERATED ALWAYS AS IDENTITY, id bigint, city text, "
        "at date NOT NULL DEFAULT '2020-01-01', twice bigint GENERATED ALWAYS AS (id * 2) STORED)"
    )
    pg.load(CITIES, on_schema_change="freeze")
    assert pg.rows("SELECT n, id, at, twice FROM t WHERE id = 3") == [(3, 3, date(2020, 1, 1), 6)]
    with pytest.raises(ae.SchemaError, match="'twice' is computed by the table"):
        pg.load(CITIES.append_column("twice", pa.array([1, 2, 3])))
    pg.run(
        "ALTER TABLE t ADD must text NOT NULL DEFAULT ''", "ALTER TABLE t ALTER must DROP DEFAULT"
    )
    with pytest.raises(ae.SchemaError, match="'must' may have no null and has no default"):
        pg.load(CITIES)


def test_columns_that_differ_in_case_are_told_apart(pg):
    pg.run('CREATE TABLE t (id bigint, "ID" bigint, "City" text)')
    pg.load(CITIES)
    assert pg.rows(LIST) == [(1, None, "Rome"), (2, None, "Oslo"), (3, None, None)]


# --- types --------------------------------------------------------------------------------------

NS = 1_000
VALUES = [
    (pa.array([-128, None], pa.int8()), "smallint", ["-128", None]),
    (pa.array([255], pa.uint8()), "smallint", ["255"]),
    (pa.array([65535], pa.uint16()), "integer", ["65535"]),
    (pa.array([2**32 - 1], pa.uint32()), "bigint", ["4294967295"]),
    (pa.array([2**64 - 1, 0], pa.uint64()), "numeric(20,0)", ["18446744073709551615", "0"]),
    (pa.array([0.5], pa.float16()), "real", ["0.5"]),
    (pa.array([math.nan, -0.0, math.inf], pa.float32()), "real", ["NaN", "-0", "Infinity"]),
    (pa.array([5e-324, 1e308]), "double precision", ["5e-324", "1e+308"]),
    (pa.array(["é", ""], pa.large_string()), "text", ["é", ""]),
    (pa.array(["a" * 20], pa.string_view()), "text", ["a" * 20]),
    (pa.array([b"\0\xff"], pa.large_binary()), "bytea", ["\\x00ff"]),
    (pa.array([b"a" * 20], pa.binary_view()), "bytea", ["\\x" + "61" * 20]),
    (pa.array([b"\1\2"], pa.binary(2)), "bytea", ["\\x0102"]),
    (pa.array([date(1, 1, 1), date(9999, 12, 31)]), "date", ["0001-01-01", "9999-12-31"]),
    (pa.array([date(1970, 1, 2)], pa.date64()), "date", ["1970-01-02"]),
    (pa.array([59], pa.time32("s")), "time without time zone", ["00:00:59"]),
    (pa.array([1], pa.time32("ms")), "time without time zone", ["00:00:00.001"]),
    (pa.array([1_999], pa.time64("ns")), "time without time zone", ["00:00:00.000001"]),
    (pa.array([-1], pa.timestamp("s")), "timestamp without time zone", ["1969-12-31 23:59:59"]),
    (
        *(pa.array([-1], pa.timestamp("ns")), "timestamp without time zone"),
        ["1969-12-31 23:59:59.999999"],
    ),
    (
        *(pa.array([0], pa.timestamp("ms", "Asia/Tokyo")), "timestamp with time zone"),
        ["1970-01-01 00:00:00+00"],
    ),
    (pa.array([90_000], pa.duration("s")), "interval", ["25:00:00"]),
    (pa.array([1_999], pa.duration("ns")), "interval", ["00:00:00.000001"]),
    (
        *(pa.array([(1, 2, 3 * NS)], pa.month_day_nano_interval()), "interval"),
        ["1 mon 2 days 00:00:00.000003"],
    ),
    (pa.array([Decimal("-1.50")], pa.decimal32(5, 2)), "numeric(5,2)", ["-1.50"]),
    (pa.array([Decimal("9" * 38)], pa.decimal128(38, 0)), "numeric(38,0)", ["9" * 38]),
    (pa.array([Decimal("9" * 76)], pa.decimal256(76, 0)), "numeric(76,0)", ["9" * 76]),
    (pa.array([Decimal(12300)], pa.decimal128(3, -2)), "numeric(5,0)", ["12300"]),
    (pa.nulls(2), "text", [None, None]),
    (pa.array(["a", "b", "a"]).dictionary_encode(), "text", ["a", "b", "a"]),
    (
        pa.DictionaryArray.from_arrays(
            pa.array([1, None, 0]), pa.array(["a", "b"], pa.string_view())
        ),
        *("text", ["b", None, "a"]),
    ),
    (pa.array([7, None]).dictionary_encode(), "bigint", ["7", None]),
    (pa.RunEndEncodedArray.from_arrays([2], pa.array([9])), "bigint", ["9", "9"]),
    (pa.array([[1, None], None, []], pa.list_(pa.int8())), "smallint[]", ["{1,NULL}", None, "{}"]),
    (pa.array([[2**64 - 1]], pa.list_(pa.uint64())), "numeric(20,0)[]", ["{18446744073709551615}"]),
    (pa.array([["a,b", "NULL"]], pa.large_list(pa.string())), "text[]", ['{"a,b","NULL"}']),
    (pa.array([[1, 2]], pa.list_view(pa.int64())), "bigint[]", ["{1,2}"]),
    (pa.array([[1.5, 2]], pa.list_(pa.float32(), 2)), "real[]", ["{1.5,2}"]),
    (pa.array([[[1], None]]), "jsonb", ["[[1], null]"]),
    (pa.array([{"a": 'x"\\'}, None]), "jsonb", ['{"a": "x\\"\\\\"}', None]),
    (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "jsonb", ['{"k": 1}']),
    (
        pa.ExtensionArray.from_storage(
            pa.uuid(), pa.array([uuid.UUID(int=1).bytes], pa.binary(16))
        ),
        *("uuid", [str(uuid.UUID(int=1))]),
    ),
    (
        pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"b": [1]}', None])),
        *("jsonb", ['{"b": [1]}', None]),
    ),
    (
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([0, 1], pa.int8())),
        "boolean",
        ["f", "t"],
    ),
]


@pytest.mark.parametrize(("values", "declared", "told"), VALUES, ids=lambda v: str(v)[:20])
def test_types(pg, values, declared, told):
    rows = pa.Table.from_arrays([pa.array(range(len(values))), values], names=["i", "x"])
    pg.load(rows)
    assert pg.types()["x"] == declared
    assert [row[0] for row in pg.rows("SELECT x::text FROM t ORDER BY i")] == [
        {"f": "false", "t": "true"}.get(each, each) for each in told
    ]
    assert pg.loader().stored(rows.schema)[1].declared == declared
    pg.load(rows, on_schema_change="freeze")
    assert pg.refused == []


def test_a_type_without_a_place_is_refused(pg):
    union = pa.dense_union([pa.field("a", pa.int64()), pa.field("b", pa.string())])
    with pytest.raises(ae.SchemaError, match="PostgreSQL has no place for"):
        pg.loader().check(pa.schema({"x": union}))


def listed(items, kind, storage):
    """Give a list of the items, and one of none."""
    items = pa.ExtensionArray.from_storage(kind, pa.array(items, storage))
    return pa.ListArray.from_arrays([0, len(items), len(items)], items)


CASTS = [
    (pa.array(["12", " 7 "]), "integer", [12, 7]),
    (pa.array(["1.5", "-2"]), "numeric(5,2)", ["1.50", "-2.00"]),
    (pa.array(["2020-01-01", "epoch"]), "date", [date(2020, 1, 1), date(1970, 1, 1)]),
    (pa.array(["a", "b"]), "mood", ["a", "b"]),
    (pa.array(["{1,2}", "{}"]), "integer[]", [[1, 2], []]),
    (pa.array(['{"a":1}', "[]"]), "jsonb", ['{"a": 1}', "[]"]),
    (pa.array(['{"a":1}', "[]"]), "json", ['{"a":1}', "[]"]),
    (pa.array(["10.0.0.1", "::1"]), "inet", ["10.0.0.1/32", "::1/128"]),
    (pa.array(["yes", "off"]), "boolean", [True, False]),
    (pa.array(["ab", "c"]), "character(2)", ["ab", "c "]),
    (pa.array([1, 2], pa.int16()), "bigint", [1, 2]),
    (pa.array([1, 2], pa.int32()), "double precision", [1.0, 2.0]),
    (pa.array([1, 2], pa.int32()), "numeric", ["1", "2"]),
    (pa.array([1, 2], pa.int32()), "numeric(12,1)", ["1.0", "2.0"]),
    (pa.array([1.5, 2], pa.float32()), "double precision", [1.5, 2.0]),
    (pa.array([1, 2]), "text", ["1", "2"]),
    (pa.array([date(2020, 1, 1)] * 2), "timestamp", [datetime(2020, 1, 1)] * 2),  # noqa: DTZ001
    (pa.nulls(2), "point", [None, None]),
    (pa.array(["101", "011"]), "bit(3)", ["101", "011"]),
    (pa.array(["{11,00}", "{}"]), "bit(2)[]", ["{11,00}", "{}"]),
    (pa.array([["ab"], []]), "character(2)[]", ["{ab}", "{}"]),
    (pa.array([1, 2**32 - 1]), "oid", ["1", "4294967295"]),
    (pa.array([Decimal("1.50"), None]), "money", ["$1.50", None]),
    (pa.array([7, None]), "money", ["$7.00", None]),
    (
        *(listed([uuid.UUID(int=1).bytes, None], pa.uuid(), pa.binary(16)), "uuid[]"),
        [f"{{{uuid.UUID(int=1)},NULL}}", "{}"],
    ),
    (listed(["[1]", None], pa.json_(), pa.string()), "json[]", ["{[1],NULL}", "{}"]),
    (listed(["[1]", None], pa.json_(), pa.string()), "jsonb[]", ["{[1],NULL}", "{}"]),
    (pa.array([{"a": 1}, None]), "json", ['{"a": 1}', None]),
    (pa.array([1, 2], pa.int32()), "small", [1, 2]),
]


SHOWN = {"point", "inet", "mood", "bit(3)", "bit(2)[]", "character(2)[]", "oid", "money"}
SHOWN |= {"uuid[]", "json[]", "jsonb[]"}


@pytest.mark.parametrize(("values", "declared", "told"), CASTS, ids=lambda v: str(v)[:20])
def test_rows_go_into_columns_of_other_types(pg, values, declared, told):
    pg.run(
        "CREATE TYPE mood AS ENUM ('a', 'b')",
        "CREATE DOMAIN small AS integer CHECK (value < 9)",
        f"CREATE TABLE t (i bigint, x {declared})",
    )
    pg.load(pa.Table.from_arrays([pa.array([0, 1]), values], names=["i", "x"]))
    text = "" if declared not in SHOWN else "::text"
    found = [row[0] for row in pg.rows(f"SELECT x{text} FROM t ORDER BY i")]
    assert found == told


def test_a_table_can_be_copied_into_one_like_it(pg):
    values = {
        "bit(3)": "B'101'",
        "bit varying": "B'1'",
        "money": "12.5::money",
        "oid": "'4000000000'",
        "uuid[]": "ARRAY[gen_random_uuid(), NULL]",
        "jsonb[]": """ARRAY['{"a": 1}'::jsonb]""",
        "json[]": "ARRAY['[1]'::json]",
        "timestamptz[]": "ARRAY[now()]",
        "interval": "'1 day'",
        "money[]": "ARRAY[1.5::money]",
        "oid[]": "ARRAY[1::oid]",
        "character(3)[]": "'{ab}'",
    }
    columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(values))
    pg.run(
        f"CREATE TABLE t ({columns})",
        f"INSERT INTO t VALUES ({', '.join(values.values())})",
        f"INSERT INTO t VALUES ({', '.join(['NULL'] * len(values))})",
        "CREATE TABLE copied (LIKE t)",
    )
    pipeline = ae.Pipeline().extract(ae.PostgreSQLSource(uri=pg.uri, table="t"))
    assert pipeline.load(pg.loader("copied")).run().result.records_loaded == 2
    assert pg.rows("SELECT t::text FROM t") == pg.rows("SELECT copied::text FROM copied")


PLAIN = {
    **{kind: values for kind, values in SCALARS.items() if kind != pa.uint64()},
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.floats(),
    pa.time32("ms"): st.integers(0, 86_399_999),
    pa.duration("us"): st.timedeltas(timedelta(-9999), timedelta(9999)),
}


@settings(max_examples=30, deadline=None)
@given(
    rows=tables(st.sampled_from(list(PLAIN.items()))),
    batch=st.integers(1, 4),
    mode=st.sampled_from(["append", "replace"]),
)
def test_any_plain_rows_come_back(database, rows, batch, mode):
    numbered = rows.append_column("arrowetl #", pa.array(range(rows.num_rows)))
    database.run("DROP TABLE IF EXISTS t")
    database.load(numbered, batch=batch, mode=mode)
    names = ", ".join(
        f'"{field.name.replace(chr(34), chr(34) * 2)}"'
        + ("::text" if pa.types.is_decimal(field.type) or pa.types.is_uint64(field.type) else "")
        for field in rows.schema
    )
    back = database.rows(f'SELECT {names} FROM t ORDER BY "arrowetl #"')
    assert list(map(repr, back)) == [
        repr(tuple(map(as_told, row.values(), rows.schema.types))) for row in rows.to_pylist()
    ]


def as_told(value, kind):
    match value:
        case Decimal():
            return f"{value:.4f}".replace("-0.0000", "0.0000")
        case int() if pa.types.is_uint64(kind):
            return str(value)
        case timedelta():
            micros = value // timedelta(microseconds=1)
            return pa.scalar((0, 0, micros * 1000), pa.month_day_nano_interval()).as_py()
        case datetime(tzinfo=timezone.utc):
            from zoneinfo import ZoneInfo

            return value.replace(tzinfo=ZoneInfo("UTC"))
        case _:
            return value


@settings(max_examples=20, deadline=None)
@given(
    rows=tables(
        nested({pa.int64(): st.integers(-9, 9), pa.string(): st.text('ab"\\é', max_size=3)})
    )
)
def test_any_nested_rows_come_back(database, rows):
    numbered = rows.append_column("arrowetl #", pa.array(range(rows.num_rows)))
    database.run("DROP TABLE IF EXISTS t")
    database.load(numbered)
    names = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in rows.column_names)
    back = database.rows(
        f"SELECT to_jsonb(ARRAY[{', '.join(f'to_jsonb({n})' for n in names.split(', '))}])::text "
        f'FROM t ORDER BY "arrowetl #"'
    )
    import json

    assert [json.loads(row[0]) for row in back] == [list(row.values()) for row in rows.to_pylist()]


# --- names and secrets --------------------------------------------------------------------------

HOSTILE = [
    'x"; DROP TABLE y; --',
    "select",
    "a b",
    "é" * 31,
    "$arrowetl$",
    "back\\slash'",
    "$1",
    "%s",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
def test_any_name_is_just_a_name(pg, name, mode):
    pg.run("CREATE TABLE y (i int)")
    rows = pa.table({name: ["1", "2", "2", None], "n": ["a", "b", "c", "d"]})
    key = [name] if mode == "upsert" else ()
    for _ in range(2):
        pg.load(rows, table=name, schema=name, mode=mode, key=key)
    quoted = '"' + name.replace('"', '""') + '"'
    pg.run(
        f"DELETE FROM {quoted}.{quoted}",
        f"ALTER TABLE {quoted}.{quoted} ALTER {quoted} TYPE "
        f"integer USING {quoted}::integer, ADD CHECK ({quoted} > 1)",
    )
    pg.load(rows, table=name, schema=name, mode=mode, key=key)
    refused = sorted(code for code, _, _ in pg.refused)
    assert "check_violation" in refused
    assert ("not_null_violation" in refused) == (mode == "upsert")
    pg.run("DROP TABLE y", f"DROP SCHEMA {quoted} CASCADE")


def test_a_dotted_name_is_a_table_in_a_schema_as_it_is_read(pg):
    for table in ("dwh.items", '"dwh.items"', 'dwh."i.t"'):
        pg.load(CITIES, table)
        back = ae.PostgreSQLSource(uri=pg.uri, table=table).reader().read_all()
        assert back.num_rows == CITIES.num_rows
    query = "SELECT schemaname::text, tablename::text FROM pg_tables WHERE schemaname !~ '^(pg_|i)'"
    assert sorted(pg.rows(query)) == [("dwh", "i.t"), ("dwh", "items"), ("public", "dwh.items")]
    pg.run("DROP SCHEMA dwh CASCADE")


ODD_JSON = '{"b": 1,  "a": 2, "b": 3}'


@pytest.mark.parametrize("kind", ["json", "jsonb"])
def test_json_stays_what_it_is(pg, kind):
    """Doubled keys, their order and the spaces between are what json keeps and jsonb doesn't."""
    pg.run(f"CREATE TABLE s (x {kind})", f"INSERT INTO s VALUES ('{ODD_JSON}'), (NULL)")
    pg.run("CREATE TABLE j (x json)", "CREATE TABLE b (x jsonb)")
    for table in ("new", "j", "b"):
        source = ae.PostgreSQLSource(uri=pg.uri, table="s")
        ae.Pipeline().extract(source).load(pg.loader(table)).run()
    assert pg.types("new") == {"x": kind}
    kept = ODD_JSON if kind == "json" else '{"a": 2, "b": 3}'
    assert [pg.rows(f"SELECT x::text FROM {each}") for each in ("new", "j", "b")] == [
        *([(kept,), (None,)] for _ in range(2)),
        [('{"a": 2, "b": 3}',), (None,)],
    ]
    pg.load(pa.table({"x": pa.array([ODD_JSON], pa.json_())}), "j")
    assert pg.rows("SELECT x::text FROM j")[-1] == (ODD_JSON,)


def test_names_that_would_be_cut_are_refused(pg):
    with pytest.raises(ae.ConfigError, match="has 64 bytes, and PostgreSQL cuts names after 63"):
        pg.loader("é" * 32)
    with pytest.raises(ae.SchemaError, match="names have 1 to 63 bytes"):
        pg.loader().check(pa.schema({"x" * 64: pa.int8()}))


def test_no_password_is_shown(pg):
    from tests.postgres_server import PASSWORD

    loader = pg.loader()
    assert loader.label.startswith("PostgreSQLLoader('127.0.0.1:")
    assert PASSWORD not in repr(loader)
    assert "***" in repr(loader)


# --- errors -------------------------------------------------------------------------------------


def test_a_view_is_no_table(pg):
    pg.run("CREATE VIEW t AS SELECT 1 AS id")
    with pytest.raises(ae.WriteError, match="is a view; name a table"):
        pg.loader().check(CITIES.schema)


def test_options_that_make_no_sense(pg):
    with pytest.raises(ae.ConfigError, match="did you mean 'append'"):
        pg.loader(mode="apend")
    with pytest.raises(ae.ConfigError, match="on_error is 'dead_letter' or 'raise'"):
        pg.loader(on_error="skip")
    with pytest.raises(ae.ConfigError, match="table is a name"):
        pg.loader("")


def test_diagnose_finds_what_is_lacking(pg):
    with closing_user(pg, "visitor") as visitor:
        pg.run(
            "REVOKE CREATE ON SCHEMA public FROM public", "CREATE TABLE t (id bigint, city text)"
        )
        found = list(visitor.loader().diagnose(CITIES.schema))
        assert [(one.step, one.works) for one in found] == [
            ("connect", True),
            ("have the permissions", False),
        ]
        assert "INSERT is needed and not granted" in found[1].detail
        assert "CREATE is needed, to make the table" in last(visitor.loader("new"))
        pg.run("GRANT INSERT ON t TO visitor")
        assert last(visitor.loader()) == "they fit"
        assert "SELECT and UPDATE are needed" in last(visitor.loader(mode="upsert", key="id"))
        pg.run("ALTER TABLE t ADD at date NOT NULL")
        assert "'at' may have no null" in last(visitor.loader())
    assert last(pg.loader("new")) == "they fit"
    assert "can't connect" in last(ae.PostgreSQLLoader(host="127.0.0.1", port=1, table="t"))
    assert pg.rows("SELECT count(*) FROM pg_class WHERE relname = 'new'") == [(0,)]


def test_diagnose_finds_what_only_the_owner_may_do(pg):
    with closing_user(pg, "visitor") as visitor:
        pg.run(
            "CREATE TABLE t (id int, n serial)",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON t TO visitor",
        )
        assert "USAGE on sequence t_n_seq is needed" in last(visitor.loader())
        pg.run("GRANT USAGE ON SEQUENCE t_n_seq TO visitor")
        for mode in ("append", "replace"):
            what = "column 'city' has to be added, and only the table's owner"
            assert what in last(visitor.loader(mode=mode))
            with pytest.raises(ae.WriteError, match=what):
                visitor.load(CITIES, mode=mode)
        pg.run("ALTER TABLE t ADD city text")
        assert 'CREATE UNIQUE INDEX ON "public"."t" ("id")' in last(
            visitor.loader(mode="upsert", key="id")
        )
        assert "column 'id' stays integer (only its owner may alter it)" in last(visitor.loader())
        assert visitor.load(CITIES) == 3
        pg.run("ALTER TABLE t ADD gone text")
        assert "and this user may not: that takes its owner" in last(visitor.loader(mode="replace"))
        pg.run("REVOKE USAGE ON SCHEMA public FROM visitor, public")
        assert "USAGE on schema public is needed" in last(visitor.loader())


def last(loader):
    return list(loader.diagnose(CITIES.schema))[-1].detail


def closing_user(pg, user):
    from contextlib import contextmanager

    @contextmanager
    def made():
        pg.run(f"CREATE ROLE {user} LOGIN PASSWORD 'pw'", f"GRANT USAGE ON SCHEMA public TO {user}")
        try:
            name = pg.uri.rpartition("/")[2]
            yield Database(postgres().at(name, user=user, password="pw"))
        finally:
            pg.run(f"DROP OWNED BY {user}", f"DROP ROLE {user}")

    return made()


def test_a_load_without_a_permission_says_which(pg):
    with closing_user(pg, "visitor") as visitor:
        pg.run("CREATE TABLE t (id bigint, city text)")
        with pytest.raises(ae.WriteError, match="permission denied for table t") as error:
            visitor.load(CITIES)
        assert not isinstance(error.value, ae.Transient)


def test_in_a_pipeline(pg, tmp_path):
    pg.run("CREATE TABLE t (id bigint PRIMARY KEY, city text CHECK (city <> 'Bonn'))")
    bad = pa.table({"id": [1, 1, 2, 3], "city": ["Rome", "Oslo", "Bonn", "Kyiv"]})
    rejects = ae.ParquetLoader(tmp_path / "rejects", mode="append", max_file_bytes=10**6)
    pipeline = ae.Pipeline("p", dead_letters=rejects).extract(ae.ArrowSource(bad))
    result = pipeline.load(pg.loader()).run().result
    assert (result.records_loaded, result.records_rejected) == (2, 2)
    assert pg.rows(LIST) == [(1, "Rome"), (3, "Kyiv")]
    with closing(__import__("duckdb").connect()) as connection:
        letters = connection.sql(
            f'SELECT reason_code, letter."column", row.city '
            f"FROM '{tmp_path}/rejects/*.parquet' letter ORDER BY 1"
        ).fetchall()
    assert letters == [("check_violation", "city", "Bonn"), ("unique_violation", "id", "Oslo")]


def test_a_tuner_chooses_how_many_rows_are_sent_at_a_time(pg, tmp_path):
    tuner = {"history": tmp_path / "t.db", "start": {"ingest_rows": 4096}}
    rows = pa.table({"id": range(10_000)})
    pipeline = ae.Pipeline(tuner=tuner).extract(ae.ArrowSource(rows)).load(pg.loader()).run()
    assert pipeline.result.tuning.settings["ingest_rows"] == 4096
    assert pg.rows("SELECT count(*), sum(id)::bigint FROM t") == [(10_000, 49_995_000)]
    assert pg.loader().tuned({"ingest_rows": 4096}) == pg.loader(chunk_rows=4096)
    # What somebody has said stays; which rows of one key are judged depends on an upsert's chunks.
    assert pg.loader(chunk_rows=4096).knobs == ()
    assert pg.loader(mode="upsert", key="id").knobs == ()
    with pytest.raises(ae.ConfigError, match="chunk_rows is 0: it has to be a whole number"):
        pg.loader(chunk_rows=0)
