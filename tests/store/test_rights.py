"""Who sees and changes what, enumerated from the catalog, so that no new table is forgotten."""

from collections.abc import Iterator
from datetime import date
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from adapters.postgres.connection import Database, owner_connection, tenant_transaction
from adapters.wiring import Books
from commands.activities import RecordActivity, record_activity
from commands.adjustments import CreditInvoice, credit_invoice
from commands.dunning_plans import SavePlan, save_plan
from commands.refunds import RequestRefund, request_refund
from commands.senders import SaveSender, save_sender
from commands.tasks import OpenTask, open_task
from commands.unit_of_work import Unit
from ledger.dunning.plan import Step
from ledger.event_registry import New
from ledger.message import Queued
from ledger.money import Money
from projections.catalog import CATALOG
from projections.rebuild.rebuild import rebuild
from tests.store.asking import Asking
from tests.store.forcing import rows

Table = tuple[str, str]

TABLES = """
SELECT namespace.nspname::text, class.relname::text, class.relrowsecurity,
       EXISTS (SELECT FROM pg_attribute AS attribute
                WHERE attribute.attrelid = class.oid AND attribute.attname = 'tenant_id'
                  AND NOT attribute.attisdropped)
  FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
 WHERE namespace.nspname IN ('duebook', 'duebook_s1') AND class.relkind IN ('r', 'p', 'v', 'm', 'f')
 ORDER BY 1, 2
"""
# What has no tenant, and what of it the API's login may read: nothing in these tells of a tenant's content.
WITHOUT_TENANT = {
    ("duebook", "installation"),
    ("duebook", "shards"),
    ("duebook", "schema_migrations"),
    ("duebook_s1", "schema_migrations"),
    ("duebook_s1", "leases"),
    ("duebook_s1", "log_head"),
    ("duebook_s1", "projection_rebuilds"),
    ("duebook_s1", "projection_tracking"),
    ("duebook_s1", "projection_versions"),
}
CLOSED_TO_THE_API = {
    ("duebook_s1", "sender_secrets"),
    ("duebook_s1", "message_leases"),
    ("duebook_s1", "sending_rates"),
    ("duebook", "installation"),
    ("duebook", "shards"),
    ("duebook_s1", "leases"),
    ("duebook_s1", "projection_rebuilds"),
}


@pytest.fixture(scope="module")
def filled(module_database: Database) -> Iterator[tuple[Database, Asking, Asking]]:
    """Two tenants that have used everything there is to use, rebuilt read models, and a parked stream each."""
    with Books(module_database) as books:
        tenants = [Asking.new_tenant(books, name) for name in ("first", "second")]
        for asking in tenants:
            customer = asking.customer("Maria", reference="C-1")
            invoice = asking.invoice(customer)
            paid = asking.pay(invoice, "10.00", key="k")
            asking.pay(invoice, "900.00", key="l")
            asking.reverse(UUID(paid["id"]))
            asking.agreement(customer)
            credited, note = asking.invoice(customer), CreditInvoice("returned")
            asking.ask(lambda unit, i=credited, c=note: credit_invoice(unit, i, c))
            refund = RequestRefund(customer, "asked", Money("1.00", "BRL"))
            asking.ask(lambda unit, command=refund: request_refund(unit, command))
            books.inbox.enqueue(
                asking.tenant_id,
                "n",
                "receive_payment",
                b"",
                b"{}",
                actor="test",
                correlation_id="",
            )
            plan = SavePlan("soft", "Soft", (Step("d3", 3),))
            asking.ask(lambda unit, command=plan: save_plan(unit, command))
            asking.ask(lambda unit, one=customer: _queue(unit, one))
            smtp = SaveSender("main", "smtp.example.com", 587, "billing@example.com", username="b")
            secret_id = books.secrets.keep(asking.tenant_id, "secret")
            asking.ask(lambda unit, said=smtp, kept=secret_id: save_sender(unit, said, kept))
            task = OpenTask(customer, "call")
            asking.ask(lambda unit, command=task: open_task(unit, command))
            call = RecordActivity("reached")
            asking.ask(
                lambda unit, one=customer, said=call: record_activity(unit, one, "call", said)
            )
            books.outbox.lease(asking.tenant_id, 1)
            asking.key("key", b"hash" + asking.tenant_id.bytes)
            with module_database.writer.connection() as connection:
                connection.execute(
                    """INSERT INTO parked_streams (projection, tenant_id, stream_id, position, version, tag,
                                                   reason, parked_at)
                       VALUES ('test', %s, %s, 1, 1, 'tag', 'reason', now())""",
                    (asking.tenant_id, uuid4()),
                )
                connection.execute(
                    """INSERT INTO sending_rates (tenant_id, name, next_at, interval_seconds)
                       VALUES (%s, 'domain example.com', now(), 2)""",
                    (asking.tenant_id,),
                )
                connection.execute(
                    """INSERT INTO clock_checkpoints
                              (tenant_id, day, step, after_on, after_id, fence, done, tally)
                       VALUES (%s, '2026-01-01', 'mora', '2026-01-01', %s, 1, true, '{}')""",
                    (asking.tenant_id, uuid4()),
                )
        books.projections.catch_up()
        for projection in CATALOG:
            rebuild(
                projection,
                module_database.writer.connection,
                lambda: owner_connection(module_database),
            )
        yield module_database, tenants[0], tenants[1]


