"""Places that can't be written, names that look like SQL, disks that are full."""

import os
import random
import subprocess
from contextlib import closing
from functools import partial

import duckdb
import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.errors import SchemaError, WriteError
from tests.sinks.loading import load, names_in, sqlite_rows

ROWS = pa.table({"id": [1, 2], "city": ["Rome", None]})

SINKS = {
    "parquet": ae.ParquetLoader,
    "partitions": lambda path, **options: ae.ParquetLoader(path, partition_by="city", **options),
    "csv": ae.CSVLoader,
    "sqlite": lambda path, **options: ae.SQLiteLoader(path, table="t", **options),
    "duckdb": lambda path, **options: ae.DuckDBLoader(path, table="t", **options),
}

NAMES = [
    'x"; DROP TABLE y; --',
    "it's",
    "select",
    "two words",
    "😀",
    "a,b",
    "new\nline",
    "%s#*[a-z]{}",
    " ",
    "rowid",
    "ünï",
]


@pytest.fixture(params=SINKS)
def make(request):
    return SINKS[request.param]


def test_a_missing_folder(make, tmp_path):
    for act in (lambda sink: sink.check(ROWS.schema), lambda sink: sink.begin(ROWS.schema)):
        with pytest.raises(WriteError, match=r"the folder '.*nowhere' isn't there; create it"):
            act(make(tmp_path / "nowhere" / "x"))
    assert names_in(tmp_path) == []


def test_a_file_where_a_folder_should_be(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"the folder '.*file' is a file"):
        make(tmp_path / "file" / "x").check(ROWS.schema)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any folder")
def test_a_read_only_folder(make, tmp_path):  # pragma: no cover
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match="may not be written"):
        make(tmp_path / "x").check(ROWS.schema)


@pytest.mark.parametrize("odd", NAMES)
def test_odd_names_of_files_and_columns(make, tmp_path, odd):
    rows = pa.table({odd: [1], "city": ["Rome"], f"{odd}{odd}": ["x"]})
    folder = tmp_path / odd
    folder.mkdir()
    assert load(make(folder / f"{odd}.csv"), rows) == 1
    assert names_in(folder) == [f"{odd}.csv"]


@pytest.mark.parametrize("kind", ["parquet", "partitions", "csv", "sqlite"])
def test_a_question_mark_in_the_path(kind, tmp_path):
    assert load(SINKS[kind](tmp_path / "a?b#c"), ROWS) == 2
    assert names_in(tmp_path) == ["a?b#c"]


@pytest.mark.parametrize("odd", NAMES)
@pytest.mark.parametrize("mode", ["append", "replace", "upsert"])
def test_odd_names_of_tables(tmp_path, odd, mode):
    rows = pa.table({odd: [1], "city": ["Rome"]})
    for _ in range(2):
        options = {"table": odd, "mode": mode, "key": odd if mode == "upsert" else ()}
        load(ae.SQLiteLoader(tmp_path / "s", **options), rows)
        load(ae.DuckDBLoader(tmp_path / "d", schema=odd, **options), rows)
    quoted = '"' + odd.replace('"', '""') + '"'
    count = 2 if mode == "append" else 1
    assert sqlite_rows(tmp_path / "s", f"SELECT * FROM {quoted}") == [(1, "Rome")] * count
    with closing(duckdb.connect(str(tmp_path / "d"))) as connection:
        assert connection.sql(f"FROM {quoted}.{quoted}").fetchall() == [(1, "Rome")] * count


