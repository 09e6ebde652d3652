"""Type fidelity: what becomes of each type on its way from a source to a destination.

A destination says in `Sink.stored` what it makes of a column; its loading, `explain`, the check
for `allow_lossy` and the matrix here all read that one answer, and tests prove it by round trips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import SchemaError, WriteError
from arrowetl.stage import Sink, Source
from arrowetl.typemap import NANOSECONDS, NOT_FINITE, Fate, Stored

_NUMBERS = (
    *(pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64()),
    *(pa.decimal32(9, 2), pa.decimal64(18, 4), pa.decimal128(38, 9), pa.decimal128(5, -2)),
    *(pa.decimal256(30, 4), pa.decimal256(76, 10)),
)
_TEXTS = (
    *(pa.string(), pa.large_string(), pa.string_view()),
    *(pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(16)),
)
_TIMES = (
    *(pa.date32(), pa.date64()),
    *(pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
    *(pa.timestamp(unit, "UTC") for unit in ("s", "ms", "us", "ns")),
    *(pa.timestamp("us", "Europe/Rome"), pa.timestamp("ns", "Europe/Rome")),
    *(pa.duration(unit) for unit in ("s", "ms", "us", "ns")),
    pa.month_day_nano_interval(),
)
_NESTED = (
    *(pa.list_(pa.int64()), pa.large_list(pa.int64())),
    *(pa.list_view(pa.int64()), pa.large_list_view(pa.int64()), pa.list_(pa.int64(), 2)),
    *(pa.list_(pa.float64()), pa.list_(pa.timestamp("ns")), pa.list_(pa.duration("ns"))),
    pa.struct({"a": pa.int64(), "b": pa.string()}),
    pa.struct({"a": pa.decimal128(38, 9), "b": pa.binary(), "c": pa.list_(pa.date32())}),
    pa.map_(pa.string(), pa.int64()),
)
_OTHERS = (
    pa.null(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.run_end_encoded(pa.int32(), pa.int64()),
    *(pa.uuid(), pa.json_(), pa.bool8()),
    pa.dense_union([pa.field("a", pa.int64()), pa.field("b", pa.string())]),
)
TYPES: tuple[pa.DataType, ...] = (*_NUMBERS, *_TEXTS, *_TIMES, *_NESTED, *_OTHERS)
"""Every Arrow type, by an example of each that matters."""


@dataclass(frozen=True)
class Passage:
    """What becomes of one type on its way.

    Attributes:
        native: what the source calls it.
        arrow: what it arrives as.
        declared: what the destination declares for it; empty where it is refused.
        back: what our source of the destination's kind reads; None if nothing does.
        fate: what becomes of the values.
        why: what is widened, lost or refused, in words.
    """

    native: str
    arrow: pa.DataType
    declared: str
    back: pa.DataType | None
    fate: Fate
    why: str

    def to_dict(self) -> dict[str, str | None]:
        """Give it as plain values, for programs."""
        return {
            "native": self.native,
            "arrow": str(self.arrow),
            "declared": self.declared or None,
            "back": None if self.back is None else str(self.back),
            "fate": self.fate.value,
            "why": self.why,
        }


def passages(source: type[Source], sink: Sink) -> tuple[Passage, ...]:
    """Give the type-fidelity matrix of a kind of source and a destination; touches neither.

    >>> from arrowetl import ArrowSource, SQLiteLoader
    >>> for each in passages(ArrowSource, SQLiteLoader("w.db", table="t"))[:3]:
    ...     print(each.native, each.declared, each.back, each.fate.value)
    bool BOOLEAN bool lossless
    int8 INTEGER int64 widened
    int16 INTEGER int64 widened
    """
    arriving = source.arrivals() or {str(kind): kind for kind in TYPES}
    told = tuple(_passage(native, kind, sink) for native, kind in arriving.items())
    return tuple(map(_in_microseconds, told)) if source.arrivals() else told


def _in_microseconds(passage: Passage) -> Passage:
    """Take back what only an interval of Arrow's own could lose: all others have no nanoseconds."""
    if not kinds.is_interval(passage.arrow) or passage.fate is not Fate.LOSSY:
        return passage
    fate = Fate.LOSSLESS if passage.back == passage.arrow else Fate.WIDENED
    return replace(passage, fate=fate, why="")


def _passage(native: str, kind: pa.DataType, sink: Sink) -> Passage:
    try:
        (stored,) = sink.stored(pa.schema({"x": kind}))
    except SchemaError as error:
        why = str(error).removeprefix(f"{sink.label}: ").removeprefix(f"column 'x' is {kind}, ")
        return Passage(native, kind, "", None, Fate.REFUSED, why)
    back = kind if stored.fate is Fate.LOSSLESS else stored.back
    return Passage(native, kind, stored.declared, back, stored.fate, stored.why)


