"""No value of a CSV file is rounded or cut behind the sample: its line is rejected."""

import csv
import gzip
import io
import re
import signal
import subprocess
import sys
import tempfile
from datetime import date
from decimal import Decimal
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.errors import ConfigError, InexactError, ReadError, SchemaError
from arrowetl.exactness import resumed
from arrowetl.sources import _care, _cells
from arrowetl.sources._cells import rows_of as cell_rows
from arrowetl.sources._mend import Signs
from tests.sources.reading import write


def run(source, *stages, sink=None):
    """Give what arrived, and of each rejected line its number, column and text."""
    dead, sink = ae.ArrowLoader(), sink or ae.ArrowLoader()
    pipeline = ae.Pipeline(progress=False, dead_letters=dead).extract(source)
    for stage in stages:
        pipeline.transform(stage)
    pipeline.load(sink).run()
    rows = dead.table.to_pylist() if pipeline.result.records_rejected else []
    result = pipeline.result
    assert result.records_extracted == result.records_loaded + len(rows)
    told = [(row["source"]["line"], row["column"], row["row"][9:-2]) for row in rows]
    return getattr(sink, "table", None), told


def values(path, good, more, **options):
    """Give the values behind five good ones, and which of `more` were rejected."""
    write(path, "\n".join(["a|b", *[f"{good}|x"] * 5, *(f"{each}|x" for each in more), ""]))
    source = ae.CSVSource(path, delimiter="|", sample_size=3, **options)
    table, told = run(source)
    assert {column for _, column, _ in told} <= {"a"}
    assert [more[line - 7] for line, _, _ in told] == [text[:-2] for _, _, text in told]
    return table["a"].to_pylist()[5:], [more[line - 7] for line, _, _ in told]


NUMBERS = ["1.5", "2.0", "1e2", "1e-1", "q", "nan", "inf", "0x1F", "7", "", "+5", " 5 ", "9" * 19]


def test_fractions_in_a_column_of_whole_numbers(tmp_path):
    more = [*NUMBERS, "12345678901234567", str(2**63 - 1)]
    kept, gone = values(tmp_path / "x.csv", "1", more)
    assert kept == [2, 100, 7, None, 5, 5, 12345678901234567, 2**63 - 1]
    assert gone == ["1.5", "1e-1", "q", "nan", "inf", "0x1F", "9" * 19]


def test_fractions_in_a_column_of_long_whole_numbers(tmp_path):
    kept, gone = values(tmp_path / "x.csv", "1234567890123456789", NUMBERS)
    assert kept == [2, 100, 7, None, 5, 5]
    assert gone == ["1.5", "1e-1", "q", "nan", "inf", "0x1F", "9" * 19]


@pytest.mark.parametrize("kind", ["TINYINT", "UTINYINT", "SMALLINT", "UINTEGER", "DECIMAL(38,0)"])
def test_whole_numbers_of_any_declared_type(kind, tmp_path):
    kept, gone = values(tmp_path / "x.csv", "1", ["1.5", "7", "1e1"], schema={"a": kind})
    assert (kept, gone) == ([7, 10], ["1.5"])


def test_decimals_with_digits_that_do_not_fit(tmp_path):
    more = ["1.255", "1.2500", "1e1", "1e-3", "1.2549999999", "12345678.91", "123456789.1"]
    kept, gone = values(tmp_path / "x.csv", "1.25", more, schema={"a": "DECIMAL(10,2)"})
    assert kept == [Decimal("1.25"), Decimal(10), Decimal("12345678.91")]
    assert gone == ["1.255", "1e-3", "1.2549999999", "123456789.1"]


def test_long_decimals(tmp_path):
    long = "123456789012345678.91"
    more = ["1.255", long, f"{long}5", f"{long}000"]
    kept, gone = values(tmp_path / "x.csv", long, more, schema={"a": "DECIMAL(30,2)"})
    assert (kept, gone) == ([Decimal(long)] * 2, ["1.255", f"{long}5"])


