"""Every stage, source and sink of ours keeps what such a thing promises."""

from __future__ import annotations

import gzip
import math
import re
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from operator import attrgetter

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from destinations import every_destination

import arrowetl as ae
from arrowetl.contracts import Field
from arrowetl.testing import SINK_CHECKS, SOURCE_CHECKS, STAGE_CHECKS, run_stage, same
from tests.s3_server import filled, only_the_chain

START = datetime(2024, 2, 28, 23, 59)  # noqa: DTZ001 - a time without a zone is the case
TABLE = pa.table(
    {
        "id": pa.array(range(12), pa.int64()),
        "group": ["a", "b", None, "a", "A", "b", "", None, "a", "é", "b", "a"],
        "x": [0.0, -0.0, math.nan, 1e300, None, 0.1, 0.2, math.nan, -1e300, 2.5, None, 0.1],
        "Strange \"name'; --": pa.array([1, None, 3, 1, None, 3, 1, 1, 2, 2, None, 1], pa.int8()),
        "text": ["1", " n/a ", None, "x", "", "7", "-", "1", "3.5", "1", None, "1"],
        "at": [START + timedelta(hours=n % 5) for n in range(12)],
        "price": [Decimal(n * n % 7).scaleb(-2) for n in range(12)],
        "tags": [["a"], [], None, ["a"], [None], ["b", "c"], [], None, ["a"], [], [], ["a"]],
        "select": [True, False, None, True, True, False, None, None, True, True, False, True],
    },
)
STRANGE = TABLE.column_names[3]


def doubled(batch: pa.RecordBatch) -> pa.RecordBatch:
    at = batch.schema.get_field_index("x")
    return batch.set_column(at, "x", pc.multiply(batch["x"], 2))


CONTRACT = ae.Contract(
    [
        Field("id", "int64", nullable=False),
        Field("x", "float"),
        Field(f'"{STRANGE.replace(chr(34), chr(34) * 2)}"', "int32"),
        Field("text", "int64"),
        Field("tags", "list"),
        Field("tags[]", "string"),
        Field("added", "date32"),
    ],
    rules=[ae.Rule("tags[]", enum=["a", "b"]), ae.Rule("x", range=(0, None)), "id <> 3"],
)


