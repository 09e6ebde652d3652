"""TextSource: lines, patterns, types, records, encodings, and what is set apart."""

import gzip
import os
import pickle
import subprocess
import sys
from datetime import date, datetime, time, timezone

import polars as pl
import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.errors import ConfigError, ReadError, SchemaError
from arrowetl.sources.text import TextSource
from tests.sources.reading import rows_of, told, write

CLF = '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326'


def scanned(source, **options):
    """Give the rows of a scan, and what it set apart."""
    rows = [row for batch in source.scan(**options) for row in batch.to_pylist()]
    return rows, [row for batch in source.rejected(None) for row in batch.to_pylist()]


def logged(tmp_path, content, pattern, **options):
    return TextSource(write(tmp_path / "x.log", content), pattern=pattern, **options)


def test_a_row_a_line(tmp_path):
    path = write(tmp_path / "a.txt", "one\n\ntwo\r\nthree")
    source = TextSource(path)
    assert source.schema() == pa.schema(
        {"file": pa.string(), "line": pa.int64(), "text": pa.string()}
    )
    name = str(path)
    assert rows_of(source) == [
        (name, 1, "one"),
        (name, 2, ""),
        (name, 3, "two"),
        (name, 4, "three"),
    ]
    assert source.size == 15


def test_lines_of_several_files_are_counted_apart(tmp_path):
    write(tmp_path / "b.log", "3\n4\n")
    write(tmp_path / "a.log", "1\n2")
    write(tmp_path / "c.log", "")
    rows = rows_of(TextSource(tmp_path / "*.log", columns=["text", "line", "byte"]))
    assert rows == [("1", 1, 1), ("2", 2, 3), ("3", 1, 1), ("4", 2, 3)]


def test_no_lines(tmp_path):
    source = TextSource(write(tmp_path / "x", ""))
    assert rows_of(source) == []
    assert rows_of(TextSource(tmp_path / "x", pattern="(?P<a>.)")) == []


def test_order_and_numbers_are_exact_with_any_threads(tmp_path):
    path = tmp_path / "many.log"
    path.write_bytes(b"".join(b"%d %s\n" % (n, b"x" * (n % 97)) for n in range(1, 300_001)))
    source = TextSource(path, pattern=r"^(?P<n>\d+)", columns=["n", "line"])
    table = source.reader().read_all()
    assert table["n"].equals(table["line"])
    assert table["line"].to_pylist() == list(range(1, 300_001))


def test_a_typed_column_a_group(tmp_path):
    lines = "1 -2.5 true 2026-01-31 12:30:00 x\n-3 4 FALSE 2026-02-28 00:00:01.5 y\n"
    pattern = r"(?P<i>\S+) (?P<f>\S+) (?P<b>\S+) (?P<d>\S+) (?P<t>\S+) (?P<s>\S+)"
    source = logged(tmp_path, lines, pattern)
    assert source.schema() == pa.schema(
        {
            "i": pa.int64(),
            "f": pa.float64(),
            "b": pa.bool_(),
            "d": pa.date32(),
            "t": pa.time64("us"),
            "s": pa.string(),
        }
    )
    assert rows_of(source) == [
        (1, -2.5, True, date(2026, 1, 31), time(12, 30), "x"),
        (-3, 4.0, False, date(2026, 2, 28), time(0, 0, 1, 500_000), "y"),
    ]


