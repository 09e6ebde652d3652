"""Any rows, of any types: what is read back is what was written."""

import tempfile
from contextlib import closing
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.instances import Instance
from arrowetl.sinks.feed import Feed
from arrowetl.typemap import copy_safe, duckable_schema, writable
from tests.sinks.loading import load, load_by_copy, sqlite_rows

DAYS = st.dates(date(1, 1, 1), date(9999, 12, 31))
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001 - naive is meant
TIMES = st.times()
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
FLOATS = st.floats(allow_nan=False, width=32)

SCALARS = {
    pa.int8(): st.integers(-(2**7), 2**7 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint32(): st.integers(0, 2**32 - 1),
    pa.uint64(): st.integers(0, 2**63 - 1),
    pa.float32(): FLOATS,
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.string(): TEXT,
    pa.large_string(): TEXT,
    pa.string_view(): TEXT,
    pa.binary(): st.binary(max_size=5),
    pa.large_binary(): st.binary(max_size=5),
    pa.date32(): DAYS,
    pa.time64("us"): TIMES,
    pa.timestamp("us"): MOMENTS,
    pa.timestamp("us", "UTC"): MOMENTS.map(lambda at: at.replace(tzinfo=timezone.utc)),
    pa.decimal128(20, 4): st.decimals(-(10**15), 10**15, places=4),
    pa.decimal256(60, 4): st.decimals(-(10**15), 10**15, places=4),
    pa.null(): st.none(),
}
PARQUET_ONLY = {
    pa.float16(): st.floats(allow_nan=False, width=16),
    pa.duration("us"): st.timedeltas(timedelta(-9999), timedelta(9999)),
    pa.timestamp("ms", "Asia/Tokyo"): st.integers(-(10**12), 10**12),
    pa.time32("ms"): st.integers(0, 86_399_999),
    pa.binary(3): st.binary(min_size=3, max_size=3),
    pa.list_(pa.float32(), 2): st.lists(FLOATS, min_size=2, max_size=2),
}


def nested(kinds):
    """Lists, structs and maps of the given types, and values for each."""

    def list_of(pair):
        return pa.list_(pair[0]), st.lists(st.none() | pair[1], max_size=3)

    def struct_of(pairs):
        kind = pa.struct([(f"f{i}", each) for i, (each, _) in enumerate(pairs)])
        values = {f"f{i}": st.none() | each for i, (_, each) in enumerate(pairs)}
        return kind, st.fixed_dictionaries(values)

    base = st.sampled_from(list(kinds.items()))
    return st.recursive(
        base,
        lambda inner: inner.map(list_of) | st.lists(inner, min_size=1, max_size=3).map(struct_of),
        max_leaves=4,
    )


@st.composite
def tables(draw, pairs):
    names = draw(st.lists(NAMES.filter(str.strip), min_size=1, max_size=4, unique_by=str.lower))
    rows = draw(st.integers(0, 6))
    columns = {}
    for name in names:
        kind, values = draw(pairs)
        listed = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns[name] = pa.array(listed, kind)
    return pa.table(columns)


def by_parquet(sink, table, folder, how=load):
    path = Path(folder, f"{how.__name__}.parquet")
    how(sink(path), table)
    return pq.read_table(path)


@settings(max_examples=50, deadline=None)
@given(tables(nested({**SCALARS, **PARQUET_ONLY})))
def test_parquet_gives_back_types_and_values(table):
    with tempfile.TemporaryDirectory() as folder:
        back = by_parquet(ae.ParquetLoader, table, folder)
        assert [_plain(kind) for kind in back.schema.types] == [
            _plain(kind) for kind in writable(table.schema).types
        ]
        assert back.to_pylist() == table.to_pylist()
        if copy_safe(table.schema):
            copied = by_parquet(ae.ParquetLoader, table, folder, load_by_copy)
            assert copied.equals(back)


def _plain(kind):
    """The type without the names of lists' fields, which Parquet sets."""
    return str(kind).replace("<item:", "<element:").replace("<l:", "<element:")


@settings(max_examples=50, deadline=None)
@given(
    tables(nested(SCALARS)), st.sampled_from([",", ";", "\t", "||"]), st.sampled_from(["", "NA"])
)
def test_csv_gives_back_text(table, delimiter, null):
    """Every value is what DuckDB prints of it; nulls and empty text stay apart."""
    options = {"delimiter": delimiter, "null": null, "quoting": "strings"}
    with tempfile.TemporaryDirectory() as folder, Instance() as connection:
        load(ae.CSVLoader(f"{folder}/a.csv", **options), table)
        load_by_copy_or_load(ae.CSVLoader(f"{folder}/b.csv", **options), table)
        assert Path(folder, "a.csv").read_bytes() == Path(folder, "b.csv").read_bytes()
        if len(table.column_names) == 1:
            return  # a blank line is a row or none, as the reader likes
        back = connection.read_csv(
            f"{folder}/a.csv",
            all_varchar=True,
            header=True,
            sep=delimiter,
            na_values=[null],
            quotechar='"',
            escapechar='"',
            allow_quoted_nulls=False,
            auto_detect=False,
            columns=dict.fromkeys(table.column_names, "VARCHAR"),
        ).fetchall()
        assert back == printed(table)


def load_by_copy_or_load(sink, table):
    try:
        load_by_copy(sink, table)
    except duckdb.NotImplementedException:
        sink.abort()
        load(sink, table)


def printed(table):
    with Instance() as connection:
        connection.register("t", Feed(table.to_reader(), duckable_schema(table.schema)).reader())
        return connection.sql("SELECT COLUMNS(*)::VARCHAR FROM t").fetchall()


@settings(max_examples=35, deadline=None)
@given(tables(nested(SCALARS)), st.integers(1, 4))
def test_duckdb_gives_back_values(table, rows):
    with tempfile.TemporaryDirectory() as folder:
        load(ae.DuckDBLoader(f"{folder}/x", table="t"), table, rows=rows)
        load(ae.DuckDBLoader(f"{folder}/x", table="t", on_schema_change="freeze"), table)
        with closing(duckdb.connect(f"{folder}/x")) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            back = connection.sql("SELECT COLUMNS(*)::VARCHAR FROM t").fetchall()
    assert back == 2 * printed(table)


@settings(max_examples=35, deadline=None)
@given(tables(st.sampled_from(list(SCALARS.items()))), st.integers(1, 4))
def test_sqlite_gives_back_values(table, rows):
    with tempfile.TemporaryDirectory() as folder:
        sink = ae.SQLiteLoader(f"{folder}/x", table="t")
        load(sink, table, rows=rows)
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in table.column_names)
        back = sqlite_rows(f"{folder}/x", f"SELECT {names} FROM t")
    assert back == [tuple(map(in_sqlite, row.values(), table.schema)) for row in table.to_pylist()]


def in_sqlite(value, field):
    match value:
        case datetime():
            zone = "Z" if field.type.tz else ""
            return value.replace(tzinfo=None).isoformat(timespec="microseconds") + zone
        case date():
            return value.isoformat()
        case time():
            return value.isoformat() if value.microsecond == 0 else _trimmed(value.isoformat())
        case Decimal():
            return f"{value:.4f}".replace("-0.0000", "0.0000")
        case bool():
            return int(value)
        case _:
            return value


def _trimmed(text):
    return text.rstrip("0")
