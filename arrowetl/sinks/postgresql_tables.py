"""PostgreSQL's tables as statements: what is there, what to create, how to change it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from arrowetl.errors import SchemaError, WriteError
from arrowetl.postgres.connection import at_once
from arrowetl.sinks.table import Column
from arrowetl.sql import name, names

_KINDS = {"v": "a view", "m": "a materialised view", "S": "a sequence", "i": "an index"}

_FIND = """
SELECT c.oid::bigint, c.relkind::text FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2
"""

_COLUMNS = """
SELECT a.attname::text,
    CASE t.typtype WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod)
        ELSE pg_catalog.format_type(a.atttypid, a.atttypmod) END,
    t.typtype::text, a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> ''
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""

_UNIQUE = """
SELECT count(*) FROM pg_catalog.pg_index i WHERE i.indrelid = $1::oid AND i.indisunique
AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))
    = (SELECT array_agg(k ORDER BY k) FROM unnest($2::text[]) k)
"""

_DEPENDENTS = """
SELECT coalesce(string_agg(DISTINCT r.conrelid::regclass::text, ', '), '')
FROM pg_catalog.pg_constraint r WHERE r.confrelid = $1::oid AND r.contype = 'f'
AND r.conrelid <> r.confrelid AND r.confdeltype IN ('c', 'n', 'd')
"""

_PLAIN = """
SELECT c.relkind = 'r' AND NOT c.relrowsecurity AND NOT c.relhasrules
AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid
    AND (NOT g.tgisinternal OR g.tgconstrrelid <> 0 AND EXISTS (
        SELECT FROM pg_catalog.pg_constraint r
        WHERE r.oid = g.tgconstraint AND r.confrelid = c.oid)))
AND $2::bigint = (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid
    AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')
AND pg_catalog.has_table_privilege(c.oid, 'DELETE')
FROM pg_catalog.pg_class c WHERE c.oid = $1::oid
"""

_MAY_CREATE = """
SELECT coalesce(bool_and(has_schema_privilege(n.oid, 'CREATE')),
    has_database_privilege(current_database(), 'CREATE'))
FROM pg_catalog.pg_namespace n WHERE n.nspname = $1
"""

_GRANTS = """
SELECT pg_catalog.format('GRANT %s ON %s TO %s%s', a.privilege_type, $2,
    CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
WHERE c.oid = $1::oid AND a.grantee <> c.relowner
"""


@dataclass(frozen=True)
class Have:
    """A column that a table has.

    Attributes:
        column: its name and type; of a domain, the type below it.
        domain: whether the type is a domain.
        enum: whether the type is an enumeration.
        not_null: whether it refuses nulls.
        filled: whether the table fills it where rows lack it, by a default or an identity.
        generated: whether nobody but the table may fill it.
    """

    column: Column
    domain: bool = False
    enum: bool = False
    not_null: bool = False
    filled: bool = False
    generated: bool = False


def create_sql(target: str, columns: Iterable[Column], key: Sequence[str] = ()) -> str:
    """Give the CREATE TABLE; `target` is quoted already.

    >>> create_sql('"public"."t"', [Column("id", "bigint"), Column("none", '"NULL"')], ["id"])
    'CREATE TABLE "public"."t" ("id" bigint, "none" text, PRIMARY KEY ("id"))'
    """
    listed = [f"{name(column.name)} {declared(column)}" for column in columns]
    primary = [f"PRIMARY KEY ({names(key)})"] if key else []
    return f"CREATE TABLE {target} ({', '.join([*listed, *primary])})"


def declared(column: Column) -> str:
    """Give the type that a table declares; one that has only nulls so far takes text."""
    return column.kind.replace('"NULL"', "text")


