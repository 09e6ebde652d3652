"""JSONLoader: lines and arrays, what values become, appends, compressions, schemas beside them."""

import bz2
import gzip
import json
import lzma
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.types as kinds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.errors import ConfigError, SchemaError, WriteError
from tests.sinks.loading import load, load_by_copy, names_in

ROWS = pa.table({"id": [1, 2], "name": ["a", None]})
LONG = "-1234567890123456789012345678901234.5000"
LINES = '{"id":1,"name":"a"}\n{"id":2,"name":null}\n'
ARRAY = '[\n\t{"id":1,"name":"a"},\n\t{"id":2,"name":null}\n]\n'


def test_lines(tmp_path):
    assert load(ae.JSONLoader(tmp_path / "x.jsonl"), ROWS) == 2
    assert (tmp_path / "x.jsonl").read_text() == LINES
    assert names_in(tmp_path) == ["x.jsonl"]


def test_an_array(tmp_path):
    load(ae.JSONLoader(tmp_path / "x.json", format="array"), ROWS)
    assert (tmp_path / "x.json").read_text() == ARRAY


def test_an_indented_array_keeps_every_digit(tmp_path):
    rows = pa.table(
        {
            "p": [Decimal("12345678901234567890123456.10")],
            "s": ['a "b" \\ {x: [1, 2]},\n'],
            "o": [{"e": [], "l": [1, {"n": None}["n"]]}],
        }
    )
    load(ae.JSONLoader(tmp_path / "x.json", format="array", indent=3), rows)
    assert (tmp_path / "x.json").read_text() == (
        "[\n"
        "   {\n"
        '      "p": 12345678901234567890123456.10,\n'
        '      "s": "a \\"b\\" \\\\ {x: [1, 2]},\\n",\n'
        '      "o": {\n'
        '         "e": [],\n'
        '         "l": [\n'
        "            1,\n"
        "            null\n"
        "         ]\n"
        "      }\n"
        "   }\n"
        "]\n"
    )


@pytest.mark.parametrize("options", [{}, {"format": "array"}, {"format": "array", "indent": 2}])
def test_no_rows(tmp_path, options):
    load(ae.JSONLoader(tmp_path / "x.json", **options), ROWS.slice(0, 0))
    text = (tmp_path / "x.json").read_text()
    assert text == "" if not options else json.loads(text) == []


@pytest.mark.parametrize("options", [{}, {"format": "array"}, {"compression": "gzip"}])
def test_what_duckdb_copies_is_what_is_written(tmp_path, options):
    rows = pa.table(
        {
            "at": pa.array([1, None], pa.timestamp("us", "UTC")),
            "day": pa.array([1, None], pa.date32()),
            "raw": [b"\x00\xff", None],
            "deep": [{"x": [{"y": Decimal("1.50")}]}, None],
            "f": [0.1, float("nan")],
        }
    )
    assert load(ae.JSONLoader(tmp_path / "a.json", **options), rows) == 2
    assert load_by_copy(ae.JSONLoader(tmp_path / "b.json", **options), rows) == 2
    one, other = ((tmp_path / f"{name}.json").read_bytes() for name in "ab")
    unpack = gzip.decompress if options.get("compression") else bytes
    assert unpack(one) == unpack(other)


def written(folder, values, kind):
    load(ae.JSONLoader(folder / "x.jsonl"), pa.table({"x": pa.array(values, kind)}))
    lines = (folder / "x.jsonl").read_text().splitlines()
    return [line.removeprefix('{"x":').removesuffix("}") for line in lines]


