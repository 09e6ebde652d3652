"""ParquetSource: pushdown, partitions, files that differ, and broken ones."""

import json
import pickle
from datetime import date, datetime, timezone
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.errors import ConfigError, ReadError, SchemaError
from arrowetl.instances import Instance
from arrowetl.sources.parquet import ParquetSource
from tests.sources.reading import both, rows_of, write


def put(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def scan_of(select):
    """Give what DuckDB's profile says of the scan, after the statement has run."""
    with Instance() as connection:
        connection.execute("SET enable_profiling = 'no_output'")
        connection.execute(f"EXPLAIN (ANALYZE, FORMAT json) {select}")
        nodes = json.loads(connection.fetchall()[0][1])["operator"]
    while nodes:
        node = nodes.pop()
        if "PARQUET" in node["extra_info"].get("Function", ""):
            return node | node["extra_info"]
        nodes += node.get("children", [])
    raise AssertionError("no scan in the profile")


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.parquet"
    table = pa.table({"id": range(100_000), "half": [i / 2 for i in range(100_000)]})
    pq.write_table(table, path, row_group_size=1_000)
    return path


def test_reads_what_is_there(tmp_path):
    source = ParquetSource(put(tmp_path / "x.parquet", id=[1, 2], name=["a", None]))
    assert rows_of(source) == [(1, "a"), (2, None)]
    assert source.row_count() == 2
    assert source.size > 100


def test_columns_and_filter(tmp_path):
    path = put(tmp_path / "x.parquet", id=[1, 2, 3], name=["a", None, "c"])
    source = ParquetSource(path, columns=["name"], filter="id > 1 -- and no more")
    rows, rejected = both(source, tmp_path / "scratch")
    assert rows == [(None,), ("c",)]
    assert rejected == []
    assert source.row_count() is None


def test_a_filter_skips_row_groups(large, tmp_path):
    source = ParquetSource(large, columns=["id"], filter="id BETWEEN 5500 AND 5509")
    scan = scan_of(source.relation(tmp_path))
    assert scan["Projections"] == "id"
    assert (scan["row_groups_scanned"], scan["total_row_groups_to_scan"]) == (1, 100)


def test_a_filter_and_columns_of_the_pipeline_reach_the_scan(large, tmp_path):
    relation = ParquetSource(large).relation(tmp_path)
    scan = scan_of(f"WITH input AS ({relation}) SELECT half FROM input WHERE half < 10")
    assert scan["Projections"] == "half"
    assert (scan["row_groups_scanned"], scan["total_row_groups_to_scan"]) == (1, 100)


@pytest.mark.parametrize(
    "text", ["id > 1; DROP TABLE x", "id > 1) OR (true", "", "SELECT 1", "id >"]
)
def test_a_filter_is_one_expression(text):
    with pytest.raises(ConfigError, match="isn't one SQL predicate"):
        ParquetSource("x.parquet", filter=text)


def test_a_column_that_is_not_there(tmp_path):
    path = put(tmp_path / "x.parquet", id=[1], name=["a"])
    with pytest.raises(SchemaError, match="no column 'nmae'; did you mean 'name'"):
        ParquetSource(path, columns=["nmae"]).schema()
    with pytest.raises(SchemaError, match="no column 'nmae'; did you mean 'name'"):
        ParquetSource(path, filter="nmae = 'a'").schema()


def test_hive_partitions_are_typed_columns(tmp_path):
    put(tmp_path / "year=2025" / "month=01" / "a.parquet", id=[1])
    put(tmp_path / "year=2026" / "month=02" / "b.parquet", id=[2])
    put(tmp_path / "_tmp" / "c.parquet", id=[3])
    source = ParquetSource(tmp_path)
    assert source.schema().field("year").type == pa.int64()
    assert pa.table(source).select(["id", "year", "month"]).to_pydict() == {
        "id": [1, 2],
        "year": [2025, 2026],
        "month": ["01", "02"],
    }
    assert ParquetSource(tmp_path, hive_partitioning=False).schema().names == ["id"]


def test_a_filter_on_a_partition_reads_no_other_file(tmp_path):
    for year in (2024, 2025, 2026):
        put(tmp_path / f"year={year}" / "a.parquet", id=[year])
    scan = scan_of(ParquetSource(tmp_path, filter="year = 2025").relation(tmp_path))
    assert scan["Total Files Read"] == "1"


def test_files_with_other_columns_and_wider_types(tmp_path):
    put(tmp_path / "1.parquet", id=pa.array([1], pa.int32()), name=["a"])
    put(tmp_path / "2.parquet", name=["b"], id=pa.array([2**40], pa.int64()), extra=[1.5])
    put(tmp_path / "3.parquet", id=["x"], name=["c"])
    both_ints = ParquetSource([tmp_path / "1.parquet", tmp_path / "2.parquet"])
    assert both_ints.schema().field("id").type == pa.int64()
    assert rows_of(both_ints) == [(1, "a", None), (2**40, "b", 1.5)]
    assert rows_of(ParquetSource(tmp_path, columns=["id"])) == [("1",), (str(2**40),), ("x",)]


def test_without_union_by_name_files_must_be_alike(tmp_path):
    put(tmp_path / "1.parquet", id=[1])
    put(tmp_path / "2.parquet", id=[2], extra=["x"])
    with pytest.raises(SchemaError, match=r"2\.parquet' has the columns .*extra"):
        ParquetSource(tmp_path, union_by_name=False).schema()


def test_a_struct_and_a_number_do_not_fit(tmp_path):
    put(tmp_path / "1.parquet", id=[1], a=[1])
    put(tmp_path / "2.parquet", id=[2], a=[{"q": 1}])
    with pytest.raises(SchemaError, match="column 'a' is"):
        ParquetSource(tmp_path).schema()


def test_a_decimal_longer_than_duckdb_has(tmp_path):
    path = put(tmp_path / "x.parquet", d=pa.array([Decimal(1)], pa.decimal256(50, 2)))
    with pytest.raises(SchemaError, match=r"'d' of .* is decimal\(50, 2\)"):
        ParquetSource(path).schema()


def test_types_are_as_they_arrive(tmp_path):
    at = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    columns = {
        "u": pa.array([2**64 - 1], pa.uint64()),
        "dec": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
        "ns": pa.array([1], pa.timestamp("ns")),
        "tz": pa.array([at], pa.timestamp("us", "Europe/Berlin")),
        "dict": pa.array(["a"]).dictionary_encode(),
        "list": pa.array([[1, None]]),
        "struct": pa.array([{"x": 1, "y": [{"z": "q"}]}]),
        "bin": pa.array([b"\x00\xff"]),
        "null": pa.nulls(1),
        "d": pa.array([date(2026, 1, 31)]),
    }
    source = ParquetSource(put(tmp_path / "x.parquet", **columns))
    table = source.reader().read_all()
    assert table.schema == source.schema()
    row = table.to_pylist()[0]
    assert (row["u"], row["dec"], row["tz"], row["dict"]) == (2**64 - 1, Decimal("1.50"), at, "a")
    assert (row["list"], row["struct"]) == ([1, None], {"x": 1, "y": [{"z": "q"}]})


def broken(content):
    return {
        "cut": content[:-20],
        "empty": b"",
        "text": b"id,name\n" * 20,
        "junk": b"PAR1" + b"\xff" * 100 + b"PAR1",
        "footer": content[:-60] + b"\xfe" * 40 + content[-20:],
    }


@pytest.mark.parametrize("kind", ["cut", "empty", "text", "junk", "footer"])
def test_a_broken_file_is_named(tmp_path, kind):
    sound = put(tmp_path / "a.parquet", id=[1, 2, 3], name=["a", "b", "c"])
    write(tmp_path / "b.parquet", broken(sound.read_bytes())[kind])
    with pytest.raises(ReadError, match=r"b\.parquet' isn't a whole Parquet file"):
        ParquetSource(tmp_path).schema()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,name\n1,x\n", "it is text; read it with CSVSource"),
        ('[{"id": 1}]', "it is JSON; read it with JSONSource"),
    ],
)
def test_text_is_no_parquet(tmp_path, text, said):
    path = tmp_path / "x.parquet"
    path.write_text(text)
    with pytest.raises(ReadError, match=rf"x\.parquet' isn't a whole Parquet file: {said}"):
        ParquetSource(path).schema()


