"""What JSON records look like: a tree of the kinds of values that stand at each place.

DuckDB is asked which kinds and keys there are at all known places, over all records at once; for
a key or a list that turns out to be there it is asked again, a level deeper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from arrowetl.sql import literal

Path = tuple[str | None, ...]
"""Where a value is in a document: keys, and None for the elements of a list."""

LEVELS = 32
"""How deep types go; what is deeper is JSON text."""
KEYS = 1000
"""How many keys an object may have to be a struct; with more it is JSON text."""

INTEGERS = frozenset({"BIGINT", "UBIGINT"})
NUMBERS = INTEGERS | {"UINT64", "INT128", "HUGE", "DOUBLE"}
SCALARS = NUMBERS | {"VARCHAR", "BOOLEAN"}
_LONG = 19
"""Digits from which on an integer may be more than int64 holds."""


@dataclass
class Node:
    """A place in the documents.

    Attributes:
        path: where it is.
        kinds: what `json_type` said of the values there: `UBIGINT` and `BIGINT` are integers from
            0 on and below it; those beyond int64 are told apart as `UINT64`, `INT128`, `HUGE`.
        keys: the places below, of objects.
        item: the place below, of lists.
        opaque: whether nobody looks below.
        doubled: whether an object has a key twice.
    """

    path: Path = ()
    kinds: set[str] = field(default_factory=set)
    keys: dict[str, Node] = field(default_factory=dict)
    item: Node | None = None
    opaque: bool = False
    doubled: bool = False

    @property
    def real(self) -> set[str]:
        """The kinds of values that are there, nulls aside."""
        return self.kinds - {"NULL"}

    def walk(self) -> Iterator[Node]:
        """Give this and all below."""
        yield self
        for child in (*self.keys.values(), *([self.item] if self.item else [])):
            yield from child.walk()

    def at(self, path: Sequence[str | None]) -> Node:
        """Give the place that is `path` below; places that aren't known yet are made."""
        return self.below(path[0]).at(path[1:]) if path else self

    def below(self, step: str | None) -> Node:
        """Give the place one step below; made, if it isn't known yet."""
        if step is None:
            self.item = self.item or Node((*self.path, None))
            return self.item
        return self.keys.setdefault(step, Node((*self.path, step)))


def place(path: Path) -> str:
    """Write a place as a JSON pointer, or as a path if there are lists on the way.

    >>> place(("a/b", "c")), place(("a", None, "b c"))
    ('/a~1b/c', '$."a"[*]."b c"')
    """
    if None in path:
        return "$" + "".join("[*]" if step is None else f'."{step}"' for step in path)
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "".join(f"/{step}" for step in escaped)


def can_ask(path: Path) -> bool:
    """Say whether there is a way to write a place: paths can't escape quotes, SQL no NUL."""
    keys = [step for step in path if step is not None]
    wrong = '"' if None in path else "\x00"
    return not any(wrong in key or "\x00" in key for key in keys)


def learn(connection: duckdb.DuckDBPyConnection, batches: pa.Table, root: Node, start: Path) -> int:
    """Add what stands in documents to the tree; give how many of them are JSON.

    Args:
        connection: where to ask.
        batches: the documents, in a column `text`; null or not JSON, they are passed over.
        root: the tree.
        start: where in a document the records are. Beside the way to it nothing is asked.
    """
    connection.register("documents", batches)
    exact = _long_digits(batches)
    new = [node for node in root.walk() if not node.opaque]
    valid = 0
    while new:
        valid, found = _ask(connection, new, exact=exact)
        new = [
            child
            for node, seen in zip(new, found, strict=True)
            for child in seen.add(node, start, lambda node: _keys_in_order(connection, node))
        ]
    connection.unregister("documents")
    return valid


@dataclass(frozen=True)
class _Seen:
    """What stands at a place in some documents: kinds, and the keys of each object."""

    kinds: Sequence[str | None]
    keys: Sequence[list[str] | None]

    def add(
        self, node: Node, start: Path, in_order: Callable[[Node], Sequence[str]]
    ) -> Iterator[Node]:
        """Add this to a node; give the places to ask about next."""
        known = set(node.kinds)
        node.kinds.update(kind for kind in self.kinds if kind)
        node.doubled |= any(keys and len(keys) != len(set(keys)) for keys in self.keys)
        if len(node.path) < len(start):
            return
        if "OBJECT" in node.kinds - known:
            yield node  # for its keys
        new: list[str | None] = []
        if any(key not in node.keys for keys in self.keys for key in keys or ()):
            new += [key for key in in_order(node) if key not in node.keys]
        if "ARRAY" in node.kinds and node.item is None:
            new.append(None)
        if new and (len(node.path) - len(start) >= LEVELS or len(node.keys) + len(new) > KEYS):
            node.opaque = True
            return
        for child in map(node.below, new):
            child.opaque = not can_ask(child.path)
            if not child.opaque:
                yield child


