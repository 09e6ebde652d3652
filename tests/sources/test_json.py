"""JSONSource: formats, types, record paths, flattening, schemas, many files, wrappings."""

import bz2
import gzip
import json
import lzma
import pickle
import zipfile
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.errors import ConfigError, ReadError, SchemaError
from arrowetl.sources import _json_shape, _json_survey
from arrowetl.sources.json import JSONSource
from tests.sources.reading import write

LINES = '{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\n'
ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


def read(path, **options):
    """Give the rows, and fail if any was rejected."""
    source = JSONSource(path, **options)
    table = source.reader().read_all()
    assert table.schema.equals(source.schema())
    return table.to_pylist()


def rows_of(folder, content, **options):
    return read(write(folder / "x.json", content), **options)


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        LINES.replace("\n", "\r\n"),
        LINES.strip(),
        "\n\n" + LINES.replace("\n", "\n  \n"),
        json.dumps(ROWS),
        json.dumps(ROWS, indent=4),
        f"\n {json.dumps(ROWS)}\n\n",
        "".join(map(json.dumps, ROWS)),
        "\n".join(json.dumps(row, indent=1) for row in ROWS),
        " ".join(map(json.dumps, ROWS)),
    ],
)
def test_tells_formats_apart(tmp_path, content):
    assert rows_of(tmp_path, content) == ROWS


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ('{\n"a": 1\n}', [{"a": 1}]),
        ('{"a":\n[{"b": 1},\n{"b": 2}]\n}', [{"a": [{"b": 1}, {"b": 2}]}]),
        ("[1, 2]\n[3]\n", [{"value": [1, 2]}, {"value": [3]}]),
        ("[1, 2]\n", [{"value": 1}, {"value": 2}]),
        ("5", [{"value": 5}]),
        ('"x"\nnull\n"y"', [{"value": "x"}, {"value": None}, {"value": "y"}]),
        ("[[1, 2], [3]]", [{"value": [1, 2]}, {"value": [3]}]),
        ("[null, null]", [{"value": None}, {"value": None}]),
        ('[{"a": [{}]}, {"a": []}, {}]', [{"a": ["{}"]}, {"a": []}, {"a": None}]),
    ],
)
def test_single_values_and_records_that_are_no_objects(tmp_path, content, rows):
    assert rows_of(tmp_path, content) == rows


def test_a_format_that_is_told_is_believed(tmp_path):
    path = write(tmp_path / "x.json", "[1]\n[2]")
    assert read(path, format="lines") == [{"value": [1]}, {"value": [2]}]
    assert read(path, format="array") == [{"value": 1}, {"value": 2}]
    assert read(path, format="object") == [{"value": [1]}, {"value": [2]}]


@pytest.mark.parametrize(
    ("values", "kind", "arrive"),
    [
        ("1 -2 null", pa.int64(), [1, -2, None]),
        ("1 2.5", pa.float64(), [1.0, 2.5]),
        ("9223372036854775807 -9223372036854775808", pa.int64(), [2**63 - 1, -(2**63)]),
        ("18446744073709551615 0", pa.uint64(), [2**64 - 1, 0]),
        ("9223372036854775808 -1", pa.decimal128(38, 0), [Decimal(2**63), Decimal(-1)]),
        (f"{10**37} 1", pa.decimal128(38, 0), [Decimal(10**37), Decimal(1)]),
        (f"{10**38} 1", pa.string(), [str(10**38), "1"]),
        (f"{10**38} 1.5", pa.string(), [str(10**38), "1.5"]),
        (f"{10**15 - 1} 1.5", pa.float64(), [1e15 - 1, 1.5]),
        (f"{2**53 + 1} 1.5", pa.string(), [str(2**53 + 1), "1.5"]),
        (f"1e2 -{2**53 + 1}", pa.string(), ["1e2", str(-(2**53) - 1)]),
        (f"{2**64 - 1} 1.5", pa.string(), [str(2**64 - 1), "1.5"]),
        (
            f"[1,{2**53 + 1}] [2.5]",
            pa.list_(pa.field("l", pa.string())),
            [["1", str(2**53 + 1)], ["2.5"]],
        ),
        ("true false", pa.bool_(), [True, False]),
        ('"x" "2026-01-31"', pa.string(), ["x", "2026-01-31"]),
        ('1 "x" true 1.10', pa.string(), ["1", "x", "true", "1.10"]),
        ('"a\\n\\u00e9\\"" 5', pa.string(), ['a\né"', "5"]),
        ('5 {"x":1.10}', pa.string(), ["5", '{"x":1.10}']),
        ('[1] "x"', pa.string(), ["[1]", '"x"']),
        ("null null", pa.string(), [None, None]),
        ("[1] [2.5] []", pa.list_(pa.field("l", pa.float64())), [[1.0], [2.5], []]),
        ('[1] ["x"] [1.10]', pa.list_(pa.field("l", pa.string())), [["1"], ["x"], ["1.10"]]),
        ('[1] [{"x":"y"}]', pa.list_(pa.field("l", pa.string())), [["1"], ['{"x":"y"}']]),
        ("-0.0 5e-324", pa.float64(), [-0.0, 5e-324]),
        ("NaN Infinity -Infinity", pa.float64(), [None, float("inf"), float("-inf")]),
    ],
)
def test_types_that_all_values_agree_on(tmp_path, values, kind, arrive):
    lines = "\n".join(f'{{"x": {value}}}' for value in values.split())
    table = JSONSource(write(tmp_path / "x.jsonl", lines)).reader().read_all()
    assert table.schema == pa.schema({"x": kind})
    found = [None if str(value) == "nan" else value for value in table["x"].to_pylist()]
    assert found == arrive


