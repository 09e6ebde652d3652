"""Types of extensions: read as text, loaded from text, and bad rows are told apart."""

from contextlib import closing

import pyarrow as pa
import pytest

import arrowetl as ae
from tests.postgres_server import execute, installed, start
from tests.sinks.pg import Database

KINDS = ("hstore", "citext", "ltree", "cube", "isn")
TEXTS = {"h": '"a"=>"1", "b"=>NULL', "c": "Ab", "l": "a.b.c", "q": "(1, 2)", "i": "0-393-04002-X"}
COLUMNS = "h hstore, c citext, l ltree, q cube, i isbn"


@pytest.fixture(scope="module")
def uri():
    binaries = installed()
    if binaries is None:
        pytest.skip("no PostgreSQL with contrib: the wheel's has none; install your system's")
    server = start(binaries=binaries)
    try:
        execute(server.uri, *(f"CREATE EXTENSION {each}" for each in KINDS))
        yield server.uri
    finally:
        server.stop()


@pytest.fixture
def pg(uri):
    execute(uri, "DROP TABLE IF EXISTS t", f"CREATE TABLE t (id int PRIMARY KEY, {COLUMNS})")
    with closing(Database(uri)) as database:
        yield database


def read(pg):
    return ae.PostgreSQLSource(uri=pg.uri, table="t").reader().read_all()


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_text_goes_there_and_comes_back(pg, mode):
    rows = pa.table({"id": pa.array([1, 2], pa.int32())} | {k: [v, None] for k, v in TEXTS.items()})
    assert pg.load(rows, mode=mode, key=["id"] if mode == "upsert" else ()) == 2
    assert read(pg) == rows
    assert pg.types()["h"] == "hstore"


def test_arrays_come_as_lists_of_text(pg):
    query = "SELECT array['a=>1'::hstore, NULL] AS h, array['Ab'::citext] AS c"
    found = ae.PostgreSQLSource(uri=pg.uri, query=query).reader().read_all()
    assert found.to_pylist() == [{"h": ['"a"=>"1"', None], "c": ["Ab"]}]
    assert set(found.schema.types) == {pa.list_(pa.string())}


@pytest.mark.parametrize("bad", [{"h": "a"}, {"l": "a b"}, {"q": "(1"}, {"i": "x"}], ids=str)
def test_a_text_that_the_type_refuses_is_its_rows_fault(pg, bad):
    good = TEXTS | {"h": "a=>1"}
    rows = pa.Table.from_pylist(
        [{"id": i} | good | (bad if i % 300 == 7 else {}) for i in range(900)]
    )
    assert pg.load(rows, batch=100) == 897
    assert [row["id"] for _, _, row in pg.refused] == [7, 307, 607]
    assert read(pg).num_rows == 897


@pytest.mark.parametrize("exclusive", [True, False])
def test_texts_that_differ_in_case_are_one_key(pg, exclusive):
    pg.run("DROP TABLE t", "CREATE TABLE t (c citext PRIMARY KEY, n int)")
    pg.run("INSERT INTO t VALUES ('Ab', 1), ('other', 1)")
    rows = pa.table({"c": ["AB", "ab", "z"], "n": pa.array([2, 3, 4], pa.int32())})
    pg.load(rows, mode="upsert", key=["c"], exclusive=exclusive)
    assert not pg.refused
    found = {row["c"].lower(): row["n"] for row in read(pg).to_pylist()}
    assert found == {"ab": 3, "other": 1, "z": 4}


def test_keys_that_a_collation_makes_one(pg):
    """The staging table has the database's collation, in which they are two."""
    pg.run(
        "CREATE COLLATION IF NOT EXISTS loose "
        "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "DROP TABLE t",
        "CREATE TABLE t (c text COLLATE loose PRIMARY KEY, n int)",
        "INSERT INTO t VALUES ('Ab', 1)",
    )
    rows = pa.table({"c": ["AB", "ab", "z"], "n": pa.array([2, 3, 4], pa.int32())})
    pg.load(rows, mode="upsert", key=["c"], exclusive=False)
    assert not pg.refused
    assert {row["c"].lower(): row["n"] for row in read(pg).to_pylist()} == {"ab": 3, "z": 4}
