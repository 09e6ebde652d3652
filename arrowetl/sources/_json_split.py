"""JSON text cut into records: lines, values that follow one another, the elements of a list.

The text of a record isn't copied and isn't judged here: one that is wrong inside leaves its
neighbours whole. What can't be cut is a record with a fault, and so ends in the dead letters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from arrowetl.errors import ReadError, closest, did_you_mean
from arrowetl.rejected import as_text
from arrowetl.sources._json_scan import CLOSE, COLON, COMMA, OPEN, Marks, Scan
from arrowetl.sources._text_lines import FAULTS as LINE_FAULTS
from arrowetl.sources._text_lines import (
    LINE_SIZE,
    LONGEST,
    _undecodable,
    _valid,
    _with_faults,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]

SHOWN = 1 << 10
"""Bytes of a text that the dead letters get where it isn't a record, or is too long for one."""
BLANK = b" \t\r\n"

TRUNCATED, TRAILING, TWICE = "truncated", "trailing_text", "duplicate_path"
FAULTS = {
    **LINE_FAULTS,
    TRUNCATED: "the file ends in the middle of it",
    TRAILING: "it stands behind the end of the JSON value",
    TWICE: "an object on the way to the records has a key twice",
}

RECORDS = pa.schema(
    [("line", pa.int64()), ("byte", pa.int64()), ("text", pa.string()), ("fault", pa.string())]
)
"""A record's text with the white space and the separator around it, the line and the byte where
that begins, both from 1, and what is wrong with it as a piece of text."""

Records = Iterator[pa.RecordBatch]


def cut_lines(blocks: Iterator[bytes]) -> Records:
    r"""Give each line; those of no bytes are left out.

    >>> [batch["text"].to_pylist() for batch in cut_lines(iter([b'{"a":', b"1}\n\n{}"]))]
    [['{"a":1}\n'], ['{}']]
    """
    cutter = Cutter()
    for block in blocks:
        yield from cutter.take(block, _newlines(block) + 1)
    yield from cutter.rest()


def cut_values(blocks: Iterator[bytes]) -> Records:
    """Give each value; objects and arrays may follow one another with or without white space.

    >>> [batch["text"].to_pylist() for batch in cut_values(iter([b'{"a":1}{"a":', b"2} "]))]
    [['{"a":1}'], ['{"a":2}']]
    """
    cutter, scan = Cutter(), Scan()
    for block in blocks:
        marks = scan.look(block)
        yield from cutter.take(block, marks.at[(marks.kind == CLOSE) & (marks.depth == 1)] + 1)
    yield from cutter.rest(fault=TRUNCATED if scan.depth or scan.inside else None)


def cut_elements(blocks: Iterator[bytes], keys: Sequence[str] = ()) -> Records:
    """Give the elements of the list that is found by `keys`, one object in the other.

    What else is in the file is passed over. Of files with several values each must have the list.
    Where a key on the way stands twice, the elements of the later lists have a fault.

    Raises:
        ReadError: the list isn't there.

    >>> text = b'{"n": 2, "data": {"items": [{"a": 1}, {"a": 2}]}}'
    >>> batches = cut_elements(iter([text]), ["data", "items"])
    >>> [element for batch in batches for element in batch["text"].to_pylist()]
    ['{"a": 1} ', ' {"a": 2} ']
    """
    elements = _Elements(tuple(keys))
    for block in blocks:
        yield from elements.take(block)
    yield from elements.rest()


