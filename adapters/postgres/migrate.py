"""Numbered SQL files, applied once each, in order, in a transaction of their own.

`migrations/control` makes the schema `duebook`; `migrations/shard` makes each shard's schema. What was applied
stands in the schema's own table `schema_migrations` with a checksum; an applied file never changes.
"""

import hashlib
import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import LiteralString, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from adapters.master_key import fingerprint
from adapters.postgres.errors import (
    MigrationRefused,
    MissingPrivilege,
    OtherMasterKey,
    ServerTooOld,
)
from adapters.postgres.roles import API, LOGINS, OWNER, WRITER, ensure_roles
from projections.engine.backoff import pause_seconds

CONTROL_SCHEMA = "duebook"
OLDEST_SERVER = 15

# What two processes meet that make the same role, schema or table at the same moment.
_RACES = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DuplicateObject,
    psycopg.errors.DuplicateSchema,
    psycopg.errors.DuplicateTable,
    psycopg.errors.InternalError_,  # "tuple concurrently updated": it has no SQLSTATE of its own
)
_ATTEMPTS = 20


class Migration(NamedTuple):
    number: int
    name: str
    sql: LiteralString
    checksum: str


class Shard(NamedTuple):
    """A row of duebook.shards. `dsn` names its server where that is another one than the control schema's."""

    shard_id: str
    schema: str
    dsn: str | None

    def url(self, url: str) -> str:
        """The same login on the shard's server."""
        if self.dsn is None:
            return url
        place = conninfo_to_dict(self.dsn)
        kept = {key: place[key] for key in ("host", "hostaddr", "port", "dbname") if key in place}
        return make_conninfo(url, **kept)


@cache
def read_migrations(kind: str) -> tuple[Migration, ...]:
    """The files of `control` or `shard`, in order. Two with one number are a bug."""
    found = []
    for file in files("adapters.postgres.migrations").joinpath(kind).iterdir():
        if file.name.endswith(".sql"):
            sql = file.read_text(encoding="utf-8")
            number, name = int(file.name[:4]), file.name.removesuffix(".sql")
            found.append(Migration(number, name, sql, hashlib.sha256(sql.encode()).hexdigest()))
    found.sort()
    assert len({migration.number for migration in found}) == len(found), (
        f"{kind}: number used twice"
    )
    return tuple(found)


def migrate(
    connection: psycopg.Connection, master_key: bytes, derived: Collection[str] = LOGINS
) -> list[str]:
    """Bring roles, control schema and shards up to date; returns what was applied, such as "duebook/0001_control".

    `connection` is the administrator's, in autocommit. May run in several processes at once, and again at any time.
    Raises ServerTooOld, MissingPrivilege, OtherMasterKey and MigrationRefused.
    """
    check_server(connection)
    applied: list[str] = []
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            ensure_roles(connection, master_key, derived)
            applied.extend(_migrate_schema(connection, CONTROL_SCHEMA, "control"))
            _remember_master_key(connection, master_key)
            for shard in read_shards(connection):
                applied.extend(_migrate_shard(connection, shard, master_key, derived))
        except _RACES:
            if attempt == _ATTEMPTS:
                raise
            time.sleep(pause_seconds(attempt, max_seconds=0.2))
        else:
            return applied
    raise AssertionError("unreachable")


def check_server(connection: psycopg.Connection) -> None:
    """Refuse a server older than we know. Raises ServerTooOld."""
    version = connection.info.server_version
    if version < OLDEST_SERVER * 10_000:
        raise ServerTooOld(
            f"PostgreSQL {version // 10_000} is too old: Duebook needs {OLDEST_SERVER} or later"
        )


def read_shards(connection: psycopg.Connection) -> list[Shard]:
    """Every shard of the installation."""
    rows = connection.execute(
        "SELECT shard_id, schema_name, dsn FROM duebook.shards ORDER BY shard_id"
    ).fetchall()
    return [Shard(*row) for row in rows]


def remembered_fingerprint(connection: psycopg.Connection) -> str | None:
    """The fingerprint of the master key this installation was made with; None before the first migration."""
    with connection.transaction():
        there = connection.execute("SELECT to_regclass('duebook.installation')").fetchone()
        if there == (None,):
            return None
        row = connection.execute(
            "SELECT master_key_fingerprint FROM duebook.installation"
        ).fetchone()
    return None if row is None else str(row[0])


