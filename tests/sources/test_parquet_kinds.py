"""ParquetSource: encodings, codecs, types, schemas that changed, corrupt pages, huge row groups."""

import os
import subprocess
import sys
import uuid
from datetime import date, datetime, time, timezone
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl import instances
from arrowetl.errors import ArrowETLError, ReadError, SchemaError
from arrowetl.sources.parquet import ParquetSource
from tests.sources.reading import rows_of, write

ROWS = 5_000
CODECS = ["none", "snappy", "gzip", "brotli", "lz4", "zstd"]


def every_kind(rows):
    numbers = np.arange(rows)
    rng = np.random.default_rng(7)
    nulls = rng.random(rows) < 0.1
    return {
        "i32": pa.array(rng.integers(-(2**31), 2**31, rows), pa.int32(), mask=nulls),
        "i64": pa.array(numbers * 7_919 - 2**40, pa.int64()),
        "f32": pa.array(rng.standard_normal(rows), pa.float32()),
        "f64": pa.array(rng.standard_normal(rows), pa.float64(), mask=nulls),
        "b": pa.array(numbers % 3 == 0, mask=nulls),
        "s": pa.array([f"prefix/{n % 97}/{n}" for n in range(rows)], mask=nulls),
        "bin": pa.array([bytes([n % 256]) * (n % 9) for n in range(rows)]),
        "fix": pa.array([n.to_bytes(8, "big") for n in range(rows)], pa.binary(8)),
    }


ENCODINGS = {
    "PLAIN": ["i32", "i64", "f32", "f64", "b", "s", "bin", "fix"],
    "RLE": ["b"],
    "DELTA_BINARY_PACKED": ["i32", "i64"],
    "DELTA_LENGTH_BYTE_ARRAY": ["s", "bin"],
    "DELTA_BYTE_ARRAY": ["s", "bin", "fix"],
    "BYTE_STREAM_SPLIT": ["i32", "i64", "f32", "f64"],
    "dictionary": ["i32", "i64", "f32", "f64", "s", "bin", "fix"],
}


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings(tmp_path, encoding, version):
    columns = every_kind(ROWS)
    table = pa.table({name: columns[name] for name in ENCODINGS[encoding]})
    wanted = {
        "use_dictionary": encoding == "dictionary",
        "column_encoding": dict.fromkeys(table.column_names, encoding),
    }
    if encoding == "dictionary":
        del wanted["column_encoding"]
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, data_page_version=version, data_page_size=4_096, **wanted)
    _same(ParquetSource(path), table)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_codecs(tmp_path, codec, version):
    table = pa.table(every_kind(ROWS))
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, compression=codec, data_page_version=version, row_group_size=999)
    _same(ParquetSource(path), table)


def _same(source, table):
    read = source.reader().read_all()
    assert read.schema == source.schema()
    assert read.to_pydict() == table.to_pydict()


NESTED = {
    "list": ([[1, None], [], None, [3]], pa.list_(pa.int64())),
    "list of lists": ([[[1], None, []], [], None, [[None]]], pa.list_(pa.list_(pa.int32()))),
    "struct": ([{"a": 1, "b": None}, None, {"a": None, "b": "x"}, None], None),
    "struct in struct": ([{"a": {"b": {"c": 1}}}, {"a": {"b": None}}, {"a": None}, None], None),
    "structs in list": ([[{"a": 1}, None], [], None, [{"a": None}]], None),
    "map": ([[("a", 1), ("b", None)], [], None, [("c", 3)]], pa.map_(pa.string(), pa.int64())),
    "map of lists": ([[("a", [1, None])], [("b", None)], None, []],
                     pa.map_(pa.string(), pa.list_(pa.int64()))),
    "fixed list": ([[1, 2], [None, 4], None, [5, 6]], pa.list_(pa.int64(), 2)),
    "large list": ([[1], [], None, [2]], pa.large_list(pa.int64())),
    "list view": ([[1], [], None, [2]], pa.list_view(pa.int64())),
    "all null lists": ([None] * 4, pa.list_(pa.struct([("a", pa.int64())]))),
}  # fmt: skip


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("kind", NESTED)
def test_nested(tmp_path, kind, version):
    values, type_ = NESTED[kind]
    column = pa.array(values * 700, type_)
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": column}), path, data_page_version=version, data_page_size=256)
    source = ParquetSource(path)
    read = source.reader().read_all()
    assert read.schema == source.schema()
    assert read["x"].to_pylist() == column.to_pylist()


