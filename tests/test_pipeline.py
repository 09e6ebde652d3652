"""The pipeline as a user sees it: described, planned, run; its result, its errors."""

import gc
import io
import json
import pickle
import re
import threading
from datetime import datetime, timezone

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import arrowetl as ae
from arrowetl.events import Committed, RowsRejected, RunEnded, RunStarted, StageCounted
from arrowetl.result import PipelineResult, StageResult

PEOPLE = pa.table(
    {"name": ["Ada", "Bob", None, "Ada"], "age": [36, 17, 50, 36], "note": ["x", "y", "z", "x"]}
)


def people():
    return ae.Pipeline("people", progress=False).extract(ae.ArrowSource(PEOPLE))


@pytest.fixture
def numbers(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("id,size\n1,10\n2,ten\n3,30\n4\n5,50\n")
    return path


def test_it_runs_and_says_what_it_did():
    pipeline = people().transform(ae.Deduplicator()).load(ae.ArrowLoader()).run()
    result = pipeline.result
    assert result.table.num_rows == 3
    assert (result.records_extracted, result.records_loaded, result.records_rejected) == (4, 3, 0)
    assert [(each.name, each.records_in, each.records_out) for each in result.stages] == [
        ("ArrowSource(pyarrow.Table)", 4, 4),
        ("Deduplicator", 4, 3),
    ]
    assert result.schema == PEOPLE.schema
    assert result.duration_seconds > 0
    assert result.peak_memory_bytes > 1_000_000


def test_the_result_prints_as_a_table_as_json_and_in_a_notebook():
    result = people().transform(ae.Deduplicator()).load(ae.ArrowLoader()).run().result
    text = str(result)
    assert "Deduplicator" in text
    assert "4 rows in · 3 loaded · 0 rejected" in text
    plain = json.loads(result.to_json())
    assert plain["records_loaded"] == 3
    assert plain["stages"][1]["records_out"] == 3
    assert plain["schema"] == {"name": "string", "age": "int64", "note": "string"}
    assert "<td>Deduplicator</td>" in result._repr_html_()
    assert repr(result).startswith("<PipelineResult of 'people': 4 rows in · 3 loaded")


@pytest.mark.parametrize("width", [70, 80, 120])
def test_a_narrow_result_leaves_out_sizes_and_cuts_no_number(width):
    stages = [
        StageResult(f"CSVSource('{'[b]/' * 30}')", 10**9, 10**9, 0, 12345.678, True, "removed", 5),
        StageResult("Filter", 10**9, 10, 0, 1.0, True, "removed", 123456, 10**9),
    ]
    now = datetime.now(timezone.utc)
    result = PipelineResult("id", "[bold]x", now, 10**9, 10, stages=tuple(stages))
    console = Console(width=width, file=io.StringIO())
    console.print(result)
    lines = console.file.getvalue().splitlines()
    assert lines[0].strip() == "[bold]x"
    assert {len(line) for line in lines if line[:1] in "┏│└"} <= set(range(40, width + 1))
    number = [cell.strip() for cell in re.split("[│┃]", lines[4])]
    assert number[2:4] == ["1,000,000,000", "1,000,000,000"]
    assert "12345.68" in number
    assert ("size out" in lines[2]) == (width == 120)


def test_a_stage_may_be_sql_or_a_function():
    def older(batch):
        return batch.set_column(1, "age", pc.add(batch["age"], 1))

    pipeline = people().transform("SELECT name, age FROM input").transform(older)
    assert pipeline.reader().read_all()["age"].to_pylist() == [37, 18, 51, 37]


def test_it_is_an_arrow_stream_itself():
    pipeline = people().transform("SELECT age FROM input WHERE age > 20")
    assert pl.DataFrame(pipeline)["age"].to_list() == [36, 50, 36]
    assert pa.table(pipeline)["age"].to_pylist() == [36, 50, 36]
    with duckdb.connect() as connection:
        connection.register("rows", pa.RecordBatchReader.from_stream(pipeline))
        assert connection.sql("SELECT sum(age) FROM rows").fetchall() == [(122,)]


def test_one_pipeline_can_be_the_source_of_another():
    inner = people().transform("SELECT age FROM input")
    outer = (
        ae.Pipeline().extract(ae.ArrowSource(inner)).transform("SELECT max(age) AS m FROM input")
    )
    assert outer.reader().read_all()["m"].to_pylist() == [50]


def test_a_stream_read_to_its_end_has_a_result():
    pipeline = people().transform("SELECT age FROM input WHERE age > 20")
    pipeline.reader().read_all()
    assert pipeline.result.records_loaded == 3


def test_a_stream_that_is_dropped_lets_go_of_everything(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reader = people().transform("SELECT age FROM input").reader()
    assert len(list(tmp_path.iterdir())) == 1
    del reader
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_preview_writes_nothing(tmp_path):
    pipeline = people().load(ae.ParquetLoader(tmp_path / "out.parquet"))
    preview = pipeline.preview(2)
    assert preview.table.num_rows == 2
    assert "Ada" in str(preview)
    assert json.loads(preview.to_json())[1] == {"name": "Bob", "age": 17, "note": "y"}
    assert list(tmp_path.iterdir()) == []


def test_rejected_rows_go_to_the_dead_letters(tmp_path, numbers):
    pipeline = (
        ae.Pipeline("sizes", dead_letters=ae.ParquetLoader(f"{tmp_path}/rejects/"), progress=False)
        .extract(ae.CSVSource(numbers, schema={"id": "BIGINT", "size": "VARCHAR"}))
        .transform(ae.Cast({"size": "INTEGER"}, on_error="dead_letter"))
        .load(ae.ArrowLoader())
        .run()
    )
    assert pipeline.result.table.to_pydict() == {"id": [1, 3, 5], "size": [10, 30, 50]}
    result = pipeline.result
    assert (result.records_extracted, result.records_loaded, result.records_rejected) == (5, 3, 2)
    folder = f"read_parquet('{tmp_path}/rejects/**/*.parquet', union_by_name = true)"
    letters = duckdb.sql(f"SELECT * EXCLUDE rejected_at, rejected_at FROM {folder}").columns
    assert letters == [
        "run_id", "pipeline", "stage", "reason_code", "reason", "column", "source", "row",
        "rejected_at",
    ]  # fmt: skip
    query = f"SELECT * EXCLUDE (rejected_at) FROM {folder}"
    rows = [dict(zip(letters, row, strict=False)) for row in duckdb.sql(query).fetchall()]
    by_stage = {row["stage"].split("(")[0]: row for row in rows}
    assert by_stage["CSVSource"]["reason_code"] == "missing_columns"
    assert by_stage["CSVSource"]["source"]["line"] == 5
    assert by_stage["CSVSource"]["row"]["text"] == "4"
    assert by_stage["Cast"]["reason"] == "ten is no INTEGER"
    assert by_stage["Cast"]["column"] == "size"
    assert by_stage["Cast"]["row"]["id"] == 2
    assert by_stage["Cast"]["row"]["size"] == "ten"


def test_dead_letters_fit_into_one_table_too(tmp_path, numbers):
    (
        ae.Pipeline(dead_letters=ae.DuckDBLoader(tmp_path / "bad.db", table="bad"), progress=False)
        .extract(ae.CSVSource(numbers, schema={"id": "BIGINT", "size": "VARCHAR"}))
        .transform(ae.Cast({"size": "INTEGER"}, on_error="dead_letter"))
        .load(ae.ArrowLoader())
        .run()
    )
    with duckdb.connect(tmp_path / "bad.db") as connection:
        rows = connection.sql("SELECT row FROM bad ORDER BY stage").fetchall()
    assert [json.loads(row[0]) for row in rows] == [{"text": "4"}, {"id": 2, "size": "ten"}]


def test_dead_letters_can_not_be_in_the_sqlite_file_that_is_loaded(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "w.db")
    rejects = ae.SQLiteLoader(tmp_path / "link.db", table="rejects")
    pipeline = ae.Pipeline(dead_letters=rejects).extract(pa.table({"id": [1]}))
    with pytest.raises(ae.ConfigError, match="put them into another file"):
        pipeline.load(ae.SQLiteLoader(tmp_path / "w.db", table="t"))
    pipeline.load(ae.SQLiteLoader(tmp_path / "other.db", table="t"))


def test_dead_letters_replace_none(tmp_path):
    rejects = ae.ParquetLoader(f"{tmp_path}/rejects/", mode="replace")
    with pytest.raises(ae.ConfigError, match="can't have mode='replace'; leave it out"):
        ae.Pipeline(dead_letters=rejects).load(ae.ArrowLoader())


def test_dead_letters_of_earlier_runs_stay(tmp_path, numbers):
    for _ in range(2):
        (
            ae.Pipeline(dead_letters=ae.ParquetLoader(f"{tmp_path}/rejects/"), progress=False)
            .extract(ae.CSVSource(numbers))
            .load(ae.ArrowLoader())
            .run()
        )
    letters = duckdb.sql(f"SELECT DISTINCT run_id FROM '{tmp_path}/rejects/**/*.parquet'")
    assert len(letters.fetchall()) == 2


def test_without_dead_letters_reasons_are_counted_with_samples(numbers):
    pipeline = ae.Pipeline(progress=False).extract(ae.CSVSource(numbers))
    result = pipeline.load(ae.ArrowLoader()).run().result
    assert result.records_rejected == 1
    assert result.rejected[0].reason_code == "missing_columns"
    assert "Expected Number of Columns: 2 Found: 1" in result.rejected[0].samples[0]


@pytest.mark.parametrize(("allowed", "fails"), [(0, True), (0.1, True), (1, False), (0.5, False)])
def test_max_rejects_fails_the_run_and_nothing_is_committed(tmp_path, numbers, allowed, fails):
    out = tmp_path / "out.parquet"
    pipeline = (
        ae.Pipeline(max_rejects=allowed, progress=False)
        .extract(ae.CSVSource(numbers))
        .load(ae.ParquetLoader(out))
    )
    if fails:
        with pytest.raises(ae.RejectError, match=r"1 of 5 rows were rejected, max_rejects="):
            pipeline.run()
        assert not out.exists()
    else:
        pipeline.run()
        assert pq.read_table(out).num_rows == 4


def test_events_are_told_in_order(numbers):
    heard = []
    pipeline = ae.Pipeline("p", listeners=[heard.append], progress=False)
    pipeline.extract(ae.CSVSource(numbers)).load(ae.ArrowLoader()).run()
    kinds = [type(event) for event in heard if type(event).__name__ != "Progressed"]
    assert kinds == [RunStarted, RowsRejected, StageCounted, Committed, RunEnded]
    assert len({event.run_id for event in heard}) == 1


def test_a_misspelt_column_is_said_before_a_byte_is_written(tmp_path):
    pipeline = people().transform(ae.NullRemover(columns=["nmae"]))
    pipeline.load(ae.ParquetLoader(tmp_path / "out.parquet"))
    with pytest.raises(ae.SchemaError, match=re.escape("NullRemover: no column 'nmae'; did you")):
        pipeline.run()
    assert list(tmp_path.iterdir()) == []


def test_parts_of_structs_are_read():
    """DuckDB names what it reads of a struct by its parts; a column beside may be called so."""
    row = {"id": 1, "who": {"name": "a", "at": {"city": "x", "a.b": 5}}, "who.name": "z", "n": 0}
    pipeline = ae.Pipeline(progress=False).extract(ae.ArrowSource(pa.Table.from_pylist([row])))
    pipeline.transform("SELECT who.name, who.at.\"a.b\" AS ab FROM input WHERE who.at.city = 'x'")
    assert "reads 2 of 4 columns" in str(pipeline.plan())
    pipeline.load(ae.ArrowLoader()).run()
    assert pipeline.result.table.to_pylist() == [{"name": "a", "ab": 5}]


def test_the_plan_pickles_and_explains():
    pipeline = people().transform("SELECT age FROM input WHERE age > 20").transform(lambda b: b)
    plan = pipeline.plan()
    assert "Segment  1. SQL: one DuckDB statement" in str(plan)
    assert "Segment  2. Map: Python, a batch at a time" in str(plan)
    assert json.loads(plan.to_json())["segments"][0]["stages"] == ["SQL"]
    no_lambda = people().transform("SELECT age FROM input").plan()
    assert pickle.loads(pickle.dumps(no_lambda)).schema == no_lambda.schema


def test_explain_prints_and_analyze_runs(capsys, tmp_path):
    pipeline = people().transform("SELECT age FROM input").load(ae.ArrowLoader())
    pipeline.explain()
    assert "reads 1 of 3 columns: age" in capsys.readouterr().out
    pipeline.explain(analyze=True)
    assert "4 loaded" in capsys.readouterr().out


@pytest.mark.parametrize("kind", [ae.ParquetLoader, ae.CSVLoader, ae.DuckDBLoader, ae.SQLiteLoader])
def test_a_plan_is_shown_also_where_its_destination_is_there_already(kind, tmp_path):
    named = {"table": "t"} if kind in {ae.DuckDBLoader, ae.SQLiteLoader} else {}
    sink = kind(tmp_path / "out", mode="error", **named)
    pipeline = people().load(sink).run()
    [note] = pipeline.plan().notes
    assert note.startswith("a run would end at once: ")
    assert "is there already" in note
    assert "is there already" in pipeline._repr_html_()
    with pytest.raises(ae.WriteError, match="is there already"):
        pipeline.run()
    assert not pipeline.diagnose().works


def test_a_notebook_shows_a_pipeline_that_can_not_be_planned():
    assert ae.Pipeline("x")._repr_html_() == (
        "<pre>Pipeline(&#x27;x&#x27;)\nConfigError: nothing to read from: add .extract(...)</pre>"
    )
    shown = people().transform(ae.Select(["agee"]))._repr_html_()
    assert "no column &#x27;agee&#x27;" in shown


@pytest.mark.parametrize(
    ("describe", "message"),
    [
        (lambda: ae.Pipeline().run(), "nothing to load into"),
        (lambda: ae.Pipeline().load(ae.ArrowLoader()).run(), "nothing to read from"),
        (lambda: people().extract(ae.ArrowSource(PEOPLE)), "reads from ArrowSource"),
        (lambda: people().load(ae.ArrowLoader()).load(ae.ArrowLoader()), "loads into ArrowLoader"),
        (lambda: people().transform(3), "transform takes a stage, a SELECT or a function"),
        (lambda: people().extract("x.csv"), "reads from ArrowSource"),
        (lambda: people().load("x.csv"), "load takes a destination"),
        (lambda: people().transform("SELEC 1"), "SQL: Parser Error"),
        (lambda: people().transform("DROP TABLE x"), "one SELECT, this is a DROP"),
        (lambda: ae.Pipeline(batch_size=0), "batch_size is 0"),
        (lambda: ae.Pipeline(batch_size="7"), "batch_size is '7': it has to be a whole number"),
        (lambda: ae.Pipeline(threads=-1), "threads is -1"),
        (lambda: ae.Pipeline(threads="2"), "threads is '2'"),
        (lambda: ae.Pipeline(max_rejects=-1), "max_rejects is -1"),
        (lambda: ae.Pipeline(max_rejects="x"), "max_rejects is 'x'"),
        (lambda: ae.Pipeline(max_rejects=1.5), "max_rejects is 1.5"),
        (lambda: ae.Pipeline(max_rejects=True), "max_rejects is True"),
        (lambda: ae.Pipeline(max_rejects=float("nan")), "max_rejects is nan"),
        (lambda: ae.Pipeline(ordered="no"), "ordered is 'no': it has to be True or False"),
        (lambda: ae.Pipeline(memory_limit="lots"), "memory_limit='lots'"),
        (lambda: ae.Pipeline(memory_limit=5), "memory_limit is 5"),
        (lambda: ae.Pipeline(allow_lossy=5), "allow_lossy takes True, or names of columns, not 5"),
        (lambda: ae.Pipeline(dead_letters="rejects/"), "dead_letters takes a destination"),
        (lambda: people().transform(ae.Deduplicator), r"write Deduplicator\(...\)"),
        (lambda: people().preview(0), "limit is 0: it has to be a whole number, 1 or more"),
        (lambda: people().result, "no result before run"),
    ],
)
def test_a_pipeline_described_wrongly_says_what_is_wrong(describe, message):
    with pytest.raises(ae.ConfigError, match=message):
        describe()


def test_it_runs_in_a_thread_that_is_not_the_main_one():
    results = []

    def work():
        results.append(people().load(ae.ArrowLoader()).run().result.records_loaded)

    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert results == [4] * 4


def test_both_ways_of_writing_give_the_same_file(tmp_path):
    """DuckDB's COPY, and batches by Arrow: types and rows must not tell which it was."""
    query = (
        "SELECT range AS i, sum(range) OVER (ORDER BY range) AS huge, range::DECIMAL(9, 2) AS d,"
        " 'x' || range AS s, range % 2 = 0 AS b, DATE '2020-01-01' + range::INT AS day,"
        " TIMESTAMP '2020-01-01 10:00:00' AS at, [range] AS l, {'k': range} AS st"
        " FROM (SELECT i AS range FROM input)"
    )
    source = ae.ArrowSource(pa.table({"i": range(1000)}))
    copied = ae.Pipeline(progress=False, ordered=False).extract(source).transform(query)
    copied.load(ae.ParquetLoader(tmp_path / "copied.parquet"))
    assert copied.plan().copy is not None
    written = ae.Pipeline(progress=False).extract(source).transform(query).transform(lambda b: b)
    written.load(ae.ParquetLoader(tmp_path / "written.parquet"))
    assert written.plan().copy is None
    copied.run()
    written.run()
    one, two = (pq.read_table(tmp_path / f"{each}.parquet") for each in ("copied", "written"))
    assert [(f.name, str(f.type)) for f in one.schema] == [
        (f.name, str(f.type)) for f in two.schema
    ]
    assert one.sort_by("i").to_pylist() == two.sort_by("i").to_pylist()


def test_a_table_s_name_is_not_the_result_s_table(tmp_path):
    pipeline = people().load(ae.SQLiteLoader(tmp_path / "x.db", table="people")).run()
    assert pipeline.result.table is None
    assert "people" in pipeline.result.to_json()


def test_rows_too_large_for_a_lean_run_arrive_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("arrowetl.engines.run.LEAN_MEGABYTES", 8)
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table({"x": range(3000), "s": ["y" * 20_000] * 3000}), path)
    pipeline = ae.Pipeline(progress=False, threads=1).extract(ae.ParquetSource(path))
    pipeline.transform("SELECT *, upper(s) || x AS t FROM input")
    pipeline.load(ae.ParquetLoader(tmp_path / "out.parquet"))
    assert pipeline.plan().copy is not None
    assert pipeline.run().result.records_loaded == 3000
    assert pq.read_table(tmp_path / "out.parquet", columns=["x"])["x"].to_pylist() == list(
        range(3000)
    )


def test_a_preview_shows_brackets_as_they_are():
    table = pa.table({"at[x]": pa.array(["[red]a", "tags[]"])})
    preview = ae.Pipeline().extract(ae.ArrowSource(table)).preview()
    assert repr(preview) == "<Preview: rows 2, columns 1; print it to see them>"
    shown = str(preview)
    assert "at[x]" in shown
    assert "[red]a" in shown


def test_what_each_segment_held_is_told_where_it_ends(tmp_path):
    rows = pa.table({"k": pa.array(range(200_000)), "s": ["x" * 20] * 200_000})
    pq.write_table(rows, tmp_path / "in.parquet")
    pipeline = (
        ae.Pipeline(progress=False)
        .extract(ae.ParquetSource(tmp_path / "in.parquet"))
        .transform(ae.Filter("k >= 0"))
        .transform("SELECT * FROM input")
        .transform(lambda batch: batch)
        .transform("SELECT * FROM input ORDER BY hash(k)")
        .load(ae.ParquetLoader(tmp_path / "out.parquet"))
        .run()
    )
    source, first, second, function, last = pipeline.result.stages
    assert (source.peak_memory_bytes, first.peak_memory_bytes) == (None, None)
    assert second.peak_memory_bytes > 0
    assert function.peak_memory_bytes >= 65_536 * 20  # a batch of it
    assert last.peak_memory_bytes > 200_000 * 20  # a sort holds all rows
    # A column that says nothing of the run isn't there; what is there isn't cut.
    shown = str(pipeline.result)
    assert "rejected ┃" not in shown
    assert "peak memory ┃" in shown
    assert all("200,000" in line for line in shown.splitlines() if line.startswith("│ SQL"))


def test_of_a_copy_alone_the_source_tells_what_was_held(tmp_path):
    pq.write_table(pa.table({"k": range(1000)}), tmp_path / "in.parquet")
    pipeline = ae.Pipeline(progress=False).extract(ae.ParquetSource(tmp_path / "in.parquet"))
    pipeline.load(ae.CSVLoader(tmp_path / "out.csv")).run()
    assert [each.peak_memory_bytes > 0 for each in pipeline.result.stages] == [True]
