"""`duebook projections`: list, lag, rebuild, and verify with snapshots, names and number series."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from adapters.cli.imports import import_invoices
from adapters.cli.tenant_creation import open_tenant
from adapters.postgres.connection import Database, connect_database, owner_connection
from adapters.wiring import Books
from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.tenants import ConfigureTenant, CreateTenant, configure_tenant
from tests.cli.conftest import Cli
from tests.cli.test_import_command import send_one
from tests.conftest import Engine
from tests.daylight import today_in

NAMES = [
    "invoices",
    "customers",
    "payments",
    "refunds",
    "credit_notes",
    "agreements",
    "business_days",
    "dunning_plans",
    "messages",
    "senders",
    "tasks",
    "activities",
    "journal",
]
BESIDE = ["snapshots", "names", "number_series"]
ROWS = """customer_ref,invoice_number,issued_on,due_on,amount,currency,settled_on
C-1,A-1,2024-01-02,2024-02-01,500.00,USD,
C-2,A-2,2024-01-02,2024-02-05,100.00,USD,2024-02-06
"""

Tamper = Callable[[str], None]


class History(NamedTuple):
    """A database to copy, which nobody is connected to, and the tenant in it."""

    engine: Engine
    name: str
    tenant_id: UUID


@pytest.fixture(scope="module")
def history(
    engine_of: Callable[[str], Engine], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[History]:
    """Imported invoices with the clock run, invoices sent here, and read models up to date."""
    engine = engine_of("embedded")
    file = tmp_path_factory.mktemp("history") / "rows.csv"
    file.write_text(ROWS)
    with engine.fresh() as database:
        with Books(database) as books:
            tenant_id = open_tenant(books, CreateTenant("acme", "USD", "UTC")).tenant_id
            policy = AddFeePolicy(late_fee="2%", mora="1%/month")
            books.run(tenant_id, "test", lambda unit: add_fee_policy(unit, policy))
            with file.open("rb") as stream:
                import_invoices(books, tenant_id, stream, named={}, run_clock=True)
            send_one(books, tenant_id)
            renumbered = ConfigureTenant(series="B", number_format="{series}{n}/{year}")
            books.run(tenant_id, "test", lambda unit: configure_tenant(unit, renumbered))
            send_one(books, tenant_id)
            send_one(books, tenant_id)
            books.projections.catch_up()
        database.close()
        name = conninfo_to_dict(database.admin_url)["dbname"]
        yield History(engine, str(name), tenant_id)


@pytest.fixture
def database(history: History) -> Iterator[Database]:
    """A copy of the history."""
    name = f"copy_{secrets.token_hex(6)}"
    with psycopg.connect(history.engine.server.admin_url, autocommit=True) as admin:
        copy = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        admin.execute(copy.format(Identifier(name), Identifier(history.name)))
        try:
            url = history.engine.server.url(name)
            with connect_database(url, history.engine.master_key, pool_size=4) as database:
                yield database
        finally:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def tamper(database: Database) -> Tamper:
    """Runs a statement as the tables' owner."""

    def tamper(statement: str) -> None:
        with owner_connection(database) as connection:
            done = connection.execute(statement.encode())
            assert done.rowcount > 0

    return tamper


def test_every_read_model_is_listed(cli: Cli) -> None:
    items = cli("projections", "list", "--json").json["items"]
    assert [item["name"] for item in items] == NAMES
    assert "aging_totals" in items[0]["tables"]
    assert "aging_totals" in cli("projections", "list").out


def test_lag_is_counted_to_the_logs_end(cli: Cli, history: History, database: Database) -> None:
    items = cli("projections", "lag", "--json").json["items"]
    assert [item["projection"] for item in items] == NAMES
    assert all(item["behind"] == 0 for item in items)
    with Books(database) as books:
        send_one(books, history.tenant_id)
    behind = [item["behind"] for item in cli("projections", "lag", "--json").json["items"]]
    assert behind == [3] * len(NAMES)
    assert "behind" in cli("projections", "lag").out


def test_a_rebuild_changes_nothing_that_was_right(cli: Cli) -> None:
    before = cli("projections", "verify", "--json").json["items"]
    done = cli("projections", "rebuild", "--json")
    assert done.status == 0
    assert [item["projection"] for item in done.json["items"]] == NAMES
    one = cli("projections", "rebuild", "invoices")
    assert (one.status, "invoices" in one.out, "payments" in one.out) == (0, True, False)
    after = cli("projections", "verify", "--json")
    assert after.status == 0
    assert [(item["name"], item["compared"]) for item in after.json["items"]] == [
        (item["name"], item["compared"]) for item in before
    ]


def test_what_the_log_says_is_equal(cli: Cli) -> None:
    done = cli("projections", "verify", "--json")
    assert done.status == 0, done.out
    assert [item["name"] for item in done.json["items"]] == NAMES + BESIDE
    assert all(item["equal"] for item in done.json["items"])
    compared = {item["name"]: item["compared"] for item in done.json["items"]}
    assert compared["number_series"] == 2
    assert compared["names"] == 7  # five invoice numbers, two references
    lines = cli("projections", "verify").out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [[name, "equal"] for name in NAMES + BESIDE]


