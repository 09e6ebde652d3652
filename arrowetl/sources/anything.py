"""The source for whatever holds rows: a path, Python's rows, another library's data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa

from arrowetl.errors import ConfigError, closest, did_you_mean
from arrowetl.sources.memory import ArrowSource
from arrowetl.sources.python import PythonSource
from arrowetl.stage import Source

_BY_ENDING = {
    ".csv": ("csv", "CSVSource"),
    ".tsv": ("csv", "CSVSource"),
    ".json": ("json", "JSONSource"),
    ".jsonl": ("json", "JSONSource"),
    ".ndjson": ("json", "JSONSource"),
    ".parquet": ("parquet", "ParquetSource"),
    ".parq": ("parquet", "ParquetSource"),
    ".pq": ("parquet", "ParquetSource"),
}
_PACKED = {".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4"}
_DATABASES = {
    ".db": "SQLiteSource or DuckDBSource",
    ".duckdb": "DuckDBSource",
    ".sqlite": "SQLiteSource",
    ".sqlite3": "SQLiteSource",
}


def source_of(obj: Any) -> Source:
    """Give the source that reads `obj`, as `Pipeline.extract` does.

    A source is itself. A path or URL is read by its ending, as CSV, JSON or Parquet. A list of
    dicts and the like, an iterator or a function that gives them are `PythonSource`'s. Whatever
    holds columns is `ArrowSource`'s.

    Raises:
        ConfigError: nothing reads it.

    >>> source_of("orders/*.csv.gz"), source_of([{"id": 1}])
    (CSVSource(path=('orders/*.csv.gz',)), PythonSource(list))
    """
    if isinstance(obj, Source):
        return obj
    if isinstance(obj, str | os.PathLike):
        return _of_path(os.fspath(obj))
    if isinstance(obj, list | tuple) and obj and isinstance(obj[0], pa.RecordBatch):
        return ArrowSource((obj[0].schema, obj))
    if _holds_rows(obj):
        return PythonSource(obj)
    return ArrowSource(obj)


def _holds_rows(obj: Any) -> bool:
    if hasattr(obj, "__arrow_c_stream__") or hasattr(obj, "__arrow_c_array__"):
        return False
    pair = isinstance(obj, tuple) and len(obj) > 0 and isinstance(obj[0], pa.Schema)
    rows = isinstance(obj, list | tuple | Iterator) and not pair
    return rows or (callable(obj) and not isinstance(obj, type))


def _ending_inside(folder: Path) -> str:
    """Give the ending of the first file there that says what it is."""
    endings = (path.suffix.lower() for path in sorted(folder.iterdir()))
    return next((ending for ending in endings if ending in _BY_ENDING), ".csv")


def _of_path(path: str) -> Source:
    endings = [ending.lower() for ending in PurePath(path).suffixes]
    while endings and endings[-1] in _PACKED:
        endings.pop()
    ending = endings[-1] if endings else ""
    if ending in _BY_ENDING:
        module, name = _BY_ENDING[ending]
        source: Source = getattr(import_module(f"arrowetl.sources.{module}"), name)(path)
        return source
    if ending in _DATABASES:
        raise ConfigError(
            f"extract: {path!r} is a database: say {_DATABASES[ending]}({path!r}, table=...)"
        )
    if path and Path(path).is_dir():
        glob = str(PurePath(path, f"*{_ending_inside(Path(path))}"))
        raise ConfigError(f"extract: {path!r} is a folder: give a glob, for instance {glob!r}")
    raise ConfigError(
        f"extract: {path!r} doesn't say by its ending what it is"
        f"{did_you_mean(closest(ending, _BY_ENDING))} Say which source reads it, for instance "
        f"CSVSource({path!r})"
    )
