from datetime import date
from uuid import UUID

import pytest

from ledger.event_registry import Event
from ledger.payment import (
    Allocated,
    AllocationChange,
    AllocationsChanged,
    AlreadyReversed,
    Applied,
    ChargedBack,
    ChargedBackInFuture,
    ChargedBackTooEarly,
    OverReversed,
    Payment,
    Reallocated,
    Received,
    Reversed,
    evolve,
    offers_to_reverse,
    require_chargeable_back,
    reversible,
)

ON = date(2024, 3, 8)
INVOICE, OTHER, CUSTOMER = UUID(int=1), UUID(int=3), UUID(int=2)
RECEIVED = Received(CUSTOMER, "BRL", 10_000, ON, (Allocated(INVOICE, 9_000),), 1_000, "TED 17")


def received(*events: Event) -> Payment:
    payment = evolve(None, RECEIVED, ON)
    for event in events:
        payment = evolve(payment, event, ON)
    return payment


def test_a_payment_is_what_arrived_and_how_it_was_spread() -> None:
    payment = received()
    assert payment == Payment(
        CUSTOMER, "BRL", 10_000, ON, (Allocated(INVOICE, 9_000),), "TED 17", "received"
    )
    assert (payment.left_minor, payment.unapplied_minor) == (10_000, 1_000)


def test_a_payment_is_reversed_once_and_stays_readable() -> None:
    payment = received()
    assert reversible(payment, None) == 10_000
    back = Reversed("bounced", 10_000, (AllocationChange(INVOICE, -9_000, -9_000),))
    payment = evolve(payment, back, ON)
    assert payment.status == "reversed"
    assert (payment.amount_minor, payment.left_minor, payment.unapplied_minor) == (10_000, 0, 0)
    assert payment.allocations == ()
    with pytest.raises(AlreadyReversed, match="reversed before"):
        reversible(payment, None)


def test_what_is_applied_later_adds_to_what_the_invoice_has() -> None:
    payment = received(Applied((Allocated(INVOICE, 400), Allocated(OTHER, 100))))
    assert payment.unapplied_minor == 500
    assert payment.allocations == (Allocated(INVOICE, 9_400), Allocated(OTHER, 100))


def test_other_facts_and_persons_change_what_invoices_have_of_it() -> None:
    changed = AllocationsChanged((AllocationChange(INVOICE, -2_000),), "payment")
    payment = received(changed)
    assert payment.allocations == (Allocated(INVOICE, 7_000, offered_minor=9_000),)
    assert payment.unapplied_minor == 3_000
    moved = (AllocationChange(INVOICE, -7_000, -9_000), AllocationChange(OTHER, 6_000, 6_000))
    payment = received(changed, Reallocated(moved, "the other one was meant"))
    assert payment.allocations == (Allocated(OTHER, 6_000),)
    assert payment.unapplied_minor == 4_000


def test_a_payment_is_charged_back_between_its_date_and_today() -> None:
    payment = received()
    today = date(2024, 3, 20)
    with pytest.raises(ChargedBackTooEarly) as early:
        require_chargeable_back(payment, date(2024, 3, 7), today)
    with pytest.raises(ChargedBackInFuture) as late:
        require_chargeable_back(payment, date(2024, 3, 21), today)
    assert early.value.field == late.value.field == "charged_back_on"
    for on in (ON, today):
        require_chargeable_back(payment, on, today)
    payment = evolve(payment, ChargedBack("recalled", 10_000), today)
    assert payment.status == "charged_back"
    with pytest.raises(AlreadyReversed, match="charged back before"):
        reversible(payment, 1)


def test_parts_are_reversed_until_nothing_is_left() -> None:
    part = ChargedBack("recalled", 2_500, (AllocationChange(INVOICE, -1_500, -1_500),))
    payment = received(part)
    assert (payment.status, payment.left_minor, payment.unapplied_minor) == ("received", 7_500, 0)
    with pytest.raises(OverReversed, match=r"75\.00 is left") as refused:
        reversible(payment, 7_501)
    assert refused.value.field == "amount"
    assert reversible(payment, None) == reversible(payment, 7_500) == 7_500
    rest = Reversed("bounced", 7_500, (AllocationChange(INVOICE, -7_500, -7_500),))
    payment = received(part, rest)
    assert (payment.status, payment.left_minor, payment.allocations) == ("reversed", 0, ())
    assert (payment.charged_back_minor, payment.reversed_minor) == (2_500, 7_500)


@pytest.mark.parametrize(
    ("amount", "offers"),
    [
        (400, {}),  # it is offered to no invoice
        (1_000, {}),
        (1_001, {OTHER: 1}),
        (4_000, {OTHER: 3_000}),
        (4_500, {OTHER: 3_000, INVOICE: 500}),
        (10_000, {OTHER: 3_000, INVOICE: 6_000}),
    ],
)
def test_what_is_reversed_goes_off_the_last_offer_first(
    amount: int, offers: dict[UUID, int]
) -> None:
    offered = (Allocated(INVOICE, 6_000), Allocated(OTHER, 2_000, offered_minor=3_000))
    payment = evolve(None, Received(CUSTOMER, "BRL", 10_000, ON, offered, 2_000), ON)
    assert offers_to_reverse(payment, amount) == offers
