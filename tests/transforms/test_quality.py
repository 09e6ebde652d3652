"""QualityScorer: the formula, every rule, the summary, and what is set apart."""

import datetime as dt
import math
import pickle
import re
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.config import load_config
from arrowetl.observing import SEEN
from arrowetl.testing import run_stage

PEOPLE = pa.table(
    {
        "id": [1, 2, 3, 3],
        "na'me": ["Ada", None, "Grace", "Alan"],
        "mail": ["ada@example.com", "bob(at)example.com", None, "alan@example.org"],
        "born": pa.array([dt.date(1815, 12, 10), dt.date(1900, 1, 1), None, dt.date(1912, 6, 23)]),
        "died": pa.array([dt.date(1852, 11, 27), dt.date(1890, 1, 1), None, dt.date(1954, 6, 7)]),
    }
)
RULES = [
    ae.Rule("mail", format="email"),
    ae.Rule("id", unique=True),
    ae.Rule("born", range=("1800-01-01", dt.date(1950, 1, 1))),
    ae.Rule("na'me", enum=["Ada", "Grace"], weight=2),
    ae.Rule("na'me", not_null=True),
    ae.Rule("na'me", regex="[A-Z][a-z]+"),
    "died >= born",
]


def run(*stages, source=PEOPLE, **options):
    pipeline = ae.Pipeline("p", **options).extract(source)
    for stage in stages:
        pipeline = pipeline.transform(stage)
    return pipeline.load(ae.ArrowLoader()).run().result


def scored(stage, rows=PEOPLE):
    return run_stage(stage, rows)


def test_the_formula_by_hand():
    stage = ae.QualityScorer(rules=RULES, criteria=True, broken_column="broken")
    rows = scored(stage).to_pylist()
    validity = [1, 5 / 7, 6 / 7, 4 / 7]  # of weights 1, 1, 1, 2, 1, 1
    complete = [1, 4 / 5, 2 / 5, 1]
    consistent = [1, 0, 1, 1]
    for row, c, v, k in zip(rows, complete, validity, consistent, strict=True):
        assert row["quality_score_completeness"] == pytest.approx(c)
        assert row["quality_score_validity"] == pytest.approx(v)
        assert row["quality_score_consistency"] == k
        assert row["quality_score"] == pytest.approx(0.4 * c + 0.4 * v + 0.2 * k)
    assert [row["broken"] for row in rows] == [
        [],
        ["mail is email", "na'me is there", "died >= born"],
        ["id is unique"],
        ["id is unique", "na'me is one of 2"],
    ]


def test_a_criterion_without_rules_is_left_out():
    rows = scored(ae.QualityScorer(criteria=True)).to_pylist()
    assert [row["quality_score"] for row in rows] == [1, 0.8, 0.4, 1]
    assert {row["quality_score_validity"] for row in rows} == {None}
    only = ae.QualityScorer(rules=["died >= born"], weights={"completeness": 0})
    assert scored(only)["quality_score"].to_pylist() == [1, 0, 1, 1]
    with pytest.raises(ae.SchemaError, match="its weight is 0"):
        scored(ae.QualityScorer(weights={"completeness": 0}))


def test_columns_may_count_more():
    stage = ae.QualityScorer(columns={"na'me": 3, "mail": 1})
    assert scored(stage)["quality_score"].to_pylist() == [1, 0.25, 0.75, 1]
    assert scored(ae.QualityScorer(columns="id"))["quality_score"].to_pylist() == [1] * 4


def test_rows_of_low_quality_are_rejected_as_they_were_with_score_and_reasons():
    dead = ae.ArrowLoader()
    stage = ae.QualityScorer(rules=RULES, min_score=0.7, filter_low_quality=True)
    result = run("SELECT * FROM input", stage, "SELECT id FROM input", dead_letters=dead)
    assert result.table["id"].to_pylist() == [1, 3, 3]
    assert (result.stages[2].records_in, result.stages[2].records_out) == (4, 3)
    assert result.records_rejected == 1
    [letter] = dead.table.to_pylist()
    assert letter["reason_code"] == "low_quality"
    assert letter["reason"] == (
        "quality 0.606 is below 0.7: mail bob(at)example.com is no Email address; "
        "na'me is missing; not died >= born"
    )
    assert '"mail":"bob(at)example.com"' in letter["row"]
    assert "quality_score" not in letter["row"]