@pytest.mark.parametrize(
    ("kind", "values", "texts"),
    [
        (pa.int64(), [2**63 - 1, -(2**63)], ["9223372036854775807", "-9223372036854775808"]),
        (pa.uint64(), [2**64 - 1], ["18446744073709551615"]),
        (pa.float64(), [0.1, -0.0, 1e300, 5e-324], ["0.1", "-0.0", "1e300", "5e-324"]),
        (pa.float64(), [float("nan"), float("inf"), float("-inf")], ["null"] * 3),
        (pa.list_(pa.float32()), [[1.5, float("nan")]], ["[1.5,null]"]),
        (pa.decimal128(38, 4), [Decimal(LONG)], [LONG]),
        (pa.decimal256(50, 2), [Decimal("1.10")], ['"1.10"']),
        (pa.bool_(), [True, False, None], ["true", "false", "null"]),
        (pa.string(), ['"\\\n\t\x00é☃'], ['"\\"\\\\\\n\\t\\u0000é☃"']),
        (pa.binary(), [b"", b"\x00\x01\xff"], ['""', '"AAH/"']),
        (pa.date32(), [date(2026, 1, 31)], ['"2026-01-31"']),
        (pa.time64("us"), [time(10, 11, 12, 500_000)], ['"10:11:12.5"']),
        (pa.timestamp("us"), [1_769_853_600_000_000], ['"2026-01-31T10:00:00"']),
        (pa.timestamp("ns"), [1], ['"1970-01-01T00:00:00.000000001"']),
        (
            pa.timestamp("us", "UTC"),
            [datetime(2026, 1, 31, 10, 0, 0, 5, timezone.utc)],
            ['"2026-01-31T10:00:00.000005Z"'],
        ),
        (pa.timestamp("ms", "Europe/Rome"), [0], ['"1970-01-01T00:00:00Z"']),
        (pa.timestamp("ns", "Europe/Rome"), [5], ['"1970-01-01T00:00:00.000000005Z"']),
        (
            pa.duration("us"),
            [timedelta(hours=25, microseconds=500_000), timedelta(seconds=-1)],
            ['"PT90000.5S"', '"-PT1S"'],
        ),
        (pa.duration("ns"), [-1, -(2**63)], ['"-PT0.000000001S"', '"-PT9223372036.854775808S"']),
        (
            pa.struct({"a": pa.int8(), "b": pa.binary()}),
            [{"a": 1, "b": b"x"}, None],
            ['{"a":1,"b":"eA=="}', "null"],
        ),
        (
            pa.map_(pa.string(), pa.date32()),
            [[("k", date(2026, 1, 31))], [], None],
            ['{"k":"2026-01-31"}', "{}", "null"],
        ),
        (pa.map_(pa.int16(), pa.list_(pa.duration("s"))), [[(7, [5])]], ['{"7":["PT5S"]}']),
        (pa.dictionary(pa.int8(), pa.string()), ["a", None, "a"], ['"a"', "null", '"a"']),
        (pa.null(), [None], ["null"]),
        (
            pa.list_(pa.struct({"a": pa.list_(pa.int8())})),
            [[{"a": [1]}, None], []],
            ['[{"a":[1]},null]', "[]"],
        ),
    ],
    ids=str,
)
def test_values(tmp_path, kind, values, texts):
    assert written(tmp_path, values, kind) == texts


@pytest.mark.parametrize(
    "kind",
    [
        pa.month_day_nano_interval(),
        pa.list_(pa.month_day_nano_interval()),
        pa.dense_union([pa.field("a", pa.int8())]),
    ],
    ids=str,
)
def test_what_json_has_no_form_for(tmp_path, kind):
    with pytest.raises(SchemaError, match="column 'x' is"):
        ae.JSONLoader(tmp_path / "x.json").check(pa.schema({"x": kind}))


def test_names_that_differ_only_in_case_are_refused(tmp_path):
    with pytest.raises(SchemaError, match="differ only in case"):
        ae.JSONLoader(tmp_path / "x.json").check(pa.schema({"a": pa.int8(), "A": pa.int8()}))


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_names_that_duckdb_has_no_key_for_are_refused_before_a_row_is_written(tmp_path, name):
    for schema in ({name: pa.int8()}, {"x": pa.list_(pa.struct({name: pa.int8()}))}):
        with pytest.raises(SchemaError, match="no key that is empty or holds a NUL"):
            ae.JSONLoader(tmp_path / "x.json").check(pa.schema(schema))


