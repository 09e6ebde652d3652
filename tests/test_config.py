"""Configuration files: what they describe, and what is said of wrong ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.config import ConfigFileError, load_config, read_config
from arrowetl.config.catalogue import SOURCE
from arrowetl.config.read_toml import read_toml
from arrowetl.config.schema import json_schema
from arrowetl.documents.nodes import Node
from arrowetl.documents.problems import Findings
from arrowetl.documents.read_yaml import read_yaml

ROOT = Path(__file__).parents[1]
GOOD = """\
source: {type: csv, path: in.csv}
load: {type: parquet, path: out.parquet}
"""


@pytest.fixture
def config(tmp_path):
    """Give a function that reads a configuration's text."""

    def read(text, *, profile=None, suffix=".yaml", **environ):
        path = tmp_path / f"orders{suffix}"
        path.write_text(text, encoding="utf-8")
        return read_config(path, profile=profile, environ=environ)

    return read


@pytest.fixture
def wrong(config, tmp_path):
    """Give a function that reads a wrong configuration and gives what is said of it."""

    def read(text, **options):
        with pytest.raises(ConfigFileError) as caught:
            config(text, **options)
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return read


def test_a_file_describes_a_pipeline_by_constructor_calls(config):
    made = config("""\
version: 1
name: daily
settings: {memory_limit: 1GB, threads: 2, batch_size: 100, ordered: false, max_rejects: 0.1}
source: {type: csv, path: [a.csv, b.csv], delimiter: ";"}
transforms:
  - type: null_remover
    strategy: drop
    columns: [email]
  - sql: SELECT *, price * quantity AS total FROM input
  - filter: total > 0
  - type: deduplicator
    on: [email]
    keep: last
load: {type: sqlite, path: warehouse.db, table: orders}
dead_letters: {type: parquet, path: rejects/}
""")
    assert made.name == "daily"
    assert made.source == ae.CSVSource(["a.csv", "b.csv"], delimiter=";")
    assert made.stages == (
        ae.NullRemover(strategy="drop", columns=["email"]),
        ae.SQL("SELECT *, price * quantity AS total FROM input"),
        ae.Filter("total > 0"),
        ae.Deduplicator(on=["email"], keep="last"),
    )
    assert made.sink.label == ae.SQLiteLoader("warehouse.db", table="orders").label
    assert made.dead_letters.label == ae.ParquetLoader("rejects/").label
    assert made.settings == {
        "memory_limit": "1GB",
        "threads": 2,
        "batch_size": 100,
        "ordered": False,
        "max_rejects": 0.1,
    }


@pytest.mark.parametrize(
    ("short", "stage"),
    [
        ("mask: {email: redact}", ae.Mask({"email": "redact"})),
        ("mask: {columns: {email: redact}}", ae.Mask({"email": "redact"})),
        ("mask: {columns: [email], method: redact}", ae.Mask("email", "redact")),
        ("filter: {predicate: x > 0}", ae.Filter("x > 0")),
        ("mask: email", ae.Mask("email")),
        # One name may stand without its list, as in Python.
        ("select: {exclude: email}", ae.Select(exclude=["email"])),
        (
            "aggregator: {group_by: country, aggregations: {n: count(*)}}",
            ae.Aggregator("country", {"n": "count(*)"}),
        ),
        # What can be the first option is.
        ("rename: {columns: c}", ae.Rename({"columns": "c"})),
        ("cast: {columns: int, format: date}", ae.Cast({"columns": "int", "format": "date"})),
        ("rename: {columns: {columns: c}}", ae.Rename({"columns": "c"})),
    ],
)
def test_a_short_form_takes_the_first_option_or_all(config, short, stage):
    assert config(f"{GOOD}transforms: [{short}]").stages == (stage,)


def test_a_short_form_with_a_wrong_option_names_it(config):
    with pytest.raises(
        ConfigFileError, match=r"mask\.methd: unknown option; did you mean 'method'"
    ):
        config(GOOD + "transforms: [mask: {columns: [a], methd: x}]")