def test_the_summary_counts_what_is_rejected_too():
    stage = ae.QualityScorer(rules=RULES, min_score=0.7, filter_low_quality=True, samples=1)
    for batch_size in (1, 2, 65_536):
        summary = run(stage, batch_size=batch_size).stages[1].summary.to_pylist()
        by_name = {line["about"]: line for line in summary}
        assert by_name["score"]["broken"] == 1
        assert by_name["score"]["share"] == pytest.approx(
            (1 + 0.6057 + 0.7029 + 0.8286) / 4, abs=1e-3
        )
        assert by_name["na'me"] == {
            "about": "na'me", "criterion": "completeness", "rows": 4, "broken": 1, "share": 0.25,
            "samples": [],
        }  # fmt: skip
        assert by_name["id is unique"]["broken"] == 2
        assert by_name["id is unique"]["samples"] == ["3"]
        assert by_name["mail is email"]["samples"] == ["bob(at)example.com"]
        assert by_name["died >= born"]["samples"] == ["born=1900-01-01, died=1890-01-01"]


def test_samples_are_different_ones():
    rows = ae.ArrowSource(pa.table({"x": ["a"] * 50 + ["b", "a", "c"] + ["d" * 99] * 2}))
    stage = ae.QualityScorer(rules=[ae.Rule("x", enum=["e"])], samples=4)
    result = ae.Pipeline().extract(rows).transform(stage).load(ae.ArrowLoader()).run().result
    line = result.stages[1].summary.to_pylist()[-1]
    assert line["samples"] == ["a", "b", "c", "d" * 60]
    assert f"a, b, c, {'d' * 50}…" in result._repr_html_()


def test_more_rules_than_a_word_has_bits():
    rules = [ae.Rule("x", range=(None, limit)) for limit in range(150)]
    rows = pa.table({"x": [0, 70, 149, None]})
    result = run(ae.QualityScorer(rules=rules, broken_column="broken"), source=rows)
    assert [len(each) for each in result.table["broken"].to_pylist()] == [0, 70, 149, 0]
    lines = result.stages[1].summary.to_pylist()[2:]
    assert [line["broken"] for line in lines] == [
        1 + (i < 70) if i < 149 else 0 for i in range(150)
    ]


@settings(max_examples=35, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-5, 5)),
            st.one_of(st.none(), st.sampled_from(["", "a", "bb", "A1"])),
            st.one_of(st.none(), st.floats(width=32)),
        ),
        max_size=12,
    ),
    st.sampled_from([1, 3, 1000]),
    st.sampled_from([1, 2]),
)
def test_it_is_what_a_slow_loop_says(rows, batch_size, threads):
    table = pa.Table.from_pylist(
        [dict(zip("ntx", row, strict=True)) for row in rows],
        pa.schema({"n": pa.int32(), "t": pa.string(), "x": pa.float64()}),
    )
    stage = ae.QualityScorer(
        rules=[
            ae.Rule("n", range=(-1, 3)),
            ae.Rule("n", unique=True, weight=2),
            ae.Rule("t", regex="[a-z]+"),
            ae.Rule("x", range=(-1, 1.5)),
            "n + 1 > x",
        ]
    )
    result = run(stage, source=table, batch_size=batch_size, threads=threads)
    assert result.table.select("ntx").equals(table) or any(
        x is not None and math.isnan(x) for _, _, x in rows
    )
    numbers = [n for n, _, _ in rows]
    for (n, t, x), got in zip(rows, result.table["quality_score"].to_pylist(), strict=True):
        kept = [
            (n is None or -1 <= n <= 3, 1),
            (n is None or numbers.count(n) == 1, 2),
            (t is None or re.fullmatch("[a-z]+", t) is not None, 1),
            (x is None or -1 <= x <= 1.5, 1),
        ]
        validity = sum(w for held, w in kept if held) / 5
        greater = n is None or x is None or (n + 1 > x and not math.isnan(x))
        complete = sum(v is not None for v in (n, t, x)) / 3
        assert got == pytest.approx(0.4 * complete + 0.4 * validity + 0.2 * greater, abs=1e-9)


