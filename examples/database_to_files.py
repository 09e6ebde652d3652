"""From databases to files: a SQLite table, a query with parameters, and a view of a DuckDB file."""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

import arrowetl as ae

with TemporaryDirectory() as name:
    folder = Path(name)

    # Databases to read: extract takes a path, and reads it by its ending.
    ae.Pipeline().extract("fixtures/flights/flights.csv").load(
        ae.SQLiteLoader(folder / "flights.db", table="flights", mode="replace")
    ).run()
    with duckdb.connect(str(folder / "planes.duckdb")) as database:
        database.execute("CREATE TABLE planes AS FROM 'fixtures/flights/planes.csv'")
        database.execute("CREATE VIEW large AS SELECT tailnum, seats FROM planes WHERE seats > 300")

    # Each column has the type its table declares, and each value is held to it.
    to_parquet = (
        ae.Pipeline("table to Parquet")
        .extract(ae.SQLiteSource(folder / "flights.db", table="flights"))
        .transform(ae.Filter("dep_delay > 0"))
        .load(ae.ParquetLoader(folder / "delayed.parquet"))
    )
    print(to_parquet.run().result)

    # Values are bound, never part of the text.
    query = (
        "SELECT carrier, count(*) AS flights FROM flights WHERE origin = :origin GROUP BY carrier"
    )
    source = ae.SQLiteSource(folder / "flights.db", query=query, params={"origin": "JFK"})
    ae.Pipeline().extract(source).load(ae.CSVLoader(folder / "carriers.csv")).run()
    print((folder / "carriers.csv").read_text())

    # Of a DuckDB table or view only the needed columns and rows are read.
    large = (
        ae.Pipeline("view to CSV")
        .extract(ae.DuckDBSource(folder / "planes.duckdb", table="large"))
        .transform("SELECT seats, count(*) AS planes FROM input GROUP BY ALL ORDER BY ALL")
        .load(ae.CSVLoader(folder / "large.csv"))
    )
    large.explain()
    print(large.run().result)