def test_toml_describes_the_same(config):
    made = config(
        """\
[source]
type = "csv"
path = "in.csv"

[[transforms]]
filter = "x > 0"

[load]
type = "parquet"
path = "out.parquet"
""",
        suffix=".toml",
    )
    assert made.source == ae.CSVSource("in.csv")
    assert made.stages == (ae.Filter("x > 0"),)


def test_load_config_gives_a_pipeline_named_like_the_file(tmp_path):
    path = tmp_path / "orders.yaml"
    path.write_text(GOOD)
    pipeline = load_config(path)
    assert isinstance(pipeline, ae.Pipeline)
    assert pipeline.name == "orders"


def test_a_loaded_pipeline_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("x\n1\n2\n3\n")
    Path("orders.yaml").write_text(GOOD + "transforms: [filter: x > 1]\n")
    result = load_config("orders.yaml").run().result
    assert (result.records_extracted, result.records_loaded) == (3, 2)


def test_null_is_as_if_the_key_were_not_there(config):
    made = config(GOOD + "dead_letters: null\ntransforms:\nsettings: ~\n")
    assert (made.dead_letters, made.stages, made.settings) == (None, (), {})


def test_a_profile_is_laid_over_the_rest(config):
    text = """\
source: {type: csv, path: in.csv, delimiter: ";"}
load: {type: parquet, path: "${NOWHERE}"}
profiles:
  prod: {load: {path: /data/out.parquet}, settings: {threads: 1}}
  other: {source: {type: parquet, path: in.parquet}, load: {path: x}}
"""
    prod = config(text, profile="prod")
    assert prod.sink.label == ae.ParquetLoader("/data/out.parquet").label
    assert prod.source == ae.CSVSource("in.csv", delimiter=";")
    assert prod.settings == {"threads": 1}
    # Another type's options mean nothing to it, so none of them stay.
    assert config(text, profile="other").source == ae.ParquetSource("in.parquet")


def test_a_profile_that_is_not_there(wrong):
    text = GOOD + "profiles: {prod: {}, local: {}}\n"
    assert wrong(text, profile="prd") == [
        "orders.yaml:3: profiles: no profile 'prd'; did you mean 'prod'? there are: prod, local"
    ]
    assert wrong(GOOD, profile="prod") == [
        "orders.yaml:1: profiles: no profile 'prod'; there are: none"
    ]


def test_profiles_are_checked_where_they_stand(wrong):
    text = GOOD + "profiles:\n  prod:\n    laod: {}\n  dev: 5\n"
    assert wrong(text) == [
        (
            "orders.yaml:5: profiles.prod.laod: unknown option; did you mean 'load'? a profile "
            "takes name, settings, source, transforms, load, dead_letters"
        ),
        "orders.yaml:6: profiles.dev: expected a mapping, got 5",
    ]
    text = GOOD + "profiles:\n  prod:\n    load: {path: 5}\n"
    assert wrong(text, profile="prod") == [
        'orders.yaml:5: profiles.prod.load.path: expected text, got 5; write it in quotes: "5"'
    ]


def test_variables_are_put_in_their_places(config):
    made = config(
        """\
settings: {threads: "${THREADS}", memory_limit: "${LIMIT:-1GB}"}
source: {type: csv, path: "${DATA}/${DATA}/$${X}.csv", delimiter: "${EMPTY:-;}"}
transforms: [filter: "regexp_matches(a, '^x$') AND b = $$it's$$"]
load: {type: parquet, path: out.parquet}
""",
        THREADS="3",
        DATA="d",
        EMPTY="",
    )
    assert made.settings == {"threads": 3, "memory_limit": "1GB"}
    assert made.source == ae.CSVSource("d/d/${X}.csv", delimiter=";")
    assert made.stages == (ae.Filter("regexp_matches(a, '^x$') AND b = $$it's$$"),)