@dataclass
class Cutter:
    """What is known of a text between two blocks."""

    held: list[bytes] = field(default_factory=list)
    """Text that has no end yet."""
    size: int = 0
    """Bytes of `held`, kept or not."""
    line: int = 1
    """Where `held` begins, as `byte`."""
    byte: int = 1
    blank: bool = False
    """Whether a record of white space is one."""

    def take(self, block: bytes, ends: Places) -> Records:
        """Give what is held and the block as records; one ends at each of `ends`."""
        import numpy as np

        if not len(ends):
            self._hold(block)
            return
        if self.size > LONGEST:
            yield self._too_long(block[: ends[0]])
            block, ends = block[ends[0] :], ends[1:] - ends[0]
        text = b"".join([*self.held, block])
        bounds = np.concatenate(([0], ends + self.size))
        feeds = _newlines(text)
        lines = self.line + np.searchsorted(feeds, bounds)
        batch = _batch(text, bounds, lines[:-1], self.byte, blank=self.blank)
        self._begin(int(lines[-1]), self.byte + int(bounds[-1]))
        self._hold(text[bounds[-1] :])
        if batch.num_rows:
            yield batch

    def skip(self, block: bytes) -> None:
        """Pass over what is held, and over the block."""
        feeds = sum(part.count(b"\n") for part in (*self.held, block))
        self._begin(self.line + feeds, self.byte + self.size + len(block))

    def rest(self, *, fault: str | None = None) -> Records:
        """Give what is held at the end of the text, if it is more than white space."""
        if self.size > LONGEST:
            yield self._too_long(b"")
            return
        text = b"".join(self.held)
        if text.strip(BLANK):
            yield self.one(text, fault)
        self._begin(self.line, self.byte)

    def one(self, text: bytes, fault: str | None) -> pa.RecordBatch:
        """Give one record that begins where `held` does."""
        import numpy as np

        bounds = np.array([0, len(text)])
        batch = _batch(text, bounds, np.array([self.line]), self.byte, blank=True)
        if fault is None:
            return batch
        shown = as_text(text, limit=len(text) - len(text.lstrip(BLANK)) + SHOWN)
        return pa.RecordBatch.from_arrays(
            [batch["line"], batch["byte"], pa.array([shown]), pa.array([fault])], schema=RECORDS
        )

    def _begin(self, line: int, byte: int) -> None:
        self.held, self.size, self.line, self.byte = [], 0, line, byte

    def _hold(self, block: bytes) -> None:
        self.size += len(block)
        if self.size > LONGEST:
            # Its lines are still counted.
            start = b"".join([*self.held, block])
            feeds = start.count(b"\n") - start[:SHOWN].count(b"\n")
            self.held = [start[:SHOWN] + b"\n" * feeds]
        elif block:
            self.held.append(block)

    def _too_long(self, end: bytes) -> pa.RecordBatch:
        text = b"".join(self.held)
        batch = self.one(text[:SHOWN], LINE_SIZE)
        feeds = text.count(b"\n") + end.count(b"\n")
        self._begin(self.line + feeds, self.byte + self.size + len(end))
        return batch


