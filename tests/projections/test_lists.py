"""Lists: every item once, in order, whatever the page's length and whatever arrives meanwhile; filters and cursors."""

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from projections.business_days.listing import DayFilters, list_days
from projections.credit_notes.listing import CreditNoteFilters, list_credit_notes
from projections.customers.listing import CustomerFilters, list_customers
from projections.engine.runner import Runner
from projections.invoices.listing import _STATEMENTS, InvoiceFilters, list_invoices
from projections.pagination import LimitOutOfRange, MalformedCursor, MalformedFilter
from projections.payments.listing import PaymentFilters, list_payments
from projections.refunds.listing import RefundFilters, list_refunds
from tests.projections.conftest import new_runner
from tests.projections.history import History

LISTS: list[Any] = [
    list_invoices,
    list_customers,
    list_payments,
    list_refunds,
    list_credit_notes,
    list_days,
]


def walked(
    books: Books, life: History, listing: Callable[..., Any], filters: Any = None, **options: Any
) -> list[Any]:
    """Every item, drawn page by page."""
    items: list[Any] = []
    cursor = None
    while True:
        with books.reading(life.tenant_id) as connection:
            page = listing(connection, life.tenant_id, filters, cursor=cursor, **options)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
        assert page.items


@pytest.fixture(scope="module")
def books(module_database: Database) -> Iterator[Books]:
    with Books(module_database) as opened:
        yield opened


@pytest.fixture(scope="module")
def runner(books: Books) -> Runner:
    return new_runner(books)


@pytest.fixture(scope="module")
def life(books: Books, runner: Runner) -> History:
    History(books, 50).run(20)
    life = History(books, 4).run(200)
    while min(len(walked(books, life, one)) for one in (list_credit_notes, list_refunds)) < 4:
        life.run(10)
        runner.catch_up()
    return life


@pytest.mark.parametrize("listing", LISTS)
def test_pages_of_any_length_hold_every_item_once(
    books: Books, life: History, listing: Callable[..., Any]
) -> None:
    whole = walked(books, life, listing, limit=500)
    assert len({item.id for item in whole}) == len(whole) > 2
    for limit in (1, 2, 3, len(whole), len(whole) - 1):
        assert walked(books, life, listing, limit=limit) == whole
    assert msgspec.json.decode(msgspec.json.encode(whole[0]))["id"] == str(whole[0].id)


def test_the_order_of_lists(books: Books, life: History) -> None:
    invoices = walked(books, life, list_invoices, limit=7)
    assert {one.id for one in invoices} == set(life.invoices)
    assert [one.due_on for one in invoices] == sorted(one.due_on for one in invoices)
    backwards = walked(books, life, list_invoices, limit=7, order="-due_on")
    assert backwards == invoices[::-1]
    payments = [one.received_on for one in walked(books, life, list_payments, limit=3)]
    assert payments == sorted(payments, reverse=True)
    customers = [one.reference for one in walked(books, life, list_customers, limit=2)]
    assert customers == sorted(customers)
    days = [one.day for one in walked(books, life, list_days, limit=50)]
    assert days == sorted(days, reverse=True)


