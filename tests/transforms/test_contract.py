"""Rows held to a contract, by every mode, against a slow obvious Python."""

import json
import math
import pickle
import re
import time
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.contracts import ENTITIES, ContractMode, Field
from arrowetl.testing import run_stage

WEIRD = 'we"ird.x; --'
MODES = ["evolve", "discard_value", "discard_row", "quarantine"]

CONTRACT = ae.Contract(
    [
        Field("rowid", "int64"),
        Field("id", "int64", nullable=False),
        Field("key", "int64"),
        Field("n", "int64"),
        Field("x", "int32", nullable=False),
        Field('"we""ird.x; --"', "string", nullable=False),
        Field("s", "struct"),
        Field("s.city", "string"),
        Field("s.zip", "int32"),
        Field("o", "list"),
        Field("o[]", "struct"),
        Field("o[].p", "int64", nullable=False),
        Field("o[].q", "string"),
        Field("late", "date32"),
    ],
    rules=[
        ae.Rule("key", unique=True),
        ae.Rule("n", range=(0, 100)),
        ae.Rule("x", range=(-5, None)),
        ae.Rule('"we""ird.x; --"', regex="[a-z]*"),
        ae.Rule("s.city", enum=["Bonn", "Köln"]),
        ae.Rule("o[].p", range=(0, None)),
        ae.Rule("o[].q", enum=["a"]),
        ae.Rule(sql="id <> 3 OR n > 0", name="three"),
    ],
)
SCHEMA = pa.schema(
    [
        ("rowid", pa.int64()),
        ("id", pa.int64()),
        ("key", pa.int64()),
        ("n", pa.string()),
        ("x", pa.float64()),
        (WEIRD, pa.string()),
        ("s", pa.struct([("city", pa.string()), ("extra", pa.int64())])),
        ("o", pa.list_(pa.struct([("p", pa.float64()), ("q", pa.string())]))),
        ("new", pa.string()),
    ]
)
MEMBER = st.fixed_dictionaries(
    {
        "p": st.sampled_from([None, 0.0, 1.0, 2.5, -3.0, math.inf, -0.0]),
        "q": st.sampled_from([None, "a", "b"]),
    }
)
ROW = st.fixed_dictionaries(
    {
        "id": st.sampled_from([None, 1, 2, 3]),
        "key": st.sampled_from([None, 1, 2, 3, 4, 5, 6]),
        "n": st.sampled_from([None, "5", "-1", "007", " 5", "1.5", "x", "", "101", "9" * 19]),
        "x": st.sampled_from([None, 1.0, -9.0, 0.5, math.nan, 3e10, -0.0]),
        WEIRD: st.sampled_from([None, "abc", "A", ""]),
        "s": st.none()
        | st.fixed_dictionaries(
            {
                "city": st.sampled_from([None, "Bonn", "Ulm"]),
                "extra": st.sampled_from([None, 7]),
            }
        ),
        "o": st.none() | st.lists(st.none() | MEMBER, max_size=3),
        "new": st.sampled_from([None, "v"]),
    }
)


def table_of(rows):
    return pa.Table.from_pylist([{"rowid": at, **row} for at, row in enumerate(rows)], SCHEMA)


def whole_of_text(text):
    fits = re.fullmatch("[+-]?(0|[1-9][0-9]*)", text) and -(2**63) <= int(text) < 2**63
    return int(text) if fits else None


def whole_of_float(number, bits):
    fits = math.isfinite(number) and number == int(number) and abs(number) < 2 ** (bits - 1)
    return int(number) if fits else None


