"""PostgreSQL's tables as statements: what is there, what to create, how to change it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from arrowetl.errors import SchemaError, WriteError
from arrowetl.postgres.connection import at_once
from arrowetl.postgres.errors import primary
from arrowetl.sinks.table import Column
from arrowetl.sql import name, names

_KINDS = {"v": "a view", "m": "a materialised view", "S": "a sequence", "i": "an index"}

_FIND = """
SELECT c.oid::bigint, c.relkind::text, pg_catalog.pg_has_role(c.relowner, 'USAGE'),
    pg_catalog.pg_get_userbyid(c.relowner)::text FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2
"""

# What depends on a column and is neither an index nor a constraint, which PostgreSQL alters along.
_COLUMNS = """
SELECT a.attname::text,
    CASE t.typtype WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod)
        ELSE pg_catalog.format_type(a.atttypid, a.atttypmod) END,
    t.typtype::text, a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> '',
    coalesce(CASE WHEN t.typtype = 'd' THEN 'its type is a domain, whose rules would go'
        WHEN NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN 'only its owner may alter it'
        WHEN a.attinhcount > 0 THEN 'it is inherited'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refobjid = c.oid AND d.objid = c.oid
            AND d.classid = d.refclassid AND d.objsubid = a.attnum AND d.deptype = 'i')
        THEN 'it is part of the partition key' END,
    (SELECT string_agg(DISTINCT CASE WHEN r.oid IS NULL
            THEN pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
            ELSE pg_catalog.pg_describe_object('pg_class'::regclass, r.ev_class, 0) END, ', ')
        || ' needs it as it is' FROM pg_catalog.pg_depend d
    LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum
    AND (d.classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass,
            'pg_proc'::regclass, 'pg_publication_rel'::regclass)
        OR f.adnum <> a.attnum)), '')
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
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

_CHILDREN = """
SELECT coalesce(string_agg(h.inhrelid::regclass::text, ', '), '') FROM pg_catalog.pg_inherits h
JOIN pg_catalog.pg_class c ON c.oid = h.inhparent WHERE c.oid = $1::oid AND c.relkind = 'r'
"""

# What would not let the table go, or would lose it: views, foreign keys, children, a parent.
_HOLDERS = """
SELECT coalesce(string_agg(DISTINCT holder, ', '), '') FROM (
    SELECT pg_catalog.pg_describe_object('pg_class'::regclass, r.ev_class, 0) AS holder
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.refobjid = $1::oid AND r.ev_class <> d.refobjid
    UNION ALL SELECT 'a foreign key of table ' || r.conrelid::regclass
    FROM pg_catalog.pg_constraint r WHERE r.confrelid = $1::oid AND r.conrelid <> r.confrelid
    AND r.contype = 'f' AND r.conparentid = 0
    UNION ALL SELECT 'table ' || h.inhrelid::regclass || ', which inherits from it,'
    FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhparent
    WHERE c.oid = $1::oid AND c.relkind = 'r'
    UNION ALL SELECT 'table ' || h.inhparent::regclass || ', whose part it is,'
    FROM pg_catalog.pg_inherits h WHERE h.inhrelid = $1::oid) found
"""

# Triggers that may leave a row out. One that has children is taken to put it into them.
_WATCHED = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger g
    WHERE (g.tgrelid = $1::oid
        OR g.tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::oid)))
    AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') AND g.tgtype & 3 = 3
    AND (g.tgtype & 4 <> 0 OR g.tgtype & 16 <> 0 AND $2::bigint = 1)
    AND g.tgfoid <> 'pg_catalog.suppress_redundant_updates_trigger'::regproc)
AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c
    ON c.oid = h.inhparent WHERE c.oid = $1::oid AND c.relkind = 'r')
"""

_PLAIN = """
SELECT c.relkind = 'r' AND NOT c.relrowsecurity AND NOT c.relhasrules
AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid)
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

