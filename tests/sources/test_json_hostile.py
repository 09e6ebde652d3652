"""JSONSource against broken, strange and large files: a record arrives, or is told of."""

import gzip
import json
import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl.errors import ReadError, SchemaError
from arrowetl.sources._json_split import cut_elements, cut_lines, cut_values
from arrowetl.sources.json import JSONSource
from tests.sources.reading import write


def both(path, **options):
    """Give the rows, and of each rejected record its line, byte, code, column and text."""
    source = JSONSource(path, **options)
    rows = [row for batch in source.scan() for row in batch.to_pylist()]
    rejected = [
        (r["source"]["line"], r["source"]["byte"], r["reason_code"], r["column"], r["text"])
        for batch in source.rejected(None)
        for r in batch.to_pylist()
    ]
    return rows, rejected


def of(folder, content, **options):
    return both(write(folder / "x.json", content), **options)


def test_broken_lines_leave_the_others_whole(tmp_path):
    lines = [
        '{"a": 1}',
        '{"a": 2',
        '{"a": 3}',
        "null",
        '"x"',
        "  ",
        '{"a": 4} {"a": 5}',
        "\t{'a': 6}",
        '{"a": 07}',
        '{"a": 8,,}',
        '{"a": 9} // note',
        '{"a": 10}',
    ]
    rows, rejected = of(tmp_path, "\r\n".join(lines))
    assert rows == [{"a": 1}, {"a": 3}, {"a": 10}]
    assert rejected == [
        (2, 11, "malformed", None, '{"a": 2'),
        (4, 30, "not_an_object", None, "null"),
        (5, 36, "not_an_object", None, '"x"'),
        (7, 45, "malformed", None, '{"a": 4} {"a": 5}'),
        (8, 65, "malformed", None, "{'a': 6}"),
        (9, 75, "malformed", None, '{"a": 07}'),
        (10, 86, "malformed", None, '{"a": 8,,}'),
        (11, 98, "malformed", None, '{"a": 9} // note'),
    ]


def test_the_reason_says_where_it_breaks(tmp_path):
    source = JSONSource(write(tmp_path / "x.jsonl", '{"a": 1}\n{"a" 2}\n'))
    list(source.scan())
    (batch,) = source.rejected(None)
    (reason,) = batch["reason"].to_pylist()
    assert reason.startswith("it isn't valid JSON: ")
    assert "line 1 column 6" in reason


def test_a_broken_element_leaves_the_others_whole(tmp_path):
    text = '[\n  {"a": 1},\n  {"a": 2 "b"},\n  {"a": "x,]"},\n  7,\n  {"a": 3}\n]\n'
    rows, rejected = of(tmp_path, text)
    assert rows == [{"a": "1"}, {"a": "x,]"}, {"a": "3"}]
    assert rejected == [
        (3, 17, "malformed", None, '{"a": 2 "b"}'),
        (5, 49, "not_an_object", None, "7"),
    ]


@pytest.mark.parametrize(
    ("text", "rows", "told"),
    [
        ('[{"a": 1}, {"a": 2}, ]', [1, 2], []),
        ('[{"a": 1,}, {"a": 2}, \n]', [1, 2], []),
        ('[{"a": 1},, {"a": 2}]', [1, 2], [("malformed", "")]),
        ('[{"a": 1}, {"a": 2}', [1], [("truncated", '{"a": 2}')]),
        ('[{"a": 1}, {"a": 2},', [1, 2], [("truncated", "")]),
        ('[{"a": 1}, {"a": 2}, {"a"', [1, 2], [("truncated", '{"a"')]),
        ('[{"a": 1}, {"a": "]', [1], [("truncated", '{"a": "]')]),
        ('[{"a": 1}] and more', [1], [("trailing_text", "and more")]),
        ('[{"a": 1}] [{"a": 2}]', [1, 2], []),
        ('[{"a": 1}]]', [1], [("trailing_text", "]")]),
        ('{"a": 1}{"a": 2', [1], [("truncated", '{"a": 2')]),
        ('{"a":\n1}\n{"a":\n2', [1], [("truncated", '{"a":\n2')]),
    ],
)
def test_arrays_and_values_that_end_wrongly(tmp_path, text, rows, told):
    found, rejected = of(tmp_path, text)
    assert [str(row["a"]) for row in found] == [str(row) for row in rows]
    assert [(code, shown) for _, _, code, _, shown in rejected] == told


