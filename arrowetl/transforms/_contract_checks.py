"""The SELECT that judges rows by a contract: which checks each breaks, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import pyarrow as pa

from arrowetl.arrow import undecided
from arrowetl.contracts import Contract, ContractMode
from arrowetl.contracts.paths import Part, parts_of, path_of
from arrowetl.contracts.types import cast, plain, type_of
from arrowetl.observing import SEEN, SET_APART, UNTOLD
from arrowetl.rules import WORD, Rule
from arrowetl.rules.rule import SHOWN
from arrowetl.sql import INPUT, literal, name
from arrowetl.transforms._contract_fit import CLOSED, Difference, differences, note, refuse
from arrowetl.transforms._contract_values import (
    EACH,
    Shape,
    breaking,
    declared,
    same_shape,
    values_at,
)

NEW = "arrowetl:new:"
"""What begins the name of a column as it will be, beside itself as it came."""
REMOVED = "arrowetl:removed"
"""The column that says whether a row is removed."""

_ROW = name("arrowetl:row")
_NULLED = ("rules", ContractMode.DISCARD_VALUE)
_CODES = {"columns": "column", "data_type": "data_type", "rules": "rule"}


@dataclass(frozen=True)
class Check:
    """One thing that is asked of each row.

    Attributes:
        entity: `columns`, `data_type` or `rules`.
        called: what it is called in the summary.
        mode: what becomes of rows that break it.
        broken: the SQL predicate, never null.
        reason: a SQL text that says what is wrong.
        column: the column that is to blame, or the way to a part of it; None of predicates.
        source: the column that it is in.
        hidden: whether values of it are personal data, which nobody is told.
    """

    entity: str
    called: str
    mode: ContractMode
    broken: str
    reason: str
    column: str | None = None
    source: str | None = None
    hidden: bool = False


@dataclass
class Judgement:
    """A contract as it is applied to rows of a schema: pure text, nothing runs."""

    contract: Contract
    modes: Mapping[str, ContractMode]
    schema: pa.Schema
    where: str
    parts: dict[str, str] = field(default_factory=dict)
    """Columns of values of nested parts that checks look at: their aliases by their SQL."""

    @cached_property
    def found(self) -> tuple[Difference, ...]:
        """The differences.

        Raises:
            SchemaError: what is different is frozen.
        """
        found = differences(self.contract, self.schema, where=self.where)
        # Texts that are yet to be cast are judged by the types that they then have.
        open_ = undecided(self.schema)
        known = tuple(each for each in found if not (open_ and each.is_text))
        refuse(known, self.modes, self.contract, where=self.where)
        return found

    @property
    def notes(self) -> Iterator[tuple[str, str, str]]:
        """What the summary says of differences: entity, column, and what became of it."""
        for each in self.found:
            entity = "data_type" if each.what == "type" else "columns"
            yield entity, each.path, note(each, self.modes)

    # --- columns ---------------------------------------------------------------------------

    @cached_property
    def renewed(self) -> Mapping[str, tuple[str | None, str | None]]:
        """The SQL of each column of the contract: in its types, and as it leaves; None if as is."""
        judged = Shape(typed=True, closed=True)
        leaving = Shape(
            typed=self.modes["data_type"] is not ContractMode.EVOLVE,
            closed=self.modes["columns"] in CLOSED,
            nulled=self._nulled,
        )
        found = {}
        came = set(self.schema.names)
        for column, node in self.contract.columns.items():
            if column in came:
                given = name(column), self.schema.field(column).type, node
                found[column] = judged.made(*given), leaving.made(*given)
        return found

    @property
    def _nulled(self) -> dict[tuple[Part, ...], list[Rule]]:
        """The rules whose values become null, of parts of nested columns."""
        found: dict[tuple[Part, ...], list[Rule]] = {}
        for rule in self.contract.checked_rules:
            parts = parts_of(rule.column) if rule.column is not None else ()
            if len(parts) > 1 and self._rule_mode(rule) is ContractMode.DISCARD_VALUE:
                found.setdefault(parts, []).append(rule)
        return found

    def _was(self, column: str) -> str:
        """Give the column as it came, where its name is another's."""
        return name(f"arrowetl:was:{column}")

    def _came(self, column: str) -> str:
        return self._was(column) if self.renewed.get(column, (None,))[0] else name(column)

    def _leaves(self, column: str) -> str:
        """Give the column as it leaves, but for values that break rules."""
        judged, leaving = self.renewed[column]
        if leaving is None:
            return self._came(column)
        return name(column) if leaving == judged else name(f"arrowetl:out:{column}")

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """The columns of the contract that don't arrive."""
        came = set(self.schema.names)
        return tuple(each for each in self.contract.columns if each not in came)

    def _columns(self) -> str:
        """Give the columns in the contract's types, beside what they were and will be."""
        listed = []
        for column in self.schema.names:
            judged, leaving = self.renewed.get(column, (None, None))
            if judged is not None:
                listed += [f"{judged} AS {name(column)}", f"{name(column)} AS {self._was(column)}"]
            else:
                listed.append(name(column))
            if leaving is not None and leaving != judged:
                listed.append(f"{leaving} AS {name(f'arrowetl:out:{column}')}")
        listed += [
            f"CAST(NULL AS {declared(self.contract.columns[column])}) AS {name(column)}"
            for column in self.missing
        ]
        # Windows lose the order of rows.
        return ", ".join([*listed, *([f"row_number() OVER () AS {_ROW}"] if self.ordered else [])])

    @property
    def ordered(self) -> bool:
        """Whether rows have to be put into their order again."""
        return any(rule.unique for rule in self.contract.checked_rules)

    # --- checks ----------------------------------------------------------------------------

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """All that is asked of each row."""
        return (*self._unknown(), *self._misfits(), *map(self._rule, self.contract.checks))

    def _any(
        self, form: Callable[[str], str], parts: tuple[Part, ...], test: Callable[[str], str]
    ) -> tuple[str, str]:
        """Give the predicate that a test is true of some value there, and the first such value."""
        column = form(str(parts[0]))
        if len(parts) == 1:
            return test(column), column
        values = values_at(column, parts[1:])
        alias = self.parts.setdefault(values, name(f"arrowetl:part{len(self.parts)}"))
        found = breaking(alias, test(name(EACH)))
        return f"len({found}) > 0", f"({found})[1]"

    def _unknown(self) -> Iterator[Check]:
        mode = self.modes["columns"]
        if mode not in CLOSED[1:]:
            return
        for each in self.found:
            if each.what == "unknown":
                broken, shown = self._any(self._came, each.parts, "{} IS NOT NULL".format)
                expected = "isn't in the contract"
                reason = self._reason(each.path, shown, expected)
                called = f"{each.path} {expected}"
                yield self._on(each.parts, Check("columns", called, mode, broken, reason))

    def _misfits(self) -> Iterator[Check]:
        mode = self.modes["data_type"]
        if mode is ContractMode.FREEZE:
            return
        for each in self.found:
            if each.what != "type" or each.widens or not each.castable:
                continue
            broken, shown = self._any(self._came, each.parts, partial(_misfits, each))
            expected = f"is no {each.wanted}"
            reason, called = self._reason(each.path, shown, expected), f"{each.path} {expected}"
            yield self._on(each.parts, Check("data_type", called, mode, broken, reason))

    def _rule(self, rule: Rule) -> Check:
        mode = self._rule_mode(rule)
        if rule.column is None:
            return Check("rules", rule.name, mode, f"NOT {rule.passes()}", rule.reason())
        parts = parts_of(rule.column)
        if rule.not_null:
            broken, shown = self._any(self._there(parts), parts, "{} IS NULL".format)
        elif len(parts) == 1:
            # As it came: what is said of it can be compared with the row.
            shown = self._came(str(parts[0]))
            broken = f"NOT {replace(rule, column=parts[0]).passes()}"
        else:
            test = f"NOT {replace(rule, column=EACH).passes()}"
            broken, shown = self._any(name, parts, lambda _: test)
        reason = self._reason(rule.column, shown, rule.expected)
        return self._on(parts, Check("rules", rule.name, mode, broken, reason))

    @cached_property
    def _hidden(self) -> frozenset[Part]:
        """The columns that hold personal data, or have parts that do."""
        return frozenset(each.parts[0] for each in self.contract.fields if each.pii is not None)

    def _on(self, parts: tuple[Part, ...], check: Check) -> Check:
        """Give a check with the column, or the part of one, that it is on."""
        source = str(parts[0])
        column = source if len(parts) == 1 else path_of(parts)
        return replace(check, column=column, source=source, hidden=source in self._hidden)

    def _reason(self, path: str, value: str, expected: str) -> str:
        """Give the SQL text of what is wrong with a value, which is shown unless it is personal."""
        text = f"left({value}::VARCHAR, {SHOWN})"
        if parts_of(path)[0] in self._hidden:
            text = f"CASE WHEN {value} IS NOT NULL THEN {literal(UNTOLD)} END"
        shown = f"coalesce(' ' || {text}, '')"
        return f"{literal(path)} || {shown} || {literal(f' {expected}')}"

    def _there(self, parts: tuple[Part, ...]) -> Callable[[str], str]:
        """Give the form of a column that says whether a value is there.

        One that isn't of the contract's type is there, unless it becomes null.
        """
        above = any(parts[:length] in self._lacking for length in range(1, len(parts)))
        absent = self._lacking.get(parts) == "missing"
        becomes_null = self.modes["data_type"] is ContractMode.DISCARD_VALUE
        return name if becomes_null or above or absent else self._came

    @cached_property
    def _lacking(self) -> Mapping[tuple[Part, ...], str]:
        """Where something is missing, or of another type."""
        return {each.parts: each.what for each in self.found if each.what != "unknown"}

    def _rule_mode(self, rule: Rule) -> ContractMode:
        """Give what becomes of rows that break a rule.

        Without the value a row is as wrong as with it, if the rule is about values that are missing
        or about several columns, or if there has to be one.
        """
        mode = self.modes["rules"]
        if mode is not ContractMode.DISCARD_VALUE:
            return mode
        mends = rule.column is not None and not rule.not_null
        if mends and self.contract.field_at(rule.column or "").nullable:
            return mode
        return ContractMode.DISCARD_ROW

    # --- the statement ---------------------------------------------------------------------

    @cached_property
    def _words(self) -> list[tuple[str, Sequence[Check]]]:
        """The names of the masks, with their checks; there is one mask at least."""
        starts = range(0, max(len(self.checks), 1), WORD)
        return [
            (name(f"arrowetl:mask{at}"), self.checks[start : start + WORD])
            for at, start in enumerate(starts)
        ]

    def _broken(self, *modes: ContractMode) -> str | None:
        """Give the predicate that a row breaks a check of some modes; None if there is none."""
        tests = []
        for mask, checks in self._words:
            wanted = sum(1 << bit for bit, check in enumerate(checks) if check.mode in modes)
            if wanted:
                tests.append(f"{mask} & {wanted}::UBIGINT <> 0")
        return f"({' OR '.join(tests)})" if tests else None

    def select(self) -> str:
        """Give the SELECT: the columns as they came, those that change, and what was found."""
        masks = ", ".join(f"{_mask(checks)} AS {mask}" for mask, checks in self._words)
        renewed = f"SELECT {self._columns()} FROM {INPUT}"
        if self.parts:
            parts = "".join(f", {values} AS {alias}" for values, alias in self.parts.items())
            renewed = f"SELECT *{parts} FROM ({renewed})"
        judged = f"SELECT *, {masks} FROM ({renewed})"
        wanted = [f"{self._came(column)} AS {name(column)}" for column in self.schema.names]
        wanted += [f"{sql} AS {name(NEW + column)}" for column, sql in self._changed()]
        removes = self._broken(ContractMode.DISCARD_ROW)
        if removes:
            wanted.append(f"{removes} AS {name(REMOVED)}")
        wanted.append(f"{self._seen()} AS {name(SEEN)}")
        if ContractMode.QUARANTINE in self.modes.values():
            wanted.append(f"{self._apart()} AS {name(SET_APART)}")
        order = f" ORDER BY {_ROW}" if self.ordered else ""
        return f"SELECT {', '.join(wanted)} FROM ({judged}){order}"

    def _changed(self) -> Iterator[tuple[str, str]]:
        """Give the columns that leave otherwise than they came."""
        for column in (*self.renewed, *self.missing):
            missing = column not in self.renewed
            leaves = name(column) if missing else self._leaves(column)
            if column in self._nulls:
                leaves = f"CASE WHEN NOT {self._nulls[column]} THEN {leaves} END"
            if missing or leaves != self._came(column):
                yield column, leaves

    @cached_property
    def _nulls(self) -> Mapping[str, str]:
        """The predicates that whole columns' values break rules, and are dropped."""
        tests: dict[str, list[str]] = {}
        for mask, checks in self._words:
            for bit, check in enumerate(checks):
                whole = check.source is not None and check.source == check.column
                if whole and (check.entity, check.mode) == _NULLED:
                    test = f"{mask} & {1 << bit}::UBIGINT <> 0"
                    tests.setdefault(check.source or "", []).append(test)
        return {column: f"({' OR '.join(each)})" for column, each in tests.items()}

    def _seen(self) -> str:
        """Give the struct of masks for the observer."""
        fields = [f"'m{at}': {mask}" for at, (mask, _) in enumerate(self._words)]
        return f"{{{', '.join(fields)}}}"

    def _reasons(self, *modes: ContractMode) -> str:
        told = [
            f"CASE WHEN {mask} & {1 << bit}::UBIGINT <> 0 THEN {check.reason} END"
            for mask, checks in self._words
            for bit, check in enumerate(checks)
            if check.mode in modes
        ]
        return f"concat_ws('; ', {', '.join(told)})"

    def _apart(self) -> str:
        """Give why a row goes to the dead letters: the first thing that is wrong, and all of it."""
        apart = self._broken(ContractMode.QUARANTINE)
        if apart is None:
            return 'NULL::STRUCT(code VARCHAR, reason VARCHAR, "column" VARCHAR)'
        set_apart = [
            (f"{mask} & {1 << bit}::UBIGINT <> 0", check)
            for mask, checks in self._words
            for bit, check in enumerate(checks)
            if check.mode is ContractMode.QUARANTINE
        ]
        codes = " ".join(f"WHEN {t} THEN {literal(_CODES[c.entity])}" for t, c in set_apart)
        blamed = " ".join(f"WHEN {t} THEN {literal(c.column)}::VARCHAR" for t, c in set_apart)
        reasons = self._reasons(ContractMode.QUARANTINE, ContractMode.DISCARD_ROW)
        return (
            f"CASE WHEN {apart} THEN {{'code': CASE {codes} END, 'reason': {reasons}, "
            f"'column': CASE {blamed} END}} END"
        )


def _mask(checks: Sequence[Check]) -> str:
    """Give the expression that says which checks a row breaks, the first the lowest bit."""
    bits = (
        f"CASE WHEN {check.broken} THEN {1 << bit}::UBIGINT ELSE 0::UBIGINT END"
        for bit, check in enumerate(checks)
    )
    return " | ".join(bits) or "0::UBIGINT"


def _misfits(each: Difference, value: str) -> str:
    """Give the predicate that a value isn't of the contract's type."""
    there = f"{value} IS NOT NULL"
    if not same_shape(each.kind, each.wanted):
        return there
    wanted = type_of(each.wanted)
    return (
        there
        if wanted is None
        else (f"{there} AND ({cast(value, plain(each.kind), wanted)}) IS NULL")
    )