class Slow:
    """What becomes of one row, said plainly."""

    def __init__(self, row, keys, modes):
        self.row, self.modes, self.broken = row, modes, []
        self.n = None if row["n"] is None else whole_of_text(row["n"])
        self.x = None if row["x"] is None else whole_of_float(row["x"], 32)
        self.members = [member for member in row["o"] or [] if member is not None]
        self.ps = [None if m["p"] is None else whole_of_float(m["p"], 64) for m in self.members]
        self.columns()
        self.types()
        self.rules(keys)

    def breaks(self, entity, column, name, mode=None):
        self.broken.append((entity, column, name, mode or self.modes[entity]))

    def columns(self):
        if self.modes["columns"] not in {"discard_row", "quarantine"}:
            return
        if (self.row["s"] or {}).get("extra") is not None:
            self.breaks("columns", "s.extra", "s.extra isn't in the contract")
        if self.row["new"] is not None:
            self.breaks("columns", "new", "new isn't in the contract")

    def types(self):
        if self.row["n"] is not None and self.n is None:
            self.breaks("data_type", "n", "n is no int64")
        if self.row["x"] is not None and self.x is None:
            self.breaks("data_type", "x", "x is no int32")
        if any(
            m["p"] is not None and p is None for m, p in zip(self.members, self.ps, strict=True)
        ):
            self.breaks("data_type", "o[].p", "o[].p is no int64")

    def rules(self, keys):
        row, nulls = self.row, self.modes["data_type"] == "discard_value"
        hard = {"discard_value": "discard_row"}.get(self.modes["rules"], self.modes["rules"])
        weird = '"we""ird.x; --"'
        found = [
            (row["id"] is None, "id", "id is there", hard),
            (keys.count(row["key"]) > 1 and row["key"] is not None, "key", "key is unique", None),
            (self.n is not None and not 0 <= self.n <= 100, "n", "n from 0 to 100", None),
            ((self.x if nulls else row["x"]) is None, "x", "x is there", hard),
            (self.x is not None and self.x < -5, "x", "x from -5", hard),
            (row[WEIRD] is None, weird, f"{weird} is there", hard),
            (row[WEIRD] == "A", weird, f"{weird} fits [a-z]*", hard),
            ((row["s"] or {}).get("city") == "Ulm", "s.city", "s.city is one of 2", None),
            (
                None in (self.ps if nulls else [m["p"] for m in self.members]),
                "o[].p",
                "o[].p is there",
                hard,
            ),
            (any(p is not None and p < 0 for p in self.ps), "o[].p", "o[].p from 0", hard),
            ("b" in [m["q"] for m in self.members], "o[].q", "o[].q is one of 1", None),
            (row["id"] == 3 and self.n is not None and self.n <= 0, None, "three", hard),
        ]
        for broken, column, name, mode in found:
            if broken:
                self.breaks("rules", column, name, mode)

    def with_mode(self, mode):
        return [each for each in self.broken if each[3] == mode]

    def leaves(self):
        row, evolves = self.row, self.modes["data_type"] == "evolve"
        closed, nulled = self.modes["columns"] != "evolve", self.with_mode("discard_value")
        names = {name for entity, _, name, _ in nulled if entity == "rules"}
        out = {"rowid": row["rowid"], "id": row["id"]}
        out["key"] = None if "key is unique" in names else row["key"]
        out["n"] = None if "n from 0 to 100" in names else row["n"] if evolves else self.n
        out["x"] = row["x"] if evolves else self.x
        out[WEIRD] = row[WEIRD]
        out["s"] = row["s"] and {
            "city": None if "s.city is one of 2" in names else row["s"]["city"],
            **({} if closed else {"extra": row["s"]["extra"]}),
            "zip": None,
        }
        out["o"] = row["o"]
        if row["o"] is not None:
            drops = self.modes["rules"] == "discard_value"
            out["o"] = [
                m
                and {
                    "p": m["p"] if evolves or m["p"] is None else whole_of_float(m["p"], 64),
                    "q": None if drops and m["q"] == "b" else m["q"],
                }
                for m in row["o"]
            ]
        return {**out, **({} if closed else {"new": row["new"]}), "late": None}


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(ROW, max_size=8),
    modes=st.fixed_dictionaries(dict.fromkeys(ENTITIES, st.sampled_from(MODES))),
    machine=st.sampled_from([(1, 1), (7, 2), (1000, 2)]),
)
def test_rows_become_what_the_modes_say(rows, modes, machine):
    table, dead = table_of(rows), ae.ArrowLoader()
    pipeline = ae.Pipeline(
        batch_size=machine[0],
        threads=machine[1],
        dead_letters=dead,
        schema_contract={"contract": CONTRACT, **modes},
    )
    result = pipeline.extract(ae.ArrowSource(table)).load(ae.ArrowLoader()).run().result
    slow = [Slow(row, [row["key"] for row in rows], modes) for row in table.to_pylist()]
    apart = [each for each in slow if each.with_mode("quarantine")]
    kept = [each for each in slow if each not in apart and not each.with_mode("discard_row")]
    assert repr(result.table.to_pylist()) == repr([each.leaves() for each in kept])
    letters = [] if dead.table is None else dead.table.to_pylist()
    codes = {"columns": "column", "data_type": "data_type", "rules": "rule"}
    assert [
        (json.loads(each["row"])["rowid"], each["reason_code"], each["column"]) for each in letters
    ] == [
        (
            each.row["rowid"],
            codes[first[0]],
            WEIRD if first[1] and WEIRD[:2] in first[1] else first[1],
        )
        for each in apart
        for first in each.with_mode("quarantine")[:1]
    ]
    summary = result.stages[1].summary.to_pylist()
    counted = {each["check"]: each["broken"] for each in summary if each["broken"] is not None}
    names = [name for each in slow for _, _, name, _ in each.broken]
    assert counted == {name: names.count(name) for name in counted}
    assert set(names) <= set(counted)