def test_a_list_that_isnt_closed(tmp_path):
    rows, rejected = of(
        tmp_path, '{"d": [{"a": 1}, {"a": 2}], "n": ', record_path="d[*]", format="object"
    )
    assert rows == [{"a": 1}, {"a": 2}]
    assert [code for _, _, code, _, _ in rejected] == ["truncated"]


@pytest.mark.parametrize(
    "line",
    [
        '{"a": 1, "a": 2}',
        '{"a": 1, "b": {"c": 1, "c": 1}}',
        '{"a": 1, "l": [{"d": 1}, {"d": 1, "d": 2}]}',
    ],
)
@pytest.mark.parametrize("options", [{}, {"sample_size": 2}])
def test_a_key_twice(tmp_path, line, options):
    good = '{"a": 0, "b": {"c": 5}, "l": [{"d": 6}]}'
    rows, rejected = of(tmp_path, f"{good}\n{good}\n{line}\n{good}\n", **options)
    assert len(rows) == 3
    assert rejected == [(3, 83, "duplicate_key", None, line)]


def test_keys_that_are_twice_in_what_is_text_stay(tmp_path):
    assert of(tmp_path, '{"a": {"b": 1, "b": 2}}\n{"a": 5}')[0] == [
        {"a": '{"b":1,"b":2}'},
        {"a": "5"},
    ]


def test_deep_nesting_is_text_from_a_depth_on(tmp_path):
    deep = "[" * 10_000 + "]" * 10_000
    table = JSONSource(write(tmp_path / "x.jsonl", f'{{"a": {deep}}}\n{{"a": null}}\n')).reader()
    kind, levels = table.schema.field("a").type, 0
    while pa.types.is_list(kind):
        kind, levels = kind.value_type, levels + 1
    assert (kind, levels) == (pa.string(), 31)
    value = table.read_all()["a"].combine_chunks()
    for _ in range(31):
        value = value.flatten()
    assert value.to_pylist() == ["[" * 9_969 + "]" * 9_969]


def test_deep_brackets_that_are_no_json(tmp_path):
    rows, rejected = of(tmp_path, '{"a": 1}\n' + '{"b":' * 100_000 + "\n")
    assert rows == [{"a": 1}]
    assert [(line, code) for line, _, code, _, _ in rejected] == [(2, "malformed")]


def test_objects_with_very_many_keys_are_text(tmp_path):
    wide = json.dumps({"ids": {f"k{n}": n for n in range(1_001)}})
    assert of(tmp_path, wide)[0][0]["ids"].startswith('{"k0":0,"k1":1,')
    with pytest.raises(SchemaError, match="over 1,000 keys, too many for columns"):
        of(tmp_path, json.dumps({f"k{n}": n for n in range(1_001)}))


def test_numbers_beyond_a_double(tmp_path):
    lines = '{"a": 1e400}\n{"a": 1.5}\n{"a": -Infinity}\n{"a": 1e308}\n{"a": NaN}\n'
    rows, rejected = of(tmp_path, lines)
    assert [str(row["a"]) for row in rows] == ["1.5", "-inf", "1e+308", "nan"]
    assert rejected == [(1, 1, "number", None, '{"a": 1e400}')]
    nested = '{"o": {"l": [[1.5], [2e999]]}}\n{"o": {"l": [[1]]}}\n'
    rows, rejected = of(tmp_path, nested)
    assert rows == [{"o": {"l": [[1.0]]}}]
    assert [code for _, _, code, _, _ in rejected] == ["number"]


def test_digits_of_numbers_in_text_are_kept(tmp_path):
    number = "0.1234567890123456789012345678901234567890"
    assert of(tmp_path, f'{{"a": {number}}}\n{{"a": "x"}}\n{{"a": {{"b": [{number}, 1E5]}}}}')[
        0
    ] == [
        {"a": number},
        {"a": '"x"'},
        {"a": f'{{"b":[{number},1E5]}}'},
    ]
    exact = pa.schema({"a": pa.decimal256(60, 40)})
    (row,) = of(tmp_path, f'{{"a": {number}}}', schema=exact)[0]
    assert str(row["a"]) == number


def test_surrogates_nul_and_control_characters(tmp_path):
    lines = [r'{"a": "\ud800"}', r'{"a": "\ud83d\ude00"}', r'{"a": "x\u0000y"}', '{"a": "\t"}']
    rows, rejected = of(tmp_path, "\n".join(lines))
    assert rows == [{"a": "😀"}, {"a": "x\x00y"}]
    assert [(line, code) for line, _, code, _, _ in rejected] == [
        (1, "malformed"),
        (4, "malformed"),
    ]


