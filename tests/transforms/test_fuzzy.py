"""Deduplicator, fuzzy: which rows stay, what is reported, whatever the batches and the order."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.testing import run_stage

CUSTOMERS = Path(__file__).parents[2] / "fixtures" / "customers"

NAMES = pa.table(
    {
        "name": [
            "Zoë Müller-Lange",
            "Jonathan Smithson",
            "Muller Lange, Zoe",
            None,
            "Jonathan Smithsen",
            "?!",
            "ZOE MÜLLER LANGE",
            None,
        ],
        "city": ["Ulm", "York", None, "Rome", "York", "Oslo", "Ulm", "Rome"],
        "score": [0.1, 0.9, 0.8, 0.5, 0.2, 0.5, None, 0.5],
    }
)


def fuzzy(table=NAMES, *, on="name", **options):
    return run_stage(ae.Deduplicator(on=on, method="fuzzy", **options), table)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [0, 1, 3, 5, 7]),
        ({"keep": "keep_last"}, [3, 4, 5, 6, 7]),
        ({"keep": "best_quality", "score_column": "score"}, [1, 2, 3, 5, 7]),
        # By how many values there are, the first of those.
        ({"keep": "best_quality"}, [0, 1, 3, 5, 7]),
        ({"threshold": 1}, [0, 1, 3, 4, 5, 7]),
    ],
)
def test_which_rows_stay(options, kept):
    table = NAMES.append_column("n", pa.array(range(8)))
    assert fuzzy(table, **options)["n"].to_pylist() == kept


def test_what_is_reported():
    found = fuzzy(report_column="repeats", similarity_column="alike")
    assert found["repeats"].to_pylist() == [None, None, 0, None, 1, None, 0, None]
    alike = found["alike"].to_pylist()
    assert (alike[2], alike[6]) == (1.0, 1.0)
    assert 0.45 <= alike[4] < 1
    assert [alike[row] for row in (0, 1, 3, 5, 7)] == [None] * 5
    assert found.drop_columns(["repeats", "alike"]).equals(NAMES)


def test_words_in_another_order_are_just_alike():
    chance = random.Random(1)  # the same in every run
    words = ["".join(chance.choices("abcdefgh", k=6)) for _ in range(400)]
    rows = []
    for _ in range(200):
        chosen = chance.sample(words, 9)
        rows += [" ".join(chosen), " ".join(reversed(chosen))]
    found = fuzzy(
        pa.table({"x": rows}), on="x", threshold=1, report_column="r", similarity_column="s"
    )
    assert found["r"].to_pylist()[1::2] == list(range(0, 400, 2))
    assert set(found["s"].to_pylist()) == {None, 1.0}


def test_types_are_those_that_were_said():
    table = pa.table(
        {
            "x": pa.array(["ann lee", "ann lee"], pa.large_string()),
            "d": pa.array(["a", "b"]).dictionary_encode(),
            "at": pa.array([0, 1], pa.timestamp("ms", tz="Europe/Berlin")),
            "f": pa.array([b"ab", b"cd"], pa.binary(2)),
        }
    )
    for method in ("exact", "fuzzy"):
        stage = ae.Deduplicator(on="x", method=method)
        pipeline = ae.Pipeline().extract(ae.ArrowSource(table)).transform(stage)
        made = pipeline.load(ae.ArrowLoader()).run().result.table
        assert made.schema.types == stage.bind(table.schema).types
        assert made.num_rows == 1
    half = pa.schema({"x": pa.string(), "h": pa.float16()})
    with pytest.raises(ae.SchemaError):
        ae.Deduplicator(on="x", method="fuzzy").bind(half)


def test_weights_in_another_order_are_the_same():
    one, other = (
        ae.Deduplicator(on=on, method="fuzzy") for on in ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    )
    assert one == other
    assert hash(one) == hash(other)


def test_several_columns_and_weights():
    table = pa.table(
        {
            "name": ["ann lee", "ann lee", "bob ray"],
            "city": ["oslo", "rome", "rome"],
            "n": [1, 2, 3],
        }
    )
    options = {"threshold": 0.5, "report_column": "repeats"}
    by_name = fuzzy(table, on={"name": 10, "city": 1}, **options)
    by_city = fuzzy(table, on={"name": 1, "city": 10}, **options)
    assert by_name["repeats"].to_pylist() == [None, 0, None]
    assert by_city["repeats"].to_pylist() == [None, None, 1]


def test_columns_of_any_type_are_compared_as_text():
    table = pa.table({"n": [1234567, 1234568, 5], "l": [["ab", "cd"], ["ab", "cd"], None]})
    assert fuzzy(table, on=None, report_column="r")["r"].to_pylist() == [None, 0, None]


def addresses(number, seed=1):
    chance = random.Random(seed)
    parts = ["ba", "ko", "ri", "mun", "ter", "sal", "dor", "vi", "lex", "on"]

    def word():
        return "".join(chance.choices(parts, k=3)).title()

    rows = [f"{word()} {word()}, {chance.randint(1, 99)} {word()} Road" for _ in range(number)]
    for row in chance.sample(range(number), number // 3):
        text = list(rows[chance.randrange(number)])
        text[chance.randrange(len(text))] = "x"
        rows[row] = "".join(text)
    return pa.table({"text": rows, "n": range(number)})


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batches_and_threads_make_no_difference(batch_size):
    table = addresses(400)
    stage = ae.Deduplicator(on="text", method="fuzzy", report_column="r", similarity_column="s")
    pipeline = ae.Pipeline(batch_size=batch_size, threads=2).extract(ae.ArrowSource(table))
    made = pipeline.transform(stage).load(ae.ArrowLoader()).run().result.table
    assert made.equals(run_stage(stage, table))
    assert made["r"].null_count < 400


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_decides_only_which_is_first(seed):
    table = addresses(120)
    order = np.random.default_rng(seed).permutation(120)

    def clusters(rows):
        found = fuzzy(rows, on="text", report_column="r").to_pylist()
        together = defaultdict(set)
        for at, row in enumerate(found):
            together[at if row["r"] is None else row["r"]].add(row["n"])
        return {frozenset(each) for each in together.values()}

    assert clusters(table.take(order)) == clusters(table)


def test_the_near_duplicates_among_the_messy_customers():
    names = ae.CSVSource(CUSTOMERS / "messy.csv").schema().names
    source = ae.CSVSource(CUSTOMERS / "messy.csv", schema=dict.fromkeys(names, "VARCHAR"))
    with gzip.open(CUSTOMERS / "truth.csv.gz") as file:
        truth = list(csv.DictReader(io.StringIO(file.read().decode())))
    bad = {int(r["record"]) for r in truth if r["kind"].startswith(("line_", "encoding_"))}
    records = [record for record in range(2, 12_002) if record not in bad]
    stage = ae.Deduplicator(on=names[1:], method="fuzzy", report_column="repeats")
    table = ae.Pipeline().extract(source).transform(stage).load(ae.ArrowLoader()).run().result.table
    repeats = table["repeats"].to_pylist()
    merged = {
        record
        for record, repeated in zip(records, repeats, strict=True)
        if repeated is not None
        for record in (record, records[repeated])
    }
    planted = {r["kind"]: set() for r in truth}
    for r in truth:
        if int(r["record"]) in set(records):
            planted[r["kind"]].add(int(r["record"]))
    assert planted["duplicate_exact"] <= merged
    assert len(planted["duplicate_near"] & merged) >= 0.99 * len(planted["duplicate_near"])
    copied = {r["duplicate_of"] for r in truth if r["duplicate_of"]}
    ids = dict(zip(records, table["customer_id"].to_pylist(), strict=True))
    copies = {int(r["record"]) for r in truth if r["duplicate_of"]}
    assert not {record for record in merged if record not in copies and ids[record] not in copied}


def test_the_usual_threshold_spares_short_texts_that_are_alike_by_chance():
    chance = random.Random(3)
    parts = ["ma", "ri", "an", "to", "el", "ka", "jo", "ha", "ne", "lu"]
    words = ["".join(chance.choices(parts, k=3)) for _ in range(400)]
    rows = sorted({f"{chance.choice(words)} {chance.choice(words)}" for _ in range(3000)})
    typos = [row[:-1] + "x" for row in rows[:100]]
    table = pa.table({"name": rows + typos})
    with ae.Deduplicator(on="name", method="fuzzy").find(table) as found:
        assert 0.7 <= found.threshold <= 0.8
        usual = found.report()
        assert len(found.rethreshold(0.45)) > 10 * len(usual)
    marked = fuzzy(table, report_column="r")["r"]
    assert np.flatnonzero(marked.is_valid()).tolist() == usual["row"].to_pylist()
    few = fuzzy(pa.table({"name": [rows[0], typos[0], "Bo Lee"]}), report_column="r")
    assert few["r"].to_pylist() == [None, 0, None]


def test_one_value_a_hundred_thousand_times():
    table = pa.table({"x": pa.array(["Ann Lee, 12 Main Street"] * 100_000)})
    assert fuzzy(table, on="x").num_rows == 1


def test_nothing_to_compare():
    for texts in ([], [None, None], ["", "--", None]):
        table = pa.table({"x": pa.array(texts, pa.string()), "y": range(len(texts))})
        assert fuzzy(table, on="x").equals(table)
        report = fuzzy(table, on="x", report_column="r", similarity_column="s")
        assert report["r"].null_count == report["s"].null_count == len(texts)


def test_hostile_names():
    table = pa.table({'a "b"; --': ["ann lee", "ann lee"], "id": [1, 2], "centre": [3, 4]})
    table = table.append_column("kept", pa.array([5, 6])).append_column("text", pa.array([7, 8]))
    assert fuzzy(table, on='a "b"; --').to_pylist() == table.slice(0, 1).to_pylist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "threshold is a number above 0"),
        ({"threshold": 45}, "threshold is a number above 0"),
        ({"similarity_column": "s"}, "needs 'fuzzy' and a report_column"),
        ({"on": {"name": -1}}, "the weight of 'name' is -1"),
        ({"on": {}}, "column"),
        ({"method": "fuzy"}, "did you mean 'fuzzy'"),
        ({"method": "exact", "on": {"name": 2}}, "no weights with method='exact'"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ae.ConfigError, match=message):
        ae.Deduplicator(**{"on": "name", "method": "fuzzy", **options})


def test_too_many_candidates_are_refused():
    with pytest.raises(ae.ConfigError, match="over the limit of 5"):
        fuzzy(addresses(3000), on="text", threshold=0.1, limit=5)


def test_schemas_that_do_not_fit():
    with pytest.raises(ae.SchemaError, match="no column 'nam'"):
        ae.Deduplicator(on="nam", method="fuzzy").bind(NAMES.schema)
    twins = ae.Deduplicator(on="name", method="fuzzy", report_column="r", similarity_column="R")
    with pytest.raises(ae.SchemaError, match="a column 'R' already"):
        twins.bind(NAMES.schema)
    with pytest.raises(ae.SchemaError, match="a column 'city' already"):
        ae.Deduplicator(on="name", method="fuzzy", report_column="city").bind(NAMES.schema)
