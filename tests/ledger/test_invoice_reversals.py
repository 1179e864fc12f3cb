"""Payments reversed in part: reversals, charge-backs, reallocations. 500.00 at 2% once and 1% a month."""

from dataclasses import replace

import pytest

from ledger.event_registry import New
from ledger.invoice import settling
from ledger.invoice.events import PaymentChargedBack, PaymentReallocated, PaymentReversed
from ledger.invoice.settling import NotItsPayment
from ledger.waterfall import Split
from tests.ledger.histories import DAY, Ledger, assert_sound, payment_id, sent
from tests.ledger.independent import Terms
from tests.ledger.test_invoice_charges import BRAZIL, through
from tests.ledger.test_invoice_late_facts import DUE, day, run

P1 = payment_id(1)


def paid(amount: int = 31_167, terms: Terms = BRAZIL) -> Ledger:
    """Paid on the tenth late day: by default the fee of 10.00, interest of 1.67, and 300.00 of principal."""
    ledger = through(terms, day(10))
    ledger.pay(1, amount, day(10), day(10))
    return ledger


class TestPartialReversal:
    def test_lowers_the_offer_from_the_payments_own_day(self) -> None:
        ledger = paid()
        run(ledger, 11, 20)
        ledger.reverse(1, day(20), 10_000)
        event = PaymentReversed(P1, 0, 10_000, Split(principal=10_000))
        assert New(event, day(10)) in ledger.events
        (one,) = ledger.invoice.imputations
        assert (one.asked_minor, one.covered.paid.total) == (21_167, 21_167)
        # 500.00 for ten days and 300.00 for ten
        assert ledger.invoice.open == Split(mora=100, principal=30_000)
        assert_sound(ledger)

    def test_of_nearly_all_leaves_what_comes_first_in_the_policys_order(self) -> None:
        ledger = paid()
        run(ledger, 11, 20)
        ledger.reverse(1, day(20), 30_500)
        assert ledger.invoice.paid == Split(late_fee=667)
        assert ledger.invoice.open == Split(late_fee=333, mora=333, principal=50_000)
        assert_sound(ledger)

    def test_takes_what_was_left_over_as_credit_first(self) -> None:
        ledger = paid(60_000)
        assert ledger.taken == {P1: 51_167}
        ledger.reverse(1, day(12), 8_833)
        assert ledger.taken == {P1: 51_167}
        assert ledger.invoice.status == "paid"
        ledger.reverse(1, day(12), 1)
        assert ledger.taken == {P1: 51_166}
        assert ledger.invoice.open == Split(principal=1)
        assert_sound(ledger)

    def test_of_two_offers_takes_the_last_first(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 5_000, day(5), day(10))
        ledger.apply_credit(P1, 4_000, day(10))
        ledger.reverse(1, day(12), 5_000)
        offers = [one.asked_minor for one in ledger.invoice.imputations]
        assert offers == [4_000, 0]
        assert_sound(ledger)

    @pytest.mark.parametrize("amount", [0, -1, 31_168])
    def test_of_more_than_is_offered_is_refused(self, amount: int) -> None:
        ledger = paid()
        with pytest.raises(NotItsPayment):
            settling.reverse(ledger.invoice, P1, amount, day(10))

    def test_in_parts_comes_to_the_same_as_the_whole(self) -> None:
        ledger, whole = paid(), paid()
        for amount in (1, 20_000, 11_166):
            ledger.reverse(1, day(20), amount)
            assert_sound(ledger)
        whole.reverse(1, day(20))
        for one in (ledger, whole):
            one.bring_up_to_date(day(20))
        assert ledger.invoice.imputations == whole.invoice.imputations
        assert ledger.invoice.open == whole.invoice.open
        assert ledger.invoice.movements == ()