@pytest.mark.parametrize("limits", [(0, None), ("0", None), (None, 5), (0, 5), (0, math.inf)])
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
def test_nan_is_in_no_range(limits, kind):
    rows = pa.table({"x": pa.array([math.nan, 1.0, -1.0, None], kind)})
    rule = ae.Rule("x", range=limits)
    scores = run(ae.QualityScorer(rules=[rule]), source=rows).table["quality_score"]
    nan, inside, *_ = scores.to_pylist()
    assert nan < inside


@pytest.mark.parametrize(
    ("kind", "value", "least"),
    [
        (pa.int64(), 2**60, 0),
        (pa.decimal128(38, 2), Decimal(5), Decimal(1)),
        (pa.date32(), dt.date(2024, 1, 1), "2023-01-01"),
        (pa.time64("us"), dt.time(10), dt.time(9)),
    ],
)
def test_ranges_without_an_upper_limit_are_for_every_type(kind, value, least):
    rows = pa.table({"x": pa.array([value], kind)})
    rule = ae.Rule("x", range=(least, None))
    assert run(ae.QualityScorer(rules=[rule]), source=rows).table["quality_score"][0].as_py() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": {"validty": 1}}, "no criterion 'validty'; did you mean 'validity'?"),
        ({"weights": {"validity": -1}}, "isn't a number from 0"),
        ({"criteria": "yes"}, "criteria is 'yes': it has to be True or False"),
        (
            {"weights": dict.fromkeys(("completeness", "validity", "consistency"), 0)},
            "every weight",
        ),
        ({"filter_low_quality": True}, "needs min_score"),
        ({"min_score": 7}, "from 0 to 1"),
        ({"columns": []}, "columns is empty"),
        ({"columns": {"x": 0}}, "isn't a number above 0"),
        ({"rules": [{"colum": "x"}]}, "a rule has no option 'colum'; did you mean 'column'?"),
        ({"rules": [7]}, "not 7"),
        ({"rules": None}, "rules is a list of rules"),
        ({"min_score": "0.5"}, "from 0 to 1"),
        ({"min_score": True}, "from 0 to 1"),
        ({"samples": True}, "a number from 0"),
        ({"columns": 3}, "names of columns, not 3"),
        ({"score_column": None}, "score_column is a column's name"),
        ({"score_column": "x", "broken_column": "X"}, "two columns would be called 'x'"),
        ({"broken_column": "quality_score_validity", "criteria": True}, "two columns would be"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ae.ConfigError, match=re.escape(message)):
        ae.QualityScorer(**options)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {}, "one check of"),
        (("x",), {"unique": True, "not_null": True}, "not unique and not_null"),
        ((), {"unique": True}, "which column?"),
        (("x",), {"sql": "x > 1"}, "names its own columns"),
        ((), {"sql": "x > 1; DROP TABLE y"}, "not one SQL expression"),
        (("x",), {"range": (2, 1)}, "has nothing in it"),
        (("x",), {"range": (None, None)}, "no limit"),
        (("x",), {"range": 3}, "is a pair"),
        (("x",), {"range": (1, "b")}, "both ends have to be numbers"),
        (("x",), {"regex": "("}, "regex '('"),
        (("x",), {"enum": "abc"}, "a list of values"),
        (("x",), {"enum": []}, "no values"),
        (("x",), {"enum": [None]}, "leave None out"),
        (("x",), {"format": "emails"}, "did you mean 'email'?"),
        (("x",), {"unique": 1}, "true or false"),
        (("x",), {"unique": True, "weight": 0}, "above 0"),
        (("x",), {"unique": True, "weight": float("inf")}, "finite number above 0"),
        (("x",), {"unique": True, "weight": True}, "finite number above 0"),
        (("x",), {"unique": True, "name": 3}, "name is a text"),
        (("x",), {"range": (float("nan"), None)}, "nothing is more or less than NaN"),
        (("x",), {"range": (None, Decimal("nan"))}, "nothing is more or less than NaN"),
    ],
)
def test_rules_that_make_no_sense(arguments, options, message):
    with pytest.raises(ae.ConfigError, match=re.escape(message)):
        ae.Rule(*arguments, **options)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (ae.Rule("nme", unique=True), "no column 'nme'"),
        (ae.Rule("id", format="email"), "column 'id' is int64, which has no text; cast it"),
        (ae.Rule("mail", range=(1, 2)), "which has no order"),
        (ae.Rule("born", range=("1800-13-01", None)), "1800-13-01"),
        (ae.Rule("id", enum=["a"]), "Could not convert"),
        (ae.Rule("mail", enum=["a", 1]), "column 'mail' is string, and 1 of enum is no text"),
        (ae.Rule(sql="born + 1"), "not true or false"),
        (ae.Rule(sql="bron > died"), "no column 'bron'; did you mean 'born'?"),
    ],
)
def test_rules_that_dont_fit_are_found_before_a_row_is_read(rule, message):
    with pytest.raises(ae.SchemaError, match=re.escape(message)):
        ae.QualityScorer(rules=[rule]).bind(PEOPLE.schema)