UTC = timezone.utc
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LOCAL = NOON.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("texts", "kind", "first"),
    [
        (["10/Oct/2000:13:55:36 -0700"], "tz", datetime(2000, 10, 10, 20, 55, 36, tzinfo=UTC)),
        (["2026-01-31T14:00:00+02:00"], "tz", NOON),
        (["2026-01-31 14:00:00 +0200"], "tz", NOON),
        (["2026-01-31T12:00:00.123Z"], "tz", NOON.replace(microsecond=123_000)),
        (["2026-01-31 12:00:00 UTC", "2026-01-31 10:00"], "tz", NOON),
        (["2026-01-31 12:00:00"], "us", LOCAL),
        (["2026-01-31 12:00:00", "2026-01-31"], "us", LOCAL),
        (["2026-01-31 12:00:00,123"], "us", LOCAL.replace(microsecond=123_000)),
        (["2026/01/31 12:00:00"], "us", LOCAL),
        (["Sat Jan 31 12:00:00 2026"], "us", LOCAL),
        (["Sat Jan 31 12:00:00.000123 2026"], "us", LOCAL.replace(microsecond=123)),
        (["31/Jan/2026"], "date", date(2026, 1, 31)),
        (["2026/01/31"], "date", date(2026, 1, 31)),
        # Nothing is lost: what has no type of its own stays text.
        (["31/Feb/2026:10:00:00 +0000"], "text", "31/Feb/2026:10:00:00 +0000"),
        (["2026-02-30"], "text", "2026-02-30"),
        (["2026-01-31T10:00:00.123456789Z"], "text", "2026-01-31T10:00:00.123456789Z"),
        (["01/02/2026"], "text", "01/02/2026"),
        (["10:00:00.1234567"], "text", "10:00:00.1234567"),
        (["007", "12"], "text", "007"),
        (["1_000"], "text", "1_000"),
        (["99999999999999999999"], "text", "99999999999999999999"),
        (["nan", "inf"], "text", "nan"),
        (["1", "x"], "text", "1"),
        ([""], "text", None),
    ],
)  # fmt: skip
def test_inferred(tmp_path, texts, kind, first):
    kinds = {
        "tz": pa.timestamp("us", "UTC"),
        "us": pa.timestamp("us"),
        "date": pa.date32(),
        "text": pa.string(),
    }
    source = logged(tmp_path, "".join(f"[{text}]\n" for text in texts), r"\[(?P<x>.*)\]")
    assert source.schema().field("x").type == kinds[kind]
    assert rows_of(source)[0] == (first,)


def test_nanoseconds_are_kept(tmp_path):
    source = logged(tmp_path, "2026-01-31 10:00:00.123456789\n", "(?P<x>.*)")
    assert source.schema().field("x").type == pa.timestamp("ns")
    assert source.reader().read_all()["x"].cast(pa.int64()).to_pylist() == [1769853600123456789]


def test_declared_types_neither_round_nor_cut(tmp_path):
    lines = "1.5 007 1.005 2026-01-31T10:00:00+02:00\n"
    pattern = r"(?P<i>\S+) (?P<z>\S+) (?P<m>\S+) (?P<t>\S+)"
    sound = {"i": "DOUBLE", "z": "INTEGER", "m": "DECIMAL(9, 3)", "t": "TIMESTAMPTZ"}
    source = logged(tmp_path, lines, pattern, schema=sound)
    assert source.reader().read_all()["z"].to_pylist() == [7]
    for column, kind in (("i", "BIGINT"), ("m", "DECIMAL(9, 2)"), ("t", "TIMESTAMP")):
        _, rejected = scanned(logged(tmp_path, lines, pattern, schema=sound | {column: kind}))
        assert [(row["reason_code"], row["column"]) for row in rejected] == [("cast", column)]


def test_own_formats(tmp_path):
    source = logged(
        tmp_path,
        "31.01.2026 31.01.26 12h00\n",
        r"(?P<d>\S+) (?P<t>.*)",
        date_format="%d.%m.%Y",
        timestamp_format="%d.%m.%y %Hh%M",
    )
    assert rows_of(source) == [(date(2026, 1, 31), LOCAL)]
    zoned = logged(
        tmp_path, "31.01.26 10:05 +0100\n", "(?P<t>.*)", timestamp_format="%d.%m.%y %H:%M %z"
    )
    assert rows_of(zoned) == [(datetime(2026, 1, 31, 9, 5, tzinfo=UTC),)]


@pytest.mark.parametrize("lines", ["{0}+02:00\n{0}\n{0}Z\n", "{0}\n{0}Z\n"])
def test_date_times_without_a_zone_among_some_with_one_are_utc(tmp_path, lines):
    source = logged(tmp_path, lines.format("2026-01-31T10:00:00"), "(?P<t>.+)")
    hours = [row[0].hour for row in rows_of(source)]
    assert source.schema().field("t").type == pa.timestamp("us", "UTC")
    assert hours == [8, 10, 10][-len(hours) :]


def test_a_group_that_is_not_there_is_null(tmp_path):
    source = logged(tmp_path, "a=1\na=2 b=3\n", r"a=(?P<a>\d)(?: b=(?P<b>\d))?")
    assert rows_of(source) == [(1, None), (2, 3)]