class TestReallocation:
    def test_leaves_no_trace_of_what_goes_elsewhere(self) -> None:
        ledger = paid()
        new = settling.reallocate(ledger.invoice, P1, 10_000, day(12), ledger.room).new
        ledger.post(new, day(12))
        ledger.offers[P1] -= 10_000
        event = PaymentReallocated(P1, 0, 10_000, Split(principal=10_000))
        assert New(event, day(10)) in ledger.events
        reversed_ = paid()
        reversed_.reverse(1, day(12), 10_000)
        assert ledger.invoice == reversed_.invoice
        assert_sound(ledger)

    def test_of_more_has_its_payments_own_place(self) -> None:
        """It comes before a payment of a later day, as if it had been offered so much at first."""
        ledger, at_once = paid(21_167), paid(31_167)
        for one in (ledger, at_once):
            one.pay(2, 25_000, day(12), day(12))
        new = settling.reallocate(ledger.invoice, P1, -10_000, day(15), ledger.room).new
        ledger.post(new, day(15))
        ledger.offers[P1] += 10_000
        for one in (ledger, at_once):
            one.bring_up_to_date(day(15))
        assert ledger.invoice.imputations == at_once.invoice.imputations
        assert ledger.invoice.open == at_once.invoice.open
        assert ledger.taken == {P1: 31_167, payment_id(2): 20_000 + 13}
        assert ledger.invoice.status == "paid"
        assert_sound(ledger)


class TestPartialChargeBack:
    def test_opens_the_last_component_of_the_order_first(self) -> None:
        ledger = paid()
        run(ledger, 11, 20)
        ledger.charge_back(1, day(20), day(20), 10_000)
        event = PaymentChargedBack(P1, 10_000, Split(principal=10_000))
        assert ledger.events[-1] == New(event, day(20))
        ledger.charge_back(1, day(20), day(20), 20_500)
        event = PaymentChargedBack(P1, 20_500, Split(late_fee=333, mora=167, principal=20_000))
        assert ledger.events[-1] == New(event, day(20))
        # 500.00 for ten days and 200.00 for ten: 2.33; until the charge-back the money was there
        assert ledger.invoice.open == Split(late_fee=333, mora=233, principal=50_000)
        assert ledger.invoice.paid == Split(late_fee=667)
        assert_sound(ledger)

    def test_opens_charges_first_where_the_policy_pays_them_last(self) -> None:
        terms = replace(BRAZIL, order=("principal", "mora", "late_fee", "other_fees"))
        ledger = paid(51_167, terms)
        ledger.charge_back(1, day(20), day(20), 1_100)
        assert ledger.invoice.open == Split(late_fee=1_000, mora=100)
        assert_sound(ledger)

    def test_opens_what_another_payment_has_paid_before_an_earlier_component(self) -> None:
        ledger = through(BRAZIL, day(5))
        ledger.pay(1, 10_000, day(5), day(5))
        assert ledger.invoice.paid == Split(late_fee=1_000, mora=83, principal=8_917)
        run(ledger, 6, 10)
        # 410.83 for five days: 1.52 in all
        ledger.pay(2, 5_000, day(10), day(10))
        assert ledger.invoice.paid == Split(late_fee=1_000, mora=152, principal=8_917 + 4_931)
        run(ledger, 11, 12)
        ledger.charge_back(1, day(12), day(12))
        assert ledger.invoice.paid == Split(late_fee=1_000, mora=152, principal=3_848)
        # 361.52 for two days: 1.76 in all
        assert ledger.invoice.open == Split(mora=24, principal=46_152)
        assert_sound(ledger)

    def test_takes_what_was_left_over_as_credit_first(self) -> None:
        ledger = paid(60_000)
        ledger.charge_back(1, day(20), day(20), 5_000)
        assert ledger.events[-1] == New(PaymentChargedBack(P1, 5_000), day(20))
        assert ledger.invoice.status == "paid"
        ledger.charge_back(1, day(20), day(20), 5_000)
        assert ledger.invoice.open == Split(principal=1_167)
        assert ledger.taken == {P1: 50_000}
        assert_sound(ledger)

    def test_on_the_payments_own_day_comes_to_the_same_as_a_reversal(self) -> None:
        ledger, reversed_ = paid(), paid()
        ledger.charge_back(1, day(10), day(12), 4_000)
        reversed_.reverse(1, day(12), 4_000)
        for one in (ledger, reversed_):
            one.bring_up_to_date(day(20))
        assert ledger.invoice.open == reversed_.invoice.open == Split(mora=80, principal=24_000)
        assert_sound(ledger)

    def test_recorded_late_gives_later_payments_their_place(self) -> None:
        ledger = paid(51_167)
        run(ledger, 11, 30)
        assert ledger.pay(2, 700, day(25), day(30)) == 0
        ledger.charge_back(1, day(20), day(30), 10_000)
        # 1.667 by the tenth day; 100.00 open again after the 20th bear 0.167 by the 25th, when 7.00 arrive; then 93.16
        # bear 0.155 in five days
        second = ledger.invoice.imputations[1].covered.paid
        assert second == Split(mora=183 - 167, principal=684)
        assert ledger.invoice.open == Split(mora=199 - 183, principal=9_316)
        assert_sound(ledger)

    def test_of_a_payment_it_took_nothing_of_is_refused(self) -> None:
        ledger = through(BRAZIL, day(10))
        with pytest.raises(NotItsPayment):
            settling.charge_back(ledger.invoice, payment_id(9), 1, day(10), day(10))