def test_keys_that_can_be_no_columns(tmp_path):
    for key in ("", r"a\u0000"):
        with pytest.raises(SchemaError, match="can't be a column's name"):
            of(tmp_path, f'{{"{key}": 1}}')
    assert of(tmp_path, r'{"o": {"": 1, "x": 2}}')[0] == [{"o": '{"":1,"x":2}'}]


def test_bytes_that_arent_in_the_encoding(tmp_path):
    rows, rejected = of(tmp_path, b'{"a": "x"}\n{"a": "\xff\\n"}\n{"a": "\xc3\xa9"}\n')
    assert rows == [{"a": "x"}, {"a": "é"}]
    assert rejected == [(2, 12, "encoding", None, r'{"a": "\xff\\n"}')]
    utf16 = '{"a": 1}\n{"a": 2}\n'.encode("utf-16-le").replace(b"2\x00", b"\x00\xd8")
    rows, rejected = of(tmp_path, utf16, encoding="utf-16-le")
    assert rows == [{"a": 1}]
    assert rejected == [(2, None, "encoding", None, r'{"a": \x00\xd8}')]


def test_a_byte_order_mark_is_no_part_of_the_first_record(tmp_path):
    rows, rejected = of(tmp_path, b'\xef\xbb\xbf{"a": 1}\n{"a": \n')
    assert rows == [{"a": 1}]
    assert [(line, byte, code) for line, byte, code, _, _ in rejected] == [(2, 13, "malformed")]


@pytest.mark.parametrize("wrap", ["{}\n", "[{}]"])
def test_records_that_are_too_long(tmp_path, wrap):
    long = '{"a": "' + "x" * (17 << 20) + '"}'
    rows = ['{"a": "b"}', long, '{"a": "c"}']
    text = ("[" + ",\n".join(rows) + "]") if wrap == "[{}]" else "\n".join(rows)
    found, rejected = of(tmp_path, text)
    assert found == [{"a": "b"}, {"a": "c"}]
    ((line, byte, code, _, shown),) = rejected
    assert (line, code, shown[:8]) == (2, "line_size", '{"a": "x')
    assert byte == text.index(long) + 1
    assert len(shown) <= 1 << 16


def test_what_isnt_json_at_all(tmp_path):
    with pytest.raises(ReadError, match="Parquet"):
        of(tmp_path, b"PAR1\x00\x00\x01")
    for content in ("<html>\n<body>\n", "a,b\n1,2\n"):
        rows, rejected = of(tmp_path, content, schema={"a": "int64"})
        assert (rows, len(rejected)) == ([], 2)
        with pytest.raises(ReadError, match=r"no record .*, line 1: it isn't valid JSON: .*'[<a]"):
            of(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": "é"}\n{"a": "ü"}\n'.encode("latin-1"), "line 1: it holds bytes that aren't in"),
        ('\x1e{"a": 1}\n\x1e{"a": 2}\n', r"line 1: .*unexpected character.*'\\x1e{\"a\": 1}'$"),
        (bytes(range(256)), "it holds NUL bytes: is it the right file"),
        ("x" * 100_000, "'x{200}'$"),
        ("\n \n", "there are no records; give their columns with schema="),
        ("[]", "there are no records; give their columns with schema="),
    ],
)
def test_a_file_without_a_good_record_says_why(tmp_path, content, said):
    with pytest.raises(ReadError, match=said):
        of(tmp_path, content)


@pytest.mark.parametrize("content", ["{}", "{}\n{}\n", "[{}, null]", "{}\nxx\n", '{"d": [{}]}'])
def test_records_without_keys_need_a_schema(tmp_path, content):
    path = "d[*]" if "d" in content else None
    with pytest.raises(SchemaError, match="the records have no keys; give columns with schema="):
        of(tmp_path, content, record_path=path)
    rows, _ = of(tmp_path, content, record_path=path, schema={"a": "int64"})
    assert rows[0] == {"a": None}


@pytest.mark.parametrize("good", [1, 5_000])
def test_nul_bytes_reject_their_line_wherever_they_are(tmp_path, good):
    content = b'{"a": 1}\n' * good + b"\0" * 10 + b'{"a": 2}\n{"a": 3}\n'
    rows, rejected = of(tmp_path, content)
    assert rows == [{"a": 1}] * good + [{"a": 3}]
    assert [(line, code, text) for line, _, code, _, text in rejected] == [
        (good + 1, "malformed", "\0" * 10 + '{"a": 2}')
    ]


