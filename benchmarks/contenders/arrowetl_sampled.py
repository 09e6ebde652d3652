"""arrowetl where it is told to trust a sample of the records, as DuckDB and Polars do."""

from __future__ import annotations

from pathlib import Path

LABEL = "arrowetl, types from a sample"
PACKAGES = ("arrowetl",)
NOT_APPLICABLE: dict[str, str] = {}
SAMPLE = 20_480
"""DuckDB's own number of records."""


def json_lines_to_parquet(source: Path, output: Path) -> None:
    """One transform; a record unlike the sample would be rejected, not misread."""
    import arrowetl as ae

    (
        ae.Pipeline()
        .extract(ae.JSONSource(source, sample_size=SAMPLE))
        .transform(
            "SELECT id, person.email, person.age, price, score, len(tags) AS tags,"
            " CAST(day AS DATE) AS day, note FROM input"
        )
        .load(ae.ParquetLoader(output, mode="replace", compression="zstd"))
        .run()
    )
