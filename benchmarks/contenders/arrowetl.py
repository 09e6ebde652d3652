"""arrowetl through its public names, as its README shows it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.postgres import uri_in
from benchmarks.tasks.csv_to_parquet import EMAIL, MIN_TOTAL
from benchmarks.tasks.dedup import MEMORY_LIMIT
from benchmarks.tasks.group_by import KEYS
from benchmarks.tasks.parquet_to_sqlite import TABLE
from benchmarks.tasks.plain_rules import RULES as PLAIN_RULES
from benchmarks.tasks.profile import NUMBERS
from benchmarks.tasks.ten_rules import CITY, DATES, NOTE
from benchmarks.tasks.ten_rules import EMAIL as EMAIL_RULE

LABEL = "arrowetl"
PACKAGES = ("arrowetl",)
NOT_APPLICABLE: dict[str, str] = {}
STARTUP = "import arrowetl"


def csv_to_parquet(source: Path, output: Path) -> None:
    """Five transforms, all SQL: one statement."""
    import arrowetl as ae

    (
        ae.Pipeline()
        .extract(ae.CSVSource(source))
        .transform(ae.NullRemover("drop", columns=["price"]))
        .transform(f"SELECT * FROM input WHERE regexp_matches(email, '{EMAIL}')")
        .transform("SELECT * REPLACE (trim(city) AS city) FROM input")
        .transform(
            "SELECT * REPLACE (lower(email) AS email), price * qty AS total, year(date) AS year"
            " FROM input"
        )
        .transform(ae.Filter(f"total > {MIN_TOTAL}"))
        .load(ae.ParquetLoader(output, mode="replace", compression="zstd"))
        .run()
    )


def parquet_to_sqlite(source: Path, output: Path) -> None:
    """No transform: from the scan to the loader."""
    import arrowetl as ae

    (
        ae.Pipeline()
        .extract(ae.ParquetSource(source))
        .load(ae.SQLiteLoader(output, table=TABLE, mode="replace"))
        .run()
    )


def dedup(source: Path, output: Path) -> None:
    """The Deduplicator under the memory limit."""
    import arrowetl as ae

    (
        ae.Pipeline(memory_limit=MEMORY_LIMIT)
        .extract(ae.ParquetSource(source))
        .transform(ae.Deduplicator(on=["email"], keep="first"))
        .load(ae.ParquetLoader(output, mode="replace", compression="zstd"))
        .run()
    )


def group_by(source: Path, output: Path) -> None:
    """The Aggregator."""
    import arrowetl as ae

    aggregations = {
        "orders": ("id", "count"),
        "coupons": ("coupon", "count"),
        "customers": ("customer", "count_distinct"),
        "total": ("amount", "sum"),
        "mean": ("amount", "avg"),
        "largest": ("amount", "max"),
    }
    (
        ae.Pipeline()
        .extract(ae.ParquetSource(source))
        .transform(ae.Aggregator(list(KEYS), aggregations))
        .load(ae.ParquetLoader(output, mode="replace", compression="zstd"))
        .run()
    )


def no_rules(source: Path, output: Path) -> None:
    """No transform: DuckDB copies."""
    import arrowetl as ae

    target = ae.ParquetLoader(output, mode="replace", compression="zstd")
    ae.Pipeline().extract(ae.CSVSource(source)).load(target).run()


def ten_rules(source: Path, output: Path) -> None:
    """The QualityScorer: a row that breaks a rule has a score below 1."""
    import arrowetl as ae

    rules = [
        ae.Rule("id", range=(0, None)),
        ae.Rule("price", range=(None, 500)),
        ae.Rule("date", range=DATES),
        ae.Rule("email", regex=EMAIL_RULE),
        ae.Rule("note", regex=NOTE),
        ae.Rule("city", regex=CITY),
        ae.Rule("price", not_null=True),
        ae.Rule("qty", not_null=True),
        ae.Rule("qty", enum=list(range(1, 10))),
        ae.Rule(sql="price * qty <= 4000"),
    ]
    scorer = ae.QualityScorer(rules=rules, min_score=1, filter_low_quality=True, columns=["id"])
    result = (
        ae.Pipeline()
        .extract(ae.CSVSource(source))
        .transform(scorer)
        .transform(ae.Select(exclude=["quality_score"]))
        .load(ae.ParquetLoader(output, mode="replace", compression="zstd"))
        .run()
        .result
    )
    print(result.stages[1].summary)


def plain_rules(source: Path, output: Path) -> None:
    """The QualityScorer, its score in a column: six rules of ten are of columns."""
    import arrowetl as ae

    rules = [
        ae.Rule("id", range=(0, None)),
        ae.Rule("price", range=(None, 500)),
        ae.Rule("date", range=DATES),
        ae.Rule("price", not_null=True),
        ae.Rule("qty", not_null=True),
        ae.Rule("qty", enum=list(range(1, 10))),
        *PLAIN_RULES[-4:],
    ]
    weights = {"completeness": 0.0, "validity": 0.6, "consistency": 0.4}
    target = ae.ParquetLoader(output, mode="replace", compression="zstd")
    pipeline = ae.Pipeline().extract(ae.CSVSource(source))
    pipeline.transform(ae.QualityScorer(rules=rules, weights=weights)).load(target)
    print(pipeline.run().result.stages[1].summary)


def profile(source: Path, output: Path) -> None:
    """SchemaInferrer with all patterns, over all rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    import arrowetl as ae

    found = ae.SchemaInferrer().profile(ae.ParquetSource(source))
    facts = [
        {
            "name": column,
            "minimum": each.minimum,
            "maximum": each.maximum,
            "mean": round(each.mean or 0.0, 6),
        }
        for column in NUMBERS
        if (each := found.column(column).numbers) is not None
    ]
    pq.write_table(pa.Table.from_pylist(facts), output)