def test_a_compressed_file_that_is_cut_off(tmp_path):
    packed = gzip.compress(b"\n".join(b'{"a": %d}' % n for n in range(100_000)))
    path = write(tmp_path / "x.json.gz", packed[:-20])
    with pytest.raises(ReadError, match=r"x\.json\.gz"):
        JSONSource(path).schema()
    with pytest.raises(ReadError, match=r"x\.json\.gz"):
        list(JSONSource(path, schema=pa.schema({"a": pa.int64()})).scan())


def test_values_that_dont_fit_what_is_declared(tmp_path):
    lines = [
        '{"n": 1, "d": "2026-01-31", "o": {"p": 1.25, "l": [1, 2]}}',
        '{"n": 1.5}',
        '{"n": 128}',
        '{"n": "x"}',
        '{"n": true}',
        '{"d": "2026-02-30"}',
        '{"d": 5}',
        '{"o": 5}',
        '{"o": {"p": 1.255}}',
        '{"o": {"l": 5}}',
        '{"o": {"l": [1, "x"]}}',
        '{"n": "7", "other": 1}',
    ]
    inner = pa.struct({"p": pa.decimal128(5, 2), "l": pa.list_(pa.int64())})
    schema = pa.schema({"n": pa.int8(), "d": pa.date32(), "o": inner})
    rows, rejected = of(tmp_path, "\n".join(lines), schema=schema)
    assert [row["n"] for row in rows] == [1, 7]
    assert [(line, code, column) for line, _, code, column, _ in rejected] == [
        *((line, "cast", "n") for line in (2, 3, 4, 5)),
        *((line, "cast", "d") for line in (6, 7)),
        *((line, "cast", "o") for line in (8, 9, 10, 11)),
    ]
    assert [text for *_, text in rejected] == lines[1:-1]


@pytest.mark.parametrize(("kind", "key"), [("INTEGER", "1"), ("DATE", "2026-01-31")])
def test_a_key_of_a_map_that_doesnt_fit_rejects_its_record(tmp_path, kind, key):
    lines = [
        '{"o": {"m": null}}',
        '{"o": {"m": {"KEY": 1, "x": 2}}}',
        '{"o": {"m": {"KEY": "y"}}}',
        '{"o": {"m": {"KEY": 4}}}',
        '{"o": {"m": {"x": "y"}}}',
        '{"o": {"m": {}}}',
    ]
    kind = {"o": f"STRUCT(m MAP({kind}, INTEGER))"}
    rows, rejected = of(tmp_path, "\n".join(lines).replace("KEY", key), schema=kind)
    assert [row["o"]["m"] and [value for _, value in row["o"]["m"]] for row in rows] == [
        None,
        [4],
        [],
    ]
    assert [(line, column) for line, _, _, column, _ in rejected] == [(2, "o"), (3, "o"), (5, "o")]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            pa.float64(),
            [2**53, 2**53 + 2, 10**22, 2**64, 0, 0.1, "-0.0", "0e5", "1e-320", "Infinity", '"12"'],
            [2**53 + 1, -(2**53) - 1, 10**40 + 1, 10**80 + 1, "1e400", "-1e400", "1e-400"],
        ),
        (pa.float32(), [2**24, 0.1, "NaN", "1e38"], [2**24 + 1, "1e39", "-1e-60", 10**50]),
        (pa.float16(), [2048, 0.1], [2049, 70000, 1e-20]),
    ],
)
def test_a_double_that_is_declared_keeps_whole_numbers(tmp_path, kind, good, bad):
    lines = [f'{{"v": {value}, "w": [0.5, {value}]}}' for value in (*good, *bad)]
    schema = pa.schema({"v": kind, "w": pa.list_(kind)})
    rows, rejected = of(tmp_path, "\n".join(lines), schema=schema)
    assert len(rows) == len(good)
    assert [(code, column) for _, _, code, column, _ in rejected] == [("cast", "v")] * len(bad)
    rows, rejected = of(tmp_path, "\n".join(lines), schema=schema, columns=["w"])
    assert (len(rows), len(rejected)) == (len(good), len(bad))


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_S"])
def test_a_date_time_with_a_zone_doesnt_fit_a_type_without(tmp_path, kind):
    good = ["2026-01-31T10:00:00", "2026-01-31 10:00", "2026-01-31"]
    bad = [f"2026-01-31{time}" for time in ("T10:00:00+02:00", "T10:00:00Z", " 10:00-01")]
    lines = [f'{{"v": "{value}", "l": ["{value}"]}}' for value in (*good, *bad)]
    for schema in ({"v": kind}, {"l": f"{kind}[]"}):
        rows, rejected = of(tmp_path, "\n".join(lines), schema=schema)
        assert len(rows) == len(good)
        assert [(code, column) for _, _, code, column, _ in rejected] == [("cast", *schema)] * 3
    rows, _ = of(tmp_path, "\n".join(lines), schema={"v": "TIMESTAMPTZ"})
    assert [row["v"].hour for row in rows] == [10, 10, 0, 8, 10, 11]


