"""Releasing imported debts: nobody is contacted about them before, and a preview says what the release starts."""

from datetime import date, timedelta
from uuid import UUID

import pytest

from adapters.store.debtors import open_cases
from adapters.store.releasing import release_all
from commands.invoices import DraftInvoice, draft_invoice, invoice_view, send_imported
from ledger.money import Money
from ledger.tax import Line
from schedulers.preview import PreviewItem
from schedulers.release import Chosen, ReleaseFilter, choose, starts
from tests.messages.conftest import Shop

DUE = date(2026, 3, 11)


def imported(shop: Shop, customer_id: UUID, due_on: date, amount: str = "100.00") -> UUID:
    draft = DraftInvoice(customer_id, due_on, (Line("Work", "1", amount),))
    invoice_id = UUID(shop.ask(lambda unit: draft_invoice(unit, draft))["id"])
    number, issued_on = f"A-{invoice_id}", date(2026, 2, 1)
    shop.ask(
        lambda unit: invoice_view(invoice_id, send_imported(unit, invoice_id, number, issued_on))
    )
    return invoice_id


def chosen(shop: Shop, said: ReleaseFilter) -> Chosen:
    return choose(open_cases(shop.books.database.writer, shop.tenant_id), said, shop.today)


def started(shop: Shop, said: ReleaseFilter) -> list[PreviewItem]:
    clock = shop.books.clock
    cases = open_cases(shop.books.database.writer, shop.tenant_id)
    return list(starts(cases, said, clock.dunning_plans(shop.tenant_id), shop.today))


def release(shop: Shop, said: ReleaseFilter) -> int:
    ids = chosen(shop, said).invoice_ids
    return release_all(
        shop.books.writer, shop.tenant_id, ids, "moved here", actor="test", now=shop.now
    )


def test_nobody_is_contacted_about_imports_before_their_release(shop: Shop) -> None:
    shop.activate()
    ann, bob = shop.customer("Ann"), shop.customer("Bob", "bob@example.com")
    first, second = imported(shop, ann, DUE), imported(shop, bob, DUE)
    shop.nights(DUE + timedelta(days=1))
    assert shop.messages() == []
    assert release(shop, ReleaseFilter(customer_id=ann)) == 1
    shop.nights(DUE + timedelta(days=20))
    assert {one.invoice_ids for _, one in shop.messages()} == {(first,)}
    # It begins with the first step that comes after its release.
    assert shop.told()[0][1] == "d3"
    assert chosen(shop, ReleaseFilter()).invoice_ids == (second,)


def test_what_a_release_starts_is_what_the_next_night_then_does(shop: Shop) -> None:
    shop.activate()
    invoice_id = imported(shop, shop.customer(), DUE)
    shop.nights(DUE - timedelta(days=1))
    (item,) = started(shop, ReleaseFilter())
    assert (item.kind, item.step, item.date, item.invoice_ids) == (
        "message",
        "due",
        DUE,
        (invoice_id,),
    )
    assert shop.messages() == []
    release(shop, ReleaseFilter())
    shop.nights(DUE)
    ((day, step, _),) = shop.told()
    assert (day, step) == (item.date, item.step)


def test_a_preview_says_why_a_debt_would_be_skipped(shop: Shop) -> None:
    imported(shop, shop.customer(email=""), DUE)
    shop.nights(DUE - timedelta(days=1))
    (item,) = started(shop, ReleaseFilter())
    assert (item.kind, item.reason) == ("skip", "no_address")


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (ReleaseFilter(), 3),
        (ReleaseFilter(due_from=DUE), 2),
        (ReleaseFilter(due_to=DUE), 2),
        (ReleaseFilter(due_from=DUE, due_to=DUE), 1),
        (ReleaseFilter(currency="EUR"), 3),
        (ReleaseFilter(currency="USD"), 0),
        (ReleaseFilter(at_least=Money("50.00", "EUR")), 2),
        (ReleaseFilter(at_least=Money("50.00", "USD")), 0),
        (ReleaseFilter(customer_id=UUID(int=1)), 0),
    ],
)
def test_what_a_filter_chooses(shop: Shop, said: ReleaseFilter, count: int) -> None:
    customer_id = shop.customer()
    for days, amount in ((-1, "49.99"), (0, "50.00"), (1, "70.00")):
        imported(shop, customer_id, DUE + timedelta(days=days), amount)
    shop.invoice(customer_id, DUE)
    assert len(chosen(shop, said).invoice_ids) == count
    assert release(shop, said) == count
    assert release(shop, said) == 0
