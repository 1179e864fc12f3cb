"""Payments that look alike are taken, and flagged for a person."""

from datetime import date, timedelta
from typing import Any

import pytest

from commands.reversals import ChargeBackPayment, charge_back_payment
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.customer import CreditAdded
from tests.commands.books import Books

DAY = timedelta(days=1)
TODAY = date(2024, 4, 1)


@pytest.fixture
def books() -> Books:
    books = Books()
    books.on(TODAY)
    return books


def pay(books: Books, amount: str = "50.00", days: int = 0, reference: str = "TED 17") -> Any:
    """(id, what it looks like) of a payment that came so many days ago."""
    on = TODAY - days * DAY
    view = books.pay(amount, customer_id=books.customer_id, reference=reference, received_on=on)
    return view.id, view.suspected_duplicate_of


def test_the_same_amount_and_reference_within_the_window(books: Books) -> None:
    first, nothing = pay(books)
    assert nothing is None
    assert pay(books)[1] == first
    assert pay(books, days=7)[1] == first
    assert books.credit() == {"BRL": 15_000}, "each is taken"


def test_the_nearest_one_by_its_value_date(books: Books) -> None:
    pay(books, days=7)
    near, _ = pay(books, days=2)
    assert pay(books, days=1)[1] == near


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "50.01"},
        {"reference": "TED 18"},
        {"days": 8},
    ],
)
def test_what_differs_is_no_duplicate(books: Books, other: dict[str, Any]) -> None:
    pay(books)
    assert pay(books, **other)[1] is None


def test_without_a_reference_there_is_nothing_to_tell_by(books: Books) -> None:
    pay(books, reference="")
    assert pay(books, reference=" ")[1] is None
    assert books.names.keys() & {("payment_fingerprint", "")} == set()


def test_spaces_around_a_reference_make_no_difference(books: Books) -> None:
    first, _ = pay(books)
    assert pay(books, reference="  TED 17 ")[1] == first


def test_of_another_customer_it_is_none(books: Books) -> None:
    pay(books)
    books.customer_id = books.customer("Jonas")
    assert pay(books)[1] is None


def test_one_that_was_reversed_may_come_again(books: Books) -> None:
    first, _ = pay(books)
    books.reverse(first)
    second, duplicate_of = pay(books, days=1)
    assert duplicate_of is None
    books.run(charge_back_payment, second, ChargeBackPayment("recalled"))
    assert pay(books, days=2)[1] is None


def test_the_window_is_the_tenants(books: Books) -> None:
    books.run(configure_tenant, ConfigureTenant(duplicate_window_days=0))
    first, _ = pay(books)
    assert pay(books, days=1)[1] is None
    assert pay(books)[1] == first


def test_what_it_leaves_over_is_flagged(books: Books) -> None:
    invoice_id = books.invoice("50.00", due_on=TODAY)
    for _ in range(2):
        books.pay("50.00", invoice_id=invoice_id, reference="TED 17")
    (added,) = [event for event in books.events("customer") if isinstance(event, CreditAdded)]
    assert (added.amount_minor, added.flag) == (5_000, "suspected_duplicate")
