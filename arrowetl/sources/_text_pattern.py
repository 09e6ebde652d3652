r"""Lines to typed columns by a regular expression with named groups, in one SQL statement.

DuckDB and Arrow match with RE2: time grows with the text, never with the pattern's cunning, at the
price of lookaheads, lookbehinds and backreferences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from arrowetl.arrow import conform
from arrowetl.duck import describing, stream_select
from arrowetl.errors import ConfigError, closest, did_you_mean, first_line
from arrowetl.sources._columns import TEXT, Fields
from arrowetl.sources._text_lines import FAULTS, LINES
from arrowetl.sources._text_types import Formats, conversion, likely
from arrowetl.sql import INPUT, literal, name
from arrowetl.stage import BATCH_ROWS, REJECTED_SCHEMA

_QUOTED = r'(?:[^"\\]|\\.)*'
_REQUEST = r"(?P<method>[A-Za-z]+) (?P<url>\S+)(?: (?P<protocol>HTTP/[0-9.]+))?"
_COMMON = (
    r"^(?P<host>\S+) (?:-|(?P<ident>\S+)) (?:-|(?P<user>.+?)) \[(?P<time>[^\]]+)\] "
    rf'"(?:-|(?P<request>{_REQUEST}|{_QUOTED}))" '
    r"(?:-|(?P<status>\d{3})) (?:-|(?P<bytes>\d+))"
)
PATTERNS = {
    "common": _COMMON + r"\s*$",
    "combined": rf'{_COMMON} "(?:-|(?P<referer>{_QUOTED}))" "(?:-|(?P<agent>{_QUOTED}))"',
}
"""The log formats of Apache and nginx, by the names they have there; `-` is null."""

NUMBERED = pa.schema([pa.field("file", pa.string()), *LINES])
"""What the statements read: the lines of all files."""
REJECTED = "arrowetl:rejected"
"""The column with what `REJECTED_SCHEMA` has, of a line that is rejected; null for a good one."""

NO_MATCH = "no_match"
PLACES: Fields = (("file", TEXT), ("line", "BIGINT"), ("byte", "BIGINT"), ("text", TEXT))
"""The columns there are besides the groups."""


@dataclass(frozen=True)
class Pattern:
    """A regular expression that RE2 takes, and its groups; all are named."""

    text: str
    groups: tuple[str, ...]


def pattern_of(text: str, *, where: str) -> Pattern:
    r"""Look whether a pattern can be run, and what groups it has.

    Raises:
        ConfigError: RE2 doesn't take it; it has no named group, one without a name, or two of one
            name.

    >>> pattern_of(r"(?P<level>\w+): (?P<said>.*)", where="TextSource").groups
    ('level', 'said')
    """
    known = PATTERNS.get(text, text)
    groups = tuple(field.name for field in _matched_type(known, where))
    if not groups:
        hint = did_you_mean(closest(text, PATTERNS))
        raise ConfigError(
            f"{where}: pattern={text!r} has no named group, as (?P<level>\\w+), and isn't the name "
            f"of one{hint} Known: {', '.join(PATTERNS)}"
        )
    twice = [group for group, count in Counter(g.casefold() for g in groups).items() if count > 1]
    if twice:
        raise ConfigError(f"{where}: pattern={text!r} has several groups called {twice[0]!r}")
    return Pattern(known, groups)


def check_expression(text: str, *, option: str, where: str) -> None:
    """Look whether RE2 takes an expression.

    Raises:
        ConfigError: it doesn't, with what RE2 lacks.
    """
    try:
        with describing() as connection:
            connection.sql(f"SELECT regexp_matches('', {literal(text)})").fetchall()
    except duckdb.Error as error:
        reason = first_line(error)
        if "(?<" in reason and "(?<=" not in text and "(?<!" not in text:
            advice = "write a named group as (?P<name>...)"
        else:
            advice = "it is run by RE2, which has no lookahead, lookbehind or backreference"
        raise ConfigError(f"{where}: {option}={text!r}: {reason}; {advice}") from error


def _matched_type(text: str, where: str) -> pa.StructType:
    import pyarrow.compute as pc

    check_expression(text, option="pattern", where=where)
    try:
        return pc.extract_regex(pa.nulls(0, pa.string()), text).type
    except pa.ArrowInvalid as error:
        raise ConfigError(
            f"{where}: pattern={text!r} has a group without a name: write (?:...) for one that "
            f"only groups ({error})"
        ) from error


def inferred(batches: Iterator[pa.RecordBatch], pattern: Pattern, formats: Formats) -> Fields:
    """Find each group's type: the narrowest that all its values in `batches` have.

    A group that has no value is text, as is one whose values have no type together.
    """
    values = ", ".join(
        f"nullif(g.g{number}, '') AS v{number}" for number in range(len(pattern.groups))
    )
    votes = [
        f"bool_and({test}) AS {name(f'{number} {kind}')}"
        for number in range(len(pattern.groups))
        for kind, test in likely(f"v{number}", formats)
    ]
    select = (
        f"SELECT {', '.join(votes)} FROM (SELECT {values} FROM "
        f"(SELECT {_extracted(pattern)} AS g FROM {INPUT} WHERE fault IS NULL))"
    )
    found = next(stream_select(lambda _: select, batches), None)
    kinds: dict[int, str] = {}
    if found is not None:
        for column, fits in found.to_pylist()[0].items():  # small: one row
            number, _, kind = column.partition(" ")
            if fits:
                kinds.setdefault(int(number), kind)
    return tuple((group, kinds.get(number, TEXT)) for number, group in enumerate(pattern.groups))


def matched_select(pattern: Pattern, columns: Fields, formats: Formats) -> str:
    """Write the SELECT that gives the groups of `pattern` as `columns`, and why a line has none.

    Columns that nobody asked for aren't converted, and so reject nothing.

    Args:
        pattern: what is looked for in each line.
        columns: groups, and any of `PLACES` that no group is called.
        formats: how dates and times are written.
    """
    at = {group: number for number, group in enumerate(pattern.groups)}
    wanted = {at[column]: kind for column, kind in columns if column in at}
    texts = ", ".join(f"nullif(g.g{number}, '') AS t{number}" for number in wanted)
    values = ", ".join(f"{conversion(f't{n}', k, formats)} AS v{n}" for n, k in wanted.items())
    nothing = " AND ".join(f"g.g{number} = ''" for number in range(len(pattern.groups)))
    # Asked only of lines whose groups are all empty: those that don't match, and few others.
    missed = f"{nothing} AND NOT regexp_matches(text, {literal(pattern.text)})"
    blamed = " ".join(
        f"WHEN v{number} IS NULL AND t{number} IS NOT NULL THEN {number}"
        for number, kind in wanted.items()
        if kind != TEXT
    )
    steps = (
        f"SELECT *, {_extracted(pattern)} AS g FROM {INPUT}",
        f"SELECT *, CASE WHEN {missed} THEN {literal(NO_MATCH)} END AS missed"
        + (f", {texts}" if texts else ""),
        f"SELECT *{f', {values}' if values else ''}",
        f"SELECT *, {f'CASE {blamed} END' if blamed else 'NULL'} AS blamed",
        "SELECT *, coalesce(fault, missed, CASE WHEN blamed IS NOT NULL THEN 'cast' END) AS code",
    )
    rows = steps[0]
    for step in steps[1:]:
        rows = f"{step} FROM ({rows})"
    kinds = dict(columns)
    return _with_rejected(columns, {g: (n, kinds[g]) for g, n in at.items() if g in kinds}, rows)


def _extracted(pattern: Pattern) -> str:
    # Numbered: groups may be called alike but for their case, which a struct's fields may not.
    fields = [f"g{number}" for number in range(len(pattern.groups))]
    return f"regexp_extract(text, {literal(pattern.text)}, {literal(fields)})"


def _with_rejected(columns: Fields, groups: Mapping[str, tuple[int, str]], rows: str) -> str:
    listed = ", ".join(
        f"v{groups[column][0]} AS {name(column)}" if column in groups else name(column)
        for column, _ in columns
    )
    kinds = " ".join(f"WHEN {n} THEN {literal(kind)}" for n, kind in groups.values())
    blamed = " ".join(f"WHEN {n} THEN {literal(group)}" for group, (n, _) in groups.items())
    values = " ".join(f"WHEN {n} THEN t{n}" for n, _ in groups.values())
    faults = " ".join(f"WHEN {literal(code)} THEN {literal(why)}" for code, why in FAULTS.items())
    cast = (
        f"'column ' || CASE blamed {blamed} END || ': ''' || CASE blamed {values} END || "
        f"''' isn''t ' || CASE blamed {kinds} END"
    )
    reason = (
        f"CASE code {faults} WHEN {literal(NO_MATCH)} THEN 'the pattern isn''t found in it' "
        f"ELSE {cast if groups else 'code'} END"
    )
    column = f"CASE blamed {blamed} END" if groups else "NULL::VARCHAR"
    return f"""
        SELECT {listed}, CASE WHEN code IS NOT NULL THEN {{
            'reason_code': code, 'reason': {reason}, 'column': {column},
            'source': {{'file': file, 'line': line, 'byte': byte,
                'table': NULL::VARCHAR, 'key': NULL::VARCHAR}}, 'text': text
        }} END AS {name(REJECTED)}
        FROM ({rows})"""


def matched_rows(
    select: str, batches: Iterator[pa.RecordBatch], *, batch_size: int = BATCH_ROWS
) -> Generator[tuple[pa.RecordBatch, pa.RecordBatch | None], None, None]:
    """Run what `matched_select` gave: good rows, and rejected ones if there are any."""
    import pyarrow.compute as pc

    for batch in stream_select(lambda _: select, batches, batch_size=batch_size):
        why = batch[REJECTED]
        rows = batch.drop_columns([REJECTED])
        if why.null_count == batch.num_rows:
            yield rows, None
            continue
        bad = pc.is_valid(why)
        set_apart = pa.RecordBatch.from_struct_array(why.filter(bad))
        yield rows.filter(pc.invert(bad)), conform(set_apart, REJECTED_SCHEMA)
