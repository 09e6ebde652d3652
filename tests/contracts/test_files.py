"""Contracts as files: read as they were written, and every mistake told with its line."""

import os
import pickle
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.config import ConfigFileError
from arrowetl.contracts import ENTITIES, ContractMode, Field
from arrowetl.contracts.paths import parts_of, path_of
from arrowetl.testing.values import check_value

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["no", "on", "1:30", "0o17", "1e5", "~", "null", "007", "a: b", "# x", "- y", "\n", "\ufeff"]
)
NAME = TEXT.filter(bool)


@given(st.lists(NAME | st.none(), min_size=1, max_size=4).filter(lambda parts: parts[0]))
def test_ways_are_read_as_they_were_written(parts):
    assert parts_of(path_of(tuple(parts))) == tuple(parts)


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a..b", "[]", "a[", "a]b", 'a"b', '"a', "a[]b"]
)
def test_what_is_no_way(path):
    with pytest.raises(ae.ConfigError, match="names no column"):
        parts_of(path)


NUMBER = st.integers(-5, 2**70) | st.floats(allow_nan=False)
CHECKS = {
    "string": st.fixed_dictionaries({"enum": st.lists(TEXT, min_size=1, max_size=3)})
    | st.just({"format": "email"})
    | st.just({"regex": "(a|b)+#: "}),
    "double": NUMBER.map(lambda low: {"range": [low, None]})
    | st.fixed_dictionaries({"enum": st.lists(st.floats(0, 9), min_size=1, max_size=3)})
    | st.just({"unique": True}),
}