def test_a_missing_variable(wrong):
    text = GOOD.replace("in.csv", '"${INPUT_DRI}"').replace("out.parquet", '"a${}b"')
    assert wrong(text, INPUT_DIR="x") == [
        (
            "orders.yaml:1: source.path: variable 'INPUT_DRI' isn't set; did you mean 'INPUT_DIR'? "
            "set it, or give a default: ${INPUT_DRI:-...}"
        ),
        (
            "orders.yaml:2: load.path: '${}' isn't a variable; write ${NAME} or ${NAME:-default}, "
            "and $${ for the characters themselves"
        ),
    ]


def test_a_default_in_a_default_is_refused(wrong):
    text = GOOD.replace("in.csv", '"${A:-${B}}"')
    assert "source.path: '${A:-${B}' isn't a variable" in wrong(text)[0]


def test_what_came_from_a_variable_is_never_shown(wrong):
    text = """\
settings: {threads: "${SECRET}"}
source: {type: "${SECRET}", path: a}
transforms: [{sql: "SELEC '${SECRET}'"}, {type: "m:${SECRET}"}]
load: {type: parquet, path: a, mode: "${SECRET}"}
version: "${SECRET}"
"""
    said = "\n".join(wrong(text, SECRET="hunter2"))
    assert "hunter2" not in said
    assert "settings.threads: expected a whole number, got the value of ${SECRET}" in said
    assert "SELEC '${SECRET}'" in said


def test_secrets_are_hidden_in_texts_and_in_json(config):
    made = config(GOOD.replace("in.csv", '"${FILE}"'), FILE="it's/5432")
    assert made.secrets.hide("read_csv('it''s/5432')") == "read_csv('${FILE}')"
    assert made.secrets.hide_in({"n": 5432, "t": ["it's/5432"]}) == {"n": 5432, "t": ["${FILE}"]}
    assert "5432" not in repr(made.secrets.hide(repr(made.source)))


def test_a_contract(config, wrong, tmp_path):
    (tmp_path / "c.yaml").write_text("columns: {a: int64}")
    given = f"{tmp_path}/c.yaml"
    made = config(GOOD + f"settings: {{schema_contract: {given}}}")
    assert made.settings == {"schema_contract": given}
    assert "EnforceContract" in repr(made.pipeline())
    modes = f"settings: {{schema_contract: {{contract: {given}, rules: quarantine}}}}"
    assert "EnforceContract" in repr(config(GOOD + modes).pipeline())
    stage = config(GOOD + f"transforms: [{{enforce_contract: {given}, columns: freeze}}]").stages[0]
    assert (stage.known.fields[0].name, stage.columns) == ("a", "freeze")
    [said] = wrong(GOOD + "settings: {schema_contract: {rules: freeze}}")
    assert said.startswith("orders.yaml:3: settings: Pipeline: schema_contract has modes and no")
    (tmp_path / "c.yaml").write_text("columns: {a: int65}")
    [said] = wrong(GOOD + f"transforms: [{{enforce_contract: {given}}}]")
    assert "c.yaml:1: columns.a: Field 'a': no type 'int65'" in said