def table(**columns):
    return pa.table(columns)


SMALL = ae.Contract(
    [Field("id", "int64", nullable=False), Field("mail", "string")],
    rules=[ae.Rule("mail", format="email")],
)


def run(given, *, contract=SMALL, **modes):
    dead = ae.ArrowLoader()
    pipeline = ae.Pipeline(dead_letters=dead, schema_contract={"contract": contract, **modes})
    result = pipeline.extract(given).load(ae.ArrowLoader()).run().result
    letters = [] if dead.table is None else dead.table.to_pylist()
    return result, [(each["reason_code"], each["column"], each["reason"]) for each in letters]


@pytest.mark.parametrize(
    ("mode", "expected", "letters"),
    [
        ("evolve", {"id": [1, 2], "mail": ["a@b.org", None], "new": [None, "x"]}, []),
        ("discard_value", {"id": [1, 2], "mail": ["a@b.org", None]}, []),
        ("discard_row", {"id": [1], "mail": ["a@b.org"]}, []),
        (
            "quarantine",
            {"id": [1], "mail": ["a@b.org"]},
            [("column", "new", "new x isn't in the contract")],
        ),
    ],
)
def test_a_new_column(mode, expected, letters):
    rows = table(id=[1, 2], mail=["a@b.org", None], new=[None, "x"])
    result, found = run(rows, columns=mode)
    assert (result.table.to_pydict(), found) == (expected, letters)


@pytest.mark.parametrize(
    ("mode", "expected", "letters"),
    [
        ("evolve", {"id": ["1", "x"], "mail": [None, None]}, []),
        ("discard_row", {"id": [1], "mail": [None]}, []),
        ("quarantine", {"id": [1], "mail": [None]}, [("data_type", "id", "id x is no int64")]),
    ],
)
def test_another_type(mode, expected, letters):
    result, found = run(table(id=["1", "x"], mail=pa.nulls(2, pa.string())), data_type=mode)
    assert (result.table.to_pydict(), found) == (expected, letters)


def test_a_cell_of_another_type_becomes_null():
    contract = ae.Contract([Field("n", "int64"), Field("at", "date32")])
    rows = table(n=["1", "x", None], at=["2024-02-30", "2024-02-29", "29.02.2024"])
    result, _ = run(rows, contract=contract, data_type="discard_value")
    assert result.table.to_pydict() == {"n": [1, None, None], "at": [None, date(2024, 2, 29), None]}
    broken = {each["check"]: each["broken"] for each in result.stages[1].summary.to_pylist()}
    assert (broken["n is no int64"], broken["at is no date32[day]"]) == (1, 2)