@pytest.mark.parametrize("options", [{"score_column": "Mail"}, {"broken_column": "MAIL"}])
def test_a_name_that_is_taken_in_whatever_case(options):
    with pytest.raises(ae.SchemaError, match=r"a column '(?i:mail)' already \(called 'mail'\)"):
        ae.QualityScorer(**options).bind(PEOPLE.schema)


def test_a_name_that_is_kept_for_itself_is_renamed_before():
    odd = pa.table({"arrowetl:score": [None, 1]})
    with pytest.raises(ae.SchemaError, match=r"'arrowetl:score' has a name that .* Rename it"):
        run(ae.QualityScorer(), source=odd)
    renamed = run_stage(ae.Rename({"arrowetl:score": "s"}), odd)
    assert run_stage(ae.QualityScorer(), renamed)["quality_score"].to_pylist() == [0, 1]


def test_no_rows_and_no_rules():
    result = run(ae.QualityScorer(rules=RULES), source=PEOPLE.slice(0, 0))
    assert result.table.num_rows == 0
    assert result.stages[1].summary.to_pylist()[0]["rows"] == 0


def test_it_is_a_value():
    stage = ae.QualityScorer(rules=RULES, weights={"validity": 2}, columns={"id": 1.0})
    assert stage == ae.QualityScorer(rules=RULES, weights={"validity": 2}, columns={"id": 1.0})
    assert hash(stage) == hash(pickle.loads(pickle.dumps(stage)))
    assert pickle.loads(pickle.dumps(stage)) == stage
    assert SEEN not in str(stage.bind(PEOPLE.schema))


def test_from_yaml(tmp_path):
    (tmp_path / "people.csv").write_text("age,mail\n30,a@example.com\n300,nobody\n")
    config = tmp_path / "quality.yaml"
    config.write_text(
        f"""
source: {{type: csv, path: "{tmp_path}/people.csv"}}
transforms:
  - type: quality_scorer
    rules:
      - {{column: age, range: [0, 120]}}
      - {{column: mail, format: email}}
      - "age < 200 OR mail LIKE '%.com'"
    min_score: 0.9
    filter_low_quality: true
load: {{type: csv, path: "{tmp_path}/out.csv"}}
"""
    )
    result = load_config(config).run().result
    assert (result.records_loaded, result.records_rejected) == (1, 1)


def test_rules_that_were_inferred_find_what_breaks_them():
    good = pa.table(
        {
            "id": range(100),
            "state": ["new", "paid"] * 50,
            "at": [f"user{n}@example.org" for n in range(100)],
        }
    )
    rules = ae.SchemaInferrer().rules(good)
    assert all(rule.evidence for rule in rules)
    stage = ae.QualityScorer(rules=rules, broken_column="broken")
    assert run_stage(stage, good)["broken"].to_pylist() == [[]] * 100
    bad = pa.table({"id": [-1, 1, 1], "state": ["payd", "new", None], "at": ["x", None, "a@b.org"]})
    found = run_stage(stage, bad)["broken"].to_pylist()
    assert {"state is one of 2", "at is email", "id from 0"} <= set(found[0])
    assert {"id is unique", "at is there"} <= set(found[1])
    assert {"id is unique", "state is there"} <= set(found[2])