UTC = timezone.utc
AT = datetime(2026, 1, 31, 12, 30, 0, 123_456, UTC).replace(tzinfo=None)
TYPED = {
    "u8": (pa.array([0, 255, None], pa.uint8()), pa.uint8()),
    "u16": (pa.array([0, 2**16 - 1, None], pa.uint16()), pa.uint16()),
    "u32": (pa.array([0, 2**32 - 1, None], pa.uint32()), pa.uint32()),
    "u64": (pa.array([0, 2**64 - 1, None], pa.uint64()), pa.uint64()),
    "i8": (pa.array([-128, 127, None], pa.int8()), pa.int8()),
    "f16": (pa.array(np.array([0.5, -2.0], np.float16)), pa.float32()),
    "date": (pa.array([date(1, 1, 1), date(9999, 12, 31), None]), pa.date32()),
    "t ms": (pa.array([time(1, 2, 3, 4_000), None], pa.time32("ms")), pa.time64("us")),
    "t us": (pa.array([time(23, 59, 59, 999_999)], pa.time64("us")), pa.time64("us")),
    "t ns": (pa.array([1, 86_399_999_999_999], pa.time64("ns")), pa.time64("ns")),
    "ts ms": (pa.array([AT.replace(microsecond=123_000)], pa.timestamp("ms")), None),
    "ts us": (pa.array([AT, None], pa.timestamp("us")), pa.timestamp("us")),
    "ts ns": (pa.array([1, -1, None], pa.timestamp("ns")), pa.timestamp("ns")),
    "tz": (pa.array([AT.replace(tzinfo=UTC)], pa.timestamp("us", "Asia/Tokyo")),
           pa.timestamp("us", "UTC")),
    "dec int32": (pa.array([Decimal("-99.99")], pa.decimal128(4, 2)), pa.decimal128(4, 2)),
    "dec int64": (pa.array([Decimal("12345678901234.56")], pa.decimal128(16, 2)), None),
    "dec bytes": (pa.array([Decimal("-" + "9" * 38)], pa.decimal128(38, 0)), None),
    "dec 32": (pa.array([Decimal("1.5"), None], pa.decimal32(5, 2)), pa.decimal128(5, 2)),
    "uuid": (pa.array([uuid.UUID(int=2**127 + 5).bytes] * 2, pa.uuid()), pa.string()),
    "dict": (pa.array(["a", None, "b"]).dictionary_encode(), pa.string()),
    "large": (pa.array(["a", None], pa.large_string()), pa.string()),
    "view": (pa.array(["a" * 40, None], pa.string_view()), pa.string()),
    "large bin": (pa.array([b"a\x00", None], pa.large_binary()), pa.binary()),
    "bin view": (pa.array([b"\xff" * 40], pa.binary_view()), pa.binary()),
    "null": (pa.nulls(2), None),
    "json": (pa.array(['{"a": 1}', None], pa.json_()), None),
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPED)
def test_types(tmp_path, kind):
    column, arrives = TYPED[kind]
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": column}), path)
    source = ParquetSource(path)
    read = source.reader().read_all()
    assert read.schema == source.schema()
    if arrives is not None:
        assert read.schema.field("x").type == arrives
    kept = read["x"]
    if pa.types.is_time(column.type) or pa.types.is_timestamp(column.type):
        # Python has no nanoseconds: numbers are compared.
        whole = pa.int32() if column.type.bit_width == 32 else pa.int64()
        kept, column = kept.cast(column.type).cast(whole), column.cast(whole)
    wanted = column.to_pylist()
    assert kept.to_pylist() == (list(map(str, wanted)) if kind == "uuid" else wanted)


