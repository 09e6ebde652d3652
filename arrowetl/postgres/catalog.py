"""What a server knows of its tables and queries: their columns, and names near a wrong one."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

from arrowetl.errors import ConfigError, closest
from arrowetl.postgres.types import Read, described
from arrowetl.sql import name

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')

_TABLES = """
SELECT n.nspname::text, c.relname::text, pg_table_is_visible(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT pg_is_other_temp_schema(n.oid)
AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY 1, 2 LIMIT 10000
"""


def table_parts(table: str, *, where: str) -> tuple[str, ...]:
    """Give the parts of a table's name: schema and table, or the table alone.

    Names are what they are: case isn't changed. One with a dot in it stands in double quotes.

    Raises:
        ConfigError: it isn't a table's name.

    >>> table_parts("sales.Orders", where="x"), table_parts('"odd.name"', where="x")
    (('sales', 'Orders'), ('odd.name',))
    """
    parts, at = [], 0
    while found := _PART.match(table, at):
        parts.append((found[1] or found[2]).replace('""', '"') if found[1] else found[2])
        at = found.end()
        if table[at : at + 1] != ".":
            break
        at += 1
    if at != len(table) or not 1 <= len(parts) <= 2 or "\0" in table:  # noqa: PLR2004
        raise ConfigError(
            f"{where}: table is a name, or schema.name; one with a dot or quotes in it goes into "
            f"double quotes, and quotes are doubled: not {table!r}"
        )
    return tuple(parts)


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
