"""CSVSource: dialects, types, many files, compressions, encodings, options."""

import bz2
import csv
import gzip
import io
import lzma
import pickle
import zipfile
from datetime import date, datetime, timezone
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl.errors import ConfigError, ReadError, SchemaError
from arrowetl.sources.csv import CSVSource
from tests.sources.reading import both, rows_of, told, write

PLAIN = "id,name\n1,a\n2,b\n"
ROWS = [(1, "a"), (2, "b")]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_finds_the_delimiter(tmp_path, mark):
    source = CSVSource(write(tmp_path / "x.csv", PLAIN.replace(",", mark)))
    assert rows_of(source) == ROWS


def test_takes_any_delimiter_that_it_is_told(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", PLAIN.replace(",", "||")), delimiter="||")
    assert rows_of(source) == ROWS


def test_a_backslash_and_a_t_are_a_tab(tmp_path):
    path = write(tmp_path / "x.csv", PLAIN.replace(",", "\t"))
    assert rows_of(CSVSource(path, delimiter=r"\t")) == ROWS


@pytest.mark.parametrize("text", ['[\n {"a": 1,\n "b": 2}\n]\n', '{"a": 1, "b": 2}\n' * 3])
def test_json_is_no_csv(tmp_path, text):
    with pytest.raises(ReadError, match=r"x\.csv' isn't CSV: it is JSON; read it with JSONSource"):
        CSVSource(write(tmp_path / "x.csv", text)).schema()


def test_json_in_a_column_is_text(tmp_path):
    path = write(tmp_path / "x.csv", '{"a": 1}|7\n{"a": 2}|8\n')
    assert rows_of(CSVSource(path, header=False, quote="")) == [('{"a": 1}', 7), ('{"a": 2}', 8)]
    named = write(tmp_path / "y.csv", 'j|n\n{"a": 1}|7\n')
    assert rows_of(CSVSource(named, quote="")) == [('{"a": 1}', 7)]


def test_infers_types(tmp_path):
    text = (
        "i,f,b,d,t,z,c,s\n"
        "1,1.5,true,2026-01-31,2026-01-31 10:00:00,2026-01-31 10:00:00+02,10:11:12,x\n"
    )
    source = CSVSource(write(tmp_path / "x.csv", text))
    assert source.schema() == pa.schema(
        {
            "i": pa.int64(),
            "f": pa.float64(),
            "b": pa.bool_(),
            "d": pa.date32(),
            "t": pa.timestamp("us"),
            "z": pa.timestamp("us", "UTC"),
            "c": pa.time64("us"),
            "s": pa.string(),
        }
    )
    assert rows_of(source)[0][5] == datetime(2026, 1, 31, 8, tzinfo=timezone.utc)


def test_keeps_leading_zeros(tmp_path):
    assert rows_of(CSVSource(write(tmp_path / "x.csv", "zip,n\n01067,1\n"))) == [("01067", 1)]


def test_finds_the_format_of_dates(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", "n,d\n1,31/12/2025\n2,01/02/2026\n"))
    assert rows_of(source) == [(1, date(2025, 12, 31)), (2, date(2026, 2, 1))]


def test_decimal_commas(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", "a;b\n1;2,5\n"), decimal=",")
    assert rows_of(source) == [(1, 2.5)]


def test_no_header(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", "1,a\n2,b\n"))
    assert source.schema().names == ["column0", "column1"]
    assert rows_of(source) == ROWS


def test_no_header_with_names_from_the_schema(tmp_path):
    path = write(tmp_path / "x.csv", "1,a\n2,b\n")
    source = CSVSource(path, header=False, schema={"id": "INTEGER", "name": "VARCHAR"})
    assert source.schema() == pa.schema({"id": pa.int32(), "name": pa.string()})
    with pytest.raises(SchemaError, match="2 columns, and schema names 1"):
        CSVSource(path, header=False, schema={"id": "int"}).schema()


def test_types_may_be_those_of_python_and_arrow(tmp_path):
    path = write(tmp_path / "x.csv", "a,b,c\n1,2,3\n")
    source = CSVSource(path, schema={"a": float, "b": "str", "c": "float64"})
    assert rows_of(source) == [(1.0, "2", 3.0)]


def test_a_wrong_type_is_told_by_the_option_that_says_it(tmp_path):
    path = write(tmp_path / "x.csv", "a\n1\n")
    for option in ("types", "schema"):
        with pytest.raises(ConfigError, match=f"CSVSource: {option}: column 'a': 'INTT'"):
            CSVSource(path, **{option: {"a": "INTT"}})


def test_lines_above_the_header_are_a_title(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", "Report of May\n\nid,name\n1,a\n2,b\n"))
    assert rows_of(source) == ROWS


def test_skip_is_what_it_says(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", "x,y,z\nid,name\n1,a\n2,b\n"), skip=1)
    assert rows_of(source) == ROWS


def test_a_hash_is_a_letter(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", "id,name\n#1,a\n2,b\n"))
    assert rows_of(source) == [("#1", "a"), ("2", "b")]


def test_declared_types_win(tmp_path):
    path = write(tmp_path / "x.csv", "id,price\n1,2.50\n")
    schema = pa.schema({"price": pa.decimal128(10, 2)})
    source = CSVSource(path, schema=schema)
    assert rows_of(source) == [(1, Decimal("2.50"))]
    assert source == CSVSource(path, schema={"price": "DECIMAL(10,2)"})


def test_columns_are_given_in_the_order_asked_for(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", PLAIN), columns=["name", "id"])
    assert rows_of(source) == [("a", 1), ("b", 2)]


@pytest.mark.parametrize("option", [{"columns": ["nmae"]}, {"schema": {"nmae": "VARCHAR"}}])
def test_a_column_that_is_not_there(tmp_path, option):
    with pytest.raises(SchemaError, match="no column 'nmae'; did you mean 'name'"):
        CSVSource(write(tmp_path / "x.csv", PLAIN), **option).schema()


def test_null_values(tmp_path):
    path = write(tmp_path / "x.csv", 'id,name\nN/A,""\n2,"N/A"\n3,-\n')
    source = CSVSource(path, null_values=["", "N/A", "-"])
    assert rows_of(source) == [(None, None), (2, None), (3, None)]


def test_quoted_empties_are_texts_on_request(tmp_path):
    path = write(tmp_path / "x.csv", 'id,name\n1,""\n2,\n')
    assert rows_of(CSVSource(path)) == [(1, None), (2, None)]
    assert rows_of(CSVSource(path, quoted_nulls=False)) == [(1, ""), (2, None)]


def test_other_quotes_and_escapes(tmp_path):
    assert rows_of(CSVSource(write(tmp_path / "a.csv", "id,n\n1,'x,y'\n"), quote="'")) == [
        (1, "x,y")
    ]
    backslash = write(tmp_path / "b.csv", 'id,n\n1,"a \\"q\\" b, c"\n')
    assert rows_of(CSVSource(backslash, escape="\\")) == [(1, 'a "q" b, c')]
    assert rows_of(CSVSource(write(tmp_path / "c.csv", 'id,n\n1,"a\n'), quote="")) == [(1, '"a')]


def test_apostrophes_do_not_quote(tmp_path):
    text = "id,name\n1,'t Hooft\n2,O'Brien\n3,rock 'n' roll\n"
    assert rows_of(CSVSource(write(tmp_path / "x.csv", text)))[0] == (1, "'t Hooft")


def test_whole_file_inference(tmp_path):
    path = write(tmp_path / "x.csv", "id\n" + "1\n" * 30_000 + "x\n")
    assert CSVSource(path).schema().field("id").type == pa.int64()
    assert CSVSource(path, sample_size=None).schema().field("id").type == pa.string()
    assert len(rows_of(CSVSource(path, sample_size=None))) == 30_001


def test_a_changed_file_is_looked_at_again(tmp_path):
    path = write(tmp_path / "x.csv", PLAIN)
    CSVSource(path).schema()
    write(path, "other\n1.5\n")
    assert CSVSource(path).schema() == pa.schema({"other": pa.float64()})


# Many files


def test_columns_in_another_order_or_missing(tmp_path):
    write(tmp_path / "1.csv", "id,name\n1,a\n")
    write(tmp_path / "2.csv", "name;id;extra\nb;2;x\n")
    write(tmp_path / "3.csv", "id\n3\n")
    source = CSVSource(tmp_path / "*.csv")
    assert rows_of(source) == [(1, "a", None), (2, "b", "x"), (3, None, None)]


@pytest.mark.parametrize("union_by_name", [True, False])
def test_columns_that_differ_in_case_are_one_over_files(tmp_path, union_by_name):
    write(tmp_path / "1.csv", "id,email,n\n1,a@x,1\n")
    write(tmp_path / "2.csv", "ID,Email,N\n2,b@x,123456789012345678\n3,c@x,1.5\nx,d@x,2\n")
    files = {"path": tmp_path / "*.csv", "union_by_name": union_by_name}
    source = CSVSource(**files, schema={"id": "BIGINT"}, careful=["n"])
    assert source.schema() == pa.schema({"id": pa.int64(), "email": pa.string(), "n": pa.string()})
    rows, rejected = both(source, tmp_path / "run")
    assert rows == [(1, "a@x", "1"), (2, "b@x", "123456789012345678"), (3, "c@x", "1.5")]
    assert told(rejected) == [(4, "cast", "id", "x,d@x,2")]
    assert rows_of(CSVSource(**files, columns=["email"]))[1] == ("b@x",)
    with pytest.raises(SchemaError, match="no column 'Email'; did you mean 'email'"):
        CSVSource(**files, columns=["Email"]).schema()


def test_columns_of_one_file_stay_apart_over_files(tmp_path):
    write(tmp_path / "1.csv", "a,É\n1,2\n")
    write(tmp_path / "2.csv", "A,a,É,é\n3,4,5,6\n")
    source = CSVSource(tmp_path / "*.csv")
    assert source.schema().names == ["a", "É", "a_1", "é"]
    assert rows_of(source) == [(1, 2, None, None), (3, 5, 4, 6)]


def test_without_union_by_name_files_must_be_alike(tmp_path):
    write(tmp_path / "1.csv", "id,name\n1,a\n")
    write(tmp_path / "2.csv", "name,id\nb,2\n")
    with pytest.raises(SchemaError, match=r"2\.csv' has the columns name, id"):
        CSVSource(tmp_path / "*.csv", union_by_name=False).schema()


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("1", "2.5", pa.float64()),
        ("1", "x", pa.string()),
        ("2026-01-01", "2026-01-01 10:00:00", pa.timestamp("us")),
        ("true", "7", pa.string()),
        ("1", "", pa.int64()),
        ("", "1", pa.int64()),
    ],
)
def test_types_are_joined(tmp_path, first, second, joined):
    write(tmp_path / "1.csv", f"k,v\na,{first}\n")
    write(tmp_path / "2.csv", f"k,v\na,{second}\n")
    source = CSVSource([tmp_path / "1.csv", tmp_path / "2.csv"])
    assert source.schema().field("v").type == joined
    assert len(rows_of(source)) == 2


def test_empty_and_header_only_files_among_others(tmp_path):
    write(tmp_path / "1.csv", "")
    write(tmp_path / "2.csv", "id,name\n")
    write(tmp_path / "3.csv", PLAIN)
    source = CSVSource(tmp_path / "*.csv")
    assert source.schema() == pa.schema({"id": pa.int64(), "name": pa.string()})
    assert rows_of(source) == ROWS


def test_order_of_files_is_the_one_given(tmp_path):
    paths = [
        write(tmp_path / f"{n}.csv", f"a{mark}b\n{n}{mark}x\n") for n, mark in enumerate(",;,;")
    ]
    assert rows_of(CSVSource(paths[::-1])) == [(3, "x"), (2, "x"), (1, "x"), (0, "x")]


def test_many_files(tmp_path):
    for number in range(50):
        write(tmp_path / f"{number:03}.csv", f"id,name\n{number},a\n")
    assert [row[0] for row in rows_of(CSVSource(str(tmp_path / "*.csv")))] == list(range(50))


def test_file_urls_and_names_with_wildcards(tmp_path):
    path = write(tmp_path / "a[1] *?.csv", PLAIN)
    write(tmp_path / "a1 xy.csv", "other\n1\n")
    assert rows_of(CSVSource(path)) == ROWS
    assert rows_of(CSVSource(path.as_uri())) == ROWS


# Compression and encoding


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inside.csv", content)
    return buffer.getvalue()


def zstd(content):
    return pa.Codec("zstd").compress(content, asbytes=True)


PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
    "zip": zipped,
}


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("named", [True, False])
def test_compressed(tmp_path, ending, named):
    path = tmp_path / (f"x.csv.{ending}" if named else "x.csv")
    source = CSVSource(
        write(path, PACKERS[ending](b"id,name\n1,a\nx,y\n2,b\n" * 1)), schema={"id": "int"}
    )
    rows, rejected = both(source, tmp_path / "scratch")
    assert rows == ROWS
    name = f"{path}!inside.csv" if ending == "zip" else str(path)
    assert rejected[0]["source"] == {
        "file": name,
        "line": 3,
        "byte": 13,
        "table": None,
        "key": None,
    }


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zst"])
def test_several_members(tmp_path, ending):
    packed = PACKERS[ending](b"id,name\n1,a\n") + PACKERS[ending](b"2,b\n")
    assert rows_of(CSVSource(write(tmp_path / "x", packed))) == ROWS


@pytest.mark.parametrize("ending", PACKERS)
def test_cut_off(tmp_path, ending):
    # DuckDB reads a cut off zstd file to where it ends, and says nothing.
    text = "".join(f"{n},{n * 7919 % 100_003}\n" for n in range(200_000)).encode()
    packed = PACKERS[ending](b"id,n\n" + text)
    path = write(tmp_path / "x", packed[: len(packed) // 2])
    with pytest.raises(ReadError, match="x' can't be read as"):
        CSVSource(path).reader().read_all()


def test_corrupt_gzip(tmp_path):
    # DuckDB doesn't look at the checksum: it gave half the rows, some of them broken.
    text = "".join(f"{n},{n * 7919 % 100_003}\n" for n in range(200_000)).encode()
    packed = bytearray(gzip.compress(b"id,n\n" + text))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(ReadError, match="can't be read as gzip"):
        CSVSource(write(tmp_path / "x.csv.gz", bytes(packed))).reader().read_all()


def test_zip_of_several(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.csv", PLAIN)
        archive.writestr("b.csv", PLAIN)
    assert rows_of(CSVSource(tmp_path / "x.zip")) == ROWS * 2


ACCENTS = "id,náme\n1,Zoë\n2,“é”…\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_a_mark_tells(tmp_path, encoding):
    source = CSVSource(write(tmp_path / "x.csv", ACCENTS.encode(encoding)))
    assert source.schema().names == ["id", "náme"]
    assert rows_of(source) == [(1, "Zoë"), (2, "“é”…")]


def test_big_endian_utf16_with_emoji(tmp_path):
    # DuckDB reads it as no rows at all.
    text = "\ufeffid,name\n1,😀\nx,b\n"
    path = write(tmp_path / "x.csv", text.encode("utf-16-be"))
    rows, rejected = both(CSVSource(path, schema={"id": "int"}), tmp_path / "scratch")
    assert rows == [(1, "😀")]
    assert rejected[0]["source"] == {
        "file": str(path),
        "line": 3,
        "byte": None,
        "table": None,
        "key": None,
    }


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "utf-16-be", "gb18030", "utf-7"])
def test_encodings_that_are_told(tmp_path, encoding):
    source = CSVSource(write(tmp_path / "x.csv", ACCENTS.encode(encoding)), encoding=encoding)
    assert rows_of(source) == [(1, "Zoë"), (2, "“é”…")]


def test_latin1_with_the_letters_duckdb_refuses(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", b"id,n\n1,\x85\xe9\n"), encoding="latin-1")
    assert rows_of(source) == [(1, "\x85é")]


def test_bytes_that_are_not_in_the_encoding(tmp_path):
    path = write(tmp_path / "x.csv", b'id,n\n1,\x81\n2,b\n3,"\x8d\n')
    rows, rejected = both(CSVSource(path, encoding="cp1252"), tmp_path / "scratch")
    assert rows == [(2, "b")]
    assert (rejected[0]["reason_code"], rejected[0]["source"]["line"]) == ("encoding", 2)
    assert [row["text"] for row in rejected] == [r"1,\x81", r'3,"\x8d']


# Values, labels, options


def test_is_a_value(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", PLAIN), columns=["id"], schema={"id": pa.int32()})
    assert pickle.loads(pickle.dumps(source)) == source
    assert hash(source) == hash(eval(repr(source)))
    assert source == eval(repr(source))
    assert repr(CSVSource("a.csv", decimal=",")) == "CSVSource(path=('a.csv',), decimal=',')"
    assert source.label == f"CSVSource('{tmp_path / 'x.csv'}')"
    assert source.size == len(PLAIN)
    assert CSVSource("gone.csv").size is None


def test_any_arrow_library_takes_it(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", PLAIN))
    assert pl.DataFrame(source).rows() == ROWS
    assert pa.table(source).num_rows == 2
    assert pd.DataFrame.from_arrow(source)["id"].tolist() == [1, 2]
    with duckdb.connect() as connection:
        connection.register("t", source.reader())
        assert connection.sql("SELECT sum(id) FROM t").fetchall() == [(3,)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on_error": "skip"}, "on_error='skip'"),
        ({"compression": "gz"}, "did you mean 'gzip'"),
        ({"delimiter": ""}, "one to four bytes"),
        ({"delimiter": "tab"}, r"""delimiter='tab': write "\\t\""""),
        ({"delimiter": "12345"}, "one to four bytes"),
        ({"quote": '""'}, "one byte"),
        ({"encoding": "utf-9"}, "isn't one that Python knows"),
        ({"encoding": "rot13"}, "isn't one that Python knows"),
        ({"sample_size": 0}, "1 or more"),
        ({"skip": -1}, "0 or more"),
        ({"sample_size": "all"}, "sample_size is 'all': it has to be a whole number, 1 or more"),
        ({"skip": "1"}, "skip is '1': it has to be a whole number, 0 or more, or None"),
        ({"delimiter": 5}, "delimiter is 5: it has to be text, or None"),
        ({"path": 5}, "path is a path, a URL or a list of them, not 5"),
        ({"schema": {"a": list}}, "schema: column 'a': <class 'list'> is no type"),
        ({"schema": "id"}, "schema takes types by column name, not 'id'"),
        ({"header": 0}, "header is 0: it has to be True if the first line has the names"),
        ({"header": "infer"}, "header is 'infer': it has to be True"),
        ({"quoted_nulls": "no"}, "quoted_nulls is 'no': it has to be True or False"),
        ({"union_by_name": 1}, "union_by_name is 1"),
        ({"careful": 1}, "careful takes a list"),
        ({"columns": "id"}, "takes a list"),
        ({"columns": []}, "one or more"),
        ({"columns": ["a", "a"]}, "each once"),
        ({"schema": {"id": "INTT"}}, "column 'id': 'INTT'"),
        ({"null_values": []}, "one or more texts"),
    ],
)
def test_options_that_make_no_sense(options, said):
    with pytest.raises(ConfigError, match=said):
        CSVSource(**{"path": "x.csv"} | options)


@pytest.mark.parametrize(
    "path",
    ["s3://key:secret@bucket/x.csv", "s3://", "https://x/y.csv", "", [], "file://host/x"],
)
def test_paths_that_are_none(path):
    with pytest.raises(ConfigError):
        CSVSource(path)


@pytest.mark.parametrize(
    "values",
    [
        ["9007199254740993", "NaN"],
        ["9007199254740993", "1.5"],
        ["1.5", "-4242424242473116"],
        ["4242424242473116", "4.2E+15"],
        ["9" * 20, "1e5"],
        ["9" * 41, "1"],
        ["1" * 39, "1"],
        ["9" * 41, "1.5"],
    ],
)
def test_whole_numbers_keep_their_digits(tmp_path, values):
    path = write(tmp_path / "x.csv", "\n".join(["card", *values, ""]))
    source = CSVSource(path)
    assert source.schema() == pa.schema({"card": pa.string()})
    assert rows_of(source) == [(value,) for value in values]


@pytest.mark.parametrize(
    ("options", "values", "kind"),
    [
        ({}, ["424242424242473", "1.5"], pa.float64()),
        ({}, ["0.12345678901234567", "1"], pa.float64()),
        ({}, ["9007199254740993", "1"], pa.int64()),
        ({}, ["9" * 38, "1"], pa.decimal128(38, 0)),
        ({"null_values": ["9" * 16]}, ["9" * 16, "1.5"], pa.float64()),
        ({"schema": {"x": "DOUBLE"}}, ["9" * 16, "1.5"], pa.float64()),
    ],
)
def test_numbers_that_their_type_keeps_are_numbers(tmp_path, options, values, kind):
    path = write(tmp_path / "x.csv", "\n".join(["x", *values, ""]))
    assert CSVSource(path, **options).schema().field("x").type == kind


def test_whole_numbers_of_one_file_keep_their_digits_beside_another_s_fractions(tmp_path):
    for number, value in enumerate(["1.5", "9007199254740993", "17"]):
        write(tmp_path / f"{number}.csv", f"card\n{value}\n")
    assert rows_of(CSVSource(f"{tmp_path}/*.csv")) == [("1.5",), ("9007199254740993",), ("17",)]
    assert rows_of(CSVSource(f"{tmp_path}/[02].csv")) == [(1.5,), (17.0,)]


def test_a_number_longer_than_arrow_s_is_rejected(tmp_path):
    path = write(tmp_path / "x.csv", "\n".join(["n", "9" * 38, "1" * 39, ""]))
    source = CSVSource(path, sample_size=1, careful=True)
    rows, rejected = both(source, tmp_path / "scratch")
    assert rows == [(Decimal("9" * 38),)]
    assert [row["source"]["line"] for row in rejected] == [3]


@pytest.mark.parametrize("kind", ["BIT", "BIGNUM", "VARIANT", "TIMETZ", "BIT[]"])
def test_a_declared_type_is_one_that_arrow_has(kind):
    with pytest.raises(ConfigError, match=r"column 'x': .* Arrow has no type for .* VARCHAR"):
        CSVSource("x.csv", schema={"x": kind})


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
CELLS = st.one_of(
    st.none(), TEXTS, st.sampled_from(['"', '""', ",", "\n", " a ", "é😀", 'a"b', ", "])
)


@settings(deadline=None, max_examples=35)
@given(rows=st.lists(st.tuples(CELLS, CELLS, st.integers(-(2**62), 2**62)), max_size=8))
def test_reads_what_the_csv_module_writes(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(["a", "b", "n"])
        writer.writerows(rows)
    source = CSVSource(
        path, delimiter=",", header=True, schema={"a": "VARCHAR", "b": "VARCHAR", "n": "BIGINT"}
    )
    assert rows_of(source) == [(a or None, b or None, n) for a, b, n in rows]


def test_plain_files_are_read_where_they_lie(tmp_path):
    for number, content in enumerate([PLAIN, PLAIN.replace("\n", "\r\n"), 'a,b\n"x, y",\n1,\n']):
        path = write(tmp_path / f"{number}.csv", content)
        (tmp_path / "scratch").mkdir(exist_ok=True)
        CSVSource(path).relation(tmp_path / "scratch")
        assert list((tmp_path / "scratch").iterdir()) == []