def test_an_encoding_that_duckdb_lacks(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table({"fix": every_kind(9)["fix"]})
    encoding = {"fix": "BYTE_STREAM_SPLIT"}
    pq.write_table(table, path, use_dictionary=False, column_encoding=encoding)
    with pytest.raises(ReadError, match="BYTE_STREAM_SPLIT encoding is only supported for"):
        ParquetSource(path).reader().read_all()


def test_int96(tmp_path):
    column = pa.array([AT, datetime(1900, 1, 1), None], pa.timestamp("us"))  # noqa: DTZ001
    pq.write_table(pa.table({"x": column}), tmp_path / "x", use_deprecated_int96_timestamps=True)
    read = ParquetSource(tmp_path / "x").reader().read_all()
    assert pa.types.is_timestamp(read.schema.field("x").type)
    assert read["x"].cast(pa.timestamp("us")).to_pylist() == column.to_pylist()


def several(folder, *tables):
    for number, table in enumerate(tables):
        pq.write_table(
            table if isinstance(table, pa.Table) else pa.table(table), folder / f"{number}.parquet"
        )
    return ParquetSource(folder)


def structs(*fields):
    return pa.struct(list(fields))


CHANGED = {
    "wider integers": (pa.array([1], pa.int8()), pa.array([2**40]), [1, 2**40]),
    "unsigned and signed": (
        pa.array([2**64 - 1], pa.uint64()), pa.array([-1]), [Decimal(2**64 - 1), Decimal(-1)]),
    "integer, then double": (pa.array([1]), pa.array([0.5]), [1.0, 0.5]),
    "small integer, then float": (
        pa.array([200], pa.uint8()), pa.array([0.5], pa.float32()), [200.0, 0.5]),
    "float, then double": (pa.array([0.5], pa.float32()), pa.array([0.1]), [0.5, 0.1]),
    "wider decimals": (
        pa.array([Decimal("1.5")], pa.decimal128(5, 1)),
        pa.array([Decimal("99.25")], pa.decimal128(10, 2)), [Decimal("1.50"), Decimal("99.25")]),
    "integer, then decimal": (
        pa.array([7]), pa.array([Decimal("0.5")], pa.decimal128(5, 2)),
        [Decimal("7.00"), Decimal("0.50")]),
    "number, then text": (pa.array([7]), pa.array(["x"]), ["7", "x"]),
    "nulls, then a list": (pa.nulls(1), pa.array([[1]]), [None, [1]]),
    "nulls, then text": (pa.nulls(1), pa.array(["x"]), [None, "x"]),
    "a field more": (
        pa.array([{"a": 1}]), pa.array([{"a": 2, "b": "x"}]),
        [{"a": 1, "b": None}, {"a": 2, "b": "x"}]),
    "fields in another order": (
        pa.array([{"a": 1, "b": "x"}]),
        pa.array([{"b": "y", "a": 2}], structs(("b", pa.string()), ("a", pa.int64()))),
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
    "a wider field": (
        pa.array([{"a": 1}], structs(("a", pa.int32()))), pa.array([{"a": 0.5}]),
        [{"a": 1.0}, {"a": 0.5}]),
    "wider in a list": (pa.array([[1]], pa.list_(pa.int8())), pa.array([[2**40]]), [[1], [2**40]]),
    "a field more in a list": (
        pa.array([[{"a": 1}]]), pa.array([[{"a": 2, "b": 3}]]),
        [[{"a": 1, "b": None}], [{"a": 2, "b": 3}]]),
    "wider in a map": (
        pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())),
        pa.array([[("k", 2**40)]], pa.map_(pa.string(), pa.int64())),
        [[("k", 1)], [("k", 2**40)]]),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGED)
def test_a_type_that_changed(tmp_path, change):
    before, after, together = CHANGED[change]
    source = several(tmp_path, {"x": before}, {"x": after})
    read = source.reader().read_all()
    assert read.schema == source.schema()
    assert read["x"].to_pylist() == together