def test_a_type_is_of_the_whole_file(tmp_path):
    lines = ['{"n": 1, "o": {"a": 1}}'] * 200_000 + ['{"n": 0.5, "o": {"b": [true]}, "late": "x"}']
    source = JSONSource(write(tmp_path / "x.jsonl", "\n".join(lines)))
    assert [(each.name, str(each.type)) for each in source.schema()] == [
        ("n", "double"),
        ("o", "struct<a: int64, b: list<l: bool>>"),
        ("late", "string"),
    ]
    table = source.reader().read_all()
    assert table.num_rows == 200_001
    assert table.slice(200_000).to_pylist() == [
        {"n": 0.5, "o": {"a": None, "b": [True]}, "late": "x"}
    ]


def test_columns_come_in_the_order_in_which_they_appear(tmp_path):
    assert list(
        rows_of(tmp_path, '{"z": 1, "b": {"q": 1, "a": 2}}\n{"c": 1, "a": 2, "z": 3}')[0]
    ) == [
        "z",
        "b",
        "c",
        "a",
    ]


def test_nested_objects_are_structs(tmp_path):
    rows = rows_of(tmp_path, '{"a": {"b": {"c": [{"d": 1}]}}}\n{"a": null}\n{"a": {}}\n{}')
    assert rows == [
        {"a": {"b": {"c": [{"d": 1}]}}},
        {"a": None},
        {"a": {"b": None}},
        {"a": None},
    ]


def test_keys_that_differ_only_in_case(tmp_path):
    assert rows_of(tmp_path, '{"a": 1}\n{"A": "x", "a": 2, "a_1": 3}') == [
        {"a": 1, "A_1": None, "a_1_1": None},
        {"a": 2, "A_1": "x", "a_1_1": 3},
    ]
    assert rows_of(tmp_path, '{"o": {"a": 1, "A": 2}}') == [{"o": '{"a":1,"A":2}'}]


def test_a_key_is_one_column_however_it_is_spelt_where_no_record_has_it_twice(tmp_path):
    write(tmp_path / "a.json", '{"id": 1, "a": 1}\n{"id": 2, "a": null}\n')
    write(tmp_path / "b.json", '{"id": 3, "A": 2.5}\n{"id": 4}')
    assert [row["a"] for row in read(tmp_path)] == [1.0, None, 2.5, None]
    assert [row["a"] for row in read(tmp_path, schema={"a": "VARCHAR"})] == ["1", None, "2.5", None]
    names = ["id", "a", "A_1"]
    assert JSONSource(tmp_path, sample_size=1).schema().names == names  # one may have both
    write(tmp_path / "c.json", '{"id": 5, "A": 3, "a": 4}')
    assert JSONSource(tmp_path).schema().names == names


