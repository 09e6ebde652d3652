"""What a pattern is: a predicate over a text, with what it is called and whom it may concern."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from arrowetl.sql import literal


@dataclass(frozen=True)
class Pattern:
    """A recogniser of one kind of text.

    Attributes:
        name: its short fixed name, as rules, profiles and contracts have it.
        title: what people call it.
        test: gives the predicate for a SQL text expression. It is true or false for every text
            and null for null, raises nothing, and looks at the whole text, spaces included.
        pii: the label of the personal data that it is; None if it is none.
        digits: how many digits it has, at least and at most, where digits alone can be it: then it
            is looked for in numbers, too.
        hints: words in a column's name that speak for it.
        good: texts that have it.
        bad: texts that nearly have it.
    """

    name: str
    title: str
    test: Callable[[str], str] = field(repr=False)
    pii: str | None = None
    digits: tuple[int, int] | None = None
    hints: tuple[str, ...] = ()
    good: tuple[str, ...] = field(default=(), repr=False)
    bad: tuple[str, ...] = field(default=(), repr=False)

    def sql(self, text: str) -> str:
        """Give the predicate over a SQL expression of type VARCHAR.

        >>> Pattern("digit", "Digit", full("[0-9]")).sql("x")
        "(regexp_full_match(x, '[0-9]'))"
        """
        return f"({self.test(text)})"


def full(expression: str) -> Callable[[str], str]:
    """Give the predicate that the whole text fits a regular expression of RE2's."""
    return lambda text: f"regexp_full_match({text}, {literal(expression)})"


def guarded(expression: str, check: Callable[[str], str]) -> Callable[[str], str]:
    """Give the predicate that the text fits the expression, and then a check that costs more."""
    fits = full(expression)
    return lambda text: (
        f"CASE WHEN {fits(text)} THEN {check(text)} WHEN {text} IS NOT NULL THEN false END"
    )


def digits_of(text: str) -> str:
    """Give the text's digits alone."""
    return f"regexp_replace({text}, '[^0-9]', '', 'g')"


def once(value: str, variable: str, then: str) -> str:
    """Give an expression over a variable whose value is computed once; DuckDB has no LET.

    >>> once("1 + 1", "two", "two * two")
    'list_transform([1 + 1], lambda two: two * two)[1]'
    """
    return f"list_transform([{value}], lambda {variable}: {then})[1]"