def test_every_problem_is_told_at_once_in_the_order_of_lines(wrong):
    said = wrong("""\
version: 2
name: 2024
settings:
  memroy_limit: 1GB
  threads: many
source: {type: cvs, path: in.csv}
transforms:
  - type: null_remover
    strateggy: drop
  - fliter: x > 0
  - type: quality_scorer
    rules: email
  - type: null_remover
    columns: [a, 5]
  - 5
lod: {}
load: {type: parquet, mode: 5}
""")
    known = ", ".join(SOURCE.types())
    assert said[:4] == [
        "orders.yaml:1: version: version 2 isn't known; this arrowetl reads version 1",
        'orders.yaml:2: name: expected text, got 2024; write it in quotes: "2024"',
        (
            "orders.yaml:4: settings.memroy_limit: unknown option; did you mean 'memory_limit'? "
            "settings takes batch_size, memory_limit, threads, max_rejects, ordered, "
            "allow_lossy, schema_contract, tuner"
        ),
        "orders.yaml:5: settings.threads: expected a whole number, got 'many'",
    ]
    assert said[4] == (
        "orders.yaml:6: source.type: no source 'cvs'; did you mean 'csv'? "
        f"there are: {known}, or your own as package.module:Class"
    )
    assert said[5].startswith(
        "orders.yaml:9: transforms[0].strateggy: unknown option; did you mean 'strategy'? "
        "null_remover takes strategy, columns"
    )
    assert said[6].startswith(
        "orders.yaml:10: transforms[1].type: missing; did you mean 'filter'? a transform is one of "
    )
    assert said[7:10] == [
        "orders.yaml:12: transforms[2].rules: expected a list, got 'email'; write [email]",
        'orders.yaml:14: transforms[3].columns[1]: expected text, got 5; write it in quotes: "5"',
        "orders.yaml:15: transforms[4]: expected a mapping, got 5",
    ]
    assert said[10].startswith("orders.yaml:16: lod: unknown option; did you mean 'load'?")
    assert said[11] == "orders.yaml:17: load.path: missing; parquet needs it"
    assert said[12] == ('orders.yaml:17: load.mode: expected text, got 5; write it in quotes: "5"')
    assert len(said) == 13


def test_what_a_constructor_refuses_is_told_at_its_line(wrong):
    text = GOOD + "settings: {batch_size: 0}\ntransforms:\n  - sql: DROP TABLE x\n"
    assert wrong(text) == [
        "orders.yaml:3: settings: batch_size is 0: it has to be a whole number, 1 or more",
        "orders.yaml:5: transforms[0]: SQL: a stage is one SELECT, this is a DROP: 'DROP TABLE x'",
    ]


def test_what_a_stage_refuses_among_its_options_is_told_where_it_stands(wrong):
    text = """\
transforms:
  - type: quality_scorer
    rules:
      - a > 1
      - {column: pay, range: [0, 6k]}
  - {type: quality_scorer, rules: [{column: pay, min: 3}]}
  - type: window_aggregator
    time_column: at
    size: 15
    lateness: 0.5
    aggregations: {n: count}
dead_letters:
  type: parquet
  path: rejects.parquet
  mode: replace
"""
    said = wrong(GOOD + text)
    assert said[0].startswith(
        "orders.yaml:7: transforms[0].rules[1]: QualityScorer: rules[1] (column 'pay'): range from "
        "0 to '6k': both ends have to be numbers"
    )
    assert said[1].startswith("orders.yaml:8: transforms[1].rules[0]: ")
    assert "no option 'min'. It has column, range, regex" in said[1]
    assert said[2].startswith("orders.yaml:11: transforms[2].size: 15 has no unit of time: write")
    assert said[3].startswith("orders.yaml:12: transforms[2].lateness: 0.5 has no unit of time")
    assert said[4].startswith("orders.yaml:17: dead_letters.mode: dead letters are added to those")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("memory_limit: 12 elephants", "memory_limit='12 elephants'"),
        ("threads: -1", "threads is -1"),
    ],
)
def test_a_setting_that_the_pipeline_refuses_is_told_at_its_line(wrong, given, said):
    told = wrong(GOOD + f"settings: {{{given}}}")[0]
    assert told.startswith(f"orders.yaml:3: settings: {said}: ")


@pytest.mark.parametrize("given", ["0", "1", "0.0"])
def test_a_number_is_neither_true_nor_false(wrong, given):
    assert wrong(GOOD.replace("in.csv", f"in.csv, header: {given}")) == [
        f"orders.yaml:1: source.header: expected true or false, got {given}"
    ]


