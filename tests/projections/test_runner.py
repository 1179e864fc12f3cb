"""The runner: rows and sums as the ledger itself has them, pages, fences, parked streams, and a database that goes."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from ledger.invoice.replay import closed_as
from ledger.invoice.state import Invoice
from ledger.payment import Allocated
from projections.catalog import CATALOG, projection_named
from projections.engine import runner as running
from projections.engine.parked import NotParked, Parked
from projections.engine.runner import Runner
from projections.invoices.fold import INVOICES
from tests.projections.conftest import new_runner, tampering
from tests.projections.history import POLICIES, History
from tests.projections.state import contents, snapshots

Histories = Callable[[int], History]


@pytest.mark.parametrize("seed", range(4))
def test_rows_and_sums_are_what_the_ledger_folds(
    books: Books,
    history: Histories,
    runner: Runner,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if seed % 2:
        monkeypatch.setattr(running, "SIDE_BY_SIDE", 1)
    lives = [history(seed), history(seed + 100)]
    for _ in range(45):
        for life in lives:
            life.step()
        runner.run_once()
    runner.catch_up()
    with books.database.writer.connection() as connection:
        _assert_invoices_agree(connection)
        _assert_payments_agree(connection)
        _assert_customers_agree(connection)
        _assert_days_agree(connection)
        _assert_refunds_agree(connection)
        statuses = {one.status for _, one in snapshots(connection, "invoice").values()}
    assert len(statuses) >= 4
    assert all(lag.behind == 0 and lag.parked == 0 for lag in runner.lag())


def test_a_single_connection_is_enough(
    books: Books, history: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SIDE_BY_SIDE", 1)
    asked = 0
    free = threading.Semaphore(1)

    @contextlib.contextmanager
    def connect() -> Iterator[psycopg.Connection[Any]]:
        nonlocal asked
        asked += 1
        if not free.acquire(blocking=False):
            raise psycopg.OperationalError("no connection is left")
        try:
            with books.database.writer.connection() as connection:
                yield connection
        finally:
            free.release()

    life = history(7)
    for _ in range(20):
        life.step()
    runner = Runner(connect, books.application.tracking().advance)
    runner.catch_up()
    assert all(lag.behind == 0 and lag.parked == 0 for lag in runner.lag())
    before = asked
    life.step()
    runner.run_once()
    assert asked == before + 1


def _assert_refunds_agree(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute(
        """SELECT tenant_id, refund_id, version, customer_id, amount_minor, attempts, requested_on, automatic, status,
                  currency, provider, reference, last_error, destination, reason, failed_because
             FROM refunds"""
    ).fetchall()
    assert {row[:2]: row[2:] for row in rows} == {
        key: (
            version,
            refund.customer_id,
            refund.amount_minor,
            refund.attempts,
            refund.requested_on,
            refund.automatic,
            refund.status,
            refund.currency,
            refund.provider,
            refund.reference,
            refund.last_error,
            refund.destination,
            refund.reason,
            refund.failed_because,
        )
        for key, (version, refund) in snapshots(connection, "refund").items()
    }


def _assert_invoices_agree(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute(
        """SELECT tenant_id, invoice_id, version, status, number, currency, customer_id, due_on, total_minor,
                  open_minor, charged_principal_minor, charged_late_fee_minor, charged_mora_minor,
                  paid_principal_minor, paid_late_fee_minor, paid_mora_minor,
                  forgiven_principal_minor, forgiven_late_fee_minor, forgiven_mora_minor,
                  charged_other_minor, paid_other_minor, forgiven_other_minor,
                  mora_through, was_overdue, written_off_minor, disputed_minor,
                  promised_on, promised_minor, promise, promise_made_on, held, held_until, agreement_id, closed_as,
                  due_moved_on
             FROM invoices"""
    ).fetchall()
    found = {row[:2]: row[2:] for row in rows}
    expected = {}
    for key, (version, state) in snapshots(connection, "invoice").items():
        one: Invoice = state
        expected[key] = (
            *(version, one.status, one.number, one.currency, one.customer_id, one.due_on),
            *(one.total_minor, one.open.total),
            *(one.charged.principal, one.charged.late_fee, one.charged.mora),
            *(one.paid.principal, one.paid.late_fee, one.paid.mora),
            *(one.forgiven.principal, one.forgiven.late_fee, one.forgiven.mora),
            *(one.charged.other_fees, one.paid.other_fees, one.forgiven.other_fees),
            *(one.mora_through, one.overdue_on is not None, one.written_off.total),
            one.dispute.minor if one.dispute else 0,
            *_promise(one),
            *((True, one.hold.until_on) if one.hold else (False, None)),
            one.instalment.agreement_id if one.instalment else None,
            *(closed_as(one.imputations), one.due_moved_on),
        )
    assert found == expected
    assert found
    _assert_invoice_sums_agree(connection)


def _promise(invoice: Invoice) -> tuple[Any, ...]:
    promise = invoice.promise
    if promise is None:
        return (None, 0, "", None)
    became = {None: "pending", True: "kept", False: "broken"}[promise.kept]
    return (promise.promised_on, promise.minor, became, promise.on)


def _assert_invoice_sums_agree(connection: psycopg.Connection[Any]) -> None:
    aging: Counter[Any] = Counter()
    balances: Counter[Any] = Counter()
    dashboard: Counter[Any] = Counter()
    for (tenant_id, _), (_, one) in snapshots(connection, "invoice").items():
        dashboard[tenant_id, one.currency, one.status] += one.open.total
        aging[tenant_id, one.currency, one.due_on] += one.open.total
        balances[tenant_id, one.customer_id, one.currency] += one.open.total
    tables = contents(connection, INVOICES)
    for table, expected in (
        ("aging_totals", aging),
        ("customer_balances", balances),
    ):
        found = {tuple(row[:3]): int(row[4]) for row in tables[table] if row[4]}
        assert found == {key: minor for key, minor in expected.items() if minor}
    found = {tuple(row[:3]): int(row[5]) for row in tables["dashboard_totals"]}
    assert found == dashboard


def _assert_payments_agree(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute(
        """SELECT tenant_id, payment_id, version, customer_id, status, currency, amount_minor, unapplied_minor,
                  reversed_minor, charged_back_minor, received_on, suspected_duplicate_of, allocations
             FROM payments"""
    ).fetchall()
    months: Counter[Any] = Counter()
    expected = {}
    for key, (version, one) in snapshots(connection, "payment").items():
        facts = (one.customer_id, one.status, one.currency, one.amount_minor, one.unapplied_minor)
        taken = [Allocated(part.invoice_id, part.amount_minor) for part in one.allocations]
        allocations = msgspec.json.encode([part for part in taken if part.amount_minor]).decode()
        expected[key] = (
            *(version, *facts, one.reversed_minor, one.charged_back_minor, one.received_on),
            *(one.suspected_duplicate_of, allocations),
        )
        if one.left_minor:
            months[key[0], one.currency, one.received_on.replace(day=1)] += one.left_minor
    assert {row[:2]: row[2:] for row in rows} == expected
    totals = contents(connection, projection_named("payments"))["payment_totals"]
    assert {tuple(row[:3]): int(row[4]) for row in totals} == months


def _assert_customers_agree(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute(
        "SELECT tenant_id, customer_id, version, reference, name, has_credit, credit, has_shortfall, shortfall"
        "  FROM customers"
    ).fetchall()
    credit: Counter[Any] = Counter()
    expected = {}
    for key, (version, one) in snapshots(connection, "customer").items():
        expected[key] = (
            *(version, one.reference, one.person.name),
            *(bool(one.credit), _json(one.credit)),
            *(bool(one.shortfall), _json(one.shortfall)),
        )
        for currency, minor in one.credit.items():
            credit[key[0], currency] += minor
    assert {row[:2]: row[2:] for row in rows} == expected
    totals = contents(connection, projection_named("customers"))["credit_totals"]
    assert {tuple(row[:2]): int(row[3]) for row in totals} == {
        key: minor for key, minor in credit.items() if minor
    }


def _json(minors: dict[str, int]) -> str:
    return msgspec.json.encode(dict(sorted(minors.items()))).decode()


def _assert_days_agree(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute("SELECT tenant_id, day_id, version, day, status FROM business_days")
    found = {row[:2]: row[2:] for row in rows.fetchall()}
    days = snapshots(connection, "business_day")
    assert found == {key: (version, one.day, one.status) for key, (version, one) in days.items()}


def test_the_shortcut_for_interest_changes_nothing(
    books: Books, history: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(7).run(80)
    short, plain = INVOICES, INVOICES._replace(shortcut=None)
    found = []
    for projection in (short, plain):
        monkeypatch.setattr(running, "PAGE_FIRST", 40)
        new_runner(books, projections=[projection]).catch_up()
        with books.database.writer.connection() as connection:
            found.append(contents(connection, INVOICES))
        with tampering(books.database) as connection:
            _forget(connection)
    assert found[0] == found[1]
    assert found[0]["invoices"]


def _forget(connection: psycopg.Connection[Any]) -> None:
    for table in INVOICES.tables:
        connection.execute(f"DELETE FROM {table.name}".encode())
    connection.execute("UPDATE projection_tracking SET notification_id = 0")


def test_interest_on_an_invoice_whose_row_is_gone_parks_it_alone(
    books: Books, runner: Runner
) -> None:
    """The shortcut finds that it cannot post them all, and leaves the page to the folds."""
    life = History(books, 13, POLICIES[0])
    life.night(60)
    runner.catch_up()
    with books.database.writer.connection() as connection:
        rows = connection.execute("SELECT invoice_id FROM invoices WHERE status = 'overdue'")
        overdue = [row[0] for row in rows.fetchall()]
        connection.execute("DELETE FROM invoices WHERE invoice_id = %s", (overdue[0],))
    life.night()
    runner.catch_up()
    parked = runner.parked()
    assert [one.stream_id for one in parked] == [overdue[0]]
    assert parked[0].reason.startswith("EventsMissing")
    with books.database.writer.connection() as connection:
        through = connection.execute(
            "SELECT DISTINCT mora_through FROM invoices WHERE status = 'overdue'"
        ).fetchall()
    assert through == [(life.today,)]
    assert len(overdue) > 1


def test_a_projection_behind_the_others_reads_pages_of_its_own(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = history(1).run(30)
    new_runner(books, projections=[INVOICES]).catch_up()
    life.run(10)
    runner.catch_up()
    with books.database.writer.connection() as connection:
        _assert_invoices_agree(connection)
        _assert_payments_agree(connection)


def test_two_runners_at_once_apply_nothing_twice(books: Books, history: Histories) -> None:
    life = history(2)
    stop = threading.Event()
    runners = [new_runner(books), new_runner(books)]
    runners[1]._most = 7  # pages of another length, so that their ends never agree
    threads = [threading.Thread(target=runner.run, args=(stop,)) for runner in runners]
    for thread in threads:
        thread.start()
    life.run(60)
    for thread in threads:
        assert thread.is_alive()
    _wait_until(lambda: all(lag.behind == 0 for lag in runners[0].lag()))
    stop.set()
    for thread in threads:
        thread.join()
    with books.database.writer.connection() as connection:
        _assert_invoices_agree(connection)
        _assert_payments_agree(connection)
        _assert_customers_agree(connection)


def _wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_page_applied_elsewhere_is_not_applied_again(books: Books, history: Histories) -> None:
    """Both have read the same page before either applies it; the library's own fence would let the longer one pass."""
    history(3).run(20)
    first, second = new_runner(books), new_runner(books)
    first._most = 10
    pages: list[int] = []

    def read_then_let_the_other_apply(*arguments: Any) -> Any:
        page = Runner._page(second, *arguments)
        if not pages:
            first.run_once()
        pages.append(len(page))
        return page

    second._page = read_then_let_the_other_apply  # type: ignore[method-assign]
    second.run_once()
    assert all(lag.position == 10 for lag in second.lag())
    second.catch_up()
    with books.database.writer.connection() as connection:
        _assert_invoices_agree(connection)