@pytest.mark.parametrize(
    ("values", "arrive"),
    [
        ('{"o": {"x": 1}}, {"O": {"x": 2, "y": 3}}', [{"x": 1, "y": None}, {"x": 2, "y": 3}]),
        ('{"o": {"x": 1}}, {"O": null}, {"O": 5}', ['{"x":1}', None, "5"]),
        ('{"o": 9007199254740993}, {"O": 0.5}', ["9007199254740993", "0.5"]),
        ('{"o": "a"}, {"O": [{"X": 1}, {"x": 2}]}', ['"a"', '[{"X":1},{"x":2}]']),
    ],
)
def test_values_of_a_key_in_two_spellings(tmp_path, values, arrive):
    assert [row["o"] for row in rows_of(tmp_path, f"[{values}]")] == arrive
    document = f'{{"d": [{values}]}}\n{{"d": []}}'
    assert [row["o"] for row in rows_of(tmp_path, document, record_path="d[*]")] == arrive


def test_keys_that_differ_only_in_case_below_a_record_path(tmp_path):
    content = '{"d": [{"a": 1}, {"A": 1e999, "a": 2}]}\n{"d": [{"A": 3.5}]}'
    write(tmp_path / "x.json", content)
    source = JSONSource(tmp_path / "x.json", record_path="d[*]")
    rows = pa.Table.from_batches(source.scan()).to_pylist()
    assert rows == [{"a": 1, "A_1": None}, {"a": None, "A_1": 3.5}]
    [rejected] = source.rejected(None)
    assert rejected["reason_code"].to_pylist() == ["number"]


@pytest.mark.parametrize(
    "key", ["a b", 'a"b', "a'b", "a/b", "a~1b", "a.b", "$", "*", "[0]", "é☃", "line", "text", "0"]
)
def test_strange_keys(tmp_path, key):
    rows = [{key: 1, "o": {key: "x"}, "l": [{key: [True]}]}]
    table = JSONSource(write(tmp_path / "x.json", json.dumps(rows))).reader().read_all()
    # In a list, what a key with a quote has is JSON text: DuckDB can't be asked about it.
    below = "[true]" if '"' in key else [True]
    assert table.to_pylist() == [{key: 1, "o": {key: "x"}, "l": [{key: below}]}]


def test_flattens_objects_and_leaves_lists(tmp_path):
    text = '{"a": {"b": 1, "c": {"d": "x"}}, "e": [{"f": 1}]}\n{"a": null, "g": 1}'
    assert rows_of(tmp_path, text, flatten=True) == [
        {"a_b": 1, "a_c_d": "x", "e": [{"f": 1}], "g": None},
        {"a_b": None, "a_c_d": None, "e": None, "g": 1},
    ]


def test_flattened_names_that_clash(tmp_path):
    path = write(tmp_path / "x.json", '{"a": {"b": 1}, "A_B": 2}')
    with pytest.raises(SchemaError, match=r"'a.b' and 'A_B' would both be the column 'A_B'"):
        JSONSource(path, flatten=True).schema()
    assert read(path) == [{"a": {"b": 1}, "A_B": 2}]


@pytest.mark.parametrize(
    ("content", "path", "rows"),
    [
        ('{"data": {"n": 2, "items": [{"x": 1}, {"x": 2}], "z": []}}', "data.items[*]", [1, 2]),
        ('{"d": [{"x": 1}]}\n{"d": []}\n{}\n{"d": [{"x": 2}]}\n{"d": null}', "d[*]", [1, 2]),
        ('[{"o": [{"x": 1}]}, {"o": []}, {"o": [{"x": 2}]}]', "[*].o[*]", [1, 2]),
        ('{"a": [{"b": [{"x": 1}, {"x": 2}]}, {"b": [{"x": 3}]}]}', "a[*].b[*]", [1, 2, 3]),
        ('{"a": [[{"x": 1}], [{"x": 2}]]}', "a[*][*]", [1, 2]),
        ('{"a.b": {"c d": [{"x": 1}]}}', '"a.b".c d[*]', [1]),
        ('{"a": {"b": {"x": 1}}}\n{"a": {"b": {"x": 2}}}', "a.b", [1, 2]),
        ('[{"x": 1}, {"x": 2}]', "[*]", [1, 2]),
        ('{"items": [{"x": 1}]}\n{"items": [{"x": 2}]}', "$.items[*]", [1, 2]),
        ('{\n"items": [\n{"x": 1}]}{"items": [{"x": 2}]}', "items[*]", [1, 2]),
    ],
)  # fmt: skip
def test_record_path(tmp_path, content, path, rows):
    assert rows_of(tmp_path, content, record_path=path) == [{"x": x} for x in rows]


