"""Write-offs in part, and money that arrives after them."""

import pytest

from ledger.event_registry import New
from ledger.invoice import adjusting
from ledger.invoice.adjusting import OverWrittenOff
from ledger.invoice.events import PaymentReceived, WrittenOff
from ledger.waterfall import Split
from tests.ledger.histories import Ledger, assert_sound, payment_id
from tests.ledger.test_invoice_charges import BRAZIL, through
from tests.ledger.test_invoice_late_facts import day, run


def written_off() -> Ledger:
    """Of 511.67 on the tenth late day 300.00 are written off: the fee, the interest and 288.33 of principal."""
    ledger = through(BRAZIL, day(10))
    ledger.write_off(day(10), 30_000)
    return ledger


def recovered() -> Ledger:
    """300.00 on the 20th pay what is open, and recover 87.63."""
    ledger = written_off()
    run(ledger, 11, 20)
    ledger.pay(1, 30_000, day(20), day(20))
    return ledger


def test_gives_up_so_much_in_the_policys_order_and_the_rest_bears_interest() -> None:
    ledger = written_off()
    gave_up = Split(late_fee=1_000, mora=167, principal=28_833)
    assert ledger.events[-1] == New(WrittenOff("hopeless", gave_up), day(10))
    assert ledger.invoice.status == "overdue"
    run(ledger, 11, 20)
    # 500.00 for ten days and 211.67 for ten: 1.6667 and 0.7056
    assert ledger.invoice.open == Split(mora=70, principal=21_167)
    assert_sound(ledger)


def test_money_pays_what_is_open_first_and_recovers_the_rest() -> None:
    ledger = recovered()
    paid = Split(mora=70, principal=21_167)
    back = Split(late_fee=1_000, mora=167, principal=7_596)
    assert ledger.events[-1] == New(PaymentReceived(payment_id(1), paid, 30_000, back), day(20))
    assert ledger.invoice.status == "written_off"
    assert ledger.invoice.written_off == Split(principal=28_833 - 7_596)
    assert_sound(ledger)


def test_a_charge_back_takes_the_recovery_back_first() -> None:
    ledger = recovered()
    ledger.charge_back(1, day(25), day(25), 8_000)
    # of 10.00, 1.67 and 75.96 that were recovered, 80.00: the principal first, then interest, then 2.37 of the fee
    assert ledger.invoice.written_off == Split(late_fee=237, mora=167, principal=28_833)
    assert ledger.invoice.open == Split()
    ledger.charge_back(1, day(25), day(25), 1_000)
    assert ledger.invoice.written_off == Split(late_fee=1_000, mora=167, principal=28_833)
    assert ledger.invoice.open == Split(principal=237)
    assert ledger.invoice.status == "overdue"
    assert_sound(ledger)


def test_a_reversal_reverses_what_was_recovered_last() -> None:
    ledger = recovered()
    ledger.reverse(1, day(25), 8_763)
    assert ledger.invoice.written_off == Split(late_fee=1_000, mora=167, principal=28_833)
    assert ledger.invoice.open == Split()
    assert ledger.invoice.status == "written_off"
    assert_sound(ledger)


def test_all_of_it_recovered_is_paid_and_the_rest_is_credit() -> None:
    ledger = recovered()
    assert ledger.pay(2, 40_000, day(30), day(30)) == 28_833 - 7_596
    assert ledger.invoice.status == "paid"
    assert ledger.invoice.forgiven_of == {}
    assert_sound(ledger)


def test_recoveries_of_two_payments_are_told_apart() -> None:
    ledger = through(BRAZIL, day(10))
    ledger.write_off(day(10))
    ledger.pay(1, 10_000, day(20), day(20))
    ledger.pay(2, 5_000, day(21), day(21))
    ledger.charge_back(1, day(25), day(25))
    # whoever recovered it, principal is written off again before the charges
    assert ledger.invoice.paid == Split(late_fee=1_000, mora=167, principal=3_833)
    assert ledger.taken == {payment_id(2): 5_000}
    assert_sound(ledger)


def test_a_second_one_gives_up_what_is_left() -> None:
    ledger = written_off()
    ledger.write_off(day(10))
    assert ledger.invoice.status == "written_off"
    assert ledger.invoice.written_off == Split(late_fee=1_000, mora=167, principal=50_000)
    assert_sound(ledger)


@pytest.mark.parametrize("amount", [0, -1, 51_168])
def test_is_of_no_more_than_is_open(amount: int) -> None:
    invoice = through(BRAZIL, day(10)).invoice
    with pytest.raises(OverWrittenOff, match=r"511\.67 is open") as refused:
        adjusting.write_off(invoice, amount, day(10), day(10), "hopeless")
    assert refused.value.field == "amount"
