"""Any rows into a database and out of it: the same values, of the types that were promised."""

import tempfile
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.testing import same
from arrowetl.typemap import duckdb_columns, sqlite_columns
from tests.sinks.loading import load

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001 - naive is meant
UTC = timezone.utc
NANOSECONDS = st.integers(-(2**62), 2**62)

SCALARS = {
    pa.int8(): st.integers(-(2**7), 2**7 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**63 - 1),
    pa.float32(): st.floats(allow_nan=False, width=32).map(lambda x: x + 0.0),
    pa.float64(): st.floats(allow_nan=False).map(lambda x: x + 0.0),
    pa.bool_(): st.booleans(),
    pa.string(): TEXT,
    pa.large_string(): TEXT,
    pa.binary(): st.binary(max_size=5),
    pa.date32(): st.dates(date(1, 1, 1), date(9999, 12, 31)),
    pa.time64("us"): st.times(),
    pa.time64("ns"): st.integers(0, 86_400 * 10**9 - 1),
    pa.timestamp("s"): MOMENTS.map(lambda at: at.replace(microsecond=0)),
    pa.timestamp("us"): MOMENTS,
    pa.timestamp("ns"): NANOSECONDS,
    pa.timestamp("us", "UTC"): MOMENTS.map(lambda at: at.replace(tzinfo=UTC)),
    pa.timestamp("ns", "UTC"): NANOSECONDS,
    pa.decimal128(20, 4): st.decimals(-(10**15), 10**15, places=4),
    pa.decimal128(38, 0): st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal),
    pa.null(): st.none(),
}
DUCKDB_TOO = {
    pa.duration("us"): st.timedeltas(timedelta(0), timedelta(9999)),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.list_(pa.int32()): st.lists(st.none() | st.integers(-9, 9), max_size=3),
    pa.struct([("a", pa.int32()), ("b", pa.string())]): st.fixed_dictionaries(
        {"a": st.none() | st.integers(-9, 9), "b": TEXT}
    ),
}


@st.composite
def tables(draw, kinds):
    names = draw(st.lists(NAMES.filter(str.strip), min_size=1, max_size=4, unique_by=str.lower))
    rows = draw(st.integers(0, 6))
    columns = {}
    for name in names:
        kind, values = draw(st.sampled_from(list(kinds.items())))
        listed = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns[name] = pa.array(listed, kind)
    return pa.table(columns)


def promised(table, stored):
    """The rows with the types that the destination says it gives back."""
    return table.cast(pa.schema([(each.column, each.back or each.arrow) for each in stored]))


@settings(max_examples=35, deadline=None)
@given(tables(SCALARS), st.integers(1, 4))
def test_sqlite(table, rows):
    with tempfile.TemporaryDirectory() as folder:
        load(ae.SQLiteLoader(f"{folder}/x", table="t"), table, rows=rows)
        source = ae.SQLiteSource(f"{folder}/x", table="t")
        back = pa.Table.from_batches(source.scan(batch_size=rows), source.schema())
        assert not list(source.rejected(None))
        expected = promised(table, sqlite_columns(table.schema, where="test"))
        assert back.schema == expected.schema
        assert same(back, expected)
        listed = ", ".join('"' + name.replace('"', '""') + '"' for name in table.column_names)
        query = ae.SQLiteSource(f"{folder}/x", query=f"SELECT {listed} FROM t")
        again = pa.Table.from_batches(query.scan(), query.schema())
        # SQLite itself calls a column of a query that is named TRUE or FALSE otherwise.
        assert list(again.to_pydict().values()) == list(back.to_pydict().values())


@settings(max_examples=25, deadline=None)
@given(tables({**SCALARS, **DUCKDB_TOO}), st.integers(1, 4))
def test_duckdb(table, rows):
    with tempfile.TemporaryDirectory() as folder:
        load(ae.DuckDBLoader(f"{folder}/x", table="t"), table, rows=rows)
        back = ae.DuckDBSource(f"{folder}/x", table="t").reader().read_all()
        query = ae.DuckDBSource(f"{folder}/x", query="FROM t").reader().read_all()
        assert back.schema == query.schema
        assert same(back, query)
        stored = duckdb_columns(table.schema, where="test")
        kinds = [each.back or each.arrow for each in stored]
        assert [plain(kind) for kind in kinds] == [plain(kind) for kind in back.schema.types]
        simple = [each.name for each in table.schema if not pa.types.is_duration(each.type)]
        assert back.select(simple).to_pylist() == table.select(simple).to_pylist()


def plain(kind):
    """The type without the name of lists' fields."""
    return str(kind).replace("<l: ", "<item: ")