@pytest.mark.parametrize(
    ("table", "schema", "at"),
    [
        ("dwh.items", None, ("dwh", "items")),
        ("dwh.items", "dwh", ("dwh", "items")),
        ('"dwh.items"', None, ("main", "dwh.items")),
        ('dwh."it.em""s"', None, ("dwh", 'it.em"s')),
        ('"dwh.items"', "dwh", ("dwh", "dwh.items")),
    ],
)
def test_a_dotted_name_is_a_table_in_a_schema(tmp_path, table, schema, at):
    loader = ae.DuckDBLoader(tmp_path / "d", table=table, schema=schema, mode="replace")
    assert load(loader, ROWS) == load(eval(repr(loader), vars(ae)), ROWS) == 2
    with closing(duckdb.connect(str(tmp_path / "d"))) as connection:
        found = connection.sql("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
    assert found == [at]
    if schema is None:
        assert ae.DuckDBSource(tmp_path / "d", table=table).reader().read_all().num_rows == 2


def test_a_dotted_name_and_another_schema_are_refused(tmp_path):
    for make in (partial(ae.DuckDBLoader, tmp_path / "d"), ae.PostgreSQLLoader):
        with pytest.raises(ae.ConfigError, match=r"schema='x'; say one, or put"):
            make(table="a.b", schema="x")
        with pytest.raises(ae.ConfigError, match=r"table is a name, or schema\.name"):
            make(table="a.b.c")


@pytest.mark.parametrize("mode", ["append", "replace", "error"])
def test_a_key_is_for_upserts(mode):
    sinks = [partial(each, "x") for each in (ae.DuckDBLoader, ae.SQLiteLoader)]
    for make in (*sinks, ae.PostgreSQLLoader):
        with pytest.raises(ae.ConfigError, match=r"key= is for mode='upsert'"):
            make(table="t", mode=mode, key="id")


def test_names_that_differ_only_in_case(tmp_path):
    schema = pa.schema({"a": pa.int8(), "A": pa.int8()})
    for kind in ("sqlite", "duckdb", "csv"):
        for act in ("check", "begin"):
            with pytest.raises(SchemaError, match="'a' and 'A' differ only in case"):
                getattr(SINKS[kind](tmp_path / "x"), act)(schema)
    assert names_in(tmp_path) == []


def test_two_columns_of_one_name(make, tmp_path):
    schema = pa.schema([("city", pa.string()), ("b", pa.int8()), ("b", pa.int8())])
    with pytest.raises(SchemaError, match="'b'"):
        make(tmp_path / "x").check(schema)


def test_no_columns_at_all(make, tmp_path):
    with pytest.raises(SchemaError, match=r"no columns|no column 'city'"):
        make(tmp_path / "x").check(pa.schema([]))


def test_a_sink_can_be_used_again(make, tmp_path):
    sink = make(tmp_path / "x", mode="replace")
    for _ in range(3):
        assert load(sink, ROWS) == 2
    sink.begin(ROWS.schema)
    assert load(sink, ROWS) == 2
    assert names_in(tmp_path) == ["x"]


@pytest.fixture
def small_disk(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)]
    try:
        made = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no mount here: {error}")
    if made.returncode:
        pytest.skip(f"this process may not mount a tmpfs: {made.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("kind", [*SINKS, "large", "zip"])
def test_a_full_disk_leaves_the_destination_as_it_was(kind, small_disk):
    make = {
        "large": SINKS["parquet"],
        "zip": lambda path, **options: ae.CSVLoader(f"{path}.zip", **options),
        **SINKS,
    }[kind]
    load(make(small_disk / "x", mode="replace"), ROWS)
    before = contents(small_disk)
    noise = random.Random(1)
    text = pa.large_string() if kind == "large" else pa.string()
    values = [f"{noise.getrandbits(400):x}" for _ in range(200_000)]
    rows = pa.table({"id": range(200_000), "city": ["Rome", None] * 100_000})
    rows = rows.append_column("noise", pa.array(values, text))
    with pytest.raises(WriteError, match=r"(?i)full|no space|memory"):
        load(make(small_disk / "x", mode="replace"), rows, rows=10_000)
    if kind == "duckdb":
        # Blocks that nothing refers to may stay in its file, to be used again.
        with closing(duckdb.connect(str(small_disk / "x"))) as connection:
            assert connection.sql("FROM t").fetchall() == [(1, "Rome"), (2, None)]
    else:
        assert contents(small_disk) == before


def contents(folder):
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if not path.is_dir()}
