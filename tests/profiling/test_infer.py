"""SchemaInferrer: what it finds in texts, and what it says of the messy customers."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import pickle
from pathlib import Path

import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.errors import ConfigError, SchemaError
from arrowetl.profiling._shown import masked
from arrowetl.profiling.profile import Profile

CUSTOMERS = Path(__file__).parents[2] / "fixtures" / "customers"
SOME = ["email", "ipv4", "uuid"]
"""Patterns that cost little."""


def inferred(texts: list[str | None], **options: object) -> tuple[str, str | None] | None:
    options = {"patterns": SOME, **options}
    found = ae.SchemaInferrer(**options).profile(pa.table({"c": texts})).column("c").inferred
    return found and (found.type, found.format)


@pytest.mark.parametrize(
    ("texts", "type_", "format_"),
    [
        (["1", "-2", " 3 ", "N/A", None], "int64", None),
        (["1.50", "22", "-.5"], "decimal128(4, 2)", None),
        (["1e3", "2.5"], "double", None),
        (["0.30000000000000004", "0.1"], "double", None),
        (["1234567890.1234567891", "1234567890.1234567892"], "decimal128(20, 10)", None),
        (["1" * 30 + ".5"], "decimal128(31, 1)", None),
        (["12345678901234567", "2"], "int64", None),
        (["1" * 35, "2"], "decimal128(35, 0)", None),
        (["yes", "No", "YES"], "bool", None),
        (["2024-01-31", "2023-12-01"], "date32[day]", "%Y-%m-%d"),
        (["20240131", "20231201"], "date32[day]", "%Y%m%d"),
        (["31.12.2024", "01.02.2024"], "date32[day]", "%d.%m.%Y"),
        (["31/12/2024", "01/02/2024"], "date32[day]", "%d/%m/%Y"),
        (["12/31/2024", "01/02/2024"], "date32[day]", "%m/%d/%Y"),
        (["3 Mar 2024", "14 Dec 2023"], "date32[day]", "%d %b %Y"),
        (["2024-01-31 10:00:00", "2024-01-31 11:30:59"], "timestamp[us]", "%Y-%m-%d %H:%M:%S"),
        (["2024-01-31T10:00:00Z", "2024-01-31T10:00:00+02:00"], "timestamp[us, tz=UTC]", None),
        (["10:30", "23:59:59.5"], "time64[us]", None),
    ],
)
def test_texts_have_the_type_that_all_of_them_can_be_read_as(texts, type_, format_):
    assert inferred(texts) == (type_, format_)


@pytest.mark.parametrize(
    "texts",
    [
        ["01067", "80331", "99999"],
        ["4242424242424242", "5.54E+15", "4000056655665556"],
        ["01/02/2024", "03/04/2024"],
        ["12", "x", "y"],
        ["a", "b"],
        ["y", "y"],
        ["", "N/A", None],
        [],
        ["99999999999999999999", "x"],
        [str(10**39 + each) for each in range(40)],
        ["1"] * 95 + ["1" * 40] * 5,
        ["1e400", "2.5"],
        ["1e-400", "2.5"],
        ["1.2345678901234567891e5", "1.5e3"],
        ["2024-02-30", "2024-13-01"],
    ],
)
def test_texts_stay_texts(texts):
    assert inferred(pa.array(texts, pa.string())) is None


def test_numbers_that_a_double_would_round_are_told_and_rejected():
    ids = pa.table({"c": [str(10**39 + each) for each in range(40)]})
    [caution] = ae.SchemaInferrer(patterns=SOME).profile(ids).cautions
    assert caution.text.startswith("39 of 40 (97.50%) have more digits than a double keeps")

    rows = pa.table({"c": ["0.5", "1e3"] * 1000 + ["1" * 20 + ".5", "1e400"]})
    pipeline = ae.Pipeline().extract(rows).transform(ae.SchemaInferrer(cast=True, patterns=SOME))
    result = pipeline.load(ae.ArrowLoader()).run().result
    assert result.table["c"].type == pa.float64()
    assert (result.table.num_rows, sum(each.records for each in result.rejected)) == (2000, 2)


@pytest.mark.parametrize("form", ["%m-%d-%Y", "%d.%m.%Y", "%d-%m-%Y"])
def test_dates_are_no_telephone_numbers(form):
    days = [dt.date(2024, 1, 1) + dt.timedelta(each) for each in range(252)]
    texts = pa.table({"c": [each.strftime(form) for each in days]})
    found = ae.SchemaInferrer(patterns=["phone"]).profile(texts).column("c")
    assert (found.inferred.format, found.pii) == (form, ())


def test_no_value_that_is_shown_is_personal_data():
    rows = pa.table({"c": ["ada@example.org", "x", "y"] * 10, "n": range(30)})
    for options in ({}, {"show_values": True}, {"detect_pii": False}):
        found = ae.SchemaInferrer(patterns=SOME, **options).profile(rows).column("c")
        assert not found.pii
        shown = (found.minimum, *(each.value for each in found.top), *(found.enum or ()))
        assert ("ada@example.org" in shown) == bool(options)
        assert (found.enum is None) == (not options)


def test_a_pattern_that_shows_up_late_is_said_to_be_at_least_so_frequent(monkeypatch):
    monkeypatch.setattr("arrowetl.profiling.statistics.CHUNK", 100)
    rows = pa.table({"c": ["x"] * 200 + [f"ada{n}@example.org" for n in range(300)]})
    found = ae.SchemaInferrer(patterns=SOME).profile(rows)
    assert found.column("c").pii[0].evidence[0].startswith("at least 300 of 500 values have")
    assert Profile.from_json(found.to_json()) == found


def test_who_knows_which_comes_first_says_so():
    assert inferred(["01/02/2024", "03/04/2024"], day_first=True)[1] == "%d/%m/%Y"
    assert inferred(["01/02/2024", "03/04/2024"], day_first=False)[1] == "%m/%d/%Y"


@pytest.mark.parametrize("form", ["{0:02}/{1:02}/2023", "{1:02}/{0:02}/2023"])
def test_dates_that_are_all_written_in_one_way_are_no_caution(form):
    dates = [form.format(day, month) for day in range(1, 29) for month in range(1, 13)]
    inferrer = ae.SchemaInferrer(patterns=SOME)
    assert inferrer.profile(pa.table({"d": dates})).cautions == ()
    odd = inferrer.profile(pa.table({"d": [*dates, form.format(1, 30)]}))
    assert "mixed_dates" in {each.kind for each in odd.cautions}


def test_a_type_needs_confidence():
    texts = ["1"] * 95 + ["x"] * 5
    assert inferred(texts) == ("int64", None)
    assert inferred(texts, confidence=0.99) is None


def test_a_column_called_email_that_holds_dates_holds_no_addresses():
    rows = pa.table({"Email Address": ["2024-01-31", "2024-02-01"], "x": ["a@b.org", "c@d.org"]})
    found = ae.SchemaInferrer(patterns=SOME).profile(rows)
    assert found.column("Email Address").pii == ()
    assert found.column("x").pii[0].label == "email"
    assert found.column("x").top[0].value == "x@x.xxx"


def test_values_of_personal_data_are_nowhere_in_a_profile():
    rows = pa.table(
        {"mail": ["secretive@example.org", "b@example.org"], "name": ["Secretive", "B"]}
    )
    inferrer = ae.SchemaInferrer(patterns=SOME)
    assert "ecretive" not in inferrer.profile(rows).to_json()
    shown = ae.SchemaInferrer(patterns=SOME, show_values=True).profile(rows)
    assert "secretive@example.org" in shown.to_json()
    assert ae.SchemaInferrer(detect_pii=False, patterns=SOME).profile(rows).column("mail").pii == ()


CARDS = [4111111111111111, 5500005555555559, 4012888888881881]


@pytest.mark.parametrize(
    "values",
    [
        pa.array(CARDS),
        pa.array(CARDS, pa.uint64()).dictionary_encode(),
        pa.array([*map(float, CARDS), None]),
        pa.array(CARDS, pa.decimal128(19, 0)),
        pa.array(CARDS, pa.decimal256(50, 3)),
        pa.array([f"{card}.0" for card in CARDS]),
    ],
    ids=lambda values: str(values.type),
)
def test_card_numbers_are_seen_in_numbers_too(values):
    found = ae.SchemaInferrer(patterns=["credit_card"]).profile(pa.table({"n": values}))
    assert [each.label for each in found.column("n").pii] == ["credit_card"]
    assert found.column("n").pii[0].count == 3
    assert not any(f"{card}"[:6] in found.to_json() for card in CARDS)


def test_card_numbers_are_seen_in_what_is_nested():
    rows = pa.table({"a": [{"b": [CARDS[0]]}] * 3})
    found = ae.SchemaInferrer(patterns=["credit_card"]).profile(rows)
    assert [each.label for each in found.column("a.b[]").pii] == ["credit_card"]


@pytest.mark.parametrize(
    ("name", "first", "label"),
    [
        ("tel", 15551230001, "phone"),
        ("card_number", 4111111111111111, "credit_card"),
        ("ssn", 536904399, "us_ssn"),
        ("zip", 10115, "postal_code"),
        ("birthDate", 19870605, "birth_date"),
        ("passport_no", 123456789, "passport"),
        ("token_count", 1200, None),
        ("cards", 0, None),
        ("mobile", 10, None),
        ("address_id", 1, None),
        ("id", 1000, None),
        ("order", 4000000000000, None),
        ("at", 1_700_000_000_000, None),
        ("at_ns", 1_700_000_000_000_000_000, None),
    ],
)
def test_the_digits_of_numbers_are_evidence_together_with_the_name(name, first, label):
    numbers = range(first, first + 400)
    kept = {
        "number": pa.array(numbers),
        "double": pa.array(map(float, numbers)),
        "text": pa.array(map(str, numbers)),
        "written as a double": pa.array([f"{each}.0" for each in numbers]),
    }
    for kind, values in kept.items():
        inferrer = ae.SchemaInferrer(patterns=["credit_card"])
        found = inferrer.profile(pa.table({name: values}))
        column = found.column(name)
        assert [each.label for each in column.pii] == ([label] if label else []), kind
        assert (column.numbers is None) == bool(label)
        assert not label or str(first) not in found.to_json()


def test_numbers_are_no_postal_codes_unless_their_name_says_so():
    codes = [str(n) for n in range(1000, 1400)]
    found = ae.SchemaInferrer().profile(pa.table({"id": codes, "plz": codes}))
    assert found.column("id").patterns == ()
    assert "postal_code_at" in {each.name for each in found.column("plz").patterns}


def test_masks_show_how_a_value_is_written():
    assert masked("Łódź 7/É") == "Xxxx 9/X"


def test_keys_and_enums_come_with_evidence():
    rows = pa.table(
        {
            "id": [str(n) for n in range(100)],
            "state": ["open", "done"] * 50,
            "n": list(range(100)),
            "x": [n / 2 for n in range(100)],
        }
    )
    found = ae.SchemaInferrer(patterns=[]).profile(rows)
    assert found.column("id").key == "all 100 values are different"
    assert found.column("n").key
    assert found.column("x").key is None
    assert found.column("state").enum == ("open", "done") or found.column("state").enum == (
        "done",
        "open",
    )
    assert found.column("id").nullable_evidence == "no null in 100"
    assert found.schema().field("id") == pa.field("id", pa.int64(), nullable=False)


MANY = 20_000
UNSEEN = "k2"
"""A value that the first look doesn't keep."""


