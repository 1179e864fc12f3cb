"""What a step does besides its message: a fee, once; an approval to wait for; tasks, letters, blocks, agencies."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.store.debtors import open_cases
from commands.dunning_plans import SavePlan, save_plan
from commands.messages import (
    DiscardMessage,
    approve_message,
    discard_message,
    retry_message,
)
from ledger.dunning.plan import (
    DEFAULT_KEY,
    Action,
    ActionTextMissing,
    AmountRangeEmpty,
    Caps,
    FeeUnexplained,
    PlanRules,
    Step,
    check_plan,
)
from ledger.encrypted import TextTooLong
from ledger.message import NothingToApprove
from ledger.money import Money
from schedulers.preview import PreviewItem, preview
from tests.messages.conftest import Shop, text_of
from tests.messages.test_steps_by_hand import again

DUE = date(2026, 3, 11)
FEE = (Money("5.00", "EUR"), Money("20.00", "BRL"))


def plan(shop: Shop, *steps: Step) -> None:
    command = SavePlan(DEFAULT_KEY, "Own", steps, "none", "next", Caps(1, 7, 0))
    shop.ask(lambda unit: save_plan(unit, command))
    shop.activate()


def foreseen(shop: Shop, day: date) -> list[PreviewItem]:
    books, tenant_id = shop.books, shop.tenant_id
    cases = open_cases(books.database.writer, tenant_id)
    return list(preview(cases, books.clock.dunning_plans(tenant_id), day, day))


def fees(shop: Shop, invoice_id: UUID) -> int:
    found: int = shop.state("invoice", invoice_id).open.other_fees
    return found


def test_a_fee_is_charged_once_and_explained(shop: Shop) -> None:
    plan(shop, Step("d1", 1, fee=FEE, fee_text="reminder fee"), Step("d5", 5))
    ann = shop.customer()
    one, two = shop.invoice(ann, DUE), shop.invoice(ann, DUE, "40.00")
    day = DUE + timedelta(days=1)
    shop.nights(DUE)
    seen = foreseen(shop, day)
    assert [(item.kind, item.amount.amount) for item in seen] == [
        ("message", "150.00"),
        ("fee", "5.00"),
        ("fee", "5.00"),
    ]
    shop.nights(DUE + timedelta(days=6))
    assert (fees(shop, one), fees(shop, two)) == (5_00, 5_00)
    charged = list(shop.events("invoice.fee_charged.v1"))
    assert [event.effective_on for event in charged] == [day, day]
    assert all(b"reminder fee" in bytes(event.data) for event in charged)
    assert shop.messages()[0][1].amount_minor == 150_00
    shop.send()
    assert "EUR 105.00" in text_of(shop.mails()[0])


def test_no_fee_in_another_currency(shop: Shop) -> None:
    plan(shop, Step("d1", 1, fee=(Money("20.00", "BRL"),), fee_text="reminder fee"))
    invoice_id = shop.invoice(shop.customer(), DUE)
    shop.nights(DUE + timedelta(days=1))
    assert len(shop.messages()) == 1
    assert fees(shop, invoice_id) == 0


def test_a_message_waits_for_its_approval(shop: Shop) -> None:
    plan(shop, Step("d1", 1, approval=True), Step("d9", 9))
    shop.invoice(shop.customer(), DUE)
    shop.nights(DUE + timedelta(days=2))
    ((message_id, message),) = shop.messages()
    assert message.state == "awaiting_approval"
    assert shop.send().taken == 0
    with pytest.raises(Exception, match="nothing to try again"):
        shop.ask(lambda unit: retry_message(unit, message_id))
    shop.ask(lambda unit: approve_message(unit, message_id))
    assert shop.send().taken == 1
    with pytest.raises(NothingToApprove):
        shop.ask(lambda unit: approve_message(unit, message_id))


def test_one_that_is_not_approved_is_discarded(shop: Shop) -> None:
    plan(shop, Step("d1", 1, approval=True))
    shop.invoice(shop.customer(), DUE)
    shop.nights(DUE + timedelta(days=1))
    ((message_id, _),) = shop.messages()
    shop.ask(lambda unit: discard_message(unit, message_id, DiscardMessage("a friend")))
    assert shop.messages()[0][1].state == "discarded"
    assert shop.send().taken == 0


def test_one_that_is_paid_before_its_approval_is_not_sent(shop: Shop) -> None:
    plan(shop, Step("d1", 1, approval=True))
    invoice_id = shop.invoice(shop.customer(), DUE)
    shop.nights(DUE + timedelta(days=1))
    shop.pay(invoice_id, "100.00")
    ((message_id, _),) = shop.messages()
    shop.ask(lambda unit: approve_message(unit, message_id))
    assert shop.send().ended == 1
    assert shop.messages()[0][1].reason == "nothing_open"


def test_actions_are_events_of_the_same_night(shop: Shop) -> None:
    actions = (
        Action("call", "ask why"),
        Action("letter", "by registered mail"),
        Action("block", "deliver nothing"),
        Action("agency", "hand it over"),
    )
    plan(shop, Step("d1", 1, actions=actions), Step("d5", 5))
    ann = shop.customer()
    one, two = shop.invoice(ann, DUE), shop.invoice(ann, DUE)
    shop.nights(DUE)
    day = DUE + timedelta(days=1)
    kinds = [item.kind for item in foreseen(shop, day)]
    assert kinds == ["message", *["task", "letter", "block", "agency"] * 2]
    shop.nights(DUE + timedelta(days=6))
    tasks = [shop.state("task", event.stream_id) for event in shop.events("task.opened.v1")]
    assert sorted((task.kind, task.text, task.due_on) for task in tasks) == [
        ("call", "ask why", day),
        ("letter", "by registered mail", day),
    ]
    assert {task.customer_id for task in tasks} == {ann}
    taken = list(shop.events("collection.action_taken.v1"))
    assert [event.effective_on for event in taken] == [day, day]
    for invoice_id in (one, two):
        assert all(str(invoice_id).encode() in bytes(event.data) for event in taken)


def test_a_step_that_is_run_again_does_nothing_twice(shop: Shop) -> None:
    plan(shop, Step("d1", 1, fee=FEE, fee_text="fee", actions=(Action("call", "ask why"),)))
    invoice_id = shop.invoice(shop.customer(), DUE)
    shop.nights(DUE + timedelta(days=1))
    assert again(shop, "dunning").steps["dunning"].posted == 0
    assert fees(shop, invoice_id) == 5_00
    assert len(list(shop.events("task.opened.v1"))) == 1


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"fee": FEE}, FeeUnexplained),
        ({"fee_text": "for nothing"}, FeeUnexplained),
        ({"fee": (FEE[0], FEE[0]), "fee_text": "twice"}, AmountRangeEmpty),
        ({"actions": (Action("call", " "),)}, ActionTextMissing),
        ({"actions": (Action("call", "x" * 501),)}, TextTooLong),
    ],
)
def test_steps_that_cannot_be_meant(fields: dict[str, Any], refused: type[Exception]) -> None:
    with pytest.raises(refused):
        check_plan(PlanRules("Own", (Step("d1", 1, **fields),)))
