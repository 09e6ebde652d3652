"""Customers that come day by day: each day's rows are compared with all that came before."""

import tempfile
from pathlib import Path

import arrowetl as ae

CUSTOMERS = ae.CSVSource("fixtures/customers/messy.csv")
ON = {"Full Name": 1, "Email Address": 2, "phone": 1, "street": 1, "birth_date": 1}


def load(day: str, rows: str, folder: Path) -> int:
    """Add a day's new customers to a folder of Parquet files; give how many there were."""
    stage = ae.Deduplicator(
        on=ON,
        method="fuzzy",
        threshold=0.6,
        # What was compared is kept here. It counts as seen once its rows are in the destination:
        # a run that fails leaves both as they were, and can simply be run again.
        index=folder / "seen",
    )
    run = (
        ae.Pipeline(day)
        .extract(CUSTOMERS)
        .transform(f"SELECT * FROM (SELECT *, row_number() OVER () AS n FROM input) WHERE {rows}")
        .transform(stage)
        .load(ae.ParquetLoader(folder / "customers", mode="append"))
        .run()
    )
    *_, deduplicated = run.result.stages
    print(f"{day}: {deduplicated.records_in:,} rows came, {deduplicated.records_out:,} are new")
    return deduplicated.records_out


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    load("Monday", "n <= 9000", folder)
    # Of Tuesday's rows those go that are like one of Monday's, and those like another of Tuesday's.
    load("Tuesday", "n > 9000", folder)
    # Somebody sends Tuesday's file again: nothing is added.
    load("Tuesday again", "n > 9000", folder)
    # And a day whose rows overlap: only what nobody has sent yet would be added.
    load("all at once", "true", folder)
    size = sum(file.stat().st_size for file in (folder / "seen").iterdir())
    print(f"What the index keeps takes {size / 2**20:.1f} MB.")
