"""The statements of a load: from the staging table into the target, at once or row by row."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from arrowetl.sinks.postgresql_types import (
    FLOATS,
    Sent,
    base_type,
    is_text,
    kept_digits,
    takes_floats,
)
from arrowetl.sql import literal, name, names
from arrowetl.typemap import keeps, rounded, unfit, unfit_text

STAGED = "arrowetl_staged"
REFUSED = "arrowetl_refused"
KEYS = "arrowetl_keys"
NUMBER = "n"
"""The column of the staging table that numbers its rows."""

ROWS_AT_FAULT = ("22", "23", "44", "P0001", "54000")
"""SQLSTATEs, or their classes, of errors that another row wouldn't have had."""

LEFT_OUT = "AE000"
"""Our own SQLSTATE, of a row that a trigger left out."""

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
        came: the type that a new table would have declared.
    """

    place: int
    sent: Sent
    column: str
    kind: str
    wire: pa.DataType | None
    not_null: bool
    came: str = ""

    @property
    def staged(self) -> str:
        """What the column is called in the staging table."""
        return f"c{self.place}"

    @property
    def most(self) -> int | None:
        """The greatest integer that a column takes which is narrower than what comes."""
        comes, wire = self.sent.wire, self.wire
        if wire is None or not (pa.types.is_integer(comes) and pa.types.is_integer(wire)):
            return None
        return int(2 ** (wire.bit_width - 1) - 1) if wire.bit_width < comes.bit_width else None

    @property
    def floats(self) -> pa.DataType | None:
        """The floating type of a column that would round some of the numbers that come."""
        found = FLOATS.get(self.kind.removesuffix("[]"))
        into = pa.list_(found) if found and self.kind.endswith("[]") else found
        return None if into is None or keeps(self.sent.stored.arrow, into) else into

    def misfits(self, column: pa.Array) -> pa.Array | None:
        """Find the rows whose number the table's column would round; None if there are none."""
        if takes_floats(self.kind, self.came):
            scale, bits = kept_digits(self.kind)
            return unfit(column, scale=scale, bits=bits)
        if self.came == "text" and base_type(self.kind) == "numeric":
            return unfit_text(column, scale=kept_digits(self.kind)[0])  # a cast would round it
        return None if self.floats is None else rounded(column, self.floats)

    @property
    def value(self) -> str:
        """The expression over the staging table, called ``s``, that gives the column's value."""
        have, want = base_type(self.sent.staged), base_type(self.kind)
        # Only text needs to be told: any other cast is one that an assignment does, and refuses
        # what doesn't fit where an explicit one would cut it. A bit would be a bit(1).
        typed = not is_text(want.removesuffix("[]")) or want == "citext"  # AB and ab are one key
        if have in {"text", "text[]"} and have != want and typed:
            whole = want.replace("bit", "bit varying") if want in {"bit", "bit[]"} else want
            return f"CAST(s.{self.staged} AS {whole})"
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
        watched: whether a trigger may leave rows out, so that what arrives has to be counted.
    """

    schema: str
    table: str
    ways: tuple[Way, ...]
    key: tuple[str, ...] = ()
    swift: bool = False
    watched: bool = False

    @property
    def target(self) -> str:
        """The table, quoted."""
        return f"{name(self.schema)}.{name(self.table)}"

    @property
    def direct(self) -> bool:
        """Whether COPY can fill the table itself."""
        ready = all(way.wire is not None for way in self.ways)
        return ready and (self.swift or not self.key) and not self.watched

    @property
    def faults(self) -> tuple[str, ...]:
        """SQLSTATEs, or their classes, of errors that may be one row's fault."""
        # 21000: rows whose keys are one by the key's collation, and weren't in the staging table.
        kinds = {way.kind.removesuffix("[]").rpartition(".")[2] for way in self.ways}
        return (*ROWS_AT_FAULT, LEFT_OUT, "21000", *(_LOOSELY if kinds & _LOOSE else ()))

    def keys(self) -> str:
        """Give the CREATE of the table that the keys alone are staged in."""
        columns = ", ".join(f"{way.staged} {way.sent.staged}" for way in self.key_ways)
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
        columns = ", ".join(f"{way.staged} {way.sent.staged}" for way in self.ways)
        return f"CREATE TEMP TABLE {STAGED} ({NUMBER} bigint, {columns}) ON COMMIT DROP"

    def insert(self) -> str:
        """Give the INSERT of all staged rows; of those with one key the last."""
        rows = f"pg_temp.{STAGED} s"
        if self.key:
            keys = ", ".join(way.value for way in self.key_ways)
            last = f"ORDER BY {keys}, s.{NUMBER} DESC"
            rows = f"(SELECT DISTINCT ON ({keys}) s.* FROM {rows} {last}) s"
        insert = self._insert(rows)
        if not self._counts:
            return insert
        return f"DO {literal(_COUNTED.format(insert=self._counted(insert, rows)))}"

    @property
    def _counts(self) -> bool:
        """Whether a row that isn't inserted was left out; one that is there may be all of a key."""
        return self.watched and (not self.key or len(self.key) < len(self.ways))

    def _counted(self, insert: str, rows: str) -> str:
        """Give PL/pgSQL that inserts the rows, and fails if a trigger has left some out."""
        if not self._counts:
            return f"{insert};"
        return (
            f"{insert}; GET DIAGNOSTICS arrowetl_rows = ROW_COUNT; "
            f"IF arrowetl_rows < (SELECT count(*) FROM {rows}) THEN RAISE EXCEPTION USING "
            f"ERRCODE = {literal(LEFT_OUT)}, MESSAGE = 'a trigger of the table left the row out'; "
            f"END IF;"
        )

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
        at = f"{part} WHERE setval('pg_temp.arrowetl_at', s.{NUMBER} + 1) > 0"
        body = _PRECISELY.format(
            rows=rows,
            most=_MOST,
            counting=self._counted(self._insert(at), part),
            plain=self._counted(self._insert(f"{part} WHERE true"), part),
            fault=" OR ".join(f"SQLSTATE LIKE {literal(each + '%')}" for each in self.faults),
            refused=REFUSED,
        )
        return f"DO {literal(body)}"

    def blame(self) -> str:
        """Give the DO that finds the column of each refused row whose value can't be cast.

        The server doesn't tell: so the values are assigned again, one after the other.
        """
        ways = [way for way in self.ways if way.kind != way.sent.staged]
        body = _BLAME.format(
            variables=" ".join(f"arrowetl_{way.staged} {way.kind};" for way in ways),
            assigned=" ".join(
                f"arrowetl_column := {literal(way.column)}; arrowetl_{way.staged} := {way.value};"
                for way in ways
            ),
            staged=STAGED,
            refused=REFUSED,
        )
        return f"DO {literal(body)}"


