"""Closing a debt that the clock has not come to: what is missing is one event, and the same in all."""

from collections.abc import Callable
from datetime import date
from uuid import UUID

import pytest

from ledger.invoice import accrual, adjusting
from ledger.invoice.accrual import Decision
from ledger.invoice.events import Recalculated
from ledger.invoice.state import Invoice
from tests.ledger.histories import Ledger, sent
from tests.ledger.test_first_late_day import TERMS

TODAY = date(2026, 3, 8)


@pytest.mark.parametrize(
    "close",
    [
        lambda invoice: adjusting.renegotiate(invoice, UUID(int=9), TODAY, "agreed"),
        lambda invoice: adjusting.write_off(invoice, None, TODAY, TODAY, "hopeless"),
    ],
    ids=["renegotiate", "write off"],
)
def test_two_years_of_interest_are_one_event(close: Callable[[Invoice], Decision]) -> None:
    invoice = Ledger(sent(TERMS)).invoice
    day_by_day = accrual.bring_up_to_date(invoice, TODAY)
    decision = close(invoice)
    (missed,) = [new.event for new in decision.new if isinstance(new.event, Recalculated)]
    # 1% a month on 500.00, thirty days to a month: 730 days are 121.67, each on its own.
    assert missed.mora_minor == 12_167
    assert [len(run.minors) for run in missed.mora] == [730]
    assert decision.invoice.forgiven == day_by_day.invoice.open
    assert decision.invoice.charged.mora == 12_167
    assert len(decision.new) == 4
