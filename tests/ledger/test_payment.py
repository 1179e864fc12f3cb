from datetime import date
from uuid import UUID

import pytest

from ledger.payment import (
    Allocated,
    AlreadyReversed,
    Applied,
    ChargedBack,
    ChargedBackInFuture,
    ChargedBackTooEarly,
    Payment,
    Received,
    Reversed,
    charge_back,
    evolve,
    reverse,
)

ON = date(2024, 3, 8)
INVOICE, CUSTOMER = UUID(int=1), UUID(int=2)
RECEIVED = Received(CUSTOMER, "BRL", 10_000, ON, (Allocated(INVOICE, 9_000),), 1_000, "TED 17")


def test_a_payment_is_what_arrived_and_how_it_was_spread() -> None:
    payment = evolve(None, RECEIVED, ON)
    assert payment == Payment(
        CUSTOMER, "BRL", 10_000, ON, (Allocated(INVOICE, 9_000),), 1_000, "TED 17", "received"
    )


def test_a_payment_is_reversed_once_and_stays_readable() -> None:
    payment = evolve(None, RECEIVED, ON)
    reversed_ = reverse(payment, "bounced")
    assert reversed_ == Reversed("bounced")
    payment = evolve(payment, reversed_, ON)
    assert payment.status == "reversed"
    assert payment.amount_minor == 10_000
    with pytest.raises(AlreadyReversed):
        reverse(payment, "again")


def test_what_is_applied_later_is_an_allocation_like_the_others() -> None:
    payment = evolve(evolve(None, RECEIVED, ON), Applied((Allocated(INVOICE, 400),)), ON)
    assert payment.unapplied_minor == 600
    assert payment.allocations == (Allocated(INVOICE, 9_000), Allocated(INVOICE, 400))


def test_a_payment_is_charged_back_once_between_its_date_and_today() -> None:
    payment = evolve(None, RECEIVED, ON)
    today = date(2024, 3, 20)
    with pytest.raises(ChargedBackTooEarly) as early:
        charge_back(payment, date(2024, 3, 7), today, "recalled")
    with pytest.raises(ChargedBackInFuture) as late:
        charge_back(payment, date(2024, 3, 21), today, "recalled")
    assert early.value.field == late.value.field == "charged_back_on"
    for on in (ON, today):
        assert charge_back(payment, on, today, "recalled") == ChargedBack("recalled")
    payment = evolve(payment, ChargedBack("recalled"), today)
    assert payment.status == "charged_back"
    for again in (lambda: reverse(payment, "x"), lambda: charge_back(payment, ON, today, "x")):
        with pytest.raises(AlreadyReversed, match="charged back before"):
            again()
