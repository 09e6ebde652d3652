"""Statistics of parts merge into those of the whole, and are what slow Python says."""

from __future__ import annotations

import math
import statistics as slow
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiling.profiles import profile

from arrowetl.duck import describing
from arrowetl.errors import SchemaError
from arrowetl.profiling import _spread, statistics
from arrowetl.profiling._forms import FormLook, with_nines
from arrowetl.profiling.correlations import Products
from arrowetl.profiling.numbers import SHARES, Numbers
from arrowetl.profiling.readings import READINGS
from arrowetl.profiling.statistics import Statistics, statistics_of
from arrowetl.profiling.values import KEPT, Counted, Values
from arrowetl.sampling import RowSample, hashed


@dataclass(frozen=True)
class Shaped:
    """A pattern of a test's own."""

    name: str
    title: str
    pii: str | None
    shape: str
    digits: tuple[int, int] | None = None

    def sql(self, text: str) -> str:
        return f"regexp_full_match({text}, '{self.shape}')"


PATTERNS = {
    "email": Shaped("email", "e-mail address", "email", "[^@ ]+@[^@ ]+"),
    "word": Shaped("word", "word", None, "[a-z]+"),
}
ANY_DOUBLE = st.floats(allow_nan=True, allow_infinity=True)


def of(table: pa.Table, batch_size: int | None = None, **options: object) -> Statistics:
    return statistics_of(table.to_batches(batch_size), table.schema, PATTERNS, **options)


@given(st.lists(ANY_DOUBLE, max_size=30), st.lists(ANY_DOUBLE, max_size=30))
def test_numbers_of_parts_merge_into_those_of_the_whole(left, right):
    parts = [Numbers.of(np.array(each, np.float64)) for each in (left, right)]
    assert parts[0].merge(parts[1]) == Numbers.of(np.array(left + right, np.float64))


@given(st.lists(ANY_DOUBLE, min_size=1, max_size=40))
def test_numbers_are_what_exact_arithmetic_says(values):
    found = Numbers.of(np.array(values)).statistics()
    finite = sorted(each for each in values if math.isfinite(each))
    assert found.count == len(finite)
    assert found.nans == sum(map(math.isnan, values))
    assert found.infinities == len(values) - len(finite) - found.nans
    if not finite:
        assert (found.minimum, found.mean, found.histogram) == (None, None, None)
        return
    assert (found.minimum, found.maximum) == (finite[0], finite[-1])
    exact = sum(map(Fraction, finite))
    assert found.mean == pytest.approx(float(exact / len(finite)), rel=0, abs=0)
    assert found.zeros == finite.count(0)
    assert found.negatives == sum(each < 0 for each in finite)
    assert found.whole == sum(each.is_integer() for each in finite)
    for quantile in found.quantiles:
        assert quantile.value == finite[max(0, math.ceil(quantile.at * len(finite)) - 1)]
    assert sum(found.histogram.counts) == len(finite)


@given(st.lists(st.floats(-1e100, 1e100), min_size=2, max_size=40))
def test_the_deviation_is_the_true_one(values):
    mean = sum(map(Fraction, values)) / len(values)
    variance = sum((Fraction(each) - mean) ** 2 for each in values) / (len(values) - 1)
    found = Numbers.of(np.array(values)).statistics().std
    below, above = (Fraction(math.nextafter(found, each)) for each in (0, math.inf))
    assert below**2 <= variance <= above**2


def test_the_deviation_of_numbers_far_from_zero_loses_nothing():
    values = np.array([1e9, 1e9 + 1, 1e9 + 2] * 1000)
    assert Numbers.of(values).statistics().std == pytest.approx(slow.stdev(values), rel=1e-15)


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(1, 5)), max_size=20))
def test_weights_are_repetitions(pairs):
    values = np.array([value for value, _ in pairs], np.float64)
    counts = np.array([count for _, count in pairs], np.int64)
    assert Numbers.of(values, counts) == Numbers.of(np.repeat(values, counts))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e12])
def test_quantiles_of_many_numbers_are_as_near_as_they_say(scale):
    values = np.random.default_rng(7).lognormal(size=50_000) * scale
    whole = Numbers.of(values)
    parts = [Numbers.of(part) for part in np.split(values, [10, 20_000])]
    assert parts[0].merge(parts[1]).merge(parts[2]) == whole
    assert parts[2].merge(parts[0].merge(parts[1])) == whole
    assert len(whole.spread.keys) <= _spread.LIMIT
    found, ordered = whole.statistics(), np.sort(values)
    assert 0 < found.quantile_error < 1e-3
    for quantile in found.quantiles:
        true = ordered[math.ceil(quantile.at * len(values)) - 1]
        assert abs(quantile.value - true) <= found.quantile_error * true
    assert [each.at for each in found.quantiles] == list(SHARES)