def test_check_says_what_is_lost(tmp_path):
    notes = ae.JSONLoader(tmp_path / "x.json").check(pa.schema({"f": pa.float32()}))
    assert notes == ("f: float becomes number, lossy (NaN and Infinity become null)",)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("deep", [False, True])
def test_a_pipeline_loses_no_number_without_being_allowed(tmp_path, value, deep):
    rows = pa.table({"x": [[{"y": value}]] if deep else [value]})
    pipeline = ae.Pipeline(progress=False).extract(ae.ArrowSource(rows))
    with pytest.raises(WriteError, match="column 'x' has a"):
        pipeline.load(ae.JSONLoader(tmp_path / "x.json")).run()
    assert names_in(tmp_path) == []
    allowed = ae.Pipeline(progress=False, allow_lossy=["x"]).extract(ae.ArrowSource(rows))
    allowed.load(ae.JSONLoader(tmp_path / "x.json")).run()
    assert (tmp_path / "x.json").read_text() == ('{"x":[{"y":null}]}\n' if deep else '{"x":null}\n')


def test_strange_names(tmp_path):
    name = 'it\'s "x"; --\n{☃}'
    load(ae.JSONLoader(tmp_path / "x.json"), pa.table({name: [1], "select": [{name: 2}]}))
    assert json.loads((tmp_path / "x.json").read_text()) == {name: 1, "select": {name: 2}}


@pytest.mark.parametrize(
    ("ending", "unpack"),
    [
        (".gz", gzip.decompress),
        (".bz2", bz2.decompress),
        (".xz", lzma.decompress),
        (".zst", lambda data: pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()),
    ],
)
@pytest.mark.parametrize("options", [{}, {"format": "array", "indent": 1}])
def test_compressions(tmp_path, ending, unpack, options):
    path = tmp_path / f"x.json{ending}"
    load(ae.JSONLoader(path, **options), ROWS)
    text = unpack(path.read_bytes()).decode()
    assert text == LINES if not options else json.loads(text) == ROWS.to_pylist()


def test_a_zip_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="writes no zip"):
        ae.JSONLoader(tmp_path / "x.json.zip").check(ROWS.schema)


