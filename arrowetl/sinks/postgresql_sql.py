"""The statements of a load: from the staging table into the target, at once or row by row."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from arrowetl.sinks.postgresql_types import Sent, base_type, is_text
from arrowetl.sql import literal, name, names

STAGED = "arrowetl_staged"
REFUSED = "arrowetl_refused"
KEYS = "arrowetl_keys"
NUMBER = "n"
"""The column of the staging table that numbers its rows."""

ROWS_AT_FAULT = ("22", "23", "44", "P0001", "54000")
"""SQLSTATEs, or their classes, of errors that another row wouldn't have had."""

_LOOSE = {"hstore", "ltree", "lquery", "ltxtquery", "geometry", "geography"}
"""Types of extensions that call a text they can't read a syntax error, or an internal one."""

_LOOSELY = ("42601", "XX000")

_MOST = 8192
"""Rows that one statement of the row-precise way inserts, at most."""


@dataclass(frozen=True)
class Way:
    """How one column of the rows gets into the table.

    Attributes:
        place: of the column among the rows'.
        sent: how it is sent.
        column: the table's.
        kind: its type.
        wire: the Arrow type that COPY puts straight into it; None if it has to be cast there.
        not_null: whether it refuses nulls.
    """

    place: int
    sent: Sent
    column: str
    kind: str
    wire: pa.DataType | None
    not_null: bool

    @property
    def staged(self) -> str:
        """What the column is called in the staging table."""
        return f"c{self.place}"

    @property
    def value(self) -> str:
        """The expression over the staging table, called ``s``, that gives the column's value."""
        have, want = base_type(self.sent.declared), base_type(self.kind)
        # Only text needs to be told: any other cast is one that an assignment does, and refuses
        # what doesn't fit where an explicit one would cut it.
        typed = not is_text(want) or want == "citext"  # by which AB and ab are one key
        if have in {"text", "text[]"} and have != want and typed:
            return f"CAST(s.{self.staged} AS {want})"
        return f"s.{self.staged}"


@dataclass(frozen=True)
class Load:
    """Where rows go.

    Attributes:
        schema: of the table.
        table: the table.
        ways: a column each.
        key: columns of the table by which rows are found that are there; none to add all.
        swift: whether rows that are there may be deleted and inserted instead of updated.
    """

    schema: str
    table: str
    ways: tuple[Way, ...]
    key: tuple[str, ...] = ()
    swift: bool = False

    @property
    def target(self) -> str:
        """The table, quoted."""
        return f"{name(self.schema)}.{name(self.table)}"

    @property
    def direct(self) -> bool:
        """Whether COPY can fill the table itself."""
        return (self.swift or not self.key) and all(way.wire is not None for way in self.ways)

    @property
    def faults(self) -> tuple[str, ...]:
        """SQLSTATEs, or their classes, of errors that may be one row's fault."""
        # 21000: rows whose keys are one by the key's collation, and weren't in the staging table.
        kinds = {way.kind.removesuffix("[]").rpartition(".")[2] for way in self.ways}
        return (*ROWS_AT_FAULT, "21000", *(_LOOSELY if kinds & _LOOSE else ()))

    def keys(self) -> str:
        """Give the CREATE of the table that the keys alone are staged in."""
        columns = ", ".join(f"{way.staged} {way.sent.declared}" for way in self.key_ways)
        return f"CREATE TEMP TABLE {KEYS} ({columns}) ON COMMIT DROP"

    @property
    def key_ways(self) -> tuple[Way, ...]:
        """The ways of the key's columns."""
        return tuple(way for way in self.ways if way.column in self.key)

    def delete(self) -> str:
        """Give the DELETE of the rows whose keys are staged."""
        same = " AND ".join(f"t.{name(way.column)} = {way.value}" for way in self.key_ways)
        return f"DELETE FROM {self.target} t USING pg_temp.{KEYS} s WHERE {same}"

    def staging(self) -> str:
        """Give the CREATE of the staging table: the rows' own types, and no rules."""
        columns = ", ".join(f"{way.staged} {way.sent.declared}" for way in self.ways)
        return f"CREATE TEMP TABLE {STAGED} ({NUMBER} bigint, {columns}) ON COMMIT DROP"

    def insert(self) -> str:
        """Give the INSERT of all staged rows; of those with one key the last."""
        if not self.key:
            return self._insert(f"pg_temp.{STAGED} s")
        keys = ", ".join(way.value for way in self.ways if way.column in self.key)
        last = (
            f"(SELECT DISTINCT ON ({keys}) s.* FROM pg_temp.{STAGED} s "
            f"ORDER BY {keys}, s.{NUMBER} DESC) s"
        )
        return self._insert(last)

    def _insert(self, source: str) -> str:
        columns = names(way.column for way in self.ways)
        values = ", ".join(way.value for way in self.ways)
        insert = f"INSERT INTO {self.target} ({columns}) SELECT {values} FROM {source}"
        if not self.key:
            return insert
        others = [way.column for way in self.ways if way.column not in self.key]
        changes = ", ".join(f"{name(column)} = excluded.{name(column)}" for column in others)
        action = f"UPDATE SET {changes}" if others else "NOTHING"
        return f"{insert} ON CONFLICT ({names(self.key)}) DO {action}"

    def insert_precisely(self, rows: int) -> str:
        """Give the DO that inserts the staged rows but those that the table refuses.

        It tries many at once. What was done before an error is undone with it, but for the value
        of a sequence: that tells which row it was, so the ones before it are inserted again and
        that one is noted. Errors that come when the statement ends (a foreign key's) tell nothing:
        then the rows are halved. A second row of one key ends a statement, and begins the next.
        """
        part = (
            f"(SELECT * FROM pg_temp.{STAGED} p WHERE p.{NUMBER} >= arrowetl_from "
            f"AND p.{NUMBER} < arrowetl_to ORDER BY p.{NUMBER} OFFSET 0) s"
        )
        counting = self._insert(f"{part} WHERE setval('pg_temp.arrowetl_at', s.{NUMBER} + 1) > 0")
        body = _PRECISELY.format(
            rows=rows,
            most=_MOST,
            counting=counting,
            plain=self._insert(f"{part} WHERE true"),
            fault=" OR ".join(f"SQLSTATE LIKE {literal(each + '%')}" for each in self.faults),
            refused=REFUSED,
        )
        return f"DO {literal(body)}"