def test_lines_that_do_not_fit_are_set_apart(tmp_path):
    source = logged(
        tmp_path,
        b"1 a\n\nx b\n\xff 3\n2 c\r\n99999999999999999999 d\n",
        r"^(?P<n>\w+) (?P<s>\w+)$",
        schema={"n": "BIGINT"},
    )
    rows, rejected = scanned(source)
    assert rows == [{"n": 1, "s": "a"}, {"n": 2, "s": "c"}]
    assert told(rejected) == [
        (2, "no_match", None, ""),
        (3, "cast", "n", "x b"),
        (4, "encoding", None, "\\xff 3"),
        (6, "cast", "n", "99999999999999999999 d"),
    ]
    assert rejected[1]["reason"] == "column n: 'x' isn't BIGINT"
    assert [row["source"]["byte"] for row in rejected] == [5, 6, 10, 19]
    assert {row["source"]["file"] for row in rejected} == {str(tmp_path / "x.log")}


def test_columns_that_nobody_reads_reject_nothing(tmp_path):
    source = logged(tmp_path, "1 x\ny 2\n", r"(?P<n>\w) (?P<m>\w)", schema={"n": "INT", "m": "INT"})
    rows, rejected = scanned(source, columns=["m"])
    assert rows == [{"m": 2}]
    assert told(rejected) == [(1, "cast", "m", "1 x")]


def test_all_groups_empty_is_a_match(tmp_path):
    rows, rejected = scanned(logged(tmp_path, "a\n\n", "^(?P<x>b?)"))
    assert rows == [{"x": None}, {"x": None}]
    assert rejected == []


def test_raise_names_file_line_and_reason(tmp_path):
    source = logged(tmp_path, "1\nx\n", r"(?P<n>\d)", on_error="raise")
    with pytest.raises(ReadError, match=r"x\.log', line 2: the pattern isn't found in it: 'x'"):
        list(source.scan())


def test_scans_do_not_mix_what_they_set_apart(tmp_path):
    source = logged(tmp_path, "1\nx\n", r"(?P<n>\d)")
    abandoned = source.scan(batch_size=1)
    next(abandoned)
    abandoned.close()
    assert list(source.rejected(None)) == []
    first, second = scanned(source), scanned(source)
    assert first == second
    assert len(first[1]) == 1
    assert list(pickle.loads(pickle.dumps(source)).rejected(None)) == []


def test_a_pipeline_gets_rows_and_dead_letters(tmp_path):
    write(tmp_path / "a.log", f"{CLF}\nrubbish\n{CLF.replace('2326', '-')}\n")
    pipeline = (
        ae.Pipeline("logs", dead_letters=ae.ParquetLoader(tmp_path / "dead"))
        .extract(TextSource(tmp_path / "a.log", pattern="common"))
        .transform("SELECT status, sum(bytes) AS sent, count(*) AS n FROM input GROUP BY ALL")
        .load(ae.ArrowLoader())
        .run()
    )
    assert pipeline.result.table.to_pylist() == [{"status": 200, "sent": 2326, "n": 2}]
    assert pipeline.result.records_extracted == 3
    assert pipeline.result.records_rejected == 1
    dead = pl.read_parquet(tmp_path / "dead/*.parquet")
    assert dead["reason_code"].to_list() == ["no_match"]
    assert dead["source"].to_list() == [
        {"file": str(tmp_path / "a.log"), "line": 2, "byte": 79, "table": None, "key": None}
    ]
    assert dead["row"].to_list() == [{"text": "rubbish"}]


def test_the_common_format(tmp_path):
    source = logged(tmp_path, CLF + "\n", "common")
    assert source.reader().read_all().to_pylist() == [
        {
            "host": "127.0.0.1",
            "ident": None,
            "user": "frank",
            "time": datetime(2000, 10, 10, 20, 55, 36, tzinfo=UTC),
            "request": "GET /a.gif HTTP/1.0",
            "method": "GET",
            "url": "/a.gif",
            "protocol": "HTTP/1.0",
            "status": 200,
            "bytes": 2326,
        }
    ]


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ('"GET / HTTP/2.0" 200 5 "-" "-"', ("GET", "/", None, None)),
        ('"-" 408 - "-" "-"', (None, None, None, None)),
        (r'"\x16\x03\x01" 400 150 "-" "-"', (None, None, None, None)),
        (
            r'"GET /\"a HTTP/1.1" 200 5 "http://x/\"q" "a \"b\" c"',
            ("GET", r"/\"a", r"http://x/\"q", r"a \"b\" c"),
        ),
        ('"GET /a b HTTP/1.1" 200 5 "-" "curl"', (None, None, None, "curl")),
        ('"GET /" 200 5 "" ""', ("GET", "/", None, None)),
        ('"GET / HTTP/1.1" 200 5 "-" "x" "10.0.0.1" rt=0.1', ("GET", "/", None, "x")),
    ],
)  # fmt: skip
def test_the_combined_format(tmp_path, tail, expected):
    line = f"::1 - Anna Maria [10/Oct/2000:13:55:36 +0000] {tail}\n"
    source = logged(
        tmp_path, line, "combined", columns=["method", "url", "referer", "agent", "user"]
    )
    assert rows_of(source) == [(*expected, "Anna Maria")]