def _ask(
    connection: duckdb.DuckDBPyConnection, nodes: Sequence[Node], *, exact: bool
) -> tuple[int, list[_Seen]]:
    """Ask for the kinds and keys at places, and for how many documents are JSON."""
    plain = [node for node in nodes if None not in node.path]
    objects = [node for node in plain if "OBJECT" in node.kinds]
    inner = [
        "TRY(json_type(text)) IS NOT NULL AS valid",
        f"TRY(json_type(text, {_places(plain)})) AS kinds",
        f"TRY(json_keys(text, {_places(objects)})) AS keys",
    ]
    outer = ["count(*) FILTER (valid)"]
    for number, node in enumerate(nodes):
        at = literal(place(node.path))
        kinds, keys = f"kinds{number}", f"keys{number}"
        lists = None in node.path
        if not lists and not exact:
            kinds = f"kinds[{plain.index(node) + 1}]"
        else:
            inner.append(f"{_kinds(node, at, exact=exact)} AS {kinds}")
        if "OBJECT" not in node.kinds:
            keys = "[]"
        elif not lists:
            keys = f"keys[{objects.index(node) + 1}]"
        else:
            inner.append(f"TRY(json_keys(text, {at})) AS {keys}")
        for column in (f"list_distinct({kinds})" if lists else kinds, keys):
            found = f"list(DISTINCT {column})"
            outer.append("[]" if column == "[]" else f"flatten({found})" if lists else found)
    select = f"SELECT {', '.join(outer)} FROM (SELECT {', '.join(inner)} FROM documents)"
    answer: list[Any] = list(connection.sql(select).fetchall()[0])
    pairs = zip(answer[1::2], answer[2::2], strict=True)
    return answer[0], [_Seen(kinds or (), keys or ()) for kinds, keys in pairs]


def _keys_in_order(connection: duckdb.DuckDBPyConnection, node: Node) -> list[str]:
    """Give the keys of objects at a place, in the order in which they first appear."""
    keys = f"TRY(json_keys(text, {literal(place(node.path))}))"
    if None in node.path:
        keys = f"flatten({keys})"
    select = f"""SELECT key FROM (
            SELECT nth, unnest(keys) AS key, generate_subscripts(keys, 1) AS place
            FROM (SELECT row_number() OVER () AS nth, {keys} AS keys FROM documents)
        ) GROUP BY key ORDER BY min((nth, place))"""
    return [key for (key,) in connection.sql(select).fetchall()]


def _places(nodes: Sequence[Node]) -> str:
    return f"{literal([place(node.path) for node in nodes])}::VARCHAR[]"


def _kinds(node: Node, at: str, *, exact: bool) -> str:
    """Write the kind of the value at a place, or of the values; integers by their size."""
    if not exact:
        return f"TRY(json_type(text, {at}))"
    values = f"TRY(json_extract(text, {at}))"
    return (
        f"list_transform({values}, lambda x: {_kind('x')})" if None in node.path else _kind(values)
    )


def _kind(value: str) -> str:
    digits = f"CAST({value} AS VARCHAR)"
    return f"""CASE
        WHEN json_type({value}) NOT IN ('UBIGINT', 'BIGINT', 'DOUBLE')
            OR NOT regexp_full_match({digits}, '-?[0-9]+') THEN json_type({value})
        WHEN TRY_CAST({digits} AS BIGINT) IS NOT NULL
            THEN CASE WHEN starts_with({digits}, '-') THEN 'BIGINT' ELSE 'UBIGINT' END
        WHEN TRY_CAST({digits} AS UBIGINT) IS NOT NULL THEN 'UINT64'
        WHEN length(ltrim({digits}, '-')) <= 38 THEN 'INT128' ELSE 'HUGE' END"""


def _long_digits(table: pa.Table) -> bool:
    """Say whether there may be a number of so many digits that int64 doesn't hold it.

    Every so many digits in a row cover two of the bytes that are looked at.
    """
    import numpy as np

    stride = _LONG // 2
    for chunk in table["text"].chunks:
        data = chunk.buffers()[2]
        if data is None or not chunk.nbytes:
            continue
        some = np.frombuffer(data, np.uint8)[::stride]
        digits = (some >= ord("0")) & (some <= ord("9"))
        if (digits[1:] & digits[:-1]).any() and _exactly(chunk):
            return True
    return False


def _exactly(chunk: pa.Array) -> bool:
    import pyarrow.compute as pc

    found = pc.any(pc.match_substring_regex(chunk, rf"(^|[^0-9.])[0-9]{{{_LONG}}}"))
    return bool(found == pa.scalar(value=True))
