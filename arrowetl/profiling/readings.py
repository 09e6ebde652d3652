"""As which types a text can be read: SQL that tests it, and SQL that casts it.

A reading is stricter than DuckDB's casts, which round ``1.5`` to an integer. What it tests is what
it casts: a text that passes is never null afterwards; but of doubles those that would lose digits
are counted by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from arrowetl.sql import literal, same_digits

_BLANKS = " \t\n\r\f\v\u00a0"
SPACE = literal(_BLANKS)
"""What may stand around a value."""

NULL_WORDS = ("", "null", "none", "nan", "na", "n/a", "#n/a", "nil", "-", "--", "?", ".", "\\n")
"""Texts that stand for null, in any case and with any space around."""

_TRUE = ("true", "yes", "y", "t", "on")
_FALSE = ("false", "no", "n", "f", "off")


@dataclass(frozen=True)
class Reading:
    """One way to read a text.

    Attributes:
        name: a short word, for instance ``date %d.%m.%Y``.
        type: the Arrow type that it gives, as text; of decimals without digits.
        shape: a regular expression that the whole text must match.
        cast: SQL with ``{}`` for the trimmed text, which gives the value or null.
        format: strptime's format, if it is read by one.
    """

    name: str
    type: str
    shape: str
    cast: str
    format: str | None = None

    def value(self, text: str) -> str:
        """Give the SQL of the value; null for what isn't one.

        >>> INTEGER.value("x")
        "CASE WHEN regexp_full_match(x, '[+-]?[0-9]{1,19}') THEN TRY_CAST(x AS BIGINT) END"
        """
        test = f"regexp_full_match({text}, {literal(self.shape)})"
        return f"CASE WHEN {test} THEN {self.cast.format(text)} END"


def _timed(kind: str, shape: str, *formats: str) -> tuple[Reading, ...]:
    name, sql = {
        "date32[day]": ("date", "TRY_CAST(try_strptime({{}}, {}) AS DATE)"),
        "timestamp[us]": ("datetime", "TRY_CAST(try_strptime({{}}, {}) AS TIMESTAMP)"),
        "timestamp[us, tz=UTC]": ("datetime", "TRY_CAST(try_strptime({{}}, {}) AS TIMESTAMPTZ)"),
    }[kind]
    return tuple(
        Reading(f"{name} {each}", kind, shape, sql.format(literal(each)), each) for each in formats
    )


BOOLEAN = Reading(
    "boolean",
    "bool",
    "(?i)(true|yes|y|t|on|false|no|n|f|off)",
    f"lower({{}}) IN ({', '.join(map(literal, _TRUE))})",
)
INTEGER = Reading("integer", "int64", "[+-]?[0-9]{1,19}", "TRY_CAST({} AS BIGINT)")
EXACT_DIGITS = 15
"""Digits of a number that a double keeps, whatever they are."""
DECIMAL = Reading(
    "decimal",
    "decimal128",
    r"[+-]?[0-9]*\.[0-9]+|[+-]?[0-9]+\.?",
    "coalesce(TRY_CAST({0} AS DECIMAL(38, 9)), TRY_CAST({0} AS DECIMAL(38, 0)))",
)
DOUBLE = Reading(
    "double",
    "double",
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i)[+-]?(inf|infinity)",
    "TRY_CAST({} AS DOUBLE)",
)
LOST = (
    f"(strlen({{0}}) > {EXACT_DIGITS} OR contains({{0}}, 'e') OR contains({{0}}, 'E')) "
    f"AND NOT {same_digits('{0}', DOUBLE.cast.format('{0}'))}"
)
"""SQL that tests whether a double would not be the number that a text is."""
EXACT = replace(DOUBLE, cast=f"CASE WHEN NOT ({LOST}) THEN {DOUBLE.cast.format('{0}')} END")
"""Doubles that are cast: those of which no digit is lost."""
NUMBERS = (INTEGER, DECIMAL, DOUBLE)

_T = "[0-9]{1,2}:[0-9]{2}"
_S = _T + ":[0-9]{2}"
_F = _S + r"\.[0-9]{1,9}"
_ISO = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_ZONE = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_SLASH = "[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}"
_DOT = r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}"

DATES = (
    *_timed("date32[day]", _ISO, "%Y-%m-%d"),
    *_timed("date32[day]", "[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}", "%Y/%m/%d"),
    *_timed("date32[day]", _SLASH, "%d/%m/%Y", "%m/%d/%Y"),
    *_timed("date32[day]", "[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}", "%d/%m/%y", "%m/%d/%y"),
    *_timed("date32[day]", _DOT, "%d.%m.%Y"),
    *_timed("date32[day]", r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{2}", "%d.%m.%y"),
    *_timed("date32[day]", "[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}", "%d-%m-%Y", "%m-%d-%Y"),
    Reading(
        "date %Y%m%d",
        "date32[day]",
        "[0-9]{8}",
        "CASE WHEN left({0}, 2) IN ('19', '20') "
        "THEN TRY_CAST(try_strptime({0}, '%Y%m%d') AS DATE) END",
        "%Y%m%d",
    ),
    *_timed("date32[day]", "[0-9]{1,2} [A-Za-z]{3} [0-9]{4}", "%d %b %Y"),
    *_timed("date32[day]", "[0-9]{1,2}-[A-Za-z]{3}-[0-9]{4}", "%d-%b-%Y"),
    *_timed("date32[day]", "[0-9]{1,2} [A-Za-z]{3,9} [0-9]{4}", "%d %B %Y"),
    *_timed("date32[day]", "[A-Za-z]{3} [0-9]{1,2}, [0-9]{4}", "%b %d, %Y"),
    *_timed("date32[day]", "[A-Za-z]{3,9} [0-9]{1,2}, [0-9]{4}", "%B %d, %Y"),
)
DATETIMES = (
    *_timed("timestamp[us]", f"{_ISO} {_S}", "%Y-%m-%d %H:%M:%S"),
    *_timed("timestamp[us]", f"{_ISO}T{_S}", "%Y-%m-%dT%H:%M:%S"),
    *_timed("timestamp[us]", f"{_ISO} {_F}", "%Y-%m-%d %H:%M:%S.%f"),
    *_timed("timestamp[us]", f"{_ISO}T{_F}", "%Y-%m-%dT%H:%M:%S.%f"),
    *_timed("timestamp[us]", f"{_ISO} {_T}", "%Y-%m-%d %H:%M"),
    *_timed("timestamp[us]", f"{_ISO}T{_T}", "%Y-%m-%dT%H:%M"),
    Reading(
        "datetime with offset",
        "timestamp[us, tz=UTC]",
        rf"{_ISO}[T ]{_T}(:[0-9]{{2}}(\.[0-9]{{1,9}})?)? ?{_ZONE}",
        "TRY_CAST({} AS TIMESTAMPTZ)",
    ),
    *_timed("timestamp[us]", f"{_SLASH} {_S}", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"),
    *_timed("timestamp[us]", f"{_SLASH} {_T}", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"),
    *_timed("timestamp[us]", f"{_SLASH} {_S} [AaPp][Mm]", "%m/%d/%Y %I:%M:%S %p"),
    *_timed("timestamp[us]", f"{_SLASH} {_T} [AaPp][Mm]", "%m/%d/%Y %I:%M %p"),
    *_timed("timestamp[us]", rf"{_DOT} {_S}", "%d.%m.%Y %H:%M:%S"),
    *_timed("timestamp[us]", rf"{_DOT} {_T}", "%d.%m.%Y %H:%M"),
)
TIME = Reading(
    "time",
    "time64[us]",
    rf"{_T}(:[0-9]{{2}}(\.[0-9]{{1,9}})?)?",
    "TRY_CAST(CASE WHEN length({0}) < 6 THEN {0} || ':00' ELSE {0} END AS TIME)",
)
TIMED = (*DATES, *DATETIMES, TIME)
READINGS = {each.name: each for each in (BOOLEAN, *NUMBERS, *TIMED)}
"""Every reading, by name."""


def is_null_word(text: str) -> str:
    """Give the predicate for a trimmed text that stands for null.

    >>> is_null_word("x")[:24]
    "lower(x) IN ('', 'null',"
    """
    return f"lower({text}) IN ({', '.join(map(literal, NULL_WORDS))})"


def trimmed(text: str) -> str:
    """Give the SQL of a text without the space around it.

    Trimming costs more than all else that is asked of a text, so it is done where it must be.

    >>> trimmed("x")[:38]
    'CASE WHEN ascii(x) IN (32, 9, 10, 13, '
    """
    codes = ", ".join(str(ord(each)) for each in _BLANKS)
    blanks = ", ".join(f"chr({ord(each)})" for each in _BLANKS)
    outside = f"ascii({text}) IN ({codes}) OR {text}[-1] IN ({blanks})"
    return f"CASE WHEN {outside} THEN trim({text}, {SPACE}) ELSE {text} END"