def every_stage() -> list[ae.Stage]:
    return [
        ae.SQL('SELECT *, "id" * 2 AS "twice" FROM input'),
        ae.SQL("SELECT count(*) AS n FROM input"),
        ae.Filter("x > 0 OR \"group\" = 'a' -- and more"),
        ae.Filter("id > (SELECT avg(id) FROM input)"),
        ae.Select([STRANGE, "id"]),
        ae.Select(exclude=["id", STRANGE]),
        ae.Rename({"x": "group", "group": "x"}),
        ae.Cast({"id": "VARCHAR", STRANGE: "DOUBLE", "at": pa.date32()}),
        ae.Map(doubled),
        ae.Map(doubled, schema=TABLE.schema),
        ae.NullRemover(),
        ae.NullRemover("drop", columns=["text"], null_like=["", "N/A", "-"]),
        ae.NullRemover("drop_all", columns=["text", STRANGE]),
        ae.NullRemover("fill", fill=0),
        ae.NullRemover("fill", fill="mode"),
        ae.NullRemover("fill", fill={"x": "mean", STRANGE: "median", "text": "ffill"}),
        ae.NullRemover("fill", fill={"group": "bfill", "x": 1.5}, null_like=["nan"]),
        ae.NullRemover("remove_fields", threshold=0.2),
        ae.NullRemover("remove_fields", threshold=0.2, null_like=["", "n/a"]),
        ae.Deduplicator(),
        ae.Deduplicator(on=["group"]),
        ae.Deduplicator(on=["x"], keep="last"),
        ae.Deduplicator(on=["group"], keep="best_quality"),
        ae.Deduplicator(on=["tags"], keep="keep_best_quality", score_column="x"),
        ae.Deduplicator(on=["group"], report_column="repeats"),
        ae.EnforceContract(CONTRACT, data_type="evolve", rules="evolve"),
        ae.EnforceContract(CONTRACT, columns="discard_value", data_type="discard_value"),
        ae.EnforceContract(
            CONTRACT, columns="evolve", data_type="discard_row", rules="discard_value"
        ),
        ae.Deduplicator(on=["text", "group"], method="fuzzy"),
        ae.Deduplicator(
            on={"text": 2, STRANGE: 1},
            method="fuzzy",
            threshold=0.2,
            report_column="repeats",
            similarity_column="alike",
        ),
        ae.Deduplicator(on=["text"], method="fuzzy", similarity="embedding", model="hashed"),
        ae.SchemaInferrer(patterns=["us_ssn"]),
        ae.SchemaInferrer(cast=True, patterns=[]),
        ae.SchemaInferrer(sample_size=5, seed=1, patterns=["uuid"], correlations=True),
        ae.Aggregator("group", {"total": ("x", "sum"), "n": "count(*)"}),
        ae.Aggregator([], {"total": (STRANGE, "sum")}),
        ae.Aggregator(["group", "x"], {}),
        ae.Aggregator(
            ["select"],
            {
                "first": ("text", "first"),
                "last": ("tags", "last"),
                "all": ("id", "list"),
                "words": ("text", "concat", "; "),
                "spread": ("x", "std"),
                "often": ("group", "mode"),
                "high": ("price", "quantile", 0.9),
            },
        ),
        ae.Aggregator("group", {"span": ("id", np.ptp), "n": ("x", np.size)}),
        ae.Aggregator([], {"span": ("at", np.ptp)}, returns={"span": "duration[us]"}),
        ae.Lookup(pa.table({"k": [1, 2], STRANGE + "!": ["a", "b"]}), on={"id": "k"}),
        ae.Lookup(pa.table({"id": [1, 2], "new": ["a", "b"]}), on="id", how="inner"),
        ae.AnomalyDetector(columns=["x"], min_rows=2),
        ae.AnomalyDetector(method="zscore", columns=["x", "id"], group_by=["group"], min_rows=2),
        ae.AnomalyDetector(columns=["x"], min_rows=2, scale="log"),
        ae.AnomalyDetector(method="iqr", columns=["x"], threshold=0.1, action="filter"),
        ae.AnomalyDetector(method="mad", columns=["x"], contamination=0.2),
        ae.AnomalyDetector(method="ecod", columns=["x", STRANGE], contamination=0.2, min_rows=2),
        ae.AnomalyDetector(method="isolation_forest", columns=["x", "group", "select"], trees=5),
        ae.AnomalyDetector(
            method="isolation_forest", columns=[STRANGE, "id"], contamination=0.2, sample_size=7
        ),
        ae.AnomalyDetector(
            method="isolation_forest", columns=["id", "price"], threshold=0.5, action="filter"
        ),
        ae.Categorizer(on="text", categories=["abc", "xyz"], model="hashed"),
        ae.Categorizer(
            on=["text", "group"],
            examples={"aa": "a", "ab": "a", "xx": "b", "xy": "b"},
            model="hashed",
            labels="several",
            threshold=0.2,
        ),
        ae.WindowAggregator("at", "1 hour", aggregations={"n": "count(*)", "s": ("x", "sum")}),
        ae.WindowAggregator("at", "1 month", slide="1 week", group_by=["group"], empty=True),
        ae.WindowAggregator("at", gap="1 day", group_by=[STRANGE], aggregations={"n": "count(*)"}),
        ae.WindowAggregator("at", "1 week", aggregations={"m": ("id", np.max)}),
        ae.Mask({"text": "redact", "at": "month", STRANGE: "nullify"}),
        ae.Mask(["id", "text", "tags"], key="correct horse battery staple"),
        ae.Mask("text", "{first1}***{last1}"),
        ae.QualityScorer(),
        ae.QualityScorer(
            rules=[
                ae.Rule("x", range=(0, None)),
                {"column": STRANGE, "unique": True},
                "id > 2 OR x IS NULL",
            ],
            criteria=True,
            broken_column="broken",
            columns={"x": 2, "text": 1},
        ),
        ae.QualityScorer(
            rules=[ae.Rule("text", regex="[a-z]*")], min_score=0.9, filter_low_quality=False
        ),
    ]


