"""datasketch as its page says: a MinHash each, an LSH for the threshold, those that come out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from benchmarks.matchers.found import TEXT_THRESHOLDS, Found, joined, paired, trigrams

LABEL = "datasketch"
PACKAGES = ("datasketch",)
THRESHOLD = 0.5
THRESHOLDS = TEXT_THRESHOLDS
SKETCH = 128
SMALL = 20_000
BANDS = (20, 6)
"""Of many rows too many would meet in the bands that it chooses for 0.5: it gets rensa's."""


def match(table: pa.Table, thresholds: Sequence[float]) -> Iterator[Found]:
    """Sketch once; an index for each threshold, and pairs compared by their sketches."""
    from datasketch import MinHash, MinHashLSH

    sets = [[gram.encode() for gram in trigrams(text)] for text in joined(table)]
    sketches = MinHash.bulk(sets, num_perm=SKETCH)
    for threshold in sorted(thresholds):
        options = {"threshold": threshold} if len(sets) <= SMALL else {"params": BANDS}
        index = MinHashLSH(num_perm=SKETCH, **options)
        pairs = []
        for row, sketch in enumerate(sketches):
            near = index.query(sketch)
            pairs += [(at, row) for at in near if sketch.jaccard(sketches[at]) >= threshold]
            index.insert(row, sketch)
        yield paired(threshold, pairs)
