"""Lookup: the right values, the same rows, and keys that are missing or there twice."""

import re
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.config import load_config
from arrowetl.testing import run_stage

AIRLINES = pa.table({"code": ["UA", "AA", None], "na'me": ["United", "American", "Nobody"]})
FLIGHTS = pa.table({"n": [1, 2, 3, 4], "carrier": ["AA", "ZZ", None, "UA"]})


def run(stage, rows=FLIGHTS, **options):
    pipeline = ae.Pipeline("p", **options).extract(rows)
    return pipeline.transform("FROM input").transform(stage).load(ae.ArrowLoader()).run().result


def test_values_are_found_and_rows_keep_their_number_and_order():
    result = run(ae.Lookup(AIRLINES, on={"carrier": "code"}))
    assert result.table["na'me"].to_pylist() == ["American", None, None, "United"]
    assert result.table.column_names == ["n", "carrier", "na'me"]


def test_rows_without_a_match_can_be_removed_or_rejected():
    removed = run(ae.Lookup(AIRLINES, on={"carrier": "code"}, how="inner"))
    assert removed.table["n"].to_pylist() == [1, 4]
    assert removed.stages[2].records_gone == 2
    dead = ae.ArrowLoader()
    rejected = run(ae.Lookup(AIRLINES, on={"carrier": "code"}, how="reject"), dead_letters=dead)
    assert rejected.table["n"].to_pylist() == [1, 4]
    letters = dead.table.to_pylist()
    assert [(each["reason_code"], each["column"], each["reason"]) for each in letters] == [
        ("no_match", "carrier", "carrier ZZ isn't in the other table"),
        ("no_match", "carrier", "carrier null isn't in the other table"),
    ]
    assert letters[0]["row"] == '{"n":2,"carrier":"ZZ"}'


def test_a_key_that_is_there_twice():
    twice = pa.table({"code": ["UA", "UA"], "name": ["United", "Union"]})
    with pytest.raises(ae.StageError, match="more than one row with carrier UA"):
        run(ae.Lookup(twice, on={"carrier": "code"}))
    first = run(ae.Lookup(twice, on={"carrier": "code"}, many="first"))
    assert first.table["name"].to_pylist() == [None, None, None, "United"]
    # Nobody asks for it, or for which of them it is.
    assert (
        run(ae.Lookup(twice, on={"carrier": "code"}, columns=[], how="inner")).records_loaded == 1
    )
    assert run(ae.Lookup(twice, on={"carrier": "code"}), FLIGHTS.slice(0, 3)).records_loaded == 3


def test_several_columns_renamed_and_two_lookups_in_one_statement():
    airports = pa.table({"faa": ["EWR", "JFK"], "name": ["Newark", "Kennedy"], "alt": [18, 13]})
    flights = pa.table({"origin": ["JFK", "EWR"], "dest": ["EWR", "JFK"]})
    stages = [
        ae.Lookup(airports, on={"origin": "faa"}, columns={"name": "from"}),
        ae.Lookup(airports, on={"dest": "faa"}, columns={"name": "to", "alt": "alt"}),
    ]
    pipeline = ae.Pipeline("p").extract(flights).transform(stages[0]).transform(stages[1])
    assert len(pipeline.plan().segments) == 1
    table = pipeline.load(ae.ArrowLoader()).run().result.table
    assert table.to_pydict() == {
        "origin": ["JFK", "EWR"], "dest": ["EWR", "JFK"], "from": ["Kennedy", "Newark"],
        "to": ["Newark", "Kennedy"], "alt": [18, 13],
    }  # fmt: skip