def test_filters_of_invoices(books: Books, life: History) -> None:
    every = walked(books, life, list_invoices)
    middle = every[len(every) // 2]
    filters: list[tuple[InvoiceFilters, Callable[[Any], bool]]] = [
        (InvoiceFilters(status="overdue"), lambda one: one.status == "overdue"),
        (
            InvoiceFilters(customer_id=middle.customer_id),
            lambda one: one.customer_id == middle.customer_id,
        ),
        (InvoiceFilters(currency="EUR"), lambda one: one.currency == "EUR"),
        (InvoiceFilters(due_from=middle.due_on), lambda one: one.due_on >= middle.due_on),
        (InvoiceFilters(due_to=middle.due_on), lambda one: one.due_on <= middle.due_on),
        (
            InvoiceFilters(status="sent", currency="BRL"),
            lambda one: (one.status, one.currency) == ("sent", "BRL"),
        ),
        (InvoiceFilters(number="INV-000002"), lambda one: one.number == "INV-000002"),
        (InvoiceFilters(number=""), lambda one: False),
    ]
    for filtered, kept in filters:
        assert walked(books, life, list_invoices, filtered, limit=2) == list(filter(kept, every))


def test_filters_of_the_other_lists(books: Books, life: History) -> None:
    customers = walked(books, life, list_customers)
    with_credit = CustomerFilters(with_credit=True)
    assert walked(books, life, list_customers, with_credit) == [
        one for one in customers if one.credit
    ]
    first = CustomerFilters(reference="C0001")
    assert [one.reference for one in walked(books, life, list_customers, first)] == ["C0001"]
    payments = walked(books, life, list_payments)
    reversed_ones = PaymentFilters(status="reversed")
    assert walked(books, life, list_payments, reversed_ones) == [
        one for one in payments if one.status == "reversed"
    ]
    later = PaymentFilters(
        customer_id=payments[0].customer_id, received_from=payments[-1].received_on + timedelta(1)
    )
    assert walked(books, life, list_payments, later, limit=1) == [
        one
        for one in payments
        if one.customer_id == payments[0].customer_id and one.received_on > payments[-1].received_on
    ]
    notes = walked(books, life, list_credit_notes)
    middle = notes[len(notes) // 2]
    of_invoice = CreditNoteFilters(invoice_id=middle.invoice_id, issued_to=middle.issued_on)
    assert walked(books, life, list_credit_notes, of_invoice, limit=1) == [
        one
        for one in notes
        if one.invoice_id == middle.invoice_id and one.issued_on <= middle.issued_on
    ]
    refunds = walked(books, life, list_refunds)
    for filtered, kept in (
        (RefundFilters(status="requested"), lambda one: one.status == "requested"),
        (
            RefundFilters(customer_id=refunds[0].customer_id),
            lambda one: one.customer_id == refunds[0].customer_id,
        ),
    ):
        assert walked(books, life, list_refunds, filtered, limit=1) == list(filter(kept, refunds))
    days = walked(books, life, list_days)
    week = DayFilters(status="closed", day_from=days[6].day, day_to=days[0].day)
    assert walked(books, life, list_days, week, limit=2) == days[:7]


def test_amounts_in_lists(books: Books, life: History) -> None:
    for one in walked(books, life, list_invoices):
        asked = one.total.minor if one.number else 0
        charged = asked + one.late_fee.minor + one.mora.minor + one.other_fees.minor
        assert charged - one.paid.minor - one.forgiven.minor == one.open.minor
    for one in walked(books, life, list_payments):
        applied = sum(part.amount.minor for part in one.allocations)
        reversed_minor = one.reversed.minor + one.charged_back.minor
        assert applied + one.unapplied.minor == one.amount.minor - reversed_minor
    owed = sum(one.open.minor for one in walked(books, life, list_invoices))
    customers = walked(books, life, list_customers)
    assert sum(part.open.minor for one in customers for part in one.balances) == owed
    assert all(one.name.startswith("encrypted:1:") for one in customers)


def test_a_list_that_grows_meanwhile_repeats_nothing(
    books: Books, life: History, runner: Runner
) -> None:
    seen: list[Any] = []
    cursor = None
    while True:
        with books.reading(life.tenant_id) as connection:
            page = list_invoices(connection, life.tenant_id, cursor=cursor, limit=3)
        seen += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        life.draft()
        runner.catch_up()
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("listing", LISTS)
def test_one_tenant_lists_nothing_of_another(
    books: Books, life: History, listing: Callable[..., Any]
) -> None:
    with books.reading(uuid4()) as connection:
        assert listing(connection, life.tenant_id).items == []


@pytest.mark.parametrize("listing", LISTS)
@pytest.mark.parametrize(
    "cursor",
    ["", "x", "!", "é", "a" * 5000, base64.urlsafe_b64encode(b'["2024-01-01"]').decode()],
)
def test_a_cursor_from_elsewhere_is_refused(
    books: Books, life: History, listing: Callable[..., Any], cursor: str
) -> None:
    with books.reading(life.tenant_id) as connection, pytest.raises(MalformedCursor):
        listing(connection, life.tenant_id, cursor=cursor)


def test_what_no_text_can_hold_is_refused(books: Books, life: History) -> None:
    nul = base64.urlsafe_b64encode(b'["\\u0000","%s"]' % str(uuid4()).encode()).decode()
    with books.reading(life.tenant_id) as connection:
        with pytest.raises(MalformedCursor):
            list_customers(connection, life.tenant_id, cursor=nul)
        with pytest.raises(MalformedFilter):
            list_invoices(connection, life.tenant_id, InvoiceFilters(number="a\0"))
        for limit in (0, -1, 501):
            with pytest.raises(LimitOutOfRange):
                list_days(connection, life.tenant_id, limit=limit)


def test_filtered_lists_use_an_index(books: Books, life: History) -> None:
    values = {
        **msgspec.structs.asdict(InvoiceFilters(status="overdue")),
        "tenant_id": life.tenant_id,
        "after_on": None,
        "after_id": None,
        "limit": 51,
    }
    with books.database.writer.connection() as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        plan = connection.execute(
            b"EXPLAIN " + _STATEMENTS["due_on"], values, prepare=False
        ).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert "invoices_status" in text
    assert "Sort" not in text
