"""Columns of another table by a key: each flight with its airline and the weather at departure."""

import arrowetl as ae

airlines = ae.CSVSource("fixtures/flights/airlines.csv")
weather = ae.CSVSource("fixtures/flights/weather.csv")

result = (
    ae.Pipeline("flights")
    .extract(ae.ParquetSource("fixtures/flights/flights.parquet"))
    .transform(ae.Lookup(airlines, on="carrier", columns={"name": "airline"}))
    .transform(
        ae.Lookup(weather, on=["origin", "time_hour"], columns=["temp", "wind_speed", "visib"])
    )
    .transform(
        "SELECT airline, count(*) AS flights, round(avg(dep_delay), 1) AS delay, "
        "round(avg(dep_delay) FILTER (visib < 5), 1) AS delay_in_fog "
        "FROM input GROUP BY ALL ORDER BY delay DESC"
    )
)
print(result.preview(20))