def counted(values: list[int]) -> Values:
    found = Counter(values)
    keys = np.array(list(found), np.int64)
    return Values.of(Counted(hashed(keys), np.array(list(found.values())), pa.array(keys)))


@given(st.lists(st.integers(-5, 5)), st.lists(st.integers(-5, 5)))
def test_few_values_are_counted_exactly(left, right):
    merged = counted(left).merge(counted(right))
    assert merged == counted(left + right)
    best, missed = merged.top(20)
    assert missed == 0
    found = dict(zip(best.values.to_pylist(), best.counts.tolist(), strict=True))
    assert found == Counter(left + right)
    assert merged.distinct(10).count == len(set(left + right))


def test_many_values_are_estimated_and_frequent_ones_found():
    draws = np.random.default_rng(3).zipf(1.2, 200_000) % 10**9
    parts = [counted(part.tolist()) for part in np.array_split(draws, 5)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    whole, true = counted(draws.tolist()), Counter(draws.tolist())
    assert (merged.sample, merged.cut) == (whole.sample, True)
    distinct = merged.distinct(200_000)
    assert merged.distinct(KEPT).count == KEPT
    assert not distinct.exact
    assert abs(distinct.count / len(true) - 1) < 4 * distinct.error
    best, missed = merged.top(10)
    for value, count in zip(best.values.to_pylist(), best.counts.tolist(), strict=True):
        assert count <= true[value] <= count + missed
    assert best.values[0].as_py() == true.most_common(1)[0][0]
    assert not merged.unique


def test_different_values_are_known_to_be():
    assert counted(list(range(KEPT * 3))).unique
    assert not counted([*range(KEPT * 3), *range(KEPT)]).unique


CELLS = st.sampled_from(
    ["", "N/A", " x ", "12", "007", "1.50", "1e3", "2024-01-31", "31/12/2024", "01/02/2024",
     "12:30", "yes", "No", "ada@example.org", "é", "line\nline", "2024-01-31T10:00:00Z", None]
)  # fmt: skip
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            'te"xt': CELLS,
            "x": st.none() | ANY_DOUBLE,
            "n": st.none() | st.integers(-(2**63), 2**63 - 1),
            "flag": st.none() | st.booleans(),
            "at": st.none() | st.dates(),
            "deep": st.none() | st.fixed_dictionaries({"a": st.none() | st.lists(CELLS)}),
        }
    ),
    max_size=12,
)
SCHEMA = pa.schema(
    [
        ('te"xt', pa.string()),
        ("x", pa.float64()),
        ("n", pa.int64()),
        ("flag", pa.bool_()),
        ("at", pa.date32()),
        ("deep", pa.struct([("a", pa.list_(pa.string()))])),
    ]
)


def without_maps(found: Statistics) -> dict[str, object]:
    """Give what has to be the same for every part; where stretches end may differ."""
    from dataclasses import replace

    return {name: replace(column, stretches=()) for name, column in found.columns.items()}


@settings(max_examples=15, deadline=None)
@given(ROWS, ROWS)
def test_statistics_of_parts_merge_into_those_of_the_whole(left, right):
    tables = [pa.Table.from_pylist(rows, SCHEMA) for rows in (left, right, left + right)]
    one, two, whole = map(of, tables)
    assert one.merge(two).rows == whole.rows
    assert without_maps(one.merge(two)) == without_maps(whole)


@pytest.fixture
def small_chunks(monkeypatch):
    """Let ten rows be a chunk, so that columns are merged from many."""
    monkeypatch.setattr(statistics, "CHUNK", 10)