class Slow(ae.Source):
    """A source that only Python reads."""

    def __init__(self, table):
        self.table = table

    def schema(self):
        return self.table.schema

    def scan(self, *, columns=None, batch_size=1000):
        rows = self.table if columns is None else self.table.select(columns)
        yield from rows.to_batches(max_chunksize=batch_size)


def many(tmp_path):
    """A table of more values than a look counts, and how else it can be read."""
    keys = [f"k{n}" for n in range(MANY)]
    twin = pa.table({"id": range(MANY), "key": keys, "twin": [*keys[:-1], UNSEEN]})
    ae.Pipeline().extract(twin).load(ae.ParquetLoader(tmp_path / "many.parquet")).run()
    return [twin, ae.ParquetSource(tmp_path / "many.parquet"), Slow(twin)]


def test_a_second_look_counts_the_values_of_what_may_be_keys(tmp_path):
    inferrer = ae.SchemaInferrer(patterns=SOME)
    for data in many(tmp_path):
        once, twice = inferrer.profile(data), inferrer.profile(data, exact_keys=True)
        assert once.column("twin").key.startswith("none of 8,192 values")
        for column in ("id", "key"):
            found = twice.column(column)
            assert (found.distinct.count, found.distinct.exact, found.distinct.looks) == (
                MANY,
                True,
                2,
            )
            assert found.key == "all 20,000 values are different, counted in a second look"
        twin = twice.column("twin")
        assert (twin.key, twin.distinct.count, twin.distinct.exact) == (None, MANY - 1, True)
        assert Profile.from_json(twice.to_json()) == twice
        rules = [rule for rule in inferrer.rules(data) if rule.unique]
        assert [rule.column for rule in rules] == ["id", "key"]


