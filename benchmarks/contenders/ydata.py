"""ydata-profiling over pandas, in its minimal mode: without correlations and interactions."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tasks.profile import NUMBERS

LABEL = "ydata-profiling, minimal"
PACKAGES = ("ydata_profiling", "pandas")
NOT_APPLICABLE: dict[str, str] = {}


def profile(source: Path, output: Path) -> None:
    """The description that its report is made from."""
    import pandas as pd
    from ydata_profiling import ProfileReport

    report = ProfileReport(pd.read_parquet(source), minimal=True, progress_bar=False)
    found = report.get_description().variables
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
