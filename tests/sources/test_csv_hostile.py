"""CSVSource on what people really send: each a right result or a clear error."""

import os
import random

import numpy as np
import pyarrow.parquet as pq
import pytest

import arrowetl as ae
from arrowetl.errors import ReadError
from arrowetl.sources.csv import CSVSource
from tests.sources.reading import both, rows_of, told, write

TYPED = {"id": "BIGINT", "name": "VARCHAR"}
PAD = "y" * 40


def read(tmp_path, content, **options):
    path = write(tmp_path / "x.csv", content)
    options = {"schema": TYPED, **options}
    return both(CSVSource(path, **options), tmp_path / "scratch")


def test_a_row_a_bad_line_with_its_place_text_and_reason(tmp_path):
    content = 'id,name\n1,a\nx,b\n3\n4,d,e\n5,"e"f\n6,\n7,g\n'
    rows, rejected = read(tmp_path, content)
    assert rows == [(1, "a"), (6, None), (7, "g")]
    assert told(rejected) == [
        (3, "cast", "id", "x,b"),
        (4, "missing_columns", None, "3"),
        (5, "too_many_columns", None, "4,d,e"),
        (6, "unquoted_value", None, '5,"e"f'),
    ]
    assert [r["source"]["byte"] for r in rejected] == [13, 17, 19, 25]
    assert "Could not convert string \"x\" to 'BIGINT'" in rejected[0]["reason"]


def test_several_errors_in_a_line_are_one_row(tmp_path):
    rows, rejected = read(tmp_path, "id,name\nx,b,c\ny\n3,c\n")
    assert rows == [(3, "c")]
    assert told(rejected) == [
        (2, "too_many_columns", None, "x,b,c"),
        (3, "missing_columns", None, "y"),
    ]
    assert rejected[0]["reason"].endswith("(one of 2 errors in this line)")


def test_lines_are_counted_as_an_editor_does(tmp_path):
    content = 'id,name\n\n1,"a\n\nb"\n\nx,b\n2,"c\nd"\ny,e\n'
    rows, rejected = read(tmp_path, content)
    assert rows == [(1, "a\n\nb"), (2, "c\nd")]
    assert told(rejected) == [(7, "cast", "id", "x,b"), (10, "cast", "id", "y,e")]
    for row in rejected:
        start = row["source"]["byte"] - 1
        assert content[start : start + 3] == row["text"]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_line_ends(tmp_path, end):
    content = 'id,name\n1,"a\nb"\n\nx,b\n2,c\ny,d\n'.replace("\n", end)
    rows, rejected = read(tmp_path, content)
    assert rows == [(1, f"a{end}b"), (2, "c")]
    assert told(rejected) == [(5, "cast", "id", "x,b"), (7, "cast", "id", "y,d")]
    assert content[rejected[0]["source"]["byte"] - 1 :].startswith("x,b")


@pytest.mark.parametrize("threads", [1, 2])
def test_positions_in_a_file_read_in_parallel(tmp_path, threads):
    lines, expected, number = ["id,name\n"], [], 2
    for i in range(900_000):
        bad = i % 99_991 == 5
        line = f'x{i},"a\n{PAD}"\n' if bad else f'{i},"{PAD}\n"\n' if i % 3 == 0 else f"{i},{PAD}\n"
        if bad:
            expected.append((number, f"x{i}"))
        lines.append(line)
        number += line.count("\n")
    path = write(tmp_path / "x.csv", "".join(lines))
    rows, rejected = both(CSVSource(path, schema=TYPED), tmp_path / "scratch", threads=threads)
    assert len(rows) == 900_000 - len(expected)
    assert [(r["source"]["line"], r["text"].split(",")[0]) for r in rejected] == expected


def test_more_rejects_than_any_limit(tmp_path):
    content = "id,name\n" + "".join(f"{'x' if i % 2 else i},a\n" for i in range(100_000))
    rows, rejected = read(tmp_path, content)
    assert len(rows) == len(rejected) == 50_000


