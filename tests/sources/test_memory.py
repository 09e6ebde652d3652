"""ArrowSource: what is in memory, without a copy, as often as it can be read."""

import pickle

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from arrowetl import SQL, Pipeline
from arrowetl.errors import ConfigError, ReadError, SchemaError
from arrowetl.sources.memory import ArrowSource
from tests.sources.reading import rows_of

TABLE = pa.table({"id": [1, 2, 3], "name": ["a", None, "c"]})
ROWS = [(1, "a"), (2, None), (3, "c")]


def again():
    return {
        "table": TABLE,
        "batch": TABLE.to_batches()[0],
        "pair": (TABLE.schema, TABLE.to_batches(max_chunksize=2)),
        "polars": pl.DataFrame(TABLE),
        "pandas": TABLE.to_pandas(),
        "struct array": TABLE.to_struct_array().combine_chunks(),
        "source": ArrowSource(TABLE),
        "columns": {"id": [1, 2, 3], "name": ["a", None, "c"]},
        "lazy frame": pl.DataFrame(TABLE).lazy(),
    }


def once():
    return {
        "reader": TABLE.to_reader(),
        "generator": (TABLE.schema, (batch for batch in TABLE.to_batches())),
        "iterator": (TABLE.schema, iter(TABLE.to_batches())),
    }


@pytest.mark.parametrize("kind", again())
def test_what_stays_is_read_again_and_again(kind):
    source = ArrowSource(again()[kind])
    for _ in range(2):
        assert source.schema().names == ["id", "name"]
        assert rows_of(source) == ROWS


@pytest.mark.parametrize("kind", once())
def test_what_streams_is_read_once(kind):
    source = ArrowSource(once()[kind])
    assert source.schema() == source.schema() == TABLE.schema
    assert rows_of(source) == ROWS
    with pytest.raises(ReadError, match=r"can be read once, and it was; read it into a table"):
        list(source.scan())


def test_a_duckdb_relation():
    with duckdb.connect() as connection:
        connection.register("t", TABLE)
        source = ArrowSource(connection.sql("SELECT * FROM t"))
        assert source.schema() == TABLE.schema
        assert rows_of(source) == ROWS


def test_a_stream_that_can_be_taken_once_is_not_used_up_by_its_schema():
    class Once:
        taken = False

        def __arrow_c_stream__(self, requested_schema=None):
            assert not self.taken
            self.taken = True
            return TABLE.__arrow_c_stream__(requested_schema)

    source = ArrowSource(Once())
    assert source.schema() == TABLE.schema
    assert [batch.num_rows for batch in source.scan()] == [3]


@pytest.mark.parametrize(
    "obj",
    [TABLE, TABLE.to_batches()[0], (TABLE.schema, TABLE.to_batches()), TABLE.to_reader()],
    ids=["table", "batch", "pair", "reader"],
)
def test_nothing_is_copied(obj):
    (batch,) = ArrowSource(obj).scan(columns=["name", "id"])
    assert batch.schema.names == ["name", "id"]
    for column in ("id", "name"):
        given = TABLE[column].chunk(0).buffers()
        assert [b and b.address for b in batch[column].buffers()] == [
            b and b.address for b in given
        ]


def test_a_polars_frame_is_not_copied():
    frame = pl.DataFrame({"x": [1, 2, 3]})
    (batch,) = ArrowSource(frame).scan()
    assert batch["x"].buffers()[1].address == frame["x"].to_arrow().buffers()[1].address


def test_batches_are_cut_as_views():
    parts = list(ArrowSource(TABLE).scan(batch_size=2))
    assert [part.num_rows for part in parts] == [2, 1]
    assert parts[1]["id"].buffers()[1].address == TABLE["id"].chunk(0).buffers()[1].address


def test_the_pandas_index_is_what_pandas_says():
    frame = pd.DataFrame({"x": [1, 2]}, index=pd.Index(["a", "b"], name="key"))
    assert ArrowSource(frame).schema().names == ["x", "key"]
    assert ArrowSource(frame.reset_index(drop=True)).schema().names == ["x"]
    assert ArrowSource(pd.DataFrame({"x": [1, 2]}, index=range(3, 5))).schema().names == ["x"]


