"""SQLite's tables as statements: what is there, what to create, how to change it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from arrowetl.errors import SchemaError, WriteError
from arrowetl.sinks.table import Column
from arrowetl.sql import literal, name, names
from arrowetl.typemap.stored import DIGITS

_TIMES = (
    ("DATE", "TIMESTAMP", "TIMESTAMP_NS"),
    ("TIMESTAMPTZ", "TIMESTAMPTZ_NS"),
    ("TIME", "TIME_NS"),
)
"""Types of which each holds what those before it do."""
_TEMPORAL = {"DATETIME", *(kind for kinds in _TIMES for kind in kinds)}
_DECIMAL = re.compile(r"DECIMAL_TEXT\((\d+), ?(\d+)\)", re.ASCII)
_LONGEST_DECIMAL = 76
_NUMBERS = {"INTEGER", "BOOLEAN", "REAL"}
_NUMERIC = ("BOOL", "DECIMAL", "NUMERIC")


def create_sql(table: str, columns: Iterable[Column]) -> str:
    """Give the CREATE TABLE as arrowetl writes it.

    >>> create_sql("t", [Column("id", "INTEGER"), Column("any", "")])
    'CREATE TABLE "t" ("id" INTEGER, "any")'
    """
    listed = ", ".join(_definition(column) for column in columns)
    return f"CREATE TABLE {name(table)} ({listed})"


def add_sql(table: str, column: Column) -> str:
    """Give the ALTER TABLE that adds a column.

    >>> add_sql("t", Column("at", "DATE"))
    'ALTER TABLE "t" ADD COLUMN "at" DATE'
    """
    return f"ALTER TABLE {name(table)} ADD COLUMN {_definition(column)}"


def insert_sql(table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    """Give the INSERT with a place a column; with a key, the row there is gets the values.

    >>> insert_sql("t", ["id", "v"], ["id"])
    'INSERT INTO "t" ("id", "v") VALUES (?, ?) ON CONFLICT ("id") DO UPDATE SET "v" = excluded."v"'
    """
    places = ", ".join("?" * len(columns))
    insert = f"INSERT INTO {name(table)} ({names(columns)}) VALUES ({places})"
    if not key:
        return insert
    others = [column for column in columns if column not in key]
    changes = ", ".join(f"{name(column)} = excluded.{name(column)}" for column in others)
    action = f"UPDATE SET {changes}" if others else "NOTHING"
    return f"{insert} ON CONFLICT ({names(key)}) DO {action}"


def _definition(column: Column) -> str:
    return f"{name(column.name)} {column.kind}".rstrip()


def wider(have: str, want: str) -> str | None:
    """Give the declared type that holds what `have` does and `want`; None if none does.

    >>> wider("BOOLEAN", "REAL"), wider("VARCHAR(20)", "INTEGER"), wider("BLOB", "TEXT")
    ('REAL', 'VARCHAR(20)', None)
    >>> wider("DECIMAL_TEXT(9,2)", "DECIMAL_TEXT(9,4)"), wider("DATE", "TEXT")
    ('DECIMAL_TEXT(11,4)', 'TEXT')

    A number isn't text: 1 would be '1', but '1.0' if the column was widened to REAL before.

    >>> wider("INTEGER", "TEXT"), wider("DECIMAL_TEXT(9,2)", "INTEGER")
    (None, None)

    Integers have 64 bits, and a REAL rounds them from 53: rows' that it would are an error when
    they come.

    >>> wider("INTEGER", "REAL"), wider("REAL", "INTEGER")
    (None, 'REAL')
    >>> wider("DATE", "TIMESTAMP"), wider("TIMESTAMP", "TIMESTAMPTZ")
    ('TIMESTAMP', None)
    """
    known, kept_as = have.upper(), affinity(have)
    if want in {known, ""} or not have:
        return have
    if "BLOB" in {known, want}:
        return None
    if _DECIMAL.fullmatch(known):
        return _wider_decimal(known, want)
    if kept_as == "TEXT":
        return have
    if kept_as in _NUMBERS or known.startswith(_NUMERIC):
        return _wider_number(have, kept_as, want) if want in _NUMBERS else None
    if want in _NUMBERS:
        return None if known in _TEMPORAL else have
    return _wider_time(have, want) if {known, want} <= _TEMPORAL else "TEXT"


def exact_type(have: str) -> pa.DataType | None:
    """Give the Arrow type of a column of integers or of decimals; None for any other.

    >>> exact_type("BIGINT"), exact_type("DECIMAL_TEXT(9,2)"), exact_type("NUMERIC")
    (DataType(int64), Decimal128Type(decimal128(9, 2)), None)
    """
    digits = _DECIMAL.fullmatch(have.upper())
    if digits and int(digits[1]) <= DIGITS:
        return pa.decimal128(int(digits[1]), int(digits[2]))
    return pa.int64() if not digits and affinity(have) == "INTEGER" else None


def widest(have: str, want: str) -> str | None:
    """Give what `wider` does; a column of exact numbers stays, for the floating ones that it has.

    >>> widest("INTEGER", "REAL"), widest("DECIMAL_TEXT(9,2)", "REAL"), widest("BOOLEAN", "REAL")
    ('INTEGER', 'DECIMAL_TEXT(9,2)', 'REAL')
    """
    found = wider(have, want)
    stays = found is None and want == "REAL" and exact_type(have) is not None
    return have if stays else found


def _wider_decimal(have: str, want: str) -> str | None:
    """Give the decimal that holds both; None where there is none, or the other is no decimal."""
    pairs = [_DECIMAL.fullmatch(each) for each in (have, want)]
    one, other = ([int(number) for number in pair.groups()] if pair else None for pair in pairs)
    if one is None or other is None:
        return None
    scale = max(one[1], other[1])
    digits = max(one[0] - one[1], other[0] - other[1]) + scale
    return f"DECIMAL_TEXT({digits},{scale})" if digits <= _LONGEST_DECIMAL else None


def _wider_number(have: str, kept_as: str, want: str) -> str | None:
    if have.upper() == "BOOLEAN":
        return want
    return None if kept_as == "INTEGER" and want == "REAL" else have


def _wider_time(have: str, want: str) -> str | None:
    """Give the wider of two types of times; None for a zone and none, or a time and a moment."""
    known = "TIMESTAMP" if have.upper() == "DATETIME" else have.upper()
    for kinds in _TIMES:
        if {known, want} <= set(kinds):
            return have if kinds.index(known) >= kinds.index(want) else want
    return None


def affinity(declared: str) -> str:
    """Give the affinity by SQLite's own rules, https://sqlite.org/datatype3.html#determination_of_column_affinity."""
    kind = declared.upper()
    rules = (
        ("INTEGER", ("INT",)),
        ("TEXT", ("CHAR", "CLOB", "TEXT")),
        ("BLOB", ("BLOB",)),
        ("REAL", ("REAL", "FLOA", "DOUB")),
    )
    return next((to for to, parts in rules if any(part in kind for part in parts)), "NUMERIC")