@pytest.mark.parametrize(
    ("kind", "wrap"),
    [
        ("UUID", '"ID"'),
        ("UUID[]", '[null, "ID"]'),
        ("STRUCT(id UUID, n INTEGER)", '{"id": "ID", "n": 1}'),
        ("MAP(UUID, INTEGER)", '{"ID": 1}'),
    ],
)
def test_what_is_no_uuid_doesnt_fit_one(tmp_path, kind, wrap):
    uuid = "00000000-0000-0000-0000-00000000000a"
    values = [wrap.replace("ID", value) for value in (uuid, uuid.upper(), "x", uuid[:-1])]
    lines = [f'{{"v": {value}}}' for value in (*values, "null")]
    rows, rejected = of(tmp_path, "\n".join(lines), schema={"v": kind})
    assert [row["v"] for row in rows] == [rows[0]["v"], rows[0]["v"], None]
    assert uuid in str(rows[0]["v"])
    assert [(line, code, column) for line, _, code, column, _ in rejected] == [
        (3, "cast", "v"),
        (4, "cast", "v"),
    ]


def test_what_a_sample_didnt_show(tmp_path):
    lines = ['{"a": 1, "o": {"x": 1}}'] * 3 + [
        '{"a": 2.5}',
        '{"a": "x"}',
        '{"b": 1}',
        '{"o": {"y": 1}}',
        '{"o": 5}',
        '{"a": 18446744073709551615}',
        '{"a": 4}',
    ]
    rows, rejected = of(tmp_path, "\n".join(lines), sample_size=3)
    assert [row["a"] for row in rows] == [1, 1, 1, 4]
    assert [(line, code, column) for line, _, code, column, _ in rejected] == [
        (4, "cast", "a"),
        (5, "cast", "a"),
        (6, "unknown_key", None),
        (7, "unknown_key", None),
        (8, "cast", "o"),
        (9, "cast", "a"),
    ]


@pytest.mark.parametrize(
    ("shown", "good", "bad"),
    [
        ("1", "9223372036854775807", "9223372036854775808"),
        ("18446744073709551615", "0", "-1"),
        ("18446744073709551615", "5", "18446744073709551616"),
        ("18446744073709551616", "-5", "1.5"),
        ("18446744073709551616", "9" * 38, "9" * 39),
        ("true", "false", "1"),
        ("1.5", "2", '"x"'),
        ("1.5", str(2**53), str(2**53 + 1)),
        ("1.5", str(2**64), "1" * 40),
        ("[1.5]", f"[{10**22}]", f"[1, -{2**53 + 1}]"),
        ("[1]", "[2, null]", "[9223372036854775808]"),
        ("[[1]]", "[[2]]", "[[1.5]]"),
        ('[{"b": true}]', '[{"b": null}]', '[{"b": 1}]'),
    ],
)
def test_what_a_sample_decides_holds(tmp_path, shown, good, bad):
    lines = "\n".join(f'{{"a": {value}}}' for value in (shown, good, bad, "null"))
    rows, rejected = of(tmp_path, lines, sample_size=1)
    assert [row["a"] for row in rows] == [json.loads(shown), json.loads(good), None]
    assert [(line, code, column) for line, _, code, column, _ in rejected] == [(3, "cast", "a")]


def test_a_column_of_text_takes_anything(tmp_path):
    lines = '{"a": "x"}\n{"a": 1.10}\n{"a": {"b": 1e5}}\n{"a": [true]}\n'
    rows = of(tmp_path, lines, sample_size=1)[0]
    assert [row["a"] for row in rows] == ["x", "1.10", '{"b":1e5}', "[true]"]