def test_decimals_with_a_comma(tmp_path):
    more = ["1,255", "1.25", "1,5", "1,50000"]
    options = {"schema": {"a": "DECIMAL(10,2)"}, "decimal": ","}
    kept, gone = values(tmp_path / "x.csv", "1,25", more, **options)
    assert (kept, gone) == ([Decimal("1.5")] * 2, ["1,255", "1.25"])


def test_days_with_a_time(tmp_path):
    more = ["2026-01-02 12:30:00", "2026-1-3", "2026-01-02T12:00:00Z", "2026-02-30"]
    kept, gone = values(tmp_path / "x.csv", "2026-01-01", more, schema={"a": "DATE"})
    assert (kept, gone) == ([date(2026, 1, 3)], [more[0], *more[2:]])


@pytest.mark.parametrize("zone", ["+02", "-05:00", "Z", " Europe/Berlin", "+0530"])
def test_date_times_with_a_zone_among_those_without(zone, tmp_path):
    more = [f"2026-01-01 10:00:00{zone}", "2026-01-01 10:00:00.25", "2026-01-01 10:00"]
    kept, gone = values(tmp_path / "x.csv", "2026-01-01 10:00:00", more)
    assert [str(each) for each in kept] == ["2026-01-01 10:00:00.250000", "2026-01-01 10:00:00"]
    assert gone == more[:1]


def test_digits_behind_the_microsecond(tmp_path):
    more = ["2026-01-01 10:00:00.1234567", "2026-01-01 10:00:00.123456000", "nonsense"]
    kept, gone = values(tmp_path / "x.csv", "2026-01-01 10:00:00", more)
    assert (str(*kept), gone) == ("2026-01-01 10:00:00.123456", [more[0], more[2]])
    zoned = [f"{each}+02" for each in more]
    kept, gone = values(tmp_path / "x.csv", "2026-01-01 10:00:00+01", zoned)
    assert (len(kept), gone) == (1, [zoned[0], zoned[2]])
    times = [each[11:] for each in more[:2]]
    kept, gone = values(tmp_path / "x.csv", "10:00:00", times)
    assert (len(kept), gone) == (1, times[:1])


def test_nanoseconds_and_hexadecimals_in_the_sample_decide_the_type(tmp_path):
    path = write(
        tmp_path / "x.csv",
        "stamp,zoned,time,code\n"
        "2026-01-01 10:00:00.123456789,2026-01-01 10:00:00.123456789Z,10:00:00.1234567,0x1F\n",
    )
    schema = ae.CSVSource(path).schema()
    assert schema.types == [pa.timestamp("ns"), pa.string(), pa.string(), pa.string()]
    assert run(ae.CSVSource(path))[0]["stamp"].cast(pa.int64())[0].as_py() % 1000 == 789


def test_a_date_time_out_of_the_range_of_nanoseconds_is_text_beside_them(tmp_path):
    write(tmp_path / "x.csv", "t\n2026-01-01 10:00:00.123456789\n1066-10-14 09:00:00\n")
    table, told = run(ae.CSVSource(tmp_path / "x.csv"))
    assert table["t"].to_pylist()[1] == "1066-10-14 09:00:00"
    assert not told


FIFTH = "a,b\n" + "1,x\n" * 5


@pytest.mark.parametrize("sink", ["arrow", "parquet", "csv", "sqlite"])
@pytest.mark.parametrize("stages", [(), (ae.Map(lambda batch: batch),), ("SELECT * FROM input",)])
def test_whatever_the_run_is(stages, sink, tmp_path):
    path = write(tmp_path / "x.csv", FIFTH + "1.5,y\n2,z\n")
    made = {
        "arrow": ae.ArrowLoader,
        "parquet": lambda: ae.ParquetLoader(tmp_path / "out.parquet"),
        "csv": lambda: ae.CSVLoader(tmp_path / "out.csv"),
        "sqlite": lambda: ae.SQLiteLoader(tmp_path / "out.db", table="t"),
    }[sink]()
    _, told = run(ae.CSVSource(path, sample_size=3), *stages, sink=made)
    assert told == [(7, "a", "1.5,y")]


