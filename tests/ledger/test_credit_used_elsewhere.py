"""A fact takes more money than it did only as far as its source has credit left: what was refunded stays refunded."""

import pytest

from ledger.invoice import adjusting, settling
from ledger.invoice.sources import Room
from ledger.invoice.state import given_back_minor
from ledger.waterfall import Split
from tests.ledger.histories import DAY, OWN, Ledger, payment_id, sent
from tests.ledger.test_invoice_charges import BRAZIL, through
from tests.ledger.test_invoice_late_facts import DUE, day

P1, P2 = payment_id(1), payment_id(2)


def overpaid() -> Ledger:
    """600.00 on the tenth late day: the invoice takes 511.67, and 88.33 are credit."""
    ledger = through(BRAZIL, day(10))
    assert ledger.pay(1, 60_000, day(10), day(10)) == 51_167
    return ledger


@pytest.mark.parametrize(("left", "more"), [(8_833, 2_000), (833, 833), (0, 0), (-500, 0)])
def test_a_payment_takes_more_only_of_what_is_left_of_it(left: int, more: int) -> None:
    ledger = overpaid()
    room = Room({P1: left}, OWN)
    new = adjusting.charge_fee(ledger.invoice, 2_000, "a visit", day(5), day(12), room).new
    ledger.post(new, day(12))
    assert ledger.taken == {P1: 51_167 + more}
    # it meets the fee first, and what is short is principal
    assert ledger.invoice.paid.other_fees == 2_000
    assert ledger.invoice.open.principal == 2_000 - more
    assert ledger.invoice.status == ("paid" if more == 2_000 else "overdue")


def test_what_an_earlier_payment_frees_of_it_can_be_taken_again() -> None:
    """Nothing was left of the first; an earlier one takes its place, and what it has free then is its own."""
    ledger = overpaid()
    spent = Room({P1: 0}, OWN)
    new, rest = settling.receive(ledger.invoice, P2, 20_000, day(5), day(12), spent)
    ledger.post(new.new, day(12))
    # 10.00, 0.83 and 189.17 on the fifth; 310.83 bear 0.52 in five days
    assert rest == 0
    assert ledger.taken == {P1: 31_083 + 52, P2: 20_000}
    freed = Room({P1: 51_167 - 31_135}, OWN)
    ledger.post(settling.reverse(ledger.invoice, P2, 20_000, day(13), freed).new, day(13))
    assert ledger.taken == {P1: 51_167}


def test_a_credit_note_credits_only_what_is_left_of_its_own_credit() -> None:
    ledger = Ledger(sent(BRAZIL))
    ledger.pay(1, 50_000, DUE - DAY, DUE - DAY)
    ledger.credit_note(1, 20_000, DUE, DUE)
    assert given_back_minor(ledger.invoice) == 20_000
    room = Room({OWN: 5_000}, OWN)  # 150.00 were refunded
    ledger.post(settling.reverse(ledger.invoice, P1, 50_000, DUE, room).new, DUE)
    note = ledger.invoice.imputations[-1]
    assert note.covered.forgiven == Split(principal=5_000)
    assert given_back_minor(ledger.invoice) == 15_000
    assert ledger.invoice.open == Split(principal=45_000)


def test_a_charge_back_opens_what_the_payment_has_and_no_more() -> None:
    """Of 600.00, 88.33 were refunded: a charge-back of all of it takes 511.67 from the invoice."""
    ledger = overpaid()
    room = Room({P1: 0}, OWN)
    ledger.post(
        settling.charge_back(ledger.invoice, P1, 60_000, day(12), day(12), room).new, day(12)
    )
    assert ledger.taken == {}
    assert ledger.invoice.open == Split(late_fee=1_000, mora=167, principal=50_000)