class _Elements:
    """Find the list, cut it, pass over the rest of the value; and again for the next value."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.scan, self.cutter = Scan(), Cutter(blank=True)
        self.finder = _Finder(keys)
        self.in_list = False

    def take(self, block: bytes) -> Records:
        marks, done = self.scan.look(block), 0
        while True:
            if not self.in_list:
                found = self.finder.find(block, marks, done)
                self._pass(block[done:] if found is None else block[done:found])
                if found is None:
                    return
                self.in_list, done = self.finder.entered > 0, found
            if self.in_list:
                end = self._end(marks, done)
                yield from self._cut_list(block, marks, done, end)
                if end is None:
                    return
                self.finder.leave()
                self.in_list, done = False, end
            if not self.finder.entered:
                self.finder = _Finder(self.keys, later=True)

    def _pass(self, block: bytes) -> None:
        """Pass over what stands before the list; of what may be no value, keep the beginning."""
        if self.finder.entered or not block.strip(BLANK):
            self.cutter.skip(block)
        else:
            list(self.cutter.take(block, _newlines(b"")))

    def _end(self, marks: Marks, start: int) -> int | None:
        """Give the place behind the bracket that closes the list."""
        import numpy as np

        depth = len(self.keys) + 1
        for part in marks.parts(start):
            found = np.flatnonzero((part.kind == CLOSE) & (part.depth == depth))
            if len(found):
                return int(part.at[found[0]]) + 1
        return None

    def _cut_list(self, block: bytes, marks: Marks, start: int, end: int | None) -> Records:
        for batch in self._cut(block, marks, start, end):
            if self.finder.behind:
                faults = batch["fault"].fill_null(TWICE)
                yield batch.set_column(batch.schema.names.index("fault"), "fault", faults)
            else:
                yield batch

    def _cut(self, block: bytes, marks: Marks, start: int, end: int | None) -> Records:
        import numpy as np

        stop = len(block) if end is None else end
        inside = slice(*np.searchsorted(marks.at, (start, stop)))
        within = (marks.kind[inside] == COMMA) & (marks.depth[inside] == len(self.keys) + 1)
        commas = marks.at[inside][within] - start
        part = np.frombuffer(block, np.uint8)[start:stop].copy()
        part[commas] = ord(" ")
        if end is None:
            yield from self.cutter.take(part.tobytes(), commas + 1)
            return
        part[-1] = ord(" ")
        last = int(commas[-1]) + 1 if len(commas) else 0
        if last:
            yield from self.cutter.take(part[:last].tobytes(), commas + 1)
        rest = part[last:].tobytes()
        # A comma may stand behind the last element, as it may in what DuckDB reads.
        if (self._held() + rest).strip(BLANK):
            yield from self.cutter.take(rest, np.array([len(rest)]))
        else:
            self.cutter.skip(rest)

    def _held(self) -> bytes:
        return b"".join(self.cutter.held) if self.cutter.size <= LONGEST else b"long"

    def rest(self) -> Records:
        if self.in_list or self.finder.behind:
            held = self._held() if self.in_list else b""
            if self.cutter.size > LONGEST:
                yield from self.cutter.rest()
            yield self.cutter.one(held, TRUNCATED)
        elif self.finder.later and not self.finder.entered:
            yield from self.cutter.rest(fault=TRAILING)
        else:
            self.finder.refuse(self._held())


class _Finder:
    """Look for the list by its keys, through the marks of the containers above it."""

    def __init__(self, keys: tuple[str, ...], *, later: bool = False) -> None:
        self.keys = keys
        self.later = later
        """Whether another value came before this one."""
        self.entered = 0
        """How many containers have been entered."""
        self.behind = False
        """Whether a list came before: a key may stand twice."""
        self._ready = True
        self._text = b""
        self._seen: list[str] = []

    def find(self, block: bytes, marks: Marks, start: int) -> int | None:
        """Give the place behind the bracket that opens the list; None if it isn't in the block.

        Behind a list it may be that of the value's end, and then nothing is entered any more.
        """
        last = start
        for at, kind, depth in self._near(marks, start):
            if self._step(
                kind, depth, block[at : at + 1], (self._text + block[last:at])[-LONGEST:]
            ):
                return int(at) + 1
            self._text, last = b"", at + 1
        self._text += block[last:]
        if len(self._text) > LONGEST:
            self._text = self._text[-LONGEST:]
        return None

    def _near(self, marks: Marks, start: int) -> Iterator[tuple[int, int, int]]:
        """Give the marks above the list; those in it are never looked at here."""
        for part in marks.parts(start):
            near = part.depth <= len(self.keys) + (part.kind >= OPEN)
            yield from zip(
                part.at[near].tolist(), part.kind[near].tolist(), part.depth[near].tolist(),
                strict=True,
            )  # fmt: skip

    def _step(self, kind: int, depth: int, sign: bytes, before: bytes) -> bool:
        if kind == OPEN and self._ready and depth == self.entered + 1:
            return self._enter(sign)
        if self.entered and depth == self.entered:
            if kind == COLON:
                key = _text_of(before)
                self._seen.append(key)
                self._ready = key == self.keys[self.entered - 1]
            elif self._ready:
                raise self._other(self._place(self.entered), before)
            elif kind == CLOSE:
                if not self.behind:
                    self._missing()
                self.entered -= 1
                return not self.entered
        return False

    def leave(self) -> None:
        """Go on behind the list."""
        self.entered -= 1
        self._ready, self.behind = False, self.entered > 0

    def _enter(self, sign: bytes) -> bool:
        wanted = b"[" if self.entered == len(self.keys) else b"{"
        if sign != wanted:
            kind = "an object" if sign == b"{" else "a list"
            raise ReadError(f"{self._place(self.entered)} is {kind}, {self._wanted()}")
        self.entered += 1
        self._ready, self._seen = False, []
        return sign == b"["

    def _place(self, level: int) -> str:
        return repr(".".join(self.keys[:level])) if level else "the file's value"

    def _wanted(self) -> str:
        return f"and record_path={'.'.join(self.keys) + '[*]' if self.keys else '[*]'!r} needs " + (
            "a list there" if self.entered == len(self.keys) else "an object there"
        )

    def _missing(self) -> None:
        key = self.keys[self.entered - 1]
        above = ".".join(self.keys[: self.entered - 1])
        hint = did_you_mean(closest(key, self._seen))
        place = f"in {above!r}" if above else "in the file's object"
        keys = ", ".join(self._seen[:20]) or "none"
        raise ReadError(f"record_path: no key {key!r} {place}{hint} Keys: {keys}")

    def refuse(self, text: bytes) -> None:
        """Say that the text ended before the list; nothing, where there was no text at all."""
        if self.entered:
            raise ReadError("the file ends before the list of records begins; is it whole?")
        if text.strip(BLANK):
            raise self._other("the file's value", text)

    def _other(self, place: str, text: bytes) -> ReadError:
        """Give the error for what isn't a container."""
        return ReadError(
            f"{place} is {_shown(text)}, {self._wanted()}",
            bare=f"{place} is something else, {self._wanted()}",
        )


