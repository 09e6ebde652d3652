"""ParquetLoader: a file or a folder, whichever way it is written."""

import pickle
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import arrowetl as ae
from arrowetl.errors import ConfigError, SchemaError, WriteError
from tests.sinks.loading import load, load_by_copy, names_in

ROWS = pa.table({"id": [3, 1, None], "city": ["Rome", "Oslo", None]})
MORE = pa.table({"id": [9], "city": ["Bonn"]})


def hive(folder):
    return ds.dataset(folder, partitioning="hive").to_table()


def test_one_file(tmp_path):
    path = tmp_path / "rows.parquet"
    assert load(ae.ParquetLoader(path), ROWS) == 3
    assert pq.read_table(path).equals(ROWS)
    assert names_in(tmp_path) == ["rows.parquet"]


def test_copy_puts_what_write_does(tmp_path):
    load(ae.ParquetLoader(tmp_path / "a.parquet", sorted_by="id"), ROWS)
    load_by_copy(ae.ParquetLoader(tmp_path / "b.parquet", sorted_by="id"), ROWS)
    a, b = (pq.read_table(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    assert a.equals(b)
    assert a["id"].to_pylist() == [1, 3, None]


def test_a_null_among_the_values_of_a_dictionary(tmp_path):
    codes = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int8()), pa.array(["v", None]))
    keys = pa.array(["a", "b", "c"])
    columns = {
        "x": codes,
        "s": pa.StructArray.from_arrays([codes], ["a"]),
        "l": pa.ListArray.from_arrays(pa.array([0, 1, 1, 3], pa.int32()), codes),
        "m": pa.MapArray.from_arrays(pa.array([0, 1, 1, 3], pa.int32()), keys, codes),
        "n": pa.DictionaryArray.from_arrays(pa.array([2, 1, 0]), pa.array([7, None, 3])),
    }
    rows = pa.table(columns)
    load(ae.ParquetLoader(tmp_path / "rows.parquet"), rows)
    back = pq.read_table(tmp_path / "rows.parquet")
    assert back.to_pylist() == rows.to_pylist()


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "brotli", "lz4", "none"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_compression_is_the_same_both_ways(tmp_path, codec, kind):
    path = tmp_path / "rows.parquet"
    load(ae.ParquetLoader(path, compression=codec), pa.table({"x": pa.array(["a"], kind)}))
    written = pq.ParquetFile(path).metadata.row_group(0).column(0).compression
    assert written == {"none": "UNCOMPRESSED"}.get(codec, codec.upper())
    assert pq.read_schema(path).field("x").type == kind


@pytest.mark.parametrize("codec", ["zstd", "gzip", "brotli"])
def test_compression_level(tmp_path, codec):
    rows = pa.table({"x": [f"{i * 7919 % 1009} rows and rows" for i in range(20_000)]})
    sizes = []
    for level in (1, 9):
        path = tmp_path / f"{level}.parquet"
        load(ae.ParquetLoader(path, compression=codec, compression_level=level), rows, rows=5000)
        sizes.append(path.stat().st_size)
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize("kind", [pa.int64(), pa.large_list(pa.int64())])
def test_row_groups(tmp_path, kind):
    values = list(range(100_000)) if kind == pa.int64() else [[i] for i in range(100_000)]
    path = tmp_path / "rows.parquet"
    loader = ae.ParquetLoader(path, row_group_size=40_000)
    load(loader, pa.table({"x": pa.array(values, kind)}), rows=1000)
    assert pq.ParquetFile(path).metadata.num_row_groups == 3
    assert pq.read_table(path)["x"].to_pylist() == values


TYPES = {
    "large": pa.array(["a", None], pa.large_string()),
    "view": pa.array(["a", None], pa.string_view()),
    "half": pa.array([1.5, None], pa.float16()),
    "codes": pa.array(["a", None]).dictionary_encode(),
    "wide": pa.array([Decimal("1.5"), None], pa.decimal256(60, 2)),
    "vector": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
    "took": pa.array([5, None], pa.duration("us")),
    "berlin": pa.array([0, None], pa.timestamp("us", "Europe/Berlin")),
    "ms": pa.array([5, None], pa.time32("ms")),
    "fixed": pa.array([b"abc", None], pa.binary(3)),
    "null": pa.nulls(2),
    "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
    "uuid": pa.array([b"0123456789abcdef", None], pa.uuid()),
    "json": pa.array(["{}", None], pa.json_()),
}