@pytest.mark.parametrize("ending", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_appends(tmp_path, ending):
    path = tmp_path / f"x.jsonl{ending}"
    load(ae.JSONLoader(path), ROWS)
    load(ae.JSONLoader(path, mode="append"), ROWS)
    assert ae.JSONSource(path).reader().read_all().to_pylist() == ROWS.to_pylist() * 2


def test_appends_after_a_line_without_an_end(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('\n{"name": "b", "id": 0}')
    load(ae.JSONLoader(path, mode="append"), ROWS)
    assert path.read_text() == '\n{"name": "b", "id": 0}\n' + LINES


def test_appends_to_nothing_and_to_an_empty_file(tmp_path):
    load(ae.JSONLoader(tmp_path / "x.jsonl", mode="append"), ROWS)
    (tmp_path / "y.jsonl").touch()
    load(ae.JSONLoader(tmp_path / "y.jsonl", mode="append"), ROWS)
    assert (tmp_path / "x.jsonl").read_text() == (tmp_path / "y.jsonl").read_text() == LINES


@pytest.mark.parametrize(
    ("there", "error", "says"),
    [
        ('{"id": 1}\n', SchemaError, "the file's records lack 'name'; nothing was appended"),
        (
            '{"id": 1, "nmae": "a"}\n',
            SchemaError,
            "lack 'name'; the rows lack 'nmae'; did you mean 'nmae'",
        ),
        (
            '[\n{"id": 1, "name": "a"}]',
            WriteError,
            "its first line is no JSON object; is it an array",
        ),
        ('{"id": 1, "name": "a"}\n{"id": 2, "na', WriteError, "its last line isn't whole"),
    ],
)
def test_what_nothing_is_appended_to(tmp_path, there, error, says):
    path = tmp_path / "x.jsonl"
    path.write_text(there)
    with pytest.raises(error, match=says):
        load(ae.JSONLoader(path, mode="append"), ROWS)
    assert path.read_text() == there
    assert names_in(tmp_path) == ["x.jsonl"]


def test_a_damaged_file_isnt_appended_to(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(LINES.encode())[:-9])
    with pytest.raises(WriteError):
        load(ae.JSONLoader(path, mode="append"), ROWS)


def test_modes(tmp_path):
    path = tmp_path / "x.json"
    load(ae.JSONLoader(path), ROWS)
    with pytest.raises(WriteError, match="is there already"):
        load(ae.JSONLoader(path), ROWS)
    load(ae.JSONLoader(path, mode="replace"), ROWS.slice(1))
    assert path.read_text() == '{"id":2,"name":null}\n'
    with pytest.raises(WriteError, match="is a folder"):
        ae.JSONLoader(tmp_path, mode="replace").check(ROWS.schema)


def test_a_schema_beside_the_rows(tmp_path):
    rows = pa.table({"x": pa.array([1], pa.int8()), "at": pa.array([1], pa.timestamp("ns"))})
    path, beside = tmp_path / "x.jsonl", tmp_path / "x.schema.json"
    load(ae.JSONLoader(path, schema_path=beside), rows)
    assert json.loads(beside.read_text())["fields"] == [
        {"name": "x", "type": "int8", "nullable": True},
        {"name": "at", "type": "timestamp[ns]", "nullable": True},
    ]
    assert ae.JSONSource(path, schema=beside).reader().read_all().equals(rows)
    load(ae.JSONLoader(path, mode="append", schema_path=beside), rows)
    other = rows.cast(pa.schema({"x": pa.int16(), "at": pa.timestamp("ns")}))
    with pytest.raises(SchemaError, match="schema is another one; nothing was appended"):
        load(ae.JSONLoader(path, mode="append", schema_path=beside), other)
    assert ae.JSONSource(path, schema=str(beside)).reader().read_all().num_rows == 2
    load(ae.JSONLoader(path, mode="replace", schema_path=beside), other)
    assert ae.JSONSource(path, schema=beside).schema() == other.schema
    assert names_in(tmp_path) == ["x.jsonl", "x.schema.json"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"format": "line"}, "no format 'line'; did you mean 'lines'"),
        ({"mode": "upsert"}, "a JSON file has no keys"),
        ({"mode": "append", "format": "array"}, "nothing is appended to an array"),
        ({"indent": 2}, "lines aren't indented"),
        ({"indent": 0, "format": "array"}, "indent=0 must be from 1 to 16"),
        ({"compression": "zip"}, "no compression 'zip'"),
        ({"path": ""}, "takes a path"),
    ],
)
def test_options_that_make_no_sense(tmp_path, options, says):
    with pytest.raises(ConfigError, match=says):
        ae.JSONLoader(**({"path": tmp_path / "x.json"} | options))


def test_a_source_that_fails_leaves_nothing(tmp_path):
    def batches():
        yield from ROWS.to_batches()
        raise RuntimeError("gone")

    reader = pa.RecordBatchReader.from_batches(ROWS.schema, batches())
    loader = ae.JSONLoader(tmp_path / "x.json", format="array")
    loader.begin(ROWS.schema)
    with pytest.raises(RuntimeError, match="gone"):
        loader.write(reader)
    loader.abort()
    assert names_in(tmp_path) == []