def _rewritten(column: Column, kind: str) -> str:
    """Write a column's values as those of a wider type are written; SQLite makes text of numbers.

    >>> print(_rewritten(Column("at", "DATE"), "TIMESTAMP"))
    CASE WHEN "at" GLOB '????-??-??' THEN "at" || 'T00:00:00.000000' ELSE "at" END
    """
    value, known = name(column.name), column.kind.upper()
    digits = 9 if kind.endswith("_NS") else 6
    forms = []
    if known == "DATE" and kind.startswith("TIMESTAMP"):
        forms = [("????-??-??", f"{value} || 'T00:00:00.{'0' * digits}'")]
    elif known == "TIMESTAMP" and kind == "TIMESTAMP_NS":
        # Of seconds, or of thousandths or millionths of one.
        forms = [("????-??-??T??:??:??", f"{value} || '.{'0' * digits}'")]
        forms += [
            (f"????-??-??T??:??:??.{'?' * some}", f"{value} || '{'0' * (digits - some)}'")
            for some in (3, 6)
        ]
    elif known == "TIMESTAMPTZ" and kind == "TIMESTAMPTZ_NS":
        forms = [("????-??-??T??:??:??.??????Z", f"substr({value}, 1, 26) || '000Z'")]
    if not forms:
        return value
    cases = " ".join(f"WHEN {value} GLOB {literal(form)} THEN {new}" for form, new in forms)
    return f"CASE {cases} ELSE {value} END"


