"""Flights that are odd in all their numbers together, by an isolation forest that is kept."""

import tempfile
from pathlib import Path

import arrowetl as ae

flights = ae.ParquetSource("fixtures/flights/flights.parquet")
# Cancelled ones have no time in the air.
flown = "SELECT carrier, origin, dest, distance, air_time, dep_delay FROM input WHERE air_time > 0"

with tempfile.TemporaryDirectory() as folder:
    odd = ae.AnomalyDetector(
        method="isolation_forest",
        # The carrier by how rare it is; no text is judged unless it is named.
        columns=["distance", "air_time", "dep_delay", "carrier"],
        contamination=0.001,
        sample_size=20_000,
        model=Path(folder, "flights.skops"),
    )
    # The forest is fitted on a sample, and kept; the next run finds it, and no row waits.
    for run in ("fits the forest", "finds it"):
        pipeline = ae.Pipeline(run).extract(flights).transform(flown).transform(odd)
        pipeline.transform(
            "SELECT * FROM input WHERE is_anomaly ORDER BY anomaly_score DESC LIMIT 5"
        )
        result = pipeline.load(ae.ArrowLoader()).run().result
        print(f"A run that {run}:")
        for row in result.table.to_pylist():
            way = f"{row['origin']}-{row['dest']}"
            print(f"  {row['anomaly_score']:.3f} {way}: {row['anomaly_reason']}")
    print(result)  # the summary says for each column how often it was to blame

    # What is odd can also leave the pipeline, as it was, with its reason.
    letters = ae.ArrowLoader()
    rejecting = ae.AnomalyDetector(
        method="ecod", columns=["air_time", "dep_delay"], contamination=0.001, action="reject"
    )
    left = ae.Pipeline("ecod", dead_letters=letters).extract(flights).transform(flown)
    left.transform(rejecting).load(ae.ArrowLoader()).run()
    print("rejected:", letters.table.num_rows, "rows, such as", letters.table["reason"][0])
