"""Dead letters: the rows that were rejected, as they were, with the reason.

They are spooled as Arrow during the run, and delivered just before the destination commits: a
rejected row is never lost because the run ended badly in between.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from arrowetl.arrow import reader_of, scalar
from arrowetl.duck import stream_select
from arrowetl.errors import ConfigError
from arrowetl.stage import REJECTED_SCHEMA, Mode, Sink

SAMPLES = 3
"""How many reasons of each kind a result shows."""

ENVELOPE = pa.schema(
    [
        ("run_id", pa.string()),
        ("pipeline", pa.string()),
        ("stage", pa.string()),
        ("reason_code", pa.string()),
        ("reason", pa.string()),
        ("column", pa.string()),
        ("source", REJECTED_SCHEMA.field("source").type),
        ("rejected_at", pa.timestamp("us", tz="UTC")),
    ]
)
"""What is said of every rejected row; the row itself follows, as the struct `row`."""


@dataclass(frozen=True)
class RunFacts:
    """What all dead letters of a run have in common."""

    run_id: str
    pipeline: str
    started_at: datetime


@dataclass
class Rejects:
    """The rejected rows of one run, counted, sampled and spooled.

    Attributes:
        facts: of the run.
        scratch: where to spool; nothing is written if `keep` is False.
        keep: whether anybody wants the rows themselves.
    """

    facts: RunFacts
    scratch: Path
    keep: bool
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rows by stage and reason code."""
    samples: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _spools: dict[str, tuple[Path, pa.Schema, Any]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All rejected rows."""
        return self.counts.total()

    def by_stage(self, stage: str) -> int:
        """Count the rows that one stage rejected."""
        return sum(rows for (label, _), rows in self.counts.items() if label == stage)

    def add(self, stage: str, why: pa.RecordBatch, rows: pa.RecordBatch | None) -> None:
        """Take rejected rows.

        Args:
            stage: who rejected them.
            why: `reason_code`, `reason`, `column` and, if known, `source`; a row each.
            rows: the rows as they came to the stage; None where nobody wants them.
        """
        self._count(stage, why)
        if not self.keep or rows is None or not rows.num_rows:
            return
        letters = _enveloped(self.facts, stage, why, rows)
        if stage not in self._spools:
            path = self.scratch / f"rejected-{uuid.uuid4().hex}.arrow"
            self._spools[stage] = (path, letters.schema, pa.ipc.new_stream(path, letters.schema))
        self._spools[stage][2].write_batch(letters)

    def _count(self, stage: str, why: pa.RecordBatch) -> None:
        import pyarrow.compute as pc

        for counted in why["reason_code"].value_counts().to_pylist():  # small: one a code
            self.counts[stage, counted["values"]] += counted["counts"]
        for key in [key for key in self.counts if key[0] == stage]:
            known = self.samples.setdefault(key, [])
            if len(known) < SAMPLES:
                mask = pc.equal(why["reason_code"], scalar(key[1], why["reason_code"].type))
                some = why["reason"].filter(mask).unique().slice(0, SAMPLES)
                new = [text for text in some.to_pylist() if text not in known]  # small: SAMPLES
                known += new[: SAMPLES - len(known)]

    def deliver(self, sink: Sink) -> None:
        """Put all rejected rows into a destination, and commit it.

        A folder of files gets one file a stage, its rows typed as they were. A single table
        gets them all, each row as JSON text.
        """
        self.close()
        destination = _appending(sink)
        if destination.mixed_schemas:
            for path, schema, _ in self._spools.values():
                _load(destination, schema, _spooled(path))
            return
        as_text = pa.schema([*ENVELOPE, ("row", pa.string())])
        _load(destination, as_text, self._as_text(as_text))

    def _as_text(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        select = 'SELECT * REPLACE (to_json("row")::VARCHAR AS "row") FROM input'
        for path, _, _ in self._spools.values():
            for batch in stream_select(lambda _: select, _spooled(path)):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

    def close(self) -> None:
        """Finish the spool files. Safe twice."""
        for _, _, writer in self._spools.values():
            writer.close()


def check_apart(sink: Sink, letters: Sink | None) -> None:
    """Raise ConfigError if the dead letters would wait for the destination, and it for them.

    They are delivered before it commits. A sink that locks a file until then gives its path as
    `locks`. And they are added to those of earlier runs: a mode that says otherwise is refused.
    """
    mode = getattr(letters, "mode", None)
    if letters is not None and mode in {Mode.REPLACE, Mode.UPSERT}:
        raise ConfigError(
            f"dead letters are added to those of earlier runs, so {letters.label} can't have "
            f"mode={str(mode)!r}; leave it out"
        )
    locked = getattr(sink, "locks", None)
    if letters is not None and locked is not None and locked == getattr(letters, "locks", None):
        raise ConfigError(
            f"the dead letters can't be in the file of {sink.label}, which is locked when they "
            f"come; put them into another file"
        )


def _enveloped(
    facts: RunFacts, stage: str, why: pa.RecordBatch, rows: pa.RecordBatch
) -> pa.RecordBatch:
    def all_rows(value: str | datetime | None, kind: pa.DataType) -> pa.Array:
        return pa.repeat(scalar(value, kind), rows.num_rows)

    known: dict[str, str | datetime | None] = {
        "run_id": facts.run_id,
        "pipeline": facts.pipeline,
        "stage": stage,
        "rejected_at": facts.started_at,
        "source": None,
    }
    columns = [
        why[each.name] if each.name in why.schema.names else all_rows(known[each.name], each.type)
        for each in ENVELOPE
    ]
    row = pa.StructArray.from_arrays(rows.columns, fields=list(rows.schema))
    schema = pa.schema([*ENVELOPE, pa.field("row", row.type)])
    return pa.RecordBatch.from_arrays([*columns, row], schema=schema)


def _appending(sink: Sink) -> Sink:
    """Give the sink so that it adds to what is there: dead letters of earlier runs stay."""
    known: Any = sink
    if is_dataclass(known) and "mode" in {each.name for each in fields(known)}:
        return cast("Sink", replace(known, mode=Mode.APPEND))  # type: ignore[type-var]
    return sink


def _spooled(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        yield from reader


def _load(sink: Sink, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    sink.begin(schema)
    try:
        sink.write(reader_of(schema, batches))
        sink.commit()
    except BaseException:
        sink.abort()
        raise