@pytest.mark.parametrize(
    ("mode", "expected", "letters"),
    [
        ("evolve", {"id": [1, None, 3], "mail": ["a@b.org", None, "x"]}, []),
        ("discard_value", {"id": [1, 3], "mail": ["a@b.org", None]}, []),
        ("discard_row", {"id": [1], "mail": ["a@b.org"]}, []),
        (
            "quarantine",
            {"id": [1], "mail": ["a@b.org"]},
            [("rule", "id", "id is missing"), ("rule", "mail", "mail x is no Email address")],
        ),
    ],
)
def test_a_broken_rule(mode, expected, letters):
    result, found = run(table(id=[1, None, 3], mail=["a@b.org", None, "x"]), rules=mode)
    assert (result.table.to_pydict(), found) == (expected, letters)


def test_freeze_ends_before_or_at_the_first_row():
    with pytest.raises(ae.SchemaError, match=r"'mial' isn't in the contract .did you mean 'mail'"):
        run(table(id=[1], mial=["x"]), columns="freeze")
    with pytest.raises(ae.SchemaError, match="column 'mail' of the contract is missing"):
        run(table(id=[1]), columns="freeze")
    with pytest.raises(ae.SchemaError, match="'id' is string, and int64 in the contract") as caught:
        run(table(id=["1"], mail=["a@b.org"]), data_type="freeze")
    assert caught.value.column == "id"
    said = r"row 2 breaks the contract: id is there \(None\); mail is email \(x\); rules are frozen"
    with pytest.raises(ae.StageError, match=said):
        run(table(id=[1, None, None], mail=[None, "x", "y"]), rules="freeze")


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_the_first_row_that_ends_a_run_is_the_same_for_every_batch_size(batch_size):
    rows = table(id=[*range(50), None, *range(49)], mail=["a@b.org"] * 100)
    modes = {"contract": SMALL, "rules": "freeze"}
    pipeline = ae.Pipeline(batch_size=batch_size, schema_contract=modes).extract(rows)
    with pytest.raises(ae.StageError, match="row 51 breaks"):
        pipeline.load(ae.ArrowLoader()).run()
    stage = ae.EnforceContract(SMALL, rules="freeze")
    with pytest.raises(ae.StageError, match="row 51 breaks"):
        run_stage(stage, rows, batch_rows=batch_size)


def test_types_widen_where_they_are_frozen():
    contract = ae.Contract(
        [Field("n", "int64"), Field("x", "double"), Field("at", "timestamp[us]")]
    )
    given = pa.table(
        {
            "n": pa.array([1, None], pa.int8()),
            "x": pa.array([2, None], pa.int32()),
            "at": pa.array([date(2024, 1, 1), None]),
        }
    )
    result, _ = run(given, contract=contract)
    assert result.table.schema.types == [pa.int64(), pa.float64(), pa.timestamp("us")]
    nothing = pa.table({each: pa.nulls(2) for each in ("n", "x", "at")})
    assert run(nothing, contract=contract)[0].table.schema.types == result.table.schema.types


def test_an_error_names_the_first_of_many_differences():
    many = pa.table({"id": [1], "mail": ["x"], **{f"new{at}": [1] for at in range(30)}})
    with pytest.raises(ae.SchemaError, match=r"'new19' isn't in the contract; and 10 more$"):
        run(many, columns="freeze")


def test_a_missing_column_that_has_to_be_there():
    rows = table(mail=["a@b.org"])
    assert run(rows, rules="quarantine")[1] == [("rule", "id", "id is missing")]
    assert run(rows, rules="evolve")[0].table.to_pydict() == {"mail": ["a@b.org"], "id": [None]}


def test_names_that_differ_in_case_alone_are_refused():
    with pytest.raises(ae.SchemaError, match="'ID' is 'id' in the contract"):
        run(table(ID=[1], mail=["x"]))


def test_a_type_of_another_shape():
    contract = ae.Contract([Field("a", "struct"), Field("a.b", "int64", nullable=False)])
    rows = pa.table({"a": ["text", None]})
    for mode, expected in {
        "evolve": ["text", None],
        "discard_value": [None, None],
        "discard_row": [None],
    }.items():
        assert run(rows, contract=contract, data_type=mode)[0].table["a"].to_pylist() == expected
    with pytest.raises(ae.SchemaError, match="'a' is string, and struct"):
        run(rows, contract=contract)