def shown(stage: ae.Stage) -> str:
    """Name a stage in the same way in every process."""
    return re.sub(r" at 0x\w+", "", repr(stage))


@pytest.mark.parametrize("check", STAGE_CHECKS, ids=attrgetter("__name__"))
@pytest.mark.parametrize("stage", every_stage(), ids=shown)
def test_stage(stage, check):
    check(stage, TABLE)


@pytest.mark.parametrize("batch_size", [1, 5, 65_536])
@pytest.mark.parametrize("stage", every_stage(), ids=shown)
def test_a_pipeline_gives_what_the_stage_does_by_itself(stage, batch_size):
    pipeline = ae.Pipeline(batch_size=batch_size, threads=2).extract(ae.ArrowSource(TABLE))
    # One before and one after: it is fused with both.
    pipeline.transform("SELECT * FROM input").transform(stage).transform("SELECT * FROM input")
    result = pipeline.load(ae.ArrowLoader()).run().result
    assert same(result.table, run_stage(ae.SQL("SELECT * FROM input"), run_stage(stage, TABLE)))
    counts = [(line.records_in, line.records_out) for line in result.stages]
    assert (TABLE.num_rows, result.table.num_rows) in counts


FLAT = pa.table(
    {
        "id": pa.array([1, 2, 3, 4, 5], pa.int64()),
        'it\'s "name"; --': ["a", None, 'b "c", d', "two\nlines", "é ☃"],
        "select": [0.1, -2.5, None, 1e300, 3.0],
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files for the sources; a folder for all, since sources don't write."""
    place = tmp_path_factory.mktemp("sources")
    pq.write_table(FLAT, place / "one.parquet", row_group_size=2)
    pq.write_table(TABLE, place / "all.parquet")
    for loader in (ae.SQLiteLoader, ae.DuckDBLoader):
        for name, rows in (("flat", FLAT), ("all", TABLE)):
            sink = loader(place / f"{loader.__name__}.db", table=name)
            ae.Pipeline(allow_lossy=True).extract(ae.ArrowSource(rows)).load(sink).run()
    for year in (2023, 2024):
        (place / f"hive/year={year}").mkdir(parents=True)
        pq.write_table(FLAT, place / f"hive/year={year}/part.parquet")
    pa.csv.write_csv(FLAT, place / "a.csv")
    (place / "b.csv").write_text('"select";id\n0.5;7\n;8\n')
    (place / "empty.csv").write_text("id,name\n")
    (place / "latin.csv").write_bytes("name,n\nCafé,1\nÖl,2\n".encode("latin-1"))
    (place / "a.log").write_bytes(b"2026-01-31 12 up\n2026-02-01 - down\r\n\n  and more\n")
    (place / "a.json").write_text('[{"id": 1, "at": "2026-01-31 10:00"}, {"id": 2}, {"id": 3}]')
    (place / "a.jsonl").write_text('{"a": {"b": [1]}, "c": "x"}\n{"a": {"b": [2.5], "d": true}}\n')
    (place / "a.csv.gz").write_bytes(gzip.compress((place / "a.csv").read_bytes()))
    return place


@pytest.fixture(autouse=True)
def chain(request, monkeypatch, tmp_path):
    """Let the standard chain find the S3 server, where one is asked for."""
    if "s3" in request.node.name.lower():
        only_the_chain(monkeypatch, tmp_path)


SOURCES = {
    "table": lambda _: ae.ArrowSource(TABLE),
    "batch": lambda _: ae.ArrowSource(FLAT.to_batches()[0]),
    "polars": lambda _: ae.ArrowSource(pl.from_arrow(FLAT)),
    "pandas": lambda _: ae.ArrowSource(FLAT.to_pandas()),
    "python": lambda _: ae.PythonSource(FLAT.to_pylist()),
    "python, from a function": lambda _: ae.PythonSource(TABLE.to_pylist, schema=TABLE.schema),
    "columns": lambda _: ae.ArrowSource(FLAT.to_pydict()),
    "csv": lambda folder: ae.CSVSource(folder / "a.csv"),
    "csv of semicolons": lambda folder: ae.CSVSource(folder / "b.csv"),
    "csv of no rows": lambda folder: ae.CSVSource(folder / "empty.csv"),
    "csv in latin-1": lambda folder: ae.CSVSource(folder / "latin.csv", encoding="latin-1"),
    "csv, packed": lambda folder: ae.CSVSource(folder / "a.csv.gz"),
    "json": lambda folder: ae.JSONSource(folder / "a.json"),
    "json lines": lambda folder: ae.JSONSource(folder / "a.jsonl", flatten=True),
    "json with a schema": lambda folder: ae.JSONSource(
        folder / "a.json", schema=pa.schema({"id": pa.int16(), "at": pa.timestamp("ms")})
    ),
    "text": lambda folder: ae.TextSource(folder / "a.log"),
    "text of records": lambda folder: ae.TextSource(
        folder / "a.log", pattern=r"(?P<day>\S+) (?:-|(?P<n>\d+))", record_start=r"^\d"
    ),
    "parquet": lambda folder: ae.ParquetSource(folder / "one.parquet"),
    "parquet of all types": lambda folder: ae.ParquetSource(folder / "all.parquet"),
    "parquet in folders": lambda folder: ae.ParquetSource(folder / "hive/**/*.parquet"),
    "s3, csv": lambda folder: ae.S3Source(filled(folder), "a.csv.gz"),
    "s3, parquet": lambda folder: ae.S3Source(filled(folder), "one.parquet"),
    "s3, folders": lambda folder: ae.S3Source(filled(folder), "hive/", format="parquet"),
    "s3, a url": lambda folder: ae.ParquetSource(f"s3://{filled(folder)}/hive", columns=["year"]),
    "sqlite": lambda folder: ae.SQLiteSource(folder / "SQLiteLoader.db", table="flat"),
    "sqlite of all types": lambda folder: ae.SQLiteSource(folder / "SQLiteLoader.db", table="all"),
    "sqlite, a query": lambda folder: ae.SQLiteSource(
        folder / "SQLiteLoader.db", query="SELECT * FROM flat WHERE id > ? ORDER BY id", params=[1]
    ),
    "duckdb": lambda folder: ae.DuckDBSource(folder / "DuckDBLoader.db", table="flat"),
    "duckdb of all types": lambda folder: ae.DuckDBSource(folder / "DuckDBLoader.db", table="all"),
    "duckdb, a query": lambda folder: ae.DuckDBSource(
        folder / "DuckDBLoader.db", query="FROM flat WHERE id > $low ORDER BY id", params={"low": 1}
    ),
    "parquet, some": lambda folder: ae.ParquetSource(
        folder / "one.parquet", columns=["id"], filter="id > 1"
    ),
}


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=attrgetter("__name__"))
@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_source(make, check, folder):
    check(make(folder))


@pytest.mark.parametrize("check", SINK_CHECKS, ids=attrgetter("__name__"))
@pytest.mark.parametrize(("kind", "options"), every_destination(), ids=str)
def test_sink(kind, options, check, tmp_path):
    numbers = count()

    def fresh():
        place = tmp_path / str(next(numbers))
        place.mkdir()
        return kind(place, options)

    check(fresh, FLAT)


def public(base, *abstract):
    ours = {getattr(ae, name) for name in ae.__all__}
    return {c for c in ours if isinstance(c, type) and issubclass(c, base)} - {base, *abstract}


def test_everything_of_ours_is_checked(folder, tmp_path):
    sinks = {type(kind(tmp_path, options).sink()) for kind, options in every_destination()}
    assert public(ae.Stage, ae.SQLStage, ae.FittedStage) == {type(stage) for stage in every_stage()}
    sources = {type(make(folder)) for make in SOURCES.values()}
    # The one that needs a server's tables is checked in sources/test_postgresql.py.
    assert public(ae.Source) == sources | {ae.PostgreSQLSource}
    assert public(ae.Sink) == sinks