@pytest.mark.parametrize("ids", [[10, 20, 30], [10, 20, 31]])
def test_a_named_pandas_index_is_a_column_also_where_it_is_evenly_spaced(ids):
    frame = pd.DataFrame({"id": ids, "x": [1, 2, 3]}).set_index("id")
    source = ArrowSource(frame)
    assert source.schema() == pa.schema({"x": pa.int64(), "id": pa.int64()})
    assert rows_of(source) == [(1, 10), (2, 20), (3, ids[2])]
    found = SQL("SELECT sum(id) AS ids FROM other, input", tables={"other": frame})
    got = Pipeline().extract({"one": [1]}).transform(found).reader().read_all()
    assert got["ids"].to_pylist() == [sum(ids)]


CATEGORY = pl.Series("c", ["b", "a", None, "b"], pl.Categorical)
WORDED = {
    "categorical": CATEGORY,
    "enum": CATEGORY.cast(pl.Enum(["a", "b"])),
    "list": pl.Series("c", [["b"], None, [], ["a", None]], pl.List(pl.Categorical)),
    "array": pl.Series("c", [["b"], None, [None], ["a"]], pl.Array(pl.Categorical, 1)),
    "struct": pl.Series("c", [{"k": "b"}, None, {"k": None}, {"k": "a"}]).cast(
        pl.Struct({"k": pl.Categorical})
    ),
}


@pytest.mark.parametrize("kind", WORDED)
def test_words_of_polars_can_be_taken_and_shown(kind):
    """pyarrow 26 can do neither with a dictionary of views."""
    frame = WORDED[kind].to_frame()
    for rows in (frame, frame.lazy(), (pa.table(frame).schema, pa.table(frame).to_batches())):
        source = ArrowSource(rows)
        table = source.reader().read_all()
        assert table.schema == source.schema()
        assert table["c"].to_pylist() == frame["c"].to_list()
    assert table.slice(1)["c"].to_pylist() == frame["c"].to_list()[1:]


def test_a_column_that_is_not_there():
    with pytest.raises(SchemaError, match="no column 'nmae'; did you mean 'name'"):
        ArrowSource(TABLE).scan(columns=["nmae"])


def test_two_columns_of_one_name():
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(SchemaError, match="two columns are called 'a'"):
        ArrowSource(table).schema()


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        ((batch for batch in TABLE.to_batches()), r"ArrowSource\(\(schema, batches\)\)"),
        ({1, 2}, "rows of Python objects are for PythonSource"),
        ([1, 2], "is no Arrow data"),
        (None, "is no Arrow data"),
        (pl.DataFrame, "is a class"),
        ((1, 2), "is no Arrow data"),
    ],
)
def test_what_is_no_arrow_data(obj, said):
    with pytest.raises(ConfigError, match=said):
        ArrowSource(obj)


def test_what_streams_no_rows_of_columns():
    with pytest.raises(ReadError, match="ArrowSource"):
        ArrowSource(pa.chunked_array([[1, 2]])).schema()


def test_batches_that_break_their_promise():
    wrong = pa.record_batch({"id": ["x"]})
    with pytest.raises(SchemaError, match="batch 1: column 'id' is string where int64"):
        list(
            ArrowSource(
                (pa.schema({"id": pa.int64()}), [pa.record_batch({"id": [1]}), wrong])
            ).scan()
        )
    with pytest.raises(ReadError, match="batch 0 is 7, not a RecordBatch"):
        list(ArrowSource((TABLE.schema, [7])).scan())


def test_no_rows():
    source = ArrowSource(TABLE.slice(0, 0))
    assert source.schema() == TABLE.schema
    assert rows_of(source) == []


