"""Row-precise loads: what the table refuses is handed back with its reason, all others arrive."""

from dataclasses import replace
from datetime import date
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.sinks import postgresql_rows
from tests.postgres_server import postgres
from tests.sinks.pg import Database


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


def ids(pg):
    return [row[0] for row in pg.rows("SELECT id FROM t ORDER BY id")]


def at_fault(pg):
    return [(code, column, row["id"]) for code, column, row in pg.refused]


REASONS = {
    "not_null_violation": ("x text NOT NULL", ["a", None, "b"]),
    "check_violation": ("x bigint CHECK (x > 0)", [1, -1, 2]),
    "unique_violation": ("x bigint UNIQUE", [1, 1, 2]),
    "foreign_key_violation": ("x bigint REFERENCES parent", [1, 3, 2]),
    "exclusion_violation": ("x bigint, EXCLUDE USING btree (x WITH =)", [1, 1, 2]),
    "string_data_right_truncation": ("x varchar(2)", ["ab", "abc", "c"]),
    "numeric_value_out_of_range": ("x numeric(3,1)", ["1", "1000", "2"]),
    "invalid_text_representation": ("x integer", ["1", "one", "2"]),
    "invalid_datetime_format": ("x date", ["2020-01-01", "soon", "2020-01-02"]),
    "datetime_field_overflow": ("x date", ["2020-01-01", "2020-02-30", "2020-01-02"]),
    "character_not_in_repertoire": ("x text", ["a", "b\0", "c"]),
    "invalid_binary_representation": ("x bit varying(4)", ["1", "10111", "0"]),
    "raise_exception": ("x text, CHECK (no_b(x))", ["a", "b", "c"]),
    "untranslatable_character": ("x jsonb", ['"a"', '"\\u0000"', '"c"']),
}
OTHERS = {"invalid_binary_representation": "string_data_right_truncation"}
FUNCTION = """
CREATE FUNCTION no_b(x text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN IF x = 'b' THEN RAISE EXCEPTION 'no b'; END IF; RETURN true; END $$
"""


@pytest.mark.parametrize(("code", "case"), REASONS.items(), ids=REASONS)
@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_a_bad_row_is_refused_with_its_reason(pg, code, case, mode):
    column, values = case
    pg.run("CREATE TABLE parent (id bigint PRIMARY KEY)", "INSERT INTO parent VALUES (1), (2)")
    pg.run(FUNCTION, f"CREATE TABLE t (id bigint PRIMARY KEY, {column})")
    rows = pa.table({"id": [1, 2, 3], "x": values})
    assert pg.load(rows, mode=mode, key=["id"] if mode == "upsert" else ()) == 2
    assert [(one[0], one[2]) for one in pg.refused] == [
        (OTHERS.get(code, code), {"id": 2, "x": values[1]})
    ]
    assert ids(pg) == [1, 3]


def test_the_column_is_told_where_it_is_known(pg):
    pg.run(
        "CREATE TABLE parent (id bigint PRIMARY KEY)",
        'CREATE TABLE t (id bigint PRIMARY KEY, "N" text NOT NULL, c bigint CHECK (c > 0), '
        "f bigint REFERENCES parent, u text UNIQUE)",
    )
    rows = pa.table(
        {
            "id": [0, 0, 1, 2, 3, 4, 5],
            "n": ["a", "a", None, "a", "a", "a", "a\0"],
            "c": [1, 1, 1, -1, 1, 1, 1],
            "f": pa.array([None, None, None, None, 1, None, None], pa.int64()),
            "u": ["0", "x", "1", "2", "3", "0", "5"],
        }
    )
    assert pg.load(rows) == 1
    assert sorted(at_fault(pg)) == [
        ("character_not_in_repertoire", "n", 5),
        ("check_violation", "c", 2),
        ("foreign_key_violation", "f", 3),
        ("not_null_violation", "n", 1),
        ("unique_violation", "id", 0),
        ("unique_violation", "u", 4),
    ]


