"""What a server knows of its tables and queries: their columns, and names near a wrong one."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from arrowetl.errors import closest
from arrowetl.postgres.types import Read, described
from arrowetl.sql import name

_TABLES = """
SELECT n.nspname::text, c.relname::text, pg_table_is_visible(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT pg_is_other_temp_schema(n.oid)
AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY 1, 2 LIMIT 10000
"""


def relation(parts: tuple[str, ...]) -> str:
    """Give the SQL of a table's name.

    >>> relation(("sales", "Orders"))
    '"sales"."Orders"'
    """
    return ".".join(map(name, parts))


def columns_of(connection: Any, select: str) -> tuple[Read, ...]:
    """Give how the columns of a SELECT are read. The server parses it; nothing runs."""
    with closing(connection.cursor()) as cursor:
        return described(cursor.describe(select))


def nearest_tables(connection: Any, table: str) -> tuple[str, ...]:
    """Give the names of tables like this one: what to say of a table that isn't there."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(_TABLES)
        found = cursor.fetchall()  # small: names of tables
    called: dict[str, str] = {}
    for schema, each, visible in found:
        shown = each if visible else f"{schema}.{each}"
        called.setdefault(each, shown)
        called.setdefault(f"{schema}.{each}", shown)
    return tuple(dict.fromkeys(called[each] for each in closest(table, called)))


def version(connection: Any) -> str:
    """Give the server's name and version."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT split_part(version(), ' on ', 1)")
        return str(cursor.fetchone()[0])