@pytest.mark.parametrize(
    "content",
    [
        "id,name\r\n1,a\n2,b\r\n",
        "id,name\n1,a\r\n2,b\n",
        "id,name\n1,a\r2,b\n",
        'id,name\r\n1,a\n2,"b"\r\n',
        "id,name\r\n1,a\n2,b",
    ],
)
def test_mixed_line_ends(tmp_path, content):
    # DuckDB's parser stops at the first that differs, for the whole file.
    rows, rejected = read(tmp_path, content)
    assert rows == [(1, "a"), (2, "b")]
    assert rejected == []


def test_mixed_line_ends_far_down(tmp_path):
    content = "id,name\n" + f"1,{PAD}\n" * 200_000 + "2,a\r\n" + f'3,"{PAD}\r\n"\n'
    rows, _ = read(tmp_path, content)
    assert rows[-2:] == [(2, "a"), (3, f"{PAD}\r\n")]
    assert len(rows) == 200_002


def test_cut_off_in_a_quoted_value(tmp_path):
    rows, rejected = read(tmp_path, 'id,name\n1,a\n2,"bc')
    assert rows == [(1, "a")]
    assert told(rejected) == [(3, "unquoted_value", None, '2,"bc')]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("lines", [10, 700_000])
def test_a_quote_that_never_closes_costs_its_own_line(tmp_path, lines, threads):
    # DuckDB lost thousands of rows, or made one value of them all, as threads would have it.
    body = [f"{i},{PAD}\n" for i in range(lines)]
    body[lines // 2] = f'{lines // 2},"é{PAD}\n'
    path = write(tmp_path / "x.csv", "id,name\n" + "".join(body))
    rows, rejected = both(CSVSource(path, schema=TYPED), tmp_path / "scratch", threads=threads)
    assert len(rows) == lines - 1
    place = lines // 2 + 2
    assert told(rejected) == [(place, "unquoted_value", None, f'{lines // 2},"é{PAD}')]
    assert rejected[0]["source"]["file"] == str(path)


@pytest.mark.parametrize(
    "value", ['5" pipe', 'a"', '"a" b"c', 'x "y', '"a""', "6 ''", '"say ""x"""', '""']
)
def test_quotes_in_odd_places_harm_no_other_line(tmp_path, value):
    content = f"id,name\n1,a\n2,{value}\n3,c\n4,d\n"
    rows, rejected = read(tmp_path, content)
    assert len(rows) + len(rejected) == 4
    assert {1, 3, 4} <= {row[0] for row in rows}
    assert [r["text"] for r in rejected] in ([], [f"2,{value}"])


@pytest.mark.parametrize(
    ("first", "last", "end"),
    [
        (1_000, 800_000, "b"),
        (1_000, 400_000, "b"),
        (1_000, 400_000, '"b'),
        (1_000, 100_000, '"b'),
        (600_000, 700_000, '"b'),
    ],
)
def test_a_quote_that_takes_in_thousands_of_lines(tmp_path, first, last, end):
    # DuckDB loses or doubles rows, as its buffers happen to lie: no run may be committed then.
    body = [f"{i},{PAD}\n" for i in range(900_000)]
    body[first], body[last] = f'{first},"aaa\n', f'{last},{end}"\n'
    path = write(tmp_path / "x.csv", "id,name\n" + "".join(body))
    with pytest.raises(ReadError, match=rf"line {first + 2}: a quote opens here"):
        both(CSVSource(path, schema=TYPED), tmp_path / "scratch")


def test_a_cell_of_a_megabyte_and_one_that_is_too_long(tmp_path):
    content = f"id,name\n1,{'z' * 1_000_000}\n2,{'z' * 3_000_000}\n3,{'z' * 17_000_000}\n4,d\n"
    rows, rejected = read(tmp_path, content)
    assert [(row[0], len(row[1])) for row in rows] == [(1, 1_000_000), (2, 3_000_000), (4, 1)]
    assert [(r["reason_code"], r["source"]["line"]) for r in rejected] == [("line_size", 4)]


def test_rows_that_are_longer_than_any_buffer(tmp_path):
    # DuckDB leaves them out without a word.
    text = "z" * 33_000_000
    rows, rejected = read(tmp_path, f"id,name\n1,a\n2,{text}\n3,c\nx,d\n5,e\n")
    assert rows == [(1, "a"), (3, "c"), (5, "e")]
    assert [r["source"]["line"] for r in rejected] == [3, 5]
    assert [r["reason_code"] for r in rejected] == ["line_size", "cast"]
    assert rejected[0]["reason"] == "the row has 33,000,002 bytes, over 8,000,000"
    assert rejected[0]["text"] == f"2,{text}"


def test_a_quoted_value_that_is_longer_than_any_buffer(tmp_path):
    # DuckDB takes all memory there is.
    text = '"' + "zz\n" * 6_000_000 + '"'
    with pytest.raises(ReadError, match=r"line 3: a quote opens here, .* over 8,000,000 bytes"):
        read(tmp_path, f"id,name\n1,a\n2,{text}\n3,c\n")


@pytest.mark.parametrize("bad", ["xxxxxxx", "x,ddddd", "1,d,ddd", "4,\udcffdddd"])
@pytest.mark.parametrize(("after", "many"), [(0, 1), (1, 30), (2, 1), (3, 30)])
def test_bad_rows_where_the_last_thread_begins(tmp_path, bad, after, many):
    # DuckDB leaves out everything from there to the end without a word.
    good, cut = "4,ddddd\n", 8_000_000
    text = "id,name\n" + good * (cut // 8 - 1 + after) + f"{bad}\n" * many + good * 1_000
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    rows, rejected = both(CSVSource(path, schema=TYPED), tmp_path / "scratch")
    assert (len(rows), len(rejected)) == (cut // 8 - 1 + after + 1_000, many)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("null", ["", "N/A", '""', '"N/A"'])
def test_a_value_too_many_whose_last_is_null_does_not_shift_the_others(tmp_path, null, end):
    # DuckDB takes such a line, its values shifted.
    content = (
        f'id,name\n1,\n2,Doe,{null}\n3,"x, y"\n4,b,{null}\n5,"a,b,\nc"\n"6",é,{null}'
    ).replace("\n", end)
    path = write(tmp_path / "x.csv", content)
    source = CSVSource(path, schema=TYPED, null_values=["", "N/A"])
    rows, rejected = both(source, tmp_path / "scratch")
    assert rows == [(1, None), (3, "x, y"), (5, f"a,b,{end}c")]
    many = "too_many_columns"
    assert told(rejected) == [
        (3, many, None, f"2,Doe,{null}"),
        (5, many, None, f"4,b,{null}"),
        (8, many, None, f'"6",é,{null}'),
    ]
    one_column = CSVSource(path, schema=TYPED, null_values=["", "N/A"], columns=["id"])
    assert both(one_column, tmp_path / "other")[0] == [(1,), (3,), (5,)]


def test_an_open_quote_after_a_value_of_two_lines(tmp_path):
    content = 'id,name,x\n1,a,b\n2,"c\nd","e\n3,f,g\n4,h\n'
    rows, rejected = read(tmp_path, content, schema=None)
    assert rows == [(1, "a", "b"), (3, "f", "g")]
    assert told(rejected) == [
        (3, "unquoted_value", None, '2,"c\nd","e'),
        (6, "missing_columns", None, "4,h"),
    ]


def test_bytes_that_are_not_utf8(tmp_path):
    rows, rejected = read(tmp_path, b"id,name\n1,a\n2,b\xff\n3,c\n")
    assert rows == [(1, "a"), (3, "c")]
    assert told(rejected) == [(3, "encoding", None, r"2,b\xff")]


def test_bytes_that_are_not_utf8_are_told_from_letters(tmp_path):
    rows, rejected = read(tmp_path, b'id,name\n1,a\n2,\\xe9?,x\n3,\\caf\xe9?,x\n4,"\xe9\n')
    assert rows == [(1, "a")]
    assert told(rejected) == [
        (3, "too_many_columns", None, r"2,\xe9?,x"),
        (4, "encoding", None, r"3,\\caf\xe9?,x"),
        (5, "unquoted_value", None, r'4,"\xe9'),
    ]
    assert ["shown as" in row["reason"] for row in rejected] == [False, True, True]
    assert "say encoding=, perhaps 'cp1252' or 'latin-1'" in rejected[1]["reason"]


def test_a_header_that_is_not_utf8(tmp_path):
    with pytest.raises(ReadError, match=r"\.csv': line \d, the header, isn't UTF-8: say"):
        read(tmp_path, "id,náme\n1,a\n".encode("latin-1"))


def test_broken_lines_do_not_hide_the_columns(tmp_path):
    # DuckDB's sniffer took such a file for one of a single column.
    broken = {3: "{},cut", 5: "{},a,b,c", 7: '{},"a"b,c'}
    lines = ["id,name,notes", *(broken.get(i % 50, "{},a,b").format(i) for i in range(500))]
    rows, rejected = read(tmp_path, "\n".join(lines) + "\n", schema=None)
    assert (len(rows), len(rejected)) == (470, 30)
    assert rows[0] == (0, "a", "b")


def test_header_of_another_width(tmp_path):
    with pytest.raises(ReadError, match=r"\.csv': line 1 has 2 values, and most rows have 3"):
        read(tmp_path, "id,name\n" + "1,a,x\n" * 5)


def test_names_as_strange_as_they_come(tmp_path):
    header = ["select", "a b", 'say ""x""', "né😀", "x; DROP TABLE y; --", "l\nf", "it's", "{}"]
    content = ",".join(f'"{name}"' for name in header) + "\n1,2,3,4,5,6,7,8\n"
    source = CSVSource(write(tmp_path / "x.csv", content))
    assert source.schema().names == [name.replace('""', '"') for name in header]
    assert rows_of(source) == [(1, 2, 3, 4, 5, 6, 7, 8)]


def test_two_columns_of_one_name_are_numbered(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", "a,A,a,,b\n1,2,3,4,5\n"))
    assert source.schema().names == ["a", "A_1", "a_2", "column3", "b"]


def test_paths_as_strange_as_they_come(tmp_path):
    for name in ["it's.csv", 'a "b".csv', "né😀.csv", "a;b.csv", "{x}.csv", "%20.csv", "x#y?.csv"]:
        path = write(tmp_path / name, "id\n1\nx\n")
        rows, rejected = both(CSVSource(path, schema={"id": "int"}), tmp_path / "scratch")
        assert rows == [(1,)]
        assert rejected[0]["source"]["file"] == str(path)


def test_spaces_are_kept(tmp_path):
    assert rows_of(CSVSource(write(tmp_path / "x.csv", "id,name\n1, a \n"))) == [(1, " a ")]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", " \n"])
def test_empty_file(tmp_path, content):
    path = write(tmp_path / "x.csv", content)
    with pytest.raises(ReadError, match="the file is empty; give its columns with schema="):
        CSVSource(path).schema()
    assert rows_of(CSVSource(path, schema=TYPED)) == []
    assert CSVSource(path, schema=TYPED).schema().names == ["id", "name"]


def test_header_only(tmp_path):
    source = CSVSource(write(tmp_path / "x.csv", "id,name\n"))
    assert source.schema().names == ["id", "name"]
    assert rows_of(source) == []


def test_one_row_without_a_line_end(tmp_path):
    assert rows_of(CSVSource(write(tmp_path / "x.csv", "id,name\n1,a"))) == [(1, "a")]


def test_missing_file_names_the_nearest(tmp_path):
    write(tmp_path / "orders.csv", "id\n1\n")
    with pytest.raises(ReadError, match=r"no file .*ordres\.csv'; did you mean 'orders\.csv'"):
        CSVSource(tmp_path / "ordres.csv").schema()
    with pytest.raises(ReadError, match="no file fits"):
        CSVSource(tmp_path / "*.tsv").schema()
    with pytest.raises(ReadError, match="there is no folder"):
        CSVSource(tmp_path / "gone" / "x.csv").schema()


def test_a_folder(tmp_path):
    with pytest.raises(ReadError, match=r"is a folder; name its files"):
        CSVSource(tmp_path).schema()


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReadError, match="isn't a regular file"):
        CSVSource(tmp_path / "pipe").schema()
    (tmp_path / "broken.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(ReadError, match="can't read"):
        CSVSource(tmp_path / "broken.csv").schema()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x7fELF\x02\x01\x01\x00\x00" * 50, "isn't text: it holds NUL bytes"),
        (b"PAR1" + b"\x00" * 50, "read it with ParquetSource"),
        ("id,name\n1,a\n".encode("utf-16-le"), "encoding='utf-16-le'"),
    ],
)
def test_a_binary_file_called_csv(tmp_path, content, said):
    with pytest.raises(ReadError, match=said):
        CSVSource(write(tmp_path / "x.csv", content)).schema()


def test_raise_names_file_line_column_and_reason(tmp_path):
    path = write(tmp_path / "x.csv", 'id,name\n1,"a\nb"\nx,b\n')
    source = CSVSource(path, schema=TYPED, on_error="raise")
    with pytest.raises(ReadError, match=r"x\.csv', line 4, column 'id': .*\"x\""):
        both(source, tmp_path / "scratch")


def test_a_reader_raises_for_what_a_pipeline_would_set_apart(tmp_path):
    path = write(tmp_path / "x.csv", "id,name\nx,b\n")
    with pytest.raises(ReadError, match="Could not convert"):
        CSVSource(path, schema=TYPED).reader().read_all()


def test_rejects_of_two_sources_are_kept_apart(tmp_path):
    from arrowetl.instances import Instance

    one = CSVSource(write(tmp_path / "1.csv", "id\n1\nx\n"), schema={"id": "int"})
    two = CSVSource(write(tmp_path / "2.csv", "id\ny\n2\n"), schema={"id": "int"})
    with Instance() as connection:
        for source in (one, two, one):  # read again, it has the same rejects, once
            connection.sql(source.relation(tmp_path)).fetchall()
        texts = [[b["text"].to_pylist() for b in each.rejected(connection)] for each in (one, two)]
    assert texts == [[["x"]], [["y"]]]


def test_without_a_run_nothing_is_rejected(tmp_path):
    from arrowetl.instances import Instance

    source = CSVSource(write(tmp_path / "x.csv", "id\n1\n"))
    with Instance() as connection:
        assert list(source.rejected(connection)) == []


@pytest.mark.parametrize("after", [0, 1, 2])
def test_no_row_is_lost_in_the_large_buffers_of_a_copy(tmp_path, after):
    """A run that is one statement reads 32 MB at a time: bad rows at every cut, and anywhere."""
    width, count = 16, 4_400_000
    bad = {cut // width + after for cut in range(8_000_000, width * count, 8_000_000)}
    bad |= set(random.Random(after).sample(range(count), 50))
    lines = [b"%08d,abcdef\n" % row for row in range(count)]
    for row in bad:
        lines[row] = b"%08d,a,b,cd\n" % row
    (tmp_path / "x.csv").write_bytes(b"".join(lines))
    source = CSVSource(tmp_path / "x.csv", header=False, schema=TYPED)
    pipeline = ae.Pipeline(progress=False).extract(source)
    pipeline.load(ae.ParquetLoader(tmp_path / "out.parquet"))
    assert pipeline.plan().copy is not None
    result = pipeline.run().result
    assert (result.records_loaded, result.records_rejected) == (count - len(bad), len(bad))
    found = pq.read_table(tmp_path / "out.parquet")["id"].to_numpy()
    assert np.array_equal(found, np.delete(np.arange(count), sorted(bad)))
