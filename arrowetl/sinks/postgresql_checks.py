"""Constraints asked of all staged rows at once: what a table would refuse is found by joins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from arrowetl.sinks.postgresql_sql import NUMBER, REFUSED, STAGED, Load, Way
from arrowetl.sinks.postgresql_tables import Tables
from arrowetl.sql import literal, name

# A trigger that runs before a row is inserted may put it right. What is not enforced (since
# PostgreSQL 18) refuses nothing. Parents whose rows we may not all see tell nothing.
_CONSTRAINTS = """
SELECT r.conname::text, r.contype::text, (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(r.conkey) WITH ORDINALITY k (number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = r.conrelid AND a.attnum = k.number),
    coalesce(CASE p.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END
        || quote_ident(n.nspname) || '.' || quote_ident(p.relname), ''), (
        SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(r.confkey) WITH ORDINALITY k (number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = r.confrelid AND a.attnum = k.number),
    coalesce(pg_catalog.pg_get_expr(r.conbin, r.conrelid), '')
FROM pg_catalog.pg_constraint r LEFT JOIN pg_catalog.pg_class p ON p.oid = r.confrelid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
WHERE r.conrelid = $1::oid AND (r.contype = 'c' OR r.contype = 'f' AND r.confrelid <> r.conrelid
    AND NOT p.relrowsecurity AND pg_catalog.has_table_privilege(p.oid, 'SELECT'))
AND coalesce(to_jsonb(r) ->> 'conenforced', 'true') = 'true'
AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE (g.tgrelid = $1::oid
        OR g.tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::oid)))
    AND NOT g.tgisinternal AND g.tgtype & 2 <> 0)
UNION ALL
SELECT c.relname::text, 'u', (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k (number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number),
    CASE p.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END
        || quote_ident(n.nspname) || '.' || quote_ident(p.relname), NULL, ''
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class p ON p.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
WHERE i.indrelid = $1::oid AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
AND pg_catalog.has_table_privilege($1::oid, 'SELECT')
AND NOT EXISTS (SELECT FROM pg_catalog.pg_class t WHERE t.oid = $1::oid AND t.relrowsecurity)
AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE (g.tgrelid = $1::oid
        OR g.tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::oid)))
    AND NOT g.tgisinternal AND g.tgtype & 2 <> 0)
"""


@dataclass(frozen=True)
class Constraint:
    """A constraint of a table, as far as staged rows can be asked whether they keep it.

    `parent` is whose rows decide: those of tables that inherit from it don't.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    expression: str


def checks(tables: Tables, load: Load) -> list[str]:
    """Give statements that move staged rows which the table would refuse to the refused ones.

    They leave some: two staged rows of one key, for instance. Any of them may fail where a value
    isn't of its column's type; it has then moved nothing.
    """
    found = [
        Constraint(each, kind, tuple(columns or ()), parent, tuple(others or ()), expression)
        for each, kind, columns, parent, others, expression in tables.asked(
            _CONSTRAINTS, tables.oid
        )
    ]
    return list(_statements(found, load))


def _statements(found: Sequence[Constraint], load: Load) -> Iterator[str]:
    by_name = {way.column: way for way in load.ways}
    for each in found:
        ways = [by_name[column] for column in each.columns if column in by_name]
        if not ways or len(ways) < len(each.columns):
            continue
        if each.kind == "f":
            yield _orphans(each, ways, load)
        elif each.kind == "c":
            yield _broken(each, load)
        elif not load.key:
            yield _known(each, ways)


def _orphans(each: Constraint, ways: Sequence[Way], load: Load) -> str:
    given = " AND ".join(f"s.{way.staged} IS NOT NULL" for way in ways)
    same = _same("p", each.parent_columns, ways)
    table = each.parent.removeprefix("ONLY ")
    return _moved(
        f"{given} AND NOT EXISTS (SELECT FROM {each.parent} p WHERE {same})",
        state="23503",
        message=f'insert or update on table "{load.table}" violates foreign key constraint '
        f'"{each.name}"',
        detail=f"{_key(each, ways)} || {literal(f' is not present in table {table}')}",
        constraint=each.name,
    )


def _known(each: Constraint, ways: Sequence[Way]) -> str:
    same = _same("t", each.columns, ways)
    return _moved(
        f"EXISTS (SELECT FROM {each.parent} t WHERE {same})",
        state="23505",
        message=f'duplicate key value violates unique constraint "{each.name}"',
        detail=f"{_key(each, ways)} || ' already exists'",
        constraint=each.name,
    )


def _broken(each: Constraint, load: Load) -> str:
    # The expression names the columns as the table does.
    values = ", ".join(
        f"CAST({way.value} AS {way.kind}) AS {name(way.column)}" for way in load.ways
    )
    rows = f"(SELECT s.{NUMBER} AS arrowetl_number, {values} FROM pg_temp.{STAGED} s)"
    return _moved(
        f"s.{NUMBER} IN (SELECT arrowetl_number FROM {rows} AS {name(load.table)} "
        f"WHERE NOT ({each.expression}))",
        state="23514",
        message=f'new row for relation "{load.table}" violates check constraint "{each.name}"',
        detail="''",
        constraint=each.name,
    )


def _same(alias: str, columns: Sequence[str], ways: Sequence[Way]) -> str:
    pairs = zip(columns, ways, strict=True)
    return " AND ".join(f"{alias}.{name(column)} = {way.value}" for column, way in pairs)


def _key(each: Constraint, ways: Sequence[Way]) -> str:
    values = ", ".join(f"s.{way.staged}::text" for way in ways)
    names = ", ".join(each.columns)
    return f"{literal(f'Key ({names})=(')} || concat_ws(', ', {values}) || ')'"


def _moved(where: str, *, state: str, message: str, detail: str, constraint: str) -> str:
    return (
        f"WITH gone AS (DELETE FROM pg_temp.{STAGED} s WHERE {where} "
        f"RETURNING s.{NUMBER}, {detail} AS detail) "
        f"INSERT INTO pg_temp.{REFUSED} SELECT {NUMBER}, {literal(state)}, {literal(message)}, "
        f"detail, '', {literal(constraint)} FROM gone"
    )