def test_a_second_look_at_other_rows_says_nothing(tmp_path):
    inferrer = ae.SchemaInferrer(patterns=SOME)
    table = many(tmp_path)[0]

    class Growing(Slow):
        def scan(self, **options):
            yield from super().scan(**options)
            self.table = pa.concat_tables([self.table, table.slice(0, 1)])

    found = inferrer.profile(Growing(table), exact_keys=True)
    assert not found.column("id").distinct.exact
    assert found.column("id").key.startswith("none of 8,192 values")


def test_a_second_look_isnt_for_samples_nor_for_what_is_read_once(tmp_path):
    table = many(tmp_path)[0]
    inferrer = ae.SchemaInferrer(patterns=SOME, sample_size=10_000)
    assert inferrer.profile(table, exact_keys=True).column("id").distinct.looks == 1
    with pytest.raises(ConfigError, match="has them once: give a source or a table"):
        ae.SchemaInferrer(patterns=SOME).profile(table.to_reader(), exact_keys=True)
    assert ae.SchemaInferrer(patterns=SOME).rules(table.to_reader())


def test_a_sample_says_that_it_is_one():
    rows = pa.table({"x": pa.array(range(1000), pa.int64())})
    found = ae.SchemaInferrer(sample_size=100, seed=3, patterns=[]).profile(rows)
    assert (found.rows, found.sample.of, found.sample.seed) == (100, 1000, 3)
    assert found.column("x").nullable_evidence.startswith("no null in a sample of 100 (with 95 %")
    assert found.schema().field("x").nullable


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_a_profile_doesnt_depend_on_batches(batch_size):
    rows = pa.table({"x": [str(n % 50) for n in range(200)]})
    reader = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(batch_size))
    for options in ({}, {"sample_size": 20}):
        inferrer = ae.SchemaInferrer(patterns=[], **options)
        if not options:
            assert inferrer.profile(reader).columns == inferrer.profile(rows).columns
    sampled = ae.SchemaInferrer(patterns=[], sample_size=20)
    again = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(batch_size))
    assert sampled.profile(again).columns == sampled.profile(rows).columns