def test_a_poisoned_stream_is_parked_and_the_others_go_on(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = history(4).run(40)
    poisoned = life.invoices[0]
    with tampering(books.database) as connection:
        before = _poison(connection, poisoned, b'{"amount_minor": "many"}')
    life.run(20)
    runner.catch_up()
    parked = _parked(runner, "invoices")
    assert [(one.stream_id, one.version) for one in parked] == [(poisoned, 1)]
    assert "ValidationError" in parked[0].reason
    assert _lag(runner, "invoices").parked == 1
    with books.database.writer.connection() as connection:
        rows = connection.execute("SELECT invoice_id FROM invoices").fetchall()
        assert {row[0] for row in rows} == set(life.invoices) - {poisoned}

    assert runner.release("invoices", life.tenant_id, poisoned) is False
    assert len(_parked(runner, "invoices")) == 1
    with tampering(books.database) as connection:
        _poison(connection, poisoned, before)
    assert runner.release("invoices", life.tenant_id, poisoned) is True
    assert _parked(runner, "invoices") == []
    with pytest.raises(NotParked):
        runner.release("invoices", life.tenant_id, poisoned)
    with books.database.writer.connection() as connection:
        _assert_invoices_agree(connection)


def test_a_parked_stream_keeps_its_last_good_row_and_part(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = history(5).run(40)
    runner.catch_up()
    with books.database.writer.connection() as connection:
        good = contents(connection, INVOICES)
    life.night(40)
    poisoned = _overdue_invoice(books.database)
    with tampering(books.database) as connection:
        connection.execute(
            """UPDATE events SET data = 'nothing' WHERE stream_id = %s AND version =
                 (SELECT version + 1 FROM invoices WHERE invoice_id = %s)""",
            (poisoned, poisoned),
        )
    runner.catch_up()
    assert [one.stream_id for one in _parked(runner, "invoices")] == [poisoned]
    with books.database.writer.connection() as connection:
        now = contents(connection, INVOICES)
        kept = [row for row in now["invoices"] if row[1] == poisoned]
        assert kept == [row for row in good["invoices"] if row[1] == poisoned]
        open_minor = sum(row[6] for row in now["invoices"])
        assert sum(row[4] for row in now["aging_totals"]) == open_minor


def _overdue_invoice(database: Database) -> UUID:
    """An invoice that events were appended to after its row was written."""
    with database.writer.connection() as connection:
        row = connection.execute(
            """SELECT snapshot.stream_id FROM snapshots AS snapshot JOIN invoices AS row ON row.invoice_id =
            snapshot.stream_id WHERE snapshot.version > row.version ORDER BY snapshot.stream_id"""
        ).fetchone()
    assert row is not None
    found: UUID = row[0]
    return found


def test_a_row_its_table_refuses_parks_its_stream_alone(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = history(6).run(30)
    with tampering(books.database) as connection:
        _poison(connection, life.invoices[0], _drafted(life.customers[0], 2**63, "BRL"))
        _poison(connection, life.invoices[1], _drafted(life.customers[0], 5, "\\u0000"))
    runner.catch_up()
    parked = {one.stream_id: one.reason for one in _parked(runner, "invoices")}
    assert set(parked) == set(life.invoices[:2])
    assert parked[life.invoices[0]].startswith("error:")  # struct.error
    with books.database.writer.connection() as connection:
        rows = connection.execute("SELECT invoice_id FROM invoices").fetchall()
    assert {row[0] for row in rows} == set(life.invoices[2:])


def _drafted(customer_id: UUID, total_minor: int, currency: str) -> bytes:
    text = (
        f'{{"customer_id":"{customer_id}","currency":"{currency}","due_on":"2024-05-05","lines":[],'
        f'"net_minor":0,"tax_minor":0,"total_minor":{total_minor}}}'
    )
    return text.encode()


def _poison(connection: psycopg.Connection[Any], stream_id: UUID, data: bytes) -> bytes:
    """Replaces the data of a stream's first event; returns what it was."""
    row = connection.execute(
        "SELECT data FROM events WHERE stream_id = %s AND version = 1", (stream_id,)
    ).fetchone()
    assert row is not None
    connection.execute(
        "UPDATE events SET data = %s WHERE stream_id = %s AND version = 1", (data, stream_id)
    )
    return bytes(row[0])


def _parked(runner: Runner, name: str) -> list[Parked]:
    return [one for one in runner.parked() if one.projection == name]


def _lag(runner: Runner, name: str) -> Any:
    return next(lag for lag in runner.lag() if lag.projection == name)


def test_sums_of_any_size_hold_up_nobody(books: Books, history: Histories, runner: Runner) -> None:
    """Ten thousand invoices of the largest amount are more than a bigint: the sums are numeric."""
    life = history(8)
    with tampering(books.database) as connection:
        for invoice_id in life.invoices:
            _poison(connection, invoice_id, _drafted(life.customers[0], 9 * 10**18, "BRL"))
    runner.catch_up()
    assert runner.parked() == []
    with books.database.writer.connection() as connection:
        total = sum(row[4] for row in contents(connection, INVOICES)["dashboard_totals"])
    assert total == 9 * 10**18 * len(life.invoices) > 2**63


def test_a_projection_built_by_another_version_waits_for_its_rebuild(
    books: Books, history: Histories, runner: Runner
) -> None:
    history(9).run(10)
    runner.catch_up()
    newer = new_runner(books, projections=[INVOICES._replace(version=99), *CATALOG[1:]])
    history(10).run(10)
    newer.catch_up()
    lag = _lag(newer, "invoices")
    assert lag.outdated
    assert lag.behind > 0
    assert all(one.behind == 0 for one in newer.lag() if one.projection != "invoices")


def test_a_projection_that_cannot_write_is_tried_again_while_the_others_go_on(
    books: Books,
    history: Histories,
    runner: Runner,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        running, "pause_seconds", lambda times: 60.0
    )  # never while this machine is slow
    history(11).run(10)
    with tampering(books.database) as connection:
        connection.execute("ALTER TABLE payments RENAME TO payments_away")
        runner.catch_up()
        assert _lag(runner, "payments").behind > 0
        assert _lag(runner, "invoices").behind == 0
        runner.failures["payments"].again_at = 0
        runner.run_once()
        assert runner.failures["payments"].times == 2
        assert sum("payments stands still" in line for line in caplog.messages) == 1
        connection.execute("ALTER TABLE payments_away RENAME TO payments")
    runner.failures["payments"].again_at = 0
    runner.catch_up()
    assert _lag(runner, "payments").behind == 0
    assert runner.failures == {}


def test_waiting_for_an_event_of_a_tenant(books: Books, history: Histories, runner: Runner) -> None:
    life = history(12).run(5)
    with books.database.writer.connection() as connection:
        row = connection.execute("SELECT tenant_seq FROM tenant_log").fetchone()
        assert row is not None
    runner.run_once()
    assert runner.wait_for(life.tenant_id, row[0], "invoices", 0)
    assert not runner.wait_for(life.tenant_id, row[0] + 1, "invoices", 0.05)
    life.night()
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    assert runner.wait_for(life.tenant_id, row[0] + 1, "invoices", 5)
    stop.set()
    thread.join()