LEAVES = st.sampled_from(
    [
        pa.int8(),
        pa.uint64(),
        pa.float32(),
        pa.float64(),
        pa.bool_(),
        pa.large_string(),
        pa.binary(),
        pa.date32(),
        pa.time64("ns"),
        pa.timestamp("ns", "UTC"),
        pa.duration("ns"),
        pa.decimal128(38, 10),
        pa.decimal256(60, 3),
        pa.dictionary(pa.int8(), pa.string()),
    ]
)
TYPES = st.recursive(
    LEAVES,
    lambda inner: (
        inner.map(pa.list_)
        | inner.map(lambda kind: pa.map_(pa.string(), kind))
        | st.tuples(inner, inner).map(lambda pair: pa.struct(zip("ab", pair, strict=True)))
    ),
    max_leaves=3,
)


def values_of(kind):
    """Give a strategy for Python values of a type; NaN and the infinities aside."""
    if kinds.is_list(kind):
        return st.none() | st.lists(values_of(kind.value_type), max_size=3)
    if kinds.is_map(kind):
        return st.none() | st.dictionaries(
            st.text("kl", max_size=2), values_of(kind.item_type), max_size=2
        ).map(lambda d: list(d.items()))
    if kinds.is_struct(kind):
        return st.none() | st.fixed_dictionaries({f.name: values_of(f.type) for f in kind})
    return st.none() | leaf_of(kind)


def decimals(kind):
    digits = 10 ** (kind.precision - 1)
    return st.integers(-digits, digits).map(lambda n: Decimal(n).scaleb(-kind.scale, None))


LEAF_VALUES = [
    (lambda kind: kind == pa.int8(), lambda _: st.integers(-128, 127)),
    (kinds.is_integer, lambda _: st.integers(0, 2**64 - 1)),
    (
        kinds.is_floating,
        lambda kind: st.floats(allow_nan=False, allow_infinity=False, width=kind.bit_width),
    ),
    (kinds.is_boolean, lambda _: st.booleans()),
    (kinds.is_binary, lambda _: st.binary(max_size=5)),
    (kinds.is_date, lambda _: st.dates()),
    (kinds.is_decimal, decimals),
    (kinds.is_time, lambda _: st.integers(0, 86_400 * 10**9 - 1)),
    (kinds.is_temporal, lambda _: st.integers(-(2**62), 2**62)),
]


def leaf_of(kind):
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    return next((make(kind) for test, make in LEAF_VALUES if test(kind)), text)


@settings(max_examples=35, deadline=None)
@given(data=st.data())
def test_everything_comes_back_with_its_schema(tmp_path_factory, data):
    """Nested types of any leaves: the schema beside the rows gives back each value."""
    columns = data.draw(st.lists(TYPES, min_size=1, max_size=3))
    arrays = [
        pa.array(data.draw(st.lists(values_of(kind), min_size=4, max_size=4)), kind)
        for kind in columns
    ]
    rows = pa.table({f"c{n}": array for n, array in enumerate(arrays)})
    folder = tmp_path_factory.mktemp("round")
    options = data.draw(
        st.sampled_from([{}, {"format": "array"}, {"format": "array", "indent": 1}])
    )
    load(ae.JSONLoader(folder / "x.json", schema_path=folder / "schema", **options), rows)
    back = ae.JSONSource(folder / "x.json", schema=folder / "schema").reader().read_all()
    assert back.schema == rows.schema
    assert back.cast(rows.schema).equals(rows) or str(back.to_pydict()) == str(rows.to_pydict())


def test_a_struct_without_fields_has_no_schema_to_come_back_by(tmp_path):
    rows = pa.table({"x": pa.array([[{}], None], pa.list_(pa.struct([])))})
    path = tmp_path / "rows.jsonl"
    load(ae.JSONLoader(path), rows)
    assert path.read_text() == '{"x":[{}]}\n{"x":null}\n'
    with pytest.raises(SchemaError, match="'x' has a struct without fields"):
        load(ae.JSONLoader(path, schema_path=tmp_path / "schema.json"), rows)