def test_a_profile_of_files_is_that_of_their_merged_statistics():
    one, two = pa.table({"x": ["1", "n/a"]}), pa.table({"x": ["2.5", "x@y.org"]})
    inferrer = ae.SchemaInferrer(patterns=SOME)
    merged = inferrer.statistics(one).merge(inferrer.statistics(two))
    whole = inferrer.profile(pa.concat_tables([one, two]))
    assert inferrer.profile_of(merged).column("x").types == whole.column("x").types
    assert inferrer.profile_of(merged).column("x").top == whole.column("x").top


def test_a_profile_is_the_same_after_json():
    found = ae.SchemaInferrer(patterns=SOME, correlations=True).profile(
        pa.table({"x": [1.0, float("nan"), None], "y": [1, 2, 3], "t": ["a", None, "ä"]})
    )
    assert Profile.from_json(found.to_json()) == found
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": "x"}', "null"])
def test_what_isnt_a_profile_is_refused(text):
    with pytest.raises(ConfigError, match="Profile"):
        Profile.from_json(text)


def test_in_a_pipeline_rows_pass_and_the_profile_is_the_summary():
    rows = pa.table({"at": ["2024-01-31", "2024-02-01"], 'q"': [1, None]})
    pipeline = ae.Pipeline().extract(rows).transform(ae.SchemaInferrer(patterns=SOME))
    result = pipeline.load(ae.ArrowLoader()).run().result
    assert result.table.equals(rows)
    summary = result.stages[1].summary.to_pylist()
    assert [each["column"] for each in summary] == ["at", 'q"']
    assert summary[0]["inferred"] == "date32[day]"
    assert summary[1]["nulls"] == 1


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_texts_are_cast_and_what_doesnt_fit_is_rejected(batch_size, tmp_path):
    rows = pa.table(
        {
            'n "x"': [" 1 ", "2", "N/A", None, "x", *["7"] * 30],
            "price": ["1.5", "2", "3.25", "4", "5", *["1.00"] * 30],
            "at": ["31.01.2024", "-", "01.02.2024", "30.02.2024", None, *["02.02.2024"] * 30],
            "code": ["01", *["2"] * 34],
        }
    )
    pipeline = ae.Pipeline(
        batch_size=batch_size, dead_letters=ae.ParquetLoader(tmp_path / "dead")
    ).extract(rows)
    pipeline.transform(ae.SchemaInferrer(cast=True, patterns=[]))
    pipeline.transform("SELECT * FROM input")
    result = pipeline.load(ae.ArrowLoader()).run().result
    assert result.table.schema.types == [
        pa.int64(),
        pa.decimal128(3, 2),
        pa.date32(),
        pa.string(),
    ]
    assert result.table.num_rows == 33
    assert result.table['n "x"'].to_pylist()[:4] == [1, 2, None, 7]
    assert str(result.table["price"][0].as_py()) == "1.50"
    assert result.table["at"].to_pylist()[1] is None
    assert [stage.records_rejected for stage in result.stages].count(2) == 1


