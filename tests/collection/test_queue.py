"""Whose turn it is: tasks that are due, broken promises, then those who owe most; and the log of what was said."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.activities import Dispute, NextAction, Promise, RecordActivity, record_activity
from commands.dunning_plans import SavePlan, save_plan
from commands.holds import HoldInvoice, hold_invoice
from commands.tasks import FinishTask, finish_task
from ledger.dunning.plan import DEFAULT_KEY, Caps, Step
from projections.collection.communications import Communication, list_communications
from projections.collection.queue import QueueRow, QueueTooLong, collection_queue
from tests.messages.conftest import STARTS_ON, Shop
from tests.messages.conftest import books as books
from tests.messages.conftest import shop as shop

DUE = STARTS_ON + timedelta(days=2)
LATE = DUE + timedelta(days=5)


def queue(shop: Shop, limit: int = 50) -> list[QueueRow]:
    shop.books.projections.catch_up()
    with shop.books.reading(shop.tenant_id) as connection:
        page = collection_queue(connection, shop.tenant_id, "EUR", shop.today, limit)
    return page.items


def turns(shop: Shop) -> list[tuple[UUID, str]]:
    return [(row.customer_id, row.reason) for row in queue(shop)]


def call(shop: Shop, customer_id: UUID, result: str = "reached", **fields: Any) -> dict[str, Any]:
    command = RecordActivity(result, **fields)  # type: ignore[arg-type]
    return shop.ask(lambda unit: record_activity(unit, customer_id, "call", command))


def debtors(shop: Shop, *amounts: str) -> list[UUID]:
    """Customers who owe these amounts since DUE, five days later."""
    found = [shop.customer(f"C{n}", f"c{n}@example.com") for n in range(len(amounts))]
    for customer_id, amount in zip(found, amounts, strict=True):
        shop.invoice(customer_id, DUE, amount)
    shop.nights(LATE)
    return found


def test_who_owes_most_comes_first(shop: Shop) -> None:
    small, large, middle = debtors(shop, "10.00", "90.00", "50.00")
    shop.invoice(small, DUE, "35.00")
    rows = queue(shop)
    assert [row.customer_id for row in rows] == [large, middle, small]
    assert (rows[0].overdue.amount, rows[0].days_late, rows[0].invoice_count) == ("90.00", 5, 1)
    assert [row.customer_id for row in queue(shop, 1)] == [large]
    for wrong in (0, 201):
        with pytest.raises(QueueTooLong):
            queue(shop, wrong)


def test_nobody_is_called_twice_on_a_day_without_a_task(shop: Shop) -> None:
    one, two = debtors(shop, "90.00", "50.00")
    call(shop, one)
    assert turns(shop) == [(two, "overdue")]
    call(shop, two, next_action=NextAction("call", shop.today))
    assert turns(shop) == [(two, "task")]
    shop.nights(LATE + timedelta(days=1))
    assert turns(shop) == [(two, "task"), (one, "overdue")]


def test_a_task_is_due_on_its_day_until_it_is_done(shop: Shop) -> None:
    one, two = debtors(shop, "90.00", "50.00")
    tomorrow = shop.today + timedelta(days=1)
    made = call(shop, two, next_action=NextAction("call", tomorrow, "as agreed"))
    assert turns(shop) == [(one, "overdue")]
    shop.nights(tomorrow)
    (first, _) = queue(shop)
    assert (first.customer_id, first.reason, first.task_due_on) == (two, "task", tomorrow)
    assert str(first.task_id) == made["task_id"]
    shop.ask(lambda unit: finish_task(unit, UUID(made["task_id"]), FinishTask()))
    assert turns(shop) == [(one, "overdue"), (two, "overdue")]


def test_a_task_about_somebody_who_owes_nothing_is_a_turn(shop: Shop) -> None:
    ann = shop.customer()
    call(shop, ann, next_action=NextAction("call", shop.today))
    (row,) = queue(shop)
    assert (row.customer_id, row.reason, row.overdue.amount) == (ann, "task", "0.00")
    assert (row.oldest_due_on, row.days_late) == (None, 0)


def test_a_promise_waits_and_a_broken_one_comes_first(shop: Shop) -> None:
    one, two = debtors(shop, "90.00", "50.00")
    until = shop.today + timedelta(days=2)
    call(shop, two, "promised", promise=Promise(until))
    shop.nights(until)
    assert turns(shop) == [(one, "overdue")]
    shop.nights(until + timedelta(days=1))
    assert turns(shop) == [(two, "broken_promise"), (one, "overdue")]


def test_what_is_disputed_or_held_is_nobodys_turn(shop: Shop) -> None:
    one, two, three = debtors(shop, "90.00", "50.00", "20.00")
    call(shop, one, "disputed", dispute=Dispute("never ordered"))
    (held,) = [
        event.stream_id
        for event in shop.events("invoice.drafted.v1")
        if shop.state("invoice", event.stream_id).customer_id == two
    ]
    shop.ask(lambda unit: hold_invoice(unit, held, HoldInvoice("asked", shop.today)))
    assert turns(shop) == [(three, "overdue")]
    shop.nights(LATE + timedelta(days=1))
    assert turns(shop) == [(two, "overdue"), (three, "overdue")]


def test_a_call_counts_in_the_limits_of_contact(shop: Shop) -> None:
    plan = SavePlan(DEFAULT_KEY, "Own", (Step("d5", 5),), calendar="none", caps=Caps(1, 7, 3))
    shop.ask(lambda unit: save_plan(unit, plan))
    shop.activate()
    ann, bob = shop.customer("Ann"), shop.customer("Bob", "bob@example.com")
    shop.invoice(ann, DUE)
    shop.invoice(bob, DUE)
    shop.nights(LATE - timedelta(days=1))
    call(shop, ann)
    shop.nights(LATE)
    assert [message.customer_id for _, message in shop.messages()] == [bob]
    shop.nights(LATE + timedelta(days=2))
    assert [message.customer_id for _, message in shop.messages()] == [bob, ann]


def log(shop: Shop, customer_id: UUID, invoice_id: UUID | None = None) -> list[Communication]:
    shop.books.projections.catch_up()
    with shop.books.reading(shop.tenant_id) as connection:
        found: list[Communication] = []
        cursor = None
        while True:
            page = list_communications(
                connection, shop.tenant_id, customer_id, invoice_id, cursor=cursor, limit=2
            )
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found


def test_the_log_holds_messages_calls_and_visits(shop: Shop) -> None:
    shop.activate()
    ann = shop.customer()
    one = shop.invoice(ann, DUE)
    other = shop.invoice(ann, DUE + timedelta(days=60))
    shop.invoice(shop.customer("Bob", "bob@example.com"), DUE)
    shop.nights(DUE)
    shop.send()
    shop.today += timedelta(days=1)
    call(shop, ann, "not_reached", note="rang", invoice_ids=(one,))
    visit = RecordActivity("reached", invoice_ids=(other,))
    shop.ask(lambda unit: record_activity(unit, ann, "visit", visit))
    found = log(shop, ann)
    assert sorted((entry.kind, entry.result) for entry in found) == [
        ("call", "not_reached"),
        ("dunning", "sent"),
        ("visit", "reached"),
    ]
    assert [entry.happened_on for entry in found] == sorted(
        (entry.happened_on for entry in found), reverse=True
    )
    assert {entry.kind for entry in log(shop, ann, one)} == {"call", "dunning"}
    assert {entry.kind for entry in log(shop, ann, other)} == {"visit"}
