"""What an agreement took over: its total is fixed; later facts count after it. 500.00 at 2% once and 1% a month."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from ledger.invoice import adjusting, holding
from ledger.invoice.balance import open_on
from ledger.invoice.preconditions import EffectiveTooEarly, TakenOver
from ledger.invoice.settling import counts_from
from ledger.waterfall import Split
from tests.ledger.histories import DAY, Ledger, assert_sound, payment_id, sent
from tests.ledger.test_invoice_charges import BRAZIL, through
from tests.ledger.test_invoice_effective_dates import DATED
from tests.ledger.test_invoice_late_facts import DUE, day, run

ON = day(10)


def taken_over() -> Ledger:
    """100.00 paid on the fifth late day; the other 411.52 taken over on the tenth."""
    ledger = through(BRAZIL, day(5))
    ledger.pay(1, 10_000, day(5), day(5))
    run(ledger, 6, 10)
    ledger.take_over(ON)
    # 10.00, 0.83 and 89.17 were paid; 410.83 bore 0.69 in five days
    assert ledger.invoice.forgiven == Split(mora=152 - 83, principal=41_083)
    assert ledger.invoice.status == "renegotiated"
    return ledger


def reopened() -> Ledger:
    ledger = taken_over()
    ledger.reverse(1, day(20))
    return ledger


def test_a_reversal_leaves_more_open_beside_it() -> None:
    ledger = reopened()
    # the same 411.52, in the policy's order: the fee, 1.67, and 399.85 of principal; 100.15 bear 0.33 in ten days
    assert ledger.invoice.forgiven == Split(late_fee=1_000, mora=167, principal=39_985)
    assert ledger.invoice.open == Split(mora=33, principal=10_015)
    assert ledger.invoice.status == "overdue"
    assert_sound(ledger)


def test_a_charge_back_leaves_more_open_beside_it_from_its_day() -> None:
    ledger = taken_over()
    ledger.charge_back(1, day(15), day(20), 4_000)
    assert ledger.invoice.forgiven == Split(mora=69, principal=41_083)
    # 40.00 for five days: 1.5847 in all, of which 1.52 were posted
    assert ledger.invoice.open == Split(mora=158 - 152, principal=4_000)
    assert_sound(ledger)


def test_a_late_payment_dated_before_it_counts_from_its_day_and_after_it() -> None:
    ledger = taken_over()
    assert counts_from(ledger.invoice) == ON
    assert ledger.pay(2, 5_000, day(3), day(20)) == 0
    assert ledger.invoice.imputations[-1].on == ON
    assert ledger.invoice.status == "renegotiated"
    assert ledger.invoice.forgiven == Split(mora=69, principal=41_083)
    # and covers what a reversal opens
    ledger.reverse(1, day(20))
    assert ledger.taken == {payment_id(2): 5_000}
    # 50.15 for ten days: 1.8338 in all
    assert ledger.invoice.open == Split(mora=183 - 167, principal=5_015)
    assert_sound(ledger)


def test_a_payment_of_its_own_day_comes_after_it() -> None:
    ledger = through(BRAZIL, ON)
    ledger.take_over(ON)
    assert ledger.pay(1, 5_000, ON, ON) == 0
    assert ledger.invoice.status == "renegotiated"
    assert_sound(ledger)


@pytest.mark.parametrize("kind", [kind for kind in DATED if kind != "due date"])
def test_what_is_dated_before_it_is_refused(kind: str) -> None:
    with pytest.raises(EffectiveTooEarly, match="an agreement took over") as refused:
        DATED[kind](reopened(), ON - DAY, day(20))
    assert refused.value.field == "effective_on"


@pytest.mark.parametrize("kind", ["waiver", "fee", "write-off", "dispute", "promise"])
def test_what_is_dated_on_its_day_counts_and_leaves_its_total_alone(kind: str) -> None:
    ledger = reopened()
    DATED[kind](ledger, ON, day(20))
    taken = next(one for one in ledger.invoice.imputations if one.kind == "renegotiated")
    assert taken.covered.forgiven.total == 41_152
    assert_sound(ledger)


Refused = Callable[[Ledger, date], object]


@pytest.mark.parametrize(
    "act",
    [
        lambda ledger, today: adjusting.void(ledger.invoice, today, "a slip"),
        lambda ledger, today: ledger.extend(day(40), today),
        lambda ledger, today: ledger.extend(day(40), today, ON),
    ],
    ids=["void", "move the due date", "move it on an earlier day"],
)
def test_it_is_not_voided_and_its_due_date_not_moved(act: Refused) -> None:
    with pytest.raises(TakenOver, match="an agreement took over"):
        act(reopened(), day(20))


def test_what_is_open_beside_it_can_be_given_up_and_it_is_taken_over_still() -> None:
    ledger = reopened()
    ledger.waive("principal", day(20))
    assert ledger.invoice.status == "overdue"
    ledger.waive("mora", day(20))
    assert ledger.invoice.status == "renegotiated"
    assert_sound(ledger)
    written_off = reopened()
    written_off.write_off(day(20))
    assert written_off.invoice.status == "written_off"
    assert_sound(written_off)


def test_what_is_open_beside_it_can_be_paid_and_then_it_is_paid() -> None:
    ledger = reopened()
    assert ledger.pay(2, 20_000, day(20), day(20)) == 10_015 + 33
    assert ledger.invoice.status == "paid"
    assert_sound(ledger)


def test_a_dispute_that_was_open_holds_on_when_it_is_rejected() -> None:
    ledger = through(BRAZIL, day(5))
    ledger.dispute(20_000, day(5), day(5))
    run(ledger, 6, 10)
    ledger.take_over(ON)
    ledger.post(holding.resolve(ledger.invoice, "rejected", "no", day(20), day(20)).new)
    assert ledger.invoice.status == "renegotiated"
    # 500.00 for five days and 300.00 for five
    assert ledger.invoice.charged.mora == 133
    assert_sound(ledger)


def test_what_opens_again_bears_its_part_of_the_value_first_asked_for() -> None:
    ledger = Ledger(sent(replace(BRAZIL, base="original")))
    ledger.pay(1, 15_000, DUE - DAY, DUE - DAY)
    ledger.take_over(DUE)
    ledger.reverse(1, DUE)
    assert ledger.invoice.open == Split(principal=15_000)
    run(ledger, 1, 30)
    # 150.00 of 500.00: the agreement's instalments bear the rest
    assert (ledger.invoice.charged.late_fee, ledger.invoice.charged.mora) == (300, 150)
    assert_sound(ledger)


def test_what_was_open_before_it_stays_as_it_was() -> None:
    ledger = taken_over()
    assert open_on(ledger.invoice, day(9)) == Split(mora=138 - 83, principal=41_083)
    assert open_on(ledger.invoice, DUE) == Split(principal=50_000)
    assert open_on(ledger.invoice, ON) == Split()
