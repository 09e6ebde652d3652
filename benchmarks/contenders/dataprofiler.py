"""DataProfiler over pandas, all rows, without its labels (they take TensorFlow)."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tasks.profile import NUMBERS

LABEL = "DataProfiler, no labels"
PACKAGES = ("dataprofiler", "pandas")
NOT_APPLICABLE: dict[str, str] = {}


def profile(source: Path, output: Path) -> None:
    """Its report; by default it would look at a fifth of the rows."""
    import pandas as pd
    from dataprofiler import Profiler, ProfilerOptions

    options = ProfilerOptions()
    options.set({"data_labeler.is_enabled": False, "multiprocess.is_enabled": False})
    rows = pd.read_parquet(source)
    profiler = Profiler(rows, options=options, samples_per_update=len(rows))
    found = {each["column_name"]: each["statistics"] for each in profiler.report()["data_stats"]}
    facts = [
        {
            "name": column,
            "minimum": float(found[column]["min"]),
            "maximum": float(found[column]["max"]),
            "mean": round(float(found[column]["mean"]), 6),
        }
        for column in NUMBERS
    ]
    pd.DataFrame(facts).to_parquet(output)