def test_null_among_texts(wrong):
    text = GOOD.replace("in.csv", "in.csv, null_values: [NULL]")
    assert wrong(text) == [
        (
            "orders.yaml:1: source.null_values[0]: expected text, got nothing; "
            "null is nothing, and text in quotes"
        )
    ]


def test_source_and_destination_are_needed(wrong):
    assert wrong("name: x") == [
        "orders.yaml:1: source: missing; write source: {type: csv, path: ...}",
        "orders.yaml:1: load: missing; write load: {type: csv, path: ...}",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "orders.yaml:1: a configuration is a mapping with source and load, not nothing"),
        ("- a", "orders.yaml:1: a configuration is a mapping with source and load, not a list"),
        (GOOD + "name: a\nname: b", "orders.yaml:4: name: stands twice; first in line 3"),
        ("? [a]\n: b", "orders.yaml:1: a key has to be text"),
        ("name: !x a", "orders.yaml:1: name: tag '!x' isn't allowed; only plain values are"),
        (
            "name: !!python/object/apply:os.system [rm]",
            "orders.yaml:1: name: expected text, got a list",
        ),
        ("a: &a [*a]", "orders.yaml:1: isn't a configuration: it contains itself"),
        ("a: 1\n---\nb: 1", "orders.yaml:2: isn't YAML: expected a single document"),
        ("a: [", "orders.yaml:1: isn't YAML: while parsing a flow node expected the node content"),
        ("a: {b: ${C}}", "orders.yaml:1: isn't YAML: while parsing a flow mapping"),
        ("\na: \x00", "orders.yaml:2: isn't YAML: special characters are not allowed (#x0000)"),
        ("[" * 10_000, "orders.yaml:1: isn't a configuration: nested too deeply"),
        ("name: " + "[" * 200 + "]" * 200, "orders.yaml:1: isn't a configuration: nested too"),
        ("name: x\nsource: {type: csv\n", "orders.yaml:3: isn't YAML: while parsing a flow map"),
        ('\na: "\\U00110000"', "orders.yaml:2: isn't YAML: chr() arg not in range"),
        ('name: "\\ud800"', "orders.yaml:1: name: \\ud800 is half a character"),
        ("name: " + "9" * 5000, "orders.yaml:1: name: a number of more than 1,000 digits"),
        ("source: {type: []}", "orders.yaml:1: source.type: no source a list; there are: csv,"),
    ],
)
def test_hostile_yaml(wrong, text, said):
    assert wrong(text)[0].startswith(said)


def test_a_variable_in_braces_needs_quotes(wrong):
    assert wrong("a: {b: ${C}}")[0].endswith('inside { } a variable stands in quotes: "${NAME}"')


def test_aliases_of_aliases_end_early(wrong):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert wrong("\n".join(lines))[0] == "orders.yaml:1: isn't a configuration: over 100,000 values"


def test_files_that_are_not_text(tmp_path):
    binary = tmp_path / "x.yaml"
    binary.write_bytes(b"name: x\nsource: \xff\xfe")
    with pytest.raises(ConfigFileError, match=r"x\.yaml:2: isn't UTF-8: byte 0xff"):
        read_config(binary)
    with pytest.raises(ConfigFileError, match=r"gone\.yaml: can't be read: No such file"):
        read_config(tmp_path / "gone.yaml")
    with pytest.raises(ConfigFileError, match="can't be read: Is a directory"):
        read_config(tmp_path)


def test_no_file_that_is_cut_short_makes_the_reader_fail():
    text = (ROOT / "examples/customers.yaml").read_text()
    for end in range(len(text)):
        findings = Findings("x")
        assert read_yaml(text[:end], findings) or findings.problems


def test_a_byte_order_mark_is_no_matter(tmp_path):
    path = tmp_path / "orders.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert read_config(path).name == "orders"