def test_labels_and_sizes():
    assert ArrowSource(TABLE).label == "ArrowSource(pyarrow.Table)"
    assert ArrowSource(TABLE).size == TABLE.nbytes
    assert ArrowSource(TABLE).row_count() == 3
    assert ArrowSource(TABLE.to_reader()).size is None
    assert ArrowSource(TABLE.to_reader()).row_count() is None
    assert rows_of(pickle.loads(pickle.dumps(ArrowSource(TABLE)))) == ROWS


def test_any_arrow_library_takes_it():
    source = ArrowSource(TABLE)
    assert pl.DataFrame(source).rows() == ROWS
    assert pd.DataFrame.from_arrow(source)["id"].tolist() == [1, 2, 3]
    with duckdb.connect() as connection:
        connection.register("t", source.reader())
        assert connection.sql("SELECT sum(id) FROM t").fetchall() == [(6,)]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            {"status": "ok", "page": 1, "items": [{"id": 1}]},
            r"its 'status' is 'ok'; for the records in it give the list: obj\['items'\], for one",
        ),
        ({"id": 1, "tags": ["a"]}, r"its 'id' is 1; for one record give a list: \[obj\]"),
        ({"at": {"x": 1}}, r"its 'at' is {'x': 1}; for one record"),
    ],
)
def test_a_dict_that_is_a_record_says_what_to_give(answer, told):
    with pytest.raises(ConfigError, match=f"ArrowSource: a dict is columns of lists, and {told}"):
        Pipeline().extract(answer)


def test_columns_of_all_kinds_in_a_dict():
    numbers = np.array([1.5, 2.5, 3.5])
    source = ArrowSource(
        {
            "list": [1, None, 2],
            "numpy": numbers,
            "pandas": pd.Series(["a", None, "c"]),
            "polars": pl.Series([True, False, None]),
            "arrow": TABLE["id"],
            "dates": np.array(["2024-01-01", "NaT", "2024-01-03"], "datetime64[D]"),
        }
    )
    assert [str(kind) for kind in source.schema().types] == [
        "int64", "double", str(pa.array(pd.Series(["a"])).type), "bool", "int64", "date32[day]",
    ]  # fmt: skip
    (batch,) = source.scan()
    assert batch["numpy"].buffers()[1].address == numbers.ctypes.data
    assert batch["dates"].null_count == 1


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": [1, 2], "b": [1]}, "'a' has 2, 'b' has 1"),
        ({"a": [1, "x"]}, "column 'a': integer and text in one column"),
        ({"a": np.zeros((2, 2))}, "column 'a': only handle 1-dimensional arrays"),
        ({"a": [2.5, object()]}, "column 'a': object has no type in Arrow"),
    ],
)
def test_columns_that_are_no_table(columns, said):
    with pytest.raises(SchemaError, match=said):
        ArrowSource(columns).schema()


def test_a_lazy_frame_is_computed_as_it_is_read():
    seen = []
    frame = pl.LazyFrame({"x": range(10)}).map_batches(lambda part: seen.append(1) or part)
    source = ArrowSource(frame.with_columns(s=pl.lit("a").cast(pl.Categorical)))
    assert source.schema().names == ["x", "s"]
    assert not seen
    assert source.reader().read_all()["x"].to_pylist() == list(range(10))
    assert seen


OBJECTS = pl.DataFrame({"n": [1], "o": pl.Series([object()], dtype=pl.Object)})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pd.Series([1], name="a"), r"a Series .* make one with \.to_frame\(\)"),
        (pl.Series("a", [1]), r"a Series .* make one with \.to_frame\(\)"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), r"a DataFrame .*Duplicate column names"),
        (pd.DataFrame({"a": [b"x", 1]}), r"\(Expected bytes, got a 'int' object: .*column a"),
        (OBJECTS, r"column 'o' has Python objects .* make another type of it, or drop it"),
        (OBJECTS.lazy(), r"column 'o' has Python objects"),
    ],
)
def test_frames_that_are_no_tables_say_why(data, said):
    with pytest.raises(ReadError, match=said) as raised:
        ArrowSource(data).schema()
    assert str(raised.value).count("ArrowSource") == 1