def _text_of(key: bytes) -> str:
    try:
        return str(json.loads(key))
    except ValueError:
        return key.decode("utf-8", errors="replace")


def _shown(text: bytes) -> str:
    shown = text.strip(BLANK)[:40].decode("utf-8", errors="replace")
    return shown or "nothing"


def _newlines(block: bytes) -> Places:
    import numpy as np

    return np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))


def _batch(text: bytes, bounds: Places, lines: Places, byte: int, *, blank: bool) -> pa.RecordBatch:
    """Give the records between `bounds`, without copying; those of white space if `blank`."""
    import numpy as np

    buffers = [None, pa.py_buffer(bounds.astype(np.int32)), pa.py_buffer(text)]
    texts = pa.Array.from_buffers(pa.string(), len(lines), buffers)
    faults = pa.nulls(len(lines), pa.string())
    is_long = np.diff(bounds) > LONGEST
    is_bad = np.zeros(len(lines), bool) if _valid(texts) else _undecodable(text, bounds)
    if is_long.any() or is_bad.any():
        texts, faults = _with_faults(text, bounds, texts, is_bad)
    columns = [pa.array(lines), pa.array(bounds[:-1] + byte), texts, faults]
    batch = pa.RecordBatch.from_arrays(columns, schema=RECORDS)
    if blank:
        return batch
    is_blank = _blank(text, bounds)
    return batch.filter(pa.array(~is_blank)) if is_blank.any() else batch


def _blank(text: bytes, bounds: Places) -> NDArray[np.bool_]:
    """Give which of the texts are nothing but white space."""
    import numpy as np

    first = np.frombuffer(text, np.uint8)[bounds[:-1]] <= ord(" ")
    for row in np.flatnonzero(first):
        first[row] = not text[bounds[row] : bounds[row + 1]].strip(BLANK)
    return first
