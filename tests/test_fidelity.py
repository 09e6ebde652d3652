"""What the type-fidelity matrix says is what happens: real loads, read back by the real sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
import pytest
from hurting import values_of

import arrowetl as ae
from arrowetl.duck import connect
from arrowetl.errors import SchemaError, WriteError
from arrowetl.fidelity import TYPES
from arrowetl.stage import Sink, Source
from arrowetl.testing import same
from arrowetl.typemap import Fate, Stored, duckable

Stores = Sequence[Stored]


@dataclass(frozen=True)
class Place:
    """A destination, and the source that reads it back."""

    sink: Callable[[Path], Sink]
    source: Callable[[Path, Stores], Source]


def csv_back(folder: Path, stored: Stores) -> Source:
    declared = {each.column: each.declared for each in stored}
    return ae.CSVSource(folder / "x.csv", schema=declared, header=True, quoted_nulls=False)


def duckdb_back(folder: Path, stored: Stores) -> Source:
    with closing(connect()) as connection:
        connection.execute(f"ATTACH '{folder}/x.db' AS d (READ_ONLY)")
        return ae.ArrowSource(connection.sql("FROM d.main.t").to_arrow_table())


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
    "duckdb": Place(lambda folder: ae.DuckDBLoader(folder / "x.db", table="t"), duckdb_back),
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
    if lossy and stored[0].rare is None:
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
    if back.type != values.type:
        try:
            back = back.cast(values.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            return equal_in_duckdb(values, back)
    if kinds.is_timestamp(values.type):  # Python's end at the year 9999, in any zone
        values, back = (each.view(pa.int64()) for each in (values, back))
    return same(pa.table({"x": values}), pa.table({"x": back}))


def equal_in_duckdb(values: pa.Array, back: pa.Array) -> bool:
    one, other = (
        pa.table({"x": in_duckdb(each), "n": range(len(each))}) for each in (values, back)
    )
    with closing(connect()) as connection:
        connection.register("one", one)
        connection.register("other", other)
        (kind, _) = connection.sql("FROM one").types
        nested = kinds.is_nested(values.type) and kinds.is_string(back.type)
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
    """Cut nanoseconds off durations and intervals, at any depth, toward zero."""
    if kinds.is_duration(values.type):
        return pc.divide(values.view(pa.int64()), 1000).view(pa.duration("us"))
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
        assert back.type != kind
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
