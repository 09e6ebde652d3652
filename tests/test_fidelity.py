"""What the type-fidelity matrix says is what happens: real loads, read back by the real sources."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import time, timedelta, timezone
from decimal import Context, Decimal
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
import pytest
from hurting import values_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.config import load_config
from arrowetl.errors import SchemaError, WriteError
from arrowetl.fidelity import TYPES, passages
from arrowetl.instances import Instance
from arrowetl.stage import Sink, Source
from arrowetl.testing import same
from arrowetl.typemap import Fate, Stored, duckable
from tests.postgres_server import postgres

Stores = Sequence[Stored]


@dataclass(frozen=True)
class Place:
    """A destination, and the source that reads it back."""

    sink: Callable[[Path], Sink]
    source: Callable[[Path, Stores], Source]


def csv_back(folder: Path, stored: Stores) -> Source:
    declared = {each.column: each.declared for each in stored}
    return ae.CSVSource(folder / "x.csv", schema=declared, header=True, quoted_nulls=False)


@pytest.fixture(scope="module", autouse=True)
def database():
    """A database of this module's own, for as long as it runs."""
    with postgres().database() as uri:
        URI.append(uri)
        yield
        URI.clear()


URI: list[str] = []


def in_postgresql(folder: Path) -> dict[str, str]:
    """Say where a folder's table is: databases have no folders."""
    return {"uri": URI[0], "table": hashlib.sha256(str(folder).encode()).hexdigest()[:40]}


PLACES = {
    "csv": Place(lambda folder: ae.CSVLoader(folder / "x.csv"), csv_back),
    "json": Place(
        lambda folder: ae.JSONLoader(folder / "x.json", schema_path=folder / "x.schema"),
        lambda folder, _: ae.JSONSource(folder / "x.json", schema=folder / "x.schema"),
    ),
    "parquet": Place(
        lambda folder: ae.ParquetLoader(folder / "x.parquet"),
        lambda folder, _: ae.ParquetSource(folder / "x.parquet"),
    ),
    "sqlite": Place(
        lambda folder: ae.SQLiteLoader(folder / "x.db", table="t"),
        lambda folder, _: ae.SQLiteSource(folder / "x.db", table="t"),
    ),
    "duckdb": Place(
        lambda folder: ae.DuckDBLoader(folder / "x.db", table="t"),
        lambda folder, _: ae.DuckDBSource(folder / "x.db", table="t"),
    ),
    "postgresql": Place(
        lambda folder: ae.PostgreSQLLoader(**in_postgresql(folder)),
        lambda folder, _: ae.PostgreSQLSource(**in_postgresql(folder)),
    ),
}

# What one place can't hold of a type that it has: an error when it comes, never another value.
TOO_LARGE = {("sqlite", "uint64"): 2**63 - 1}


def numbered(values: pa.Array) -> pa.Table:
    """Give a table of the values; a second column tells rows apart, and keeps blank lines rows."""
    return pa.table({"x": values, "n": pa.array(range(len(values)), pa.int64())})


def run(source: Source, sink: Sink, allow: bool | list[str] = False) -> None:
    ae.Pipeline(progress=False, allow_lossy=allow).extract(source).load(sink).run()


def refused(kind: type[Exception], table: pa.Table, place: Place, folder: Path) -> str:
    with pytest.raises(kind) as raised:
        run(ae.ArrowSource(table), place.sink(folder))
    assert list(folder.iterdir()) == []
    return str(raised.value)


def loaded(table: pa.Table, place: Place, folder: Path) -> tuple[Stored, pa.Array | None]:
    """Load a table, and give what is read back of `x`, after checking what is refused."""
    sink = place.sink(folder)
    try:
        stored = sink.stored(table.schema)
    except SchemaError:
        assert "'x'" in refused(SchemaError, table, place, folder)
        return Stored("x", table.schema.field("x").type, "", fate=Fate.REFUSED), None
    lossy = stored[0].fate is Fate.LOSSY
    if stored[0].rare:
        said = refused(WriteError, table, place, folder)
        assert all(word in said for word in ("'x'", "allow_lossy=['x']"))
    elif lossy:
        said = refused(SchemaError, table, place, folder)
        assert all(word in said for word in ("'x'", stored[0].why, "allow_lossy=['x']"))
    run(ae.ArrowSource(table), sink, ["x"] if lossy else False)
    if stored[0].back is None and stored[0].fate is Fate.WIDENED:
        return stored[0], None
    back = place.source(folder, stored).reader().read_all()
    assert back["n"].to_pylist() == list(range(table.num_rows))
    return stored[0], back["x"].combine_chunks()


def in_duckdb(values: pa.Array) -> pa.Array:
    """Give values of the type that DuckDB reads."""
    wanted = duckable(values.type)
    return values if wanted == values.type else values.cast(wanted)


