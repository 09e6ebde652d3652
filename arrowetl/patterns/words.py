"""Short texts that mean something: postal codes, words for yes and no, JSON, dates by format."""

from __future__ import annotations

from collections.abc import Mapping

from arrowetl.patterns.pattern import Pattern, full, guarded
from arrowetl.sql import literal

_BRITISH = (
    "(?i)(?:gir ?0aa|(?:[a-pr-uwyz](?:[0-9]{1,2}|[a-hk-y][0-9](?:[0-9]|[abehmnprv-y])?"
    "|[0-9][a-hjkps-uw])) ?[0-9][abd-hjlnp-uw-z]{2})"
)
_POSTAL = {
    "us": (r"[0-9]{5}(?:-[0-9]{4})?", ("94103", "94103-1234"), ("9410", "94103-12")),
    "ca": (
        r"(?i)[abceghj-nprstvxy][0-9][abceghj-nprstv-z][ -]?[0-9][abceghj-nprstv-z][0-9]",
        ("K1A 0B1", "h0h0h0"),
        ("D1A 0B1", "K1A 0O1"),
    ),
    "gb": (
        _BRITISH,
        ("SW1A 1AA", "m1 1ae", "EC1A1BB"),
        ("SW1A 1A", "1AA SW1"),
    ),
    "de": (r"0[1-9][0-9]{3}|[1-9][0-9]{4}", ("10115", "01067"), ("00999", "1011")),
    "fr": (r"(?:0[1-9]|[1-8][0-9]|9[0-8])[0-9]{3}", ("75001", "01000"), ("00100", "99000")),
    "nl": (r"(?i)[1-9][0-9]{3} ?[a-z]{2}", ("1012 AB", "1012ab"), ("0123 AB", "1012 A")),
    "ch": (r"[1-9][0-9]{3}", ("8001", "3000"), ("0800", "80010")),
    "at": (r"[1-9][0-9]{3}", ("1010", "8010"), ("0100", "10100")),
    "it": (r"[0-9]{5}", ("00118", "20121"), ("2012", "I-2012")),
    "es": (r"(?:0[1-9]|[1-4][0-9]|5[0-2])[0-9]{3}", ("28001", "08001"), ("53001", "2800")),
    "pl": (r"[0-9]{2}-[0-9]{3}", ("00-950", "31-042"), ("00950", "0-950")),
    "se": (r"[1-9][0-9]{2} ?[0-9]{2}", ("111 22", "11122"), ("011 22", "1112")),
    "jp": (r"[0-9]{3}-?[0-9]{4}", ("100-0001", "1000001"), ("100-001", "10000-01")),
    "br": (r"[0-9]{5}-?[0-9]{3}", ("01310-100", "01310100"), ("0131-100", "01310-10")),
    "in": (r"[1-9][0-9]{2} ?[0-9]{3}", ("110001", "560 001"), ("010001", "11000")),
    "au": (r"0[289][0-9]{2}|[1-9][0-9]{3}", ("2000", "0800"), ("0100", "20000")),
}

TRUE_WORDS = ("true", "t", "yes", "y", "on", "ja", "oui", "sí", "si", "vrai", "wahr", "verdadero")
FALSE_WORDS = ("false", "f", "no", "n", "off", "nein", "non", "faux", "falsch", "falso", "nee")
"""Words that mean yes and no, in small letters; digits alone don't."""


Formats = Mapping[str, tuple[str | None, str, str, str]]


# No lookahead in RE2, so the ranges are spelt out: no 000, 666 or 9xx, no group 00, no serial 0000.
_SSN_AREA = "(?:00[1-9]|0[1-9][0-9]|[1-57-8][0-9]{2}|6(?:[0-57-9][0-9]|6[0-57-9]))"
_SSN_GROUP = "(?:0[1-9]|[1-9][0-9])"
_SSN_SERIAL = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_SSN = "|".join(f"{_SSN_AREA}{each}{_SSN_GROUP}{each}{_SSN_SERIAL}" for each in "- ")
_PUBLIC_SSN = tuple(
    each.join(parts)
    for parts in (("078", "05", "1120"), ("219", "09", "9999"), ("457", "55", "5462"))
    for each in "- "
)


def _ssn(text: str) -> str:
    """Give the check that a number isn't one of those that were made public."""
    return f"{text} NOT IN {literal(_PUBLIC_SSN)}"