def test_maps_are_types_and_those_of_structs_are_only_compared():
    contract = ae.Contract([Field("m", "map<string, int64>")])
    given = pa.table({"m": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32()))})
    assert run(given, contract=contract, data_type="discard_value")[0].table["m"].to_pylist() == [
        [("a", 1)]
    ]
    contract = ae.Contract([Field("m", "map<string, struct<a: int64>>")])
    kind = pa.map_(pa.string(), pa.struct([("a", pa.int64())]))
    given = pa.table({"m": pa.array([[("k", {"a": 1})]], kind)})
    assert run(given, contract=contract)[0].table["m"].to_pylist() == [[("k", {"a": 1})]]
    for other in (table(m=["x"]), table(n=["x"])):
        with pytest.raises(ae.SchemaError, match="which nothing is cast to"):
            run(other, contract=contract, data_type="discard_value")


def test_more_checks_than_a_word_has_bits():
    rules = [ae.Rule("n", range=(at, None)) for at in range(150)]
    contract = ae.Contract([Field("n", "int64")], rules=rules)
    result, _ = run(table(n=[149, 100, None]), contract=contract, rules="evolve")
    broken = [each["broken"] for each in result.stages[1].summary.to_pylist()]
    assert broken == [0] * 101 + [1] * 49
    assert run(table(n=[149, 148]), contract=contract)[0].table["n"].to_pylist() == [149]


def test_modes_come_from_the_contract_unless_said():
    contract = ae.Contract([Field("n", "int64")], modes={"rules": "quarantine"})
    assert ae.EnforceContract(contract).modes == {
        "columns": ContractMode.EVOLVE,
        "data_type": ContractMode.FREEZE,
        "rules": ContractMode.QUARANTINE,
    }
    assert ae.EnforceContract(contract, rules="evolve").modes["rules"] is ContractMode.EVOLVE


def test_what_is_described_wrongly():
    with pytest.raises(ae.ConfigError, match=r"rules: no mode 'freez'; did you mean 'freeze'\?"):
        ae.EnforceContract(SMALL, rules="freez")
    with pytest.raises(ae.ConfigError, match="contract is a Contract or a path"):
        ae.EnforceContract(3)
    with pytest.raises(ae.ConfigError, match="has modes and no contract; learn one with"):
        ae.Pipeline(schema_contract={"columns": "freeze"})
    with pytest.raises(ae.ConfigError, match="no 'colums'; did you mean 'columns'"):
        ae.Pipeline(schema_contract={"contract": SMALL, "colums": "freeze"})
    with pytest.raises(ae.ConfigError, match="can't be read"):
        ae.Pipeline(schema_contract="nowhere.yaml")


def test_a_stage_is_a_value(tmp_path):
    SMALL.write(tmp_path / "small.yaml")
    stage = ae.EnforceContract(tmp_path / "small.yaml", rules="quarantine")
    same = ae.EnforceContract(SMALL, rules=ContractMode.QUARANTINE)
    assert stage == same
    assert hash(stage) == hash(same)
    assert pickle.loads(pickle.dumps(stage)) == stage
    assert stage != ae.EnforceContract(SMALL)
    assert "format='email'" in repr(stage)


def test_a_pipeline_of_a_pipeline_keeps_both_contracts():
    inner = ae.Pipeline("inner", schema_contract=SMALL).extract(
        table(id=[1, None], mail=["a@b.org", ""])
    )
    outer = ae.Pipeline("outer", schema_contract=SMALL).extract(
        inner.transform("SELECT * FROM input")
    )
    result = outer.load(ae.ArrowLoader()).run().result
    assert result.table["id"].to_pylist() == [1]
    assert [line.name for line in result.stages][1:] == ["EnforceContract", "EnforceContract, kept"]


