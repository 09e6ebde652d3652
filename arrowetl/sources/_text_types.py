"""Which types a text can have, and how it becomes one: nothing is rounded, cut or made up.

DuckDB's own casts read 1.5 as the integer 2, leave the offset out of a timestamp, cut nanoseconds
off, and read 31 February as 2 March where a format has a zone. So what a text must look like is
said first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arrowetl.sources._columns import TEXT
from arrowetl.sql import literal

ZONED = "TIMESTAMP WITH TIME ZONE"
_ISO = r"\d{4}-\d\d-\d\d"
_CLOCK = r"\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?"
_ZONE = r" ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?)"
_FINE = {"TIMESTAMP": 6, ZONED: 6, "TIMESTAMP_NS": 9, "TIME": 6}
"""Digits of a second's fraction that a type keeps."""

DATES = ("%Y/%m/%d", "%d/%b/%Y")
TIMESTAMPS = (
    "%d/%b/%Y:%H:%M:%S",  # Apache, nginx
    "%Y/%m/%d %H:%M:%S",  # nginx's error log, Go
    "%a %b %d %H:%M:%S %Y",  # Apache's error log, ctime
    "%a %b %d %H:%M:%S.%f %Y",
)
"""What is read besides ISO 8601. Each can be told from the others: whether a month or a day comes
first nobody knows, and so such dates need `date_format`."""

_SHAPES = {
    "BIGINT": r"-?(?:0|[1-9]\d*)",
    "DOUBLE": r"-?(?:0|[1-9]\d{0,14}|(?:0|[1-9]\d*)\.\d+)(?:[eE][-+]?\d{1,3})?",
    "BOOLEAN": r"(?i:true|false)",
    "DATE": rf"{_ISO}|\d{{4}}/\d\d/\d\d|\d\d/\w{{3}}/\d{{4}}",
    "TIME": r"\d\d:\d\d:\d\d(?:\.\d+)?",
}
"""How values look whose type is inferred: with a leading zero a number is a code."""


@dataclass(frozen=True)
class Formats:
    """How the user says dates and date-times are written (`strptime`); None is as known here."""

    date: str | None = None
    timestamp: str | None = None

    @property
    def zoned(self) -> bool:
        """Whether the user's format for date-times has a zone."""
        return self.timestamp is not None and ("%z" in self.timestamp or "%Z" in self.timestamp)


INFERRED = ("BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP_NS", ZONED)
"""Types that are tried, the narrowest first."""


def likely(value: str, formats: Formats) -> Iterator[tuple[str, str]]:
    """Give for each type that may be inferred a SQL test whether a value has it; null for null."""
    for kind in INFERRED:
        converts = f"{conversion(value, kind, formats)} IS NOT NULL"
        shape = _SHAPES.get(kind)
        if shape is not None and not (kind == "DATE" and formats.date):
            converts = f"regexp_full_match({value}, {literal(shape)}) AND {converts}"
        yield kind, f"CASE WHEN {value} IS NOT NULL THEN {converts} END"


def conversion(value: str, kind: str, formats: Formats) -> str:
    """Write the SQL for a text as `kind`, null where it isn't one.

    >>> print(conversion("t", "VARCHAR", Formats()))
    t
    """
    match kind.split("("):
        case [plain] if plain == TEXT:
            return value
        case ["DATE"]:
            return _date(value, formats)
        case [plain] if plain == ZONED:
            return _zoned(value, formats)
        case [plain] if plain.startswith("TIMESTAMP"):
            return _timestamp(value, kind, formats)
        case _:
            return _number(value, kind)


def _number(value: str, kind: str) -> str:
    converted = f"TRY_CAST({value} AS {kind})"
    if kind.endswith("INT") or kind == "INTEGER":
        return _if_like(value, r"[-+]?\d+", converted)
    if kind.startswith("DECIMAL"):
        scale = kind.rstrip(")").rpartition(",")[2].strip()
        return _if_like(value, rf"[-+]?\d*(?:\.\d{{0,{scale}}}0*)?", converted)
    return _fine_enough(value, kind, converted)


def _date(value: str, formats: Formats) -> str:
    if formats.date is not None:
        return f"TRY_CAST(try_strptime({value}, {literal(formats.date)}) AS DATE)"
    plain = _if_like(value, _ISO, f"TRY_CAST({value} AS DATE)")
    return f"coalesce({plain}, TRY_CAST(try_strptime({value}, {literal(DATES)}) AS DATE))"


def _timestamp(value: str, kind: str, formats: Formats) -> str:
    if formats.timestamp is not None:
        if formats.zoned:
            return f"CAST(NULL AS {kind})"
        return f"TRY_CAST(try_strptime({value}, {literal(formats.timestamp)}) AS {kind})"
    text = f"replace({value}, ',', '.')"
    plain = _if_like(value, rf"{_ISO}(?:[T ]{_CLOCK})?", f"TRY_CAST({text} AS {kind})")
    other = f"TRY_CAST(try_strptime({value}, {literal(TIMESTAMPS)}) AS {kind})"
    return _fine_enough(value, kind, f"coalesce({plain}, {other})")


def _zoned(value: str, formats: Formats) -> str:
    if formats.timestamp is not None:
        return f"TRY_CAST(try_strptime({value}, {literal(formats.timestamp)}) AS {ZONED})"
    text = f"regexp_replace(replace({value}, ',', '.'), ' ([+-])', '\\1')"
    plain = _if_like(value, rf"{_ISO}(?:[T ]{_CLOCK}(?:{_ZONE})?)?", f"TRY_CAST({text} AS {ZONED})")
    # With a zone in its format strptime takes any day of a month; without one it doesn't.
    local = f"try_strptime(regexp_replace({value}, '{_ZONE}$', ''), {literal(TIMESTAMPS)})"
    zone = f"regexp_extract({value}, '{_ZONE}$')"
    other = f"TRY_CAST({local}::VARCHAR || trim({zone}) AS {ZONED})"
    return _fine_enough(value, ZONED, f"coalesce({plain}, {other})")


def _fine_enough(value: str, kind: str, converted: str) -> str:
    if kind not in _FINE:
        return converted
    too_fine = rf":\d\d[.,]\d{{{_FINE[kind] + 1}}}"
    return f"CASE WHEN NOT regexp_matches({value}, {literal(too_fine)}) THEN {converted} END"


def _if_like(value: str, shape: str, converted: str) -> str:
    return f"CASE WHEN regexp_full_match({value}, {literal(shape)}) THEN {converted} END"