# Refused rows are told apart in a temporary table.
_LACKING = """
SELECT 'USAGE on schema ' || n.nspname FROM pg_catalog.pg_namespace n
WHERE n.nspname = $1 AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
UNION ALL SELECT 'TEMPORARY on database ' || current_database()
WHERE NOT pg_catalog.has_database_privilege(current_database(), 'TEMPORARY')
UNION ALL SELECT 'USAGE on sequence ' || s.relname FROM pg_catalog.pg_attrdef f
JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
JOIN pg_catalog.pg_class s ON d.refclassid = 'pg_class'::regclass AND s.oid = d.refobjid
WHERE f.adrelid = $2::oid AND NOT lower(a.attname) = ANY ($3::text[])
AND CASE s.relkind WHEN 'S'
    THEN NOT pg_catalog.has_sequence_privilege(s.oid, 'USAGE, UPDATE') ELSE false END
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
        enum: whether the type is an enumeration.
        not_null: whether it refuses nulls.
        filled: whether the table fills it where rows lack it, by a default or an identity.
        generated: whether nobody but the table may fill it.
        pinned: why its type can't be changed; empty if it can.
    """

    column: Column
    enum: bool = False
    not_null: bool = False
    filled: bool = False
    generated: bool = False
    pinned: str = ""


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
        self._is_ours, self._owner = True, ""

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
        self.oid, kind, self._is_ours, self._owner = found[0]
        if kind not in {"r", "p"}:
            raise WriteError(f"{self._where}: is {_KINDS.get(kind, 'no table')}; name a table")
        return [
            Have(Column(column, text), kind == "e", *flags)
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

    def lacking_around(self, columns: Iterable[str]) -> list[str]:
        """Give the privileges that rows of these columns need outside the table, and lack."""
        given = _text_array([column.lower() for column in columns])
        return [each for (each,) in self.asked(_LACKING, self._schema, self.oid, given)]

    def create(self, columns: Sequence[Column], key: Sequence[str]) -> None:
        """Create the table, and its schema if there is none."""
        if not self.asked("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", self._schema):
            self.run(f"CREATE SCHEMA IF NOT EXISTS {name(self._schema)}")
        self.run(create_sql(self.target, columns, key))
        self.columns()

    def add(self, column: Column) -> None:
        """Add a column."""
        self.run(f"ALTER TABLE {self.target} ADD COLUMN {name(column.name)} {declared(column)}")

    def widen(self, column: Column) -> None:
        """Give a column a wider type.

        Raises:
            SchemaError: something that `Have.pinned` doesn't know needs it as it is.
        """
        from adbc_driver_manager import Error

        try:
            self.run(f"ALTER TABLE {self.target} ALTER {name(column.name)} TYPE {column.kind}")
        except Error as error:
            if not error.sqlstate or error.sqlstate[:2] not in {"0A", "2B", "42"}:
                raise
            raise unwidened(column, primary(error), self._where) from error

    def require_owner(self, need: str, way_out: str) -> None:
        """Look whether this user may alter the table.

        Raises:
            WriteError: the user may not; with what needs it, and what else would help.
        """
        if not self._is_ours:
            raise WriteError(
                f"{self._where}: {need}, and only the table's owner, {self._owner}, may do that; "
                f"ask the owner for it, or set {way_out}"
            )

    def require_key(self, key: Sequence[str]) -> None:
        """Look whether the key is unique, or can be made so.

        Raises:
            WriteError: no unique index is there, and this user may make none.
        """
        if not (self._is_ours and self.may("CREATE")) and not self.is_key(key):
            raise WriteError(
                f"{self._where}: mode='upsert' needs a unique index on {', '.join(key)}, and there "
                f"is none; this user may not make it, so ask the table's owner, {self._owner}: "
                f"CREATE UNIQUE INDEX ON {self.target} ({names(key)})"
            )

    def refuse_new(self, why: str) -> None:
        """Look whether a new table could take the place of this one.

        Args:
            why: one should.

        Raises:
            WriteError: this user may not do it, or other objects need the one that is there.
        """
        if not (self._is_ours and self.may("CREATE")):
            raise WriteError(
                f"{self._where}: a new table would take the place of the old one, because {why}, "
                f"and this user may not: that takes its owner, {self._owner}, and CREATE on the "
                f"schema; make the rows fit, or ask for both"
            )
        holders = self.asked(_HOLDERS, self.oid)[0][0]
        if holders:
            raise WriteError(
                f"{self._where}: a new table would take the place of the old one, because {why}, "
                f"and {holders} depends on the old; make the rows fit, or drop that first"
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

        It isn't where triggers, foreign keys or rules watch the table, where others inherit from
        it, or where it has more columns than the `columns` that the rows fill.
        """
        return bool(self.asked(_PLAIN, self.oid, columns)[0][0])

    def is_watched(self, *, updates: bool) -> bool:
        """Say whether a trigger may leave a row out that is inserted, or, if so, updated."""
        return bool(self.asked(_WATCHED, self.oid, int(updates))[0][0])

    def refuse_clear(self) -> None:
        """Look whether the rows can be deleted alone.

        Raises:
            WriteError: rows of other tables would go with them.
        """
        for query, why in ((_DEPENDENTS, "foreign keys follow"), (_CHILDREN, "rows are also of")):
            others = self.asked(query, self.oid)[0][0]
            if others:
                raise WriteError(
                    f"{self._where}: mode='replace' would delete or change rows of {others}, whose "
                    f"{why} this table; use mode='upsert', or drop them first"
                )

    def clear(self) -> None:
        """Delete all rows. Others read on; who wants to write waits for our commit."""
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


def unwidened(column: Column, why: str, where: str) -> SchemaError:
    """Say that a column can't be widened to the type that `column` has."""
    return SchemaError(
        f"column {column.name!r} should be widened to {column.kind}, and can't: {why}. Cast the "
        f"rows, or alter the table first",
        where=where,
        column=column.name,
    )


def _text_array(values: Sequence[str]) -> str:
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"
