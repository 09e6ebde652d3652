"""PythonSource: rows that are objects become columns; what doesn't fit is told, never bent."""

import pickle
from collections import UserDict, namedtuple
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import arrowetl as ae
from arrowetl.errors import ConfigError, ReadError, SchemaError
from tests.sources.reading import rows_of

NOON = datetime(2024, 2, 29, 12)  # noqa: DTZ001 - a time without a zone is the case
UTC = timezone.utc
ROWS = [{"id": 1, "name": "Ada"}, {"id": 2}, {"name": "Bob", "id": 3}]
READ = [(1, "Ada"), (2, None), (3, "Bob")]


def read(source, **options):
    """Give the rows, and of the rejected ones code, column and reason."""
    rows = pa.Table.from_batches(source.scan(**options), source.schema()).to_pydict()
    rejected = [row for batch in source.rejected(None) for row in batch.to_pylist()]
    return list(zip(*rows.values(), strict=True)), rejected


@dataclass
class Person:
    id: int
    name: str | None = None


class Model(BaseModel):
    id: int
    name: str | None = None


Pair = namedtuple("Pair", "id name")  # noqa: PYI024 - the plain one is the case


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        tuple(ROWS),
        [UserDict(row) for row in ROWS],
        [Person(1, "Ada"), Person(2), Person(3, "Bob")],
        [Model(id=1, name="Ada"), Model(id=2), Model(id=3, name="Bob")],
        [Pair(1, "Ada"), Pair(2, None), Pair(3, "Bob")],
        lambda: ROWS,
        lambda: (row for row in ROWS),
        dict(enumerate(ROWS)).values(),
    ],
    ids=["list", "tuple", "mappings", "dataclasses", "models", "namedtuples", "function",
         "generators", "view"],
)  # fmt: skip
def test_rows_of_all_kinds_are_read_again_and_again(rows):
    source = ae.PythonSource(rows)
    for _ in range(2):
        assert source.schema() == pa.schema([("id", pa.int64()), ("name", pa.string())])
        assert rows_of(source) == READ


def test_what_is_made_once_is_read_once():
    source = ae.PythonSource(row for row in ROWS)
    assert source.schema().names == ["id", "name"]
    assert rows_of(source) == READ
    with pytest.raises(
        ReadError, match="can be read once, and it was; give a list, or the function"
    ):
        rows_of(source)


def test_a_generator_is_read_as_it_is_needed():
    made = []

    def rows():
        for number in range(100_000):
            made.append(number)
            yield {"x": number}

    batches = ae.PythonSource(rows(), sample_size=10).scan(batch_size=50)
    assert next(batches).num_rows == 50
    assert len(made) == 50
    batches.close()


def test_rows_without_names_have_them_from_the_schema():
    source = ae.PythonSource([(1, "Ada"), [2, None]], schema={"id": "INT", "name": pa.string()})
    assert source.schema() == pa.schema([("id", pa.int32()), ("name", pa.string())])
    assert read(source) == ([(1, "Ada"), (2, None)], [])


