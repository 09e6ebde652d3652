"""CSVLoader: every compression, appending, and text that needs care."""

import csv
import gzip
import io
import pickle
import zipfile

import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.errors import ConfigError, SchemaError, WriteError
from arrowetl.sinks.csv_files import codec_of, opened
from tests.sinks.loading import load, load_by_copy, names_in

ROWS = pa.table({"id": [1, None, 3], "city": ["Rome", None, 'a,"b"\nc']})
TEXT = 'id,city\n1,Rome\n,\n3,"a,""b""\nc"\n'
SUFFIXES = ["", ".gz", ".bz2", ".xz", ".zst", ".zip"]


def text_of(path):
    with opened(path, codec_of(str(path))) as file:
        return file.read().decode()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_compression_by_suffix_and_append(tmp_path, suffix):
    path = tmp_path / f"rows.csv{suffix}"
    assert load(ae.CSVLoader(path), ROWS) == 3
    assert text_of(path) == TEXT
    for _ in range(2):
        load(ae.CSVLoader(path, mode="append"), ROWS)
    assert text_of(path) == TEXT + 2 * TEXT.removeprefix("id,city\n")
    assert names_in(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_copy_puts_what_write_does(tmp_path, suffix):
    for mode in ("error", "append"):
        load_by_copy(ae.CSVLoader(tmp_path / f"{mode}.csv{suffix}", mode=mode), ROWS)
        assert text_of(tmp_path / f"{mode}.csv{suffix}") == TEXT


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_append_makes_the_file_and_ends_a_line_that_was_torn(tmp_path, suffix):
    path = tmp_path / f"rows.csv{suffix}"
    load(ae.CSVLoader(path, mode="append"), ROWS.slice(0, 0))
    assert text_of(path) == "id,city\n"
    if suffix == "":
        path.write_text("id,city\n7,x")
    elif suffix == ".gz":
        path.write_bytes(gzip.compress(b"id,city\n7,x"))
    elif suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("any", "id,city\n7,x")
    else:
        return
    load(ae.CSVLoader(path, mode="append"), ROWS.slice(0, 1))
    assert text_of(path) == "id,city\n7,x\n1,Rome\n"


def test_a_zip_holds_one_file_called_like_it(tmp_path):
    load(ae.CSVLoader(tmp_path / "rows.csv.zip"), ROWS)
    assert zipfile.ZipFile(tmp_path / "rows.csv.zip").namelist() == ["rows.csv"]


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ("id\n", "the header lacks 'city'"),
        ("id,city,at\n", "the rows lack 'at'"),
        ("city,id\n", "another order: city, id, not id, city"),
        (
            "id;city\n1;x\n",
            r"lacks .id., .city.; the rows lack .id;city. \(or values aren.t parted by",
        ),
    ],
)
def test_append_checks_the_header(tmp_path, there, message):
    path = tmp_path / "rows.csv"
    path.write_text(there)
    with pytest.raises(SchemaError, match=message):
        load(ae.CSVLoader(path, mode="append"), ROWS)
    assert path.read_text() == there
    assert names_in(tmp_path) == ["rows.csv"]


def test_append_without_header_counts_columns(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("1,2,3\n")
    with pytest.raises(SchemaError, match="3 columns and the rows have 2"):
        load(ae.CSVLoader(path, mode="append", header=False), ROWS)
    path.write_text("1,2\n")
    load(ae.CSVLoader(path, mode="append", header=False), ROWS.slice(0, 1))
    assert path.read_text() == "1,2\n1,Rome\n"


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xef\xbb\xbfid,city\n")
    load(ae.CSVLoader(path, mode="append"), ROWS.slice(0, 1))
    assert path.read_bytes() == b"\xef\xbb\xbfid,city\n1,Rome\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.csv.gz", gzip.compress(b"id,city\n" * 5000)[:-20]),
        ("text.csv.xz", b"id,city\n"),
        ("text.csv.zip", b"id,city\n"),
        ("text.csv.zst", b"id,city\n"),
        ("latin.csv", b"id,\xff\xfe\n"),
    ],
)
def test_append_to_what_is_damaged_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WriteError):
        load(ae.CSVLoader(path, mode="append"), ROWS)
    assert path.read_bytes() == content
    assert names_in(tmp_path) == [name]


