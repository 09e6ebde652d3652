"""What profilers call the columns of the `profile` task: `python -m benchmarks.findings [ROWS]`.

A profiler that isn't installed is left out. What a column holds is known, since the task made it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.data import make
from benchmarks.tasks.profile import TASK

ROWS = 20_000

TRUTH = {
    "email": "e-mail addresses",
    "phone": "phone numbers",
    "url": "URLs",
    "ip": "IPv4 addresses",
    "card": "card numbers",
    "ssn": "US social security numbers",
    "token": "UUIDs",
    "zip": "postal codes, with leading zeros",
    "country": "one of four",
    "born": "dates, in text",
    "note": "just text",
}

Found = dict[str, str]


def arrowetl(path: Path) -> Found:
    """The pattern of most values, personal data, the type that texts should have."""
    import arrowetl as ae

    profile = ae.SchemaInferrer().profile(ae.ParquetSource(path))
    found = {}
    for column in TRUTH:
        each = profile.column(column)
        words = [pattern.title for pattern in each.patterns[:1] if pattern.share > 0.5]  # noqa: PLR2004
        words += [f"personal: {pii.label}" for pii in each.pii[:1]]
        words += [f"reads as {each.inferred.type}"] if each.inferred else []
        words += [f"one of {len(each.enum)}"] if each.enum else []
        found[column] = "; ".join(words) or "text"
    return found


def duckdb(path: Path) -> Found:
    """The type: SUMMARIZE says no more of texts."""
    import duckdb as database

    rows = database.sql(f"SELECT column_name, column_type FROM (SUMMARIZE FROM '{path}')")
    return {column: kind for column, kind in rows.fetchall() if column in TRUTH}


def ydata(path: Path) -> Found:
    """The type that it takes for a column's."""
    import pandas as pd
    from ydata_profiling import ProfileReport

    report = ProfileReport(pd.read_parquet(path), minimal=True, progress_bar=False)
    variables = report.get_description().variables
    return {column: str(variables[column]["type"]) for column in TRUTH}


def dataprofiler(path: Path) -> Found:
    """The type; its labels would take TensorFlow."""
    import pandas as pd
    from dataprofiler import Profiler, ProfilerOptions

    options = ProfilerOptions()
    options.set({"data_labeler.is_enabled": False, "multiprocess.is_enabled": False})
    report = Profiler(pd.read_parquet(path), options=options).report()
    types = {each["column_name"]: str(each["data_type"]) for each in report["data_stats"]}
    return {column: types[column] for column in TRUTH}


PROFILERS: dict[str, Callable[[Path], Found]] = {
    "arrowetl": arrowetl,
    "duckdb": duckdb,
    "ydata_profiling": ydata,
    "dataprofiler": dataprofiler,
}


def main() -> None:
    """Print a Markdown table: a line a column, a profiler beside the other."""
    if TASK.dataset is None:
        sys.exit("the task has no data")
    path = make(TASK.dataset, int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
    there = [name for name in PROFILERS if importlib.util.find_spec(name) is not None]
    found = {name: PROFILERS[name](path) for name in there}
    print(f"| column | holds | {' | '.join(there)} |")
    print("| --- " * (len(there) + 2) + "|")
    for column, holds in TRUTH.items():
        print(f"| {column} | {holds} | {' | '.join(found[name][column] for name in there)} |")


if __name__ == "__main__":
    main()
