"""JSONSource gives numbers that become text as they stand in the file, with any DuckDB."""

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl.sources.json import JSONSource
from tests.sources.reading import write

NUMBERS = [
    "1.10",
    "-0",
    "-0.0",
    "0.00",
    "1E5",
    "1e+2",
    "-1.50e-07",
    "0.30000000000000004441",
    "12345678901234567.890",
    "18446744073709551616",
    "1e400",
    "1e-400",
]


def rows(folder, text, **options):
    source = JSONSource(write(folder / "x.jsonl", text), **options)
    found = [row for batch in source.scan() for row in batch.to_pylist()]
    assert not list(source.rejected(None))
    return found


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("options", [{}, {"sample_size": 1}, {"schema": {"a": pa.string()}}])
def test_a_column_of_text(tmp_path, number, options):
    text = f'{{"a": "x"}}\n{{"a": {number}}}\n{{"a": "{number}"}}\n'
    assert rows(tmp_path, text, **options) == [{"a": "x"}, {"a": number}, {"a": number}]


@pytest.mark.parametrize("number", NUMBERS)
def test_json_text(tmp_path, number):
    text = f'{{"a": [{number}, "{number}", [{number}]]}}\n{{"a": {{"b": {number} }}}}\n'
    assert rows(tmp_path, text) == [
        {"a": f'[{number},"{number}",[{number}]]'},
        {"a": f'{{"b":{number}}}'},
    ]


def test_records_that_are_no_objects(tmp_path):
    assert rows(tmp_path, '1.10\n"x"\n2e0\n') == [
        {"value": "1.10"},
        {"value": "x"},
        {"value": "2e0"},
    ]


@pytest.mark.parametrize("path", ["d.rows[*]", "d.rows[*].in[*]"])
def test_records_below_a_path(tmp_path, path):
    record = '{"a": 1.10, "b": 7}, {"a": "x", "b": -3}'
    inner = record if path.endswith("rows[*]") else f'{{"in": [{record}]}}, {{"in": []}}'
    text = f'{{"d": {{"rows": [{inner}]}}}}\n'
    assert rows(tmp_path, text, record_path=path, format="lines") == [
        {"a": "1.10", "b": 7},
        {"a": "x", "b": -3},
    ]


def test_what_stands_beside_them_stays(tmp_path):
    beside = (
        '"i": -5, "u": 18446744073709551615, "h": 99999999999999999999, "d": 2.50, "f": true, '
        r'"s": "a\"1.10\" \\", "t": "1.10", "n": null, "é": "\u00e9 [1.5", "l": [1.5, 2], "e": []'
    )
    text = f'{{"o": [{{"x": 1.10, {beside}}}], {beside}}}\n{{"o": [{{"x": "y"}}, null]}}\n'
    wanted = json.loads(f"{{{beside}}}")
    first, second = rows(tmp_path, text)
    assert {key: first[key] for key in wanted} == wanted
    assert first["o"] == [{"x": "1.10", **wanted}]
    assert second["o"][0]["x"] == "y"
    assert second["o"][1] is None


def test_a_column_that_isnt_in_all_records_keeps_its_type_beside_long_integers(tmp_path):
    text = '{"a": 18446744073709551616, "b": 1, "c": true}\n{"a": 2}\n'
    schema = JSONSource(write(tmp_path / "x.jsonl", text)).schema()
    assert schema.types == [pa.decimal128(38, 0), pa.int64(), pa.bool_()]


def test_keys_with_backslashes_in_lists(tmp_path):
    assert rows(tmp_path, r'{"a": [{"b\\": 1.10, "c": 2}]}' + "\n") == [
        {"a": [{"b\\": "1.10", "c": 2}]}
    ]


def test_keys_that_differ_in_case(tmp_path):
    text = '{"a": 1.10, "A": 2.20}\n{"a": "x", "A": "y"}\n'
    assert rows(tmp_path, text)[0] == {"a": "1.10", "A_1": "2.20"}


def test_flattened_objects(tmp_path):
    text = '{"o": {"a": 1.10, "b": 2.5, "p": {"c": 1E1}}}\n{"o": {"a": "x", "p": {"c": ""}}}\n'
    assert rows(tmp_path, text, flatten=True)[0] == {"o_a": "1.10", "o_b": 2.5, "o_p_c": "1E1"}


