"""What is learned from rows: they keep it, and it says why."""

import datetime as dt
import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.rules import inferred

SLOW = settings(max_examples=35, deadline=None, suppress_health_check=list(HealthCheck))

OLD, NEW = dt.datetime(1600, 1, 1), dt.datetime(2400, 1, 1)  # noqa: DTZ001 - of both kinds
KINDS = {
    pa.int64(): st.integers(-3, 5) | st.integers(-(2**63), 2**63 - 1),
    pa.uint8(): st.integers(0, 255),
    pa.float64(): st.floats(0, 3) | st.floats(),
    pa.bool_(): st.booleans(),
    pa.string(): st.sampled_from(["a", "B", " a ", "", "n/a", "-", "x@y.org", "2024-01-31", "7"])
    | st.text(max_size=3)
    | st.text("a", min_size=195, max_size=205),
    pa.large_string(): st.sampled_from(["new", "paid", "sent"]),
    pa.dictionary(pa.int32(), pa.string()): st.sampled_from(["a", "b"]),
    pa.binary(): st.binary(max_size=2),
    pa.date32(): st.dates(),
    pa.timestamp("us", "Europe/Berlin"): st.datetimes(
        OLD, NEW, timezones=st.just(dt.timezone.utc)
    ),
    pa.timestamp("ms"): st.datetimes(OLD, NEW).map(
        lambda at: at.replace(microsecond=0)
    ),
    pa.time32("s"): st.times().map(lambda at: at.replace(microsecond=0)),
    pa.decimal128(9, 2): st.decimals(-100, 100, places=2),
    pa.duration("s"): st.integers(0, 5).map(lambda n: dt.timedelta(seconds=n)),
    pa.null(): st.none(),
    pa.map_(pa.string(), pa.int64()): st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=1
    ),
    pa.list_(pa.int64(), 2): st.lists(st.integers(0, 9), min_size=2, max_size=2),
}  # fmt: skip
NAMES = st.sampled_from(
    ["a.b", "select", 'qu"o"te', "a[]", "input", "é ☃", "x", "id", "order date"]
)


def nested(inner):
    """Lists and structs of kinds, with their values."""

    def struct_of(members):
        kind = pa.struct([(name, kind) for name, (kind, _) in members.items()])
        values = st.fixed_dictionaries(
            {name: st.none() | values for name, (_, values) in members.items()}
        )
        return kind, values

    lists = inner.map(lambda each: (pa.list_(each[0]), st.lists(st.none() | each[1], max_size=3)))
    names = st.sampled_from(["p", "q.r", 'w"', "group"])
    return lists | st.dictionaries(names, inner, min_size=1, max_size=2).map(struct_of)


# DuckDB doesn't read lists of dictionaries that are all empty.
INNER = [each for each in KINDS.items() if not pa.types.is_dictionary(each[0])]
COLUMN = st.sampled_from(list(KINDS.items())) | nested(
    st.recursive(st.sampled_from(INNER), nested, max_leaves=2)
)


@st.composite
def tables(draw):
    columns = draw(st.dictionaries(NAMES, COLUMN, min_size=1, max_size=3))
    rows, times = draw(st.integers(0, 8)), draw(st.sampled_from([1, 8, 70]))
    arrays = []
    for kind, values in columns.values():
        given = st.none() | values if draw(st.booleans()) else values
        some = draw(st.lists(given, min_size=rows, max_size=rows))
        arrays.append(pa.array(some * times, kind))
    return pa.Table.from_arrays(arrays, names=list(columns))


@SLOW
@given(tables())
def test_rows_keep_the_contract_that_was_learned_from_them(table):
    contract = ae.Contract.learn(ae.SchemaInferrer().profile(table), rows=1)
    modes = {"columns": "freeze", "data_type": "freeze", "rules": "evolve"}
    pipeline = ae.Pipeline(schema_contract={"contract": contract, **modes})
    result = pipeline.extract(ae.ArrowSource(table)).load(ae.ArrowLoader()).run().result
    lines = result.stages[1].summary.to_pylist()
    assert [line for line in lines if line["broken"] != 0] == []
    assert result.table.num_rows == table.num_rows
    plain = ae.Pipeline().extract(ae.ArrowSource(table)).transform("SELECT * FROM input")
    untouched = plain.load(ae.ArrowLoader()).run().result.table
    assert repr(result.table.to_pylist()) == repr(untouched.to_pylist())
    assert all(rule.evidence for rule in contract.rules)
    assert all(field.evidence for field in contract.fields if not field.nullable)