REFUSED_SQL = (
    f"CREATE TEMP TABLE {REFUSED} (n bigint PRIMARY KEY, state text, message text, detail text, "
    f"col text, con text) ON COMMIT DROP"
)

COUNTER_SQL = f"CREATE TEMP SEQUENCE arrowetl_at OWNED BY pg_temp.{STAGED}.{NUMBER}"
"""The table takes it along at the commit: behind a pool, the session goes on."""

_COUNTED = """
#variable_conflict use_column
DECLARE arrowetl_rows bigint;
BEGIN
    {insert}
END
"""

_BLAME = """
DECLARE
    s record;
    arrowetl_column text;
    {variables}
BEGIN
    FOR s IN SELECT p.* FROM pg_temp.{staged} p JOIN pg_temp.{refused} r ON r.n = p.n
        WHERE r.state LIKE '22%' AND r.col = '' AND r.con = ''
    LOOP
        BEGIN
            {assigned}
        EXCEPTION WHEN OTHERS THEN
            UPDATE pg_temp.{refused} r SET col = arrowetl_column WHERE r.n = s.n;
        END;
    END LOOP;
END
"""

_PRECISELY = """
#variable_conflict use_column
DECLARE
    arrowetl_from bigint := 0;
    arrowetl_step bigint := {most};
    arrowetl_to bigint := least({most}, {rows});
    arrowetl_bad bigint;
    arrowetl_rows bigint;
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
                {counting}
                arrowetl_step := least(arrowetl_step * 2, {most});
                arrowetl_from := arrowetl_to;
            ELSE
                IF arrowetl_from < arrowetl_to THEN
                    {plain}
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
                arrowetl_step := (arrowetl_to - arrowetl_from) / 2;
                arrowetl_to := arrowetl_from + arrowetl_step;
            END IF;
        END;
    END LOOP;
    PERFORM set_config('enable_bitmapscan', bitmaps, true), set_config('enable_sort', sorts, true);
END
"""
