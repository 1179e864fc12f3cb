"""Shadow tables: of the same shape as a read model's, filled while the live ones serve, then put in their place.

Everything that needs the tables' owner is here. `connection` is the owner's, with the shard's schema as search_path.
"""

from typing import Any, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier

from projections.engine.projection import Projection

SHADOW = "__shadow"
"""Of a rebuild: survives a stop, and takes the live tables' place in the end."""
VERIFY = "__verify"
"""Of a verification: compared with the live tables and dropped."""

_DROP = SQL("DROP TABLE IF EXISTS {shadow}")
_CREATE = SQL("""
CREATE {kept} TABLE {shadow} (LIKE {live} INCLUDING ALL EXCLUDING INDEXES);
ALTER TABLE {shadow} ADD CONSTRAINT {key_name} PRIMARY KEY ({key});
ALTER TABLE {shadow} ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON {shadow} TO duebook_api
    USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
GRANT SELECT ON {shadow} TO duebook_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON {shadow} TO duebook_writer;
""")
_RENAME = SQL("ALTER TABLE {old} RENAME TO {new}")
_RENAME_INDEX = SQL("ALTER INDEX {old} RENAME TO {new}")
_ANALYZE = SQL("ANALYZE {shadow}")

_INDEXES = "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = to_regclass(%s)"
# The statement that gives a shadow table the live table's settings, such as its fillfactor.
_SET_OPTIONS = """
SELECT format('ALTER TABLE %%I SET (%%s)', %(table)s || %(suffix)s, array_to_string(reloptions, ', '))
  FROM pg_class
 WHERE oid = to_regclass(%(table)s::text) AND reloptions IS NOT NULL
"""
# The statements that make a table's other indexes on the shadow table.
_MAKE_INDEXES = """
SELECT format('CREATE INDEX IF NOT EXISTS %%I ON %%I USING %%s', index.relname || %(suffix)s::text,
              %(table)s || %(suffix)s, regexp_replace(pg_get_indexdef(index.oid), '^.* USING ', ''))
  FROM pg_index
  JOIN pg_class AS index ON index.oid = pg_index.indexrelid
 WHERE pg_index.indrelid = to_regclass(%(table)s::text) AND NOT pg_index.indisprimary
 ORDER BY index.relname
"""


def create(connection: psycopg.Connection[Any], projection: Projection, suffix: str) -> None:
    """Makes empty shadow tables, in place of any that are left, with their primary keys and no other index.

    Those of a verification are not logged.
    """
    for table in projection.tables:
        shadow = Identifier(table.name + suffix)
        connection.execute(_DROP.format(shadow=shadow))
        statement = _CREATE.format(
            kept=SQL("UNLOGGED" if suffix == VERIFY else ""),
            shadow=shadow,
            live=Identifier(table.name),
            key_name=Identifier(f"{table.name}_pkey{suffix}"),
            key=SQL(", ").join(map(Identifier, table.key)),
        )
        connection.execute(statement)
        _execute_each(connection, _SET_OPTIONS, table.name, suffix)


def complete(connection: psycopg.Connection[Any], projection: Projection, suffix: str) -> None:
    """Makes the other indexes of tables that were filled, and lets the planner know what they hold."""
    for name in (table.name for table in projection.tables):
        _execute_each(connection, _MAKE_INDEXES, name, suffix)
        connection.execute(_ANALYZE.format(shadow=Identifier(name + suffix)))


def drop(connection: psycopg.Connection[Any], projection: Projection, suffix: str) -> None:
    """Removes shadow tables, if they are there."""
    for name in (table.name for table in projection.tables):
        connection.execute(_DROP.format(shadow=Identifier(name + suffix)))


def exist(connection: psycopg.Connection[Any], projection: Projection, suffix: str) -> bool:
    """Whether every shadow table is there."""
    names = [table.name + suffix for table in projection.tables]
    row = connection.execute(
        "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(%s::text[]) AS wanted (name)",
        (names,),
    ).fetchone()
    return row is not None and bool(row[0])


def swap(connection: psycopg.Connection[Any], projection: Projection, suffix: str) -> None:
    """Puts the shadow tables in the place of the live ones, under their names and their indexes' names, and drops
    those. Runs in the caller's transaction."""
    for name in (table.name for table in projection.tables):
        indexes = [index for (index,) in connection.execute(_INDEXES, (name,)).fetchall()]
        connection.execute(_DROP.format(shadow=Identifier(name)))
        connection.execute(_RENAME.format(old=Identifier(name + suffix), new=Identifier(name)))
        for index in indexes:
            rename = _RENAME_INDEX.format(old=Identifier(index + suffix), new=Identifier(index))
            connection.execute(rename)


def _execute_each(
    connection: psycopg.Connection[Any], query: LiteralString, table: str, suffix: str
) -> None:
    """Executes the statements that a query over the catalogue answers."""
    found = connection.execute(query, {"table": table, "suffix": suffix}).fetchall()
    for (statement,) in found:
        connection.execute(statement.encode())