def _queue(unit: Unit, customer_id: UUID) -> None:
    queued = Queued("dunning", "email", customer_id, "BRL", 1, date(2026, 1, 1), ())
    unit.append("message", unit.new_id("message"), [New(queued, date(2026, 1, 1))])


@pytest.fixture
def ledger(filled: tuple[Database, Asking, Asking]) -> Database:
    return filled[0]


def tables(database: Database) -> list[tuple[str, str, bool, bool]]:
    """(schema, table, whether row security is on, whether it has a tenant_id)."""
    with owner_connection(database) as owner:
        return owner.execute(TABLES).fetchall()


def with_tenant(database: Database) -> list[Table]:
    """Those that the API may read."""
    return [
        (schema, name)
        for schema, name, _, has_tenant in tables(database)
        if has_tenant and (schema, name) not in CLOSED_TO_THE_API
    ]


def test_every_table_with_a_tenant_is_under_row_security(ledger: Database) -> None:
    open_tables = [row[:2] for row in tables(ledger) if row[3] and not row[2]]
    assert open_tables == []
    assert ("duebook_s1", "invoices") in with_tenant(ledger)


def test_what_has_no_tenant_is_known(ledger: Database) -> None:
    """A new table without a tenant_id is looked at by a person, who adds it here."""
    assert {row[:2] for row in tables(ledger) if not row[3]} == WITHOUT_TENANT


def test_a_query_without_a_tenant_finds_nothing(ledger: Database) -> None:
    for table in with_tenant(ledger):
        with ledger.api.connection() as connection:
            found = connection.execute(
                SQL("SELECT * FROM {}").format(Identifier(*table))
            ).fetchall()
        assert found == [], table


def test_an_empty_tenant_finds_nothing(ledger: Database) -> None:
    """As behind a pooler that has reset the setting."""
    for table in with_tenant(ledger):
        with ledger.api.connection() as connection:
            connection.execute("SET LOCAL duebook.tenant = ''")
            found = connection.execute(
                SQL("SELECT * FROM {}").format(Identifier(*table))
            ).fetchall()
        assert found == [], table


def test_a_tenant_sees_all_of_its_rows_and_none_of_another(
    filled: tuple[Database, Asking, Asking],
) -> None:
    database, first, second = filled
    for table in with_tenant(database):
        name = Identifier(*table)
        count = SQL("SELECT count(*) FROM {} WHERE tenant_id = %s").format(name)
        foreign = SQL("SELECT count(*) FROM {} WHERE tenant_id <> %s").format(name)
        for tenant in (first.tenant_id, second.tenant_id):
            with database.writer.connection() as connection:
                stored = connection.execute(count, (tenant,)).fetchone()
            with tenant_transaction(database.api, tenant) as connection:
                assert connection.execute(count, (tenant,)).fetchone() == stored, table
                assert connection.execute(foreign, (tenant,)).fetchone() == (0,), table
            assert table[1] == "business_days" or stored != (0,), f"{table} proves nothing empty"


