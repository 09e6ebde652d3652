"""Flights that took far longer in the air than others on the same way, and why each was found."""

import arrowetl as ae

flights = ae.ParquetSource("fixtures/flights/flights.parquet")

result = (
    ae.Pipeline("slow")
    .extract(flights)
    # On request by group: what is usual from Newark to Boston isn't on the way to Honolulu.
    .transform(ae.AnomalyDetector(columns=["air_time"], group_by=["origin", "dest"], min_rows=30))
    .transform("SELECT time_hour, origin, dest, anomaly_reason FROM input WHERE is_anomaly")
    .load(ae.ArrowLoader())
    .run()
    .result
)
print(result)  # the summary says for each column how many values were judged, and were far away
print(result.table.slice(0, 5).to_pandas().to_string(index=False))

# An amount that spans orders of magnitude: on a linear scale many sound ones would be far away.
orders = ae.PythonSource(
    [{"amount": amount} for amount in (9, 12, 15, 20, 24, 31, 47, 80, 140, 390, 900, 2_000_000)]
)
for scale in ("linear", "log"):
    found = (
        ae.Pipeline(scale)
        .extract(orders)
        .transform(ae.AnomalyDetector(columns=["amount"], scale=scale))
        .transform(ae.Filter("is_anomaly"))
        .load(ae.ArrowLoader())
        .run()
    )
    print(f"{scale}:", found.result.table["anomaly_reason"].to_pylist())
