"""A rule: one thing that must be true of each row, as a SQL predicate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.duck import describe_select, describing, expression_text
from arrowetl.errors import ConfigError, SchemaError, closest, did_you_mean, first_line
from arrowetl.patterns import PATTERNS, pattern
from arrowetl.sql import INPUT, literal, name
from arrowetl.stage import require
from arrowetl.typemap import duck_types

CHECKS = ("range", "regex", "enum", "format", "unique", "not_null", "sql")
VALIDITY, CONSISTENCY = "validity", "consistency"

SHOWN = 60
"""Characters of a value that a reason shows."""

_TEXT = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
_ORDERED = (
    kinds.is_integer,
    kinds.is_floating,
    kinds.is_decimal,
    kinds.is_date,
    kinds.is_timestamp,
    kinds.is_time,
    kinds.is_duration,
)


@dataclass(frozen=True)
class Rule:
    """What must be true of a column's values, or of several columns together.

    Exactly one of the checks is given. A null breaks none of them but `not_null`: whether a value
    is there is another question than whether it is right.

    Args:
        column: the column; None for `sql`.
        range: the least and the greatest value, both allowed; None for no limit. Numbers, dates
            or times; for dates and times texts as ISO 8601 will do. NaN is in no range.
        regex: a regular expression (RE2's) that the whole text has to fit.
        enum: the only values there may be.
        format: the name of a pattern, `email` for instance (see `arrowetl.patterns`).
        unique: whether no other row may have the value. All rows are looked at for that.
        not_null: whether there has to be a value.
        sql: a SQL predicate over any columns, `end_date >= start_date` for instance.
        name: what it is called; made of the check if empty.
        weight: how much it counts among the rules of its kind.
        evidence: why it is believed, where it was learned.

    Raises:
        ConfigError: there isn't one check, or it makes no sense.

    >>> Rule("age", range=(0, 120)).name
    'age from 0 to 120'
    >>> Rule(sql="end_date >= start_date").criterion
    'consistency'
    >>> Rule("mail", format="emial")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: Rule: no format 'emial'; did you mean 'email'?
    """

    column: str | None = None
    _: KW_ONLY
    range: Sequence[Any] | None = None
    regex: str | None = None
    enum: Sequence[Any] | None = None
    format: str | None = None
    unique: bool = False
    not_null: bool = False
    sql: str | None = None
    name: str = ""
    weight: float = 1.0
    evidence: str | None = None

    def __post_init__(self) -> None:
        """Check the check."""
        given = [check for check in CHECKS if getattr(self, check) not in (None, False)]
        if len(given) != 1:
            raise ConfigError(
                f"Rule: it has one check of {', '.join(CHECKS)}, not "
                f"{' and '.join(given) if given else 'none'}"
            )
        if (self.column is None) != (self.sql is not None):
            wrong = "a predicate names its own columns" if self.column else "which column?"
            raise ConfigError(f"Rule: {given[0]}: {wrong}")
        number = isinstance(self.weight, (int, float)) and not isinstance(self.weight, bool)
        if not number or not 0 < self.weight < math.inf:
            raise ConfigError(f"Rule: weight is a finite number above 0, not {self.weight!r}")
        if not isinstance(self.name, str):
            raise ConfigError(f"Rule: name is a text, not {self.name!r}")
        _CHECKED[given[0]](self)
        object.__setattr__(self, "name", self.name or _named(self, given[0]))

    @property
    def check(self) -> str:
        """Which of the checks it is."""
        return next(check for check in CHECKS if getattr(self, check) not in (None, False))

    @property
    def criterion(self) -> str:
        """What of a row's quality it tells: `validity`, or `consistency` for predicates."""
        return CONSISTENCY if self.sql is not None else VALIDITY

    def require(self, schema: pa.Schema, *, where: str) -> None:
        """See that it can be applied.

        Raises:
            SchemaError: the column isn't there, or is of a type that the check isn't for.
        """
        if self.sql is not None:
            select = f"SELECT {expression_text(self.sql, where=where)} AS answer FROM {INPUT}"
            [kind] = describe_select(select, schema, where=f"{where}: rule {self.name!r}").types
            if kind != pa.bool_():
                raise SchemaError(
                    f"rule {self.name!r}: the predicate gives {kind}, not true or false",
                    where=where,
                )
            return
        column = self.column or ""
        require(schema, [column], where=where)
        kind = schema.field(column).type
        wanted = {"regex": (_TEXT, "text"), "format": (_TEXT, "text"), "range": (_ORDERED, "order")}
        tests, what = wanted.get(self.check, ((), ""))
        if tests and not any(test(kind) for test in tests):
            raise SchemaError(
                f"rule {self.name!r}: column {column!r} is {kind}, which has no {what}; cast it",
                where=where,
                column=column,
            )
        self._refuse_numbers(kind, where)
        self._try(kind, where)

    def _refuse_numbers(self, kind: pa.DataType, where: str) -> None:
        """Refuse values that DuckDB would take a column's texts for: the first other ends a run."""
        texts = kind.value_type if kinds.is_dictionary(kind) else kind
        stray = [each for each in self.enum or () if not isinstance(each, str)]
        if stray and any(test(texts) for test in _TEXT):
            raise SchemaError(
                f"rule {self.name!r}: column {self.column!r} is {kind}, and {stray[0]!r} of enum "
                "is no text; write it as one, or cast the column",
                where=where,
                column=self.column,
            )

    def _try(self, kind: pa.DataType, where: str) -> None:
        """Let DuckDB try the check on a null: constants of another type would end a run."""
        [declared] = duck_types(pa.schema([("x", kind)]), where=where)
        column = name(self.column or "")
        texts = [each for each in self.range or () if isinstance(each, str)]
        constants = "".join(f", CAST({literal(each)} AS {declared})" for each in texts)
        given = f"SELECT CAST(NULL AS {declared}) AS {column}{constants}"
        try:
            with describing() as connection:
                connection.sql(f"SELECT *, {self.passes()} FROM ({given})").to_arrow_table()
        except duckdb.Error as error:
            raise SchemaError(
                f"rule {self.name!r}: column {self.column!r} is {kind}: {first_line(error)}",
                where=where,
                column=self.column,
            ) from error

    def passes(self) -> str:
        """Give the SQL predicate over the columns; never null, and true where there is no value."""
        return f"coalesce({self._holds()}, true)"

    def _holds(self) -> str:
        column = name(self.column or "")
        match self.check:
            case "range":
                low, high = self.range or (None, None)
                tests = [
                    *([f"{column} >= {literal(low)}"] if low is not None else []),
                    f"{column} <= {literal(high)}" if high is not None else _no_nan(column, low),
                ]
                return f"({' AND '.join(tests)})"
            case "regex":
                return f"regexp_full_match({column}, {literal(self.regex)})"
            case "enum":
                return f"{column} IN ({', '.join(map(literal, self.enum or ()))})"
            case "format":
                return pattern(self.format or "").sql(column)
            case "unique":
                return f"({column} IS NULL OR count(*) OVER (PARTITION BY {column}) = 1)"
            case "not_null":
                return f"({column} IS NOT NULL)"
            case _:
                return f"({expression_text(self.sql or '', where='Rule')})"

    @property
    def expected(self) -> str:
        """What is said of a value that breaks it."""
        return {
            "range": f"not {self.name.removeprefix(f'{self.column} ')}",
            "regex": f"doesn't fit {self.regex}",
            "enum": "isn't one of those there may be",
            "format": f"is no {PATTERNS[self.format].title}" if self.format else "",
            "unique": "isn't the only one",
            "not_null": "is missing",
        }.get(self.check, "")

    def reason(self) -> str:
        """Give the SQL text that says of a row which broke it what is wrong."""
        if self.sql is not None:
            return literal(f"not {self.name}")
        column = name(self.column or "")
        shown = f"coalesce(' ' || left({column}::VARCHAR, {SHOWN}), '')"
        return f"{literal(self.column)} || {shown} || {literal(f' {self.expected}')}"


def _no_nan(column: str, low: Any) -> str:
    """Give the test that a value isn't NaN, which is greater than any number to DuckDB."""
    if isinstance(low, (int, float, Decimal)):
        return f"{column} <= {literal(math.inf)}"
    # A text may be a number's limit; of times nothing is NaN.
    return f"{column}::VARCHAR <> 'nan'" if isinstance(low, str) else "true"


def _check_range(rule: Rule) -> None:
    values = rule.range
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence) or len(values) != 2:  # noqa: PLR2004
        raise ConfigError(f"Rule: range is a pair, the least and the greatest, not {values!r}")
    object.__setattr__(rule, "range", tuple(values))
    low, high = values
    if low is None and high is None:
        raise ConfigError("Rule: range has no limit; give the least, the greatest or both")
    for value in values:
        if value is not None and (isinstance(value, bool) or not isinstance(value, _BOUNDS)):
            raise ConfigError(f"Rule: range is of numbers, dates or times, not {value!r}")
        if isinstance(value, (float, Decimal)) and math.isnan(value):
            raise ConfigError("Rule: range: nothing is more or less than NaN; None is no limit")
    try:
        # A time may be a text, which only the column's type gives its meaning.
        texts = isinstance(low, str) != isinstance(high, str)
        timed = isinstance(low, _TIMES) or isinstance(high, _TIMES)
        wrong = None not in {low, high} and not (texts and timed) and low > high
    except TypeError as error:
        raise ConfigError(
            f"Rule: range from {low!r} to {high!r}: both ends have to be numbers, or both dates or "
            "times"
        ) from error
    if wrong:
        raise ConfigError(f"Rule: range from {low!r} to {high!r} has nothing in it")


