"""Disputes, promises and holds: given, when, then."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ledger.event_registry import New
from ledger.invoice import accrual, adjusting, holding
from ledger.invoice.events import (
    Disputed,
    DisputeResolved,
    Held,
    PromiseBroken,
    Promised,
    PromiseKept,
    Recalculated,
    Released,
)
from ledger.invoice.holding import (
    AlreadyDisputed,
    AlreadyHeld,
    HoldOver,
    NotDisputed,
    NotHeld,
    OverDisputed,
    OverPromised,
    PromiseTooLate,
)
from ledger.invoice.preconditions import NotOpen
from ledger.streams import invoice_facts
from ledger.waterfall import Split
from tests.ledger.histories import Ledger, assert_sound, payment_id, sent
from tests.ledger.test_invoice_charges import BRAZIL, through
from tests.ledger.test_invoice_late_facts import day


def run(ledger: Ledger, first: int, last: int) -> None:
    for n in range(first, last + 1):
        ledger.run_clock(day(n))


def dispute(ledger: Ledger, amount: int | None, on: date, holds: bool = True) -> None:
    ledger.dispute(amount, on, on, holds)


def resolve(ledger: Ledger, outcome: Any, on: date) -> None:
    ledger.resolve(outcome, on, on)


class TestDispute:
    def test_holds_interest_on_its_part_from_the_next_day(self) -> None:
        ledger = through(BRAZIL, day(10))
        dispute(ledger, 20_000, day(10))
        assert ledger.events[-1] == New(Disputed(20_000, "never ordered", True), day(10))
        run(ledger, 11, 20)
        assert ledger.invoice.charged.mora == 267  # 500.00 and 300.00, ten days each
        assert_sound(ledger)

    def test_holds_its_part_of_interest_on_the_value_first_asked_for(self) -> None:
        ledger = through(replace(BRAZIL, base="original"), day(10))
        dispute(ledger, 20_000, day(10))
        run(ledger, 11, 20)
        assert ledger.invoice.charged.mora == 267  # 500.00 and 300.00, ten days each
        assert_sound(ledger)
        ledger.pay(1, 1000 + 267 + 24_000, day(20), day(20))
        run(ledger, 21, 30)
        assert ledger.invoice.open.principal == 26_000
        assert (
            ledger.invoice.charged.mora == 267 + 38
        )  # 60 of the open 260.00 bear: 60/260 of 500.00
        assert_sound(ledger)
        resolve(ledger, "rejected", day(30))
        assert ledger.invoice.charged.mora == 500  # 500.00, thirty days
        assert_sound(ledger)

    def test_of_nearly_all_bears_nearly_nothing(self) -> None:
        ledger = through(replace(BRAZIL, base="original"), day(0))
        dispute(ledger, 49_999, day(0))
        run(ledger, 1, 20)
        assert ledger.invoice.charged == Split(principal=50_000)
        assert_sound(ledger)

    def test_that_holds_nothing_changes_no_interest(self) -> None:
        ledger = through(BRAZIL, day(10))
        dispute(ledger, None, day(10), holds=False)
        run(ledger, 11, 20)
        assert ledger.invoice.charged.mora == 333
        assert_sound(ledger)

    def test_accepted_never_charges_what_was_held_and_ends(self) -> None:
        ledger = through(BRAZIL, day(10))
        dispute(ledger, 20_000, day(10))
        run(ledger, 11, 20)
        resolve(ledger, "accepted", day(20))
        assert ledger.events[-1] == New(DisputeResolved("accepted", "looked into"), day(20))
        assert ledger.invoice.dispute is None
        run(ledger, 21, 30)
        assert ledger.invoice.charged.mora == 433  # and ten days of 500.00 again
        assert_sound(ledger)

    def test_rejected_charges_what_was_held_after_all(self) -> None:
        ledger = through(BRAZIL, day(10))
        dispute(ledger, 20_000, day(10))
        run(ledger, 11, 20)
        resolve(ledger, "rejected", day(20))
        recalculated, on = ledger.events[-1]
        assert isinstance(recalculated, Recalculated)
        assert (recalculated.mora_minor, recalculated.because) == (66, "dispute rejected")
        assert on == day(11)  # the first day that it changes
        assert ledger.invoice.charged.mora == 333
        assert_sound(ledger)

    def test_before_the_first_late_day_holds_its_part_of_the_fee(self) -> None:
        for outcome, fee in (("accepted", 600), ("rejected", 1_000)):
            ledger = Ledger(sent(BRAZIL))
            dispute(ledger, 20_000, BRAZIL.issued_on)
            run(ledger, 1, 5)
            assert ledger.invoice.charged.late_fee == 600
            resolve(ledger, outcome, day(5))
            assert ledger.invoice.charged.late_fee == fee
            assert_sound(ledger)

    def test_a_second_one_after_the_first_holds_its_own_days(self) -> None:
        ledger = through(BRAZIL, day(10))
        for first, last in ((10, 15), (20, 25)):
            dispute(ledger, 50_000, day(first))
            run(ledger, first, last)
            resolve(ledger, "accepted", day(last))
            run(ledger, last, last + 5)
        assert ledger.invoice.charged.mora == 333  # 20 of 30 days
        assert_sound(ledger)

    def test_rejected_reopens_an_invoice_that_was_paid_meanwhile(self) -> None:
        ledger = through(BRAZIL, day(10))
        dispute(ledger, None, day(10))
        run(ledger, 11, 20)
        assert ledger.pay(1, 51_167, day(20), day(20)) == 51_167
        assert ledger.invoice.status == "paid"
        resolve(ledger, "rejected", day(30))
        assert ledger.invoice.status == "overdue"
        # 3.33 were owed on the 20th, so 1.66 of principal were not paid and bear 0.006 a day
        assert ledger.invoice.paid == Split(late_fee=1_000, mora=333, principal=49_834)
        assert ledger.invoice.open == Split(mora=1, principal=166)
        assert_sound(ledger)

    def test_accepted_lets_a_debt_be_late_that_it_had_hidden(self) -> None:
        """Paid in time and charged back while all of it was disputed: it is late once the dispute is over."""
        ledger = through(BRAZIL, day(1))
        dispute(ledger, None, day(1))
        ledger.pay(1, 50_000, day(0), day(1))
        ledger.charge_back(1, day(1), day(1))
        assert ledger.invoice.charged.late_fee == 0
        resolve(ledger, "accepted", day(1))
        run(ledger, 2, 3)
        assert ledger.invoice.charged == Split(late_fee=1_000, mora=33, principal=50_000)
        assert_sound(ledger)

    @pytest.mark.parametrize("how", ["void", "cancelled", "written_off", "renegotiated"])
    def test_rejected_charges_nothing_more_on_a_debt_given_up_meanwhile(self, how: str) -> None:
        ledger = through(BRAZIL, day(10))
        dispute(ledger, 20_000, day(10))
        run(ledger, 11, 20)
        give_up = {
            "void": lambda: adjusting.void(ledger.invoice, day(20), "a slip"),
            "cancelled": lambda: adjusting.cancel(ledger.invoice, day(20), "hopeless"),
            "written_off": lambda: adjusting.write_off(
                ledger.invoice, None, day(20), day(20), "hopeless"
            ),
            "renegotiated": lambda: adjusting.renegotiate(
                ledger.invoice, payment_id(0), day(20), "hopeless"
            ),
        }
        ledger.post(give_up[how]().new)
        resolve(ledger, "rejected", day(30))
        assert ledger.invoice.status == how
        assert ledger.invoice.open == Split()
        assert_sound(ledger)

    def test_voiding_a_begun_month_leaves_nothing_to_charge(self) -> None:
        ledger = through(BRAZIL, date(2024, 4, 10), "month_end")
        ledger.post(adjusting.void(ledger.invoice, date(2024, 4, 10), "a slip").new)
        assert ledger.invoice.forgiven.mora == 550
        assert_sound(ledger)

    def test_is_of_principal_that_is_open_and_one_at_a_time(self) -> None:
        ledger = through(BRAZIL, day(10))
        for amount in (50_001, 0):
            with pytest.raises(OverDisputed):
                holding.dispute(ledger.invoice, amount, True, "why", day(10), day(10))
        with pytest.raises(NotDisputed):
            holding.resolve(ledger.invoice, "accepted", "", day(10), day(10))
        dispute(ledger, None, day(10))
        with pytest.raises(AlreadyDisputed):
            holding.dispute(ledger.invoice, 1, True, "why", day(10), day(10))
        ledger.write_off(day(10))
        with pytest.raises(NotOpen):
            holding.dispute(ledger.invoice, 1, True, "why", day(10), day(10))


def promise(ledger: Ledger, amount: int | None, promised_on: date, on: date) -> None:
    ledger.post(holding.promise(ledger.invoice, amount, promised_on, "by phone", on, on).new)


def outcome(ledger: Ledger) -> list[New]:
    return [new for new in ledger.events if isinstance(new.event, PromiseKept | PromiseBroken)]


def wake(ledger: Ledger, n: int) -> None:
    ledger.post(accrual.due_on_waking(ledger.invoice, day(n)))


class TestPromise:
    def test_is_kept_by_what_was_paid_by_its_day(self) -> None:
        ledger = through(BRAZIL, day(1))
        promise(ledger, 20_000, day(5), day(1))
        assert ledger.events[-1] == New(Promised(20_000, day(5), "by phone"), day(1))
        ledger.pay(1, 5_000, day(3), day(3))
        ledger.pay(2, 15_000, day(5), day(5))
        wake(ledger, 5)
        assert outcome(ledger) == []
        wake(ledger, 6)
        assert outcome(ledger) == [New(PromiseKept(20_000), day(6))]
        wake(ledger, 7)
        assert len(outcome(ledger)) == 1
        assert ledger.invoice.promise is not None
        assert ledger.invoice.promise.kept is True

    def test_is_broken_by_a_cent(self) -> None:
        ledger = through(BRAZIL, day(1))
        promise(ledger, 20_000, day(5), day(1))
        ledger.pay(1, 19_999, day(5), day(5))
        wake(ledger, 6)
        assert outcome(ledger) == [New(PromiseBroken(19_999), day(6))]

    def test_is_not_kept_by_what_was_paid_on_the_days_before_it(self) -> None:
        ledger = through(BRAZIL, day(1))
        ledger.pay(1, 10_000, day(1), day(1))
        promise(ledger, 10_000, day(5), day(2))
        wake(ledger, 6)
        assert outcome(ledger) == [New(PromiseBroken(0), day(6))]

    @pytest.mark.parametrize("promised_first", [True, False])
    def test_is_kept_by_what_was_paid_on_its_own_day_whichever_was_typed_first(
        self, promised_first: bool
    ) -> None:
        ledger = through(BRAZIL, day(1))
        if promised_first:
            promise(ledger, 10_000, day(1), day(1))
        ledger.pay(1, 10_000, day(1), day(1))
        if not promised_first:
            promise(ledger, 10_000, day(1), day(1))
        wake(ledger, 2)
        assert outcome(ledger) == [New(PromiseKept(10_000), day(2))]

    def test_that_is_typed_after_a_later_one_changes_nothing(self) -> None:
        ledger = through(BRAZIL, day(4))
        promise(ledger, 20_000, day(9), day(3))
        ledger.post(holding.promise(ledger.invoice, 10_000, day(3), "by mail", day(2), day(4)).new)
        assert ledger.invoice.promise is not None
        assert ledger.invoice.promise.promised_on == day(9)
        assert outcome(ledger) == []

    def test_of_which_a_part_was_charged_back_by_its_day_is_broken(self) -> None:
        ledger = through(BRAZIL, day(1))
        promise(ledger, 20_000, day(5), day(1))
        ledger.pay(1, 25_000, day(3), day(3))
        ledger.charge_back(1, day(4), day(4), 6_000)
        wake(ledger, 6)
        assert outcome(ledger) == [New(PromiseBroken(19_000), day(6))]

    def test_is_broken_by_a_payment_that_comes_a_day_late_though_the_clock_never_ran(self) -> None:
        ledger = through(BRAZIL, day(1))
        promise(ledger, None, day(5), day(1))
        ledger.pay(1, 99_999, day(6), day(6))
        assert outcome(ledger) == [New(PromiseBroken(0), day(6))]
        assert ledger.invoice.status == "paid"

    def test_is_broken_by_a_payment_that_was_charged_back_by_its_day(self) -> None:
        ledger = through(BRAZIL, day(1))
        promise(ledger, 20_000, day(5), day(1))
        ledger.pay(1, 20_000, day(3), day(3))
        ledger.charge_back(1, day(4), day(4))
        wake(ledger, 6)
        assert outcome(ledger) == [New(PromiseBroken(0), day(6))]

    def test_is_kept_after_all_by_a_payment_that_is_recorded_late(self) -> None:
        """Whether the clock has run in between makes no difference."""
        for ran in (True, False):
            ledger = through(BRAZIL, day(1))
            promise(ledger, 20_000, day(5), day(1))
            if ran:
                wake(ledger, 6)
                assert outcome(ledger) == [New(PromiseBroken(0), day(6))]
            ledger.pay(1, 20_000, day(4), day(8))
            wake(ledger, 9)
            assert outcome(ledger)[-1] == New(PromiseKept(20_000), day(6))
            assert ledger.invoice.promise is not None
            assert ledger.invoice.promise.kept is True

    def test_is_broken_after_all_when_its_payment_is_reversed(self) -> None:
        for ran in (True, False):
            ledger = through(BRAZIL, day(1))
            promise(ledger, 20_000, day(5), day(1))
            ledger.pay(1, 20_000, day(4), day(4))
            if ran:
                wake(ledger, 6)
            ledger.reverse(1, day(8))
            kept, broken = outcome(ledger)
            assert kept == New(PromiseKept(20_000), day(6))
            assert broken == New(PromiseBroken(0), day(6))

    def test_stays_kept_when_its_payment_is_charged_back_after_its_day(self) -> None:
        ledger = through(BRAZIL, day(1))
        promise(ledger, 20_000, day(5), day(1))
        ledger.pay(1, 20_000, day(4), day(4))
        ledger.charge_back(1, day(8), day(8))
        assert outcome(ledger) == [New(PromiseKept(20_000), day(6))]

    def test_of_what_is_not_owed_any_more_is_kept(self) -> None:
        ledger = through(BRAZIL, day(1))
        promise(ledger, None, day(5), day(1))
        ledger.post(adjusting.cancel(ledger.invoice, day(3), "our slip").new)
        wake(ledger, 6)
        assert outcome(ledger) == [New(PromiseKept(0), day(6))]

    def test_of_what_was_written_off_is_broken(self) -> None:
        ledger = through(BRAZIL, day(1))
        promise(ledger, None, day(5), day(1))
        ledger.write_off(day(3))
        wake(ledger, 6)
        assert outcome(ledger) == [New(PromiseBroken(0), day(6))]

    def test_a_new_one_takes_the_place_of_the_last(self) -> None:
        ledger = through(BRAZIL, day(1))
        promise(ledger, 20_000, day(5), day(1))
        promise(ledger, 10_000, day(9), day(2))
        assert invoice_facts(ledger.invoice).wakes_on == day(10)
        wake(ledger, 9)
        assert outcome(ledger) == []
        wake(ledger, 10)
        assert outcome(ledger) == [New(PromiseBroken(0), day(10))]
        assert invoice_facts(ledger.invoice).wakes_on is None

    def test_is_for_today_or_a_day_within_a_year_and_what_is_open(self) -> None:
        ledger = through(BRAZIL, day(1))
        for promised_on in (day(0), day(368)):
            with pytest.raises(PromiseTooLate):
                holding.promise(ledger.invoice, 1, promised_on, "", day(1), day(1))
        for amount in (0, 51_018):
            with pytest.raises(OverPromised):
                holding.promise(ledger.invoice, amount, day(2), "", day(1), day(1))
        assert holding.promise(ledger.invoice, 51_017, day(367), "", day(1), day(1)).new
        ledger.write_off(day(1))
        with pytest.raises(NotOpen):
            holding.promise(ledger.invoice, 1, day(2), "", day(1), day(1))


class TestHold:
    def test_lasts_until_its_day(self) -> None:
        ledger = through(BRAZIL, day(1))
        ledger.post(holding.hold(ledger.invoice, day(5), "in court", day(1)).new)
        assert ledger.events[-1] == New(Held("in court", day(5)), day(1))
        assert [holding.is_held(ledger.invoice, day(n)) for n in (1, 5, 6)] == [True, True, False]
        with pytest.raises(AlreadyHeld):
            holding.hold(ledger.invoice, None, "again", day(5))
        with pytest.raises(NotHeld):
            holding.release(ledger.invoice, "", day(6))
        assert holding.hold(ledger.invoice, None, "again", day(6)).new

    def test_or_until_it_is_released(self) -> None:
        ledger = through(BRAZIL, day(1))
        ledger.post(holding.hold(ledger.invoice, None, "in court", day(1)).new)
        assert holding.is_held(ledger.invoice, day(1_000))
        ledger.post(holding.release(ledger.invoice, "settled", day(9)).new)
        assert ledger.events[-1] == New(Released("settled"), day(9))
        assert ledger.invoice.hold is None

    def test_keeps_no_interest_back(self) -> None:
        ledger = through(BRAZIL, day(1))
        ledger.post(holding.hold(ledger.invoice, None, "in court", day(1)).new)
        run(ledger, 2, 10)
        assert ledger.invoice.charged.mora == 167

    def test_ends_today_at_the_earliest_and_is_of_what_is_open(self) -> None:
        ledger = through(BRAZIL, day(1))
        with pytest.raises(HoldOver):
            holding.hold(ledger.invoice, day(0), "in court", day(1))
        ledger.write_off(day(1))
        with pytest.raises(NotOpen):
            holding.hold(ledger.invoice, None, "in court", day(1))