def test_a_required_column_without_a_value(tmp_path):
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False)])
    rows, rejected = of(tmp_path, '{"a": 1}\n{"a": null}\n{}\n', schema=schema)
    assert rows == [{"a": 1}]
    assert [(line, code, column) for line, _, code, column, _ in rejected] == [
        (2, "cast", "a"),
        (3, "cast", "a"),
    ]


def test_documents_without_the_list(tmp_path):
    text = '{"d": [{"a": 1}]}\n{"d": 5}\n{"d": [{"a": 2}, 7]}\n{"e": []}\n{"d": [{"a": 3}]}\n{"d"\n'
    rows, rejected = of(tmp_path, text, record_path="d[*]")
    assert rows == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert [(line, code) for line, _, code, _, _ in rejected] == [
        (2, "record_path"),
        (3, "not_an_object"),
        (6, "malformed"),
    ]


@pytest.mark.parametrize("size", [1, 30_000])
@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("5", "not_an_object"),
        ('{"a": 1, "a": 2}', "duplicate_key"),
        ('{"a": 1e999}', "number"),
        ('{"a": 1 2}', "malformed"),
        ("", "malformed"),
    ],
)
def test_a_bad_record_leaves_those_beside_it_however_large_the_document_is(
    tmp_path, bad, code, size
):
    good = ", ".join(f'{{"a": {n}, "text": "{"x" * 30}"}}' for n in range(size))
    text = f'{{"data": {{"items": [{good}, {bad}, {good}]}}}}'
    rows, rejected = of(tmp_path, text, record_path="data.items[*]")
    assert [row["a"] for row in rows] == [*range(size), *range(size)]
    assert rejected == [(1, len(good) + 24 - bool(bad), code, None, bad)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("d[*]", '{"d": [{"a": 1}, %s, {"a": 2}]}\n{"d": []}\n{"d": [{"a": 3}]}\n'),
        ("[*]", '[{"a": 1}, %s, {"a": 2}]\n[]\n[{"a": 3}]\n'),
        ("[*].d[*]", '[{"d": [{"a": 1}, %s, {"a": 2}]}, {"d": [{"a": 3}]}]'),
        ("d[*].e[*]", '{"d": [{"e": [{"a": 1}, %s, {"a": 2}]}, {"e": []}, {"e": [{"a": 3}]}]}'),
        (
            '"é/\'"[*].e[*]',
            '{"é/\'": [{"e": [{"a": 1}]}, {"e": [%s, {"a": 2}]}]}\n{"é/\'": [{"e": [{"a": 3}]}]}',
        ),
    ],
)
@pytest.mark.parametrize("bad", ["7", '{"a": 1 2}', '{"a": 1, "a": 2}'])
def test_a_bad_record_is_rejected_by_itself_in_every_document(tmp_path, path, text, bad):
    sampled = of(tmp_path, text % bad, record_path=path, sample_size=100)
    rows, rejected = of(tmp_path, text % bad, record_path=path)
    assert sampled == (rows, rejected)
    assert [row["a"] for row in rows] == [1, 2, 3]
    ((line, byte, _, _, shown),) = rejected
    assert (line, byte, shown) == (1, len(text[: text.index("%")].encode()) + 1, bad)


def test_what_is_wrong_around_a_list_rejects_its_document(tmp_path):
    lines = ['{"d": [{"a": 3}]}', '{"d": [{"a": 1}], "x": 1 2}', '{"d": [{"a": 2}], "x": [}']
    rows, rejected = of(tmp_path, "\n".join(lines), record_path="d[*]")
    assert rows == [{"a": 3}]
    assert [text for *_, text in rejected] == lines[1:]