DATE_FORMATS: Formats = {
    "date_iso": ("%Y-%m-%d", r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", "2024-02-29", "2023-02-29"),
    "date_compact": ("%Y%m%d", r"(?:1[5-9]|2[01])[0-9]{6}", "20240229", "20240230"),
    "date_slash_ymd": ("%Y/%m/%d", r"[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}", "2024/02/29", "2024/13/01"),
    "date_dot_dmy": ("%d.%m.%Y", r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}", "29.02.2024", "30.02.2024"),
    "date_slash_dmy": ("%d/%m/%Y", r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}", "29/02/2024", "02/29/2024"),
    "date_slash_mdy": ("%m/%d/%Y", r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}", "02/29/2024", "29/02/2024"),
    "date_dash_dmy": ("%d-%m-%Y", r"[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}", "29-02-2024", "02-29-2024"),
    "date_dash_mdy": ("%m-%d-%Y", r"[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}", "02-29-2024", "29-02-2024"),
    "date_month_name": (
        "%d %b %Y",
        r"[0-9]{1,2} [A-Za-z]{3} [0-9]{4}",
        "29 Feb 2024",
        "30 Feb 2024",
    ),
}
"""Dates by format: strptime's, a shape that is quick to see, one that is a date and one that isn't.
`date_slash_dmy` and `date_slash_mdy` share most of their values: only a day over 12 tells."""

_ISO = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    "(?:[Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?"
)

DATETIME_FORMATS: Formats = {
    "datetime_iso": (
        None,
        _ISO,
        "2024-02-29T12:30:00Z",
        "2024-02-30T12:30:00Z",
    ),
    "datetime_slash_mdy": (
        "%m/%d/%Y %H:%M:%S",
        r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9]{1,2}:[0-9]{2}:[0-9]{2}",
        "02/29/2024 12:30:00",
        "02/30/2024 12:30:00",
    ),
    "datetime_dot_dmy": (
        "%d.%m.%Y %H:%M:%S",
        r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4} [0-9]{1,2}:[0-9]{2}:[0-9]{2}",
        "29.02.2024 12:30:00",
        "30.02.2024 12:30:00",
    ),
}
"""Date-times by format, likewise; the ISO one has no format of strptime's, it is cast."""


def _json(text: str) -> str:
    """Give the check of RFC 8259: what stands outside of texts is checked against its extensions.

    DuckDB takes a comma behind the last element, ``NaN`` and ``Infinity`` for JSON.
    """
    outside = rf"""regexp_replace({text}, '"(?:[^"\\]|\\.)*"', '""', 'g')"""
    return rf"json_valid({text}) AND NOT regexp_matches({outside}, '(?i)nan|inf|,\s*[]}}]')"


def _dated(text: str, form: str | None) -> str:
    if form is None:
        return f"TRY_CAST(replace(upper({text}), ',', '.') AS TIMESTAMPTZ) IS NOT NULL"
    return f"try_strptime({text}, {literal(form)}) IS NOT NULL"


def _by_format(name: str, parts: tuple[str | None, str, str, str]) -> Pattern:
    form, shape, good, bad = parts
    kind = "Date-time" if name.startswith("datetime") else "Date"
    title = f"{kind}, {form or 'ISO 8601'}"
    return Pattern(
        name, title, guarded(shape, lambda text: _dated(text, form)), good=(good,), bad=(bad,)
    )


_FORMATS = tuple(
    _by_format(name, parts) for name, parts in {**DATE_FORMATS, **DATETIME_FORMATS}.items()
)


def _any_of(prefix: str, name: str, title: str) -> Pattern:
    kinds = [each for each in _FORMATS if each.name.startswith(prefix)]
    return Pattern(
        name,
        title,
        lambda text: " OR ".join(each.sql(text) for each in kinds),
        hints=("date", "day") if name == "date" else ("time", "at", "timestamp"),
        good=tuple(each.good[0] for each in kinds),
        bad=("2024-02-30", "12", "soon"),
    )


WORDS = (
    Pattern(
        "us_ssn",
        "US social security number",
        guarded(_SSN, _ssn),
        pii="us_ssn",
        hints=("ssn", "social_security"),
        good=("536-90-4399", "001-01-0001"),
        bad=("000-12-3456", "666-12-3456", "912-12-3456", "123-00-4567", "536904399"),
    ),
    *(
        Pattern(
            f"postal_code_{country}",
            f"Postal code, {country.upper()}",
            full(expression),
            hints=("zip", "postal", "postcode", "plz"),
            good=good,
            bad=bad,
        )
        for country, (expression, good, bad) in _POSTAL.items()
    ),
    Pattern(
        "boolean",
        "Yes or no, in words",
        lambda text: f"lower({text}) IN {literal(TRUE_WORDS + FALSE_WORDS)}",
        hints=("is", "has", "flag", "active", "enabled"),
        good=("yes", "No", "TRUE", "f", "oui"),
        bad=("1", "maybe", "", "yes "),
    ),
    Pattern(
        "json",
        "JSON object or array",
        guarded(r"(?s)\s*[\[{].*[\]}]\s*", _json),
        hints=("json", "payload"),
        good=('{"a": 1}', "[1, 2]", "[]", '{"nan": ",}"}', '["\\\\",null]', '["\\\\\\","]'),
        bad=("{a: 1}", '"text"', "12", "[1, 2", "[1,]", '{"a": NaN}', "[-Infinity]"),
    ),
    *_FORMATS,
    _any_of("date_", "date", "Date, in any known format"),
    _any_of("datetime_", "datetime", "Date-time, in any known format"),
)
"""Social security numbers have hyphens or spaces: nine digits alone could be anything."""