TABLE = pa.Table.from_pylist(
    [
        {
            'te"xt': ["1", " 2.5", "n/a", None, "ada@example.org", "07"][n % 6],
            "x": [0.1, -0.0, math.nan, 1e300, None][n % 5],
            "n": n * n,
            "flag": n % 3 == 0,
            "at": None,
            "deep": {"a": ["x"] * (n % 4)},
        }
        for n in range(47)
    ],
    SCHEMA,
)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batches_dont_matter(batch_size):
    assert of(TABLE, batch_size, correlations=True).columns == of(TABLE).columns


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("first", [20, 40, 60])
@pytest.mark.parametrize("turns", [False, True])
def test_personal_data_that_begin_in_any_chunk_are_counted(monkeypatch, first, turns):
    monkeypatch.setattr(statistics, "CHUNK", 1000)
    words = [f"word {n}" for n in range(first * 100)]
    mails = [f"ada{n}@example.org" if n % 2 or not turns else "word" for n in range(1000)]
    found = of(pa.table({"c": words + mails})).columns["c"]
    assert found.texts.patterns["email"] == sum("@" in each for each in mails)
    assert found.late == {"email"}
    assert not of(pa.table({"c": mails})).columns["c"].late


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("kind", "values", "shown"),
    [
        (pa.int64(), [2**53 + 1, 1], ("1", "9007199254740993")),
        (pa.int64(), [-(2**63), None], ("-9223372036854775808",) * 2),
        (pa.uint64(), [2**64 - 1, 3], ("3", "18446744073709551615")),
        (pa.decimal128(19, 2), ["-99999999999999999.99", "1.50"], ("-99999999999999999.99", "1.5")),
        (pa.decimal256(50, 2), ["9" * 48, "-1"], ("-1", "9" * 48)),
        (pa.decimal32(5, 2), ["1.50", "-2"], ("-2", "1.5")),
        (pa.decimal128(5, 2), [None], (None, None)),
    ],
)
def test_ends_have_all_digits(kind, values, shown):
    values = [Decimal(each) if isinstance(each, str) else each for each in values]
    rows = pa.table({"n": pa.array([*values, *[None] * 20, *values], kind)})
    [column] = profile(rows).columns
    assert (column.minimum, column.maximum) == shown


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["9007199254740993", "-5"], ("-5", "9007199254740993")),
        (["1234567890.1234567892", "1234567890.1234567891"],
         ("1234567890.1234567891", "1234567890.1234567892")),
        (["-" + "9" * 30, "7.5"], ("-" + "9" * 30, "7.5")),
    ],
)  # fmt: skip
def test_ends_of_numbers_in_texts_have_all_digits(texts, shown):
    [column] = profile(pa.table({"n": [texts[0], *[None] * 20, texts[1]]})).columns
    assert (column.minimum, column.maximum) == shown


def test_statistics_count_what_is_there():
    found = of(TABLE).columns
    text = found['te"xt']
    assert (text.rows, text.nulls) == (47, 8)
    assert text.texts.words == {"n/a": 8}
    assert text.texts.readings["integer"] == 8 + 7
    assert text.texts.readings["decimal"] == 8 + 8 + 7
    assert text.texts.traits["leading_zeros"] == 7
    assert text.texts.traits["padded"] == 8
    assert text.texts.patterns == {"email": 8}
    assert found["deep"].nulls == 0
    assert (
        found["deep.a"].lengths.total
        == Numbers.of(np.array([n % 4 for n in range(47)]) * 1.0).total
    )
    assert found["deep.a[]"].rows == sum(n % 4 for n in range(47))
    assert found["flag"].trues == 16
    assert found["at"].nulls == 47
    assert found["n"].values.distinct(47).count == 47


def test_rows_of_other_columns_dont_merge():
    other = of(pa.table({"x": [1]}))
    with pytest.raises(SchemaError, match="can't be added"):
        of(TABLE).merge(other)
    said = "'x' is int64 in the first, string in the second. Give all parts one schema"
    with pytest.raises(SchemaError, match=f"only the first have 'y'; {said}"):
        of(pa.table({"x": [1], "y": [2]})).merge(of(pa.table({"x": ["a"]})))


EVERY = pa.table(
    {
        "null": pa.nulls(3),
        "i8": pa.array([1, None, -1], pa.int8()),
        "u64": pa.array([2**64 - 1, 0, None], pa.uint64()),
        "half": pa.array(np.array([1, 2, 3], np.float16)),
        "decimal": pa.array([None, 1, 2], pa.decimal128(30, 2)),
        "wide": pa.array([None, 1, 2], pa.decimal256(60, 2)),
        "date64": pa.array([0, None, 86_400_000], pa.date64()),
        "time": pa.array([1, None, 2], pa.time32("s")),
        "ns": pa.array([1, None, 2], pa.timestamp("ns", "Europe/Berlin")),
        "span": pa.array([1, None, 2], pa.duration("ms")),
        "months": pa.array([(1, 2, 3), None, (0, 0, 1)], pa.month_day_nano_interval()),
        "bytes": pa.array([b"a", None, b"\xff"], pa.binary()),
        "fixed": pa.array([b"ab", None, b"cd"], pa.binary(2)),
        "view": pa.array(["a", None, "1"], pa.string_view()),
        "words": pa.array(["a", None, "a"]).dictionary_encode(),
        "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int8())),
        "pair": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)),
        "lists": pa.array([[[1], []], None, [None]], pa.large_list(pa.list_(pa.int8()))),
        "none": pa.array([{}, None, {}], pa.struct([])),
    }
)