def equal(values: pa.Array, back: pa.Array) -> bool:
    """Whether what came back is equal to what went, once it is cast to its type."""
    if kinds.is_dictionary(values.type):
        values = values.dictionary_decode()
    if kinds.is_run_end_encoded(values.type):
        values = pc.run_end_decode(values)
    if values.type == back.type == pa.json_():
        values, back = (
            pa.array([*map(parsed, each.storage.to_pylist())]) for each in (values, back)
        )
    if back.type != values.type:
        try:
            back = back.cast(values.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            return equal_in_duckdb(values, back)
    if kinds.is_timestamp(values.type):  # Python's end at the year 9999, in any zone
        values, back = (each.view(pa.int64()) for each in (values, back))
    return same(pa.table({"x": values}), pa.table({"x": back}))


def parsed(text: str | None) -> str | None:
    """Give what JSON says, whatever the spaces and the spelling of numbers."""
    exactly = {"parse_float": Decimal, "parse_int": Decimal}
    return text and json.dumps(json.loads(text, **exactly), default=lambda n: f"{n.normalize()}")


def equal_in_duckdb(values: pa.Array, back: pa.Array) -> bool:
    one, other = (
        pa.table({"x": in_duckdb(each), "n": range(len(each))}) for each in (values, back)
    )
    with Instance() as connection:
        connection.register("one", one)
        connection.register("other", other)
        (kind, _) = connection.sql("FROM one").types
        nested = kinds.is_nested(values.type) and not kinds.is_nested(back.type)
        # Bytes stand in JSON as the text that DuckDB prints of them.
        value = f"o.x::JSON::{str(kind).replace('BLOB', 'VARCHAR')}" if nested else "o.x"
        differ = connection.sql(
            f"SELECT i.x, o.x FROM one i JOIN other o USING (n) "
            f"WHERE {value}::{kind} IS DISTINCT FROM i.x"
        ).fetchall()
    return differ == []


def lost(values: pa.Array, stored: Stored) -> pa.Array:
    """Give what is left of values, by the words in which the loss is stated."""
    if "Infinity" in stored.why:
        return finite(values)
    if "NaN" in stored.why:
        left = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        return pc.add(left.cast(pa.float64()), 0.0)  # -0.0 + 0.0 is 0.0
    assert "nanoseconds" in stored.why or "microseconds" in stored.why
    return cut(values)


def finite(values: pa.Array) -> pa.Array:
    """Make nulls of NaN and the infinities, in lists, too."""
    if kinds.is_list(values.type):
        inner = finite(values.values)
        return pa.ListArray.from_arrays(values.offsets, inner, mask=values.is_null())
    # Not every kernel knows half floats.
    is_finite = pc.is_finite(values.cast(pa.float64()))
    return pc.if_else(is_finite, values, pa.scalar(None, values.type))


def cut(values: pa.Array) -> pa.Array:
    """Cut nanoseconds off, at any depth: of moments towards the past, of spans towards zero."""
    if kinds.is_duration(values.type):
        return pc.divide(values.view(pa.int64()), 1000).view(pa.duration("us"))
    if kinds.is_timestamp(values.type):
        whole = pc.floor_temporal(values, unit="microsecond")
        return whole.cast(pa.timestamp("us", values.type.tz))
    if kinds.is_time(values.type):
        return values.cast(pa.time64("us"), safe=False)
    if kinds.is_interval(values.type):
        spans = values.to_pylist()
        whole = [s and pa.MonthDayNano([s[0], s[1], int(s[2] / 1000) * 1000]) for s in spans]
        return pa.array(whole, values.type)
    inner = cut(values.values)
    return pa.ListArray.from_arrays(values.offsets, inner, mask=values.is_null())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_each_type_becomes_what_is_said(place, kind, tmp_path):
    values = values_of(kind)
    most = TOO_LARGE.get((place, str(kind)))
    if most is not None:
        assert "18446744073709551615" in refused(
            WriteError, numbered(values), PLACES[place], tmp_path
        )
        values = values.filter(pc.less_equal(values, pa.scalar(most, kind)))
    stored, back = loaded(numbered(values), PLACES[place], tmp_path)
    if back is None:
        assert stored.fate is Fate.REFUSED or stored.why
        return
    assert back.type == (stored.back or kind)
    if stored.fate is Fate.LOSSLESS:
        assert back.type == kind
        assert equal(values, back)
    elif stored.fate is Fate.WIDENED:
        assert equal(values, back)
    else:
        left = lost(values, stored)
        assert not same(pa.table({"x": left}), pa.table({"x": values}))
        assert equal(left, back)


@cache
def kept_by(kind: pa.DataType, place: str) -> pa.DataType | None:
    """Give what a place makes of a type; None if it refuses it, or nothing of ours reads it."""
    if (place, str(kind)) in TOO_LARGE:
        return None
    try:
        (stored,) = PLACES[place].sink(Path()).stored(pa.schema({"x": kind}))
    except SchemaError:
        return None
    return (stored.back or kind) if stored.fate is Fate.LOSSLESS else stored.back


def all_kept(by: str, to: str) -> pa.Table:
    """Give a table with a column of each type that one place keeps so that the other can."""
    arriving = {kind: kept_by(kind, by) for kind in TYPES}
    wanted = [kind for kind, there in arriving.items() if there and kept_by(there, to)]
    columns = {f"c{n}": values_of(kind) for n, kind in enumerate(wanted)}
    rows = max(map(len, columns.values()))
    full = {name: padded_to(rows, values) for name, values in columns.items()}
    return pa.table({**full, "n": pa.array(range(rows), pa.int64())})


def padded_to(rows: int, values: pa.Array) -> pa.Array:
    more = [values.slice(0, 1)] * (rows - len(values))
    return pa.concat_arrays([values, *more]) if more else values


@pytest.mark.parametrize("to", PLACES)
@pytest.mark.parametrize("by", PLACES)
def test_each_pair_keeps_what_is_said(by, to, tmp_path):
    """From one kind's own files to another's: DuckDB may do all of it in one statement."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    table = all_kept(by, to)
    assert table.num_columns > 40
    first, second = PLACES[by].sink(here), PLACES[to].sink(there)
    run(ae.ArrowSource(table), first, allow=True)
    source = PLACES[by].source(here, first.stored(table.schema))
    came = source.reader().read_all()
    run(source, second, allow=True)
    kept = second.stored(came.schema)
    back = PLACES[to].source(there, kept).reader().read_all()
    for each in kept:
        values, got = (read[each.column].combine_chunks() for read in (came, back))
        assert got.type == (each.back or each.arrow), each.note
        if each.fate is Fate.LOSSLESS:
            assert equal(values, got), each.note
        else:
            left = lost(values, each) if each.fate is Fate.LOSSY else values
            assert equal(left, got), each.note


def test_postgresql_keeps_its_own_intervals_and_arrays():
    loader = ae.PostgreSQLLoader(host="db", database="w", table="t")
    told = {each.native: each for each in passages(ae.PostgreSQLSource, loader)}
    assert (told["interval"].fate, told["interval"].why) == (Fate.LOSSLESS, "")
    assert {each: told[each].declared for each in ("uuid[]", "jsonb[]", "money")} == {
        "uuid[]": "uuid[]",
        "jsonb[]": "jsonb[]",
        "money": "numeric(21,2)",
    }
    arrows = {each.native: each for each in passages(ae.ArrowSource, loader)}
    assert arrows["month_day_nano_interval"].fate is Fate.LOSSY


def test_types_say_what_explain_says(tmp_path):
    rows = pa.table({"took": pa.array([1], pa.duration("ns")), "x": [1.5], "y": [2.5], "n": [1]})
    pipeline = ae.Pipeline(allow_lossy=["took"]).extract(ae.ArrowSource(rows))
    plan = pipeline.load(ae.SQLiteLoader(tmp_path / "w.db", table="t")).plan()
    lines = [line for line in str(plan).splitlines() if line.startswith("Type")]
    lost = "NaN becomes null, -0.0 becomes 0.0"
    cut_off = "text, with microseconds: nanoseconds are cut"
    assert lines == [
        f"Type     took: duration[ns] becomes TEXT, lossy ({cut_off})",
        f"Type     x, y: double becomes REAL, lossy ({lost})",
        "Type     x: a NaN ends the run, unless allow_lossy allows it",
        "Type     y: a NaN ends the run, unless allow_lossy allows it",
    ]
    assert [(each["column"], each["fate"]) for each in json.loads(plan.to_json())["types"]] == [
        ("took", "lossy"),
        ("x", "lossy"),
        ("y", "lossy"),
    ]


def test_rare_values_stop_a_run_when_they_come(tmp_path):
    plain = pa.table({"x": [1.5, None, -0.0], "n": [1, 2, 3]})
    odd = pa.table({"x": [1.5, math.nan], "n": [4, 5]})

    def sink():
        return ae.SQLiteLoader(tmp_path / "w.db", table="t")

    run(ae.ArrowSource(plain), sink())
    with pytest.raises(WriteError, match=r"column 'x' has a NaN.*allow_lossy=\['x'\]"):
        run(ae.ArrowSource(odd), sink())
    assert ae.SQLiteSource(tmp_path / "w.db", table="t").reader().read_all().num_rows == 3
    run(ae.ArrowSource(odd), sink(), ["x"])
    assert ae.SQLiteSource(tmp_path / "w.db", table="t").reader().read_all().num_rows == 5


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.list_(pa.float64()), [1.5, math.nan, None], "[1.5,null,null]"),
        (pa.struct({"a": pa.list_(pa.float32())}), {"a": [math.inf]}, '{"a":[null]}'),
        (pa.map_(pa.string(), pa.float64()), [("k", -math.inf)], '{"k":null}'),
    ],
)
def test_nan_in_json_of_sqlite_is_null_where_it_is_allowed(kind, value, text, tmp_path):
    rows = pa.table({"x": pa.array([value, None], kind)})
    with pytest.raises(WriteError, match=r"column 'x' has an? (NaN|infinity), which becomes null"):
        run(ae.ArrowSource(rows), ae.SQLiteLoader(tmp_path / "w.db", table="t"))
    run(ae.ArrowSource(rows), ae.SQLiteLoader(tmp_path / "w.db", table="t"), ["x"])
    back = ae.SQLiteSource(tmp_path / "w.db", table="t").reader().read_all()
    assert back["x"].to_pylist() == [text, None]


def test_allowing_a_column_that_is_not_there_is_an_error(tmp_path):
    rows = ae.ArrowSource(pa.table({"took": [1]}))
    with pytest.raises(SchemaError, match="did you mean 'took'"):
        run(rows, ae.CSVLoader(tmp_path / "x.csv"), ["tok"])
    with pytest.raises(ae.ConfigError, match="names of columns"):
        ae.Pipeline(allow_lossy=[1])


def test_allow_lossy_in_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = "source: {type: csv, path: in.csv, schema: {took: TIME_NS}}\n"
    Path("in.csv").write_text("took\n00:00:00.000000001\n")
    load = f"load: {{type: postgresql, uri: '{URI[0]}', table: from_file}}\n"
    Path("bad.yaml").write_text(source + load)
    with pytest.raises(SchemaError, match="nanoseconds are cut"):
        load_config("bad.yaml").run()
    for allowed in ("true", "[took]"):
        Path("good.yaml").write_text(source + load + f"settings: {{allow_lossy: {allowed}}}\n")
        load_config("good.yaml").run()
    back = ae.PostgreSQLSource(uri=URI[0], table="from_file").reader().read_all()
    assert back["took"].to_pylist() == [time(0), time(0)]


ANY = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(width=32),
    pa.float64(): st.floats(),
    pa.decimal128(38, 9): st.integers(-(10**38) + 1, 10**38 - 1).map(
        lambda n: Decimal(n).scaleb(-9, Context(prec=50))
    ),
    pa.string(): st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    pa.binary(): st.binary(max_size=9),
    pa.date32(): st.dates(),
    pa.time64("us"): st.times(),
    pa.timestamp("us"): st.datetimes(),
    pa.timestamp("us", "UTC"): st.datetimes(timezones=st.just(timezone.utc)),
    pa.duration("us"): st.timedeltas(timedelta(-99_999), timedelta(99_999)),
    pa.list_(pa.int64()): st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=3),
    pa.struct({"a": pa.string()}): st.fixed_dictionaries({"a": st.none() | st.text('ab"\\,é\n')}),
}


@st.composite
def columns(draw):
    rows = draw(st.integers(0, 5))
    kinds_ = draw(st.lists(st.sampled_from(list(ANY)), min_size=1, max_size=5, unique=True))
    drawn = (
        pa.array(draw(st.lists(st.none() | ANY[kind], min_size=rows, max_size=rows)), kind)
        for kind in kinds_
    )
    named = {f"c{number}": values for number, values in enumerate(drawn)}
    return pa.table({**named, "n": pa.array(range(rows), pa.int64())})


@pytest.mark.parametrize("place", PLACES)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(table=columns())
def test_any_values_become_what_is_said(place, table, tmp_path):
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    sink = PLACES[place].sink(folder)
    if place == "sqlite" and pa.uint64() in table.schema.types:
        at = table.schema.types.index(pa.uint64())
        table = table.filter(
            pc.fill_null(pc.less(table.column(at), pa.scalar(2**63, pa.uint64())), fill_value=True)
        )
    stored = sink.stored(table.schema)
    run(ae.ArrowSource(table), sink, allow=True)
    back = PLACES[place].source(folder, stored).reader().read_all()
    assert back["n"].to_pylist() == table["n"].to_pylist()
    for each in stored:
        values, got = (read[each.column].combine_chunks() for read in (table, back))
        assert got.type == (each.back or each.arrow), each.note
        left = lost(values, each) if each.fate is Fate.LOSSY else values
        assert equal(left, got), each.note
