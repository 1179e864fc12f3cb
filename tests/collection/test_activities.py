"""Calls and visits: what came of them, in one append, and the contact that they are."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.activities import (
    ActivityView,
    Dispute,
    InvoiceOfAnother,
    NextAction,
    NoteTooLong,
    Promise,
    RecordActivity,
    ResultDiffers,
    record_activity,
)
from commands.unit_of_work import Unknown
from ledger import collection
from ledger.invoice.holding import PromiseTooLate
from ledger.invoice.preconditions import EffectiveInFuture, ReasonMissing
from tests.commands.books import Books

TODAY = date(2024, 3, 20)
SOON = date(2024, 3, 27)


@pytest.fixture
def books() -> Books:
    made = Books()
    made.on(date(2024, 3, 1))
    return made


def late(books: Books, amount: str = "500.00") -> UUID:
    books.on(date(2024, 3, 1))
    invoice_id = books.invoice(amount)
    books.on(TODAY)
    return invoice_id


def call(books: Books, result: str = "reached", **fields: Any) -> ActivityView:
    command = RecordActivity(result, **fields)  # type: ignore[arg-type]
    view: ActivityView = books.run(record_activity, books.customer_id, "call", command)
    return view


def contacts(books: Books) -> tuple[date, ...]:
    stream_id = collection.stream_id(books.tenant_id, books.customer_id)
    found = books.find("collection", stream_id)
    days: tuple[date, ...] = found.contacts if found is not None else ()
    return days


def test_a_call_is_a_contact_on_its_day(books: Books) -> None:
    books.on(TODAY)
    yesterday = TODAY - timedelta(days=1)
    view = call(books, "not_reached", note="rang ten times", happened_on=yesterday)
    assert (view.kind, view.result, view.happened_on) == ("call", "not_reached", yesterday)
    assert view.note.startswith("encrypted:1:")
    call(books)
    assert contacts(books) == (yesterday, TODAY)


def test_a_promise_concerns_all_that_is_open(books: Books) -> None:
    one, two = late(books), late(books, "20.00")
    view = call(books, "promised", promise=Promise(SOON))
    assert set(view.invoice_ids) == {one, two}
    for invoice_id in (one, two):
        promise = books.state("invoice", invoice_id).promise
        assert (promise.promised_on, promise.kept) == (SOON, None)


def test_a_promise_concerns_the_invoices_that_are_named(books: Books) -> None:
    one, two = late(books), late(books, "20.00")
    call(books, "promised", promise=Promise(SOON), invoice_ids=(two,))
    assert books.state("invoice", one).promise is None
    assert books.state("invoice", two).promise is not None


def test_a_dispute_leaves_out_what_is_disputed_already(books: Books) -> None:
    late(books)
    call(books, "disputed", dispute=Dispute("never ordered"))
    two = late(books, "20.00")
    view = call(books, "disputed", dispute=Dispute("nor that"))
    assert view.invoice_ids == (two,)


def test_the_next_action_is_a_task(books: Books) -> None:
    late(books)
    view = call(books, next_action=NextAction("visit", SOON, "take the contract along"))
    task = books.state("task", view.task_id)
    assert (task.kind, task.due_on, task.customer_id) == ("visit", SOON, books.customer_id)
    assert task.text.startswith("encrypted:1:")


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"result": "promised"}, ResultDiffers),
        ({"result": "reached", "promise": Promise(SOON)}, ResultDiffers),
        ({"result": "disputed"}, ResultDiffers),
        ({"result": "refused", "dispute": Dispute("no")}, ResultDiffers),
        ({"result": "disputed", "dispute": Dispute(" ")}, ReasonMissing),
        ({"result": "promised", "promise": Promise(date(2024, 3, 1))}, PromiseTooLate),
        ({"note": "x" * 2_001}, NoteTooLong),
        ({"happened_on": TODAY + timedelta(days=1)}, EffectiveInFuture),
        ({"invoice_ids": (UUID(int=7),)}, Unknown),
    ],
)
def test_what_is_refused_leaves_nothing(
    books: Books, fields: dict[str, Any], refused: type[Exception]
) -> None:
    late(books)
    before = len(books.log)
    with pytest.raises(refused):
        call(books, **fields)
    assert len(books.log) == before


def test_nothing_is_promised_where_nothing_is_open(books: Books) -> None:
    books.on(TODAY)
    with pytest.raises(ResultDiffers, match="nothing is open"):
        call(books, "promised", promise=Promise(SOON))


def test_an_activity_is_about_its_own_customers_invoices(books: Books) -> None:
    theirs = books.invoice(customer_id=books.customer("Other"))
    with pytest.raises(InvoiceOfAnother):
        call(books, invoice_ids=(theirs,))


def test_of_an_unknown_customer(books: Books) -> None:
    command = RecordActivity("reached")
    with pytest.raises(Unknown):
        books.run(record_activity, UUID(int=9), "visit", command)
