"""rensa as its page says: sketches of sets, an index, those that come out compared by sketch.

Its sets are words on that page, which typing errors change altogether; here they are trigrams.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from benchmarks.matchers.found import TEXT_THRESHOLDS, Found, joined, paired, trigrams

LABEL = "rensa"
PACKAGES = ("rensa",)
THRESHOLD = 0.5
THRESHOLDS = TEXT_THRESHOLDS
SMALL = 20_000
BANDS = {True: (32, 4), False: (20, 6)}
"""How many bands of how many hashes. Of sets that share half, 87 % meet in one of 32 bands of four;
of many rows too many would, and they get 20 of six, where that takes sharing 0.7."""


def match(table: pa.Table, thresholds: Sequence[float]) -> Iterator[Found]:
    """Sketch and index once; a pair counts from the threshold on, by its sketches."""
    from rensa import RMinHash, RMinHashLSH

    sets = [trigrams(text) for text in joined(table)]
    bands, depth = BANDS[len(sets) <= SMALL]
    sketches = RMinHash.from_token_sets(sets, num_perm=bands * depth, seed=42)
    index = RMinHashLSH(threshold=min(thresholds), num_perm=bands * depth, num_bands=bands)
    alike: dict[tuple[int, int], float] = {}
    for row, sketch in enumerate(sketches):
        for other in index.query(sketch):
            like = sketch.jaccard(sketches[other])
            if like >= min(thresholds):
                alike[other, row] = like
        index.insert(row, sketch)
    for threshold in sorted(thresholds):
        yield paired(threshold, [pair for pair, like in alike.items() if like >= threshold])