class TestWholeChargeBack:
    def test_leaves_the_days_the_money_was_there_without_interest(self) -> None:
        ledger = paid(51_167)
        ledger.charge_back(1, day(20), day(30))
        assert ledger.invoice.open == Split(late_fee=1_000, mora=333, principal=50_000)
        payment, back = ledger.invoice.imputations
        assert back.covered.paid == -payment.covered.paid
        assert_sound(ledger)

    def test_leaves_a_payment_of_an_earlier_day_that_is_recorded_late_its_own(self) -> None:
        ledger = through(BRAZIL, day(20))
        ledger.pay(1, 11_333, day(20), day(20))
        ledger.pay(2, 20_000, day(10), day(25))
        ledger.charge_back(1, day(25), day(25))
        # the one of the tenth pays 10.00, 1.67 and 188.33, the other 1.04 and 112.29; then 113.33 of principal open
        assert ledger.invoice.paid == Split(late_fee=1_000, mora=271, principal=30_062 - 11_333)
        assert_sound(ledger)

    def test_before_credit_from_it_was_applied_leaves_that_nothing(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.apply_credit(P1, 21_167, day(10))
        ledger.value_on[1] = day(1)
        ledger.charge_back(1, day(5), day(12))
        assert [one.covered.paid for one in ledger.invoice.imputations] == [Split(), Split()]
        assert ledger.taken == {}
        assert_sound(ledger)

    def test_before_the_issue_date_leaves_the_payment_nothing(self) -> None:
        """It counts from the issue date, and was gone by then."""
        ledger = Ledger(sent(BRAZIL))
        early = BRAZIL.issued_on - 5 * DAY
        ledger.pay(1, 10_000, early, DUE)
        ledger.charge_back(1, early + DAY, DUE)
        assert ledger.taken == {}
        assert ledger.invoice.open == Split(principal=50_000)
        assert_sound(ledger)

    @pytest.mark.parametrize("how", ["cancel", "write_off"])
    def test_and_giving_up_all_of_it_leaves_nothing_open(self, how: str) -> None:
        ledger = through(BRAZIL, day(1))
        ledger.pay(1, 1_100, day(1), day(1))
        ledger.charge_back(1, day(2), day(2))
        ledger.extend(day(1), day(2))
        getattr(ledger, how)(day(9))
        assert ledger.invoice.open == Split()
        assert_sound(ledger)

    def test_after_a_write_off_opens_what_it_had_paid(self) -> None:
        """Paid as fee and interest; by the new due date it was principal, and as much less was written off."""
        ledger = through(BRAZIL, day(1))
        ledger.pay(1, 1_017, day(1), day(1))
        ledger.extend(day(1), day(2))
        ledger.write_off(day(2))
        # 489.83 late for one day: 9.80 and 0.16
        assert ledger.invoice.forgiven == Split(0, 980, 16, 48_983)
        ledger.charge_back(1, day(3), day(3))
        assert ledger.invoice.paid == Split()
        assert ledger.invoice.open == Split(principal=1_017)
        assert_sound(ledger)