def refuse_lossy(
    stored: Sequence[Stored], *, allowed: bool | Sequence[str], where: str
) -> tuple[str, ...]:
    """Raise for columns that lose something and may not; give those to watch while they come.

    Args:
        stored: what a destination makes of the columns.
        allowed: the columns that may lose something; True for all, False for none.
        where: the destination.

    Returns:
        The columns that lose nothing but rare values, for `refuse_rare`.

    Raises:
        SchemaError: a column would lose something; or there is none of a name that is allowed.

    >>> took = Stored("took", pa.duration("ns"), "INTERVAL", fate=Fate.LOSSY, why="in us")
    >>> refuse_lossy([took], allowed=["took"], where="DuckDBLoader")
    ()
    >>> refuse_lossy([took], allowed=False, where="DuckDBLoader")
    Traceback (most recent call last):
    arrowetl.errors.SchemaError: DuckDBLoader: column 'took' is duration[ns] and becomes INTERVAL...
    """
    if allowed is True:
        return ()
    names = [each.column for each in stored]
    for column in allowed or ():
        if column not in names:
            raise SchemaError.missing(column, names, where=f"allow_lossy for {where}")
    lossy = [e for e in stored if e.fate is Fate.LOSSY and e.column not in (allowed or ())]
    refused = [each for each in lossy if each.rare is None]
    if refused:
        raise SchemaError(_refusal(refused), where=where, column=refused[0].column)
    return tuple(each.column for each in lossy)


def _refusal(refused: Sequence[Stored]) -> str:
    told = "; ".join(
        f"column {e.column!r} is {e.arrow} and becomes {e.declared}, which loses some of it "
        f"({e.why})"
        for e in refused
    )
    columns = [each.column for each in refused]
    return (
        f"{told}. Cast it to a type that fits, load into a destination that keeps it "
        f"(`arrowetl types` says which), or allow the loss with allow_lossy={columns!r}"
    )


def refuse_rare(
    batches: Iterator[pa.RecordBatch], guarded: Sequence[Stored], *, where: str
) -> Iterator[pa.RecordBatch]:
    """Give the batches as they are, unless a column has a value in it that would be lost.

    Costs a look at those columns.

    Raises:
        WriteError: there is one.

    >>> batch = pa.record_batch({"x": [1.5, float("nan")]})
    >>> from arrowetl.typemap import NAN
    >>> x = Stored("x", pa.float64(), "REAL", rare=NAN)
    >>> list(refuse_rare(iter([batch]), [x], where="SQLiteLoader"))
    Traceback (most recent call last):
    arrowetl.errors.WriteError: SQLiteLoader: column 'x' has a NaN, which becomes null there...
    """
    for batch in batches:
        for each in guarded:
            lost = _rare(batch[each.column], each.rare) if each.column in batch.schema.names else ""
            if lost:
                raise WriteError(f"{where}: column {each.column!r} has {lost}, {_ways_out(each)}")
        yield batch


def _ways_out(stored: Stored) -> str:
    becomes, way = "becomes null", "Make it one before (NullRemover(null_like=['nan']) or SQL)"
    if stored.rare == NANOSECONDS:
        becomes, way = "is cut", "Cut it before"
    return (
        f"which {becomes} there. {way}, load into a destination that keeps it, or allow it with "
        f"allow_lossy=[{stored.column!r}]"
    )


def _rare(column: pa.Array, rare: str | None) -> str:
    """Say which value that would be lost is in a column, at any depth; nothing if none is."""
    import pyarrow.compute as pc

    kind = column.type
    if rare == NANOSECONDS and kinds.is_interval(kind):
        return NANOSECONDS if _has_nanoseconds(column) else ""
    if rare == NANOSECONDS or not kinds.is_floating(kind):
        return next(filter(None, (_rare(part, rare) for part in _inside(column))), "")
    if pc.any(pc.is_nan(column)).as_py():  # small: one value
        return "a NaN"
    infinite = rare == NOT_FINITE and pc.any(pc.is_inf(column)).as_py()  # small: one value
    return "an infinity" if infinite else ""


def _has_nanoseconds(column: pa.Array) -> bool:
    """Look at the numbers of intervals; pyarrow computes nothing with them."""
    import numpy as np

    there = column.drop_null()
    layout = [("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")]
    end = there.offset + len(there)
    spans = np.frombuffer(there.buffers()[1] or b"", dtype=layout)[there.offset : end]
    return bool((spans["nanoseconds"] % 1000).any())


def _inside(column: pa.Array) -> list[pa.Array]:
    """Give the columns that a column is made of."""
    kind = column.type
    if kinds.is_dictionary(kind):
        return [column.dictionary]
    if kinds.is_run_end_encoded(kind):
        return [column.values]
    if kinds.is_map(kind):
        return [column.keys, column.items]
    if kinds.is_struct(kind):
        return list(column.flatten())
    return [column.flatten()] if kinds.is_nested(kind) and not kinds.is_union(kind) else []
