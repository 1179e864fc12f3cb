"""The first late day: that of the terms, or a later one when principal was not open then and is open again."""

from datetime import date
from fractions import Fraction

from ledger.allocation import Split
from ledger.invoice import holding, settling
from ledger.invoice.events import BecameOverdue, LateFeeCharged
from ledger.invoice.state import OPEN
from tests.ledger.histories import Ledger, payment_id, sent
from tests.ledger.independent import Terms

TERMS = Terms(
    total=50_000,
    issued_on=date(2024, 3, 1),
    due_on=date(2024, 3, 8),
    late_fee=Fraction(2, 100),
    rate=Fraction(1, 100),
    weekends=False,
)
CHARGED_BACK_ON = date(2024, 4, 1)


def paid_in_time() -> Ledger:
    ledger = Ledger(sent(TERMS))
    ledger.pay(1, 50_000, date(2024, 3, 5), date(2024, 3, 5))
    return ledger


def charge_back(ledger: Ledger, on: date, today: date) -> None:
    ledger.post(settling.charge_back(ledger.invoice, payment_id(1), on, today).new)


def effective(ledger: Ledger, kind: type) -> list[date]:
    return [on for event, on in ledger.events if isinstance(event, kind)]


def test_a_payment_in_time_that_is_charged_back_makes_the_debt_late_the_day_after() -> None:
    ledger = paid_in_time()
    charge_back(ledger, CHARGED_BACK_ON, date(2024, 4, 10))
    assert ledger.invoice.status == "overdue"
    assert effective(ledger, BecameOverdue) == [date(2024, 4, 2)]
    assert effective(ledger, LateFeeCharged) == [date(2024, 4, 2)]
    # Nine days of 1% a month on 500.00: the days in which the money was there bear none.
    assert ledger.invoice.open == Split(late_fee=1_000, mora=150, principal=50_000)


def test_the_clock_finds_it_the_day_after_when_it_is_charged_back_today() -> None:
    ledger = paid_in_time()
    charge_back(ledger, CHARGED_BACK_ON, CHARGED_BACK_ON)
    assert ledger.invoice.status == "sent"
    ledger.run_clock(date(2024, 4, 2))
    assert ledger.invoice.status == "overdue"
    assert ledger.invoice.open == Split(late_fee=1_000, mora=17, principal=50_000)


def test_what_is_disputed_whole_is_late_once_the_dispute_is_over() -> None:
    ledger = Ledger(sent(TERMS))
    day = date(2024, 3, 4)
    ledger.post(holding.dispute(ledger.invoice, None, True, "never ordered", day).new)
    for ordinal in range(day.toordinal(), date(2024, 3, 20).toordinal()):
        ledger.run_clock(date.fromordinal(ordinal))
    assert ledger.invoice.status in OPEN
    assert ledger.invoice.open == Split(principal=50_000)
    ledger.post(holding.resolve(ledger.invoice, "accepted", "", date(2024, 3, 20)).new)
    ledger.run_clock(date(2024, 3, 21))
    assert effective(ledger, BecameOverdue) == [date(2024, 3, 21)]
    assert ledger.invoice.open == Split(late_fee=1_000, mora=17, principal=50_000)


def test_a_rejected_dispute_was_never_there() -> None:
    ledger = Ledger(sent(TERMS))
    ledger.post(holding.dispute(ledger.invoice, None, True, "never ordered", date(2024, 3, 4)).new)
    ledger.post(holding.resolve(ledger.invoice, "rejected", "", date(2024, 3, 20)).new)
    assert effective(ledger, BecameOverdue) == [date(2024, 3, 9)]
    assert ledger.invoice.open == Split(late_fee=1_000, mora=200, principal=50_000)