@pytest.mark.parametrize("options", [{}, {"sample_size": 1}, {"schema": pa.schema({"a": "int64"})}])
@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("x[*]", ('{"x": [{"a": 3}]}', '{"x": [{"a": 1}], "x": [{"a": 2}]}')),
        ("d.x[*]", ('{"d": {"x": [{"a": 3}]}}', '{"d": {"x": [{"a": 1}]}, "d": {"x": []}}')),
        ("x", ('{"x": {"a": 3}}', '{"x": {"a": 1}, "x": {"a": 2}}')),
        ("x[*]", ('{"x": [{"a": 3}]}', '{"x": [{"a": 1}, {"a": 1, "a": 2}], "x": [{"a": 2}]}')),
        ("x[*]", ('{"x": [{"a": 3}]}', '{"x": [{"a": 1}, {"a": 1 2}], "x": [{"a": 2}]}')),
        ("d.x[*]", ('{"d": {"x": [{"a": 3}]}}', '{"d": {"x": [{"a": 1 2}]}, "d": {"x": [1]}}')),
    ],
)
def test_a_key_twice_on_the_way_rejects_the_document(tmp_path, path, lines, options):
    good, bad = lines
    text = f"{good}\n{bad}\n{good}\n"
    rows, rejected = of(tmp_path, text, record_path=path, format="lines", **options)
    assert rows == [{"a": 3}, {"a": 3}]
    code = "malformed" if "1 2" in bad else "duplicate_path"
    assert [(line, code, text) for line, _, code, _, text in rejected] == [(2, code, bad)]


def test_a_key_twice_between_two_lists_rejects_what_has_it(tmp_path):
    bad = '{"x": [{"a": 1}], "x": [{"a": 2}, 7]}'
    text = f'{{"d": [{bad}, {{"x": [{{"a": 3}}]}}]}}\n'
    rows, rejected = of(tmp_path, text, record_path="d[*].x[*]", format="lines")
    assert rows == [{"a": 3}]
    assert [(code, text) for *_, code, _, text in rejected] == [("duplicate_path", bad)]


@pytest.mark.parametrize("size", [1, 30_000])
@pytest.mark.parametrize(
    ("path", "wrap"),
    [
        ("x[*]", ('{"x": [', '], "y": [{"x": [1]}], "x": [', "]}")),
        ("d.x[*]", ('{"d": {"x": [', ']}, "e": {"x": [1]}, "d": {"y": 1, "x": [', "]}}")),
        ("d.x[*]", ('{"d": {"x": [', '], "x": [', ']}, "d": {}}')),
    ],
)
def test_the_second_list_of_a_document_is_rejected(tmp_path, path, wrap, size):
    good = ", ".join(f'{{"a": {n}, "text": "{"x" * 30}"}}' for n in range(size))
    opening, between, closing = wrap
    text = f'{opening}{good}{between}{{"a": -1}}, {{"a": -2}}{closing}\n{opening}{closing}'
    rows, rejected = of(tmp_path, text, record_path=path, format="object")
    assert [row["a"] for row in rows] == [*range(size)]
    assert [(byte, code, text) for _, byte, code, _, text in rejected] == [
        (text.index(record) + 1, "duplicate_path", record) for record in ('{"a": -1}', '{"a": -2}')
    ]


@pytest.mark.parametrize(
    ("path", "text", "bad"),
    [
        ("d", '{"d": {"a": 1}}\n{"e": 1}\n{}\n{"d": {}}\n', ['{"e": 1}', "{}"]),
        ("d.e", '{"d": {"e": {"a": 1}}}\n{"d": null}\n{"d": {"e": {}}}\n', ['{"d": null}']),
        ("i[*].v", '{"i": [{"v": {"a": 1}}, {}, null, {"v": {}}]}\n{}\n', ["{}", "null"]),
    ],
)
def test_where_a_path_leads_to_nothing_there_is_no_row(tmp_path, path, text, bad):
    for schema in (None, pa.schema({"a": "int64"})):
        rows, rejected = of(tmp_path, text, record_path=path, format="lines", schema=schema)
        assert rows == [{"a": 1}, {"a": None}]
        told = [(code, text) for *_, code, _, text in rejected]
        assert told == [("no_record", each) for each in bad]


def test_where_a_path_leads_to_no_value_there_is_no_row(tmp_path):
    rows, rejected = of(tmp_path, '{"d": 1}\n{}\n{"d": null}\n', record_path="d")
    assert rows == [{"value": 1}, {"value": None}]
    assert [(line, code) for line, _, code, *_ in rejected] == [(2, "no_record")]
    text = '{"d": [{"e": 1}, {}, {"e": null}]}\n{"d": null}\n'
    rows, rejected = of(tmp_path, text, record_path="d[*].e")
    assert rows == [{"value": 1}, {"value": None}]
    assert [(code, text) for *_, code, _, text in rejected] == [("no_record", "{}")]


def test_keys_that_only_broken_documents_have_are_columns(tmp_path):
    text = '{"d": [{"a": 1}]}\n{"d": [{"a": 2, "b": true}, nul]}\n'
    rows, _ = of(tmp_path, text, record_path="d[*]")
    assert rows == [{"a": 1, "b": None}, {"a": 2, "b": True}]


