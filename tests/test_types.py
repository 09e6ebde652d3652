"""What type checkers see of the public names: a user's strict script is clean."""

import inspect
import subprocess
import sys
from pathlib import Path

import arrowetl as ae

SCRIPT = """
import pyarrow as pa

import arrowetl as ae

sources: list[ae.Source] = [
    ae.CSVSource("a.csv", delimiter=";", schema={"id": "int"}, columns=["id"]),
    ae.JSONSource("a.json", record_path="data[*]", schema={"id": pa.int64()}),
    ae.TextSource("a.log", pattern="(?P<id>[0-9]+)", schema={"id": "int"}),
    ae.ParquetSource("a.parquet", filter="id > 1"),
    ae.SQLiteSource("a.db", table="t", schema={"id": pa.int64()}),
    ae.DuckDBSource("a.duckdb", query="FROM t"),
    ae.PostgreSQLSource(uri="postgresql://host/db", table="t"),
    ae.S3Source("bucket", "prefix", format="csv"),
    ae.ArrowSource(pa.table({"id": [1]})),
    ae.PythonSource([{"id": 1}], schema={"id": pa.int64()}),
]
schemas: list[pa.Schema] = [source.schema() for source in sources]
sinks: list[ae.Sink] = [
    ae.ArrowLoader(),
    ae.CSVLoader("b.csv", mode="replace"),
    ae.JSONLoader("b.json", format="array"),
    ae.ParquetLoader("b", partition_by=["id"]),
    ae.SQLiteLoader("b.db", table="t", mode="upsert", key="id"),
    ae.DuckDBLoader("b.duckdb", table="t"),
    ae.PostgreSQLLoader(uri="postgresql://host/db", table="t"),
    ae.S3Loader("bucket", "b.csv", format="csv"),
]


class Named(ae.SQLStage):
    def select(self, schema: pa.Schema) -> str:
        return "SELECT * FROM input"


stages: list[ae.Stage] = [
    ae.SQL("SELECT * FROM input"),
    ae.Filter("id > 1"),
    ae.Select(["id"]),
    ae.Rename({"id": "key"}),
    ae.Cast({"id": "int"}),
    ae.NullRemover("drop", columns=["id"]),
    ae.Deduplicator(on=["id"], keep="last"),
    ae.Aggregator("id", {"n": "count(*)"}),
    ae.EnforceContract("contract.yaml", columns="freeze", rules="quarantine"),
    ae.Map(lambda batch: batch),
    ae.SchemaInferrer(sample_size=10),
    ae.QualityScorer(rules=[ae.Rule("id", range=(0, None))]),
    ae.AnomalyDetector(columns=["id"], group_by=["name"]),
    ae.Lookup(sources[0], on="id", columns=["name"]),
    ae.Mask({"name": "hash", "id": "nullify"}, key="correct horse battery staple"),
    ae.Categorizer(on="text", categories={"a": "about a", "b": ["about b", "or b"]}),
    ae.WindowAggregator("at", "1 hour", aggregations={"n": "count(*)"}),
    Named(),
]
pipeline = ae.Pipeline("all", dead_letters=sinks[1], schema_contract="c.yaml").extract(sources[0])
for stage in stages:
    pipeline.transform(stage)
result: ae.PipelineResult = pipeline.load(sinks[0]).run().result
lines: list[ae.StageResult] = list(result.stages)
works: bool = pipeline.diagnose().works
mode: ae.Mode = ae.Mode.APPEND
try:
    pipeline.run()
except (ae.SchemaError, ae.ReadError, ae.WriteError, ae.Transient) as error:
    print(error)
"""


def test_a_strict_script_with_every_class_is_clean(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    cache = Path(__file__).parents[1] / ".mypy_cache"
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache)]
    # The user's own pyarrow has no types; ours must.
    told = subprocess.run(
        [*command, "--config-file", "/dev/null", "--ignore-missing-imports", str(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    problems = [line for line in told.stdout.splitlines() if line.startswith("script.py:")]
    assert problems == []
    assert told.returncode == 0 or "script.py" not in told.stdout, told.stdout + told.stderr


def test_the_script_has_every_class():
    bases = (ae.Source, ae.Sink, ae.Stage, ae.FittedStage)
    for name in ae.__all__:
        value = getattr(ae, name)
        if inspect.isclass(value) and issubclass(value, bases) and value not in bases:
            assert f"ae.{name}" in SCRIPT, name