REFUSED_SQL = (
    f"CREATE TEMP TABLE {REFUSED} (n bigint, state text, message text, detail text, "
    f"col text, con text) ON COMMIT DROP"
)

COUNTER_SQL = f"CREATE TEMP SEQUENCE arrowetl_at OWNED BY pg_temp.{STAGED}.{NUMBER}"
"""The table takes it along at the commit: behind a pool, the session goes on."""

_PRECISELY = """
#variable_conflict use_column
DECLARE
    arrowetl_from bigint := 0;
    arrowetl_step bigint := {most};
    arrowetl_to bigint := least({most}, {rows});
    arrowetl_bad bigint;
    arrowetl_last bigint;
    state text; message text; detail text; col text; con text;
    bitmaps text := current_setting('enable_bitmapscan');
    sorts text := current_setting('enable_sort');
BEGIN
    PERFORM set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true);
    WHILE arrowetl_from < {rows} LOOP
        BEGIN
            IF arrowetl_bad IS NULL THEN
                PERFORM setval('pg_temp.arrowetl_at', arrowetl_from + 1, false);
                {counting};
                arrowetl_step := least(arrowetl_step * 2, {most});
                arrowetl_from := arrowetl_to;
            ELSE
                IF arrowetl_from < arrowetl_to THEN
                    {plain};
                END IF;
                IF state = '21000' THEN
                    arrowetl_from := arrowetl_bad;
                ELSE
                    INSERT INTO pg_temp.{refused}
                    VALUES (arrowetl_bad, state, message, detail, col, con);
                    arrowetl_from := arrowetl_bad + 1;
                END IF;
                arrowetl_bad := NULL;
            END IF;
            arrowetl_to := least(arrowetl_from + arrowetl_step, {rows});
        EXCEPTION WHEN OTHERS THEN
            IF NOT ({fault}) THEN
                RAISE;
            END IF;
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                detail = PG_EXCEPTION_DETAIL, col = COLUMN_NAME, con = CONSTRAINT_NAME;
            SELECT last_value - 1 INTO arrowetl_last FROM pg_temp.arrowetl_at;
            IF arrowetl_to - arrowetl_from = 1 THEN
                arrowetl_bad := arrowetl_from;
                arrowetl_to := arrowetl_from;
            ELSIF arrowetl_bad IS NULL AND arrowetl_last < arrowetl_to - 1 THEN
                arrowetl_bad := arrowetl_last;
                arrowetl_to := arrowetl_last;
                arrowetl_step := greatest(128, least({most}, (arrowetl_last - arrowetl_from) * 2));
            ELSE
                arrowetl_bad := NULL;
                arrowetl_to := arrowetl_from + (arrowetl_to - arrowetl_from) / 2;
            END IF;
        END;
    END LOOP;
    PERFORM set_config('enable_bitmapscan', bitmaps, true), set_config('enable_sort', sorts, true);
END
"""
