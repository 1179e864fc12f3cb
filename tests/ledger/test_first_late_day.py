"""The first late day: that of the terms, or a later one when principal was not open then and is open again."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

from ledger.invoice.events import BecameOverdue, ChargeChange, LateFeeCharged, Recalculated
from ledger.invoice.state import OPEN
from ledger.waterfall import Split
from tests.ledger.histories import Ledger, assert_sound, sent
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


def effective(ledger: Ledger, kind: type) -> list[date]:
    return [on for event, on in ledger.events if isinstance(event, kind)]


def test_a_payment_in_time_that_is_charged_back_makes_the_debt_late_the_day_after() -> None:
    ledger = paid_in_time()
    ledger.charge_back(1, CHARGED_BACK_ON, date(2024, 4, 10))
    assert ledger.invoice.status == "overdue"
    assert effective(ledger, BecameOverdue) == [date(2024, 4, 2)]
    assert effective(ledger, LateFeeCharged) == [date(2024, 4, 2)]
    # Nine days of 1% a month on 500.00: the days in which the money was there bear none.
    assert ledger.invoice.open == Split(late_fee=1_000, mora=150, principal=50_000)


def test_the_clock_finds_it_the_day_after_when_it_is_charged_back_today() -> None:
    ledger = paid_in_time()
    ledger.charge_back(1, CHARGED_BACK_ON, CHARGED_BACK_ON)
    assert ledger.invoice.status == "sent"
    ledger.run_clock(date(2024, 4, 2))
    assert ledger.invoice.status == "overdue"
    assert ledger.invoice.open == Split(late_fee=1_000, mora=17, principal=50_000)


def test_what_is_disputed_whole_is_late_once_the_dispute_is_over() -> None:
    ledger = Ledger(sent(TERMS))
    day = date(2024, 3, 4)
    ledger.dispute(None, day, day)
    for ordinal in range(day.toordinal(), date(2024, 3, 20).toordinal()):
        ledger.run_clock(date.fromordinal(ordinal))
    assert ledger.invoice.status in OPEN
    assert ledger.invoice.open == Split(principal=50_000)
    ledger.resolve("accepted", date(2024, 3, 20), date(2024, 3, 20))
    ledger.run_clock(date(2024, 3, 21))
    assert effective(ledger, BecameOverdue) == [date(2024, 3, 21)]
    assert ledger.invoice.open == Split(late_fee=1_000, mora=17, principal=50_000)


def test_a_rejected_dispute_was_never_there() -> None:
    ledger = Ledger(sent(TERMS))
    ledger.dispute(None, date(2024, 3, 4), date(2024, 3, 4))
    ledger.resolve("rejected", date(2024, 3, 20), date(2024, 3, 20))
    (recalculated,) = (event for event, _ in ledger.events if isinstance(event, Recalculated))
    assert recalculated.late_fee == (ChargeChange(date(2024, 3, 9), 1_000),)
    assert ledger.invoice.overdue_on == date(2024, 3, 9)
    assert ledger.invoice.open == Split(late_fee=1_000, mora=200, principal=50_000)
    assert_sound(ledger)


def test_the_fee_counts_on_the_day_it_was_charged_whatever_is_disputed_later() -> None:
    """Of the value first asked for, a dispute of a later day takes nothing off the fee."""
    ledger = Ledger(sent(replace(TERMS, base="original")))
    ledger.run_clock(date(2024, 3, 9))
    ledger.dispute(20_000, date(2024, 3, 10), date(2024, 3, 10))
    ledger.pay(1, 100, date(2024, 3, 9), date(2024, 3, 15))
    assert ledger.invoice.charged.late_fee == 1_000
    assert_sound(ledger)