@pytest.mark.parametrize("rows", [0, 3])
@pytest.mark.parametrize("column", EVERY.column_names)
def test_columns_of_every_type_have_statistics(column, rows):
    table = EVERY.select([column]).slice(0, rows)
    found = of(table)
    assert found.columns[column].rows == rows
    assert found.columns[column].nulls == (table[column].null_count if rows else 0)
    assert found.merge(found).rows == 2 * rows


def test_elements_of_missing_lists_arent_counted():
    found = of(EVERY).columns
    assert found["map[].key"].rows == 1
    assert found["pair[]"].rows == 4
    assert found["lists[]"].rows == 3
    assert found["lists[][]"].rows == 1


def test_correlations_are_pearsons():
    rng = np.random.default_rng(5)
    x, noise = rng.normal(size=2000), rng.normal(size=2000)
    columns = [x, 1e9 - 3 * x, x + noise, np.full(2000, 7.0)]
    names = ["x", "down", "near", "same"]
    whole = Products.of(names, columns)
    cuts = [[each[a:b] for each in columns] for a, b in ((0, 3), (3, 1500), (1500, 2000))]
    one, two, three = (Products.of(names, each) for each in cuts)
    for products in (whole, one.merge(two).merge(three)):
        found = {(each.left, each.right): each.coefficient for each in products.correlations()}
        assert found["x", "down"] == -1
        assert found["x", "near"] == pytest.approx(np.corrcoef(x, x + noise)[0, 1], abs=1e-6)
        assert not any("same" in pair for pair in found)


def test_correlations_leave_out_what_is_missing():
    table = pa.table({"a": [1.0, 2.0, None, 4.0, math.inf], "b": [2, 4, 6, None, 8]})
    found = of(table, correlations=True).products.correlations()
    assert [(each.coefficient, each.rows) for each in found] == [(1.0, 2)]


@pytest.mark.parametrize("size", [1, 10, 99, 100, 500])
def test_a_sample_is_the_same_for_every_batch_size(size):
    table = pa.table({"x": range(100)})

    def taken(batch_size: int) -> list[int]:
        sample = RowSample(size, seed=4)
        for batch in table.to_batches(batch_size):
            sample.see(batch)
        return [x for batch in sample.batches() for x in batch["x"].to_pylist()]

    assert taken(1) == taken(7) == taken(100) == sorted(set(taken(100)))
    assert len(taken(1)) == min(size, 100)


def test_every_row_is_as_likely_to_be_in_a_sample():
    taken: Counter[int] = Counter()
    rows = pa.record_batch({"x": range(50)})
    for seed in range(2000):
        sample = RowSample(10, seed=seed)
        sample.see(rows)
        taken.update(sample.batches()[0]["x"].to_pylist())
    assert min(taken.values()) > 400 - 5 * 18
    assert max(taken.values()) < 400 + 5 * 18


READABLE = st.one_of(
    st.from_regex(each.shape.replace("(?i)", ""), fullmatch=True) for each in READINGS.values()
)


@given(st.lists(READABLE | st.text(max_size=12), min_size=1, max_size=30, unique=True))
def test_what_a_form_says_is_true_of_every_text_that_has_it(texts):
    with describing() as connection:
        found = FormLook(connection).at(pa.array(texts), np.ones(len(texts), np.int64))
        tests = (f"regexp_full_match(t, $${each.shape}$$)" for each in READINGS.values())
        asked = ", ".join(f"list({each})" for each in tests)
        table = pa.table({"t": texts})
        [answers] = connection.from_arrow(table).aggregate(asked).fetchall()
    assert found.some() == {each: any(a) for each, a in zip(READINGS, answers, strict=True)}
    assert found.all() == {each: all(a) for each, a in zip(READINGS, answers, strict=True)}
    assert int(found.counts.sum()) == len(texts)
    lengths = Counter(len(each) for each in texts if each.isascii() and each.isdecimal())
    assert found.digits() == lengths


@given(st.lists(st.text(), max_size=20), st.integers(0, 5))
def test_nines_take_the_place_of_digits_and_of_nothing_else(texts, start):
    nines = str.maketrans(dict.fromkeys("0123456789", "9"))
    sliced = pa.array(texts, pa.string()).slice(start)
    assert with_nines(sliced).to_pylist() == [each.translate(nines) for each in texts[start:]]


def test_forms_are_forgotten_when_they_are_many(monkeypatch):
    monkeypatch.setattr("arrowetl.profiling._forms._REMEMBERED", 2)
    with describing() as connection:
        look = FormLook(connection)
        for texts in (["1", "12", "123"], ["a-1", "12"], ["1.5"]):
            found = look.at(pa.array(texts), np.ones(len(texts), np.int64))
            assert len(found.forms) == len(texts)