@st.composite
def contracts(draw):
    names = draw(st.lists(NAME, min_size=1, max_size=4, unique_by=str.lower))
    fields, rules = [], []
    for name in names:
        kind = draw(st.sampled_from(sorted(CHECKS)))
        nullable, evidence = draw(st.booleans()), draw(st.none() | TEXT)
        path = path_of((name,))
        personal = draw(st.none() | NAME)
        why = draw(st.none() | TEXT)
        fields.append(
            Field(path, kind, nullable=nullable, evidence=evidence, pii=personal, pii_evidence=why)
        )
        more = {"evidence": draw(st.none() | TEXT), "weight": draw(st.sampled_from([1, 2.5]))}
        called = {"name": draw(TEXT.filter(lambda each: "#" not in each))}
        given = draw(st.lists(CHECKS[kind], max_size=2))
        rules += [{"column": path, **each, **more, **called} for each in given]
    rules += draw(st.lists(st.sampled_from(["1 < 2", "true"]), max_size=2))
    modes = draw(st.dictionaries(st.sampled_from(ENTITIES), st.sampled_from(ContractMode)))
    return ae.Contract(fields, rules=rules, modes=modes, source=draw(TEXT))


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(contract=contracts())
def test_a_contract_is_read_as_it_was_written(contract, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"{os.getpid()}.yaml"
    contract.write(path)
    again = ae.Contract.read(path)
    assert again == contract
    assert hash(again) == hash(contract)
    assert again.to_yaml() == contract.to_yaml()


def test_a_contract_is_a_value():
    contract = ae.Contract([Field("a", "int64")], rules=["a > 1"], modes={"rules": "freeze"})
    check_value(contract)
    assert pickle.loads(pickle.dumps(contract)) == contract


def test_values_that_files_have_no_word_for_stand_there_as_text(tmp_path):
    contract = ae.Contract(
        [Field("at", "date32"), Field("n", "decimal128(9, 2)")],
        rules=[ae.Rule("at", range=(date(2024, 1, 1), None)), ae.Rule("n", enum=[Decimal("1.50")])],
    )
    contract.write(tmp_path / "c.yaml")
    assert ae.Contract.read(tmp_path / "c.yaml") == contract
    with pytest.raises(ae.ConfigError, match="numbers, texts and times, not b'x'"):
        ae.Contract([Field("b", "binary")], rules=[ae.Rule("b", enum=[b"x"])])


def problems(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigFileError) as caught:
        ae.Contract.read(path)
    return [str(each).removeprefix(f"{path}:") for each in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: expected a mapping, got nothing"),
        ("columns: [", "1: isn't YAML: while parsing a flow node expected the node content"),
        (b"a: \xff", "1: isn't UTF-8: byte 0xff"),
        ("version: 9\ncolumns: {a: int8}", "1: version: version 9 isn't known; this arrowetl"),
        ("column: {a: int8}", "1: column: unknown option; did you mean 'columns'? a contract"),
        ("source: x", "1: columns: missing; a contract names its columns"),
        ("columns: [a]", "1: columns: expected columns by name, got a list"),
        ("columns: {a: 3}", "1: columns.a: expected a mapping, got 3"),
        ("columns:\n  a:\n    typ: int8", "3: columns.a.typ: unknown option; did you mean 'type'?"),
        ("columns:\n  a: {nullable: false}", "2: columns.a.type: missing; a column has a type"),
        ("columns:\n  a: int65", "2: columns.a: Field 'a': no type 'int65'; did you mean 'int64'"),
        ("columns:\n  a.b: int8", "2: columns.a.b: is in 'a', which isn't a field before it"),
        ("columns:\n  a: int8\n  a[]: int8", "3: columns.a[]: is in 'a', which is int8, not list"),
        ("columns:\n  a: list", "2: columns.a: is list: say what is in it, as 'a[]'"),
        ("columns:\n  a: int8\n  A: int8", "3: columns.A: is there twice; SQL ignores case"),
        ("columns:\n  a: int8\n  a: int8", "3: columns.a: stands twice; first in line 2"),
        ("columns:\n  a: {type: int8, nullable: 3}", "2: columns.a: Field: nullable is true or"),
        ("columns:\n  a: {type: int8, evidence: 3}", "2: columns.a.evidence: expected text"),
        (
            "columns:\n  a:\n    type: int8\n    rules: {enum: [1]}",
            "4: columns.a.rules: expected a list, got a mapping; begin each with '- '",
        ),
        (
            "columns:\n  a:\n    type: int8\n    rules:\n      - rnge: [1, 2]",
            "5: columns.a.rules[0].rnge: unknown option; did you mean 'range' or",
        ),
        (
            "columns:\n  a:\n    type: string\n    rules:\n      - range: [1, 2]",
            "5: columns.a.rules[0]: Contract: rule 'a from 1 to 2': column 'a' is string, which",
        ),
        ("columns: {a: int8}\nrules:\n  - b > 1", "3: rules[0]: Contract: rule 'b > 1': no column"),
        ("columns: {a: int8}\nrules:\n  - a >", "3: rules[0]: Rule: not one SQL expression"),
        (
            "columns:\n  a: list\n  a[]: int8\n  b: {type: int8, rules: [{unique: 1}]}",
            "4: columns.b.rules[0]: Rule: unique is true or false, not 1",
        ),
        (
            "columns:\n  a: list\n  a[]: {type: int8, rules: [{unique: true}]}",
            "3: columns.a[].rules[0]: Contract: rule 'a[] is unique': only a whole column can be",
        ),
        (
            "modes:\n  rules: freez\ncolumns: {a: int8}",
            "2: modes.rules: no mode 'freez'; did you mean 'freeze'? there are evolve,",
        ),
        ("modes:\n  rule: freeze\ncolumns: {a: int8}", "2: modes.rule: unknown option; did you"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path, text, expected):
    [told] = problems(tmp_path, text)
    assert told.startswith(expected)


def test_all_mistakes_are_told_at_once(tmp_path):
    text = (
        "columns:\n  a: {type: int65}\n  b: {typ: x}\n  c:\n    type: int8\n    rules: [{x: 1}]\n"
    )
    assert [told.split(":")[0] for told in problems(tmp_path, text)] == ["2", "3", "6"]


def test_what_is_described_wrongly():
    for options, said in {
        "fields": ([], "it has no fields"),
        "no field": (["a"], "fields are a list of Field"),
    }.values():
        with pytest.raises(ae.ConfigError, match=said):
            ae.Contract(options)
    field = [Field("a", "int64")]
    with pytest.raises(ae.ConfigError, match=r"no field 'b'"):
        ae.Contract(field, rules=[ae.Rule("b", unique=True)])
    with pytest.raises(ae.ConfigError, match="modes has no 'column'; did you mean 'columns'"):
        ae.Contract(field, modes={"column": "freeze"})
    with pytest.raises(ae.ConfigError, match="modes is a mapping"):
        ae.Contract(field, modes="freeze")
    with pytest.raises(ae.ConfigError, match="name and type are texts"):
        Field(1, "int64")


def test_schema():
    contract = ae.Contract(
        [Field("a", "list", nullable=False), Field("a[]", "struct"), Field("a[].b", "date32")]
    )
    assert str(contract.schema()) == (
        "a: list<item: struct<b: date32[day]>> not null\n"
        "  child 0, item: struct<b: date32[day]>\n      child 0, b: date32[day]"
    )