def test_the_api_login_cannot_write(filled: tuple[Database, Asking, Asking]) -> None:
    database, first, _ = filled
    for schema, table, _, has_tenant in tables(database):
        name = Identifier(schema, table)
        column = Identifier("tenant_id") if has_tenant else SQL("ctid")
        for statement in (
            SQL("INSERT INTO {} DEFAULT VALUES").format(name),
            SQL("UPDATE {} SET {} = {}").format(name, column, column)
            if has_tenant
            else SQL("DELETE FROM {} WHERE true").format(name),
            SQL("DELETE FROM {}").format(name),
            SQL("TRUNCATE {}").format(name),
            SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(name),
            SQL("COPY {} FROM STDIN").format(name),
        ):
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                tenant_transaction(database.api, first.tenant_id) as connection,
            ):
                connection.execute(statement)


def test_what_the_api_login_may_read(ledger: Database) -> None:
    for schema, table, _, _ in tables(ledger):
        query = SQL("SELECT 1 FROM {} LIMIT 1").format(Identifier(schema, table))
        with ledger.api.connection() as connection:
            if (schema, table) in CLOSED_TO_THE_API:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(query)
                connection.rollback()
            else:
                connection.execute(query)


@pytest.mark.parametrize("login", ["writer", "api"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET actor = 'x'",
        "UPDATE events SET actor = actor WHERE false",
        "DELETE FROM events",
        "DELETE FROM events WHERE false",
        "TRUNCATE events",
        "SELECT 1 FROM events FOR UPDATE",
        "INSERT INTO events SELECT * FROM events ON CONFLICT (position) DO UPDATE SET actor = 'x'",
        "ALTER TABLE events DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE events ADD COLUMN x int",
        "CREATE TRIGGER t BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION tsvector_update_trigger()",
        "CREATE RULE r AS ON INSERT TO events DO INSTEAD NOTHING",
        "DROP TABLE events",
        "DROP INDEX events_position",
        "CREATE TABLE duebook_s1.mine (x int)",
        "SET ROLE duebook_owner",
        "SET session_replication_role = replica",
    ],
)
def test_nobody_rewrites_history(ledger: Database, login: str, statement: str) -> None:
    pool = ledger.writer if login == "writer" else ledger.api
    before = rows(ledger, "SELECT count(*), max(position) FROM events")
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege) as refused,
        pool.connection() as connection,
    ):
        connection.execute(statement.encode())
    assert refused.value.sqlstate == "42501"
    assert rows(ledger, "SELECT count(*), max(position) FROM events") == before


@pytest.mark.parametrize(
    ("table", "rights"),
    [
        ("events", {"SELECT", "INSERT"}),
        ("unique_names", {"SELECT", "INSERT"}),
        ("log_head", {"SELECT", "UPDATE"}),
        ("tenant_log", {"SELECT", "INSERT", "UPDATE"}),
        ("snapshots", {"SELECT", "INSERT", "UPDATE"}),
        ("number_series", {"SELECT", "INSERT", "UPDATE"}),
        ("command_records", {"SELECT", "INSERT", "DELETE"}),
        ("customer_keys", {"SELECT", "INSERT", "DELETE"}),
    ],
)
def test_the_writers_rights_on_the_log(ledger: Database, table: str, rights: set[str]) -> None:
    found = rows(
        ledger,
        """SELECT privilege FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE',
                                              'REFERENCES', 'TRIGGER']) AS privilege
            WHERE has_table_privilege('duebook_writer', %s, privilege)""",
        f"duebook_s1.{table}",
    )
    assert {privilege for (privilege,) in found} == rights


def test_no_login_may_run_as_another(ledger: Database) -> None:
    found = rows(
        ledger,
        """SELECT member.rolname::text, granted.rolname::text
             FROM pg_auth_members JOIN pg_roles AS member ON member.oid = pg_auth_members.member
                                  JOIN pg_roles AS granted ON granted.oid = pg_auth_members.roleid
            WHERE member.rolname IN ('duebook_api', 'duebook_writer')""",
    )
    assert found == []
