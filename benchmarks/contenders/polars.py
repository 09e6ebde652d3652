"""Polars, lazy and streaming where it can be."""

from __future__ import annotations

from pathlib import Path

from benchmarks.postgres import uri_in
from benchmarks.tasks.csv_to_parquet import EMAIL, MIN_TOTAL
from benchmarks.tasks.parquet_to_sqlite import TABLE
from benchmarks.tasks.plain_rules import RULES as PLAIN_RULES
from benchmarks.tasks.ten_rules import CITY, DATES, NOTE
from benchmarks.tasks.ten_rules import EMAIL as EMAIL_RULE

LABEL = "Polars, streaming"
PACKAGES = ("polars",)
NOT_APPLICABLE: dict[str, str] = {}
STARTUP = "import polars"


def csv_to_parquet(source: Path, output: Path) -> None:
    """From scan to sink."""
    import polars as pl

    (
        pl.scan_csv(source, try_parse_dates=True)
        .filter(pl.col("price").is_not_null())
        .filter(pl.col("email").str.contains(EMAIL))
        .with_columns(pl.col("city").str.strip_chars(" "))
        .with_columns(
            pl.col("email").str.to_lowercase(),
            (pl.col("price") * pl.col("qty")).alias("total"),
            pl.col("date").dt.year().alias("year"),
        )
        .filter(pl.col("total") > MIN_TOTAL)
        .sink_parquet(output, compression="zstd", compression_level=3)
    )


def no_rules(source: Path, output: Path) -> None:
    """From scan to sink."""
    import polars as pl

    rows = pl.scan_csv(source, try_parse_dates=True)
    rows.sink_parquet(output, compression="zstd", compression_level=3)


def ten_rules(source: Path, output: Path) -> None:
    """From scan to sink, and a second scan that counts the broken rules."""
    import polars as pl

    first, last = (pl.lit(day).str.to_date() for day in DATES)
    rules = [
        pl.col("id") >= 0,
        pl.col("price") <= 500,  # noqa: PLR2004
        pl.col("date").is_between(first, last),
        pl.col("email").str.contains(f"^(?:{EMAIL_RULE})$"),
        pl.col("note").str.contains(f"^(?:{NOTE})$"),
        pl.col("city").str.contains(f"^(?:{CITY})$"),
        pl.col("price").is_not_null(),
        pl.col("qty").is_not_null(),
        pl.col("qty").is_in(list(range(1, 10))),
        pl.col("price") * pl.col("qty") <= 4000,  # noqa: PLR2004
    ]
    rows = pl.scan_csv(source, try_parse_dates=True)
    good = [rule.fill_null(value=True) for rule in rules]
    rows.filter(*good).sink_parquet(output, compression="zstd", compression_level=3)
    broken = [(~rule).sum().alias(str(at)) for at, rule in enumerate(rules)]
    print(rows.select(*broken).collect(engine="streaming"))


def plain_rules(source: Path, output: Path) -> None:
    """From scan to sink, and a second scan that counts the broken rules."""
    import polars as pl

    rules = [pl.sql_expr(rule) for rule in PLAIN_RULES]
    rows = pl.scan_csv(source, try_parse_dates=True)
    kept = pl.sum_horizontal(rule.fill_null(value=True).cast(pl.Int32) for rule in rules)
    scored = rows.with_columns((kept / len(rules)).alias("quality_score"))
    scored.sink_parquet(output, compression="zstd", compression_level=3)
    broken = [(~rule).sum().alias(str(at)) for at, rule in enumerate(rules)]
    print(rows.select(*broken).collect(engine="streaming"))


def parquet_to_sqlite(source: Path, output: Path) -> None:
    """Read at once, since `write_database` takes a frame; written by ADBC."""
    import polars as pl

    pl.read_parquet(source).write_database(TABLE, f"sqlite:///{output}", engine="adbc")


def dedup(source: Path, output: Path) -> None:
    """From scan to sink; there is no memory limit to set."""
    import polars as pl

    (
        pl.scan_parquet(source)
        .unique(subset=["email"], keep="first", maintain_order=True)
        .sink_parquet(output, compression="zstd", compression_level=3)
    )


def group_by(source: Path, output: Path) -> None:
    """From scan to sink."""
    import polars as pl

    (
        pl.scan_parquet(source)
        .group_by("country", "product")
        .agg(
            pl.len().alias("orders"),
            pl.col("coupon").count().alias("coupons"),
            pl.col("customer").n_unique().alias("customers"),
            pl.col("amount").sum().alias("total"),
            pl.col("amount").mean().alias("mean"),
            pl.col("amount").max().alias("largest"),
        )
        .sink_parquet(output, compression="zstd", compression_level=3)
    )


def json_lines_to_parquet(source: Path, output: Path) -> None:
    """From scan to sink."""
    import polars as pl

    person = pl.col("person").struct
    (
        pl.scan_ndjson(source)
        .select(
            pl.col("id"),
            person.field("email"),
            person.field("age"),
            pl.col("price"),
            pl.col("score"),
            pl.col("tags").list.len(),
            pl.col("day").str.to_date(),
            pl.col("note"),
        )
        .sink_parquet(output, compression="zstd", compression_level=3)
    )


def csv_to_postgres(source: Path, output: Path) -> None:
    """Read at once, since `write_database` takes a frame; written by ADBC."""
    import polars as pl

    frame = pl.read_csv(source, try_parse_dates=True)
    frame.write_database(TABLE, uri_in(output), engine="adbc")


def postgres_to_parquet(source: Path, output: Path) -> None:
    """Read at once by ADBC."""
    import polars as pl

    frame = pl.read_database_uri(f"SELECT * FROM {TABLE}", uri_in(source), engine="adbc")
    frame.write_parquet(output, compression="zstd", compression_level=3)