def test_record_path_to_values(tmp_path):
    assert rows_of(tmp_path, '{"a": [1, 2.5, null]}', record_path="a[*]") == [
        {"value": 1.0},
        {"value": 2.5},
        {"value": None},
    ]
    lines = '{"a": [1, 2]}\n{"a": ["x"]}'
    assert rows_of(tmp_path, lines, record_path="a[*]") == [
        {"value": "1"},
        {"value": "2"},
        {"value": "x"},
    ]


@pytest.mark.parametrize(
    ("content", "path", "says"),
    [
        ('{"data": {"itms": []}\n}', "data.items[*]", r"no key 'items' in .data.; did you"),
        ('{"data":\n5}', "data.items[*]", r"'data' is 5, and .* needs an object"),
        ('{"data":\n{"items": {}}}', "data.items[*]", r"'data.items' is an object, and .* a list"),
        ('{"data": {"itms": []}}\n{}', "data.items[*]", r"no key 'items' in 'data'"),
        ('{"date": 1}\n{"date": 2}', "data[*]", r"no key 'data' in the records"),
        ('[{"items": []}]', "items[*]", r"the file is an array, so record_path begins with \[\*\]"),
        ('{"data":\n{"items"', "data.items[*]", r"ends before the list of records begins"),
        ('{"data": {"items": [{"a": 1}]}}', "data.items", r"a list, .*='data.items\[\*\]' for its"),
        ('{"a.b": [1]}\n{"a.b": null}', '"a.b"', r"""record_path='"a.b"\[\*\]'"""),
        ('[{"a": []}]', "[*].a", r"='\[\*\]\.a\[\*\]' for its elements"),
    ],
)  # fmt: skip
def test_record_path_that_leads_nowhere(tmp_path, content, path, says):
    with pytest.raises(ReadError, match=says) as error:
        rows_of(tmp_path, content, record_path=path)
    assert str(tmp_path / "x.json") in str(error.value)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "is empty"),
        ("$", "is empty"),
        ("data.", "from character 5 on"),
        ("data..x", "from character 5 on"),
        ("data[0]", "from character 5 on"),
        ("data[*]x", "no dot before character 8"),
        (".data", "from character 1 on"),
        ('"open', "from character 1 on"),
        (r'"a\"b"[*]', "no list is found by keys with quotes"),
    ],
)
def test_record_paths_that_are_none(tmp_path, path, says):
    with pytest.raises(ConfigError, match=says):
        JSONSource(tmp_path / "x.json", record_path=path)


def test_some_columns(tmp_path):
    path = write(tmp_path / "x.json", '{"a": 1, "b": {"c": 2}, "d": 3}')
    assert read(path, columns=["d", "a"]) == [{"d": 3, "a": 1}]
    assert [b.to_pylist() for b in JSONSource(path).scan(columns=["b"])] == [[{"b": {"c": 2}}]]
    with pytest.raises(SchemaError, match=r"no column 'e'"):
        JSONSource(path, columns=["e"]).schema()


def test_declared_types(tmp_path):
    text = (
        '{"id": "007", "day": "2026-01-31", "at": "2026-01-31T10:00:00+02:00", "p": 1.10, "n": 5}'
    )
    types = {"id": pa.string(), "day": "DATE", "at": "TIMESTAMPTZ", "p": pa.decimal128(9, 2)}
    assert rows_of(tmp_path, text, schema=types) == [
        {
            "id": "007",
            "day": date(2026, 1, 31),
            "at": datetime(2026, 1, 31, 8, tzinfo=timezone.utc),
            "p": Decimal("1.10"),
            "n": 5,
        }
    ]
    with pytest.raises(SchemaError, match="no column 'dya'; did you mean 'day'"):
        JSONSource(tmp_path / "x.json", schema={"dya": "DATE"}).schema()