NEEDS_NUMBERS = [
    ae.Filter("n > 5"),
    ae.QualityScorer(rules=[ae.Rule("n", range=(0, 100))]),
    ae.AnomalyDetector(columns=["n"]),
    ae.Aggregator([], aggregations={"total": ("n", "sum")}),
    ae.SQL("SELECT n + 1 AS m FROM input"),
]
DIGITS = pa.table({"n": [str(number) for number in range(50)]})


@pytest.mark.parametrize("stage", NEEDS_NUMBERS, ids=lambda stage: stage.label)
def test_what_needs_types_behind_casts_says_how_to_declare_them(stage):
    pipeline = ae.Pipeline().extract(DIGITS).transform(ae.SchemaInferrer(cast=True))
    with pytest.raises(SchemaError, match=r"Only rows tell SchemaInferrer .* put a Cast") as caught:
        pipeline.transform(stage).plan()
    assert caught.value.where == stage.label
    assert "\n" not in str(caught.value)

    pipeline = ae.Pipeline().extract(DIGITS).transform(ae.SchemaInferrer(cast=True))
    pipeline.transform(ae.Cast({"n": "BIGINT"})).transform(stage).load(ae.ArrowLoader()).run()
    assert pipeline.result.table.num_rows


def test_a_destination_of_other_types_behind_casts_says_how_to_declare_them(tmp_path):
    there = ae.DuckDBLoader(tmp_path / "x.duckdb", table="t", on_schema_change="freeze")
    ae.Pipeline().extract(pa.table({"n": [1]})).load(there).run()
    pipeline = ae.Pipeline().extract(DIGITS).transform(ae.SchemaInferrer(cast=True)).load(there)
    with pytest.raises(SchemaError, match="Only rows tell SchemaInferrer"):
        pipeline.plan()


def test_a_column_that_isnt_there_is_no_matter_of_types():
    pipeline = ae.Pipeline().extract(DIGITS).transform(ae.SchemaInferrer(cast=True))
    with pytest.raises(SchemaError, match=r"no column 'm'\. Columns: n$"):
        pipeline.transform(ae.Filter("m > 5")).plan()


