"""DuckDB as somebody who knows it writes it by hand: the reference for content and for speed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from benchmarks.tasks.csv_to_parquet import EMAIL, MIN_TOTAL
from benchmarks.tasks.dedup import MEMORY_LIMIT
from benchmarks.tasks.parquet_to_sqlite import TABLE
from benchmarks.tasks.plain_rules import RULES as PLAIN_RULES
from benchmarks.tasks.profile import NUMBERS
from benchmarks.tasks.ten_rules import RULES

LABEL = "DuckDB, by hand"
PACKAGES = ("duckdb",)
NOT_APPLICABLE: dict[str, str] = {}
STARTUP = "import duckdb"
ZSTD = "FORMAT parquet, COMPRESSION zstd"


def csv_to_parquet(source: Path, output: Path) -> None:
    """One COPY statement."""
    import duckdb

    duckdb.execute(f"""
        COPY (
            SELECT id, lower(email) AS email, price, qty, trim(city) AS city, date, note,
                price * qty AS total, year(date) AS year
            FROM read_csv('{source}')
            WHERE price IS NOT NULL AND regexp_matches(email, '{EMAIL}')
                AND price * qty > {MIN_TOTAL}
        ) TO '{output}' (FORMAT parquet, COMPRESSION zstd)""")


def no_rules(source: Path, output: Path) -> None:
    """One COPY statement."""
    import duckdb

    duckdb.execute(f"COPY (FROM read_csv('{source}')) TO '{output}' ({ZSTD})")


def ten_rules(source: Path, output: Path) -> None:
    """A COPY of the good rows, and a second scan that counts the broken rules."""
    import duckdb

    good = " AND ".join(f"coalesce({rule}, true)" for rule in RULES)
    duckdb.execute(f"COPY (SELECT * FROM read_csv('{source}') WHERE {good}) TO '{output}' ({ZSTD})")
    broken = ", ".join(f"count(*) FILTER (WHERE NOT ({rule}))" for rule in RULES)
    print(duckdb.sql(f"SELECT {broken} FROM read_csv('{source}')").fetchall())


def plain_rules(source: Path, output: Path) -> None:
    """A COPY with the share of the rules that are kept, and a second scan for the broken ones."""
    import duckdb

    kept = " + ".join(f"coalesce({rule}, true)::INTEGER" for rule in PLAIN_RULES)
    duckdb.execute(f"""
        COPY (SELECT *, ({kept}) / {len(PLAIN_RULES)} AS quality_score FROM read_csv('{source}'))
        TO '{output}' ({ZSTD})""")
    broken = ", ".join(f"count(*) FILTER (WHERE NOT ({rule}))" for rule in PLAIN_RULES)
    print(duckdb.sql(f"SELECT {broken} FROM read_csv('{source}')").fetchall())


def profile(source: Path, output: Path) -> None:
    """SUMMARIZE, which knows least, greatest, quartiles, spread, distinct values and nulls."""
    import duckdb

    duckdb.execute(f"""
        COPY (
            SELECT column_name AS name, min::DOUBLE AS minimum, max::DOUBLE AS maximum,
                round(avg::DOUBLE, 6) AS mean
            FROM (SUMMARIZE FROM read_parquet('{source}'))
            WHERE list_contains({list(NUMBERS)}, column_name)
        ) TO '{output}' ({ZSTD})""")


def parquet_to_sqlite(source: Path, output: Path) -> None:
    """DuckDB reads, the standard library's sqlite3 writes with executemany."""
    import duckdb

    with duckdb.connect() as connection, sqlite3.connect(output) as target:
        target.execute(
            f"CREATE TABLE {TABLE} (id INTEGER, email TEXT, name TEXT, qty INTEGER,"
            " price REAL, score REAL, day TEXT, note TEXT)"
        )
        rows = connection.execute(
            f"SELECT * REPLACE (CAST(day AS VARCHAR) AS day) FROM read_parquet('{source}')"
        )
        while chunk := rows.fetchmany(10_000):
            target.executemany(f"INSERT INTO {TABLE} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", chunk)
    target.close()


def dedup(source: Path, output: Path) -> None:
    """Find the first row number of each email, then keep those rows: two scans, both spill."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute(f"SET temp_directory = '{output.parent / 'spill'}'")
        connection.execute(f"""
            COPY (
                SELECT * EXCLUDE (file_row_number)
                FROM read_parquet('{source}', file_row_number = true)
                WHERE file_row_number IN (
                    SELECT min(file_row_number)
                    FROM read_parquet('{source}', file_row_number = true)
                    GROUP BY email
                )
            ) TO '{output}' (FORMAT parquet, COMPRESSION zstd)""")


def group_by(source: Path, output: Path) -> None:
    """One COPY statement."""
    import duckdb

    duckdb.execute(f"""
        COPY (
            SELECT country, product, count(*) AS orders, count(coupon) AS coupons,
                count(DISTINCT customer) AS customers, sum(amount) AS total,
                avg(amount) AS mean, max(amount) AS largest
            FROM read_parquet('{source}')
            GROUP BY country, product
        ) TO '{output}' (FORMAT parquet, COMPRESSION zstd)""")


def json_lines_to_parquet(source: Path, output: Path) -> None:
    """One COPY statement."""
    import duckdb

    duckdb.execute(f"""
        COPY (
            SELECT id, person.email, person.age, price, score, len(tags) AS tags, day, note
            FROM read_json('{source}', format = 'newline_delimited')
        ) TO '{output}' (FORMAT parquet, COMPRESSION zstd)""")