def test_records_of_several_lines(tmp_path):
    content = "10:00 INFO up\n10:01 ERROR no\n  at a.b\n\n  at c.d\n10:02 INFO down\n"
    source = logged(
        tmp_path,
        content,
        r"(?s)^\S+ (?P<level>\w+) (?P<said>.*)",
        record_start=r"^\d\d:\d\d ",
        columns=["line", "level", "said"],
    )
    assert rows_of(source) == [
        (1, "INFO", "up"),
        (2, "ERROR", "no\n  at a.b\n\n  at c.d"),
        (6, "INFO", "down"),
    ]


def test_a_record_that_never_ends_is_one_rejected_row(tmp_path):
    path = tmp_path / "x.log"
    with path.open("wb") as file:
        file.write(b"S 1\nS 2\n")
        for _ in range(40):
            file.write(b"  at nowhere in particular\n" * 40_000)
        file.write(b"S 3\n")
    rows, rejected = scanned(TextSource(path, record_start="^S", columns=["line", "text"]))
    assert rows == [{"line": 1, "text": "S 1"}, {"line": 1_600_003, "text": "S 3"}]
    assert [(row["reason_code"], row["source"]["line"]) for row in rejected] == [("line_size", 2)]


@pytest.mark.parametrize(
    ("encoding", "given", "text"),
    [
        ("utf-8-sig", "auto", "Grüße €\n"),
        ("utf-16", "auto", "Grüße €😀\n"),
        ("utf-32", "auto", "Grüße €😀\n"),
        ("utf-16-le", "utf-16-le", "Grüße €😀\n"),
        ("utf-16-be", "utf-16-be", "\ufeffGrüße\n"),
        ("latin-1", "latin-1", "Grüße\n"),
        ("cp1252", "cp1252", "Grüße €…\n"),
        ("shift-jis", "shift-jis", "日本語テキスト\n"),
        ("gb18030", "gb18030", "汉字😀\n"),
    ],
)
def test_encodings(tmp_path, encoding, given, text):
    path = write(tmp_path / "x", (text * 3).encode(encoding))
    source = TextSource(path, encoding=given, columns=["text"])
    wanted = text.strip("\n").removeprefix("\ufeff")
    assert rows_of(source)[0] == (wanted,)
    assert len(rows_of(source)) == 3


def test_bytes_that_are_not_in_the_encoding_cost_their_line(tmp_path):
    path = write(
        tmp_path / "x", "日本\n".encode("shift-jis") + b"a\x81\n" + "語\n".encode("shift-jis")
    )
    rows, rejected = scanned(TextSource(path, encoding="shift-jis", columns=["text"]))
    assert [row["text"] for row in rows] == ["日本", "語"]
    assert told(rejected) == [(2, "encoding", None, "a\\x81")]
    assert rejected[0]["source"]["byte"] is None


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_bytes_of_a_file_are_counted_from_its_mark_on(tmp_path, pack):
    path = write(tmp_path / "x", pack(b"\xef\xbb\xbfa\nb\n"))
    assert rows_of(TextSource(path, columns=["text", "byte"])) == [("a", 4), ("b", 6)]