def test_the_contract_is_directly_behind_the_source():
    pipeline = ae.Pipeline(schema_contract=SMALL).extract(table(id=[1], mail=["a@b.org"]))
    pipeline.transform("SELECT id FROM input")
    assert [step.stage.label for step in pipeline.plan().steps] == [
        "EnforceContract",
        "EnforceContract, kept",
        "SQL",
    ]
    assert pipeline.preview().table.column_names == ["id"]


def test_hundreds_of_columns_are_bound_in_no_time():
    columns = {f"c{at}": pa.array([at]) for at in range(500)}
    contract = ae.Contract([Field(each, "int64", nullable=False) for each in columns])
    started = time.perf_counter()
    ae.EnforceContract(contract).bind(pa.table(columns).schema)
    assert time.perf_counter() - started < 5  # 30 where each column looks at each other one


def test_what_is_masked_further_on_is_told_nowhere():
    rows = pa.table(
        {
            "id": [1, None, 3, 4],
            "mail": ["secret1", "secret2", "s@b.org", "s@c.org"],
            "n": ["5", "731246e3", "secret3", "7"],
            "s": [{"a": "secret4"}, {"a": "secret5"}, {"a": "ok"}, {"a": "secret6"}],
        }
    )
    contract = ae.Contract(
        [*SMALL.fields, Field("n", "double"), Field("s", "struct"), Field("s.a", "string")],
        rules=[*SMALL.rules, ae.Rule("n", range=(0, 99)), ae.Rule("s.a", enum=["ok"])],
    )
    dead = ae.ArrowLoader()
    modes = {"contract": contract, "data_type": "quarantine"}
    masks = ae.Mask(["mail", "n", "s"], key=b"x" * 16)
    for mode in ("quarantine", "discard_row", "freeze"):
        pipeline = ae.Pipeline(dead_letters=dead, schema_contract={**modes, "rules": mode})
        pipeline.extract(rows).transform(masks).load(ae.ArrowLoader())
        if mode == "freeze":
            with pytest.raises(ae.StageError, match="row 1 breaks the contract") as caught:
                pipeline.run()
            shown = f"{caught.value!r} {caught.value.__cause__!r}"
        else:
            result = pipeline.run().result
            shown = f"{result} {result.to_json()} {dead.table.to_pylist()}"
        assert "secret" not in shown
        assert "731246" not in shown
    assert dead.table.num_rows > 0


CAST = ae.Contract(
    [
        Field("id", "int64", nullable=False),
        Field("age", "int64"),
        Field("since", "date32[day]"),
        Field("note", "string"),
    ],
    rules=[ae.Rule("age", range=(0, 130))],
)
"""What texts have to be once they are cast."""


def told(ages, **columns):
    """Rows of texts, enough of them for their types to be plain."""
    ages = [*ages, *["50"] * 30]
    rows = {
        "id": [str(n) for n in range(len(ages))],
        "age": ages,
        "since": ["31.01.2024"] * len(ages),
        "note": ["x"] * len(ages),
    }
    return pa.table({**rows, **{each: [value] * len(ages) for each, value in columns.items()}})


def cast_then_held(rows, dead=None, **modes):
    pipeline = ae.Pipeline(dead_letters=dead).extract(rows)
    pipeline.transform(ae.SchemaInferrer(cast=True, patterns=[], day_first=True))
    pipeline.transform("SELECT * FROM input WHERE id <> 1")
    pipeline.transform(ae.EnforceContract(CAST, **modes))
    return pipeline.load(ae.ArrowLoader())


@pytest.mark.parametrize("data_type", ["freeze", *MODES])
def test_texts_that_are_cast_first_are_held_to_the_contract_as_what_they_are(data_type):
    dead = ae.ArrowLoader()
    pipeline = cast_then_held(
        told(["36", "1", "old", "N/A", "200"]), dead, data_type=data_type, rules="quarantine"
    )
    assert "rows that SchemaInferrer, cast rejects leave here" in str(pipeline.plan())
    result = pipeline.run().result
    assert result.table.schema.types == CAST.schema().types
    assert result.table["id"].to_pylist() == [0, 3, *range(5, 35)]
    assert result.table["age"].to_pylist()[:3] == [36, None, 50]
    assert result.table["since"][0].as_py() == date(2024, 1, 31)
    letters = dead.table.to_pylist()
    assert [each["reason"] for each in letters] == [
        "old is no int64",
        "age 200 not from 0 to 130",
    ]
    summary = result.stages[-2].summary.to_pylist()
    assert [each["broken"] for each in summary if each["check"] == "age from 0 to 130"] == [1]
    assert not [each for each in summary if each["entity"] == "data_type"]