TYPES = [
    ([None], pa.null()),
    ([True, None], pa.bool_()),
    ([1, -(2**63)], pa.int64()),
    ([2**64 - 1, 0], pa.uint64()),
    ([2**64, -5], pa.decimal128(38, 0)),
    ([1, 2.5], pa.float64()),
    ([np.int32(1), 2], pa.int64()),
    ([np.float32(1.5), 2.0], pa.float64()),
    ([np.bool_(True)], pa.bool_()),
    ([Decimal(1), Decimal("1.55"), 3], pa.decimal128(38, 2)),
    (["a", "é☃"], pa.string()),
    ([b"a", bytearray(b"b")], pa.binary()),
    ([date(2024, 1, 1)], pa.date32()),
    ([NOON], pa.timestamp("us")),
    ([NOON.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")),
    ([NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=timezone(timedelta(hours=9)))],
     pa.timestamp("us", "UTC")),
    ([time(12)], pa.time64("us")),
    ([timedelta(1)], pa.duration("us")),
    ([pd.Timestamp(1), NOON], pa.timestamp("ns")),
    ([pd.Timestamp(1_000)], pa.timestamp("us")),
    ([pd.Timedelta(1)], pa.duration("ns")),
    ([UUID(int=1)], pa.uuid()),
    ([[1, None], [], None], pa.list_(pa.int64())),
    ([np.array([1.5]), (2.5,)], pa.list_(pa.float64())),
    ([{"a": 1}, {"b": [{"c": "x"}]}],
     pa.struct([("a", pa.int64()), ("b", pa.list_(pa.struct([("c", pa.string())])))])),
    ([IntEnum("Kind", "A B").A], pa.int64()),
]  # fmt: skip


@pytest.mark.parametrize(("values", "kind"), TYPES, ids=[str(kind) for _, kind in TYPES])
def test_types_are_found_out(values, kind):
    source = ae.PythonSource([{"x": value} for value in values])
    assert source.schema() == pa.schema([("x", kind)])
    table = source.reader().read_all()
    assert table.schema == source.schema()
    table.validate(full=True)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            [1, 2, "x", 3],
            "integer and text in one column; .* in row 3: 'x'. Mend it, or say schema=",
        ),
        ([True, 1], "in row 2: 1"),
        ([NOON, date(2024, 1, 1)], "date and date-time"),
        ([NOON, NOON.replace(tzinfo=UTC)], "with a time zone and without"),
        (["a", b"a"], "bytes and text"),
        ([[1], ["a"]], "integer and text"),
        ([{"a": 1}, {"a": "x"}], "integer and text"),
        ([{1: 2}], "keys are text"),
        ([object()], "object has no type in Arrow"),
        ([Enum("Kind", "A").A], "Kind has no type in Arrow; give its value"),
        ([1j], "complex has no type in Arrow"),
        ([Decimal("NaN")], "a decimal that is NaN"),
        ([10**39], "more than 38 digits"),
        ([time(1, tzinfo=UTC)], "a time of day with a zone"),
    ],
)
def test_rows_that_do_not_fit_together_are_told_before_any_is_read(values, said):
    with pytest.raises(SchemaError, match=f"column 'x' has .*{said}"):
        ae.PythonSource([{"x": value} for value in values]).schema()


@pytest.mark.parametrize(
    ("first", "later", "said"),
    [
        (1, "5", "column 'x' holds '5' (str), which doesn't fit int64"),
        (1, 2.5, "column 'x' holds 2.5 (float), which doesn't fit int64"),
        (1, float("inf"), "column 'x' holds inf (float), which doesn't fit int64"),
        (1, True, "column 'x' holds True (bool), which doesn't fit int64"),
        (1, 2**63, "which doesn't fit int64"),
        (2.5, 2**53 + 1, "which doesn't fit double"),
        ("a", b"a", "column 'x' holds b'a' (bytes), which doesn't fit string"),
        ("a", "\ud800", "which doesn't fit string"),
        (date(2024, 1, 1), NOON, "which doesn't fit date32[day]"),
        (NOON, date(2024, 1, 1), "which doesn't fit timestamp[us]"),
        (NOON, NOON.replace(tzinfo=UTC), "which doesn't fit timestamp[us]"),
        (NOON.replace(tzinfo=UTC), NOON, "which doesn't fit timestamp[us, tz=UTC]"),
        (Decimal("1.5"), Decimal("1.55"), "which doesn't fit decimal128(38, 1)"),
        (Decimal("1.5"), Decimal("NaN"), "which doesn't fit decimal128(38, 1)"),
        ({"a": 1}, {"a": 1, "b": 2}, "which doesn't fit struct<a: int64>"),
        ([{"a": 1}], [{"b": 1}], "which doesn't fit list"),
        ([1], ["a"], "which doesn't fit list<item: int64>"),
        ([1], 1, "which doesn't fit list<item: int64>"),
        (None, 1, "which doesn't fit null"),
        (time(1), time(1, tzinfo=UTC), "which doesn't fit time64[us]"),
        (NOON, pd.Timestamp(1), "which doesn't fit timestamp[us]"),
    ],
)
def test_a_later_row_that_does_not_fit_is_set_apart(first, later, said):
    rows = [{"n": 1, "x": first}, {"n": 2, "x": later}, {"n": 3, "x": first}]
    for batch_size in (1, 10):
        source = ae.PythonSource(iter(rows), sample_size=1)
        good, (rejected,) = read(source, batch_size=batch_size)
        assert [row[0] for row in good] == [1, 3]
        assert rejected["reason"].startswith("row 2: ")
        assert said in rejected["reason"]
        assert (rejected["reason_code"], rejected["column"]) == ("cast", "x")
        assert rejected["source"]["line"] == 2