class Tables:
    """The tables that one open connection sees.

    Args:
        connection: of ADBC's.
        schema: where the table is.
        table: the table.
        where: the sink, for errors.
    """

    def __init__(self, connection: Any, schema: str, table: str, where: str) -> None:
        """Nothing is asked yet."""
        self._connection = connection
        self._schema, self.table, self._where = schema, table, where
        self.target = f"{name(schema)}.{name(table)}"
        self.oid: int | None = None

    def run(self, sql: str) -> None:
        """Run a statement that gives nothing."""
        at_once(self._connection, sql)

    def asked(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a query that gives a few rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    def columns(self) -> list[Have] | None:
        """Give the table's columns; None if there is no such table.

        Raises:
            WriteError: it is a view, or something else that isn't a table.
        """
        found = self.asked(_FIND, self._schema, self.table)
        if not found:
            return None
        self.oid, kind = found[0]
        if kind not in {"r", "p"}:
            raise WriteError(f"{self._where}: is {_KINDS.get(kind, 'no table')}; name a table")
        return [
            Have(Column(column, text), kind == "d", kind == "e", *flags)
            for column, text, kind, *flags in self.asked(_COLUMNS, self.oid)
        ]

    def beside(self) -> Tables:
        """Give a table to be made that may take this one's place."""
        new = f"arrowetl_new_{secrets.token_hex(8)}"
        return Tables(self._connection, self._schema, new, self._where)

    def may(self, privilege: str) -> bool:
        """Say whether the user has a privilege on the table; CREATE is for making it."""
        if privilege != "CREATE":
            return bool(
                self.asked("SELECT has_table_privilege($1::oid, $2)", self.oid, privilege)[0][0]
            )
        return bool(self.asked(_MAY_CREATE, self._schema)[0][0])

    def create(self, columns: Sequence[Column], key: Sequence[str]) -> None:
        """Create the table, and its schema if there is none."""
        if not self.asked("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", self._schema):
            self.run(f"CREATE SCHEMA IF NOT EXISTS {name(self._schema)}")
        self.run(create_sql(self.target, columns, key))
        self.columns()

    def add(self, column: Column) -> None:
        """Add a column."""
        self.run(f"ALTER TABLE {self.target} ADD COLUMN {name(column.name)} {declared(column)}")

    def widen(self, column: Column, *, domain: bool) -> None:
        """Give a column a wider type.

        Raises:
            SchemaError: its type is a domain, whose rules would go, or a view needs it as it is.
        """
        from adbc_driver_manager import Error

        refused = "its type is a domain, whose rules would go." if domain else None
        if refused is None:
            try:
                self.run(f"ALTER TABLE {self.target} ALTER {name(column.name)} TYPE {column.kind}")
            except Error as error:
                if not error.sqlstate or error.sqlstate[:2] not in {"0A", "2B", "42"}:
                    raise
                refused = str(error).partition("ERROR:")[2].strip().splitlines()[0] + "."
        if refused is not None:
            raise SchemaError(
                f"column {column.name!r} should be widened to {column.kind}, and can't: {refused} "
                f"Cast the rows, or alter the table first",
                where=self._where,
                column=column.name,
            )

    def ensure_key(self, key: Sequence[str]) -> None:
        """Make a unique index over the key, if nothing says that it's unique.

        Raises:
            WriteError: the table has several rows with one key.
        """
        from adbc_driver_manager import Error

        if self.is_key(key):
            return
        try:
            self.run(f"CREATE UNIQUE INDEX ON {self.target} ({names(key)})")
        except Error as error:
            if error.sqlstate != "23505":
                raise
            raise WriteError(
                f"{self._where}: the table has several rows with one {', '.join(key)}, so it "
                f"can't be a key; choose another, or remove the rows"
            ) from error

    def is_key(self, key: Sequence[str]) -> bool:
        """Say whether a constraint or an index makes the key unique at every statement."""
        return bool(self.asked(_UNIQUE, self.oid, _text_array(key))[0][0])

    def is_plain(self, columns: int) -> bool:
        """Say whether a deleted and inserted row is as good as an updated one.

        It isn't where triggers, foreign keys or rules watch the table, or where it has more
        columns than the `columns` that the rows fill.
        """
        return bool(self.asked(_PLAIN, self.oid, columns)[0][0])

    def clear(self) -> None:
        """Delete all rows. Others read on; who wants to write waits for our commit.

        Raises:
            WriteError: rows of other tables would go with them.
        """
        others = self.asked(_DEPENDENTS, self.oid)[0][0]
        if others:
            raise WriteError(
                f"{self._where}: mode='replace' would delete or change rows of {others}, whose "
                f"foreign keys follow this table; use mode='upsert', or drop them first"
            )
        self.lock()
        self.run(f"DELETE FROM {self.target}")

    def lock(self) -> None:
        """Let nobody else write to the table until the commit; readers don't notice."""
        self.run(f"LOCK TABLE {self.target} IN SHARE ROW EXCLUSIVE MODE")

    def put_in_place_of(self, old: Tables) -> None:
        """Drop another table and take its name and its grants."""
        for (grant,) in self.asked(_GRANTS, old.oid, self.target):
            self.run(grant)
        self.run(f"DROP TABLE {old.target}")
        self.run(f"ALTER TABLE {self.target} RENAME TO {name(old.table)}")


def _text_array(values: Sequence[str]) -> str:
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"