def test_a_whole_schema_reads_nothing_beforehand_and_passes_other_keys_over(tmp_path):
    schema = pa.schema(
        {
            "a": pa.int8(),
            "s": pa.struct({"t": pa.timestamp("ns"), "l": pa.large_list(pa.float32())}),
            "m": pa.map_(pa.int32(), pa.date32()),
            "d": pa.dictionary(pa.int8(), pa.string()),
            "b": pa.binary(),
        }
    )
    source = JSONSource(tmp_path / "x.jsonl", schema=schema)
    with pytest.raises(ReadError, match="no file"):
        source.schema()
    text = '{"a": 1, "s": {"t": "2026-01-31 10:00:00.123456789", "l": [1.5, null]}, "other": 1}\n'
    text += '{"m": {"7": "2026-01-31"}, "d": "x", "b": "AAH/"}\n'
    write(tmp_path / "x.jsonl", text)
    assert source.schema() == schema
    first, second = source.reader().read_all().to_pylist()
    assert first["s"]["t"].nanosecond == 789
    assert (first["a"], first["s"]["l"], first["m"]) == (1, [1.5, None], None)
    assert (second["m"], second["d"], second["b"]) == (
        [(7, date(2026, 1, 31))],
        "x",
        b"\x00\x01\xff",
    )


def test_many_files_by_name(tmp_path):
    (tmp_path / "below").mkdir()
    write(tmp_path / "a.jsonl", '{"a": 1}')
    write(tmp_path / "b.json", '[{"b": "x", "a": 0.5}]')
    write(tmp_path / "below/c.ndjson.gz", gzip.compress(b'{"a": null, "c": true}'))
    write(tmp_path / "notes.txt", "no JSON")
    rows = [
        {"a": 1.0, "b": None, "c": None},
        {"a": 0.5, "b": "x", "c": None},
        {"a": None, "b": None, "c": True},
    ]
    assert read(tmp_path) == rows
    assert read([tmp_path / "a.jsonl", tmp_path / "b.json", f"{tmp_path}/below/*.gz"]) == rows
    with pytest.raises(
        SchemaError, match=r"b.json' has the columns a, b, and the first file has a"
    ):
        JSONSource(tmp_path, union_by_name=False).schema()
    alike = [tmp_path / "b.json", write(tmp_path / "d.json", '{"a": 1}\n5\n{"b": "y"}')]
    assert JSONSource(alike, union_by_name=False).schema().names == ["b", "a"]


def test_small_files_are_asked_about_together(tmp_path, monkeypatch):
    asked = []

    def counted(connection, documents, *rest):
        asked.append(documents.num_rows)
        _json_shape.learn(connection, documents, *rest)

    monkeypatch.setattr(_json_survey, "learn", counted)
    files = [[{"n": number, f"k{9 - number}": "x"}, {"n": None}] for number in range(10)]
    for number, rows in enumerate(files):
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        write(tmp_path / f"{number}.json", json.dumps(rows) if number % 2 else lines)
    names = ["n", *(f"k{9 - number}" for number in range(10))]
    assert JSONSource(tmp_path).schema().names == names
    assert asked == [20]
    assert [row["n"] for row in read(tmp_path)] == [row["n"] for rows in files for row in rows]
    monkeypatch.setattr(_json_survey, "GROUP", 1)
    assert JSONSource(tmp_path, sample_size=5).schema().names == names
    assert sum(asked) == 40
    assert len(asked) > 10


def test_record_path_in_files_of_several_formats(tmp_path):
    write(tmp_path / "a.jsonl", '{"d": [{"x": 1}]}\n{"d": [{"x": 2}]}\n')
    write(tmp_path / "b.json", '{\n"d": [{"x": 3}, {"x": "y"}]}')
    assert read(tmp_path, record_path="d[*]") == [{"x": "1"}, {"x": "2"}, {"x": "3"}, {"x": "y"}]


@pytest.mark.parametrize(
    "wrap",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lambda data: pa.Codec("zstd").compress(data).to_pybytes(),
    ],
    ids=["gzip", "bz2", "xz", "zstd"],
)
def test_compressions(tmp_path, wrap):
    rows = [{"id": n} for n in range(100_000)]
    text = json.dumps(rows, indent=0).encode()
    packed = pa.compress(text, "zstd", asbytes=True) if wrap.__name__ == "<lambda>" else wrap(text)
    assert rows_of(tmp_path, packed) == rows