def test_of_columns_that_nobody_needs_values_do_not_matter(tmp_path):
    path = write(tmp_path / "x.csv", FIFTH.replace(",x", ",8") + "1.5,8\n2,9.5\n")
    table, told = run(ae.CSVSource(path, sample_size=3), "SELECT a FROM input")
    assert (table["a"].to_pylist(), told) == ([1] * 5 + [2], [(7, "a", "1.5,8")])
    table, told = run(ae.CSVSource(path, sample_size=3, columns=["b"]))
    assert (table["b"].to_pylist(), told) == ([8] * 6, [(8, "b", "2,9.5")])


def test_a_source_that_changes_while_it_is_read_again_is_told():
    first = pa.RecordBatch.from_pydict({"a": [1, 2, 3]})

    def batches():
        yield first
        raise InexactError("x")

    with pytest.raises(ReadError, match="has changed while it was read: 1 rows are gone"):
        list(resumed(batches(), lambda _: iter([first.slice(0, 2)])))
    with pytest.raises(InexactError):
        list(resumed(batches(), lambda _: None))


LATE = "".join(f"{n},x\n" for n in range(150_000))


@pytest.mark.parametrize("stages", [(), (ae.Filter("a >= 0"), ae.Map(lambda batch: batch))])
def test_a_stream_goes_on_where_it_was(stages, tmp_path):
    last = f"1.5,y\n{2**62 + 1},z\n"
    path = write(tmp_path / "x.csv", f"a,b\n{LATE}{last}")
    pipeline = ae.Pipeline(progress=False, batch_size=1_000).extract(ae.CSVSource(path))
    for stage in stages:
        pipeline.transform(stage)
    rows = pipeline.reader().read_all()
    assert rows["a"].to_pylist() == [*range(150_000), 2**62 + 1]
    assert pipeline.result.records_rejected == 1
    write(path, f"a,b\n{LATE}{2**62 + 1},z\n")
    assert ae.CSVSource(path).reader().read_all()["a"][-1].as_py() == 2**62 + 1
    write(path, f"a,b\n{LATE}1.5,y\n")
    with pytest.raises(ReadError, match=r"'1\.5' would be rounded or cut as BIGINT"):
        ae.CSVSource(path).reader().read_all()


def test_where_the_order_of_rows_is_unknown_a_stream_says_what_to_do(tmp_path):
    path = write(tmp_path / "x.csv", f"a,b\n{LATE}1.5,y\n")
    query = "SELECT a FROM input"
    said = r"CSVSource.*rounded or cut: careful=True rejects its line"
    for stage in (query, ae.Filter("random() >= 0"), ae.Filter("now() > '2000-01-01'")):
        pipeline = ae.Pipeline(progress=False, batch_size=1_000).extract(ae.CSVSource(path))
        with pytest.raises(InexactError, match=said):
            pipeline.transform(stage).reader().read_all()
    pipeline = ae.Pipeline(progress=False).extract(ae.CSVSource(path)).transform(query)
    assert pipeline.load(ae.ArrowLoader()).run().result.records_loaded == 150_000
    careful = ae.Pipeline(progress=False).extract(ae.CSVSource(path, careful=True))
    assert careful.transform(query).reader().read_all().num_rows == 150_000


def test_where_bad_lines_end_the_run_such_a_value_does(tmp_path):
    path = write(tmp_path / "x.csv", FIFTH + "1.5,y\n")
    source = ae.CSVSource(path, sample_size=3, on_error="raise")
    with pytest.raises(ReadError, match=r"line 7, column 'a': .*'1.5' would be rounded or cut as"):
        run(source)