@pytest.mark.parametrize("name", TYPES)
def test_types_come_back_as_they_went(tmp_path, name):
    rows = pa.table({name: TYPES[name], "A": [1, 2], "a": [3, 4]})
    load(ae.ParquetLoader(tmp_path / "rows.parquet"), rows)
    back = pq.read_table(tmp_path / "rows.parquet")
    assert back.schema.types == rows.schema.types
    assert back.equals(rows)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("sort", [(), ("v",)])
@pytest.mark.parametrize(
    "options",
    [
        {"partition_by": "g"},
        {"max_file_bytes": 30_000},
        {"partition_by": "g", "max_file_bytes": 9000},
    ],
    ids=["partitions", "rotation", "both"],
)
def test_folders_keep_order_types_and_rows(tmp_path, kind, sort, options):
    """DuckDB's COPY and pyarrow's write_dataset both mix rows on several threads."""
    count = 300_000 if not sort else 50_000
    values = [f"{i * 7919 % count:06}" for i in range(count)]
    rows = pa.table(
        {"g": [i % 3 for i in range(count)], "v": pa.array(values, kind), "i": range(count)}
    )
    loader = ae.ParquetLoader(tmp_path / "out", row_group_size=2048, sorted_by=sort, **options)
    assert load(loader, rows, rows=1000) == count
    files = sorted((tmp_path / "out").rglob("*.parquet"))
    assert len(files) > (3 if "max_file_bytes" in options else 2)
    back = hive(tmp_path / "out")
    assert back.schema.field("v").type == kind
    assert sorted(back["i"].to_pylist()) == list(range(count))
    for file in files:
        column = pq.ParquetFile(file).read()["v" if sort else "i"].to_pylist()
        assert column == sorted(column)


def test_views_in_dictionaries_become_plain(tmp_path):
    """Polars' Categorical has them, with and without nulls, also where a null is a word."""
    words = pa.array(["b", None, "a"], pa.string_view())
    codes = pa.DictionaryArray.from_arrays(pa.array([2, None, 0, 1]), words)
    lists = pa.ListArray.from_arrays([0, 2, 4], codes)
    load(ae.ParquetLoader(tmp_path / "x"), pa.table({"x": codes}))
    load(ae.ParquetLoader(tmp_path / "y"), pa.table({"x": lists}), rows=1)
    assert pq.read_table(tmp_path / "x")["x"].to_pylist() == ["a", None, "b", None]
    assert pq.read_table(tmp_path / "y")["x"].to_pylist() == [["a", None], ["b", None]]


def test_views_in_structs_become_plain(tmp_path):
    """pyarrow 26 can't write slices of structs with views in them."""
    kind = pa.list_(pa.struct({"a": pa.string_view()}))
    rows = pa.table({"x": pa.array([[{"a": "x"}], None, [{"a": None}]], kind)})
    loader = ae.ParquetLoader(tmp_path / "rows.parquet")
    assert str(loader.stored(rows.schema)[0].back) == "list<item: struct<a: string>>"
    load(loader, rows, rows=1)
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist() == rows.to_pylist()


def test_partition_names_are_escaped_and_nulls_have_their_own(tmp_path):
    rows = pa.table({"city": ["a/b=c é", None], "n": [1, 2]})
    load(ae.ParquetLoader(tmp_path / "out", partition_by=["city"]), rows)
    assert names_in(tmp_path / "out") == [
        "city=__HIVE_DEFAULT_PARTITION__",
        "city=a%2Fb%3Dc%20%C3%A9",
    ]
    assert sorted(hive(tmp_path / "out").to_pylist(), key=lambda row: row["n"]) == [
        {"n": 1, "city": "a/b=c é"},
        {"n": 2, "city": None},
    ]


@pytest.mark.parametrize("kind", [pa.int64(), pa.float16()])
def test_no_rows_make_a_file_with_the_schema(tmp_path, kind):
    empty = pa.table({"x": pa.array([], kind)})
    for path in ("rows.parquet", "rows/"):
        assert load(ae.ParquetLoader(f"{tmp_path}/{path}"), empty) == 0
        assert pq.read_table(tmp_path / path).schema == empty.schema


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_names_of_partitions_come_back(tmp_path, kind):
    rows = pa.table({"a b": [1], "é": ["p"], "x/y": ["q"], "50%": [2], "n": pa.array(["r"], kind)})
    load(ae.ParquetLoader(tmp_path / "out", partition_by=["a b", "é", "x/y", "50%"]), rows)
    source = ae.ParquetSource(tmp_path / "out", columns=rows.schema.names, filter='"50%" = 2')
    assert source.reader().read_all().to_pylist() == rows.to_pylist()