def test_what_is_declared(tmp_path):
    schema = pa.schema(
        {
            "m": pa.map_(pa.string(), pa.string()),
            "l": pa.list_(pa.struct({"t": pa.string(), "d": pa.decimal128(38, 20)})),
            "f": pa.float64(),
        }
    )
    number = "1.12345678901234567890"
    text = f'{{"m": {{"a": 1.10, "b": "1.10"}}, "l": [{{"t": 1.0e0, "d": {number}}}], "f": 1.50}}\n'
    assert rows(tmp_path, text, schema=schema) == [
        {
            "m": [("a", "1.10"), ("b", "1.10")],
            "l": [{"t": "1.0e0", "d": Decimal(number)}],
            "f": 1.5,
        }
    ]


@pytest.mark.parametrize(
    "number", ["1.0000000000000000001", "100000000000000.001", "1e-400", "1000000000000000.01e-3"]
)
def test_a_decimal_that_would_lose_digits_is_rejected(tmp_path, number):
    schema = pa.schema({"a": pa.decimal128(15, 2)})
    source = JSONSource(write(tmp_path / "x.jsonl", f'{{"a": {number}}}\n'), schema=schema)
    assert not list(source.scan())
    (rejected,) = source.rejected(None)
    assert rejected["reason_code"].to_pylist() == ["cast"]


def test_no_json_is_no_number(tmp_path):
    schema = pa.schema({"a": pa.string(), "d": pa.decimal128(38, 10)})
    text = '{"a": 1.23456789.5}\n{"a": -01.5}\n{"a": 1.5e}\n{"d": 1.234567891.5}\n'
    source = JSONSource(write(tmp_path / "x.jsonl", text), schema=schema)
    assert not list(source.scan())
    (rejected,) = source.rejected(None)
    assert set(rejected["reason_code"].to_pylist()) == {"malformed"}


@pytest.mark.parametrize(
    ("items", "wanted"),
    [('1.10, "x"', ["1.10", "x"]), ("1.10, {}", ["1.10", "{}"]), ("1.5, 2", [1.5, 2.0])],
)
def test_lists_in_very_many_lists(tmp_path, items, wanted):
    (row,) = rows(tmp_path, f'{{"a": {"[" * 30}{items}{"]" * 30}}}\n')
    value = row["a"]
    for _ in range(29):
        (value,) = value
    assert value == wanted


def test_an_infinity_in_very_many_lists(tmp_path):
    text = "".join(f'{{"a": {"[" * 20}{x}{"]" * 20}}}\n' for x in ("1.5", "1e400"))
    source = JSONSource(write(tmp_path / "x.jsonl", text))
    assert sum(batch.num_rows for batch in source.scan()) == 1
    (rejected,) = source.rejected(None)
    assert rejected["reason_code"].to_pylist() == ["number"]


def test_a_long_text_of_numbers(tmp_path):
    many = ",".join(f"{n}.10" for n in range(100_000))
    text = f'{{"a": [{many}]}}\n{{"a": {{}}}}\n'
    assert rows(tmp_path, text) == [{"a": f"[{many}]"}, {"a": "{}"}]


_numbers = st.from_regex(r"\A-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?\Z")
_texts = st.text('ab"\\:,[]{}01.5e-é\n', max_size=8).map(lambda s: json.dumps(s))  # noqa: PLW0108


def _inside(values):
    lists = st.lists(values, max_size=3).map(lambda each: f"[{','.join(each)}]")
    keys = st.sampled_from(["k", "1.5", 'q"', "l\\"]).map(json.dumps)
    objects = st.dictionaries(keys, values, max_size=3).map(
        lambda each: f"{{{','.join(f'{k}:{v}' for k, v in each.items())}}}"
    )
    return lists | objects


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.recursive(_numbers | _texts, _inside, max_leaves=8), min_size=1, max_size=6)
)
def test_any_json_text_stays_as_it_was(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("any")
    # Two of a kind of their own make the column JSON text.
    lines = [f'{{"n": {n}, "a": {each}}}' for n, each in enumerate([*values, "[]", "{}"])]
    found = rows(folder, "\n".join(lines))
    read = [_parts(row["a"]) for row in found]
    assert read == [_parts(each) for each in [*values, "[]", "{}"]]


def _parts(text):
    return json.loads(text, parse_float=lambda n: ("n", n), parse_int=lambda n: ("n", n))