def test_wrong_toml_is_told_with_its_line(wrong):
    assert wrong("[source]\ntype = ", suffix=".toml")[0].startswith("orders.toml:2: isn't TOML: ")
    deep, long = "a." * 1000 + "b = 1", "name = 0x" + "f" * 2000
    assert wrong(deep, suffix=".toml") == [
        "orders.toml:1: isn't a configuration: nested too deeply"
    ]
    assert wrong(long, suffix=".toml") == [
        "orders.toml:1: name: a number of more than 1,000 digits"
    ]
    said = wrong(
        """\
[source]
type = "csv"
path = "x"
[[transforms]]
filter = "x"
[[transforms]]
sql = \"\"\"
SELECT
  a = 5
FROM input
\"\"\"
foo = 1
[load]
type = "parquet"
pth = "x"
""",
        suffix=".toml",
    )
    assert [line.partition(": unknown")[0] for line in said] == [
        "orders.toml:12: transforms[1].foo",
        "orders.toml:13: load.path: missing; parquet needs it",
        "orders.toml:15: load.pth",
    ]


def test_yaml_keeps_words_and_codes_as_they_are():
    text = "{on: no, off: yes, zip: 007, at: 1:30, day: 2024-01-31, n: 1e3, x: 0x1F, y: -5, z: .5}"
    assert read_yaml(text, Findings("x")).plain() == {
        "on": "no",
        "off": "yes",
        "zip": "007",
        "at": "1:30",
        "day": "2024-01-31",
        "n": 1000.0,
        "x": 31,
        "y": -5,
        "z": 0.5,
    }


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, PLAIN, max_size=4))
@settings(deadline=None)
def test_what_a_yaml_writer_wrote_is_read(value):
    # JSON is YAML, and its writer quotes every text.
    assert read_yaml(json.dumps(value), Findings("x")).plain() == value


@given(st.text())
@settings(deadline=None)
@example("a: \x00")
@example("[" * 1_000)
def test_no_text_makes_a_reader_fail(text):
    for read in (read_yaml, read_toml):
        findings = Findings("x")
        node = read(text, findings)
        assert isinstance(node, Node) or findings.problems


@pytest.fixture
def own_classes(tmp_path, monkeypatch):
    """Put a module with a user's own classes where Python finds it."""
    (tmp_path / "shop_stages.py").write_text("""\
from dataclasses import dataclass
from typing import Literal
from arrowetl import SQLStage

@dataclass(frozen=True)
class Head(SQLStage):
    count: int
    ties: bool = False
    pick: Literal["first", "last"] = "first"

    def select(self, schema):
        return f"SELECT * FROM input LIMIT {self.count}"

def same(batch):
    return batch
""")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("shop_stages", None)


@pytest.mark.usefixtures("own_classes")
def test_a_users_own_class_needs_no_registration(config):
    made = config(
        GOOD + 'transforms: [{type: "shop_stages:Head", count: 3}, map: shop_stages:same]'
    )
    assert repr(made.stages[0]) == "Head(count=3, ties=False, pick='first')"
    assert isinstance(made.stages[1], ae.Map)


@pytest.mark.usefixtures("own_classes")
def test_a_users_own_class_that_does_not_fit(wrong):
    text = (
        GOOD
        + """\
transforms:
  - {type: "shop_stages:Head", coutn: 3}
  - {type: "shop_stages:Haed"}
  - {type: "shop_stages:same"}
  - {type: "no_such_shop:Head"}
  - map: shop_stages
  - map: math:pi
"""
    )
    assert wrong(text) == [
        "orders.yaml:4: transforms[0].count: missing; shop_stages:Head needs it",
        (
            "orders.yaml:4: transforms[0].coutn: unknown option; did you mean 'count'? "
            "shop_stages:Head takes count, ties, pick"
        ),
        "orders.yaml:5: transforms[1].type: module 'shop_stages' has no 'Haed'",
        (
            "orders.yaml:6: transforms[2].type: 'shop_stages:same' isn't a class that derives from "
            "Stage"
        ),
        (
            "orders.yaml:7: transforms[3].type: can't import 'no_such_shop': "
            "No module named 'no_such_shop'"
        ),
        "orders.yaml:8: transforms[4].map: 'shop_stages' isn't of the form package.module:name",
        "orders.yaml:9: transforms[5].map: 'math:pi' isn't a function",
    ]


