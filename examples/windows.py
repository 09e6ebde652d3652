"""Departures by day, hour and busy spell: windows of time over the flights of New York."""

import numpy as np

import arrowetl as ae

flights = ae.ParquetSource("fixtures/flights/flights.parquet")
wanted = {
    "flights": "count(*)",
    "late": "count(*) FILTER (WHERE dep_delay > 15)",
    "delay": ("dep_delay", "avg"),
}


def show(title: str, source: ae.Source, *stages: ae.Stage | str) -> None:
    """Run the stages and print their first rows."""
    pipeline = ae.Pipeline(title).extract(source)
    for stage in stages:
        pipeline.transform(stage)
    result = pipeline.load(ae.ArrowLoader()).run().result
    print(f"\n{title}: {result.table.num_rows} rows")
    print(result.table.slice(0, 4).to_pandas().to_string(index=False))
    for rejected in result.rejected:
        print(f"rejected {rejected.records}: {rejected.samples[0]}")


show(
    "the days of New York, which begin at five in UTC",
    flights,
    ae.WindowAggregator(
        "time_hour", "1 day", group_by="origin", aggregations=wanted, time_zone="America/New_York"
    ),
)
show(
    "each three hours, every hour, also where nothing flew",
    flights,
    ae.WindowAggregator("time_hour", "3 hours", slide="1 hour", aggregations=wanted, empty=True),
)
show(
    "flights on the same way that follow each other within two hours, with a NumPy function",
    flights,
    ae.WindowAggregator(
        "time_hour",
        gap="2 hours",
        group_by=["origin", "dest"],
        aggregations={"flights": "count(*)", "spread": ("dep_delay", np.ptp)},
    ),
    "SELECT * FROM input ORDER BY flights DESC, origin, dest",
)
# As in a stream: what comes more than an hour behind the newest row is said, not lost.
readings = ae.PythonSource(
    [
        {"at": "2024-05-01 09:10:00", "value": 4.0},
        {"at": "2024-05-01 11:05:00", "value": 6.0},
        {"at": "2024-05-01 09:50:00", "value": 5.0},
    ]
)
show(
    "readings by hour, none later than an hour",
    readings,
    ae.Cast({"at": "TIMESTAMP"}),
    ae.WindowAggregator(
        "at", "1 hour", lateness="1 hour", aggregations={"value": ("value", "avg")}
    ),
)