@pytest.mark.parametrize(
    ("there", "more"), [(["id"], ["city"]), (["id"], []), ([], ["id"]), (["id"], ["id", "city"])]
)
def test_append_keeps_the_partitions_there_are(tmp_path, there, more):
    rows = pa.table({"id": [1], "city": ["Rome"], "x": [2]})
    load(ae.ParquetLoader(tmp_path / "out/", mode="append", partition_by=there), rows)
    load(ae.ParquetLoader(tmp_path / "out/", mode="append", partition_by=there[::-1]), rows)
    before = hive(tmp_path / "out")
    with pytest.raises(SchemaError, match="use the same, or write to another folder"):
        load(ae.ParquetLoader(tmp_path / "out/", mode="append", partition_by=more), rows)
    assert hive(tmp_path / "out").equals(before)


def test_no_rows_in_partitions_are_an_empty_folder(tmp_path):
    load(ae.ParquetLoader(tmp_path / "out", partition_by="city"), ROWS.slice(0, 0))
    assert names_in(tmp_path / "out") == []


def test_error_mode_touches_nothing(tmp_path):
    path = tmp_path / "rows.parquet"
    load(ae.ParquetLoader(path), ROWS)
    with pytest.raises(WriteError, match="is there already; mode='replace'"):
        ae.ParquetLoader(path).check(MORE.schema)
    assert pq.read_table(path).equals(ROWS)


def test_error_mode_sees_what_came_meanwhile(tmp_path):
    loader = ae.ParquetLoader(tmp_path / "rows.parquet")
    loader.begin(ROWS.schema)
    loader.write(ROWS.to_reader())
    load(ae.ParquetLoader(tmp_path / "rows.parquet"), MORE)
    with pytest.raises(WriteError, match="File exists"):
        loader.commit()
    loader.abort()
    assert pq.read_table(tmp_path / "rows.parquet").equals(MORE)
    assert names_in(tmp_path) == ["rows.parquet"]


def test_replace_is_seen_at_the_commit_only(tmp_path):
    path = tmp_path / "rows.parquet"
    load(ae.ParquetLoader(path), ROWS)
    loader = ae.ParquetLoader(path, mode="replace")
    loader.begin(MORE.schema)
    loader.write(MORE.to_reader())
    assert pq.read_table(path).equals(ROWS)
    loader.commit()
    loader.commit()
    assert pq.read_table(path).equals(MORE)
    assert names_in(tmp_path) == ["rows.parquet"]


def test_replace_follows_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.parquet").symlink_to(tmp_path / "real" / "rows.parquet")
    load(ae.ParquetLoader(tmp_path / "link.parquet", mode="replace"), ROWS)
    assert (tmp_path / "link.parquet").is_symlink()
    assert pq.read_table(tmp_path / "real" / "rows.parquet").equals(ROWS)


def test_replace_a_folder(tmp_path):
    out = tmp_path / "out"
    load(ae.ParquetLoader(out, partition_by="city"), ROWS)
    load(ae.ParquetLoader(out, partition_by="city", mode="replace"), MORE)
    assert names_in(out) == ["city=Bonn"]
    assert names_in(tmp_path) == ["out"]


def test_replace_deletes_nothing_that_is_not_parquet(tmp_path):
    out = tmp_path / "out"
    load(ae.ParquetLoader(f"{out}/"), ROWS)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(WriteError, match=r"would delete .*notes\.txt"):
        load(ae.ParquetLoader(out, mode="replace"), MORE)
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("options", [{}, {"partition_by": "city"}, {"max_file_bytes": 1}])
def test_append_adds_files(tmp_path, options):
    loader = ae.ParquetLoader(tmp_path / "out", mode="append", **options)
    for rows in (ROWS, MORE, ROWS):
        load(loader, rows)
    ids = hive(tmp_path / "out")["id"].to_pylist()
    assert sorted(ids, key=str) == [1, 1, 3, 3, 9, None, None]
    assert names_in(tmp_path) == ["out"]