def json_lines_to_parquet(source: Path, output: Path) -> None:
    """One transform."""
    import arrowetl as ae

    (
        ae.Pipeline()
        .extract(ae.JSONSource(source))
        .transform(
            "SELECT id, person.email, person.age, price, score, len(tags) AS tags,"
            " CAST(day AS DATE) AS day, note FROM input"
        )
        .load(ae.ParquetLoader(output, mode="replace", compression="zstd"))
        .run()
    )


def csv_to_postgres(source: Path, output: Path) -> None:
    """No transform: from the scan to the loader."""
    import arrowetl as ae

    target = ae.PostgreSQLLoader(uri=uri_in(output), table=TABLE)
    ae.Pipeline().extract(ae.CSVSource(source)).load(target).run()


def postgres_append(source: Path, output: Path) -> None:
    """The same: a loader appends where nothing is said."""
    csv_to_postgres(source, output)


def postgres_upsert(source: Path, output: Path) -> None:
    """The loader's own way."""
    import arrowetl as ae

    target = ae.PostgreSQLLoader(uri=uri_in(output), table=TABLE, mode="upsert", key="id")
    ae.Pipeline().extract(ae.CSVSource(source)).load(target).run()


def postgres_bad_rows(source: Path, output: Path) -> None:
    """The refused rows go to a folder of Parquet files, with reasons."""
    import arrowetl as ae

    (
        ae.Pipeline(dead_letters=ae.ParquetLoader(f"{output.parent}/dead/"))
        .extract(ae.CSVSource(source))
        .load(ae.PostgreSQLLoader(uri=uri_in(output), table=TABLE))
        .run()
    )


def postgres_to_parquet(source: Path, output: Path) -> None:
    """From the table to the file."""
    import arrowetl as ae

    (
        ae.Pipeline()
        .extract(ae.PostgreSQLSource(uri=uri_in(source), table=TABLE))
        .load(ae.ParquetLoader(output, mode="replace", compression="zstd"))
        .run()
    )


def postgres_to_postgres(source: Path, output: Path) -> None:
    """From table to table."""
    import arrowetl as ae

    (
        ae.Pipeline()
        .extract(ae.PostgreSQLSource(uri=uri_in(source), table=TABLE))
        .load(ae.PostgreSQLLoader(uri=uri_in(output), table=TABLE))
        .run()
    )