def test_rules_are_frozen_for_what_was_cast_too():
    with pytest.raises(ae.errors.StageError, match=r"row 3 breaks .*age from 0 to 130 \(200\)"):
        cast_then_held(told(["36", "1", "old", "N/A", "200"]), rules="freeze").run()


def test_a_type_that_texts_turn_out_not_to_have_is_frozen_when_that_is_known():
    pipeline = cast_then_held(told(["36"], note="7"))
    assert pipeline.plan().schema.types == CAST.schema().types
    with pytest.raises(ae.errors.SchemaError, match="'note' is int64, and string in the contract"):
        pipeline.run()
    words = cast_then_held(told(["young", "old"] * 40))
    with pytest.raises(ae.errors.SchemaError, match="'age' is string, and int64 in the contract"):
        words.run()


def test_what_no_cast_decides_is_refused_before_a_row_is_read():
    numbers = told(["36"]).set_column(2, "since", pa.array([1] * 31))
    with pytest.raises(ae.errors.SchemaError, match="'since' is int64, and date32"):
        cast_then_held(numbers).plan()
    with pytest.raises(ae.errors.SchemaError, match="'extra' isn't in the contract"):
        cast_then_held(told(["36"], extra="x"), columns="freeze").plan()


def test_no_rows_have_the_contracts_types():
    result = cast_then_held(told([]).slice(0, 0)).run().result
    assert result.table.schema.types == CAST.schema().types
    assert result.table.num_rows == 0


def test_values_of_personal_data_are_in_nothing_that_is_told():
    contract = ae.Contract(
        [
            Field("mail", "string", nullable=False, pii="email"),
            Field("age", "int64", pii="age"),
            Field("who", "struct"),
            Field("who.name", "string", pii="name"),
            Field("who.n", "int64"),
            Field("n", "int64"),
        ],
        rules=[
            ae.Rule("mail", format="email"),
            ae.Rule("who.name", regex="[A-Z].*"),
            ae.Rule("n", range=(0, 9)),
        ],
    )
    rows = pa.table(
        {
            "mail": ["secret-at-example", None, "ada@example.org", "bob@example.org"],
            "age": ["36", "37", "secret", "38"],
            "who": [{"name": "secret", "n": "secret"}] * 3 + [{"name": "Bob", "n": "1"}],
            "n": [1, 2, 3, 10],
        }
    )
    dead = ae.ArrowLoader()
    pipeline = ae.Pipeline(dead_letters=dead).extract(rows)
    pipeline.transform(ae.EnforceContract(contract, data_type="quarantine", rules="quarantine"))
    result = pipeline.load(ae.ArrowLoader()).run().result
    assert result.table.num_rows == 0
    reasons = dead.table["reason"].to_pylist()
    assert "secret" not in " ".join(reasons)
    assert reasons[1].endswith("mail is missing; who.name *** doesn't fit [A-Z].*")
    assert reasons[3] == "n 10 not from 0 to 9"
    summary = result.stages[1].summary
    assert "secret" not in str(summary.to_pylist())
    samples = {each["check"]: each["samples"] for each in summary.to_pylist()}
    assert samples["mail is email"] == ["***"]
    assert samples["n from 0 to 9"] == ["10"]
    frozen = ae.EnforceContract(contract, data_type="quarantine", rules="freeze")
    with pytest.raises(ae.errors.StageError) as error:
        ae.Pipeline().extract(rows).transform(frozen).load(ae.ArrowLoader()).run()
    assert "secret" not in str(error.value)
    assert "mail is email (***)" in str(error.value)
