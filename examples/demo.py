"""Clean a messy customer export into a database, and show what became of every row.

python examples/demo.py [FOLDER]     # FOLDER is `demo-output` by default
"""

import os
import shutil
import sys
from pathlib import Path

import duckdb
from rich.console import Console

import arrowetl as ae

FIXTURES = Path(os.path.relpath(Path(__file__).parent.parent / "fixtures"))
NULLS = ("", "N/A", "NULL", "-", "none", "?", "NaN")

TIDY = """
SELECT
    customer_id,
    "Full Name" AS name,
    lower(trim("Email Address")) AS email,
    country,
    city,
    postal_code,
    coalesce(try_strptime(signup_date, '%Y-%m-%d'), try_strptime(signup_date, '%d/%m/%Y'))::DATE
        AS signup_date,
    nullif(regexp_replace(lifetime_value, '[^0-9.,]', '', 'g'), '') AS lifetime_value
FROM input
"""


def pipeline(folder: Path) -> ae.Pipeline:
    """Describe it: nothing runs yet."""
    return (
        ae.Pipeline("customers", dead_letters=ae.ParquetLoader(f"{folder}/rejects/"), progress=True)
        .extract(ae.CSVSource(FIXTURES / "customers" / "messy.csv"))
        .transform(ae.NullRemover("drop", columns=["Email Address"], null_like=NULLS))
        .transform(TIDY)
        .transform(ae.Cast({"lifetime_value": "DECIMAL(12, 2)"}, on_error="dead_letter"))
        .transform(ae.Deduplicator(on=["email"], keep="first"))
        .load(ae.SQLiteLoader(folder / "warehouse.db", table="customers", mode="replace"))
    )


def main() -> None:
    """Run it, and show the plan, the ledger, the dead letters and the result."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output")
    shutil.rmtree(folder / "rejects", ignore_errors=True)
    folder.mkdir(exist_ok=True)
    show = Console()

    show.rule("1. The plan, before a row is read")
    cleaning = pipeline(folder)
    cleaning.explain()

    show.rule("2. The run: where every row went")
    cleaning.run()
    show.print(cleaning.result)

    show.rule("3. The dead letters: typed, with their place, for any tool to query")
    letters = duckdb.sql(
        "SELECT stage, reason_code, count(*) AS records, min(source.line) AS first_line, "
        f"any_value(reason) AS example FROM read_parquet('{folder}/rejects/**/*.parquet', "
        "union_by_name = true) GROUP BY ALL ORDER BY records DESC"
    )
    print(letters)

    show.rule("4. What arrived")
    show.print(ae.Pipeline().extract(ae.ArrowSource(loaded(folder))).preview(5))

    show.rule("Next")
    print(
        f"- The table is in {folder}/warehouse.db, the rejected rows in {folder}/rejects/.\n"
        "- Run it again: the table is replaced in one transaction.\n"
        "- The same from a file: arrowetl explain examples/customers.yaml\n"
        "- More small programs: examples/"
    )


def loaded(folder: Path) -> object:
    """Read the first rows of the table back."""
    from adbc_driver_sqlite import dbapi

    with dbapi.connect(f"file:{folder}/warehouse.db") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM customers LIMIT 5")
        return cursor.fetch_arrow_table()


if __name__ == "__main__":
    main()