def test_two_appends_at_once_lose_nothing(tmp_path):
    path = tmp_path / "rows.csv"
    loaders = [ae.CSVLoader(path, mode="append") for _ in range(3)]
    for loader in loaders:
        loader.begin(ROWS.schema)
        loader.write(ROWS.slice(0, 1).to_reader())
    for loader in loaders:
        loader.commit()
    assert path.read_text() == "id,city\n" + 3 * "1,Rome\n"


def test_quoting_null_and_delimiter(tmp_path):
    rows = pa.table({"n": [1, None], "s": ["NA", None]})
    for quoting, expected in {
        "minimal": 'n||s\n1||"NA"\nNA||NA\n',
        "strings": 'n||"s"\n1||"NA"\nNA||NA\n',
        "all": '"n"||"s"\n"1"||"NA"\nNA||NA\n',
    }.items():
        path = tmp_path / f"{quoting}.csv"
        options = {"quoting": quoting, "null": "NA", "delimiter": "||"}
        load(ae.CSVLoader(path, **options), rows)
        assert path.read_text() == expected
        load(ae.CSVLoader(path, mode="append", **options), rows.slice(1))
        assert path.read_text() == expected + "NA||NA\n"


def test_the_standard_library_reads_it(tmp_path):
    values = [
        "",
        " lead",
        "trail ",
        "a\r\nb",
        '"',
        "'",
        "é😀",
        "#x",
        "\\",
        "NULL",
        "\t",
        "1e5",
        "-",
    ]
    load(ae.CSVLoader(tmp_path / "rows.csv"), pa.table({"s": values, "n": range(len(values))}))
    text = (tmp_path / "rows.csv").read_bytes().decode()
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[0] for row in read[1:]] == values


def test_types_as_text(tmp_path):
    rows = pa.table(
        {
            "half": pa.array([1.5], pa.float16()),
            "wide": pa.array([123], pa.decimal256(60, 0)),
            "view": pa.array(["x"], pa.string_view()),
            "at": pa.array([0], pa.timestamp("s", "Europe/Berlin")),
            "list": [[1, 2]],
            "codes": pa.array(["a"]).dictionary_encode(),
        }
    )
    load(ae.CSVLoader(tmp_path / "rows.csv"), rows)
    assert (tmp_path / "rows.csv").read_text() == (
        'half,wide,view,at,list,codes\n1.5,123,x,1970-01-01 00:00:00+00,"[1, 2]",a\n'
    )


def test_replace_and_error(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("old")
    with pytest.raises(WriteError, match="is there already"):
        load(ae.CSVLoader(path), ROWS)
    loader = ae.CSVLoader(path, mode="replace")
    loader.begin(ROWS.schema)
    loader.write(ROWS.to_reader())
    assert path.read_text() == "old"
    loader.commit()
    loader.commit()
    assert path.read_text() == TEXT


def test_names_that_differ_only_in_case(tmp_path):
    with pytest.raises(SchemaError, match="'a' and 'A' differ only in case"):
        ae.CSVLoader(tmp_path / "x.csv").check(pa.schema({"a": pa.int8(), "A": pa.int8()}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "upsert"}, "a CSV file has no keys"),
        ({"header": "no"}, "header is .no.: it has to be True or False"),
        ({"compression": "gzp"}, "did you mean 'gzip'"),
        ({"quoting": "none"}, "There are: minimal, strings, all"),
        ({"delimiter": "pipe"}, "delimiter='pipe': write"),
        ({"delimiter": ""}, "delimiter is up to 4 bytes"),
        ({"delimiter": '"'}, "delimiter is up to 4 bytes"),
        ({"null": "a,b"}, "null is text without"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigError, match=message):
        ae.CSVLoader("rows.csv", **options)


def test_value_semantics():
    loader = ae.CSVLoader("rows.csv", delimiter=";", mode=ae.Mode.REPLACE)
    assert loader == pickle.loads(pickle.dumps(loader))
    assert eval(repr(loader), {"CSVLoader": ae.CSVLoader}) == loader
    assert "rows.csv" in (loader.statement("SELECT 1", ROWS.schema) or "")
    assert ae.CSVLoader("rows.csv.xz").statement("SELECT 1", ROWS.schema) is None
