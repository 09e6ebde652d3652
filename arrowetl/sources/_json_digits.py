"""Numbers that are read as text, with all their digits.

DuckDB reads a number with a fraction or an exponent as a double, also where text is asked for:
`1.10` becomes `1.1`. So a record with such a number in a column of text is read once more, with
its numbers as text: in quotes, behind a word. Where every record has one, reading takes some three
times as long; others only pay for a look at the values that they have.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping

from arrowetl.sources._json_shape import Path
from arrowetl.sources._json_types import RAW, TEXT, Map, Spec, type_name, written
from arrowetl.sql import literal, name

LONG_NUMBER = "regexp_matches(text, '[.][0-9]{8}|[0-9]{8}[.]|[0-9]{16}[eE]|[eE]-[0-9]{3}')"
"""Whether there may be a number that isn't the same as a double: below 16 digits all are."""

TINY_NUMBER = "regexp_matches(text, '[eE]-[0-9]{3}')"
"""Whether there may be a number that is 0 as a double, and isn't."""

_MINUS_ZERO = "regexp_matches(text, '-0([^0-9.eE]|$)')"
_STRING, _NUMBER = r'"[^"\\]*(?:\\.[^"\\]*)*"', "-?[0-9]+[.eE][0-9.eE+-]*|-0"
_NUMERIC = ("BIGINT", "UBIGINT", "HUGEINT", "DOUBLE")

LAMBDAS = 8
"""How many lists in lists are looked through: DuckDB takes twice the time for each to plan it."""


def lost(value: str, spec: Spec, texts: Collection[Path], path: Path = ()) -> str:
    """Write the predicate that a value may have text of a number that had other digits.

    Args:
        value: the SQL of what DuckDB read; the record itself is `text`.
        spec: its type.
        texts: the places in it where text may be a number's.
        path: where the value is.

    >>> lost("r0", {"a": "BIGINT", "b": "VARCHAR"}, [])
    ''
    """
    if isinstance(spec, dict):
        parts = [lost(f"{value}.{name(k)}", v, texts, (*path, k)) for k, v in spec.items()]
        return " OR ".join(filter(None, parts))
    if isinstance(spec, list | Map):
        if path.count(None) == LAMBDAS:
            return "regexp_matches(text, '[0-9][.eE]|-0')" if _any_below(path, texts) else ""
        item, items = (
            (spec.item, f"map_values({value})") if isinstance(spec, Map) else (spec[0], value)
        )
        each = f"x{len(path)}"
        found = lost(each, item, texts, (*path, None))
        return f"len(list_filter({items}, lambda {each}: {found})) > 0" if found else ""
    if path not in texts:
        return ""
    return _lost_in_json(value) if spec == RAW else _lost_in_text(value)


def _any_below(path: Path, texts: Collection[Path]) -> bool:
    return any(place[: len(path)] == path for place in texts)


def _lost_in_text(value: str) -> str:
    """Write what to ask of a text; of one that begins with a letter, that is only compared."""
    number = r"regexp_full_match({0}, '-?[0-9]+([.][0-9]+)?(e[-+]?[0-9]+)?')"
    return f"""CASE WHEN {value} < ':' THEN CASE
            WHEN {value} = '0' THEN {_MINUS_ZERO}
            WHEN {value} >= '-' AND (contains({value}, '.') OR contains({value}, 'e'))
                THEN {number.format(value)}
            ELSE false END
        WHEN {value} >= '[' AND ({value} < '\\' OR ({value} >= '{{' AND {value} < '|'))
            THEN {_lost_in_json(value)}
        ELSE false END"""


def _lost_in_json(value: str) -> str:
    begins = r"(^|[\[:,])"
    return f"""CASE WHEN regexp_matches({value}, '{begins}-?[0-9]+[.e]') THEN true
        WHEN regexp_matches({value}, '{begins}0($|[\\],}}])') THEN {_MINUS_ZERO} ELSE false END"""


class Again:
    """How a record is read once more, so that its numbers are text.

    >>> again = Again({"a": "VARCHAR"})
    >>> import duckdb
    >>> record = duckdb.sql('''SELECT '{"a": [1.10, "1.10", -0e0]}' AS text''')
    >>> record.select(f"{again.read()} AS q").select(again.value("q")).fetchall()
    [({'a': '[1.10,"1.10",-0e0]'},)]
    """

    def __init__(self, spec: Spec) -> None:
        """Keep the type, and a word that no text has: nobody can know it before."""
        self._spec = spec
        self._word = secrets.token_hex(8)

    def read(self) -> str:
        """Write what DuckDB reads of `text`: all numbers are text there."""
        # No JSON has these characters, and a text in quotes is found before a number in it.
        found = r"concat(chr(1), '\0', chr(2))"
        each = f"regexp_replace(text, '{_STRING}|{_NUMBER}', {found}, 'g')"
        for given, wanted in (
            ("chr(1) || '\"'", "'\"'"),
            ("'\"' || chr(2)", "'\"'"),
            ("chr(1)", f"'\"{self._word}'"),
            ("chr(2)", "'\"'"),
        ):
            each = f"replace({each}, {given}, {wanted})"
        texts = _leaves(self._spec, dict.fromkeys(_NUMERIC, TEXT))
        return f"TRY(from_json({each}, {_asked(texts)}))"

    def value(self, value: str) -> str:
        """Write the value of the type, of what was read: JSON again, without the word."""
        texts = _leaves(self._spec, dict.fromkeys({*_NUMERIC, RAW}, TEXT))
        again = f"to_json(CAST({value} AS {type_name(texts)}))::VARCHAR"
        # In JSON that is text itself, quotes have backslashes.
        marked = '\\\\"' + self._word + "([0-9.eE+-]+)" + '\\\\"'
        in_json = rf"regexp_replace({again}, '{marked}', '\1', 'g')"
        plain = f"replace({in_json}, '{self._word}', '')"
        return f"TRY(from_json({plain}, {_asked(_leaves(self._spec, {RAW: TEXT}))}))"


def _leaves(spec: Spec, others: Mapping[str, str]) -> Spec:
    """Give a type with other types in place of some."""
    if isinstance(spec, dict):
        return {key: _leaves(inner, others) for key, inner in spec.items()}
    if isinstance(spec, list):
        return [_leaves(spec[0], others)]
    return Map(_leaves(spec.item, others)) if isinstance(spec, Map) else others.get(spec, spec)


def _asked(spec: Spec) -> str:
    return literal(json.dumps(written(spec)))
