"""Opening the ledger's database: the embedded one or an existing one, migrated, with a pool for each login."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier, Literal
from psycopg_pool import ConnectionPool

from adapters.master_key import MasterKeyError, derive_password, make_master_key, read_master_key
from adapters.postgres.embedded_server import EmbeddedPostgres
from adapters.postgres.errors import (
    DatabaseMissing,
    LoginTooPowerful,
    Unreachable,
    WrongPassword,
    WrongUrl,
)
from adapters.postgres.migrate import (
    Shard,
    check_server,
    migrate,
    read_shards,
    remembered_fingerprint,
)
from adapters.postgres.roles import API, OWNER, WRITER, set_passwords
from adapters.settings import Settings

Pool = ConnectionPool[psycopg.Connection[tuple[Any, ...]]]

EMBEDDED_DATABASE = "duebook"
CONNECT_SECONDS = 5
SELECT_LOGIN = """
SELECT rolname, rolsuper, rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user
"""
POOL_WAIT_SECONDS = 10.0
# The pool's own pauses between attempts double without end. Given up soon, the next caller tries at once.
RECONNECT_SECONDS = 1.0
_KEEPALIVES = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class ShardPools:
    """The two pools of one shard. `search_path` is the shard's schema in every connection."""

    def __init__(self, shard: Shard, writer_url: str, api_url: str, size: int) -> None:
        self.shard_id = shard.shard_id
        self.schema = shard.schema
        self.writer_url = _shard_url(shard, writer_url, "duebook writer")
        self.api_url = _shard_url(shard, api_url, "duebook api")
        self.writer: Pool = _pool(self.writer_url, f"writer-{shard.shard_id}", size)
        self.api: Pool = _pool(self.api_url, f"api-{shard.shard_id}", size)

    def close(self) -> None:
        self.writer.close()
        self.api.close()


class Database:
    """An open, migrated database. Close it, or use it in a `with`.

    admin_url      the administrator's login: migrations, and the owner's work through `owner_connection`
    master_key     see adapters.master_key
    shards         the pools of every shard, by id; those of the default shard are also here:
    writer         pool of duebook_writer: bulk work, bound by no row security
    api            pool of duebook_api: sees one tenant, inside `tenant_transaction`
    schema         the default shard's schema; tables of the control schema are written `duebook.tenants`
    writer_url, api_url   the same logins for a connection of one's own (LISTEN)
    applied        the migrations that opening it has applied
    embedded       the server, when it is ours
    """

    def __init__(
        self,
        *,
        admin_url: str,
        writer_url: str,
        api_url: str,
        master_key: bytes,
        shards: Sequence[Shard],
        applied: Sequence[str] = (),
        pool_size: int = 10,
        embedded: EmbeddedPostgres | None = None,
    ) -> None:
        self.admin_url = admin_url
        self.master_key = master_key
        self.applied = tuple(applied)
        self.embedded = embedded
        self.shards: dict[str, ShardPools] = {}
        try:
            for shard in shards:
                self.shards[shard.shard_id] = ShardPools(shard, writer_url, api_url, pool_size)
        except BaseException:
            self._close_pools()
            raise
        default = self.shards["s1"]
        self.schema = default.schema
        self.writer, self.api = default.writer, default.api
        self.writer_url, self.api_url = default.writer_url, default.api_url

    def __enter__(self) -> "Database":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the pools and stop using the embedded server."""
        self._close_pools()
        if self.embedded is not None:
            self.embedded.release()

    def free_bytes(self) -> int | None:
        """What is free on the embedded server's disk; None of another server, whose disk is not ours to see."""
        return self.embedded.free_bytes() if self.embedded is not None else None

    def _close_pools(self) -> None:
        for pools in self.shards.values():
            pools.close()


def open_database(settings: Settings, *, make_key: bool = False) -> Database:
    """Start or reach the database, migrate it, and open its pools.

    A missing master key is made for the embedded server, and with `make_key` (`duebook up` and `duebook migrate`)
    also for an existing server when its file is the default one; never for an installation that already had one.
    Raises a DatabaseError or MasterKeyError, each with one clear line.
    """
    if settings.database_url is not None:
        default_file = settings.master_key_file == settings.home / "master.key"
        return _open(settings, settings.database_url, None, make_key and default_file)
    embedded = EmbeddedPostgres(settings.home)
    embedded.start()
    try:
        _make_database(embedded.admin_url, EMBEDDED_DATABASE)
        return _open(settings, embedded.url(EMBEDDED_DATABASE), embedded, True)
    except BaseException:
        embedded.release()
        raise


def connect_database(
    admin_url: str,
    master_key: bytes,
    *,
    writer_url: str | None = None,
    api_url: str | None = None,
    pool_size: int = 10,
    embedded: EmbeddedPostgres | None = None,
) -> Database:
    """Migrate a database whose master key is known, and open its pools."""
    derived = [name for name, url in ((WRITER, writer_url), (API, api_url)) if url is None]
    writer_url = writer_url or service_url(admin_url, WRITER, master_key)
    api_url = api_url or service_url(admin_url, API, master_key)
    with connect(admin_url, "DUEBOOK_DATABASE_URL", autocommit=True) as admin:
        applied = migrate(admin, master_key, derived)
        shards = read_shards(admin)
        try:
            _check_login(writer_url, "DUEBOOK_WRITER_URL")
            _check_login(api_url, "DUEBOOK_API_URL", is_api=True)
        except WrongPassword:
            if not derived:
                raise
            # Somebody has changed a password by hand; it is ours to set.
            set_passwords(admin, master_key, derived)
            _check_login(writer_url, "DUEBOOK_WRITER_URL")
            _check_login(api_url, "DUEBOOK_API_URL", is_api=True)
    return Database(
        admin_url=admin_url,
        writer_url=writer_url,
        api_url=api_url,
        master_key=master_key,
        shards=shards,
        applied=applied,
        pool_size=pool_size,
        embedded=embedded,
    )


