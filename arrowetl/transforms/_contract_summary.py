"""What was seen of a contract: what differs, and how many rows break which check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from arrowetl.contracts import ContractMode
from arrowetl.errors import StageError
from arrowetl.observing import LOOKED_AT, SEEN, UNTOLD, Observer, different, told
from arrowetl.rules import WORD
from arrowetl.transforms._contract_checks import Check

SHOWN = 60
"""Characters of a sample."""
SAMPLES = 5
"""How many values a line shows."""

SCHEMA = pa.schema(
    [
        ("entity", pa.string()),
        ("column", pa.string()),
        ("check", pa.string()),
        ("mode", pa.string()),
        ("rows", pa.int64()),
        ("broken", pa.int64()),
        ("samples", pa.list_(pa.string())),
    ]
)
"""A row a difference of the columns (its check says what became of it, `broken` is null), and a
row a check."""


class Summary(Observer):
    """Counts the rows that break checks, and ends the run where one is frozen."""

    def __init__(
        self, notes: Sequence[tuple[str, str, str]], checks: Sequence[Check], *, where: str
    ) -> None:
        """Nothing is seen yet."""
        self._notes, self._checks, self._where = tuple(notes), tuple(checks), where
        self._rows = 0
        self._broken = np.zeros(len(self._checks), np.int64)
        self._found: list[list[str]] = [[] for _ in self._checks]

    def see(self, batch: pa.RecordBatch) -> None:
        """Count one batch.

        Raises:
            StageError: a row breaks what is frozen; names the first.
        """
        masks = [mask.to_numpy() for mask in batch[SEEN].flatten()]
        self._stop(batch, masks)
        for at, mask in enumerate(masks):
            self._see_word(batch, at * WORD, mask)
        self._rows += batch.num_rows

    def _stop(self, batch: pa.RecordBatch, masks: Sequence[np.ndarray[Any, Any]]) -> None:
        frozen = [
            (masks[at // WORD] & np.uint64(1 << at % WORD) != 0, check)
            for at, check in enumerate(self._checks)
            if check.mode is ContractMode.FREEZE
        ]
        hit = np.flatnonzero(sum((broken for broken, _ in frozen), np.zeros(batch.num_rows, bool)))
        if not hit.size:
            return
        first = int(hit[0])
        # Of what came, since that may be masked by now, and the checks' own reasons aren't.
        which = [
            f"{check.called} ({', '.join(_shown(batch, check, hit[:1])) or 'false'})"
            for broken, check in frozen
            if broken[first]
        ]
        raise StageError(
            f"{self._where}: row {self._rows + first + 1:,} breaks the contract: "
            f"{'; '.join(which)}; rules are frozen, so nothing is written"
        )

    def _see_word(self, batch: pa.RecordBatch, first: int, mask: np.ndarray[Any, Any]) -> None:
        if not mask.any():
            return
        for bit, check in enumerate(self._checks[first : first + WORD]):
            rows = np.flatnonzero(mask & np.uint64(1 << bit))
            self._broken[first + bit] += rows.size
            known = self._found[first + bit]
            if rows.size and len(known) < SAMPLES:
                shown = _shown(batch, check, rows[:LOOKED_AT])
                self._found[first + bit] = different(known, shown, SAMPLES)

    def summary(self) -> pa.Table:
        """Give a line a difference, and a line a check."""
        lines: list[tuple[Any, ...]] = [
            (entity, column, said, None, self._rows, None, [])
            for entity, column, said in self._notes
        ]
        lines += [
            (check.entity, check.column, check.called, check.mode.value, self._rows, int(n), found)
            for check, n, found in zip(self._checks, self._broken, self._found, strict=True)
        ]
        columns = list(zip(*lines, strict=True)) or [()] * len(SCHEMA)
        arrays = [
            pa.array(values, field.type) if values else pa.nulls(0, field.type)
            for values, field in zip(columns, SCHEMA, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _shown(batch: pa.RecordBatch, check: Check, rows: np.ndarray[Any, Any]) -> list[str]:
    """Give the values, as they came, of some rows that break a check on a column."""
    if check.source is None or check.source not in batch.schema.names:
        return []
    values = told(batch, check.source, rows.tolist())
    if check.hidden:
        return [UNTOLD if value != "None" else value for value in values]
    return [value[:SHOWN] for value in values]