def test_the_column_of_a_value_that_can_not_be_cast_is_told(pg):
    pg.run(
        "CREATE TABLE t (id bigint, a int, b int, c varchar(2), d numeric(3,1), e date, f bit(2))"
    )
    good = ("1", "1", "x", "1", "2020-01-01", "10")
    bad = {"a": "oops", "b": "99999999999", "c": "xxx", "d": "1000", "e": "soon", "f": "1"}
    rows = [{"id": 0, **dict(zip("abcdef", good, strict=True))}]
    rows += [{**rows[0], "id": n, at: value} for n, (at, value) in enumerate(bad.items(), 1)]
    assert pg.load(pa.Table.from_pylist(rows * 50)) == 50
    assert sorted({(column, row["id"]) for _, column, row in pg.refused}) == [
        (column, n) for n, column in enumerate("abcdef", 1)
    ]


@pytest.mark.parametrize("mode", ["append", "upsert"])
@pytest.mark.parametrize("where", ["t", "part"])
def test_rows_that_a_trigger_leaves_out_are_refused(pg, mode, where):
    pg.run(
        "CREATE FUNCTION no_odd() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN CASE WHEN new.x % 2 = 0 THEN new END; END $$",
        "CREATE TABLE t (id bigint PRIMARY KEY, x bigint) PARTITION BY RANGE (id)",
        "CREATE TABLE part PARTITION OF t DEFAULT",
        "INSERT INTO t VALUES (8, 0)",
        f"CREATE TRIGGER g BEFORE INSERT OR UPDATE ON {where} FOR EACH ROW "
        "EXECUTE FUNCTION no_odd()",
    )
    rows = pa.table({"id": [1, 2, 3, 4, 8], "x": [0, 1, 2, 4, 3]})
    assert pg.load(rows, mode=mode, key=["id"] if mode == "upsert" else ()) == 3
    assert sorted(at_fault(pg)) == [("left_out_by_trigger", None, each) for each in (2, 8)]
    assert pg.rows("SELECT * FROM t ORDER BY id") == [(1, 0), (3, 2), (4, 4), (8, 0)]


def test_a_trigger_may_put_rows_into_a_table_that_inherits(pg):
    pg.run(
        "CREATE TABLE t (id bigint)",
        "CREATE TABLE child () INHERITS (t)",
        "CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO child VALUES (new.id); RETURN NULL; END $$",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION moved()",
    )
    assert pg.load(pa.table({"id": [1, 2]})) == 2
    assert pg.rows("SELECT id FROM child ORDER BY id") == [(1,), (2,)]


def test_the_first_bad_row_can_end_the_load(pg):
    pg.run("CREATE TABLE t (id bigint CHECK (id > 0))")
    rows = pa.table({"id": [1, -1, 2]})
    with pytest.raises(ae.WriteError, match='violates check constraint "t_id_check"'):
        pg.load(rows, on_error="raise")
    loader = pg.loader()
    loader.begin(rows.schema)
    with pytest.raises(ae.WriteError, match='violates check constraint "t_id_check"'):
        loader.write(rows.to_reader())
    loader.abort()
    assert ids(pg) == []


def test_what_is_no_rows_fault_ends_the_load(pg):
    pg.run(
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM * FROM no_table; RETURN new; END $$",
        "CREATE TABLE t (id bigint)",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fails()",
    )
    with pytest.raises(ae.WriteError, match="no_table"):
        pg.load(pa.table({"id": [1]}))
    assert pg.refused == []


def test_an_error_of_whoever_gives_the_rows_is_told_as_it_is(pg):
    def batches():
        yield pa.record_batch({"id": [1]})
        raise ZeroDivisionError("theirs")

    loader = pg.loader()
    loader.begin(pa.schema({"id": pa.int64()}))
    with pytest.raises(ZeroDivisionError, match="theirs"):
        loader.write(pa.RecordBatchReader.from_batches(pa.schema({"id": pa.int64()}), batches()))
    loader.abort()


def test_an_error_of_whoever_takes_the_refused_is_told_as_it_is(pg):
    def refuse(why, rows):
        raise ZeroDivisionError("theirs")

    pg.run("CREATE TABLE t (id bigint NOT NULL, x bigint CHECK (x > 0))")
    for rows in (pa.table({"id": [None, 1], "x": [1, 1]}), pa.table({"id": [1, 2], "x": [0, 1]})):
        loader = pg.loader()
        loader.begin(rows.schema)
        with pytest.raises(ZeroDivisionError, match="theirs"):
            loader.write_rows(rows.to_reader(), refuse)
        loader.abort()


