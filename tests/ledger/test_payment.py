from datetime import date
from uuid import UUID

import pytest

from ledger.payment import Allocated, AlreadyReversed, Payment, Received, Reversed, evolve, reverse

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
