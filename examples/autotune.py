"""A pipeline that finds out with which settings it is quick, from run to run."""

import tempfile
from pathlib import Path

import pyarrow.compute as pc

import arrowetl as ae

flights = ae.ParquetSource("fixtures/flights/flights.parquet")


def speed(batch):
    """Add how fast each flight was, in miles an hour; none if it never flew."""
    hours = pc.divide(pc.cast(batch["air_time"], "float64"), 60)
    return batch.append_column("speed", pc.divide(batch["distance"], hours))


with tempfile.TemporaryDirectory() as folder:
    tuner = ae.AutoTuner(
        Path(folder, "tuning.db"),  # what runs took is kept here
        # By default the first run has the usual settings; from a bad start there is more to see.
        start={"batch_rows": 1024, "threads": 1},
        # On a machine with other work, seconds of the processor say more than those of the clock.
        measure="cpu",
    )
    pipeline = (
        ae.Pipeline("flights", tuner=tuner)
        .extract(flights)
        # Twenty such files, so that there is something to gain.
        .transform(
            "SELECT carrier, distance, air_time, unnest(range(20)) AS file FROM input"
            " WHERE air_time > 0"
        )
        .transform(ae.Map(speed))
        .load(ae.ParquetLoader(Path(folder, "speeds.parquet"), mode="replace"))
    )
    for run in range(1, 7):
        result = pipeline.run().result
        settings = ", ".join(f"{name} {n:,}" for name, n in result.tuning.settings.items())
        rate = result.records_extracted / result.duration_seconds
        print(f"run {run}, {result.tuning.way:7}: {rate:9,.0f} rows/s, {settings}")

    # Why, in words, and how sure it is: each run's result says what those before it taught.
    print(f"{result.tuning.confidence:.0%} sure of the best so far, since")
    for reason in result.tuning.reasons:
        print(f"  {reason}")

    # The history is a table, a run a row; the command `arrowetl tune` shows it.
    history = tuner.history_table().select(["way", "rows", "seconds", "cpu_seconds"])
    best = history.sort_by("seconds").slice(0, 3)
    print("the quickest runs:")
    for row in best.to_pylist():
        print(
            f"  {row['seconds']:.3f} s ({row['cpu_seconds']:.3f} s of the processor): {row['way']}"
        )
