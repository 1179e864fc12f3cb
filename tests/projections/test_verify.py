"""Verification: it holds for what was written properly, and names by row and column what was tampered with."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
import pytest

from adapters.postgres.connection import Database, owner_connection
from adapters.wiring import Books
from commands.adjustments import CreditInvoice, credit_invoice
from commands.invoices import (
    DraftInvoice,
    SendInvoice,
    draft_invoice,
    send_imported,
    send_invoice,
)
from commands.payments import ReceivePayment, receive_payment
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.money import Money
from ledger.tax import Line
from projections.catalog import CATALOG, projection_named
from projections.engine import log
from projections.engine.runner import Runner
from projections.rebuild import backfill
from projections.rebuild.backfill import Stopped
from projections.verify import snapshots
from projections.verify.gaps import Gap, position_gaps, tenant_gaps
from projections.verify.number_series import Skipped
from projections.verify.numbers import NumbersVerified, verify_numbers
from projections.verify.read_models import Verified, verify
from projections.verify.snapshots import SnapshotsVerified
from tests.projections.conftest import new_runner, tampering
from tests.projections.history import POLICIES, History

Histories = Callable[[int], History]
Owner = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]


def verified(books: Books, owner: Owner, name: str) -> Verified:
    return verify(projection_named(name), books.database.writer.connection, owner)


def snapshots_verified(books: Books) -> SnapshotsVerified:
    return snapshots.verify_snapshots(books.database.writer.connection)


def numbers_verified(books: Books) -> NumbersVerified:
    return verify_numbers(books.database.writer.connection)


def tamper(books: Books, statement: str, values: tuple[Any, ...] = ()) -> None:
    with tampering(books.database) as connection:
        assert connection.execute(statement.encode(), values).rowcount > 0


@pytest.fixture(scope="module")
def old_books(module_database: Database) -> Iterator[Books]:
    """Books with a history of everything, which tests tamper with and put right again."""
    with Books(module_database) as books:
        life = History(books, 5, POLICIES[0]).run(40)
        while not life.payments:
            life.step()
        life.night(40)
        new_runner(books).catch_up()
        yield books


@pytest.mark.parametrize("seed", range(2))
def test_what_was_written_properly_holds(
    books: Books,
    history: Histories,
    runner: Runner,
    owner: Owner,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setattr(log, "PIECE_EVENTS", 7)
    monkeypatch.setattr(snapshots, "BATCH_STREAMS", 3)
    life = history(seed).run(60)
    runner.run_once()
    history(seed + 50).run(20)
    runner.catch_up()
    life.run(5)  # the log goes on; the runner does not
    for projection in CATALOG:
        found = verified(books, owner, projection.name)
        assert found.holds
        assert found.position == next(lag.position for lag in runner.lag())
    assert {content.rows for content in found.tables} != {0}
    found = snapshots_verified(books)
    assert found.holds
    assert found.events == runner.lag()[0].end
    numbers = numbers_verified(books)
    assert numbers.holds
    assert numbers.names > numbers.series > 0
    with books.database.writer.connection() as connection:
        assert position_gaps(connection) == tenant_gaps(connection) == []


def test_verification_while_events_arrive(
    books: Books, history: Histories, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "PIECE_EVENTS", 20)
    monkeypatch.setattr(backfill, "CHUNK_EVENTS", 20)
    monkeypatch.setattr(snapshots, "BATCH_STREAMS", 3)
    life = history(4).run(30)
    runner = new_runner(books)
    runner.catch_up()
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    connect = books.database.writer.connection
    found = verify(projection_named("invoices"), connect, owner, lambda done, total: life.step())
    found = snapshots.verify_snapshots(connect, lambda done, total: life.step())
    stop.set()
    thread.join()
    assert found.differences == []
    assert found.differences == []


@pytest.mark.parametrize(
    ("name", "table", "column", "change"),
    [
        ("invoices", "invoices", "open_minor", "open_minor + 1"),
        ("invoices", "invoices", "status", "'paid '"),
        ("invoices", "aging_totals", "open_minor", "open_minor + 1"),
        ("invoices", "customer_balances", "overdue_minor", "overdue_minor - 1"),
        ("invoices", "dashboard_totals", "invoice_count", "invoice_count + 1"),
        ("customers", "customers", "name", "'somebody'"),
        ("payments", "payments", "received_on", "received_on + 1"),
        ("payments", "payment_totals", "amount_minor", "amount_minor * 2"),
        ("business_days", "business_days", "steps", "'{}'"),
    ],
)
def test_a_manipulated_row_is_named(
    old_books: Books, name: str, table: str, column: str, change: str
) -> None:
    key = next(one.key for one in projection_named(name).tables if one.name == table)
    columns = ", ".join(key)
    same = " AND ".join(f"{part} = %s" for part in key)
    with tampering(old_books.database) as connection:
        row = connection.execute(
            f"SELECT {columns}, {column} FROM {table} WHERE {column}::text <> ({change})::text LIMIT 1".encode()
        ).fetchone()
        assert row is not None
        update = f"UPDATE {table} SET {column} = {change} WHERE {same}"
        connection.execute(update.encode(), row[:-1])
        found = verified(old_books, lambda: owner_connection(old_books.database), name)
        restore = f"UPDATE {table} SET {column} = %s WHERE {same}"
        connection.execute(restore.encode(), (row[-1], *row[:-1]))
    assert not found.holds
    assert len(found.differences) == 1
    difference = found.differences[0]
    assert (difference.table, difference.column) == (table, column)
    assert difference.key == {part: str(value) for part, value in zip(key, row[:-1], strict=True)}
    assert difference.rebuilt == str(row[-1])
    assert difference.live != difference.rebuilt


def test_a_row_too_many_or_too_few_is_named(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    life = history(6).run(30)
    runner.catch_up()
    gone = life.customers[0]
    tamper(books, "DELETE FROM customers WHERE customer_id = %s", (gone,))
    difference = verified(books, owner, "customers").differences[0]
    assert difference.key["customer_id"] == str(gone)
    assert (difference.live, difference.rebuilt) == (None, "a row")
    tamper(
        books,
        """INSERT INTO business_days (tenant_id, day_id, version, tenant_seq, day, status, steps)
           VALUES (%s, %s, 1, 1, '2024-01-01', 'open', '{}')""",
        (life.tenant_id, gone),
    )
    difference = verified(books, owner, "business_days").differences[0]
    assert difference.key["day_id"] == str(gone)
    assert (difference.live, difference.rebuilt) == ("a row", None)


def test_a_manipulated_event_shows_in_the_read_model_and_the_head(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    life = history(7).run(30)
    runner.catch_up()
    assert verified(books, owner, "customers").holds
    tamper(
        books,
        """UPDATE events SET data = '{"reference":"forged"}' WHERE stream_id = %s AND version = 1""",
        (life.customers[1],),
    )
    assert verified(books, owner, "customers").differences[0].column == "reference"
    found = snapshots_verified(books)
    assert [one.column for one in found.differences] == ["state.reference"]
    assert found.differences[0].key["stream_id"] == str(life.customers[1])
    numbers = numbers_verified(books)
    assert {one.key["name"] for one in numbers.differences} == {"forged", "C0001"}


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("version = version + 1", "version"),
        ("version = version - 1", "version"),
        ("stream = 'payment'", "stream"),
        ("accrues = NOT accrues", "accrues"),
        ("wakes_on = '1999-01-01'", "wakes_on"),
        ("payer_id = '00000000-0000-0000-0000-000000000001'", "payer_id"),
        ("state = 'nothing'", "state"),
    ],
)
def test_a_manipulated_head_is_named(old_books: Books, change: str, column: str) -> None:
    name = change.partition(" ")[0]
    with tampering(old_books.database) as connection:
        row = connection.execute(
            f"SELECT stream_id, {name} FROM snapshots WHERE stream = 'invoice' ORDER BY 1 LIMIT 1".encode()
        ).fetchone()
        assert row is not None
        victim, before = row
        connection.execute(
            f"UPDATE snapshots SET {change} WHERE stream_id = %s".encode(), (victim,)
        )
        found = snapshots_verified(old_books)
        connection.execute(
            f"UPDATE snapshots SET {name} = %s WHERE stream_id = %s".encode(), (before, victim)
        )
    assert [one.column for one in found.differences] == [column]
    assert found.differences[0].key["stream_id"] == str(victim)


def test_a_head_whose_amount_was_changed_is_named_by_its_field(
    books: Books, history: Histories
) -> None:
    life = history(9).run(10)
    one, other = life.customers[:2]
    tamper(
        books,
        """UPDATE snapshots SET state = (SELECT state FROM snapshots WHERE stream_id = %s) WHERE stream_id = %s""",
        (one, other),
    )
    found = snapshots_verified(books)
    assert [difference.column for difference in found.differences] == ["state.reference"]
    assert (found.differences[0].live, found.differences[0].rebuilt) == ("C0000", "C0001")


def test_a_missing_head_and_one_without_events_are_named(books: Books, history: Histories) -> None:
    life = history(10).run(10)
    one, other = life.customers[:2]
    tamper(books, "DELETE FROM snapshots WHERE stream_id = %s", (one,))
    tamper(books, "DELETE FROM events WHERE stream_id = %s", (other,))
    found = {
        difference.key["stream_id"]: (difference.live, difference.rebuilt)
        for difference in snapshots_verified(books).differences
    }
    assert found[str(one)][0] is None
    assert found[str(other)] == ("1", "0")


def test_manipulated_numbers_are_named(books: Books, history: Histories) -> None:
    life = history(11).run(40)
    assert numbers_verified(books).holds
    tamper(books, "UPDATE number_series SET next_number = next_number + 1")
    tamper(
        books, "UPDATE unique_names SET stream_id = %s WHERE name = 'INV-000001'", (life.tenant_id,)
    )
    tamper(
        books,
        "INSERT INTO unique_names (tenant_id, kind, name, stream_id) VALUES (%s, 'x', 'y', %s)",
        (life.tenant_id, life.tenant_id),
    )
    found = numbers_verified(books).differences
    assert {(one.table, one.column) for one in found} == {
        ("number_series", "next_number"),
        ("unique_names", "stream_id"),
        ("unique_names", ""),
    }


def test_credit_notes_and_duplicates_hold_their_numbers_and_names(books: Books) -> None:
    life = History(books, 1)
    customer_id, invoice_id = life.customers[0], life.invoices[0]
    currency = life.currencies[invoice_id]
    answers = []
    for minor, reference in ((7, "transfer"), (7, "transfer"), (9, "transfer")):
        pay = ReceivePayment(Money.of(minor, currency), customer_id, reference=reference)
        answers.append(life.ask(lambda unit, pay=pay: receive_payment(unit, pay)))
    assert answers[1] is not None
    assert answers[1]["suspected_duplicate_of"] == answers[0]["id"]
    for _ in range(2):
        note = CreditInvoice("too much", Money.of(1, currency))
        assert life.ask(lambda unit, note=note: credit_invoice(unit, invoice_id, note)) is not None
    settings = ConfigureTenant(credit_note_series="NC", number_format="{series}{year}/{n}")
    life.ask(lambda unit: configure_tenant(unit, settings))
    note = CreditInvoice("too much", Money.of(1, currency))
    assert life.ask(lambda unit: credit_invoice(unit, invoice_id, note)) is not None
    verified = numbers_verified(books)
    assert verified.differences == []
    held = _names(books)
    assert held["document_number"] >= {"CN-000001", "CN-000002", "NC2024/1"}
    assert (
        len(held["payment_fingerprint"]) == 2
    )  # the first of those that look alike holds the name

    tamper(books, "UPDATE number_series SET last_issued_on = '2024-01-01' WHERE series = 'NC'")
    tamper(books, "UPDATE unique_names SET stream_id = %s WHERE name = 'CN-000001'", (invoice_id,))
    second_id = UUID(answers[1]["id"])
    tamper(
        books,
        "UPDATE unique_names SET stream_id = %s WHERE kind = 'payment_fingerprint' AND stream_id = %s",
        (second_id, UUID(answers[0]["id"])),
    )
    tamper(
        books,
        "INSERT INTO unique_names (tenant_id, kind, name, stream_id) VALUES (%s, 'document_number', 'CN-9', %s)",
        (life.tenant_id, invoice_id),
    )
    found = numbers_verified(books).differences
    assert Counter(
        (one.table, one.key.get("name", one.key.get("series")), one.column) for one in found
    ) == {
        ("number_series", "NC", "last_issued_on"): 1,
        ("unique_names", "CN-000001", "stream_id"): 1,
        ("unique_names", _name_of(books, second_id), "stream_id"): 1,
        ("unique_names", "CN-000001", ""): 1,
        ("unique_names", "CN-9", ""): 1,
    }


def test_series_that_begin_again_and_skip_are_rebuilt(books: Books) -> None:
    life = History(books, 2)
    customer_id = life.customers[0]
    year = life.today.year

    def send(issued_on: date | None = None) -> str:
        lines = (Line("Work", "1", "10"),)
        draft = DraftInvoice(customer_id, date(year + 1, 12, 31), lines, currency="JPY")
        made = life.ask(lambda unit: draft_invoice(unit, draft))
        assert made is not None
        sent = life.ask(lambda unit: send_invoice(unit, UUID(made["id"]), SendInvoice(issued_on)))
        assert sent is not None
        return str(sent["number"])

    settings = ConfigureTenant(series="Y", number_format="{year}/{n}", number_restarts="yearly")
    life.ask(lambda unit: configure_tenant(unit, settings))
    numbers = [send(date(year - 1, 12, 30)), send(date(year - 1, 12, 31))]
    draft = DraftInvoice(customer_id, date(year + 1, 1, 1), (Line("Old", "1", "10"),), "JPY")
    made = life.ask(lambda unit: draft_invoice(unit, draft))
    assert made is not None
    imported_id = UUID(made["id"])
    life.ask(
        lambda unit: {"n": send_imported(unit, imported_id, f"{year}/1", date(year, 1, 1)).number}
    )
    numbers += [send(), send()]
    assert numbers == [f"{year - 1}/1", f"{year - 1}/2", f"{year}/2", f"{year}/3"]
    never = ConfigureTenant(number_restarts="never", number_format="{n}")
    life.ask(lambda unit: configure_tenant(unit, never))
    assert send() == "4"

    verified = numbers_verified(books)
    assert verified.differences == []
    assert verified.skipped == [Skipped(life.tenant_id, "Y", 1, f"{year}/1", imported_id)]
    tamper(books, "UPDATE number_series SET next_number = 3 WHERE series = 'Y'")
    (difference,) = numbers_verified(books).differences
    assert (difference.column, difference.live, difference.rebuilt) == ("next_number", "3", "5")


def _names(books: Books) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    with books.database.writer.connection() as connection:
        for kind, name in connection.execute("SELECT kind, name FROM unique_names").fetchall():
            found.setdefault(kind, set()).add(name)
    return found


def _name_of(books: Books, stream_id: UUID) -> str:
    with books.database.writer.connection() as connection:
        row = connection.execute(
            "SELECT name FROM unique_names WHERE stream_id = %s", (stream_id,)
        ).fetchone()
    assert row is not None
    return str(row[0])


def test_gaps_in_the_log_are_named(books: Books, history: Histories) -> None:
    life = history(12).run(20)
    tamper(books, "DELETE FROM events WHERE position IN (3, 4)")
    tamper(books, "DELETE FROM events WHERE position = (SELECT position FROM log_head)")
    with books.database.writer.connection() as connection:
        row = connection.execute("SELECT position FROM log_head").fetchone()
        assert row is not None
        last = row[0]
        assert position_gaps(connection) == [Gap(2, 5), Gap(last - 1, last + 1)]
        assert tenant_gaps(connection) == [
            Gap(2, 5, life.tenant_id),
            Gap(last - 1, last + 1, life.tenant_id),
        ]


def test_verification_can_be_stopped_and_leaves_nothing_behind(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    history(13).run(10)
    runner.catch_up()
    stop = threading.Event()
    stop.set()
    connect = books.database.writer.connection
    with pytest.raises(Stopped):
        verify(projection_named("invoices"), connect, owner, stop=stop)
    with pytest.raises(Stopped):
        snapshots.verify_snapshots(connect, stop=stop)
    assert verified(books, owner, "invoices").holds
    with books.database.writer.connection() as connection:
        left = connection.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE '%\\_\\_verify%'"
        )
        assert left.fetchall() == []
        assert connection.execute("SELECT projection FROM projection_rebuilds").fetchall() == []
