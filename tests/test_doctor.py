"""What `arrowetl doctor` and `arrowetl types` say, and that they touch nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import arrowetl as ae
from arrowetl.cli import main
from arrowetl.config.catalogue import SINK, SOURCE
from arrowetl.errors import ReadError
from arrowetl.typemap.parquet import PARQUET_TYPES
from tests.postgres_server import postgres

GOOD = """\
source: {type: csv, path: in.csv}
transforms: [filter: x > 1]
load: {type: sqlite, path: out.db, table: t}
dead_letters: {type: parquet, path: rejects/}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("x,y\n1,a\n2,b\n3,c\n")
    Path("good.yaml").write_text(GOOD)
    return tmp_path


def arrowetl(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def listed(folder="."):
    return sorted(str(path) for path in Path(folder).rglob("*"))


def test_all_works_and_nothing_is_touched():
    before = listed()
    done = arrowetl("doctor", "good.yaml")
    assert done.exit_code == 0
    assert "find the files: 1 file, 16 bytes" in done.stdout
    assert "destination: SQLiteLoader('out.db', table='t')" in done.stdout
    assert "dead letters: ParquetLoader('rejects/')" in done.stdout
    assert done.stdout.endswith("all works\n")
    assert listed() == before


def test_as_json():
    told = json.loads(arrowetl("doctor", "good.yaml", "--output", "json").stdout)
    assert (told["pipeline"], told["works"]) == ("good", True)
    assert [place["role"] for place in told["places"]] == ["source", "destination", "dead letters"]
    assert told["places"][0]["steps"][1] == {
        "step": "read the schema",
        "works": True,
        "detail": "2 columns",
    }


def test_what_fails_is_told_and_what_follows_is_not_tried():
    Path("bad.yaml").write_text(GOOD.replace("in.csv", "inn.csv"))
    done = arrowetl("doctor", "bad.yaml", "--output", "json")
    assert done.exit_code == 1
    source, destination, letters = json.loads(done.stdout)["places"]
    assert [step["works"] for step in source["steps"]] == [False]
    assert "'in.csv'" in source["steps"][0]["detail"]
    assert [(step["step"], step["works"]) for step in destination["steps"]] == [
        ("open the file", True),
        ("take the rows", None),
    ]
    assert "not tried" in destination["steps"][1]["detail"]
    assert letters["works"]
    told = arrowetl("doctor", "bad.yaml").stdout
    assert "  -      take the rows: not tried" in told
    assert told.endswith("1 of these don't work\n")


@pytest.mark.parametrize(
    ("load", "step"),
    [
        ("{type: parquet, path: in.csv/out}", "write to it"),
        ("{type: csv, path: in.csv/out.csv}", "write to it"),
        ("{type: duckdb, path: in.csv, table: t}", "open the file"),
        ("{type: postgresql, host: localhost, port: 1, table: t}", "connect"),
    ],
    ids=["parquet", "csv", "duckdb", "postgresql"],
)
def test_the_destination_is_tried_also_where_the_source_does_not_work(load, step):
    text = GOOD.replace("in.csv", "inn.csv").replace("{type: sqlite, path: out.db, table: t}", load)
    Path("bad.yaml").write_text(text)
    told = arrowetl("doctor", "bad.yaml").stdout
    assert f"  FAILED {step}" in told
    assert "not tried" not in told
    assert told.endswith("2 of these don't work\n")


def test_a_transform_that_does_not_fit():
    Path("bad.yaml").write_text(GOOD.replace("x > 1", "z > 1"))
    done = arrowetl("doctor", "bad.yaml")
    assert done.exit_code == 1
    assert "FAILED fit together: " in done.stdout
    assert "'z'" in done.stdout or '"z"' in done.stdout


def test_a_wrong_file_is_wrong_usage():
    Path("bad.yaml").write_text("source: 5")
    assert arrowetl("doctor", "bad.yaml").exit_code == 2
    assert arrowetl("doctor").exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any folder")
def test_a_folder_that_may_not_be_written(here):
    here.chmod(0o500)
    try:
        found = Path("good.yaml")
        assert arrowetl("doctor", found).exit_code == 1
    finally:
        here.chmod(0o700)


def test_a_destination_that_is_not_what_it_should_be():
    Path("out.db").write_text("no database" * 100)
    done = arrowetl("doctor", "good.yaml")
    assert done.exit_code == 1
    assert "FAILED take the rows" in done.stdout


def test_tables_to_join_with_are_tried_too():
    orders = pa.table({"id": [1], "city": ["Rome"]})
    query = "SELECT * FROM input JOIN cities USING (id)"
    stage = ae.SQL(query, tables={"cities": ae.CSVSource("gone.csv")})
    pipeline = ae.Pipeline().extract(ae.ArrowSource(orders)).transform(stage)
    found = pipeline.diagnose()
    assert [(place.role, place.works) for place in found.places] == [
        ("source", True),
        ("table", False),
    ]
    assert not found.works
    assert "gone.csv" in str(found)


def test_a_loss_that_is_not_allowed_is_found():
    rows = pa.table({"took": pa.array([1], pa.duration("ns"))})

    def found(allow):
        pipeline = ae.Pipeline(allow_lossy=allow).extract(ae.ArrowSource(rows))
        return pipeline.load(ae.DuckDBLoader("out.duckdb", table="t")).diagnose()

    assert "allow_lossy=['took']" in str(found(allow=False))
    assert not found(allow=False).works
    assert found(allow=["took"]).works
    assert not Path("out.duckdb").exists()


def test_a_server_that_takes_the_rows_and_one_that_does_not():
    rows = ae.ArrowSource(pa.table({"id": [1]}))
    with postgres().database() as uri:
        loader = ae.PostgreSQLLoader(uri=uri, table="doctored")
        found = ae.Pipeline().extract(rows).load(loader).diagnose()
        assert found.works, str(found)
        with pytest.raises(ReadError, match="doctored"):
            ae.PostgreSQLSource(uri=uri, table="doctored").schema()
    # The database is gone now.
    loader = ae.PostgreSQLLoader(uri=uri, table="t", password="s3cret")
    found = ae.Pipeline().extract(rows).load(loader).diagnose()
    assert not found.works
    assert "FAILED connect" in str(found)
    assert "s3cret" not in json.dumps(found.to_dict()) + str(found)


# --- types ------------------------------------------------------------------------------------


def test_types_lists_the_kinds():
    assert "--to   arrow | csv" in arrowetl("types").stdout
    told = json.loads(arrowetl("types", "--output", "json").stdout)
    assert {"csv", "postgresql"} <= set(told["from"])
    assert {"arrow", "sqlite"} <= set(told["to"])


@pytest.mark.parametrize("to", sorted(set(SINK.types()) - {"s3"}))
@pytest.mark.parametrize("by", sorted(set(SOURCE.types()) - {"s3"}))
def test_every_pair_has_a_matrix(by, to):
    before = listed()
    rows = json.loads(arrowetl("types", "--from", by, "--to", to, "--output", "json").stdout)
    assert len(rows) > 15
    for row in rows:
        assert row["fate"] in {"lossless", "widened", "lossy", "refused"}
        assert (row["declared"] is None) == (row["fate"] == "refused") or row["arrow"] == "null"
        assert row["why"] or row["fate"] in {"lossless", "widened"}
        if row["fate"] == "lossless":
            assert row["back"] == row["arrow"]
    assert listed() == before


def test_types_for_people(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    text = arrowetl("types", "--from", "csv", "--to", "sqlite", "--only", "lossy").stdout
    assert "DOUBLE" in text
    assert "NaN becomes null" in text
    assert "BIGINT" not in text


def test_a_kind_that_is_not_there():
    for kind, said in (("s3", "say csv, json or parquet. There are: arrow"), ("python", "arrow")):
        assert said in " ".join(arrowetl("types", "--from", kind, "--to", "csv").stderr.split())
    done = arrowetl("types", "--to", "sqlit")
    assert done.exit_code == 2
    assert "did you mean 'sqlite'" in done.stderr


def test_arrivals_of_csv(here):
    kinds = ae.CSVSource.arrivals()
    for declared, kind in kinds.items():
        Path("one.csv").write_text("x,y\n,1\n")
        assert ae.CSVSource("one.csv", schema={"x": declared}).schema().field("x").type == kind


def test_arrivals_of_duckdb():
    import duckdb

    kinds = ae.DuckDBSource.arrivals()
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(kinds))
    with duckdb.connect("d.duckdb") as connection:
        connection.execute(f"CREATE TABLE t ({columns})")
    assert ae.DuckDBSource("d.duckdb", table="t").schema().types == list(kinds.values())


def test_arrivals_of_sqlite():
    kinds = ae.SQLiteSource.arrivals()
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(kinds))
    from adbc_driver_sqlite import dbapi

    with dbapi.connect("d.db", autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE t ({columns})")
    assert ae.SQLiteSource("d.db", table="t").schema().types == list(kinds.values())


IN_PARQUET = {
    "BOOLEAN": pa.bool_(),
    "FLOAT16": pa.float16(),
    "JSON": pa.json_(),
    "UUID": pa.uuid(),
    "FIXED_LEN_BYTE_ARRAY(16)": pa.binary(16),
    "TIME(MILLIS)": pa.time32("ms"),
    "TIMESTAMP(MILLIS)": pa.timestamp("ms"),
}


@pytest.mark.parametrize("native", PARQUET_TYPES)
def test_arrivals_of_parquet(native):
    kind = IN_PARQUET.get(native, PARQUET_TYPES[native])
    pq.write_table(pa.schema({"x": kind}).empty_table(), "one.parquet")
    assert ae.ParquetSource("one.parquet").schema().field("x").type == PARQUET_TYPES[native]