class Tables:
    """The tables of one open SQLite database.

    Args:
        cursor: an ADBC cursor.
        where: the sink, for errors.
    """

    def __init__(self, cursor: Any, where: str) -> None:
        """Nothing is asked yet."""
        self._cursor = cursor
        self._where = where

    def run(self, sql: str) -> None:
        """Run a statement that gives nothing."""
        self._cursor.execute(sql)

    def _asked(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql, values or None)
        return list(self._cursor.fetchall())

    def columns(self, table: str) -> list[Column] | None:
        """Give a table's columns; None if there is no such table.

        Raises:
            WriteError: it is a view.
        """
        found = self._asked(
            "SELECT type FROM sqlite_master WHERE lower(name) = lower(?) "
            "AND type IN ('table', 'view')",
            table,
        )
        if not found:
            return None
        if found[0][0] == "view":
            raise WriteError(f"{self._where}: {table!r} is a view; name a table")
        rows = self._asked(
            "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid", table
        )
        return [Column(str(row[0]), str(row[1])) for row in rows]

    def make(self, table: str, columns: Sequence[Column]) -> None:
        """Create a table, in the place of the one there is; indexes and triggers stay.

        Raises:
            WriteError: one of them needs a column that is no more.
        """
        kept = self._belongings(table)
        self.run(f"DROP TABLE IF EXISTS {name(table)}")
        self.run(create_sql(table, columns))
        self._restore(table, kept)

    def _belongings(self, table: str) -> list[tuple[str, str]]:
        rows = self._asked(
            "SELECT name, sql FROM sqlite_master WHERE lower(tbl_name) = lower(?) "
            "AND type IN ('index', 'trigger') AND sql IS NOT NULL",
            table,
        )
        return [(str(row[0]), str(row[1])) for row in rows]

    def _restore(self, table: str, kept: Iterable[tuple[str, str]]) -> None:
        from adbc_driver_manager import Error

        for belonging, sql in kept:
            try:
                self.run(sql)
            except Error as error:
                raise WriteError(
                    f"{self._where}: {belonging!r} of the old table {table!r} doesn't fit the new "
                    f"columns ({error}); drop it first"
                ) from error

    def widen(self, table: str, columns: Sequence[Column], widened: Sequence[Column]) -> None:
        """Give columns wider types, by copying the table: SQLite can't alter a type.

        Raises:
            SchemaError: the table isn't as arrowetl makes them, so a copy might lose something.
        """
        made = self._asked(
            "SELECT sql FROM sqlite_master WHERE lower(name) = lower(?) AND type = 'table'", table
        )
        if made[0][0] != create_sql(table, columns):
            raise SchemaError(
                f"column {widened[0].name!r} should be widened to {widened[0].kind}, and SQLite "
                f"can't alter types; copying the table might lose its constraints. Cast the rows, "
                f"or rebuild the table",
                where=self._where,
                column=widened[0].name,
            )
        kept = self._belongings(table)
        wide = {column.name: column for column in widened}
        copy = f"arrowetl copy of {table}"
        self.run(create_sql(copy, [wide.get(column.name, column) for column in columns]))
        values = ", ".join(
            _rewritten(column, wide.get(column.name, column).kind) for column in columns
        )
        self.run(f"INSERT INTO {name(copy)} SELECT {values} FROM {name(table)}")
        self.run(f"DROP TABLE {name(table)}")
        self.run(f"ALTER TABLE {name(copy)} RENAME TO {name(table)}")
        self._restore(table, kept)

    def ensure_key(self, table: str, key: Sequence[str]) -> None:
        """Make a unique index over the key, if nothing says that it's unique.

        Raises:
            WriteError: the table has several rows with one key.
        """
        from adbc_driver_manager import Error

        if self._is_unique(table, {column.lower() for column in key}):
            return
        index = f"arrowetl_key_{table}_{'_'.join(key)}"
        try:
            self.run(f"CREATE UNIQUE INDEX {name(index)} ON {name(table)} ({names(key)})")
        except Error as error:
            raise WriteError(
                f"{self._where}: the table has several rows with one {', '.join(key)}, so it "
                f"can't be a key; choose another, or remove the rows ({error})"
            ) from error

    def _is_unique(self, table: str, key: set[str]) -> bool:
        primary = self._asked("SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0", table)
        if key == {str(row[0]).lower() for row in primary}:
            return True
        indexes = self._asked(
            "SELECT i.name, c.name FROM pragma_index_list(?) i, pragma_index_info(i.name) c "
            'WHERE i."unique" AND NOT i.partial',
            table,
        )
        columns: dict[str, set[str]] = {}
        for index, column in indexes:
            columns.setdefault(index, set()).add(str(column).lower())
        return key in columns.values()