def test_a_profile_begins_again(tmp_path):
    path = write(tmp_path / "x.csv", FIFTH + "1.5,y\n")
    profile = ae.SchemaInferrer().profile(ae.CSVSource(path, sample_size=3))
    assert profile.sample.rows == 5
    assert "1 row" in str(profile)


def test_where_too_many_would_be_lost_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(_care, "MOST", 2)
    path = write(tmp_path / "x.csv", FIFTH + "1.5,y\n" * 3)
    with pytest.raises(ReadError, match=r"3 rows .*by reading 'a' as BIGINT; say what fits"):
        run(ae.CSVSource(path, sample_size=3))


def test_what_can_not_be_found_is_not_let_through(tmp_path, monkeypatch):
    monkeypatch.setattr(_care, "rows_of", lambda *_, **__: iter(()))
    path = write(tmp_path / "x.csv", FIFTH + "1.5,y\n")
    with pytest.raises(ReadError, match=r"only 0 can be found: read 'a' as VARCHAR"):
        run(ae.CSVSource(path, sample_size=3))


HOSTILE = {
    "quoted": ('a,b\n"1","x"\n"1","x"\n"1.5","y, ""z""\n"\n"2","w"\n', [(4, '"1.5","y, ""z""\n"')]),
    "escaped": ('a,b\n1,"x\\""\n1,"\\\\"\n1.5,"\\","\n2,"w"\n', [(4, '1.5,"\\","')]),
    "letters": ('a,b\n1,5" pipe\n1,x\n1.5,6" pipe\n2,w\n', [(4, '1.5,6" pipe')]),
    "odd quotes": ("a,b\n1,|x|\n|1|,x\n|1.5|,|y,|\n2,w\n", [(4, "|1.5|,|y,|")]),
    "returns": ("a,b\r\n1,x\r\n1,x\r\n1.5,y\r\n2,w\r\n", [(4, "1.5,y")]),
    "mixed ends": ("a,b\r\n1,x\n1,x\r\n1.5,y\r\n2,w\n", [(4, "1.5,y")]),
    "a title": ("All of it\n\na,b\n1,x\n1,x\n1.5,y\n2,w\n", [(6, "1.5,y")]),
    "no end": ("a,b\n1,x\n1,x\n2,w\n1.5,y", [(5, "1.5,y")]),
    "one column": ("a\n1\n1\n1.5\n2\n", [(4, "1.5")]),
    "two signs": ("a||b\n1||x\n1||x\n1.5||y|\n2||w\n", [(4, "1.5||y|")]),
    "other faults": ("a,b\n1,x\n1,x\n1.5,y\n1,x,x\n1.5\nq,1\n2,w\n", None),
    "blank lines": ("a,b\n1,x\n\n1,x\n\n1.5,y\n2,w\n", [(6, "1.5,y")]),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("name", HOSTILE)
def test_lines_are_found_whatever_the_file_is_like(name, packed, tmp_path):
    text, expected = HOSTILE[name]
    content = gzip.compress(text.encode()) if packed else text
    path = write(tmp_path / "x.csv", content)
    options = {"delimiter": "||"} if "||" in text else {}
    options |= {"quote": "|"} if "|1|" in text else {}
    options |= {"escape": "\\"} if "\\" in text else {}
    table, told = run(ae.CSVSource(path, sample_size=2, **options))
    assert table["a"].to_pylist() == [1, 1, 2]
    if expected is None:
        assert [line for line, _, _ in told] == [4, 5, 6, 7]
        return
    text = [(line, re.sub(r"\\(.)", r"\1", row).replace("n", "\n")) for line, _, row in told]
    assert [line for line, _ in text] == [line for line, _ in expected]
    assert [column for _, column, _ in told] == ["a"]


def test_files_are_told_apart(tmp_path):
    for number, last in enumerate(["2", "1.5", "12345678901234567", "3"]):
        write(tmp_path / f"{number}.csv", f"a,b\n1,x\n1,x\n{last},y\n")
    table, told = run(ae.CSVSource(f"{tmp_path}/*.csv", sample_size=2))
    assert sorted(table["a"].to_pylist()) == [1] * 8 + [2, 3, 12345678901234567]
    assert told == [(4, "a", "1.5,y")]


def test_a_choice_of_columns_leaves_the_others_guarded(tmp_path):
    path = write(tmp_path / "x.csv", "a,b\n" + "1,1\n" * 5 + "1,2.5\n2.5,1\n")
    rows = run(ae.CSVSource(path, sample_size=3, careful=["a"]))
    assert rows[1] == [(7, "b", "1,2.5"), (8, "a", "2.5,1")]
    with pytest.raises(SchemaError, match=r"careful: no column 'c'"):
        run(ae.CSVSource(path, careful=["c"]))
    with pytest.raises(ConfigError, match=r"careful takes a list of names: \['a'\]"):
        ae.CSVSource(path, careful="a")


def test_behind_a_quote_that_never_closes(tmp_path):
    rows = "".join(f"{n},abc,{1 + (n % 1000 == 0) / 2:g}\n" for n in range(2_000))
    path = write(tmp_path / "x.csv", "id,t,n\n" + "0,abc,1\n" * 99 + '1,"oops,1\n' + rows)
    for options in ({}, {"careful": True}):
        table, told = run(ae.CSVSource(path, sample_size=50, **options))
        assert [text for _, _, text in told] == ['1,\\"oops,1', "0,abc,1.5", "1000,abc,1.5"]
        assert table.num_rows == 99 + 1_998


@pytest.mark.parametrize("top", ["id,2.5\n", "title,2.5\nid,n\n", "\n\nid,2.5\n"])
def test_what_stands_above_the_rows_is_no_row(top, tmp_path):
    skip = top.count("\n") - 1
    path = write(tmp_path / "x.csv", top + "1,10\n" * 6 + '2, "1.5"\n3,1.5\n')
    _, told = run(ae.CSVSource(path, header=True, skip=skip or None, sample_size=3))
    assert [text for _, _, text in told] == ['2, \\"1.5\\"', "3,1.5"]


GERMAN = {"timestamp_format": "%d.%m.%Y %H:%M:%S.%f"}
TEN = "2026-01-01 10:00:00"
UNUSUAL = [
    ("TIMESTAMP_S", "2026-01-01 10:00:00", ["2026-01-01 10:00:00.5"], {}),
    ("TIMESTAMP_MS", "2026-01-01 10:00:00", ["2026-01-01 10:00:00.1239"], {}),
    (
        "TIMESTAMP_S",
        "01.02.2026 10:00:00.0",
        ["01.02.2026 10:00:00.5"],
        GERMAN,
    ),
    (
        "TIMESTAMP_MS",
        "01.02.2026 10:00:00.5",
        ["2026-01-01 10:00:00"],
        GERMAN,
    ),
    (
        "TIMESTAMP",
        "2026-01-01 10:00:00",
        ["2026-01-01 10:00:5+03", "2026-01-01 10:00:5.1234567"],
        {},
    ),
    ("BIGINT", "1", ["2024_02", "1_0"], {}),
    ("HUGEINT", "1", ["1_0", "1.5"], {}),
    ("DOUBLE", "1.5", ["1e400", "-1e400", "9" * 400], {}),
    ("FLOAT", "1.5", ["1e39"], {}),
    ("INTEGER[]", "[1]", ["[1.5]", "[2, 2.5]"], {}),
    ("STRUCT(a DECIMAL(5,1))", "{'a': 1.5}", ["{'a': 1.26}"], {}),
]


@pytest.mark.parametrize(("kind", "good", "bad", "more"), UNUSUAL)
def test_types_that_are_rarely_read(tmp_path, kind, good, bad, more):  # noqa: PLR0917 - a table
    path = tmp_path / "x.csv"
    for options in (more, {"careful": True, **more}):
        kept, gone = values(path, good, [*bad, good], schema={"a": kind}, **options)
        assert (len(kept), gone) == (1, bad)


def test_infinities_that_are_written_as_such_are_kept(tmp_path):
    kept, gone = values(tmp_path / "x.csv", "1.5", ["inf", "-Infinity", "nan", "1e308"])
    assert (str(kept), gone) == ("[inf, -inf, nan, 1e+308]", [])


def test_days_of_one_file_are_date_times_beside_another_s(tmp_path):
    write(tmp_path / "a.csv", "t\n2020-01-01 10:00:00\n2020-01-02 10:00:00\n")
    write(tmp_path / "b.csv", "t\n31/12/2020\n30/12/2020\n")
    table, told = run(ae.CSVSource(f"{tmp_path}/*.csv"))
    assert [str(each) for each in table["t"].to_pylist()[2:]] == [
        "2020-12-31 00:00:00",
        "2020-12-30 00:00:00",
    ]
    assert not told


SHAPES = {
    "a space before a quote": ("a|b|c\n", "1|z|1\n", [' "4.5"|z|4'], {}),
    "empty values": ("a||b||c\n", "1||2||3\n", ["2||||2.5"], {"delimiter": "||"}),
    "a value too many": ("a,b\n", "1,x\n", ["2.5,y,", "3.5,z"], {}),
    "what isn't null in quotes": (
        "a,b\n",
        "1,x\n",
        ['"1.5",x'],
        {"null_values": ["NA", "1.5"], "quoted_nulls": False},
    ),
    "returns in quotes": ("a,b\n", "1,x\n", ['1.5,"l1\r\nl2"', '1,"l1\r\nl2",', "2.5,x"], {}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_lines_of_odd_shapes(name, tmp_path):
    top, good, bad, options = SHAPES[name]
    path = write(tmp_path / "x.csv", top + good * 6 + "".join(f"{row}\n" for row in bad) + good)
    table, told = run(ae.CSVSource(path, sample_size=3, **options))
    assert (table.num_rows, len(told)) == (7, len(bad))


def test_many_lines(tmp_path):
    path = write(tmp_path / "x.csv", "a,b\n" + "1,x\n" * 5 + "1.5,y\n" * 5_000)
    _, told = run(ae.CSVSource(path, sample_size=3))
    assert [line for line, _, _ in told] == list(range(7, 5_007))


def test_a_preview_looks_with_care(tmp_path):
    path = write(tmp_path / "x.csv", FIFTH + "1.5,y\n2,z\n")
    preview = ae.Pipeline(progress=False).extract(ae.CSVSource(path, sample_size=3)).preview()
    assert preview.table["a"].to_pylist() == [1] * 5 + [2]


def test_before_a_mask_the_reason_is_still_said(tmp_path):
    path = write(tmp_path / "x.csv", f"a,b\n{LATE}1.5,y\n")
    pipeline = ae.Pipeline(progress=False, batch_size=1_000).extract(ae.CSVSource(path))
    pipeline.transform("SELECT * FROM input").transform(ae.Mask({"a": "hash"}, key="k" * 32))
    with pytest.raises(InexactError, match=r"^CSVSource.*a value would be rounded or cut"):
        pipeline.reader().read_all()


def test_wherever_a_source_is_read_its_own_error_is_raised(tmp_path):
    path = write(tmp_path / "x.csv", FIFTH + "1.5,y\n")
    source = ae.CSVSource(path, sample_size=3)
    find = ae.Deduplicator(method="fuzzy", similarity="text", on=["b"]).find
    for read in (
        lambda: find(source),
        lambda: run(ae.ArrowSource(source)),
        lambda: run(ae.ArrowSource(pa.table({"a": [1]})), ae.Lookup(source, on="a")),
    ):
        with pytest.raises(ReadError, match=r"'1\.5' would be rounded or cut"):
            read()


INTERRUPTED = """
import os, signal, sys, threading, time
import arrowetl as ae
from arrowetl.exactness import resumed
from arrowetl.sources import _care
number, look = int(sys.argv[2]), _care.Care.faults
def faults(*given, **asked):
    threading.Thread(target=lambda: (time.sleep(0.3), os.kill(os.getpid(), number))).start()
    with _care.asking() as connection:
        connection.sql("SELECT count(*) FROM range(1000000000000) WHERE random() > 1").fetchall()
_care.Care.faults = faults
signal.signal(signal.SIGINT, signal.default_int_handler)
source = ae.CSVSource(sys.argv[1], sample_size=3)
ae.Pipeline(progress=False).extract(source).load(ae.ArrowLoader()).run()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_look_can_be_interrupted(number, tmp_path):
    path = write(tmp_path / "x.csv", FIFTH + "1.5,y\n")
    command = [sys.executable, "-c", INTERRUPTED, str(path), str(int(number))]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if number == signal.SIGINT:
        assert "KeyboardInterrupt" in ended.stderr
    else:
        assert ended.returncode == 143


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.one_of(
            st.integers(-(2**63), 2**63 - 1).map(str),
            st.decimals(-(10**16), 10**16, places=2).map(str),
            st.sampled_from(["1e3", "1e-3", "5.000", "-0", "", "x", "9" * 20]),
        ),
        max_size=40,
    ),
    st.sampled_from(["BIGINT", "DECIMAL(18,1)", "DECIMAL(18,2)", "DECIMAL(38,0)", "INTEGER"]),
    st.integers(1, 60),
)
def test_a_number_arrives_as_it_is_written_or_is_rejected(texts, kind, block):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_cells, "BLOCK", block)
        path = Path(folder, "x.csv")
        path.write_text("a,b\n" + "".join(f'"{text}",{n}\n' for n, text in enumerate(texts)))
        schema = {"a": kind, "b": "BIGINT"}
        if not texts:
            return
        table, told = run(ae.CSVSource(path, schema=schema, header=True))
    arrived = dict(zip(table["b"].to_pylist(), table["a"].to_pylist(), strict=True))
    for number, text in enumerate(texts):
        if number in arrived and text:
            assert Decimal(arrived[number]) == Decimal(text)
        elif not text:
            assert arrived[number] is None
    assert len(arrived) + len(told) == len(texts)
    for number in set(range(len(texts))) - set(arrived):
        assert not fits(texts[number], kind), texts[number]


def fits(text, kind):
    if text == "x":
        return False
    value = Decimal(text)
    width, scale = {"BIGINT": (64, 0), "INTEGER": (32, 0)}.get(kind) or tuple(
        map(int, re.findall(r"\d+", kind))
    )
    if value != round(value, scale):
        return False
    if kind in {"BIGINT", "INTEGER"}:
        return -(2 ** (width - 1)) <= value < 2 ** (width - 1)
    return abs(value) < 10 ** (width - scale)


@given(
    st.lists(st.lists(st.text('a1",\n', max_size=5), min_size=2, max_size=2), max_size=20),
    st.integers(1, 40),
)
def test_cells_are_where_a_slow_look_finds_them(rows, block):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_cells, "BLOCK", block)
        path = write(Path(folder, "x.csv"), text.getvalue())
        found = list(cell_rows(str(path), Signs(b",", b'"', b'"'), width=2))
        cells = [
            [cell.decode()[1:-1].replace('""', '"') for cell in part.cells(position).to_pylist()]
            for position in (0, 1)
            for part in found
        ]
    half = len(found)
    one, two = (list(chain(*cells[start : start + half])) for start in (0, half))
    assert list(map(list, zip(one, two, strict=True))) == rows