def test_what_cannot_be_cast_is_told_in_the_users_words():
    rows = pa.table({"at": [*["31/01/2024"] * 30, "x"], "n": [*["1"] * 30, "2"]})
    pipeline = ae.Pipeline().extract(rows).transform(ae.SchemaInferrer(cast=True))
    [rejected] = pipeline.load(ae.ArrowLoader()).run().result.rejected
    assert (rejected.stage, rejected.samples) == (
        "SchemaInferrer, cast",
        ("x is no date written as %d/%m/%Y",),
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sample_size": 0}, "sample_size is 0"),
        ({"confidence": 0.5}, "confidence is 0.5"),
        ({"confidence": "x"}, "confidence is 'x'"),
        ({"seed": "a"}, "seed is 'a'"),
        ({"cast": "yes"}, "cast is 'yes': it has to be True or False"),
        ({"day_first": "x"}, "day_first is 'x'"),
        ({"patterns": ["emial"]}, "did you mean 'email'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        ae.SchemaInferrer(**options)


def test_what_isnt_data_is_refused():
    with pytest.raises(ConfigError, match="takes a source"):
        ae.SchemaInferrer(patterns=[]).profile(7)


# --- the messy customers, with the truth beside them ------------------------------------------


@pytest.fixture(scope="module")
def customers() -> Profile:
    names = "customer_id,Full Name,Email Address,phone,signup_date,birth_date,country,postal_code,"
    names += "city,street,card_number,ip,lifetime_value,newsletter,notes"
    types = dict.fromkeys(names.split(","), "VARCHAR")
    source = ae.CSVSource(CUSTOMERS / "messy.csv", schema=types)
    return ae.SchemaInferrer(sample_size=None).profile(source)


@pytest.fixture(scope="module")
def truth() -> dict[tuple[str, str], int]:
    """Count the planted defects by kind and column, on lines that can be read."""
    with gzip.open(CUSTOMERS / "truth.csv.gz") as file:
        rows = list(csv.DictReader(io.StringIO(file.read().decode())))
    unreadable = {r["record"] for r in rows if r["kind"].startswith(("line_", "encoding_"))}
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        if row["record"] not in unreadable:
            key = row["kind"], row["column"]
            found[key] = found.get(key, 0) + 1
    return found


def said(profile: Profile, kind: str, column: str | None) -> str:
    return next(c.text for c in profile.cautions if (c.kind, c.column) == (kind, column))


def test_lines_that_cant_be_read_are_told(customers):
    assert said(customers, "unreadable", None).startswith("241 rows")


def test_words_for_null_are_counted_to_the_last(customers, truth):
    for (kind, name), count in truth.items():
        if kind == "null_spelling":
            column = customers.column(name)
            assert column.nulls + sum(word.count for word in column.null_words) == count


@pytest.mark.parametrize(
    ("column", "type_"),
    [
        ("customer_id", "int64"),
        ("signup_date", "date32[day]"),
        ("birth_date", "date32[day]"),
        ("newsletter", "bool"),
        ("lifetime_value", "decimal128(11, 2)"),
        *((name, None) for name in ("phone", "postal_code", "card_number", "ip", "Full Name")),
    ],
)
def test_the_customers_columns_have_their_types(customers, column, type_):
    found = customers.column(column).inferred
    assert (found and found.type) == type_


def test_dates_that_are_none_are_counted(customers, truth):
    for name in ("signup_date", "birth_date"):
        kinds = ("date_impossible", "date_zero", "date_words", "date_day_first")
        planted = sum(truth.get((kind, name), 0) for kind in kinds)
        assert said(customers, "other_types", name).startswith(f"{planted:,} of")


def test_other_defects_are_counted(customers, truth):
    for kind, caution, column in (
        ("birth_in_future", "future", "birth_date"),
        ("amount_negative", "few_negatives", "lifetime_value"),
        ("card_scientific", "scientific_codes", "card_number"),
        ("postal_zero_lost", "zeros_lost", "postal_code"),
        ("email_invalid", "pattern_broken", "Email Address"),
    ):
        assert said(customers, caution, column).startswith(f"{truth[kind, column]:,} ")
    for column in ("Full Name", "Email Address", "city", "street"):
        assert said(customers, "padded", column).startswith(f"{truth['trailing_space', column]:,} ")
    amounts = sum(n for (kind, _), n in truth.items() if kind.startswith("amount_cur"))
    amounts += truth["amount_thousands", "lifetime_value"]
    assert said(customers, "other_types", "lifetime_value").startswith(f"{amounts:,} of")
    assert said(customers, "far_away", "lifetime_value")
    assert said(customers, "nearly_unique", "customer_id")


def test_personal_data_are_flagged_and_nothing_else_is(customers):
    found = {each.name: each.pii[0].label for each in customers.columns if each.pii}
    assert found == {
        "Full Name": "name",
        "Email Address": "email",
        "phone": "phone",
        "birth_date": "birth_date",
        "postal_code": "postal_code",
        "street": "address",
        "card_number": "credit_card",
        "ip": "ip",
    }


def test_clean_columns_give_no_false_alarm(customers):
    for column in ("country", "newsletter"):
        assert not [c for c in customers.cautions if c.column == column]


def test_what_a_cast_rejects_is_told_by_names_that_users_know():
    rows = pa.table({"d": ["2024-01-31"] * 20 + ["soon"]})
    pipeline = ae.Pipeline().extract(ae.ArrowSource(rows)).transform(ae.SchemaInferrer(cast=True))
    [rejected] = pipeline.load(ae.ArrowLoader()).run().result.rejected
    assert rejected.stage == "SchemaInferrer, cast"
    assert rejected.samples == ("soon is no date written as %Y-%m-%d",)
