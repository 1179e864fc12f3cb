"""The read model of credit notes: what the ledger folds, and only the events that it reads."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from adapters.wiring import Books
from commands.adjustments import CreditInvoice, credit_invoice
from commands.invoices import DraftInvoice, SendInvoice, draft_invoice, send_invoice
from ledger.money import Money
from ledger.tax import Line
from projections.credit_notes.fold import CREDIT_NOTES, notes_of
from projections.engine.runner import Runner
from projections.invoices.fold import INVOICES
from projections.rebuild.rebuild import rebuild
from tests.projections.conftest import new_runner, tampering
from tests.projections.history import POLICIES, History
from tests.projections.state import contents, snapshots

Connection = psycopg.Connection[Any]
ROWS = "SELECT invoice_id, version, notes FROM credit_note_invoices WHERE notes <> '[]'"
LAST = "SELECT version, data FROM events WHERE stream_id = %s AND tag = 'invoice.credited.v1' ORDER BY version DESC"


def credited(life: History, amount: str | None = None) -> UUID:
    """An invoice with a credit note over an amount, or over all of it."""
    lines = (Line("Work", "1", "100.00", tax_rate="19%"),)
    draft = DraftInvoice(life.customers[0], life.today, lines, "BRL")
    answer = life.ask(lambda unit: draft_invoice(unit, draft))
    assert answer is not None
    invoice_id = UUID(answer["id"])
    assert life.ask(lambda unit: send_invoice(unit, invoice_id, SendInvoice()))
    return credit(life, invoice_id, amount)


def credit(life: History, invoice_id: UUID, amount: str | None = None) -> UUID:
    some = None if amount is None else Money(amount, "BRL")
    note = CreditInvoice("not delivered", some)
    assert life.ask(lambda unit: credit_invoice(unit, invoice_id, note))
    return invoice_id


def totals(connection: Connection) -> Counter[Any]:
    """Net and tax of the listed notes, by invoice."""
    found: Counter[Any] = Counter()
    rows = connection.execute(
        "SELECT tenant_id, invoice_id, net_minor, tax_minor FROM credit_notes"
    )
    for tenant_id, invoice_id, net_minor, tax_minor in rows.fetchall():
        found[tenant_id, invoice_id, "net"] += int(net_minor)
        found[tenant_id, invoice_id, "tax"] += int(tax_minor)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_notes_are_what_the_ledger_credited(
    books: Books, history: Callable[[int], History], runner: Runner, seed: int
) -> None:
    life = history(seed)
    for step in range(60):
        life.step()
        if step % 10 == 0:
            invoice_id = credited(life, "11.90")
            life.night()
            runner.run_once()
            credit(life, invoice_id, "0.01")
    runner.catch_up()
    with books.database.writer.connection() as connection:
        expected: Counter[Any] = Counter()
        for (tenant_id, invoice_id), (_, one) in snapshots(connection, "invoice").items():
            for line in one.credited_lines:
                expected[tenant_id, invoice_id, "net"] += line.net_minor
                expected[tenant_id, invoice_id, "tax"] += line.tax_minor
        found = totals(connection)
    assert +found == +expected
    assert len(found) >= 10


def test_interest_leaves_a_row_alone(books: Books, runner: Runner) -> None:
    life = History(books, 3, POLICIES[0])
    invoice_id = credited(life, "11.90")
    runner.catch_up()
    with books.database.writer.connection() as connection:
        before = contents(connection, CREDIT_NOTES)
    life.night(30)
    runner.catch_up()
    with books.database.writer.connection() as connection:
        assert contents(connection, CREDIT_NOTES) == before
        rows = connection.execute("SELECT max(version) FROM invoices").fetchone()
        (found,) = connection.execute(ROWS).fetchall()
    assert rows is not None
    assert rows[0] > 20
    assert (found[0], found[1]) == (invoice_id, 3)
    credit(life, invoice_id)
    runner.catch_up()
    assert all(lag.behind == 0 and lag.parked == 0 for lag in runner.lag())
    with books.database.writer.connection() as connection:
        (found,) = connection.execute(ROWS).fetchall()
        assert [note.total_minor for note in notes_of(found[2])] == [11_90, 107_10]


def test_a_rebuild_reads_the_same_events(
    books: Books,
    history: Callable[[int], History],
    runner: Runner,
    owner: Callable[[], AbstractContextManager[Connection]],
) -> None:
    life = history(4)
    for _ in range(3):
        invoice_id = credited(life, "11.90")
        life.night(9)
        credit(life, invoice_id)
    runner.catch_up()
    with books.database.writer.connection() as connection:
        before = contents(connection, CREDIT_NOTES)
    rebuild(CREDIT_NOTES, books.database.writer.connection, owner)
    with books.database.writer.connection() as connection:
        assert contents(connection, CREDIT_NOTES) == before
    assert len(before["credit_notes"]) == 6


def test_a_note_that_cannot_be_read_parks_the_stream_with_the_notes_before_it(
    books: Books, history: Callable[[int], History]
) -> None:
    """Unread events lie between the notes, in the same page: the last good row is found all the same."""
    life = history(5)
    invoice_id = credited(life, "11.90")
    life.night(9)
    credit(life, invoice_id, "5.95")
    life.night(9)
    credit(life, invoice_id)
    with tampering(books.database) as connection:
        (version, data), *_ = connection.execute(LAST, (invoice_id,)).fetchall()
        update = "UPDATE events SET data = %s WHERE stream_id = %s AND version = %s"
        connection.execute(update, (b'{"number": 1}', invoice_id, version))
    runner = new_runner(books, projections=[INVOICES, CREDIT_NOTES])
    runner.catch_up()
    parked = [one for one in runner.parked() if one.projection == "credit_notes"]
    assert [(one.stream_id, one.version) for one in parked] == [(invoice_id, version)]
    with books.database.writer.connection() as connection:
        (found,) = connection.execute(ROWS).fetchall()
        assert [note.total_minor for note in notes_of(found[2])] == [11_90, 5_95]
        assert len(contents(connection, CREDIT_NOTES)["credit_notes"]) == 2
    with tampering(books.database) as connection:
        connection.execute(update, (data, invoice_id, version))
    assert runner.release("credit_notes", life.tenant_id, invoice_id)
    with books.database.writer.connection() as connection:
        assert len(contents(connection, CREDIT_NOTES)["credit_notes"]) == 3