@SLOW
@given(tables(), tables(), st.sampled_from(["discard_value", "discard_row", "quarantine"]))
def test_what_leaves_keeps_the_contract(learned, other, mode):
    """Rows of any other types: what is left of them would pass with everything frozen."""
    contract = ae.Contract.learn(ae.SchemaInferrer().profile(learned), rows=1)
    modes = {"columns": mode, "data_type": mode, "rules": mode}
    pipeline = ae.Pipeline(schema_contract={"contract": contract, **modes})
    try:
        result = pipeline.extract(ae.ArrowSource(other)).load(ae.ArrowLoader()).run().result
    except ae.SchemaError as error:
        assert "which nothing is cast to" in str(error)  # noqa: PT017 - maps
        return
    frozen = dict.fromkeys(modes, "freeze")
    again = ae.Pipeline(schema_contract={"contract": contract, **frozen})
    kept = again.extract(ae.ArrowSource(result.table)).load(ae.ArrowLoader()).run().result.table
    assert repr(kept.to_pylist()) == repr(result.table.to_pylist())
    counts = [(line.records_in, line.records_out) for line in result.stages]
    assert counts[0] == (other.num_rows, other.num_rows)


@SLOW
@given(tables())
def test_a_learned_contract_is_read_as_it_was_written(tmp_path_factory, table):
    contract = ae.Contract.learn(ae.SchemaInferrer().profile(table), rows=1)
    path = tmp_path_factory.mktemp("contract") / "c.yaml"
    contract.write(path)
    again = ae.Contract.read(path)
    assert again == contract
    assert hash(again) == hash(contract)


def rules_of(**columns):
    found = inferred(ae.SchemaInferrer().profile(pa.table(columns)))
    return {(rule.column, rule.check): rule.evidence for rule in found}


def test_rules_say_why_they_are_believed():
    rows = 1200
    found = rules_of(
        id=range(rows),
        state=["new", "paid", "sent"] * 400,
        mail=[f"m{at}@example.org" for at in range(rows)],
        price=[Decimal(at).scaleb(-2) for at in range(rows)],
        at=[dt.date(2000, 1, 1) + dt.timedelta(at) for at in range(rows)],
        page=[f"https://example.org/{at % 28}" for at in range(rows)],
    )
    there = {column: found.pop((column, "not_null")) for column in ("id", "mail", "at", "page")}
    assert set(there.values()) == {"no null in 1,200 rows"}
    assert found == {
        ("id", "unique"): "1,200 different values in 1,200 rows",
        ("id", "range"): "the smallest of 1,200 numbers is near zero, and none is below",
        ("state", "not_null"): "no null in 1,200 rows",
        ("state", "enum"): "3 different values in 1,200 rows, each at least 400 times",
        ("mail", "format"): "1,200 of 1,200 values have it",
        ("price", "not_null"): "no null in 1,200 rows",
        ("price", "range"): "the smallest of 1,200 numbers is near zero, and none is below",
        ("at", "range"): "1,200 dates, all from these centuries",
        ("page", "format"): "1,200 of 1,200 values have it",
    }


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3] * 9,  # too few
        [1.5, math.nan] * 50,  # NaN is in no range
        [-1, 5] * 50,  # some are below zero
        [50, 60, 90] * 30,  # far from zero: that isn't its limit
        [1, 2, 3] * 100,  # numbers that repeat may still be counts
        ["a", "b", "n/a"] * 50,  # a word for null
        [f"city {at % 40}" for at in range(400)],  # the fortieth isn't the last
        [f"{at:05}" for at in range(10_000, 10_400)],  # postal codes, of several countries
        [f"{at % 12 + 1:02}/{at % 11 + 1:02}/2024" for at in range(200)],  # day or month first
    ],
)
def test_what_tomorrows_rows_may_break_is_not_learned(values):
    found = rules_of(first=["x"] * len(values), values=values)
    assert not {check for column, check in found if column == "values"} - {"not_null"}