def test_nul_is_a_letter_and_utf16_without_a_mark_is_told(tmp_path):
    assert rows_of(TextSource(write(tmp_path / "x", b"a\x00b\n\x00\x00\n"), columns=["text"])) == [
        ("a\x00b",),
        ("\x00\x00",),
    ]
    with pytest.raises(ReadError, match="may be UTF-16 without a byte-order mark"):
        TextSource(write(tmp_path / "y", "a line".encode("utf-16-le"))).reader().read_all()


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(?P<a>x)(?=y)", r"invalid perl operator: \(\?=; it is run by RE2, which has no"),
        (r"(?P<a>x)(?<!y)", "no lookahead, lookbehind or backreference"),
        (r"(?P<a>x)\1", "no lookahead, lookbehind or backreference"),
        (r"(?P<a>x)(?P=a)", "no lookahead, lookbehind or backreference"),
        (r"(?P<a>x++)", "bad repetition operator"),
        (r"(?<a>x)", r"write a named group as \(\?P<name>"),
        (r"(?P<a>x)(y)", r"a group without a name: write \(\?:"),
        (r"(?P<a>x)(?P<A>y)", "several groups called 'a'"),
        (r"(?P<a>x", "missing"),
        (r"\d+", "has no named group"),
        ("combind", "did you mean 'combined'"),
        ("", "has no named group"),
    ],
)  # fmt: skip
def test_patterns_are_looked_at_at_once(pattern, said):
    with pytest.raises(ConfigError, match=said):
        TextSource("x.log", pattern=pattern)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"record_start": "(?=x)"}, "record_start='"),
        ({"schema": {"a": "INT"}}, "say pattern="),
        ({"pattern": "(?P<a>x)", "schema": {"a": "NUMBR"}}, "'NUMBR'"),
        ({"sample_size": 0}, "whole number, 1 or more, or None"),
        ({"on_error": "drop"}, "Known: dead_letter, raise"),
        ({"compression": "gz"}, "Known: auto, none, gzip"),
        ({"encoding": "utf-9"}, "isn't one that Python knows"),
        ({"columns": "text"}, "takes a list of names"),
        ({"path": []}, "empty list"),
    ],
)
def test_options_that_make_no_sense(options, said):
    path = options.pop("path", "x.log")
    with pytest.raises(ConfigError, match=said):
        TextSource(path, **options)


def test_columns_and_types_of_groups_that_are_not_there(tmp_path):
    path = write(tmp_path / "x", "1\n")
    with pytest.raises(SchemaError, match="no column 'lin'; did you mean 'line'"):
        TextSource(path, columns=["lin"]).schema()
    with pytest.raises(SchemaError, match="no column 'nn'; did you mean 'n'"):
        TextSource(path, pattern=r"(?P<n>\d)", schema={"nn": "INT"}).schema()


def test_groups_may_be_called_as_the_places_are(tmp_path):
    source = logged(
        tmp_path, "7 x\n", r"(?P<line>\d) (?P<text>x)", columns=["text", "line", "file"]
    )
    assert rows_of(source) == [("x", 7, str(tmp_path / "x.log"))]
    strange = logged(tmp_path, "7\n", "(?P<g>.)(?P<code>$)(?P<é>$)(?P<v0>$)(?P<t0>$)(?P<fault>$)")
    assert rows_of(strange) == [(7, None, None, None, None, None)]


def test_a_sample_of_many_files_has_lines_of_all_parts(tmp_path):
    for number in range(100):
        write(tmp_path / f"{number:03}.log", "1\n" if number < 96 else "x\n")
    assert (
        TextSource(tmp_path / "*.log", pattern="(?P<n>.)").schema().field("n").type == pa.string()
    )


def test_types_over_every_line(tmp_path):
    content = "1\n" * 30_000 + "x\n"
    sampled = logged(tmp_path, content, "(?P<n>.)")
    assert sampled.schema().field("n").type == pa.int64()
    assert told(scanned(sampled)[1]) == [(30_001, "cast", "n", "x")]
    assert (
        logged(tmp_path, content, "(?P<n>.)", sample_size=None).schema().field("n").type
        == pa.string()
    )


def test_is_a_value(tmp_path):
    path = write(tmp_path / "x", "1\n")
    source = TextSource([str(path)], pattern="(?P<n>.)", schema={"n": pa.int8()})
    assert source == pickle.loads(pickle.dumps(source)) == eval(repr(source))
    assert len({source, eval(repr(source))}) == 1
    assert source.label == f"TextSource('{path}')"


def test_a_file_that_grew_has_its_types_found_again(tmp_path):
    source = logged(tmp_path, "1\n", "(?P<n>.)")
    assert source.schema().field("n").type == pa.int64()
    write(tmp_path / "x.log", "1\nx\n")
    assert source.schema().field("n").type == pa.string()


MEASURED = r"""
import re, sys
from pathlib import Path
from arrowetl.sources.text import TextSource
source = TextSource(sys.argv[1], pattern="combined", columns=["status"])
rows = sum(batch.num_rows for batch in source.scan())
status = Path("/proc/self/status").read_text()
print(rows, int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024)
"""


def test_memory_does_not_follow_the_file(tmp_path):
    path = tmp_path / "x.log.gz"
    line = f'{CLF} "http://x/{"y" * 1_000}" "{"z" * 1_500}"\n'.encode()
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(200):
            file.write(line * 500)
    assert path.stat().st_size < 4_000_000
    told = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)], check=True, capture_output=True, env=os.environ
    ).stdout
    rows, peak = map(int, told.split())
    assert rows == 100_000
    assert peak < 400
