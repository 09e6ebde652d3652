"""How fast texts are encoded: ours beside sentence-transformers' own best.

All in one process, turn by turn, over the same texts: `python -m benchmarks.encoding [--texts N]`.
Writes `encoding.json`. What the Deduplicator adds to encoding is measured too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine
from benchmarks.labelled import address

RESULTS = Path(__file__).parent / "results"
BATCHES = (16, 32, 64, 128, 256)


def texts(count: int) -> list[str]:
    """Give texts of a few words up to some fifty."""
    chance = random.Random(3)  # noqa: S311 - the same in every run
    return [" ".join(address(chance) for _ in range(chance.randint(1, 5))) for _ in range(count)]


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Give wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(count: int, rounds: int) -> dict[str, Any]:
    """Encode with each, round after round; then find duplicates among the texts."""
    import pyarrow as pa

    import arrowetl as ae
    from arrowetl.ml.encoders import Encoder, encoder_of

    encoder: Any = encoder_of()
    strings = texts(count)
    array = pa.array(strings)
    ways: dict[str, Callable[[], Any]] = {"arrowetl": lambda: encoder.encode(array)}
    for batch in BATCHES:
        ways[f"sentence-transformers, {batch}"] = lambda batch=batch: encoder._model.encode(  # noqa: SLF001
            strings, batch_size=batch, normalize_embeddings=True, show_progress_bar=False
        )
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    names = list(ways)
    encoder.encode(array[: BATCHES[-1]])
    for number in range(rounds):
        for turn in range(len(names)):
            name = names[(turn + number) % len(names)]
            costs[name].append(timed(ways[name]))

    class Timed(Encoder):
        """The encoder, with its seconds counted."""

        name, dimension, cpu = encoder.name, encoder.dimension, 0.0

        def encode(self, texts: pa.Array) -> Any:
            found: list[Any] = []
            Timed.cpu += timed(lambda: found.append(encoder.encode(texts)))[1]
            return found[0]

    stage = ae.Deduplicator(method="fuzzy", similarity="embedding", model=Timed())
    whole = timed(lambda: stage.find(pa.table({"text": array})).close())[1]
    rates = {name: count / median(cpu for _, cpu in runs) for name, runs in costs.items()}
    best = max(rate for name, rate in rates.items() if name != "arrowetl")
    return {
        "texts": count,
        "seconds": costs,
        "texts_a_cpu_second": rates,
        "of_their_best": rates["arrowetl"] / best,
        "added_to_encoding": (whole - Timed.cpu) / Timed.cpu,
        "machine": machine.describe(),
    }


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoding", description=__doc__)
    parser.add_argument("--texts", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    found = measure(arguments.texts, arguments.runs)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "encoding.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("| way | texts a CPU second |\n| --- | --- |")
    for name, rate in found["texts_a_cpu_second"].items():
        print(f"| {name} | {rate:.0f} |")
    print(f"\nours: {found['of_their_best']:.2f} of their best")
    print(f"index and verification: {found['added_to_encoding']:.3f} of the encoding's CPU time")


if __name__ == "__main__":
    main()