def test_a_trigger_may_put_right_what_a_constraint_would_refuse(pg):
    pg.run(
        "CREATE FUNCTION mend() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN new.x := abs(new.x); RETURN new; END $$",
        "CREATE TABLE t (id bigint PRIMARY KEY, x bigint CHECK (x > 0))",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION mend()",
    )
    assert pg.load(pa.table({"id": [1, 2, 3, 1], "x": [1, -1, 0, 5]})) == 2
    assert pg.rows("SELECT * FROM t ORDER BY id") == [(1, 1), (2, 1)]


def test_a_constraint_that_could_wait_is_checked_at_once(pg):
    pg.run(
        "CREATE TABLE parent (id bigint PRIMARY KEY)",
        "CREATE TABLE t (id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED, "
        "p bigint REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    )
    rows = pa.table({"id": [1, 1, 2], "p": pa.array([None, None, 5], pa.int64())})
    assert pg.load(rows) == 1
    assert sorted(at_fault(pg)) == [
        ("foreign_key_violation", "p", 2),
        ("unique_violation", "id", 1),
    ]


def test_times_that_postgresql_has_not_are_refused(pg):
    rows = pa.table(
        {
            "id": [1, 2, 3, 4],
            "d": pa.array([0, 2**31 - 1, 0, 0], pa.int32()).cast(pa.date32()),
            "s": pa.array([0, 0, 2**60, 0], pa.timestamp("s")),
            "u": pa.array([0, 0, 0, -(2**63)], pa.timestamp("us", "UTC")),
        }
    )
    assert pg.load(rows) == 1
    assert [(code, column) for code, column, _ in pg.refused] == [
        ("datetime_field_overflow", each) for each in "dsu"
    ]


def test_what_the_driver_can_not_send_is_refused(pg):
    rows = pa.table(
        {
            "id": [1, 2, 3],
            "d": pa.array([1, 2**62, 2], pa.duration("s")),
            "l": [["a"], ["b"], ["\0"]],
        }
    )
    assert pg.load(rows) == 1
    assert at_fault(pg) == [
        ("data_exception", None, 2),
        ("character_not_in_repertoire", "l", 3),
    ]
    assert pg.rows("SELECT l FROM t") == [(["a"],)]


def test_nan_in_json_is_refused(pg):
    rows = pa.table({"id": [1, 2], "x": [{"a": 1.5}, {"a": float("nan")}]})
    assert pg.load(rows) == 1
    assert at_fault(pg) == [("invalid_text_representation", "x", 2)]


def test_partitions_and_no_partition(pg):
    pg.run(
        "CREATE TABLE t (id bigint, day date) PARTITION BY RANGE (day)",
        "CREATE TABLE t20 PARTITION OF t FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
    )
    rows = pa.table({"id": [1, 2, 3], "day": [date(2020, 5, 5), date(2021, 1, 1), None]})
    assert pg.load(rows) == 1
    assert [code for code, _, _ in pg.refused] == ["check_violation"] * 2


# --- against a plain model ----------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 9)),  # key
        st.integers(-1, 20),  # checked
        st.integers(0, 4),  # a parent's, 4 isn't there
        st.sampled_from(["1", "2", "x", "", "a\0"]),  # read as a number
    ),
    max_size=40,
)
TABLE = """
CREATE TABLE t (k bigint {key}, c bigint CHECK (c >= 0), p integer REFERENCES parent, n integer)
"""
OLD = {0: (0, 0, 0), 1: (1, 1, 1)}


def judged(key, checked, parent, text):
    """Why a row is bad by itself; None if it is good."""
    if key is None:
        return "not_null_violation"
    if "\0" in text:
        return "character_not_in_repertoire"
    if text in {"x", ""}:
        return "invalid_text_representation"
    if checked < 0:
        return "check_violation"
    return "foreign_key_violation" if parent == 4 else None


