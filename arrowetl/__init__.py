"""Moves tabular data and cleans it on the way: Arrow end to end, DuckDB where SQL can say it.

Names are imported when they are used, so that `import arrowetl` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arrowetl.contracts import Contract, Field
    from arrowetl.errors import (
        ArrowETLError,
        ConfigError,
        InexactError,
        LedgerError,
        ReadError,
        RejectError,
        SchemaError,
        StageError,
        StateError,
        Transient,
        WriteError,
    )
    from arrowetl.fitting import FittedStage
    from arrowetl.pipeline import Pipeline
    from arrowetl.result import PipelineResult, StageResult
    from arrowetl.rules import Rule
    from arrowetl.sinks.csv import CSVLoader
    from arrowetl.sinks.duckdb import DuckDBLoader
    from arrowetl.sinks.json import JSONLoader
    from arrowetl.sinks.memory import ArrowLoader
    from arrowetl.sinks.parquet import ParquetLoader
    from arrowetl.sinks.postgresql import PostgreSQLLoader
    from arrowetl.sinks.s3 import S3Loader
    from arrowetl.sinks.sqlite import SQLiteLoader
    from arrowetl.sources.csv import CSVSource
    from arrowetl.sources.duckdb import DuckDBSource
    from arrowetl.sources.json import JSONSource
    from arrowetl.sources.memory import ArrowSource
    from arrowetl.sources.parquet import ParquetSource
    from arrowetl.sources.postgresql import PostgreSQLSource
    from arrowetl.sources.python import PythonSource
    from arrowetl.sources.s3 import S3Source
    from arrowetl.sources.sqlite import SQLiteSource
    from arrowetl.sources.text import TextSource
    from arrowetl.stage import Mode, Rows, SchemaChange, Scope, Sink, Source, SQLStage, Stage
    from arrowetl.transforms.aggregate import Aggregator
    from arrowetl.transforms.anomaly import AnomalyDetector
    from arrowetl.transforms.categorize import Categorizer
    from arrowetl.transforms.category_report import CategoryReport
    from arrowetl.transforms.columns import Cast, Rename, Select
    from arrowetl.transforms.contract import EnforceContract
    from arrowetl.transforms.dedup import Deduplicator
    from arrowetl.transforms.infer import SchemaInferrer
    from arrowetl.transforms.lookup import Lookup
    from arrowetl.transforms.map import Map
    from arrowetl.transforms.mask import Mask
    from arrowetl.transforms.nulls import NullRemover
    from arrowetl.transforms.quality import QualityScorer
    from arrowetl.transforms.query import SQL, Filter
    from arrowetl.transforms.window import WindowAggregator
    from arrowetl.tuning.tuner import AutoTuner

_HOMES = {
    "contracts": ("Contract", "Field"),
    "errors": (
        "ArrowETLError",
        "ConfigError",
        "InexactError",
        "LedgerError",
        "ReadError",
        "RejectError",
        "SchemaError",
        "StageError",
        "StateError",
        "Transient",
        "WriteError",
    ),
    "fitting": ("FittedStage",),
    "pipeline": ("Pipeline",),
    "result": ("PipelineResult", "StageResult"),
    "rules": ("Rule",),
    "sinks.csv": ("CSVLoader",),
    "sinks.duckdb": ("DuckDBLoader",),
    "sinks.json": ("JSONLoader",),
    "sinks.memory": ("ArrowLoader",),
    "sinks.parquet": ("ParquetLoader",),
    "sinks.postgresql": ("PostgreSQLLoader",),
    "sinks.s3": ("S3Loader",),
    "sinks.sqlite": ("SQLiteLoader",),
    "sources.csv": ("CSVSource",),
    "sources.json": ("JSONSource",),
    "sources.duckdb": ("DuckDBSource",),
    "sources.memory": ("ArrowSource",),
    "sources.parquet": ("ParquetSource",),
    "sources.postgresql": ("PostgreSQLSource",),
    "sources.text": ("TextSource",),
    "sources.python": ("PythonSource",),
    "sources.sqlite": ("SQLiteSource",),
    "sources.s3": ("S3Source",),
    "stage": ("Mode", "Rows", "SQLStage", "SchemaChange", "Scope", "Sink", "Source", "Stage"),
    "transforms.aggregate": ("Aggregator",),
    "transforms.anomaly": ("AnomalyDetector",),
    "transforms.categorize": ("Categorizer",),
    "transforms.category_report": ("CategoryReport",),
    "transforms.columns": ("Cast", "Rename", "Select"),
    "transforms.contract": ("EnforceContract",),
    "transforms.dedup": ("Deduplicator",),
    "transforms.infer": ("SchemaInferrer",),
    "transforms.lookup": ("Lookup",),
    "transforms.map": ("Map",),
    "transforms.mask": ("Mask",),
    "transforms.nulls": ("NullRemover",),
    "transforms.quality": ("QualityScorer",),
    "transforms.query": ("SQL", "Filter"),
    "transforms.window": ("WindowAggregator",),
    "tuning.tuner": ("AutoTuner",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "SQL",
    "Aggregator",
    "AnomalyDetector",
    "ArrowETLError",
    "ArrowLoader",
    "ArrowSource",
    "AutoTuner",
    "CSVLoader",
    "CSVSource",
    "Cast",
    "Categorizer",
    "CategoryReport",
    "ConfigError",
    "Contract",
    "Deduplicator",
    "DuckDBLoader",
    "DuckDBSource",
    "EnforceContract",
    "Field",
    "Filter",
    "FittedStage",
    "InexactError",
    "JSONLoader",
    "JSONSource",
    "LedgerError",
    "Lookup",
    "Map",
    "Mask",
    "Mode",
    "NullRemover",
    "ParquetLoader",
    "ParquetSource",
    "Pipeline",
    "PipelineResult",
    "PostgreSQLLoader",
    "PostgreSQLSource",
    "PythonSource",
    "QualityScorer",
    "ReadError",
    "RejectError",
    "Rename",
    "Rows",
    "Rule",
    "S3Loader",
    "S3Source",
    "SQLStage",
    "SQLiteLoader",
    "SQLiteSource",
    "SchemaChange",
    "SchemaError",
    "SchemaInferrer",
    "Scope",
    "Select",
    "Sink",
    "Source",
    "Stage",
    "StageError",
    "StageResult",
    "StateError",
    "TextSource",
    "Transient",
    "WindowAggregator",
    "WriteError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("arrowetl")
    if name not in _HOME:
        raise AttributeError(f"module 'arrowetl' has no attribute {name!r}")
    value = getattr(import_module(f"arrowetl.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