def test_append_takes_runs_of_different_schemas(tmp_path):
    loader = ae.ParquetLoader(f"{tmp_path}/out/", mode="append")
    load(loader, pa.table({"a": [1]}))
    load(loader, pa.table({"b": ["x"]}))
    assert loader.mixed_schemas
    schemas = [pq.read_schema(path).names for path in (tmp_path / "out").iterdir()]
    assert sorted(schemas) == [["a"], ["b"]]


def test_append_to_a_file_is_refused(tmp_path):
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(WriteError, match="is a file, and a folder is wanted"):
        ae.ParquetLoader(tmp_path / "rows.parquet", mode="append").check(ROWS.schema)


def test_abort_leaves_nothing(tmp_path):
    loader = ae.ParquetLoader(tmp_path / "rows.parquet")
    loader.begin(ROWS.schema)
    loader.write(ROWS.to_reader())
    loader.abort()
    loader.abort()
    assert names_in(tmp_path) == []


def test_the_reader_s_own_error_is_raised(tmp_path):
    def failing():
        yield ROWS.to_batches()[0]
        raise LookupError("the source broke")

    for schema in (ROWS.schema, ROWS.schema.with_metadata({"a": "b"})):
        loader = ae.ParquetLoader(tmp_path / "rows.parquet")
        loader.begin(schema)
        with pytest.raises(LookupError, match="the source broke"):
            loader.write(pa.RecordBatchReader.from_batches(ROWS.schema, failing()))
        loader.abort()
    assert names_in(tmp_path) == []


def test_check_changes_nothing(tmp_path):
    ae.ParquetLoader(tmp_path / "rows.parquet").check(ROWS.schema)
    ae.ParquetLoader(tmp_path / "out", partition_by="city").check(ROWS.schema)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("schema", "options", "message"),
    [
        ({"id": pa.int64()}, {"partition_by": ["idd"]}, "did you mean 'id'"),
        ({"id": pa.int64()}, {"sorted_by": ["at"]}, "no column 'at'"),
        ({"id": pa.int64()}, {"partition_by": ["id"]}, "names all columns"),
        ({"id": pa.float64(), "x": pa.int8()}, {"partition_by": ["id"]}, "'id' is double"),
        ({"x": pa.month_day_nano_interval()}, {}, "which Parquet hasn't"),
        ({"x": pa.decimal256(50, 2)}, {"sorted_by": ["x"]}, "can't be sorted and stay so"),
        ({"x": pa.duration("s"), "y": pa.int8()}, {"sorted_by": ["y"]}, "can't be sorted and"),
        ({}, {}, "no columns"),
    ],
)
def test_schemas_that_do_not_fit(tmp_path, schema, options, message):
    with pytest.raises(SchemaError, match=message):
        ae.ParquetLoader(tmp_path / "out", **options).check(pa.schema(schema))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "apend"}, "did you mean 'append'"),
        ({"mode": "upsert"}, "files have no keys"),
        ({"compression": "zst"}, "did you mean 'zstd'"),
        ({"compression": "snappy", "compression_level": 3}, "snappy has no compression_level"),
        ({"row_group_size": 0}, "row_group_size is 0: it has to be a whole number"),
        ({"max_file_bytes": -1}, "max_file_bytes is -1: it has to be a whole number"),
        ({"partition_by": ["a", "a"]}, "names 'a' twice"),
        ({"sorted_by": [1]}, "names of columns, not 1"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigError, match=message):
        ae.ParquetLoader("rows.parquet", **options)


def test_value_semantics(tmp_path):
    loader = ae.ParquetLoader(tmp_path / "rows.parquet", partition_by=["a"], mode=ae.Mode.APPEND)
    assert loader == pickle.loads(pickle.dumps(loader))
    assert hash(loader) == hash(replace(loader))
    assert eval(repr(loader), {"ParquetLoader": ae.ParquetLoader}) == loader
    assert "rows.parquet" in loader.label


def test_statement_before_begin_names_the_destination(tmp_path):
    loader = ae.ParquetLoader(tmp_path / "rows.parquet")
    assert f"'{tmp_path}/rows.parquet'" in (loader.statement("SELECT 1", ROWS.schema) or "")
    assert ae.ParquetLoader("out", partition_by="id").statement("SELECT 1", ROWS.schema) is None
