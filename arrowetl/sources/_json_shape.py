"""What JSON records look like: a tree of the kinds of values that stand at each place.

DuckDB is asked which kinds and keys there are at all known places, over all records at once; for
a key or a list that turns out to be there it is asked again, a level deeper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
LONG_INTEGERS = frozenset({"UINT64", "INT128", "HUGE"})
NUMBERS = INTEGERS | LONG_INTEGERS | {"DOUBLE"}
SCALARS = NUMBERS | {"VARCHAR", "BOOLEAN"}
LONG, LONGER = 16, 19
"""Digits from which on an integer may be no double, and from which on more than int64 holds."""


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
        twins: whether an object has two keys that differ only in case.
        long: whether an integer has so many digits that a double may not keep them. Asked where
            that matters, for integers that int64 holds.
    """

    path: Path = ()
    kinds: set[str] = field(default_factory=set)
    keys: dict[str, Node] = field(default_factory=dict)
    item: Node | None = None
    opaque: bool = False
    doubled: bool = False
    twins: bool = False
    long: bool = False

    @property
    def real(self) -> set[str]:
        """The kinds of values that are there, nulls aside."""
        return self.kinds - {"NULL"}

    @property
    def may_be_double(self) -> bool:
        """Whether there are integers that a double may have to keep."""
        plain = bool(self.kinds & INTEGERS) and self.real <= INTEGERS | {"DOUBLE"}
        return plain and not self.long and not self.opaque

    def walk(self) -> Iterator[Node]:
        """Give this and all below."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def children(self) -> list[Node]:
        """The places one step below."""
        return [*self.keys.values(), *([self.item] if self.item else [])]

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
    r"""Say whether there is a way to write a place: paths can't escape `"` and `\`, SQL no NUL."""
    wrong = set('"\\\x00' if None in path else "\x00")
    return not any(wrong & set(key) for key in path if key is not None)


def learn(
    connection: duckdb.DuckDBPyConnection, documents: pa.Table, root: Node, start: Path
) -> None:
    """Add what stands in documents to the tree.

    Args:
        connection: where to ask.
        documents: their `text`; those with a `fault` are passed over, and what isn't JSON.
        root: the tree.
        start: where in a document the records are. Beside the way to it nothing is asked.
    """
    connection.register("documents", documents)
    digits = longest_integer(documents["text"].chunks)
    new = [node for node in root.walk() if not node.opaque]
    while new:
        found = _ask(connection, new, exact=digits >= LONGER)
        new = [
            child
            for node, seen in zip(new, found, strict=True)
            for child in seen.add(node, start, lambda node: _keys_in_order(connection, node))
        ]
    if digits >= LONG:
        _ask_digits(connection, [node for node in root.walk() if node.may_be_double])
    connection.unregister("documents")


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
        objects = [keys for keys in self.keys if keys]
        node.doubled |= any(len(keys) != len(set(keys)) for keys in objects)
        node.twins |= any(len(set(keys)) != len({key.lower() for key in keys}) for keys in objects)
        if "OBJECT" in node.kinds - known:
            yield node  # for its keys
        if len(node.path) < len(start):
            return
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
) -> list[_Seen]:
    """Ask for the kinds and the keys at places."""
    plain = [node for node in nodes if None not in node.path]
    objects = [node for node in plain if "OBJECT" in node.kinds]
    # One by one for places in lists, and for numbers that have to be looked at.
    asked = {
        "kinds": f"json_type(text, {_places([] if exact else plain)})",
        "keys": f"json_keys(text, {_places(objects)})",
    }
    at_kinds = {} if exact else {id(node): nth for nth, node in enumerate(plain, 1)}
    at_keys = {id(node): nth for nth, node in enumerate(objects, 1)}
    wanted = []
    for number, node in enumerate(nodes):
        where, lists = literal(place(node.path)), None in node.path
        kinds, keys = f"kinds[{at_kinds.get(id(node))}]", f"keys[{at_keys.get(id(node))}]"
        if id(node) not in at_kinds:
            kinds = f"kinds{number}"
            asked[kinds] = _kinds(node, where, exact=exact)
        if "OBJECT" in node.kinds and lists:
            keys = f"keys{number}"
            asked[keys] = f"list_distinct(json_keys(text, {where}))"
        wanted.append(_all(kinds, lists))
        wanted.append(_all(keys, lists) if "OBJECT" in node.kinds else "[]")
    answer: list[Any] = list(connection.sql(_grouped(asked, wanted)).fetchall()[0])
    pairs = zip(answer[::2], answer[1::2], strict=True)
    return [_Seen(kinds or (), keys or ()) for kinds, keys in pairs]


