"""Delays by airline: built-in aggregates, SQL ones, and a function of NumPy's."""

import numpy as np

import arrowetl as ae


def spread(delays: np.ndarray) -> float:
    """Give the minutes between the best and the worst tenth of one airline's delays."""
    low, high = np.quantile(delays, [0.1, 0.9])
    return float(high - low)


airlines = ae.CSVSource("fixtures/flights/airlines.csv")
result = (
    ae.Pipeline("delays")
    .extract(ae.ParquetSource("fixtures/flights/flights.parquet"))
    .transform(ae.NullRemover("drop", columns=["arr_delay"]))
    .transform(
        ae.Aggregator(
            ["carrier"],
            {
                "flights": ("arr_delay", "count"),
                "median_delay": ("arr_delay", "median"),
                "late_share": "avg((arr_delay > 30)::INTEGER)",
                "spread": ("arr_delay", spread),
            },
            returns={"spread": "double"},
        )
    )
    .transform(
        ae.SQL(
            "SELECT name, input.* EXCLUDE (carrier) FROM input JOIN airlines USING (carrier) "
            "ORDER BY late_share DESC",
            tables={"airlines": airlines},
        )
    )
)
print(result.preview(20))