@pytest.mark.usefixtures("own_classes")
def test_problems_are_facts_for_programs(config):
    text = GOOD + 'transforms:\n  - {type: "shop_stages:Head", count: 1, pick: lats}\n'
    with pytest.raises(ConfigFileError) as caught:
        config(text)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (4, "transforms[0].pick")
    assert problem.message == "expected 'first' or 'last', got 'lats'; did you mean 'last'?"
    assert (problem.nearest, problem.allowed) == (("last",), ("first", "last"))
    assert isinstance(caught.value, ae.ConfigError)


def test_a_statement_joins_with_tables_that_are_sources(config, tmp_path):
    (tmp_path / "in.csv").write_text("id\n1\n2\n")
    (tmp_path / "names.csv").write_text("id,name\n2,Bob\n")
    text = """\
source: {type: csv, path: "${HERE}/in.csv"}
transforms:
  - sql: SELECT name FROM input JOIN people USING (id)
    tables:
      people: {type: csv, path: "${HERE}/names.csv"}
load: {type: arrow}
"""
    pipeline = config(text, HERE=str(tmp_path)).pipeline()
    assert pipeline.run().result.table.to_pydict() == {"name": ["Bob"]}


def test_a_wrong_source_among_the_tables(wrong):
    text = (
        GOOD
        + """\
transforms:
  - sql: SELECT 1 FROM people
    tables:
      people: {type: csv, pth: names.csv}
"""
    )
    said = wrong(text)
    assert said[0] == "orders.yaml:6: transforms[0].tables.people.path: missing; csv needs it"
    assert said[1].startswith("orders.yaml:6: transforms[0].tables.people.pth: unknown option")


class YAML12(yaml.SafeLoader):
    """YAML as editors read it: `on` and `no` are words."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - it is PyYAML's own table
        first: [(tag, rule) for tag, rule in rules if first in "tTfF" or not tag.endswith("bool")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@pytest.fixture(scope="module")
def editor():
    """Give what an editor would say of a configuration's text."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator(schema)
    return lambda text: [
        error.json_path for error in checker.iter_errors(yaml.load(text, Loader=YAML12))
    ]


def test_the_schema_takes_what_is_right_and_refuses_what_is_not(editor):
    assert editor(GOOD) == []
    assert editor(GOOD + "transforms: [filter: x > 0, {type: sql, query: SELECT 1}]") == []
    assert editor(GOOD + "transforms: [mask: {columns: {a: redact}}, mask: {a: redact}]") == []
    assert editor(GOOD + "transforms: [null_remover: {columns: a}, select: a]") == []
    assert editor(GOOD + "transforms: [null_remover: {columns: 5}]") == ["$.transforms[0]"]
    assert editor(GOOD + "settings: {threads: '${THREADS}'}") == []
    assert editor(GOOD + "settings: {threads: many}") == ["$.settings.threads"]
    assert editor(GOOD + "profiles: {prod: {load: {path: x}}}") == []
    assert editor(GOOD.replace("parquet, path", "parquet, pth")) == ["$.load"]
    assert editor(GOOD + "lod: 5") == ["$"]


def test_the_schema_says_what_the_docstrings_say():
    definitions = json_schema()["$defs"]
    csv = next(
        form
        for form in definitions["source"]["anyOf"]
        if form["properties"]["type"].get("const") == "csv"
    )
    assert "glob" in csv["properties"]["path"]["description"]
    assert definitions["settings"]["properties"]["ordered"]["default"] is True


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_the_examples_are_right(path, editor):
    assert read_config(path, environ={}).stages
    assert editor(path.read_text()) == []