LOSSY = {
    "a decimal's fraction": (
        pa.array([Decimal(1)], pa.decimal128(38, 0)),
        pa.array([Decimal("0.5")], pa.decimal128(38, 30))),
    "a long decimal, then double": (pa.array([Decimal(1)], pa.decimal128(30, 5)), pa.array([0.5])),
    "integer, then float": (pa.array([2**24 + 1]), pa.array([0.5], pa.float32())),
    "integers, then floats in lists": (
        pa.array([[2**24 + 1]]), pa.array([[0.5]], pa.list_(pa.float32()))),
    "text, then bytes": (pa.array(["a\\x41"]), pa.array([b"\xff"])),
    "a time, then a timestamp": (pa.array([time(1)]), pa.array([AT])),
    "a number, then a struct": (pa.array([1]), pa.array([{"a": 1}])),
}  # fmt: skip


@pytest.mark.parametrize("change", LOSSY)
def test_a_type_that_would_lose_something_is_refused(tmp_path, change):
    before, after = LOSSY[change]
    source = several(tmp_path, {"x": before}, {"x": after})
    with pytest.raises(SchemaError, match=r"column 'x' is .* in '.*\.parquet', and .* together"):
        source.schema()


def test_columns_added_dropped_and_in_another_order(tmp_path):
    source = several(
        tmp_path, {"a": [1], "b": ["x"]}, {"b": ["y"], "c": [0.5]}, {"c": [1.5], "a": [2]}
    )
    assert rows_of(source) == [(1, "x", None), (None, "y", 0.5), (2, None, 1.5)]


def test_no_rows_in_files_and_row_groups(tmp_path):
    empty = pa.table({"x": pa.array([], pa.int32())})
    with pq.ParquetWriter(tmp_path / "0.parquet", empty.schema) as writer:
        writer.write_table(empty)
        writer.write_table(pa.table({"x": pa.array([1], pa.int32())}))
        writer.write_table(empty)
    pq.write_table(empty, tmp_path / "1.parquet")
    source = ParquetSource(tmp_path)
    assert rows_of(source) == [(1,)]
    assert source.row_count() == 1
    (tmp_path / "0.parquet").unlink()
    assert ParquetSource(tmp_path).row_count() == 0


def test_no_columns(tmp_path):
    pq.write_table(pa.table({}), tmp_path / "x.parquet")
    with pytest.raises(ReadError, match=r"x\.parquet' isn't a whole Parquet file .*one non-root"):
        ParquetSource(tmp_path).schema()


NULLED = "__HIVE_DEFAULT_PARTITION__"
HALF_PAST_NOON = datetime(2026, 1, 31, 12, 0, 0, 500_000)  # noqa: DTZ001 - has no zone


