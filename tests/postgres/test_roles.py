"""What each login may do: the API one tenant's rows, the writer no change of history, nobody everything."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import psycopg
import pytest

from adapters.postgres.connection import Database, owner_connection, tenant_transaction

pytestmark = pytest.mark.both_engines

ALICE, BOB = UUID(int=1), UUID(int=2)
TENANT_TABLES = (
    "SELECT c.table_schema, c.table_name FROM information_schema.columns c "
    "WHERE c.column_name = 'tenant_id' AND c.table_schema IN ('duebook', 'duebook_s1')"
)


def insert_event(
    connection: psycopg.Connection[tuple[object, ...]], tenant: UUID, seq: int
) -> None:
    connection.execute(
        """
        INSERT INTO events (position, tenant_id, tenant_seq, stream_id, version, tag, recorded_at,
                            effective_on, actor, command_id, correlation_id, causation_id, data)
        VALUES (%s, %s, %s, %s, 1, 'test.happened.v1', %s, %s, 'test', %s, '', NULL, '\\x7b7d')
        """,
        (
            tenant.int * 100 + seq,
            tenant,
            seq,
            uuid4(),
            datetime.now(UTC),
            date(2026, 1, 1),
            uuid4(),
        ),
    )


@pytest.fixture
def ledger(database: Database) -> Database:
    """Two tenants: three events of the first, five of the second."""
    with database.writer.connection() as connection:
        for tenant, name, count in ((ALICE, "alice", 3), (BOB, "bob", 5)):
            connection.execute(
                "INSERT INTO duebook.tenants (tenant_id, shard_id, name) VALUES (%s, 's1', %s)",
                (tenant, name),
            )
            for seq in range(count):
                insert_event(connection, tenant, seq)
    return database


def test_nobody_is_a_superuser_and_only_the_writer_bypasses(database: Database) -> None:
    with owner_connection(database) as connection:
        rows = connection.execute(
            """
            SELECT rolname, rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb
            FROM pg_roles WHERE rolname LIKE 'duebook%' ORDER BY rolname
            """
        ).fetchall()
    assert rows == [
        ("duebook_api", True, False, False, False, False),
        ("duebook_owner", False, False, False, False, False),
        ("duebook_writer", True, False, True, False, False),
    ]


def test_api_sees_nothing_without_a_tenant(ledger: Database) -> None:
    with ledger.api.connection() as connection:
        for table in ("events", "snapshots", "duebook.tenants", "duebook.api_keys"):
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == []  # type: ignore[call-overload]


def test_api_sees_one_tenant(ledger: Database) -> None:
    for tenant, count in ((ALICE, 3), (BOB, 5)):
        with tenant_transaction(ledger.api, tenant) as connection:
            tenants = connection.execute("SELECT DISTINCT tenant_id FROM events").fetchall()
            assert tenants == [(tenant,)]
            assert connection.execute("SELECT count(*) FROM events").fetchone() == (count,)
            assert connection.execute("SELECT tenant_id FROM duebook.tenants").fetchall() == tenants
            # Naming the neighbour does not help.
            other = BOB if tenant == ALICE else ALICE
            assert (
                connection.execute("SELECT 1 FROM events WHERE tenant_id = %s", (other,)).fetchall()
                == []
            )


def test_tenant_ends_with_its_transaction(ledger: Database) -> None:
    for _ in range(ledger.api.max_size + 1):
        with tenant_transaction(ledger.api, ALICE) as connection:
            connection.execute("SELECT 1")
    with ledger.api.connection() as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
    with (
        pytest.raises(psycopg.errors.DivisionByZero),
        tenant_transaction(ledger.api, ALICE) as connection,
    ):
        connection.execute("SELECT 1 / 0")
    with ledger.api.connection() as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)


def test_tenant_must_be_a_uuid(ledger: Database) -> None:
    with (
        pytest.raises(TypeError, match="is a UUID, not str"),
        tenant_transaction(ledger.api, "'; DROP TABLE events; --"),  # type: ignore[arg-type]
    ):
        pass


def test_every_table_with_a_tenant_is_under_row_security(ledger: Database) -> None:
    with owner_connection(ledger) as connection:
        tables = connection.execute(TENANT_TABLES).fetchall()  # type: ignore[call-overload]
        assert ("duebook_s1", "events") in tables
        secured = connection.execute(
            """
            SELECT n.nspname::text, c.relname::text
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relrowsecurity
            """
        ).fetchall()
        granted = connection.execute(
            """
            SELECT table_schema::text, table_name::text FROM information_schema.role_table_grants
            WHERE grantee = 'duebook_api'
            """
        ).fetchall()
    open_to_the_api = set(tables) & set(granted)
    assert open_to_the_api <= set(secured)


@pytest.mark.parametrize(
    "statement", ["UPDATE events SET actor = 'x'", "DELETE FROM events", "TRUNCATE events"]
)
@pytest.mark.parametrize("login", ["writer", "api"])
def test_no_service_changes_an_event(ledger: Database, login: str, statement: str) -> None:
    pool = {"writer": ledger.writer, "api": ledger.api}[login]
    with (
        tenant_transaction(pool, ALICE) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id integer)",
        "DROP TABLE events",
        "ALTER TABLE events DISABLE ROW LEVEL SECURITY",
        "SET ROLE duebook_owner",
        "INSERT INTO duebook.schema_migrations (number, name, checksum, applied_at) VALUES (9, '', '', '2026-01-01')",
        "UPDATE duebook.installation SET master_key_fingerprint = ''",
        "UPDATE duebook.api_keys SET tenant_id = tenant_id",
    ],
)
def test_services_do_not_own_anything(ledger: Database, statement: str) -> None:
    for pool in (ledger.writer, ledger.api):
        with (
            pool.connection() as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)  # type: ignore[call-overload]


def test_writer_sees_every_tenant_and_copies(ledger: Database) -> None:
    with ledger.writer.connection() as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (8,)
        with connection.cursor().copy("COPY unique_names FROM STDIN") as copy:
            copy.write_row((ALICE, "number", "1", uuid4()))
        assert connection.execute("SELECT count(*) FROM unique_names").fetchone() == (1,)


def test_password_changed_by_hand_is_set_again(
    fresh_database: Callable[[], AbstractContextManager[Database]],
) -> None:
    with (
        fresh_database() as database,
        psycopg.connect(database.admin_url, autocommit=True) as admin,
    ):
        admin.execute("ALTER ROLE duebook_api PASSWORD 'something else'")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(database.api_url)
    with fresh_database() as database, database.api.connection() as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("duebook_api",)