def test_numbers_that_a_series_skipped_are_told(
    cli: Cli, history: History, database: Database
) -> None:
    with Books(database) as books:
        renumbered = ConfigureTenant(series="A", number_format="{series}-{n}")
        books.run(history.tenant_id, "test", lambda unit: configure_tenant(unit, renumbered))
        send_one(books, history.tenant_id)
    done = cli("projections", "verify", "number_series", "--json")
    assert done.status == 0
    (item,) = done.json["items"]
    (note,) = item["notes"]
    assert note.startswith(
        f"tenant {history.tenant_id}, series A: skipped A-1 and 1 more, which other documents have"
    )
    assert note in cli("projections", "verify", "number_series").out
    exported = cli("export", "events", "--format", "jsonl", "--tenant", "acme").out
    (told,) = [line for line in exported.splitlines() if "numbers_skipped" in line]
    assert '"first":"A-1","last":"A-2","count":2,"given":"A-3"' in told.replace(" ", "")


@pytest.mark.parametrize(
    ("name", "statement", "told"),
    [
        (
            "invoices",
            "UPDATE invoices SET open_minor = open_minor + 1 WHERE number = 'A-1'",
            "open_minor is 5",
        ),
        ("invoices", "DELETE FROM invoices WHERE number = 'A-1'", "in the log only"),
        ("invoices", "UPDATE aging_totals SET invoice_count = invoice_count + 1", "invoice_count"),
        ("payments", "UPDATE payments SET status = 'reversed'", "status is reversed"),
        (
            "snapshots",
            "UPDATE snapshots SET version = version + 1 WHERE stream = 'tenant'",
            "version is 6, by the log 5",
        ),
        (
            "snapshots",
            "UPDATE snapshots SET accrues = NOT accrues WHERE stream = 'invoice'",
            "accrues is",
        ),
        (
            "snapshots",
            "UPDATE snapshots SET wakes_on = '2024-01-01' WHERE stream = 'customer'",
            "wakes_on",
        ),
        ("snapshots", "DELETE FROM snapshots WHERE stream = 'payment'", "in the log only"),
        (
            "snapshots",
            "UPDATE snapshots AS one SET state = other.state FROM snapshots AS other, events AS sent"
            " WHERE one.stream = 'invoice' AND other.stream = 'invoice'"
            " AND one.stream_id <> other.stream_id"
            " AND sent.stream_id = other.stream_id AND sent.version > 5",
            "state.customer_id is",
        ),
        (
            "snapshots",
            "INSERT INTO snapshots SELECT tenant_id, gen_random_uuid(), stream, version, fold_version,"
            " wakes_on, accrues, payer_id, state FROM snapshots WHERE stream = 'payment'",
            "version is 1, by the log 0",
        ),
        (
            "names",
            "UPDATE unique_names SET name = 'A-9' WHERE name = 'A-1'",
            "name A-1: stream_id is missing",
        ),
        ("names", "DELETE FROM unique_names WHERE name = 'C-2'", "name C-2: stream_id is missing"),
        (
            "number_series",
            "UPDATE number_series SET next_number = next_number + 1 WHERE series = 'B'",
            "next_number is 4, by the log 3",
        ),
        (
            "number_series",
            "UPDATE number_series SET last_issued_on = '1999-01-01' WHERE series = 'INV'",
            "last_issued_on is 1999-01-01, by the log",
        ),
        ("number_series", "DELETE FROM number_series WHERE series = 'B'", "in the log only"),
        (
            "number_series",
            "UPDATE events SET data = convert_to(replace(convert_from(data, 'UTF8'), '\"B2/', '\"B5/'),"
            " 'UTF8') WHERE tag = 'invoice.sent.v1' AND convert_from(data, 'UTF8') LIKE '%\"B2/%'",
            "by the log the next of no series",
        ),
    ],
)
def test_what_was_tampered_with_is_named(
    cli: Cli, tamper: Tamper, name: str, statement: str, told: str
) -> None:
    tamper(statement)
    done = cli("projections", "verify", name, "--json")
    assert done.status == 1
    (item,) = done.json["items"]
    assert (item["name"], item["equal"]) == (name, False)
    assert told in item["differences"][0]


def test_a_rebuild_mends_a_read_model(cli: Cli, tamper: Tamper) -> None:
    tamper("UPDATE invoices SET open_minor = 0 WHERE number = 'A-1'")
    told = cli("projections", "verify", "invoices")
    assert told.status == 1
    assert "invoices  differs" in told.out
    assert "invoices: invoices, tenant_id" in told.out
    assert cli("projections", "rebuild", "invoices").status == 0
    assert cli("projections", "verify", "invoices").status == 0


def test_an_event_that_cannot_be_folded_is_named(cli: Cli, tamper: Tamper) -> None:
    tamper("UPDATE events SET data = '{}' WHERE tag = 'payment.received.v1'")
    done = cli("projections", "verify", "snapshots", "--json")
    assert done.status == 1
    (difference,) = done.json["items"][0]["differences"]
    assert "ValidationError at version 1" in difference


def test_a_number_that_an_imported_invoice_holds_is_passed_over(
    cli: Cli, history: History, database: Database, tmp_path: Path
) -> None:
    year = today_in("UTC").year
    file = tmp_path / "more.csv"
    file.write_text(ROWS.splitlines()[0] + f"\nC-1,B3/{year},2024-01-02,2024-02-01,5.00,USD,\n")
    assert cli("import", str(file), "--tenant", "acme").status == 0
    with Books(database) as books:
        assert send_one(books, history.tenant_id) == f"B4/{year}"
    assert cli("projections", "verify", "number_series").status == 0


def test_no_such_projection(cli: Cli) -> None:
    for command in ("rebuild", "verify"):
        done = cli("projections", command, "nope")
        assert done.status == 1
        assert "there is no projection 'nope'; there are invoices" in done.err
