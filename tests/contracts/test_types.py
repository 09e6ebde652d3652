"""Types that widen lose nothing; a value is cast only where nothing of it is lost."""

import datetime as dt
import math

import pyarrow as pa
import pytest

from arrowetl.contracts.types import cast, plain, sql_type, type_of, widens, word_of
from arrowetl.instances import Instance

US = pa.timestamp("us")
VALUES = {
    pa.int8(): [-128, 0, 127],
    pa.int32(): [-(2**31), 2**31 - 1],
    pa.int64(): [-(2**63), 2**53 + 1, 2**63 - 1],
    pa.uint8(): [0, 255],
    pa.uint32(): [2**32 - 1],
    pa.uint64(): [2**64 - 1],
    pa.float32(): [0.5, -0.0, math.inf, math.nan],
    pa.float64(): [0.1, 1e300, -math.inf, math.nan, 5e-324],
    pa.decimal128(5, 2): ["-999.99", "0.01"],
    pa.decimal128(20, 0): ["9" * 20],
    pa.decimal128(38, 10): ["1" * 28 + ".0000000001"],
    pa.date32(): [dt.date(1, 1, 1), dt.date(9999, 12, 31)],
    pa.timestamp("s"): [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)],  # noqa: DTZ001
    pa.timestamp("ms"): [dt.datetime(9999, 12, 31, 1, 2, 3, 4000)],  # noqa: DTZ001
    US: [dt.datetime(9999, 12, 31, 1, 2, 3, 4)],  # noqa: DTZ001
    pa.timestamp("ns"): [dt.datetime(2024, 2, 29, 1, 2, 3, 4)],  # noqa: DTZ001
    pa.timestamp("us", "UTC"): [dt.datetime(2024, 2, 29, tzinfo=dt.timezone.utc)],
    pa.string(): ["x"],
    pa.bool_(): [True, False],
    pa.null(): [None],
}


def ran(expression, given, kind):
    with Instance(threads=1) as connection:
        rows = pa.table(
            {
                "x": pa.array(given).cast(kind)
                if pa.types.is_decimal(kind)
                else pa.array(given, kind)
            }
        )
        connection.register("rows", rows)
        return connection.sql(f"SELECT {expression} AS y FROM rows").to_arrow_table()["y"]


@pytest.mark.parametrize("old", VALUES, ids=str)
def test_types_that_widen_lose_nothing(old):
    for new in VALUES:
        if new in {old, pa.null()} or not widens(old, new):
            continue
        there = ran(f"CAST(x AS {sql_type(new)})", VALUES[old], old)
        back = f"CAST(CAST(x AS {sql_type(new)}) AS {sql_type(old)})"
        assert there.type == new
        came = ran("x", VALUES[old], old)
        assert repr(ran(back, VALUES[old], old).to_pylist()) == repr(came.to_pylist()), (old, new)


def test_which_types_widen():
    found = {str(old): [str(new) for new in VALUES if widens(old, new)] for old in VALUES}
    assert found["int8"] == [
        *("int8", "int32", "int64", "float", "double"),
        *("decimal128(5, 2)", "decimal128(20, 0)", "decimal128(38, 10)"),
    ]
    assert found["int64"] == ["int64", "decimal128(20, 0)", "decimal128(38, 10)"]
    assert found["uint32"][:3] == ["int64", "uint32", "uint64"]
    assert found["double"] == ["double"]
    assert found["decimal128(5, 2)"] == ["decimal128(5, 2)", "decimal128(38, 10)"]
    assert found["date32[day]"][1:] == ["timestamp[s]", "timestamp[ms]", "timestamp[us]"]
    assert found["timestamp[ms]"] == ["timestamp[ms]", "timestamp[us]"]
    assert found["timestamp[us, tz=UTC]"] == ["timestamp[us, tz=UTC]"]
    assert (found["string"], found["bool"]) == (["string"], ["bool"])
    assert len(found["null"]) == len(VALUES)


@pytest.mark.parametrize(
    ("texts", "new", "expected"),
    [
        (["7", "-7", "+7", "007", "1.0", "1e3", " 7", "", "x", "9" * 19], pa.int64(), [7, -7, 7]),
        (["255", "256", "-1"], pa.uint8(), [255]),
        (["1.50", "1.500", "1.505", "12345", ".5", "-.5", "x"], pa.decimal128(5, 2), None),
        (["1", "1.5", "1e3", "inf", "x", "0x1"], pa.float64(), [1.0, 1.5, 1e3, math.inf]),
        (["1e400", "-1e400", "1e-400", "0e9", "-inf"], pa.float64(), [0.0, -math.inf]),
        (["1e39", "1e-60", "0.0"], pa.float32(), [0.0]),
        (["9007199254740993", "9007199254740992"], pa.float64(), [2.0**53]),
        (["007", "00.5", "0.50", "0.1", "12345678901234567890"], pa.float64(), [0.5, 0.1]),
        (["16777217", "16777216"], pa.float32(), [2.0**24]),
        (["true", "FALSE", "yes", "1"], pa.bool_(), [True, False]),
        (["2024-02-29", "2023-02-29", "2024-2-9", "2024-02-29 10:00"], pa.date32(), None),
        (["2024-02-29 10:00:00.5", "2024-02-29T10:00", "2024-02-29 10:00:00Z"], US, None),
        (["10:00:00", "25:00:00", "10:00"], pa.time64("us"), [dt.time(10)]),
        (["2024-02-29 10:00:00+02", "2024-02-29 10:00:00"], pa.timestamp("us", "UTC"), None),
    ],
)
def test_texts_are_cast_if_they_are_written_as_the_type_is(texts, new, expected):
    found = ran(cast("x", pa.string(), new), texts, pa.string()).to_pylist()
    kept = [each for each in found if each is not None]
    by_hand = {
        "decimal128(5, 2)": ["1.50", "1.50", "0.50", "-0.50"],
        "date32[day]": ["2024-02-29"],
        "timestamp[us]": ["2024-02-29 10:00:00.500000", "2024-02-29 10:00:00"],
        "timestamp[us, tz=UTC]": ["2024-02-29 08:00:00+00:00"],
    }
    assert [str(each) for each in kept] == by_hand.get(str(new), list(map(str, expected or [])))


@pytest.mark.parametrize(
    ("values", "old", "new", "expected"),
    [
        ([1.0, 1.5, math.nan, 1e300, -0.0], pa.float64(), pa.int64(), [1, None, None, None, 0]),
        ([1, 300], pa.int64(), pa.int8(), [1, None]),
        ([2**53, 2**53 + 1], pa.int64(), pa.float64(), [2.0**53, None]),
        ([0.5, 0.1], pa.float64(), pa.float32(), [0.5, None]),
        ([1, 0, 2], pa.int64(), pa.bool_(), [True, False, None]),
        ([1.5, 1.505], pa.float64(), pa.decimal128(5, 2), ["1.50", None]),
        ([7, None], pa.int64(), pa.string(), ["7", None]),
        ([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, 1)], US, pa.date32(), None),  # noqa: DTZ001
    ],
)
def test_values_are_cast_if_they_come_out_again(values, old, new, expected):
    found = ran(cast("x", old, new), values, old)
    wanted = [dt.date(2024, 1, 1), None] if expected is None else expected
    assert list(map(str, found.to_pylist())) == list(map(str, wanted))


@pytest.mark.parametrize(
    "kind", [*VALUES, pa.binary(), pa.time64("us"), pa.large_string()], ids=str
)
def test_words_are_types(kind):
    assert type_of(word_of(kind)) == plain(kind)
