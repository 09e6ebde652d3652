"""The parts of an index: arrays of records that never change; parts of about a size become one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from arrowetl.ml._threads import in_order
from arrowetl.ml.arrays import Arrays, Entry
from arrowetl.ml.bands import ROW_BITS, entries, merged
from arrowetl.ml.candidates import Hashed, Plan
from arrowetl.ml.grams import Rows
from arrowetl.ml.records import Keys

Array = npt.NDArray[Any]

MOST = 1 << ROW_BITS
"""How many records a part has at most."""
_CHUNK = 1 << 16
_TIMES = 2
"""Parts become one where the older isn't so many times as large as what comes after it."""


@dataclass(frozen=True)
class KeptPart:
    """Records that were added together, or became one part since.

    Attributes:
        rows: how many records.
        begin: the number of the first.
        arrays: by name; mapped, so that only what is used is read.
        entries: what the manifest says of each.
    """

    rows: int
    begin: int
    arrays: dict[str, Array]
    entries: dict[str, Entry]

    def facts(self) -> dict[str, Any]:
        """Give what the manifest keeps."""
        return {"rows": self.rows, "arrays": self.entries}

    def known(self, keys: Keys) -> Rows:
        """Give for each key its record's number; -1 where it isn't here."""
        kept, rows, checks = (self.arrays[name] for name in ("keys", "key_rows", "checks"))
        found = np.full(len(keys), -1, np.int64)
        if not self.rows:
            return found
        order = np.argsort(keys[:, 0])  # neighbours touch the same pages
        wanted = keys[order]
        places = np.minimum(np.searchsorted(kept, wanted[:, 0]), self.rows - 1)
        record = rows[places].astype(np.int64)
        same = (kept[places] == wanted[:, 0]) & (checks[record] == wanted[:, 1])
        found[order[same]] = record[same] + self.begin
        return found


def opened(kept: Arrays, parts: Iterable[Mapping[str, Any]]) -> list[KeptPart]:
    """Map the parts that a manifest names."""
    found: list[KeptPart] = []
    for facts in parts:
        begin = found[-1].begin + found[-1].rows if found else 0
        arrays = {name: kept.read(entry) for name, entry in facts["arrays"].items()}
        found.append(KeptPart(facts["rows"], begin, arrays, dict(facts["arrays"])))
    return found


def with_arrays(kept: Arrays, part: KeptPart, more: Mapping[str, Entry]) -> KeptPart:
    """Give a part with some arrays written anew."""
    arrays = part.arrays | {name: kept.read(entry) for name, entry in more.items()}
    return KeptPart(part.rows, part.begin, arrays, {**part.entries, **more})


def write_keys(kept: Arrays, keys: Keys) -> dict[str, Entry]:
    """Write records' keys in order, so that they are found by binary search."""
    order = np.argsort(keys[:, 0], kind="stable")
    return {
        "keys": kept.write("keys", keys[order, 0]),
        "key_rows": kept.write("key_rows", order.astype(np.uint32)),
        "checks": kept.write("checks", keys[:, 1]),
    }


def write_bands(
    kept: Arrays, hashes: Hashed, planned: Plan | None, rows: Rows, *, threads: int
) -> dict[str, Entry]:
    """Write the bands in which some of the records are found."""
    if planned is None:
        return {}
    shape = (planned.bands, len(rows))
    lines = in_order(
        lambda band: entries(hashes, planned, band, rows), range(planned.bands), threads=threads
    )
    return {"bands": kept.stream("bands", shape, np.dtype(np.uint64), lines)}


def write_rows(kept: Arrays, name: str, values: Array, order: Rows | None = None) -> Entry:
    """Write the rows of an array, or some of them in an order, a few at a time."""
    if order is None:
        return kept.write(name, values)
    shape = (len(order), *values.shape[1:])
    some = (values[order[low : low + _CHUNK]] for low in range(0, len(order), _CHUNK))
    return kept.stream(name, shape, values.dtype, some)


def to_merge(sizes: Sequence[int]) -> int:
    """Say how many of the last parts become one, so that there are never many.

    Each record is written again as often as its part doubles.

    >>> to_merge([1000, 10]), to_merge([40, 20, 10]), to_merge([40, 20, 15, 10])
    (0, 0, 4)
    """
    count, rows = 1, sizes[-1] if sizes else 0
    for size in reversed(sizes[:-1]):
        if size >= _TIMES * rows or size + rows > MOST:
            break
        count, rows = count + 1, rows + size
    return count if count > 1 else 0


def one_of(kept: Arrays, parts: Sequence[KeptPart]) -> KeptPart:
    """Write several parts as one; all of them is read, and checked."""
    whole = [
        {name: kept.read(entry, whole=True) for name, entry in part.entries.items()}
        for part in parts
    ]
    begins = [part.begin - parts[0].begin for part in parts]
    written: dict[str, Entry] = {}
    for name in whole[0]:
        arrays = [part[name] for part in whole]
        if name == "starts":
            written[name] = kept.write(name, *_starts(arrays))
        elif name == "bands":
            shape = (len(arrays[0]), sum(array.shape[1] for array in arrays))
            lines = (merged([array[band] for array in arrays], begins) for band in range(shape[0]))
            written[name] = kept.stream(name, shape, np.dtype(np.uint64), lines)
        elif name == "keys":
            written |= _keys(kept, arrays, [part["key_rows"] for part in whole], begins)
        elif name != "key_rows":
            written[name] = kept.write(name, *arrays)
    arrays_ = {name: kept.read(entry) for name, entry in written.items()}
    return KeptPart(sum(part.rows for part in parts), parts[0].begin, arrays_, written)


def _starts(arrays: Sequence[Array]) -> Iterator[Array]:
    end = 0
    for number, starts in enumerate(arrays):
        yield starts[1 if number else 0 :] + end
        end += int(starts[-1])


def _keys(
    kept: Arrays, keys: Sequence[Array], rows: Sequence[Array], begins: Sequence[int]
) -> dict[str, Entry]:
    both = np.concatenate(keys)
    where = np.concatenate(
        [some + np.uint32(begin) for some, begin in zip(rows, begins, strict=True)]
    )
    order = np.argsort(both, kind="stable")
    return {
        "keys": kept.write("keys", both[order]),
        "key_rows": kept.write("key_rows", where[order]),
    }