def test_a_broken_page(tmp_path):
    path = put(tmp_path / "x.parquet", id=list(range(1000)), name=["a"] * 1000)
    content = bytearray(path.read_bytes())
    content[4:40] = b"\xff" * 36
    write(path, bytes(content))
    with pytest.raises(ReadError, match="ParquetSource"):
        ParquetSource(path).reader().read_all()


@pytest.mark.parametrize("compression", ["zstd", "snappy", "none"])
@pytest.mark.parametrize("junk", [b"\xff", b"\0", b"a"])
def test_a_run_says_that_a_file_is_damaged(tmp_path, compression, junk):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": range(1000)}), path, compression=compression)
    content = path.read_bytes()
    write(path, content[:4] + junk * 60 + content[64:])
    for stages in ([], [ae.Filter("id >= 0"), "SELECT id + 1 AS next FROM input"]):
        for sink in (ae.ArrowLoader(), ae.ParquetLoader(tmp_path / "y.parquet")):
            pipeline = ae.Pipeline().extract(ParquetSource(path))
            for stage in stages:
                pipeline.transform(stage)
            with pytest.raises(ReadError, match=r"x\.parquet'\): a Parquet file is damaged"):
                pipeline.load(sink).run()


def test_an_error_of_a_statement_is_no_damage(tmp_path):
    path = put(tmp_path / "x.parquet", id=["x"])
    for select in ("SELECT id::INT AS n FROM input", "SELECT error(id) AS n FROM input"):
        pipeline = ae.Pipeline().extract(ParquetSource(path)).transform(select)
        with pytest.raises(ae.StageError, match=r"^SQL: "):
            pipeline.load(ae.ArrowLoader()).run()