FINE = NOON.replace(microsecond=1_000)
SHORT = [
    ("TIMESTAMP_S", NOON, FINE),
    (pa.timestamp("ms", "UTC"), FINE.replace(tzinfo=UTC), FINE.replace(microsecond=1, tzinfo=UTC)),
    (pa.time32("s"), NOON.time(), FINE.time()),
    (pa.time32("ms"), FINE.time(), time(1, microsecond=1)),
    (pa.duration("s"), timedelta(1), timedelta(microseconds=1)),
    (pa.timestamp("us"), pd.Timestamp(1_000), pd.Timestamp(1)),
    ("FLOAT", 0.1, 1e39),
    ("FLOAT", 16_777_218.0, 16_777_217.0),
    ("FLOAT", 6.02214076e23, -1e39),
    ("FLOAT", float("inf"), 16_777_217),
    (pa.float16(), 2_048, 2_049),
    (pa.float32(), None, 10**400),
    ("FLOAT[]", [0.1, None], [1e39]),
    ("MAP(VARCHAR, INT)", {"k": 1.0}, {"k": 1.5}),
    ("MAP(INT, INT)", {1: 1}, {1.5: 1}),
    ("STRUCT(t TIME)", {"t": time(1)}, {"t": time(1, tzinfo=UTC)}),
]


@pytest.mark.parametrize(("kind", "fits", "spoilt"), SHORT)
def test_a_value_that_a_short_type_would_spoil_is_set_apart(kind, fits, spoilt):
    source = ae.PythonSource([{"x": fits}, {"x": spoilt}], schema={"x": kind})
    good, (rejected,) = read(source)
    assert len(good) == 1
    assert rejected["source"]["line"] == 2


def test_what_loses_nothing_fits():
    rows = [{"x": 1, "y": 1.5, "z": NOON.replace(tzinfo=UTC)}]
    later = {"x": 2.0, "y": 2, "z": NOON.replace(tzinfo=timezone(timedelta(hours=9)))}
    source = ae.PythonSource(iter([*rows, later]), sample_size=1)
    moment = datetime(2024, 2, 29, 3, tzinfo=UTC)
    assert read(source)[0][1] == (2, 2.0, moment)


def test_a_key_that_the_sample_had_not():
    rows = [{"a": 1}, {"a": 2, "b": 3}, {"a": 4}]
    good, (rejected,) = read(ae.PythonSource(iter(rows), sample_size=1))
    assert good == [(1,), (4,)]
    assert rejected["reason"] == (
        "row 2: has the key 'b', which no row of the sample has; give schema="
    )
    assert (rejected["reason_code"], rejected["text"]) == ("unexpected_key", '{"a":2,"b":3}')
    assert read(ae.PythonSource(rows, schema={"a": "BIGINT"})) == ([(1,), (2,), (4,)], [])
    assert read(ae.PythonSource(rows)) == ([(1, None), (2, 3), (4, None)], [])