@pytest.mark.parametrize(
    ("folders", "kind", "values"),
    [
        (["1", "2"], pa.int64(), [1, 2]),
        (["1", NULLED], pa.int64(), [1, None]),
        (["x", NULLED], pa.string(), ["x", None]),
        (["1", "x"], pa.string(), ["1", "x"]),
        (["007", "1"], pa.string(), ["007", "1"]),
        (["1.5"], pa.string(), ["1.5"]),
        (["2026-01-31"], pa.date32(), [date(2026, 1, 31)]),
        (["2026-01-31", "2026-02-30"], pa.string(), ["2026-01-31", "2026-02-30"]),
        (["2026-01-31 12%3A00%3A00.5"], pa.timestamp("us"), [HALF_PAST_NOON]),
        (["-1", "0"], pa.int64(), [-1, 0]),
        (["0x10", "1"], pa.string(), ["0x10", "1"]),
        ([" 1", "1"], pa.string(), [" 1", "1"]),
        (["+1"], pa.string(), ["+1"]),
        (["-0"], pa.string(), ["-0"]),
        ([NULLED], pa.string(), [None]),
        (["New%20York", "M%C3%BCnchen"], pa.string(), ["New York", "München"]),
        (["a%2Fb", "a%3Db", "%25"], pa.string(), ["a/b", "a=b", "%"]),
        (["", "1"], pa.string(), ["", "1"]),
        ([str(10**20)], pa.string(), [str(10**20)]),
    ],
)
def test_hive_partitions(tmp_path, folders, kind, values):
    for number, folder in enumerate(folders):
        (tmp_path / f"c={folder}").mkdir()
        pq.write_table(pa.table({"id": [number]}), tmp_path / f"c={folder}" / "part.parquet")
    source = ParquetSource(tmp_path)
    assert source.schema().field("c").type == kind
    assert dict(rows_of(source)) == dict(enumerate(values))


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("a=1/x.parquet", "b=2/x.parquet", "a=1/x.parquet' say a=, .*b=2/x.parquet' b=: read"),
        ("a=1/x.parquet", "x.parquet", "say a=, and .* nothing: read them apart"),
        ("a=1/x.parquet", "a=1/b=2/x.parquet", "say a= and b=, and .* a="),
        ("a=1/x.parquet", "A=1/x.parquet", "say A=, and .* a="),
        ("a=1/x.parquet", "a=x=y/x.parquet", "say a=, and .* nothing: .* `=` is written %3D"),
        ("a=1/A=2/x.parquet", "a=1/A=3/x.parquet", "'A=2' of .* has a second column 'A'"),
        ("a=1\\2/x.parquet", "a=3/x.parquet", "has a backslash in it"),
    ],
)
def test_partitions_that_files_do_not_share(tmp_path, one, other, said):
    for number, path in enumerate((one, other)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"id": [number]}), tmp_path / path)
    for stated in (None, True):
        with pytest.raises(SchemaError, match=said):
            ParquetSource(tmp_path, hive_partitioning=stated).schema()
    assert len(rows_of(ParquetSource(tmp_path, hive_partitioning=False))) == 2


def test_folders_that_are_no_partitions(tmp_path):
    for folder in ("a=x=y", "a=x?y", "=1"):
        (tmp_path / folder).mkdir()
        pq.write_table(pa.table({"id": [1]}), tmp_path / folder / "b=2.parquet")
        assert ParquetSource(tmp_path / folder).schema().names == ["id"]
    assert ParquetSource(tmp_path, hive_partitioning=True).schema().names == ["id"]


@pytest.mark.parametrize("column", ["k", "K"])
def test_a_partition_that_a_file_has_as_a_column(tmp_path, column):
    (tmp_path / "k=1").mkdir()
    pq.write_table(pa.table({"id": [0], column: [9]}), tmp_path / "k=1" / "x.parquet")
    with pytest.raises(SchemaError, match=f"x.parquet' has a column '{column}', and its folders"):
        ParquetSource(tmp_path).schema()
    assert rows_of(ParquetSource(tmp_path, hive_partitioning=False)) == [(0, 9)]
    assert rows_of(ParquetSource(tmp_path, hive_partitioning=True)) == [(0, 1)]


def test_names_that_look_like_others(tmp_path):
    table = pa.table(
        [pa.array([1]), pa.array([{"b": 2}]), pa.array([3]), pa.array([4])],
        names=["a.b", "a", 'x"; DROP', "A.B"],
    )
    pq.write_table(table, tmp_path / "x.parquet")
    source = ParquetSource(tmp_path)
    assert source.schema().names == ["a.b", "a", 'x"; DROP', "A.B_1"]
    assert rows_of(source) == [(1, {"b": 2}, 3, 4)]


def test_an_encrypted_file(tmp_path):
    pe = pytest.importorskip("pyarrow.parquet.encryption")

    class Keys(pe.KmsClient):
        def __init__(self, _):
            pe.KmsClient.__init__(self)

        def wrap_key(self, key, _):
            return key.hex()

        def unwrap_key(self, key, _):
            return bytes.fromhex(key)

    factory = pe.CryptoFactory(Keys)
    for plaintext_footer in (True, False):
        config = pe.EncryptionConfiguration(
            footer_key="f", column_keys={"c": ["x"]}, plaintext_footer=plaintext_footer
        )
        properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
        path = tmp_path / "x.parquet"
        table = pa.table({"x": [1]})
        with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
            writer.write_table(table)
        with pytest.raises(ReadError, match=r"(?i)encrypt"):
            ParquetSource(path).reader().read_all()