def appended(rows):
    table, refused = dict(OLD), []
    for key, checked, parent, text in rows:
        bad = judged(key, checked, parent, text)
        if bad is None and key in table:
            bad = "unique_violation"
        if bad is None:
            table[key] = (checked, parent, int(text))
        else:
            refused.append((key, checked, parent, text))
    return table, refused


def as_table(rows):
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], []]
    kinds = [pa.int64(), pa.int64(), pa.int32(), pa.string()]
    arrays = [pa.array(each, kind) for each, kind in zip(columns, kinds, strict=True)]
    return pa.Table.from_arrays(arrays, names=["k", "c", "p", "n"])


def prepared(database, key):
    database.empty()
    database.run(
        "CREATE TABLE parent (id integer PRIMARY KEY)",
        "INSERT INTO parent VALUES (0), (1), (2), (3)",
        TABLE.format(key=key),
        *(f"INSERT INTO t VALUES ({k}, {c}, {p}, {n})" for k, (c, p, n) in OLD.items()),
    )


def found(database):
    return {k: (c, p, n) for k, c, p, n in database.rows("SELECT * FROM t")}


def by_value(rows):
    return sorted(rows, key=repr)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, batch=st.integers(1, 9), chunk=st.sampled_from([1, 3, 8, 100]))
def test_appended_rows_are_those_that_one_by_one_would_be(database, rows, batch, chunk):
    prepared(database, "PRIMARY KEY")
    with patch.object(postgresql_rows, "PIECES", 3):
        written = database.load(as_table(rows), batch=batch, chunk_rows=chunk)
    table, refused = appended(rows)
    assert found(database) == table
    assert by_value(tuple(row.values()) for _, _, row in database.refused) == by_value(refused)
    assert written == len(rows) - len(refused)


@settings(max_examples=25, deadline=None)
@given(
    rows=ROWS,
    batch=st.integers(1, 9),
    chunk=st.sampled_from([1, 3, 8, 100]),
    exclusive=st.booleans(),
    typed=st.booleans(),
)
def test_upserted_rows_are_those_that_one_by_one_would_be(
    database, *, rows, batch, chunk, exclusive, typed
):
    prepared(database, "PRIMARY KEY")
    if typed:  # so that rows can be copied into the table itself
        rows = [row for row in rows if row[3] in {"1", "2"}]
    data = as_table(rows)
    if typed:
        data = data.set_column(3, "n", data["n"].cast(pa.int32()))
    with patch.object(postgresql_rows, "SWIFT_ROWS", 3 * chunk):
        options = {"mode": "upsert", "key": "k", "exclusive": exclusive, "chunk_rows": chunk}
        written = database.load(data, batch=batch, **options)
    table = dict(OLD)
    bad = [row for row in rows if judged(*row) is not None]
    table |= {k: (c, p, int(n)) for k, c, p, n in rows if judged(k, c, p, n) is None}
    assert found(database) == table
    # A bad row that a later one replaces may go unjudged; no good one is ever refused.
    told = [(*list(row.values())[:3], str(row["n"])) for _, _, row in database.refused]
    assert set(told) <= set(bad)
    replaced = {row[0] for row in rows if judged(*row) is None}
    assert {row for row in bad if row[0] not in replaced} <= set(told)
    assert written == len(rows) - len(told)


def test_many_rows_of_many_faults(pg):
    """Thousands of bad rows of every kind, over several chunks: exactly the good ones arrive."""
    prepared(pg, "PRIMARY KEY")
    rows = [
        (10 + n - (n % 97 == 5), -1 if n % 53 == 7 else n, 4 if n % 61 == 9 else n % 4, "1")
        for n in range(20_000)
    ]
    rows[777] = (None, 1, 1, "1")
    rows[1234] = (99_999, 1, 1, "a\0")
    table, refused = appended(rows)
    pg.load(as_table(rows), batch=1000, chunk_rows=6000)
    assert found(pg) == table
    assert by_value(tuple(row.values()) for _, _, row in pg.refused) == by_value(refused)


def test_a_loader_is_not_changed_by_a_load(pg):
    loader = pg.loader()
    pg.load(pa.table({"id": [1]}))
    assert loader == replace(loader) == pg.loader()
