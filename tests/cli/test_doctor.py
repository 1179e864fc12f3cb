"""`duebook doctor` finds what is wrong and says what to do."""

from uuid import UUID, uuid4

import pytest
from psycopg.sql import SQL

from adapters.postgres.connection import Database, connect, owner_connection
from adapters.wiring import Books
from tests.cli.conftest import Cli
from tests.conftest import FAST

# The tests' server does without what survives a power cut, and the doctor says so.
KNOWN = {"durability"} if FAST["fsync"] == "off" else set()


def wrong(cli: Cli) -> dict[str, dict[str, str]]:
    """What the doctor finds wrong, by check, besides what the tests' server lacks."""
    done = cli("doctor", "--json")
    findings = {one["check"]: one for one in done.json["findings"] if not one["ok"]}
    assert done.status == (1 if findings else 0)
    assert done.json["ok"] is not bool(findings)
    return {check: one for check, one in findings.items() if check not in KNOWN}


def test_a_sound_installation(cli: Cli, acme: str) -> None:
    assert wrong(cli) == {}
    report = cli("doctor", "--json").json
    checks = {one["check"] for one in report["findings"]}
    assert checks >= {
        "database",
        "master key",
        "migrations",
        "roles",
        "log",
        "tenant logs",
        "read model invoices",
        "parked streams",
        "locks",
        "leases",
        "business days",
        "refunds",
        "accepted requests",
    }
    assert set(report["versions"]) >= {"duebook", "python", "postgresql", "psycopg"}
    shown = cli("doctor").out
    assert "business days" in shown
    assert "durability: set" in shown


def test_a_missing_event_is_noticed(cli: Cli, acme: str, database: Database) -> None:
    with owner_connection(database) as connection:
        connection.execute("DELETE FROM events WHERE tenant_seq = 2")
    found = wrong(cli)
    assert set(found) == {"log", "tenant logs"}
    assert "gaps 1: between 1 and 3" in found["log"]["detail"]
    assert f"tenant {acme}: between 1 and 3" in found["tenant logs"]["detail"]
    assert "restore" in found["log"]["what_to_do"]


def test_a_service_login_that_became_a_superuser_is_noticed(
    cli: Cli, acme: str, database: Database
) -> None:
    # Opening the database puts roles right again, so the doctor is asked beside an open one.
    with connect(database.admin_url, "test", autocommit=True) as admin:
        admin.execute("ALTER ROLE duebook_api BYPASSRLS")
        assert wrong(cli) == {}
        row = admin.execute(
            "SELECT rolbypassrls FROM pg_roles WHERE rolname = 'duebook_api'"
        ).fetchone()
        assert row == (False,)


def test_missed_days_are_counted(cli: Cli, acme: str) -> None:
    cli("tenant", "configure", "acme", "--clock-starts-on", "2024-01-31")
    found = wrong(cli)
    assert set(found) == {"business days"}
    assert "since 2024-01-31" in found["business days"]["detail"]
    assert "day catch-up" in found["business days"]["what_to_do"]


def test_accepted_requests_that_nobody_carries_out_are_told(
    cli: Cli, acme: str, database: Database
) -> None:
    with Books(database) as books:
        books.inbox.enqueue(
            UUID(acme), "k", "receive_payment", b"hash", b"{}", actor="test", correlation_id=""
        )
    assert wrong(cli) == {}
    with database.writer.connection() as connection:
        connection.execute("UPDATE accepted_requests SET accepted_at = '2026-01-05'")
    found = wrong(cli)["accepted requests"]
    assert "1 wait since 2026-01-05" in found["detail"]
    assert "duebook worker" in found["what_to_do"]


def test_a_parked_stream_is_told(cli: Cli, acme: str, database: Database) -> None:
    with owner_connection(database) as connection:
        connection.execute(
            """
            INSERT INTO parked_streams
                   (projection, tenant_id, stream_id, position, version, tag, reason, parked_at)
            VALUES ('invoices', %s, %s, 1, 1, 'invoice.sent.v1', 'ValueError: no', now())
            """,
            (UUID(acme), uuid4()),
        )
    found = wrong(cli)
    assert set(found) == {"parked streams"}
    assert "ValueError: no" in found["parked streams"]["detail"]


def test_a_long_wait_for_a_lock_is_told(
    cli: Cli, acme: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.cli.checks.LONG_TRANSACTION_SECONDS", 0)
    with owner_connection(database) as connection, connection.transaction():
        connection.execute(SQL("SELECT 1"))
        found = wrong(cli)
    assert set(found) == {"locks"}
    assert "idle in transaction" in found["locks"]["detail"]
    assert "pg_terminate_backend" in found["locks"]["what_to_do"]


def test_a_database_that_does_not_answer_is_a_finding(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUEBOOK_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    found = wrong(cli)
    assert set(found) == {"database"}
    assert "no connection to 127.0.0.1:1" in found["database"]["detail"]