def test_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.json", '[{"a": 1}]')
        archive.writestr("b.jsonl", '{"a": 2}\n{"a":')
    source = JSONSource(tmp_path / "x.zip")
    assert [row for batch in source.scan() for row in batch.to_pylist()] == [{"a": 1}, {"a": 2}]
    (rejected,) = [row for batch in source.rejected(None) for row in batch.to_pylist()]
    assert rejected["source"] == {
        "file": f"{tmp_path}/x.zip!b.jsonl",
        "line": 2,
        "byte": 10,
        "table": None,
        "key": None,
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_are_found_out(tmp_path, encoding):
    assert rows_of(tmp_path, '{"é": "☃😀"}\n'.encode(encoding)) == [{"é": "☃😀"}]


def test_encodings_that_are_told(tmp_path):
    text = '{"é": "ü"}\n'
    assert rows_of(tmp_path, text.encode("latin-1"), encoding="latin-1") == [{"é": "ü"}]
    assert rows_of(tmp_path, text.encode("utf-16-be"), encoding="utf-16-be") == [{"é": "ü"}]


def test_empty_files(tmp_path):
    for content in ("", "  \n", "[]", "[ ]\n"):
        path = write(tmp_path / "x.json", content)
        with pytest.raises(
            ReadError, match="there are no records; give their columns with schema="
        ):
            JSONSource(path).schema()
        assert read(path, schema={"a": "int64"}) == []
    write(tmp_path / "y.json", '{"a": 1}')
    assert read(tmp_path) == [{"a": 1}]


def test_a_sample_decides(tmp_path):
    text = '{"a": 1}\n{"a": 2, "b": null}\n{"a": 3, "b": "x"}\n'
    assert rows_of(tmp_path, text, sample_size=2)[2] == {"a": 3, "b": "x"}


def test_is_a_value(tmp_path):
    path = write(tmp_path / "x.json", LINES)
    source = JSONSource([path], schema={"id": pa.int32()}, columns=["id"])
    assert source == JSONSource((str(path),), schema={"id": "INTEGER"}, columns=("id",))
    assert pickle.loads(pickle.dumps(source)) == source
    exact = JSONSource(path, schema=pa.schema({"id": pa.int8()}))
    assert pickle.loads(pickle.dumps(exact)).schema() == pa.schema({"id": pa.int8()})
    assert hash(exact) != hash(source)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"format": "line"}, "format='line'; did you mean 'lines'"),
        ({"on_error": "skip"}, "on_error='skip'"),
        ({"encoding": "utf-9"}, "isn't one that Python knows"),
        ({"sample_size": 0}, "sample_size is 0: it has to be a whole number, 1 or more, or None"),
        ({"columns": "a"}, "takes a list of names"),
        ({"flatten": "no"}, "flatten is .no.: it has to be True or False"),
        ({"flatten": True, "schema": pa.schema({"a": pa.int8()})}, "flatten=False"),
        ({"schema": {"a": "nonsense"}}, "column 'a'"),
    ],
)
def test_options_that_make_no_sense(tmp_path, options, says):
    with pytest.raises(ConfigError, match=says):
        JSONSource(tmp_path / "x.json", **options)


def test_in_a_pipeline(tmp_path):
    path = write(tmp_path / "x.jsonl", LINES + '{"id": 3, "name": \n{"id": 4, "name": "d"}\n')
    bad = ae.ArrowLoader()
    pipeline = ae.Pipeline(dead_letters=bad).extract(JSONSource(path))
    pipeline.transform("SELECT id * 2 AS twice FROM input WHERE id > 1").load(ae.ArrowLoader())
    result = pipeline.run().result
    assert result.table.to_pylist() == [{"twice": 4}, {"twice": 8}]
    assert (result.records_extracted, result.records_rejected) == (4, 1)
    assert bad.table["source"].to_pylist() == [
        {"file": str(path), "line": 3, "byte": 47, "table": None, "key": None}
    ]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None)
@given(
    records=st.lists(
        st.dictionaries(st.sampled_from("pqr"), VALUES, min_size=1), min_size=1, max_size=6
    ),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_no_value_is_lost(tmp_path_factory, records, indent, ascii_only):
    """Whatever disagrees, each value can be had back from what arrives."""
    path = tmp_path_factory.mktemp("json") / "x.json"
    path.write_text(json.dumps(records, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    rows = read(path)
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        for key, value in row.items():
            assert same_value(value, record.get(key)), (key, value, record.get(key))


def same_value(found, given):
    if isinstance(found, str) and not isinstance(given, str):
        return json.loads(found) == given
    if isinstance(found, str) and found != given:
        return json.loads(found) == given  # a string among objects
    if isinstance(found, dict) and isinstance(given, dict):
        return all(same_value(found.get(key), given.get(key)) for key in {*found, *given})
    if isinstance(found, list) and isinstance(given, list):
        return len(found) == len(given) and all(map(same_value, found, given))
    return found == given