def test_no_range_is_learned_of_what_arrives_as_text():
    numbers = [Decimal(each) for each in range(40)]
    rows = pa.table({"n": pa.array(numbers, pa.decimal256(50, 2))})
    learned = ae.Contract.learn(ae.SchemaInferrer(patterns=[]).profile(rows))
    assert [(each.type, each.nullable) for each in learned.fields] == [("string", False)]
    assert not learned.checked_rules


def test_years_are_wide_and_wider_by_centuries():
    profile = ae.SchemaInferrer().profile(
        pa.table({"a": [dt.date(2024, 1, 1)] * 40, "b": [dt.date(1815, 12, 10)] * 40})
    )
    ranges = [rule.range for rule in inferred(profile) if rule.range]
    assert ranges == [("1900-01-01", "2099-12-31"), ("1800-01-01", "2099-12-31")]


def test_values_of_personal_data_stay_out(tmp_path):
    genders = ["male", "female"] * 100
    names = ["Ada Lovelace", "Alan Turing"] * 100
    table = pa.table({"gender": genders, "full_name": names, "state": ["x", "y"] * 100})
    for options in ({}, {"show_values": True}):
        contract = ae.Contract.learn(ae.SchemaInferrer(**options).profile(table))
        text = contract.to_yaml()
        assert "male" not in text
        assert "Ada" not in text
        assert [rule.column for rule in contract.rules if rule.enum] == ["state"]


def test_a_contract_says_which_columns_hold_personal_data_and_why(tmp_path):
    mails = [f"user{n}@example.org" for n in range(60)]
    people = pa.table(
        {
            "id": range(60),
            "mail": mails,
            "who": [{"last_name": "Lovelace", "n": n} for n in range(60)],
        }
    )
    contract = ae.Contract.learn(ae.SchemaInferrer().profile(people))
    assert contract.personal == {"mail": "email", "who.last_name": "name"}
    assert contract.field_at("mail").pii_evidence == (
        "60 of 60 values have the pattern Email address; the column is called 'mail'"
    )
    contract.write(tmp_path / "c.yaml")
    assert ae.Contract.read(tmp_path / "c.yaml") == contract
    text = (tmp_path / "c.yaml").read_text()
    assert "pii: email" in text
    assert "user1@" not in text
    assert "Lovelace" not in text
    blind = ae.SchemaInferrer(detect_pii=False).profile(people)
    assert ae.Contract.learn(blind).personal == {}


def test_a_sample_is_evidence_with_its_bound_and_of_nothing_unique():
    table = pa.table({"id": range(20_000), "state": ["new", "paid"] * 10_000})
    profile = ae.SchemaInferrer(sample_size=2_000).profile(table)
    found = {(rule.column, rule.check): rule.evidence for rule in inferred(profile)}
    bound = "(with 95 % certainty fewer than 0.15% of all break it)"
    assert found["state", "not_null"] == f"no null in a sample of 2,000 rows {bound}"
    assert ("id", "unique") not in found
    few = ae.SchemaInferrer(sample_size=500).profile(table)
    assert inferred(few) == ()


def test_parts_have_to_be_there_where_what_they_are_in_is():
    rows = [{"b": 1, "c": [1]}, None, {"b": 2, "c": [2, None]}] * 30
    contract = ae.Contract.learn(ae.SchemaInferrer().profile(pa.table({"a": rows})))
    assert {each.name: (each.type, each.nullable) for each in contract.fields} == {
        "a": ("struct", True),
        "a.b": ("int64", False),
        "a.c": ("list", False),
        "a.c[]": ("int64", True),
    }
    assert contract.field_at("a.b").evidence == "no null in 60 rows"


@pytest.mark.parametrize("options", [{"rows": 0}, {"rows": True}, {"share": 0.5}, {"share": 2}])
def test_options_that_make_no_sense(options):
    profile = ae.SchemaInferrer().profile(pa.table({"a": [1]}))
    with pytest.raises(ae.ConfigError, match="inferred"):
        inferred(profile, **options)
