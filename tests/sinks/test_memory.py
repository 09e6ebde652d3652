"""ArrowLoader: the rows as a table."""

import pickle

import pyarrow as pa

import arrowetl as ae
from tests.sinks.loading import load

ROWS = pa.table({"x": [1, 2, 3]})


def test_the_table_is_there_after_the_commit():
    loader = ae.ArrowLoader()
    assert loader.table is None
    assert load(loader, ROWS) == 3
    assert loader.table.equals(ROWS)
    loader.begin(ROWS.schema)
    loader.write(ROWS.slice(0, 1).to_reader())
    assert loader.table.num_rows == 3
    loader.abort()
    loader.commit()
    assert loader.table.num_rows == 3
    load(loader, ROWS.slice(0, 0))
    assert loader.table.equals(ROWS.slice(0, 0))


def test_value_semantics():
    assert ae.ArrowLoader() == pickle.loads(pickle.dumps(ae.ArrowLoader()))
    assert repr(ae.ArrowLoader()) == "ArrowLoader()"