def _remember_master_key(connection: psycopg.Connection, master_key: bytes) -> None:
    ours = fingerprint(master_key)
    theirs = remembered_fingerprint(connection)
    if theirs is None:
        connection.execute(
            """
            INSERT INTO duebook.installation (singleton, master_key_fingerprint, created_at)
            VALUES (1, %s, %s)
            ON CONFLICT (singleton) DO NOTHING
            """,
            (ours, datetime.now(UTC)),
        )
        theirs = remembered_fingerprint(connection)
    if theirs != ours:
        raise OtherMasterKey(
            f"this database was made with another master key (fingerprint {theirs}, not {ours}): "
            "give the file of that one in DUEBOOK_MASTER_KEY_FILE"
        )


def _migrate_shard(
    connection: psycopg.Connection, shard: Shard, master_key: bytes, derived: Collection[str]
) -> Iterator[str]:
    if shard.dsn is None:
        yield from _migrate_schema(connection, shard.schema, "shard")
        return
    login = make_conninfo(connection.info.dsn, password=connection.info.password)
    with psycopg.connect(shard.url(login), autocommit=True) as elsewhere:
        check_server(elsewhere)
        ensure_roles(elsewhere, master_key, derived)
        yield from _migrate_schema(elsewhere, shard.schema, "shard")


def _migrate_schema(connection: psycopg.Connection, schema: str, kind: str) -> Iterator[str]:
    applied = _applied(connection, schema)
    if applied is None:
        _make_schema(connection, schema)
        applied = {}
    known = {migration.number: migration for migration in read_migrations(kind)}
    for number, (name, checksum) in applied.items():
        if number not in known:
            raise MigrationRefused(
                f"schema {schema} holds migration {name}, which this release does not know: "
                "it was migrated by a later one"
            )
        if checksum != known[number].checksum:
            raise MigrationRefused(
                f"migration {name} was changed after it had been applied to schema {schema}"
            )
    for number, migration in known.items():
        if number not in applied and _apply(connection, schema, migration):
            yield f"{schema}/{migration.name}"


def _applied(connection: psycopg.Connection, schema: str) -> dict[int, tuple[str, str]] | None:
    with connection.transaction():
        there = connection.execute(
            "SELECT to_regclass(%s)", (f"{schema}.schema_migrations",)
        ).fetchone()
        if there == (None,):
            return None
        rows = connection.execute(
            SQL("SELECT number, name, checksum FROM {}").format(
                Identifier(schema, "schema_migrations")
            )
        ).fetchall()
    return {number: (name, checksum) for number, name, checksum in rows}


def _make_schema(connection: psycopg.Connection, schema: str) -> None:
    names = {
        "schema": Identifier(schema),
        "table": Identifier(schema, "schema_migrations"),
        "owner": Identifier(OWNER),
        "writer": Identifier(WRITER),
        "api": Identifier(API),
    }
    try:
        with connection.transaction():
            connection.execute(
                SQL(
                    """
                    CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner};
                    SET LOCAL ROLE {owner};
                    GRANT USAGE ON SCHEMA {schema} TO {writer}, {api};
                    CREATE TABLE IF NOT EXISTS {table} (
                        number     integer     NOT NULL PRIMARY KEY,
                        name       text        NOT NULL,
                        checksum   text        NOT NULL,
                        applied_at timestamptz NOT NULL
                    );
                    GRANT SELECT ON {table} TO {writer}, {api};
                    """
                ).format(**names)
            )
    except psycopg.errors.InsufficientPrivilege as error:
        raise MissingPrivilege(
            f"the login {connection.info.user} may not make the schema {schema}: have a superuser run "
            f"GRANT CREATE ON DATABASE {connection.info.dbname} TO {connection.info.user}"
        ) from error


def _apply(connection: psycopg.Connection, schema: str, migration: Migration) -> bool:
    """Run one file; False when another process has just done it."""
    table = Identifier(schema, "schema_migrations")
    with connection.transaction():
        connection.execute(
            SQL("SET LOCAL ROLE {}; SET LOCAL search_path = {}").format(
                Identifier(OWNER), Identifier(schema)
            )
        )
        connection.execute(SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(table))
        done = connection.execute(
            SQL("SELECT checksum FROM {} WHERE number = %s").format(table), (migration.number,)
        ).fetchone()
        if done is not None:
            if done[0] != migration.checksum:
                raise MigrationRefused(
                    f"migration {migration.name} was just applied to schema {schema} in another form"
                )
            return False
        connection.execute(SQL(migration.sql))
        connection.execute(
            SQL(
                "INSERT INTO {} (number, name, checksum, applied_at) VALUES (%s, %s, %s, %s)"
            ).format(table),
            (migration.number, migration.name, migration.checksum, datetime.now(UTC)),
        )
    return True
