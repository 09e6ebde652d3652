"""What makes a record unfit for its columns, and the SQL that finds it.

Kinds and keys at all places are asked for at once, so that a text is parsed once for each of them,
however many checks there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from arrowetl.sources._json_shape import INTEGERS, LONG, LONGER, Node, Path, place
from arrowetl.sources._json_split import TWICE
from arrowetl.sources._json_types import RAW, Spec, spec_of
from arrowetl.sql import literal

DIGITS = "digits"
"""The column that says how many digits an integer in a record has, at most."""

_KINDS: dict[str, frozenset[str]] = {
    "BIGINT": INTEGERS,
    "UBIGINT": frozenset({"UBIGINT"}),
    "HUGEINT": INTEGERS | {"DOUBLE"},
    "DOUBLE": INTEGERS | {"DOUBLE"},
    "BOOLEAN": frozenset({"BOOLEAN"}),
}
"""The kinds of values that each type takes; text takes any."""


@dataclass(frozen=True)
class Check:
    """A reason to reject a record.

    Attributes:
        code: the reason, in a word.
        path: the place that is looked at.
        allowed: the kinds of values that may stand there; none if they don't matter.
        keys: the keys that objects there are known to have.
        closed: whether others are wrong; if not, keys that stand twice are.
        integer: the type that integers there have to fit; of doubles, be.
        column: the column that is to blame, if it is one.
    """

    code: str
    path: Path
    allowed: frozenset[str] = frozenset()
    keys: tuple[str, ...] = ()
    closed: bool = False
    integer: str | None = None
    column: str | None = None

    @property
    def word(self) -> str:
        """The code, and the column behind a colon."""
        return self.code if self.column is None else f"{self.code}:{self.column}"


@dataclass
class Asked:
    """What is asked about each text for the checks, as columns beside it."""

    kinds: list[Path] = field(default_factory=list)
    keys: list[Path] = field(default_factory=list)
    lists: dict[str, str] = field(default_factory=dict)

    def columns(self) -> str:
        """Write the columns, each with a comma before it."""
        asked = dict(self.lists)
        for column, paths in (("kinds", self.kinds), ("keys", self.keys)):
            if paths:
                places = literal([place(path) for path in paths])
                asked[column] = f"json_{_FUNCTIONS[column]}(text, {places}::VARCHAR[])"
        return "".join(f", TRY({value}) AS {column}" for column, value in asked.items())

    def where(self, check: Check) -> str:
        """Write the predicate that is true for a record which a check rejects."""
        if check.integer is not None:
            return self._too_long(check.path, check.integer)
        if check.allowed:
            kinds = ", ".join(map(literal, sorted(check.allowed)))
            return self._any("kinds", check.path, f"{{0}} NOT IN ({kinds})")
        known = literal(list(check.keys))
        wrong = "len({0}) <> len(list_distinct({0}))"
        if check.closed:
            wrong = f"NOT list_has_all({known}, {{0}})"
        # Most objects have the same keys.
        return self._any("keys", check.path, f"{{0}} <> {known} AND {wrong}")

    def _any(self, what: str, path: Path, wrong: str) -> str:
        """Write that something is wrong with a value at a place, or with one in a list there."""
        if None in path:
            column = f"{what}{len(self.lists)}"
            value = f"json_{_FUNCTIONS[what]}(text, {literal(place(path))})"
            column = next((c for c, asked in self.lists.items() if asked == value), column)
            self.lists[column] = value
            return f"len(list_filter({column}, lambda x: {wrong.format('x')})) > 0"
        paths = self.kinds if what == "kinds" else self.keys
        if path not in paths:
            paths.append(path)
        return wrong.format(f"{what}[{paths.index(path) + 1}]")

    def _too_long(self, path: Path, integer: str) -> str:
        def wrong(value: str) -> str:
            digits = f"CAST({value} AS VARCHAR)"
            number = f"json_type({value}) IN ('BIGINT', 'UBIGINT', 'DOUBLE')"
            if integer == "HUGEINT":
                return f"{number} AND NOT regexp_full_match({digits}, '-?[0-9]{{1,38}}')"
            if integer == "DOUBLE":
                kept = f"TRY_CAST({digits}::DOUBLE AS HUGEINT) = TRY_CAST({digits} AS HUGEINT)"
                whole = f"regexp_full_match({digits}, '-?[0-9]+')"
                return f"CASE WHEN {number} AND {whole} THEN NOT coalesce({kept}, false) END"
            return f"{number} AND TRY_CAST({digits} AS {integer}) IS NULL"

        value = f"TRY(json_extract(text, {literal(place(path))}))"
        found = wrong(value)
        if None in path:
            found = f"len(list_filter({value}, lambda x: {wrong('x')})) > 0"
        if integer == "HUGEINT":
            return found  # a kind of its own have only those that int64 or uint64 holds
        many = LONG if integer == "DOUBLE" else LONGER
        return f"CASE WHEN {DIGITS} >= {many} THEN {found} ELSE false END"


_FUNCTIONS = {"kinds": "type", "keys": "keys"}


def record_checks(
    root: Node, start: Path, *, way: int = 0, sure: bool, closed: bool = False
) -> Iterator[Check]:
    """Give the checks that records need, whatever their columns are.

    Args:
        root: what is known of the documents.
        start: where the records are in them.
        way: how many steps down documents were taken apart.
        sure: whether it is known of all of them: then only what was seen has to be looked for.
        closed: whether keys that aren't known are wrong.
    """
    record = root.at(start)
    for depth, step in enumerate(start):
        holder = root.at(start[:depth])
        kind = "ARRAY" if step is None else "OBJECT"
        if not sure or holder.real - {kind}:
            yield Check("record_path", holder.path, frozenset({kind, "NULL"}))
        if step is not None and depth >= way and (not sure or holder.doubled):
            # Of a document with two lists only one would be found when it is taken apart.
            code = "duplicate_key" if None in start[way:depth] else TWICE
            yield Check(code, holder.path, keys=(step,))
    if not sure or record.kinds - {"OBJECT"}:
        yield Check("not_an_object", record.path, frozenset({"OBJECT"}))
    for node in _typed(record):
        if node.keys and (node.doubled or not sure):
            yield Check("duplicate_key", node.path, keys=tuple(node.keys))
        if node.keys and closed and not node.opaque:
            yield Check("unknown_key", node.path, keys=tuple(node.keys), closed=True)


def _typed(node: Node) -> Iterator[Node]:
    """Give a place and those below it, without what is only read as JSON text."""
    yield node
    for child in node.children:
        if not child.kinds or spec_of(child) != RAW:
            yield from _typed(child)


def value_checks(spec: Spec, path: Path, column: str) -> Iterator[Check]:
    """Give the checks that the values of a column are of the types that a sample showed."""
    if isinstance(spec, dict):
        yield Check("cast", path, frozenset({"OBJECT", "NULL"}), column=column)
        for key, inner in spec.items():
            yield from value_checks(inner, (*path, key), column)
    elif isinstance(spec, list):
        yield Check("cast", path, frozenset({"ARRAY", "NULL"}), column=column)
        yield from value_checks(spec[0], (*path, None), column)
    elif spec in _KINDS:
        yield Check("cast", path, _KINDS[spec] | {"NULL"}, column=column)
        if spec in _KINDS and spec != "BOOLEAN":
            yield Check("cast", path, integer=spec, column=column)


def kind_checks(containers: Sequence[tuple[Path, str]], column: str) -> Iterator[Check]:
    """Give the checks that only objects, or only lists, stand where a declared type has them."""
    for path, kind in containers:
        yield Check("cast", path, frozenset({kind, "NULL"}), column=column)