def test_what_is_no_row():
    source = ae.PythonSource(iter([{"a": 1}, 5, None, {"a": 2}]), sample_size=1)
    good, rejected = read(source)
    assert good == [(1,), (2,)]
    assert [row["reason"] for row in rejected] == [
        "row 2: is 5 (int), not a dict",
        "row 3: is None (NoneType), not a dict",
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "there are no rows, so no columns; give schema="),
        ([{}], "there are no rows, so no columns"),
        ([{"a": 1}, 5], "row 2 is 5 (int), not a dict; rows without names need schema="),
        ([(1, 2)], "row 1 is (1, 2) (tuple), not a dict"),
        ([{1: 2}], "the key 1 is no column's name"),
    ],
)
def test_rows_without_a_schema(rows, said):
    with pytest.raises(SchemaError) as error:
        ae.PythonSource(rows).schema()
    assert said in str(error.value)


def test_no_rows_with_a_schema():
    source = ae.PythonSource([], schema={"a": "INT"})
    assert source.reader().read_all().schema == pa.schema([("a", pa.int32())])


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (5, {}, "5 is no rows"),
        ("text", {}, "is no rows"),
        ({"a": [1]}, {}, "is no rows"),
        (dict, {}, "is no rows"),
        ([], {"sample_size": 0}, "sample_size"),
        ([], {"on_error": "skip"}, "on_error"),
        ([], {"schema": {"a": "nonsense"}}, "nonsense"),
    ],
)
def test_wrong_options(rows, options, said):
    with pytest.raises(ConfigError, match=said):
        ae.PythonSource(rows, **options)


def test_errors_of_the_rows_own_are_raised_as_they_are():
    def rows():
        yield {"a": 1}
        raise RuntimeError("the pages have ended")

    pipeline = ae.Pipeline().extract(ae.PythonSource(rows(), sample_size=1))
    with pytest.raises(RuntimeError, match="the pages have ended"):
        pipeline.load(ae.ArrowLoader()).run()
    with pytest.raises(ReadError, match="the function gave 5, not rows"):
        ae.PythonSource(lambda: 5).schema()


def test_raise():
    source = ae.PythonSource([{"a": 1}, {"a": "x"}], schema={"a": "INT"}, on_error="raise")
    with pytest.raises(ReadError, match=r"row 2: column 'a' holds 'x' \(str\)"):
        ae.Pipeline().extract(source).load(ae.ArrowLoader()).run()


def test_a_pickle():
    source = pickle.loads(pickle.dumps(ae.PythonSource(ROWS, schema={"id": "INT"})))
    assert rows_of(source) == [(1,), (2,), (3,)]


def test_columns_that_nobody_needs_are_not_looked_at():
    source = ae.PythonSource([{"a": 1, "b": "x"}], schema={"a": "INT", "b": "INT"})
    pipeline = ae.Pipeline().extract(source).transform("SELECT a FROM input")
    assert pipeline.load(ae.ArrowLoader()).run().result.records_loaded == 1


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=3),
    st.binary(max_size=3), st.dates(), st.datetimes(), st.datetimes(timezones=st.just(UTC)),
    st.decimals(-1000, 1000, places=2), st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 3), max_size=2),
)  # fmt: skip


@settings(max_examples=90, deadline=None)
@given(st.lists(st.fixed_dictionaries({"x": SCALARS}), min_size=1), st.integers(1, 3))
def test_each_row_arrives_as_it_was_or_is_set_apart(rows, batch_size):
    """Whatever comes, and however it is cut: as many as came, each equal to what it was."""
    try:
        source = ae.PythonSource(iter(rows), sample_size=1)
        source.schema()
    except SchemaError:
        return
    good, rejected = read(source, batch_size=batch_size)
    bad = {row["source"]["line"] for row in rejected}
    assert len(good) + len(bad) == len(rows)
    kept = [row["x"] for number, row in enumerate(rows, 1) if number not in bad]
    for (arrived,), was in zip(good, kept, strict=True):
        lacking = dict.fromkeys(arrived, None) if isinstance(was, dict) else {}
        expected = {**lacking, **was} if lacking else was
        assert arrived == expected or (arrived != arrived and was != was)  # noqa: PLR0124 - NaN