@pytest.mark.parametrize("stages", [[], ["SELECT v FROM input WHERE v IS NOT NULL"]])
def test_a_run_says_which_file_does_not_go_with_others(tmp_path, stages):
    put(tmp_path / "a.parquet", v=pa.array([2**62], pa.timestamp("us")))
    put(tmp_path / "b.parquet", v=pa.array([1], pa.timestamp("ns")))
    pipeline = ae.Pipeline().extract(ParquetSource(tmp_path))
    for stage in stages:
        pipeline.transform(stage)
    said = (
        r"column 'v' is TIMESTAMP in '.*a\.parquet', and TIMESTAMP_NS together .* read them apart$"
    )
    with pytest.raises(ReadError, match=rf"^ParquetSource.*: {said}"):
        pipeline.load(ae.ArrowLoader()).run()


def test_nothing_there(tmp_path):
    with pytest.raises(ReadError, match="holds no file that ends in"):
        ParquetSource(tmp_path).schema()
    with pytest.raises(ReadError, match="no file"):
        ParquetSource(tmp_path / "gone.parquet").schema()


def test_no_rows(tmp_path):
    source = ParquetSource(put(tmp_path / "x.parquet", id=pa.array([], pa.int32())))
    assert source.schema() == pa.schema({"id": pa.int32()})
    assert rows_of(source) == []
    assert source.row_count() == 0


def test_names_as_strange_as_they_come(tmp_path):
    columns = {"select": [1], 'a "b"': [2], "né😀": [3], "x; DROP TABLE y; --": [4]}
    source = ParquetSource(put(tmp_path / "it's [1]*.parquet", **columns), columns=list(columns))
    assert source.schema().names == list(columns)
    assert rows_of(source) == [(1, 2, 3, 4)]


def test_is_a_value(tmp_path):
    path = put(tmp_path / "x.parquet", id=[1])
    source = ParquetSource([str(path)], columns=["id"], filter="id > 0")
    assert source == pickle.loads(pickle.dumps(source)) == eval(repr(source))
    assert len({source, eval(repr(source))}) == 1
    assert source.label == f"ParquetSource('{path}')"


def test_any_arrow_library_takes_it(tmp_path):
    source = ParquetSource(put(tmp_path / "x.parquet", id=[1, 2]))
    assert pl.DataFrame(source).rows() == [(1,), (2,)]
    assert pd.DataFrame.from_arrow(source)["id"].tolist() == [1, 2]
    with duckdb.connect() as connection:
        connection.register("t", source.reader())
        assert connection.sql("SELECT sum(id) FROM t").fetchall() == [(3,)]


VALUES = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.string(): st.text(st.characters(codec="utf-8"), max_size=8),
    pa.bool_(): st.booleans(),
    pa.binary(): st.binary(max_size=8),
    pa.date32(): st.dates(),
    pa.list_(pa.int64()): st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=3),
}


@st.composite
def tables(draw):
    kinds = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4))
    rows = draw(st.integers(0, 6))
    columns = [
        pa.array(draw(st.lists(st.one_of(st.none(), VALUES[k]), min_size=rows, max_size=rows)), k)
        for k in kinds
    ]
    return pa.table(columns, names=[f"c {n}" for n in range(len(kinds))])


@settings(deadline=None, max_examples=25)
@given(table=tables())
def test_reads_what_pyarrow_writes(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("parquet") / "x.parquet"
    pq.write_table(table, path)
    assert ParquetSource(path).reader().read_all().to_pydict() == table.to_pydict()