def test_a_file_as_the_other_table_from_yaml(tmp_path):
    (tmp_path / "names.csv").write_text("code,name\nUA,United\n")
    (tmp_path / "flights.csv").write_text("flight,code\n1,UA\n2,AA\n")
    config = tmp_path / "lookup.yaml"
    config.write_text(
        f"""
source: {{type: csv, path: "{tmp_path}/flights.csv"}}
transforms:
  - type: lookup
    source: {{type: csv, path: "{tmp_path}/names.csv"}}
    on: code
  - sql: SELECT i.*, s.name AS again FROM input AS i JOIN side AS s USING (code)
    tables: {{side: {{type: csv, path: "{tmp_path}/names.csv"}}}}
load: {{type: csv, path: "{tmp_path}/out.csv"}}
"""
    )
    load_config(config).run()
    assert (tmp_path / "out.csv").read_text() == "flight,code,name,again\n1,UA,United,United\n"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=40),
    st.dictionaries(st.integers(0, 9), st.text("ab", max_size=2)),
    st.sampled_from([1, 7, 1000]),
    st.sampled_from([1, 2]),
)
def test_it_is_what_a_dictionary_gives(keys, known, batch_size, threads):
    rows = pa.table({"k": pa.array(keys, pa.int32())})
    other = pa.table({"k": pa.array(known, pa.int64()), "v": pa.array(known.values(), pa.string())})
    result = run(ae.Lookup(other, on="k"), rows, batch_size=batch_size, threads=threads)
    assert result.table["v"].to_pylist() == [known.get(key) for key in keys]


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ([2**53 + 1, 2**53], [2.0**53], [None, 0]),
        ([2.0**53, float("nan"), float("inf")], [2**53, 2**53 + 1], [0, None, None]),
        ([5, 2**63 - 1], [2.0**63, 5.0, float("inf")], [1, None]),
        ([0.1, 0.25], [Decimal("0.25"), Decimal("0.10")], [1, 0]),
        (pa.array([16777217, 7], pa.int32()), pa.array([16777216, 7], pa.float32()), [None, 1]),
    ],
)
def test_numbers_of_two_types_are_one_key_if_they_are_one_number(ours, theirs, found):
    other = pa.table({"k": theirs, "v": range(len(theirs))})
    assert run(ae.Lookup(other, on="k"), pa.table({"k": ours})).table["v"].to_pylist() == found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on": "carier"}, "no column 'carier'; did you mean 'carrier'?"),
        ({"on": {"carrier": "cod"}}, "no column 'cod'"),
        ({"on": {"n": "code"}}, "column 'n' is int64, and 'code' of the other table string"),
        ({"on": {"carrier": "code"}, "columns": {"na'me": "n"}}, "there is a column 'n' already"),
        (
            {"on": {"carrier": "code"}, "columns": {"na'me": "N"}},
            "a column 'N' already (called 'n'",
        ),
        ({"on": {"carrier": "code"}, "columns": ["nme"]}, "no column 'nme'"),
    ],
)
def test_what_doesnt_fit(options, message):
    with pytest.raises(ae.SchemaError, match=re.escape(message)):
        ae.Lookup(AIRLINES, **options).bind(FLIGHTS.schema)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (7, {"on": "x"}, "'source' is"),
        (AIRLINES, {"on": []}, "on names no column"),
        (AIRLINES, {"on": "x", "how": "outer"}, "how is 'outer'"),
        (AIRLINES, {"on": "x", "many": "last"}, "many is 'last'"),
        (AIRLINES, {"on": [3]}, "names of columns"),
    ],
)
def test_options_that_make_no_sense(source, options, message):
    with pytest.raises(ae.ConfigError, match=re.escape(message)):
        ae.Lookup(source, **options)


@pytest.mark.parametrize(
    "stage",
    [
        lambda source: ae.Lookup(source, on={"carrier": "code"}),
        lambda source: ae.SQL("FROM input JOIN other ON carrier = code", tables={"other": source}),
    ],
)
@pytest.mark.parametrize("by", [run, run_stage])
def test_a_bad_line_of_the_other_table_is_told_with_its_place(tmp_path, stage, by):
    path = tmp_path / "airlines.csv"
    path.write_text("code,name\nUA,United\nAA,American,4\n")
    with pytest.raises(ae.ReadError) as caught:
        by(stage(ae.CSVSource(path)), FLIGHTS)
    assert re.fullmatch(
        r"CSVSource\(.*\): '.*airlines.csv', line 3: Expected Number of Columns: 2 Found: 3. "
        r"Mend it, or read by Pipeline\(\).extract\(...\), which sets such rows apart",
        str(caught.value),
    )
    # As it says.
    assert by(stage(ae.Pipeline().extract(ae.CSVSource(path))), FLIGHTS) is not None


def test_what_a_reader_of_the_other_table_raises_is_raised():
    def batches():
        raise KeyError("mine")
        yield

    reader = pa.RecordBatchReader.from_batches(AIRLINES.schema, batches())
    with pytest.raises(KeyError, match="mine"):
        run(ae.Lookup(reader, on={"carrier": "code"}))


def test_rows_with_a_column_of_any_name_keep_their_order():
    rows = pa.table({"arrowetl:row": [2, 1], "carrier": ["AA", "UA"]})
    found = run(ae.Lookup(AIRLINES, on={"carrier": "code"}), rows).table
    assert found["na'me"].to_pylist() == ["American", "United"]


def test_by_itself():
    assert run_stage(ae.Lookup(AIRLINES, on={"carrier": "code"}), FLIGHTS).num_rows == 4
