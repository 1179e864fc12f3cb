"""The small balance: what a payment leaves open is waived when it is at most this. Here 1.00, of 500.00."""

from dataclasses import replace

import pytest

from ledger.event_registry import New
from ledger.invoice.events import Recalculated, SmallBalanceChange, SmallBalanceWaived
from ledger.invoice.state import SmallBalance
from ledger.waterfall import Split
from tests.ledger.histories import DAY, Ledger, assert_sound, payment_id, sent
from tests.ledger.test_invoice_charges import BRAZIL, through
from tests.ledger.test_invoice_late_facts import DUE, day, run

TERMS = replace(BRAZIL, tolerance=100)


def paid(amount: int) -> Ledger:
    ledger = Ledger(sent(TERMS))
    ledger.pay(1, amount, DUE, DUE)
    return ledger


def recalculation(ledger: Ledger) -> Recalculated:
    (found,) = (event for event, _ in ledger.events if isinstance(event, Recalculated))
    return found


@pytest.mark.parametrize("left", [1, 100])
def test_what_a_payment_leaves_open_is_waived_on_its_day(left: int) -> None:
    ledger = paid(50_000 - left)
    waived = Split(principal=left)
    assert ledger.events[-1] == New(SmallBalanceWaived(waived), DUE)
    assert ledger.invoice.forgiven_of == {"small_balance": waived}
    assert ledger.invoice.status == "paid"
    run(ledger, 1, 5)
    assert ledger.invoice.charged == Split(principal=50_000)
    assert_sound(ledger)


def test_a_cent_more_is_not() -> None:
    ledger = paid(50_000 - 101)
    assert ledger.invoice.open == Split(principal=101)
    assert_sound(ledger)


def test_of_charges_too() -> None:
    ledger = through(TERMS, day(10))
    ledger.pay(1, 51_100, day(10), day(10))
    assert ledger.invoice.small_balances == (SmallBalance(day(10), Split(principal=67)),)
    assert ledger.invoice.status == "paid"
    assert_sound(ledger)


def test_credit_that_is_applied_leaves_one_too() -> None:
    ledger = Ledger(sent(TERMS))
    ledger.apply_credit(payment_id(1), 49_950, DUE)
    assert ledger.invoice.forgiven_of == {"small_balance": Split(principal=50)}
    assert_sound(ledger)


def test_what_is_given_up_leaves_none_and_bears_no_late_fee() -> None:
    ledger = Ledger(sent(TERMS))
    ledger.waive("principal", DUE, 49_900)
    assert ledger.invoice.open == Split(principal=100)
    run(ledger, 1, 30)
    # 1% of 1.00; no fee is charged while no more than the small balance is open
    assert ledger.invoice.charged == Split(mora=1, principal=50_000)
    assert ledger.invoice.status == "overdue"
    assert_sound(ledger)


def test_a_payment_that_only_recovers_leaves_none() -> None:
    ledger = through(TERMS, day(10))
    ledger.write_off(day(10))
    ledger.pay(1, 51_120, day(20), day(20))
    assert ledger.invoice.written_off == Split(principal=47)
    assert ledger.invoice.status == "written_off"
    assert_sound(ledger)


def test_shrinks_when_an_earlier_payment_becomes_known() -> None:
    ledger = paid(49_950)
    ledger.pay(2, 30, DUE - DAY, DUE)
    assert recalculation(ledger).small_balances == (
        SmallBalanceChange(DUE, Split(principal=50), Split(principal=20)),
    )
    assert ledger.invoice.small_balances == (SmallBalance(DUE, Split(principal=20)),)
    assert ledger.taken == {payment_id(1): 49_950, payment_id(2): 30}
    assert_sound(ledger)


@pytest.mark.parametrize(("amount", "left"), [(20, 30), (50, 0), (90, 0)])
def test_comes_after_all_payments_of_its_day(amount: int, left: int) -> None:
    ledger = paid(49_950)
    assert ledger.pay(2, amount, DUE, DUE) == 50 - left
    assert ledger.invoice.forgiven == Split(principal=left)
    assert ledger.invoice.status == "paid"
    assert_sound(ledger)


def test_is_open_again_when_its_payment_is_reversed() -> None:
    ledger = paid(49_950)
    run(ledger, 1, 10)
    ledger.reverse(1, day(10))
    assert ledger.invoice.small_balances == ()
    assert ledger.invoice.open == Split(late_fee=1_000, mora=167, principal=50_000)
    assert_sound(ledger)


def test_stays_waived_when_its_payment_is_charged_back_on_a_later_day() -> None:
    ledger = paid(49_950)
    ledger.charge_back(1, day(10), day(10))
    assert ledger.invoice.open == Split(principal=49_950)
    assert ledger.invoice.small_balances == (SmallBalance(DUE, Split(principal=50)),)
    assert_sound(ledger)


def test_of_a_payment_partly_charged_back_on_its_own_day_is_what_is_left_then() -> None:
    ledger = paid(50_000)
    ledger.charge_back(1, DUE, DUE, 30)
    assert ledger.invoice.small_balances == (SmallBalance(DUE, Split(principal=30)),)
    assert ledger.invoice.status == "paid"
    assert_sound(ledger)


def test_that_a_late_fact_brings_about_has_an_event_of_its_own() -> None:
    ledger = paid(45_000)
    ledger.pay(2, 4_950, DUE - DAY, DUE + 3 * DAY)
    assert ledger.events[-1] == New(SmallBalanceWaived(Split(principal=50)), DUE)
    assert ledger.invoice.status == "paid"
    assert_sound(ledger)