def connect(url: str, setting: str, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
    """One connection; what goes wrong is told in one line that names the setting and holds no secret."""
    try:
        return psycopg.connect(make_conninfo(url, **_KEEPALIVES), **options)
    except psycopg.OperationalError as error:
        raise _refusal(error, url, setting) from error
    except psycopg.ProgrammingError:
        # libpq repeats the whole URL, password and all: neither its text nor its cause may be shown.
        raise WrongUrl(
            f"{setting} cannot be read; it must look like postgresql://user:password@host:5432/database"
        ) from None


def service_url(admin_url: str, role: str, master_key: bytes) -> str:
    """The login of a service role beside an administrator's."""
    return make_conninfo(admin_url, user=role, password=derive_password(master_key, role))


@contextlib.contextmanager
def tenant_transaction(
    pool: Pool, tenant_id: UUID
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A transaction in which row-level security shows one tenant's rows."""
    if not isinstance(tenant_id, UUID):
        raise TypeError(f"a tenant's id is a UUID, not {type(tenant_id).__name__}")
    with pool.connection() as connection, connection.transaction():
        # Literal, so that it also holds behind a pooler and on Citus.
        connection.execute(
            SQL("SET LOCAL duebook.tenant = {}").format(Literal(str(tenant_id))), prepare=False
        )
        yield connection


@contextlib.contextmanager
def owner_connection(
    database: Database, shard_id: str = "s1"
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection of the tables' owner, in autocommit: shadow tables, swaps, forced faults in tests."""
    schema = database.shards[shard_id].schema
    with connect(database.admin_url, "DUEBOOK_DATABASE_URL", autocommit=True) as connection:
        connection.execute(
            SQL("SET ROLE {}; SET search_path = {}").format(Identifier(OWNER), Identifier(schema))
        )
        yield connection


def _open(
    settings: Settings, admin_url: str, embedded: EmbeddedPostgres | None, may_make_key: bool
) -> Database:
    with connect(admin_url, "DUEBOOK_DATABASE_URL", autocommit=True) as admin:
        check_server(admin)
        remembered = remembered_fingerprint(admin)
    path = settings.master_key_file
    if remembered is not None and not path.exists():
        raise MasterKeyError(
            f"the master key of this installation (fingerprint {remembered}) is missing at {path}: "
            "restore it from its backup"
        )
    return connect_database(
        admin_url,
        make_master_key(path) if may_make_key else read_master_key(path),
        writer_url=settings.writer_url,
        api_url=settings.api_url,
        pool_size=settings.pool_size,
        embedded=embedded,
    )


def _make_database(admin_url: str, name: str) -> None:
    with connect(admin_url, "DUEBOOK_DATABASE_URL", autocommit=True) as admin:
        there = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if there is None:
            with contextlib.suppress(
                psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation
            ):
                admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))


def _check_login(url: str, setting: str, *, is_api: bool = False) -> None:
    """The login works, and does not get around what protects the tenants. Raises LoginTooPowerful, Unreachable."""
    with connect(url, setting) as connection:
        row = connection.execute(SELECT_LOGIN).fetchone()
    assert row is not None
    name, is_super, bypasses = row
    if is_super:
        raise LoginTooPowerful(f"{setting}: {name} is a superuser; use a login that is none")
    if is_api and bypasses:
        raise LoginTooPowerful(
            f"{setting}: {name} has BYPASSRLS, and would see every tenant; use a login without it"
        )


def login_of(pool: Pool) -> tuple[str, bool, bool]:
    """(name, is a superuser, bypasses row-level security) of the login that a pool uses."""
    with pool.connection() as connection:
        row = connection.execute(SELECT_LOGIN).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def _shard_url(shard: Shard, url: str, application: str) -> str:
    return make_conninfo(
        shard.url(url),
        # A process that was paused inside a transaction must not hold the log head for long.
        options=f"-c search_path={shard.schema} -c idle_in_transaction_session_timeout=20s",
        application_name=application,
        **_KEEPALIVES,
    )


def _pool(url: str, name: str, size: int) -> Pool:
    return ConnectionPool(
        url,
        min_size=1,
        max_size=size,
        timeout=POOL_WAIT_SECONDS,
        reconnect_timeout=RECONNECT_SECONDS,
        name=name,
        open=True,
    )


def _refusal(error: psycopg.OperationalError, url: str, setting: str) -> Unreachable:
    """Tell a refused connection apart. libpq gives no SQLSTATE for one, so its state and text must do."""
    place = conninfo_to_dict(url)
    user, database = place.get("user"), place.get("dbname")
    host = place.get("host") or place.get("hostaddr") or "the local socket"
    where = f"{host}:{place.get('port') or 5432}"
    text = " | ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if error.pgconn is not None and error.pgconn.needs_password:
        return WrongPassword(f"{setting}: the server at {where} asks for a password of {user}")
    if re.search(r'FATAL:\s+database ".*" does not exist', text):
        return DatabaseMissing(
            f"{setting}: the server at {where} has no database {database}; "
            f"create it with: createdb {database}"
        )
    if re.search(r"FATAL:\s+(password authentication|role \".*\" does not exist)", text):
        return WrongPassword(f"{setting}: the server at {where} does not accept the login {user}")
    return Unreachable(f"{setting}: no connection to {where}: {text}")
