"""What a Categorizer encodes: rows' texts, in windows that don't depend on where batches end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowetl.ml.categories import Numbers, Scorer
from arrowetl.ml.encoders import Encoder

ROWS = 4096
"""Rows in a window, at most."""
BYTES = 16 << 20
"""Bytes of text in a window; the row that goes beyond is its last."""
LETTERS = 32_768
"""So many characters of a text count; models read far fewer."""
_KEPT = 32_768
_SHORT = 1024
"""Answers for texts of so many bytes are remembered."""


def texts_of(batch: pa.RecordBatch | pa.Table, columns: Sequence[str]) -> pa.Array:
    """Give the rows' texts: those of several columns with a blank between; null if all are empty.

    >>> rows = pa.record_batch({"a": ["x ", None, " "], "b": ["y", "z", None]})
    >>> texts_of(rows, ["a", "b"]).to_pylist()
    ['x y', 'z', None]
    """
    blank = pa.scalar(" ", pa.large_string())
    joined, *others = (_trimmed(batch.column(name)) for name in columns)
    for part in others:
        # Arrow's own `null_handling="skip"` loses rows that have nothing but nulls.
        both = pc.binary_join_element_wise(joined, part, blank)
        joined = pc.coalesce(both, joined, part)
    return _no_empty(pc.utf8_slice_codeunits(joined, 0, LETTERS))


def _trimmed(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        nothing = pa.array([], pa.large_string())
        return pa.concat_arrays([nothing, *map(_trimmed, values.chunks)])
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return _no_empty(pc.utf8_trim_whitespace(values.cast(pa.large_string())))


def _no_empty(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)


@dataclass(frozen=True)
class Window:
    """Some rows: parts of batches, and the texts of all of them."""

    parts: tuple[pa.RecordBatch, ...]
    texts: pa.Array


def windows(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[Window]:
    """Cut the rows into windows of `ROWS`, or fewer where texts are long.

    Where a window ends depends on the rows alone, so a text is always encoded beside the same
    others: what a model gives differs in the last bits by what is beside it. Views, no copy; held
    are the rows of a window.

    >>> parts = [pa.record_batch({"x": ["a", "b"]}), pa.record_batch({"x": ["c"]})]
    >>> [(len(each.parts), each.texts.to_pylist()) for each in windows(parts, ["x"])]
    [(2, ['a', 'b', 'c'])]
    """
    parts: list[pa.RecordBatch] = []
    texts: list[pa.Array] = []
    rows = size = 0
    for batch in batches:
        if not batch.num_rows:
            if not parts:
                yield Window((batch,), pa.array([], pa.large_string()))
            continue
        found = texts_of(batch, columns)
        ends = np.cumsum(pc.fill_null(pc.binary_length(found), 0).to_numpy(zero_copy_only=False))
        low = 0
        while low < batch.num_rows:
            before = ends[low - 1] if low else 0
            long = int(np.searchsorted(ends, before + BYTES - size)) + 1
            high = min(batch.num_rows, low + ROWS - rows, long)
            parts.append(batch.slice(low, high - low))
            texts.append(found.slice(low, high - low))
            rows, size = rows + high - low, size + int(ends[high - 1] - before)
            low = high
            if rows >= ROWS or size >= BYTES:
                yield Window(tuple(parts), pa.concat_arrays(texts))
                parts, texts, rows, size = [], [], 0, 0
    if parts:
        yield Window(tuple(parts), pa.concat_arrays(texts))


class Answers:
    """Gives texts' confidences; equal texts are encoded once, and short ones remembered.

    Holds the answers for the `_KEPT` short texts that were seen last, up to twice as many: 64 MB at
    the very most, a few as a rule.
    """

    def __init__(self, encoder: Encoder, scorer: Scorer, categories: int) -> None:
        """Remember nothing yet."""
        self._encoder, self._scorer = encoder, scorer
        self._texts = pa.array([], pa.large_string())
        self._found: Numbers = np.zeros((0, categories))
        self._used = np.zeros(0, np.int64)
        self._asked = 0

    def confidences(self, texts: pa.Array) -> Numbers:
        """Give a row for each text, shape (texts, categories); NaN for nulls."""
        distinct = pc.dictionary_encode(texts)
        found = self._of(distinct.dictionary)
        nothing = np.full((1, self._found.shape[1]), np.nan)
        places = distinct.indices.fill_null(len(found)).to_numpy(zero_copy_only=False)
        answers: Numbers = np.concatenate([found, nothing])[places]
        return answers

    def _of(self, texts: pa.Array) -> Numbers:
        self._asked += 1
        places = pc.index_in(texts, self._texts).fill_null(-1).to_numpy(zero_copy_only=False)
        places = places.astype(np.int64)
        unknown = np.flatnonzero(places < 0)
        self._used[places[places >= 0]] = self._asked
        found = self._found[places] if len(self._found) else np.zeros((len(texts), 0))
        if len(unknown):
            fresh = texts.take(pa.array(unknown))
            scored = self._scorer.confidences(self._encoder.encode(fresh))
            if not len(self._found):
                found = np.zeros((len(texts), scored.shape[1]))
            found[unknown] = scored
            self._remember(fresh, scored)
        return found

    def _remember(self, texts: pa.Array, scored: Numbers) -> None:
        short = np.flatnonzero(pc.binary_length(texts).to_numpy() <= _SHORT)
        self._texts = pa.concat_arrays([self._texts, texts.take(pa.array(short))])
        self._found = np.concatenate([self._found, scored[short]])
        self._used = np.concatenate([self._used, np.full(len(short), self._asked)])
        if len(self._texts) > 2 * _KEPT:
            last = np.sort(np.argsort(self._used, kind="stable")[-_KEPT:])
            self._texts = self._texts.take(pa.array(last))
            self._found, self._used = self._found[last], self._used[last]
