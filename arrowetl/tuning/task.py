"""What is tuned: which knobs a plan has, how large its input is, how alike two tasks are."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.engines.local import Settings
from arrowetl.engines.run import LEAN_MEGABYTES
from arrowetl.planning.plan import Plan
from arrowetl.stage import BATCH_ROWS, Sink, Stage
from arrowetl.tunable import Knob

_TEXT_BYTES = 40
"""What a text is taken to have, and whatever else has no size of its own."""
_PROCESS = 200 << 20
"""What a process takes that holds nothing yet."""
_THREAD = 64 << 20
_ENCODED = 4 << 20
"""What encoding takes for each text of a batch, at most."""
_SHARE = 0.8
"""DuckDB's own limit, of all memory."""


@dataclass(frozen=True)
class Task:
    """A pipeline over input of about a size, on a machine with so many cores.

    Attributes:
        name: the same for the same pipeline, schema, order of magnitude and cores.
        pipeline: the pipeline's name.
        kinds: the classes of its source, stages and destination.
        shape: what its rows are like: `bytes` (log10), `columns` (log10), the shares of `text`,
            `numbers` and `nested` columns, `cores`.
    """

    name: str
    pipeline: str
    kinds: tuple[str, ...]
    shape: Mapping[str, float]

    def alike(self, kinds: Sequence[str], shape: Mapping[str, float]) -> float:
        """Say how alike another task is, below 1: by its size, its columns and its stages."""
        mine, theirs = set(self.kinds), set(kinds)
        apart = 1 - len(mine & theirs) / max(len(mine | theirs), 1)
        apart += sum(abs(value - shape.get(each, 0.0)) for each, value in self.shape.items()) / 2
        return 0.99 * math.exp(-apart)


def task_of(plan: Plan) -> Task:
    """Say what a plan's task is; no row is read for it."""
    schema, cores = plan.schema_in, os.cpu_count() or 1
    stages = [step.stage for step in plan.steps]
    named = (plan.source, *stages, *([plan.sink] if plan.sink else []))
    found = tuple(type(each).__name__ for each in named)
    size = math.log10(max(plan.source.size or 1, 1))
    count = max(len(schema), 1)
    texts = sum(_is_text(field.type) for field in schema)
    nested = sum(kinds.is_nested(field.type) for field in schema)
    shape = {
        "bytes": size,
        "columns": math.log10(count),
        "text": texts / count,
        "numbers": (count - texts - nested) / count,
        "nested": nested / count,
        "cores": float(cores),
    }
    statements = [step.statement for step in plan.steps]
    said = "\n".join([plan.name, *found, str(schema), f"{size:.0f}", str(cores), *statements])
    name = hashlib.sha256(said.encode()).hexdigest()[:12]
    return Task(name, plan.name, found, shape)


def knobs_of(plan: Plan, settings: Settings, stages: Sequence[Stage], sink: Sink) -> list[Knob]:
    """Give what may be chosen for a plan: what makes a difference, and nobody has said.

    Batches matter where rows leave DuckDB; what databases are handed at a time is their own. Its
    memory matters where it holds rows, or writes them itself, in order.
    """
    found: list[Knob] = []
    streamed = plan.copy is None or any(not segment.sql for segment in plan.segments)
    usual = Settings()
    if settings.batch_size == usual.batch_size and streamed:
        found.append(
            Knob("batch_rows", tuple(BATCH_ROWS >> 6 << n for n in range(0, 9, 2)), BATCH_ROWS)
        )
    cores = os.cpu_count() or 1
    if settings.threads is None and cores > 1:
        found.append(Knob("threads", tuple(sorted({*_powers(cores), cores})), cores))
    holding = bool(plan.holds) or plan.copy is not None
    if settings.memory_limit is None and plan.relation is not None and holding:
        most = max(int(_SHARE * _memory() / 1e6), 256)
        lean = plan.copy is not None and not plan.holds
        common = LEAN_MEGABYTES * cores if lean else most
        values = {mb for mb in (200, 400, 800, 1600, 3200, 6400) if mb < most} | {common}
        found.append(Knob("memory_mb", tuple(sorted(values)), common))
    parts = (*stages, sink)
    for knob in (knob for part in parts for knob in part.knobs):
        if knob.name not in {each.name for each in found}:
            found.append(knob)
    return found


def _powers(most: int) -> list[int]:
    return [1 << power for power in range(most.bit_length()) if 1 << power <= most]


def set_to(settings: Settings, chosen: Mapping[str, int]) -> Settings:
    """Give settings with what was chosen of them."""
    return replace(
        settings,
        batch_size=chosen.get("batch_rows", settings.batch_size),
        threads=chosen.get("threads", settings.threads),
        memory_limit=f"{chosen['memory_mb']}MB" if "memory_mb" in chosen else settings.memory_limit,
    )


def memory_of(plan: Plan, chosen: Mapping[str, int]) -> float:
    """Give how many bytes a run takes with some settings, at most, as far as can be told.

    DuckDB's limit, the batches and row groups under way, what is encoded, and the process.
    """
    row = sum(_width(field.type) for field in plan.schema_in)
    threads = chosen.get("threads", os.cpu_count() or 1)
    limit = chosen.get("memory_mb", LEAN_MEGABYTES * threads) * 1e6
    batches = chosen.get("batch_rows", BATCH_ROWS) * row * (2 + len(plan.segments))
    groups = (chosen.get("row_group_rows", 0) + chosen.get("ingest_rows", 0)) * row * 2
    return (
        _PROCESS
        + threads * _THREAD
        + limit
        + batches
        + groups
        + (chosen.get("encoding_batch", 0) * _ENCODED)
    )


def _width(kind: pa.DataType) -> int:
    try:
        return max(int(kind.bit_width) // 8, 1)
    except ValueError:
        return _TEXT_BYTES


def _is_text(kind: pa.DataType) -> bool:
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
