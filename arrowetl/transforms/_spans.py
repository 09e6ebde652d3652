"""Lengths of time as people write them: words, ISO 8601, or a timedelta."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from arrowetl.errors import ConfigError, closest, describe, did_you_mean

DAY = 86_400_000_000
"""Microseconds in a day."""

HOUR = DAY // 24

_LONGEST_MONTH = 31 * DAY
_SHORTEST_MONTH = 28 * DAY

_MICROSECONDS = {
    "week": 7 * DAY,
    "day": DAY,
    "hour": HOUR,
    "minute": 60_000_000,
    "second": 1_000_000,
    "millisecond": 1_000,
    "microsecond": 1,
}
_MONTHS = {"year": 12, "quarter": 3, "month": 1}
_SHORT = {
    "y": "year", "q": "quarter", "mo": "month", "mon": "month", "w": "week", "d": "day",
    "h": "hour", "hr": "hour", "m": "minute", "min": "minute", "s": "second", "sec": "second",
    "ms": "millisecond", "us": "microsecond",
}  # fmt: skip
_UNITS = {*_MICROSECONDS, *_MONTHS}

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zµ]+)")
_TEXT = re.compile(rf"(?:{_PART.pattern}[\s,]*)+")
_ISO = re.compile(r"P(?=[\dT])(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
                  r"(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")  # fmt: skip
_ISO_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")
_LONGEST_TEXT = 100
_EXAMPLES = "'15 minutes', '1 day', '1 month', 'PT15M' or a timedelta"


@dataclass(frozen=True)
class Span:
    """A length of time: months, or microseconds; never both.

    >>> str(Span.of("90min", where="size")), str(Span.of("P1Y", where="size"))
    ('1 hour 30 minutes', '1 year')
    """

    months: int = 0
    microseconds: int = 0

    @classmethod
    def of(cls, value: str | timedelta, *, where: str) -> Span:
        """Read a length.

        Raises:
            ConfigError: it isn't one, isn't positive, or has months and shorter units.
        """
        if isinstance(value, timedelta):
            span = cls(0, value // timedelta(microseconds=1))
        elif isinstance(value, str):
            span = cls._summed(_parts(value, where=where), where=where)
        else:
            raise ConfigError(
                f"{where} is {value!r}, which has no unit of time; it takes {_EXAMPLES}"
            )
        if not 0 < span.longest <= 100_000 * 366 * DAY:
            raise ConfigError(
                f"{where} is {describe(value)}: it has to be from 1 microsecond to 100,000 years"
            )
        if span.months and span.microseconds:
            raise ConfigError(
                f"{where} is {value!r}: months differ in length, so they don't add up with "
                "shorter units; use one or the other"
            )
        return span

    @classmethod
    def _summed(cls, parts: list[tuple[Fraction, str]], *, where: str) -> Span:
        months = sum((n * _MONTHS.get(unit, 0) for n, unit in parts), Fraction(0))
        micro = sum((n * _MICROSECONDS.get(unit, 0) for n, unit in parts), Fraction(0))
        if months.denominator != 1 or micro.denominator != 1:
            least = "month" if months.denominator != 1 else "microsecond"
            raise ConfigError(f"{where} is no whole number of {least}s; use a shorter unit")
        return cls(int(months), int(micro))

    @property
    def longest(self) -> int:
        """Microseconds, at most."""
        return self.microseconds + self.months * _LONGEST_MONTH

    @property
    def shortest(self) -> int:
        """Microseconds, at least."""
        return self.microseconds + self.months * _SHORTEST_MONTH

    @property
    def in_days(self) -> bool:
        """Whether it is a whole number of days or of months."""
        return self.microseconds % DAY == 0

    def __str__(self) -> str:
        """Give the text that `of` reads back."""
        rest, words = self.months or self.microseconds, []
        units = {"year": 12, "month": 1} if self.months else _MICROSECONDS
        for unit, size in units.items():
            # A week and two days reads worse than nine days.
            if unit == "week" and rest % size:
                continue
            number, rest = divmod(rest, size)
            if number:
                words.append(f"{number} {unit}{'s' if number > 1 else ''}")
        return " ".join(words)


def _parts(text: str, *, where: str) -> list[tuple[Fraction, str]]:
    lowered, iso = text.strip().lower(), _ISO.fullmatch(text.strip())
    if len(lowered) > _LONGEST_TEXT or not (iso or _TEXT.fullmatch(lowered)):
        raise ConfigError(f"{where} is {describe(text)}, which is no length of time: {_EXAMPLES}")
    if iso:
        pairs = zip(iso.groups(), _ISO_UNITS, strict=True)
        return [(Fraction(number), unit) for number, unit in pairs if number]
    return [(Fraction(n), _unit(word, text, where=where)) for n, word in _PART.findall(lowered)]


def _unit(word: str, text: str, *, where: str) -> str:
    plain = word.replace("µ", "u")
    unit = _SHORT.get(plain) or _SHORT.get(plain.removesuffix("s")) or plain.removesuffix("s")
    if unit not in _UNITS:
        hint = did_you_mean(closest(word, [f"{each}s" for each in _UNITS]))
        raise ConfigError(
            f"{where} is {describe(text)}: {word!r} is no unit of time{hint} It takes {_EXAMPLES}"
        )
    return unit
