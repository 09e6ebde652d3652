"""From CSV to a folder of Parquet files by airport, and from there to gzipped CSV again."""

from pathlib import Path
from tempfile import TemporaryDirectory

import arrowetl as ae

with TemporaryDirectory() as folder:
    parquet = Path(folder) / "flights"
    (
        ae.Pipeline("to Parquet")
        .extract(ae.CSVSource("fixtures/flights/flights.csv"))
        .load(ae.ParquetLoader(parquet, partition_by=["origin"], mode="replace"))
        .run()
    )
    back = (
        ae.Pipeline("to CSV")
        .extract(ae.ParquetSource(parquet))
        .transform(ae.Filter("origin = 'JFK'"))  # only this airport's files are read
        .transform(ae.Select(["carrier", "flight", "dest", "dep_delay"]))
        .load(ae.CSVLoader(Path(folder) / "jfk.csv.gz", mode="replace"))
    )
    back.explain()
    print(back.run().result)