_TIMES = (date, datetime, time)
_BOUNDS = (int, float, Decimal, *_TIMES, str)


def _check_regex(rule: Rule) -> None:
    with describing() as connection:
        try:
            connection.sql(f"SELECT regexp_full_match('', {literal(rule.regex)})").fetchall()
        except (duckdb.Error, TypeError) as error:
            raise ConfigError(f"Rule: regex {rule.regex!r}: {first_line(error)}") from error


def _check_enum(rule: Rule) -> None:
    values = rule.enum
    if isinstance(values, (str, bytes, Mapping)) or values is None:
        raise ConfigError(f"Rule: enum is a list of values, not {values!r}")
    object.__setattr__(rule, "enum", tuple(values))
    if not rule.enum:
        raise ConfigError("Rule: enum has no values")
    if any(value is None for value in rule.enum):
        raise ConfigError("Rule: enum: a null breaks no rule; leave None out")


def _check_format(rule: Rule) -> None:
    if rule.format not in PATTERNS:
        hint = did_you_mean(closest(str(rule.format), PATTERNS))
        raise ConfigError(f"Rule: no format {rule.format!r}{hint}")


def _check_flag(rule: Rule) -> None:
    for flag in ("unique", "not_null"):
        if not isinstance(getattr(rule, flag), bool):
            raise ConfigError(f"Rule: {flag} is true or false, not {getattr(rule, flag)!r}")