def test_a_name_that_is_no_text_is_an_error(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"name\u00e9": [1]}), path)
    write(path, path.read_bytes().replace(b"name\xc3\xa9", b"name\xc3\xff"))
    with pytest.raises(ReadError, match=r"x\.parquet.*a column's name isn't UTF-8"):
        ParquetSource(path).schema()


SOUND = pa.table({"id": range(2_000), "s": [f"v{n % 50}" for n in range(2_000)]})


@settings(deadline=None, max_examples=50)
@given(
    codec=st.sampled_from(CODECS),
    at=st.floats(0, 1, exclude_max=True),
    mask=st.integers(1, 255),
)
def test_a_flipped_byte_is_an_error_of_ours_or_as_many_rows(tmp_path_factory, codec, at, mask):
    path = tmp_path_factory.mktemp("flip") / "x.parquet"
    pq.write_table(SOUND, path, compression=codec)
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= mask
    write(path, bytes(content))
    source = ParquetSource(path)
    try:
        stated = source.row_count()
        read = source.reader().read_all()
    except ArrowETLError:
        return
    assert stated in {None, read.num_rows}


MEASURED = r"""
import re, sys
from pathlib import Path
import arrowetl as ae
pipeline = ae.Pipeline(memory_limit="512MB").extract(ae.ParquetSource(sys.argv[1]))
if len(sys.argv) > 2:
    rows = pipeline.load(ae.ParquetLoader(sys.argv[2])).run().result.records_loaded
else:
    with pipeline.reader() as reader:
        rows = sum(batch.num_rows for batch in reader)
status = Path("/proc/self/status").read_text()
print(rows, int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024)
"""


@pytest.fixture(scope="module")
def huge(tmp_path_factory):
    """A file of one row group of 640 MB."""
    path = tmp_path_factory.mktemp("huge") / "x.parquet"
    rows = 200_000
    rng = np.random.default_rng(7)
    columns = {name: rng.integers(0, 2**62, rows) for name in "abcdefgh"}
    part = pa.RecordBatch.from_pydict(columns)
    parts = pa.Table.from_batches([part] * 50)
    pq.write_table(parts, path, row_group_size=len(parts), use_dictionary=False)
    assert pq.ParquetFile(path).metadata.num_row_groups == 1
    yield path
    path.unlink()


@pytest.mark.parametrize("loads", [False, True])
def test_memory_does_not_follow_row_groups(huge, tmp_path, loads):
    command = [sys.executable, "-c", MEASURED, str(huge)]
    command += [str(tmp_path / "out.parquet")] if loads else []
    told = subprocess.run(command, check=True, capture_output=True, env=os.environ).stdout
    rows, peak = map(int, told.split())
    assert rows == 10_000_000
    assert peak < (550 if loads else 350)


def test_a_large_part_is_said(huge, tmp_path, capsys):
    assert ParquetSource(huge).largest_part() > 640_000_000
    pq.write_table(SOUND, tmp_path / "x.parquet", row_group_size=100)
    assert 100 < ParquetSource(tmp_path).largest_part() < 10_000
    told = []
    for path in (huge, tmp_path / "x.parquet"):
        ae.Pipeline().extract(ParquetSource(path)).load(ae.ParquetLoader(tmp_path / "y")).explain()
        told.append("COPY" in capsys.readouterr().out)
    assert told == [False, True]


def test_only_what_is_mounted_is_read_ahead(monkeypatch):
    monkeypatch.setattr(instances, "mount_all", lambda _: None)
    monkeypatch.setitem(instances._filesystems, "far", None)
    for reads, off in ((None, True), ("FROM 'a.parquet'", True), ("FROM 'far://a.parquet'", False)):
        with instances.Instance(reads=reads) as connection:
            setting = connection.sql("SELECT current_setting('disable_parquet_prefetching')")
            assert setting.fetchall() == [(off,)]