def test_raises_for_the_first(tmp_path):
    path = write(tmp_path / "x.jsonl", '{"a": 1}\n{"a": \n{"b": \n')
    with pytest.raises(ReadError, match=r"x.jsonl', line 2: it isn't valid JSON.*: '\{\"a\":'"):
        list(JSONSource(path, on_error="raise").scan())


def test_a_file_that_changes_after_it_was_looked_at(tmp_path):
    path = write(tmp_path / "x.jsonl", '{"a": 1}\n')
    source = JSONSource(path)
    assert source.schema() == pa.schema({"a": pa.int64()})
    write(path, '{"a": "x", "b": 1}\n')
    assert source.schema() == pa.schema({"a": pa.string(), "b": pa.int64()})


@pytest.mark.parametrize("form", ["lines", "array", "values"])
def test_places_are_exact_wherever_blocks_end(tmp_path, form):
    seeded = random.Random(5)
    records, bad = [], []
    for number in range(60_000):
        text = json.dumps({"n": number, "s": "é" * seeded.randrange(60)}, ensure_ascii=False)
        if seeded.random() < 0.0005:
            text = text.replace(":", ";", 1)
            bad.append(number)
        records.append(text)
    between = {"lines": "\n", "array": ",\n ", "values": "\n\n"}[form]
    text = between.join(records)
    text = f"[{text}]" if form == "array" else text
    path = write(tmp_path / "x.json", text)
    wanted = {"lines": "lines", "array": "array", "values": "object"}[form]
    rows, rejected = both(path, format=wanted)
    assert [row["n"] for row in rows] == [n for n in range(60_000) if n not in set(bad)]
    assert [shown for *_, shown in rejected] == [records[n] for n in bad]
    data = text.encode()
    for line, byte, _, _, shown in rejected:
        assert data[byte - 1 :].startswith(shown.encode())
        assert data[: byte - 1].count(b"\n") == line - 1


PIECES = st.sampled_from(
    [
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"1",
        b"a",
        b" ",
        b"\n",
        b'"a":',
        b"{}",
        b"\xc3\xa9",
    ]
)


@settings(max_examples=30, deadline=None)
@given(lines=st.lists(st.lists(PIECES, max_size=8).map(b"".join), max_size=8))
def test_each_line_arrives_or_is_told(tmp_path_factory, lines):
    """Whatever is in the lines between two good ones."""
    path = tmp_path_factory.mktemp("json") / "x.jsonl"
    path.write_bytes(b"\n".join([b'{"a": 1}', *lines, b'{"a": 2}']))
    rows, rejected = both(path, format="lines")
    given_lines = [line for part in lines for line in part.split(b"\n") if line.strip(b" ")]
    assert len(rows) + len(rejected) == len(given_lines) + 2
    objects = [line for line in given_lines if is_object(line)]
    assert len(rows) == len(objects) + 2


def is_object(line):
    try:
        pairs = json.loads(line, object_pairs_hook=list)
    except ValueError:
        return False
    return line.strip().startswith(b"{") and len({key for key, _ in pairs}) == len(pairs)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\{}[],: é\n', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text('a"\\:,', max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=70, deadline=None)
@given(
    values=st.lists(VALUES, max_size=6),
    around=st.tuples(VALUES, VALUES),
    size=st.integers(1, 20),
    indent=st.sampled_from([None, 1]),
)
def test_cuts_what_python_reads(values, around, size, indent):
    """Each cutter gives the values that were written, wherever blocks end."""

    def cut(cutter, text, *keys):
        data = text.encode()
        blocks = (data[start : start + size] for start in range(0, len(data), size))
        found = [row for batch in cutter(blocks, *keys) for row in batch.to_pylist()]
        assert not any(row["fault"] for row in found)
        return [json.loads(row["text"]) for row in found]

    containers = [value for value in values if isinstance(value, list | dict)]
    assert cut(cut_lines, "\n".join(map(json.dumps, values))) == values
    assert (
        cut(cut_values, "".join(json.dumps(each, indent=indent) for each in containers))
        == containers
    )
    assert cut(cut_elements, json.dumps(values, indent=indent)) == values
    first, last = around
    nested = {"a": first, "data": {"x": last, "items": values, "y": first}, "z": last}
    assert cut(cut_elements, json.dumps(nested, indent=indent), ["data", "items"]) == values