def _check_sql(rule: Rule) -> None:
    expression_text(rule.sql or "", where="Rule")


_CHECKED = {
    "range": _check_range,
    "regex": _check_regex,
    "enum": _check_enum,
    "format": _check_format,
    "unique": _check_flag,
    "not_null": _check_flag,
    "sql": _check_sql,
}


def _named(rule: Rule, check: str) -> str:
    match check:
        case "range":
            low, high = rule.range or (None, None)
            parts = [
                *([f"from {low}"] if low is not None else []),
                *([f"{'to' if low is not None else 'up to'} {high}"] if high is not None else []),
            ]
            return f"{rule.column} {' '.join(parts)}"
        case "regex":
            return f"{rule.column} fits {rule.regex}"
        case "enum":
            return f"{rule.column} is one of {len(rule.enum or ())}"
        case "format":
            return f"{rule.column} is {rule.format}"
        case "unique":
            return f"{rule.column} is unique"
        case "not_null":
            return f"{rule.column} is there"
        case _:
            return " ".join((rule.sql or "").split())


def as_rules(given: Any, *, where: str) -> tuple[Rule, ...]:
    """Give rules as users write them: rules, mappings with their options, or SQL predicates.

    Rules with one name get numbers.

    Raises:
        ConfigError: something is none of these.

    >>> [rule.name for rule in as_rules(["a > 1", {"column": "b", "unique": True}], where="x")]
    ['a > 1', 'b is unique']
    """
    if isinstance(given, (str, Mapping, Rule)):
        given = [given]
    if not isinstance(given, Iterable):
        raise ConfigError(
            f"{where}: rules is a list of rules, their options or predicates, not {given!r}"
        )
    rules: list[Rule] = []
    for number, each in enumerate(given):
        rule = _as_rule(each, number, where)
        twins = sum(known.name.rpartition(" #")[0] == rule.name for known in rules)
        twins += any(known.name == rule.name for known in rules)
        if twins:
            rule = replace(rule, name=f"{rule.name} #{twins + 1}")
        rules.append(rule)
    return tuple(rules)


def _as_rule(each: Any, number: int, where: str) -> Rule:
    if isinstance(each, Rule):
        return each
    try:
        return _made(each)
    except ConfigError as error:
        column = each.get("column") if isinstance(each, Mapping) else None
        of = "" if column is None else f" (column {column!r})"
        said = str(error).removeprefix("Rule: ")
        wrong = ConfigError(f"{where}: rules[{number}]{of}: {said}")
        wrong.at = ("rules", number)
        raise wrong from error


def _made(each: Any) -> Rule:
    if isinstance(each, str):
        return Rule(sql=each)
    if not isinstance(each, Mapping):
        raise ConfigError(f"a rule is a Rule, its options or a predicate, not {each!r}")
    known = [field.name for field in fields(Rule) if field.name != "_"]
    for option in each:
        if option not in known:
            hint = did_you_mean(closest(str(option), known))
            raise ConfigError(f"a rule has no option {option!r}{hint} It has {', '.join(known)}")
    return Rule(**each)
