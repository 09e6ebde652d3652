"""Random tables, and the slow, plain ways to look at them."""

from __future__ import annotations

import math
from itertools import pairwise

import pyarrow as pa
from hypothesis import strategies as st

from arrowetl.instances import Instance
from arrowetl.sql import nest

FLOATS = st.sampled_from([0.0, -0.0, 1.5, -2.25, math.nan, math.inf, 1e300, 1e-300, 0.1, 0.2])
COLUMNS = {
    "k": (pa.string(), st.sampled_from(["", "a", "A", "b", " ", "é", "n/a"])),
    "n": (pa.int32(), st.integers(-3, 3)),
    "x": (pa.float64(), FLOATS),
    "big": (pa.int64(), st.sampled_from([2**62, -(2**62), 1, 0])),
    "b": (pa.bool_(), st.booleans()),
    "l": (pa.list_(pa.int8()), st.lists(st.integers(0, 1), max_size=2)),
}


@st.composite
def tables(draw, *names):
    """Draw a table of the named columns, nulls among the values, cut into random chunks."""
    rows = draw(st.integers(0, 25))
    columns = []
    for name in names or tuple(COLUMNS):
        kind, values = COLUMNS[name]
        cells = st.lists(st.one_of(st.none(), values), min_size=rows, max_size=rows)
        columns.append(pa.array(draw(cells), kind))
    table = pa.table(columns, names=list(names or COLUMNS))
    edges = [0, *sorted(draw(st.lists(st.integers(0, rows), max_size=3))), rows]
    return pa.concat_tables(table.slice(low, high - low) for low, high in pairwise(edges))


def run(stage, table, *, threads=2):
    """Run a stage over the table's own chunks, empty ones too; SQL with so many threads."""
    bound = stage.bind(table.schema)
    batches = [b for chunk in _chunks(table) for b in chunk]
    select = getattr(stage, "select", lambda _: None)(table.schema)
    if select is None or threads is None:
        made = list(stage.process(iter(batches)))
        return pa.Table.from_batches(made, made[0].schema if made else bound)
    with Instance(threads=threads) as connection:
        reader = pa.RecordBatchReader.from_batches(table.schema, batches)
        connection.register("rows", reader)
        return connection.sql(nest(["SELECT * FROM rows", select])).to_arrow_table()


def _chunks(table):
    yield [
        pa.RecordBatch.from_arrays(
            [pa.array([], f.type) for f in table.schema], schema=table.schema
        )
    ]
    yield table.to_batches()


def canonical(value):
    """Give what a value counts as: NaN is one value, and so are both zeros."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    if isinstance(value, list):
        return tuple(map(canonical, value))
    if isinstance(value, dict):
        return tuple((k, canonical(v)) for k, v in value.items())
    return value


def rows_of(table):
    """Give the rows with values as they count, in their order."""
    return [tuple(canonical(v) for v in row.values()) for row in table.to_pylist()]