def _ask_digits(connection: duckdb.DuckDBPyConnection, nodes: Sequence[Node]) -> None:
    """Ask which places have integers of so many digits that a double may not keep them."""
    is_long = f"regexp_full_match({{}}::VARCHAR, '-?[0-9]{{{{{LONG},}}}}')"
    plain = [node for node in nodes if None not in node.path]
    asked = {"plain": f"json_extract(text, {_places(plain)})"}
    wanted = [is_long.format(f"plain[{nth}]") for nth, _ in enumerate(plain, 1)]
    nested = [node for node in nodes if None in node.path]
    for number, node in enumerate(nested):
        asked[f"list{number}"] = f"json_extract(text, {literal(place(node.path))})"
        wanted.append(f"len(list_filter(list{number}, lambda x: {is_long.format('x')})) > 0")
    if not wanted:
        return
    inner = ", ".join(f"TRY({value}) AS {column}" for column, value in asked.items())
    answers = ", ".join(f"bool_or({each})" for each in wanted)
    select = f"SELECT {answers} FROM (SELECT {inner} FROM documents WHERE fault IS NULL)"
    for node, answer in zip(plain + nested, connection.sql(select).fetchall()[0], strict=True):
        node.long |= bool(answer)


def _all(column: str, lists: bool) -> str:
    found = f"list(DISTINCT {column})"
    return f"flatten({found})" if lists else found


def _grouped(asked: Mapping[str, str], wanted: Sequence[str]) -> str:
    """Write the statement; documents that look alike are one before anything else is done."""
    inner = ", ".join(f"TRY({value}) AS {column}" for column, value in asked.items())
    firsts = ", ".join(f"first({column}) AS {column}" for column in asked)
    return f"""SELECT {", ".join(wanted)} FROM (
            SELECT {firsts} FROM (SELECT {inner} FROM documents WHERE fault IS NULL)
            GROUP BY hash({", ".join(asked)})
        )"""


def _keys_in_order(connection: duckdb.DuckDBPyConnection, node: Node) -> list[str]:
    """Give the keys of objects at a place, in the order in which they first appear."""
    keys = f"TRY(json_keys(text, {literal(place(node.path))}))"
    if None in node.path:
        keys = f"flatten({keys})"
    select = f"""SELECT key FROM (
            SELECT nth, unnest(keys) AS key, generate_subscripts(keys, 1) AS place
            FROM (SELECT row_number() OVER () AS nth, {keys} AS keys FROM documents
                WHERE fault IS NULL)
        ) GROUP BY key ORDER BY min((nth, place))"""
    return [key for (key,) in connection.sql(select).fetchall()]


def keys_apart(
    connection: duckdb.DuckDBPyConnection, documents: pa.Table, start: Path
) -> list[tuple[int, list[str]]]:
    """Give for each `file` of documents the keys that its records have."""
    keys = f"TRY(json_keys(text, {literal(place(start))}))"
    if None in start:
        keys = f"flatten({keys})"
    connection.register("documents", documents)
    select = f"""SELECT file, flatten(list(DISTINCT {keys})) FROM documents
            WHERE fault IS NULL GROUP BY file"""
    found = connection.sql(select).fetchall()
    connection.unregister("documents")
    return [(number, keys or []) for number, keys in found]


def _places(nodes: Sequence[Node]) -> str:
    return f"{literal([place(node.path) for node in nodes])}::VARCHAR[]"


def _kinds(node: Node, where: str, *, exact: bool) -> str:
    """Write the kind of the value at a place, or of the values; integers by their size."""
    if None not in node.path:
        return _kind(f"json_extract(text, {where})")
    if not exact:
        return f"list_distinct(json_type(text, {where}))"
    return f"list_distinct(list_transform(json_extract(text, {where}), lambda x: {_kind('x')}))"


def _kind(value: str) -> str:
    digits = f"CAST({value} AS VARCHAR)"
    return f"""CASE
        WHEN {value} IS NULL THEN NULL
        WHEN json_type({value}) NOT IN ('UBIGINT', 'BIGINT', 'DOUBLE')
            OR NOT regexp_full_match({digits}, '-?[0-9]+') THEN json_type({value})
        WHEN TRY_CAST({digits} AS BIGINT) IS NOT NULL
            THEN CASE WHEN starts_with({digits}, '-') THEN 'BIGINT' ELSE 'UBIGINT' END
        WHEN TRY_CAST({digits} AS UBIGINT) IS NOT NULL THEN 'UINT64'
        WHEN length(ltrim({digits}, '-')) <= 38 THEN 'INT128' ELSE 'HUGE' END"""


def longest_integer(texts: Sequence[pa.Array]) -> int:
    """Give how many digits an integer has at most; 0 if none has so many as `LONG`."""
    return max((_longest(text.buffers()[2]) for text in texts if len(text)), default=0)


def _longest(data: pa.Buffer | None) -> int:
    import numpy as np

    text = np.frombuffer(data or b"", np.uint8)
    # Below 10 for digits; bytes wrap around.
    digits = np.concatenate(([False], text - np.uint8(ord("0")) < 10, [False]))  # noqa: PLR2004
    edges = np.flatnonzero(digits[1:] != digits[:-1])
    starts, sizes = edges[::2], np.diff(edges)[::2]
    starts, sizes = starts[sizes >= LONG], sizes[sizes >= LONG]
    # What stands behind a point is a fraction, behind a quote text.
    number = np.isin(text[starts - 1], np.frombuffer(b":[,- \t\r\n", np.uint8)) | (starts == 0)
    return int(sizes[number].max(initial=0))
