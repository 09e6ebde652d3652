"""Mask: personal data that nobody behind this stage sees, nor in what is told of those before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import ConfigError, SchemaError, closest, describe, did_you_mean
from arrowetl.sql import INPUT, literal, name
from arrowetl.stage import Rows, SQLStage, require
from arrowetl.transforms._arguments import is_text, plain, words
from arrowetl.transforms._hmac import Key

REDACTED = "***"
"""What stands for a redacted text."""
UNITS = ("year", "quarter", "month", "week", "day", "hour")
METHODS = ("hash", "tokenise", "redact", "nullify", *UNITS)
_KEYED = ("hash", "tokenise")
_SPELLINGS = {"tokenize": "tokenise", "null": "nullify"}
_PART = re.compile(r"\{(first|last)([1-9]\d{0,2})\}")
_DIGITS = 64
_BYTES = 32


@dataclass(frozen=True)
class Mask(SQLStage):
    """Make personal data unreadable: behind this stage, and in all that is told of rows before it.

    The methods, by what they leave:

    - ``hash``: 64 hexadecimal digits, HMAC-SHA256 (RFC 2104) of the value's text under the key.
      Equal values have equal hashes, so joins and duplicates still work; without the key nobody
      can try values.
    - ``tokenise``: a text of the same shape: a digit for each digit, a letter for each letter
      (capital for capital), all else as it was, so that checks of lengths and forms still pass.
      Chosen by the key; equal values have equal tokens. Short ones may share a token.
    - ``redact``: ``***``.
    - ``nullify``: null.
    - a template like ``{first4}****{last4}``: some characters from either end. A text with fewer
      than twice as many characters as would be shown shows none.
    - ``year``, ``quarter``, ``month``, ``week``, ``day``, ``hour``: a date or time cut off there.

    Nulls stay null. ``hash`` takes any type and gives text; ``nullify`` takes any type; the others
    take text, or dates and times.

    Rows that stages before this one, or the source, send to the dead letters have ``***`` (null,
    if not text) in these columns, and in those that aren't there any more when this stage comes;
    reasons that may show a value of theirs are withheld, and so are the text and the key of what
    can't be read. The same holds for samples, summaries and errors: of Arrow's and DuckDB's only
    the kind is told, with the column and the line of SQL. What an `AnomalyDetector` before this
    stage adds as its reason has ``***`` for their values.

    What else is made of a column before this stage, under another name, isn't masked: a copy or an
    extract by your SQL or Python, a score, a count, the least of a group. Mask that too, or put
    this stage first. Two columns that a stage of yours swaps keep their names, so put this stage
    before such a one. What an exception of your own Python says is yours.

    Args:
        columns: those to mask; or methods by column.
        method: how, where `columns` doesn't say.
        key: a secret of 16 bytes or more for ``hash`` and ``tokenise``, never shown. From the
            environment variable ``ARROWETL_MASK_KEY`` if None. Whoever has another key gets other
            hashes.

    Raises:
        ConfigError: a method isn't one, or the key is too short.

    >>> from arrowetl.testing import run_stage
    >>> people = pa.table({"card": ["4012888888881881", "42"], "mail": ["a@example.org", None]})
    >>> masked = Mask({"card": "{first4}****{last4}", "mail": "redact"})
    >>> run_stage(masked, people).to_pylist()
    [{'card': '4012****1881', 'mail': '***'}, {'card': '****', 'mail': None}]
    """

    columns: str | Sequence[str] | Mapping[str, str]
    method: str = "hash"
    _: KW_ONLY
    key: str | bytes | Key | None = field(default=None)

    rows = Rows.SAME

    def __post_init__(self) -> None:
        """Check the methods, and hide the key."""
        _checked(self.method)
        if isinstance(self.columns, Mapping):
            chosen = {column: _checked(how) for column, how in self.columns.items()}
        else:
            listed = words(self.columns, where="Mask")
            chosen = dict.fromkeys(listed, _checked(self.method))
        if not chosen:
            raise ConfigError("Mask: name the columns to mask")
        object.__setattr__(self, "columns", chosen)
        if self.key is not None and not isinstance(self.key, Key):
            object.__setattr__(self, "key", Key(self.key))

    def __hash__(self) -> int:
        """Equal stages have equal hashes."""
        return hash((frozenset(self._chosen.items()), self.method, self.key))

    @property
    def _chosen(self) -> dict[str, str]:
        return dict(self.columns)  # type: ignore[arg-type]  # a mapping, since it was checked

    @property
    def _key(self) -> Key | None:
        if not any(how in _KEYED for how in self._chosen.values()):
            return None
        return self.key if isinstance(self.key, Key) else Key.of_environment()

    @property
    def masks(self) -> tuple[str, ...]:
        """The columns whose values nobody may see before this stage has run."""
        return tuple(self._chosen)

    def side_tables(self) -> dict[str, Any]:
        """Give what is made of the key, if one is needed."""
        key = self._key
        return {} if key is None else dict(key.constants())

    def select(self, schema: pa.Schema) -> str:
        """Give a SELECT with the masked columns in their places."""
        chosen, key = self._chosen, self._key
        require(schema, chosen, where=self.label)
        masked = ", ".join(
            f"{self._masked(schema.field(column), how, key)} AS {name(column)}"
            for column, how in chosen.items()
        )
        return f"SELECT * REPLACE ({masked}) FROM {INPUT}"

    def _masked(self, column: pa.Field, how: str, key: Key | None) -> str:
        value, kind = name(column.name), column.type
        if how == "nullify":
            # Of the column's type, whatever that is.
            return f"CASE WHEN false THEN {value} END"
        if how == "hash" and key is not None:
            return key.digest(f"{value}::VARCHAR")
        if how in UNITS:
            self._require(column, kinds.is_timestamp(kind) or kinds.is_date(kind), "a date or time")
            cut = f"date_trunc({literal(how)}, {value})"
            return f"{cut}::DATE" if kinds.is_date(kind) else cut
        self._require(column, is_text(plain(kind)), "text")
        if how == "tokenise" and key is not None:
            return token(value, key)
        if how == "redact":
            return f"CASE WHEN {value} IS NOT NULL THEN {literal(REDACTED)} END"
        return shown(value, how)

    def _require(self, column: pa.Field, fits: bool, wanted: str) -> None:
        if not fits:
            raise SchemaError(
                f"column {column.name!r} is {column.type}, and "
                f"{self._chosen[column.name]!r} takes {wanted}; cast it, or take 'hash' or "
                "'nullify', which take any type",
                where=self.label,
                column=column.name,
            )


def _checked(method: Any) -> str:
    """Give a method as it is called here.

    Raises:
        ConfigError: there is none, or a template shows nothing that can be told.
    """
    known = _SPELLINGS.get(method, method) if isinstance(method, str) else method
    if known in METHODS:
        return str(known)
    if isinstance(known, str) and _PART.search(known):
        rest = _PART.sub("", known)
        if "{" not in rest and "}" not in rest:
            return known
    hint = did_you_mean(closest(str(method), METHODS))
    raise ConfigError(
        f"Mask: no method {describe(method)}{hint} There are {', '.join(METHODS)}, and templates "
        "like '{first4}****{last4}'"
    )


def shown(value: str, template: str) -> str:
    """Give the SQL for a text of which the template shows some characters.

    >>> shown("x", "{first1}-")
    "CASE WHEN length(x) >= 2 THEN left(x, 1) || '-' WHEN x IS NOT NULL THEN '-' END"
    """
    pieces, most, place = [], 0, 0
    for part in _PART.finditer(template):
        pieces.append(literal(template[place : part.start()]))
        side = "left" if part[1] == "first" else "right"
        pieces.append(f"{side}({value}, {int(part[2])})")
        most += int(part[2])
        place = part.end()
    pieces.append(literal(template[place:]))
    joined = " || ".join(piece for piece in pieces if piece != "''") or "''"
    plain_rest = literal(_PART.sub("", template))
    return (
        f"CASE WHEN length({value}) >= {2 * most} THEN {joined} "
        f"WHEN {value} IS NOT NULL THEN {plain_rest} END"
    )


def token(value: str, key: Key) -> str:
    """Give the SQL for a text of the same shape, chosen by the key.

    Each character takes a byte of a stream: the HMAC of the value, hashed on with a counter for
    each 32 bytes. Letters outside of a to z become such.
    """
    stream = (
        f"list_transform(range((length({value}) + {_BYTES - 1}) // {_BYTES}), "
        f"lambda block: sha256(seed || block::VARCHAR))"
    )
    digits = f"substr(stream[(i - 1) // {_BYTES} + 1], (i - 1) % {_BYTES} * 2 + 1, 2)"
    byte = f"('0x' || {digits})::INTEGER"
    other = "ascii(c) > 127"
    character = (
        f"CASE WHEN c BETWEEN '0' AND '9' THEN chr(48 + {byte} % 10) "
        f"WHEN c BETWEEN 'A' AND 'Z' OR ({other} AND c <> lower(c)) THEN chr(65 + {byte} % 26) "
        f"WHEN c BETWEEN 'a' AND 'z' OR {other} THEN chr(97 + {byte} % 26) ELSE c END"
    )
    made = (
        f"array_to_string(list_transform(string_split({value}, ''), lambda c, i: {character}), '')"
    )
    # A lambda over a list of one is how an expression gets a name.
    with_stream = f"list_transform([{stream}], lambda stream: {made})[1]"
    return (
        f"CASE WHEN {value} IS NOT NULL THEN "
        f"list_transform([{key.digest(value)}], lambda seed: {with_stream})[1] END"
    )
