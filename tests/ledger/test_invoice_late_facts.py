"""Facts that become known after their day: worked examples of decision 6, 500.00 at 2% once and 1% a month."""

from dataclasses import replace
from datetime import date, timedelta

from ledger.allocation import Split
from ledger.invoice.events import ChargesRecalculated, LateFeeCharged, PrincipalMoved
from tests.ledger.histories import DAY, Ledger, assert_sound, payment_id, sent
from tests.ledger.independent import Terms
from tests.ledger.test_invoice_charges import BRAZIL, through

DUE = BRAZIL.due_on


def day(n: int) -> date:
    """The n-th late day."""
    return DUE + timedelta(days=n)


def run(ledger: Ledger, first: int, last: int) -> None:
    for n in range(first, last + 1):
        ledger.run_clock(day(n))


def status(ledger: Ledger) -> str:
    return ledger.invoice.status


def recalculations(ledger: Ledger) -> list[ChargesRecalculated]:
    assert_sound(ledger)
    return [event for event, _ in ledger.events if isinstance(event, ChargesRecalculated)]


class TestPaymentRecordedLate:
    def test_in_full_it_takes_back_the_interest_of_the_days_after_its_date(self) -> None:
        ledger = through(BRAZIL, day(30))
        assert ledger.invoice.charged.mora == 500
        assert ledger.pay(1, 99_999, day(10), day(30)) == 50_000 + 1_000 + 167
        assert status(ledger) == "paid"
        assert recalculations(ledger) == [
            ChargesRecalculated(
                through=day(30), because=f"payment {payment_id(1)}", mora_minor=-333
            )
        ]
        assert ledger.events[-1].effective_on == day(30)
        assert ledger.events[-2].effective_on == day(10)

    def test_in_part_it_covers_interest_only_as_owed_on_its_own_date(self) -> None:
        ledger = through(BRAZIL, day(30))
        ledger.pay(1, 20_000, day(10), day(30))
        assert ledger.invoice.received[0].split == Split(late_fee=1_000, mora=167, principal=18_833)
        # 500.00 for 10 days and 311.67 for 20: 1.6667 + 2.0778
        assert ledger.invoice.charged.mora == 374
        assert ledger.invoice.open == Split(mora=207, principal=31_167)

    def test_dated_within_the_payable_window_it_takes_the_late_fee_back(self) -> None:
        ledger = through(BRAZIL, day(5))
        assert ledger.pay(1, 60_000, DUE, day(5)) == 50_000
        assert status(ledger) == "paid"
        assert ledger.invoice.charged == Split(principal=50_000)
        (recalculated,) = recalculations(ledger)
        assert (recalculated.late_fee_minor, recalculated.mora_minor) == (-1_000, -83)

    def test_dated_before_the_issue_it_counts_from_the_issue_date(self) -> None:
        ledger = through(BRAZIL, day(5))
        ledger.pay(1, 20_000, date(1999, 1, 1), day(5))
        assert ledger.invoice.received[0].on == BRAZIL.issued_on
        assert ledger.invoice.received[0].split == Split(principal=20_000)
        assert ledger.invoice.charged.late_fee == 600
        assert_sound(ledger)

    def test_on_the_first_late_day_it_bears_fee_and_one_day_whenever_it_is_recorded(self) -> None:
        for recorded in (1, 2, 20):
            ledger = through(BRAZIL, day(recorded))
            assert ledger.pay(1, 99_999, day(1), day(recorded)) == 51_017
            assert status(ledger) == "paid"

    def test_though_the_clock_never_ran_the_amounts_are_the_same(self) -> None:
        ledger = Ledger(sent(BRAZIL))
        assert ledger.pay(1, 99_999, day(10), day(30)) == 50_000 + 1_000 + 167
        assert recalculations(ledger) == []
        assert status(ledger) == "paid"


class TestOverpaidCharges:
    """Paid on the 20th day, then a payment of the 10th day becomes known."""

    def known_late(self, first: int, second: int, terms: Terms = BRAZIL) -> Ledger:
        ledger = through(terms, day(20))
        ledger.pay(1, first, day(20), day(20))
        run(ledger, 21, 25)
        ledger.pay(2, second, day(10), day(25))
        return ledger

    def test_count_as_principal_from_the_day_of_the_payment(self) -> None:
        ledger = self.known_late(11_333, 20_000)
        first, second = ledger.invoice.received
        assert first.split == Split(late_fee=1_000, mora=333, principal=10_000)
        assert second.split == Split(principal=20_000)
        # 500.00 for 10 days and 300.00 for 10 days: 2.67 were owed on the 20th, 3.33 paid
        (recalculated,) = recalculations(ledger)
        assert recalculated.moved == Split(mora=-66, principal=66)
        assert recalculated.moved_on == (PrincipalMoved(day(20), 66),)
        assert recalculated.credit_minor == 0
        assert ledger.invoice.paid == Split(late_fee=1_000, mora=267, principal=30_066)
        assert ledger.invoice.open.principal == 50_000 - 30_066

    def test_and_a_later_payment_leaves_that_day_alone(self) -> None:
        ledger = self.known_late(11_333, 20_000)
        before = recalculations(ledger)
        ledger.pay(3, 5_000, day(40), day(40))
        assert recalculations(ledger) == before
        assert [move.on for move in ledger.invoice.moved] == [day(20)]

    def test_go_to_credit_where_no_principal_is_open(self) -> None:
        ledger = self.known_late(11_333, 90_000)
        assert ledger.taken[2] == 40_000  # the principal; the rest is another credit
        # 500.00 for 10 days and 100.00 for 10 days: 2.00 were owed on the 20th, 3.33 paid
        assert ledger.invoice.charged.mora == 200
        assert ledger.credit_minor == 133
        assert status(ledger) == "paid"
        assert_sound(ledger)

    def test_come_back_when_the_late_payment_is_taken_back(self) -> None:
        ledger = self.known_late(11_333, 90_000)
        ledger.reverse(2, day(26))
        assert ledger.credit_minor == 0
        assert ledger.invoice.paid == Split(late_fee=1_000, mora=333, principal=10_000)
        untouched = through(BRAZIL, day(20))
        untouched.pay(1, 11_333, day(20), day(20))
        run(untouched, 21, 26)
        assert ledger.invoice.open == untouched.invoice.open
        assert_sound(ledger)

    def test_leave_no_trace_when_the_payment_that_overpaid_is_taken_back(self) -> None:
        ledger = self.known_late(11_333, 20_000)
        ledger.reverse(1, day(26))
        assert ledger.invoice.moved == ()
        assert ledger.invoice.paid == Split(principal=20_000)
        # 500.00 for 10 days, 300.00 for 16 days
        assert ledger.invoice.open == Split(late_fee=1_000, mora=327, principal=30_000)
        assert_sound(ledger)

    def test_fee_too_when_the_payment_lay_within_the_payable_window(self) -> None:
        ledger = through(BRAZIL, day(20))
        ledger.pay(1, 11_333, day(20), day(20))
        ledger.pay(2, 20_000, DUE, day(20))
        assert ledger.invoice.charged.late_fee == 600
        assert ledger.invoice.charged.mora == 200
        assert ledger.invoice.paid == Split(late_fee=600, mora=200, principal=30_533)
        assert_sound(ledger)


class TestWithPrincipalFirst:
    """A waterfall that meets principal before interest."""

    terms = replace(BRAZIL, order=("other_fees", "principal", "late_fee", "mora"))

    def test_a_late_payment_covers_what_later_facts_leave_open(self) -> None:
        ledger = through(self.terms, day(20))
        ledger.pay(1, 50_000, day(20), day(20))
        assert ledger.invoice.open == Split(late_fee=1_000, mora=333)
        assert ledger.pay(2, 90_000, day(10), day(25)) == 1_333
        assert status(ledger) == "paid"
        assert ledger.credit_minor == 0
        assert_sound(ledger)

    def test_an_extended_due_date_gives_the_fee_back_as_credit(self) -> None:
        ledger = through(self.terms, day(20))
        ledger.pay(1, 51_100, day(20), day(20))
        assert ledger.invoice.open == Split(mora=233)
        ledger.extend(day(60), day(21))
        assert status(ledger) == "paid"
        assert ledger.credit_minor == 1_100
        assert_sound(ledger)


class TestReversal:
    def test_reopens_a_paid_invoice_with_the_interest_of_the_days_between(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 51_167, day(10), day(10))
        assert status(ledger) == "paid"
        run(ledger, 11, 30)
        ledger.reverse(1, day(30))
        assert status(ledger) == "overdue"
        assert ledger.invoice.open == Split(late_fee=1_000, mora=500, principal=50_000)
        (recalculated,) = recalculations(ledger)
        assert (recalculated.mora_minor, recalculated.through) == (333, day(30))
        assert ledger.events[-2].effective_on == day(10)  # the reversal, on the payment's own date

    def test_before_the_due_date_reopens_as_sent(self) -> None:
        ledger = Ledger(sent(BRAZIL))
        ledger.pay(1, 50_000, DUE - 2 * DAY, DUE - 2 * DAY)
        ledger.reverse(1, DUE - DAY)
        assert status(ledger) == "sent"
        assert recalculations(ledger) == []

    def test_of_a_payment_in_time_makes_it_overdue_with_its_fee(self) -> None:
        ledger = Ledger(sent(BRAZIL))
        ledger.pay(1, 50_000, DUE, DUE)
        run(ledger, 1, 10)
        ledger.reverse(1, day(10))
        assert status(ledger) == "overdue"
        assert ledger.invoice.open == Split(late_fee=1_000, mora=167, principal=50_000)
        fees = [on for event, on in ledger.events if isinstance(event, LateFeeCharged)]
        assert fees == [day(1)]

    def test_of_one_of_two_payments_of_a_day_leaves_the_other(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 11_167, day(10), day(10))
        ledger.pay(2, 20_000, day(10), day(10))
        assert ledger.invoice.open == Split(principal=20_000)
        ledger.reverse(1, day(10))
        assert ledger.invoice.open == Split(late_fee=1_000, mora=167, principal=30_000)
        assert ledger.invoice.received[0].source_id == payment_id(2)
        assert recalculations(ledger) == []

    def test_of_a_payment_on_a_cancelled_invoice_reopens_it(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 21_167, day(10), day(10))
        ledger.cancel(day(10))
        assert status(ledger) == "cancelled"
        assert ledger.invoice.forgiven == Split(principal=30_000)
        ledger.reverse(1, day(40))
        assert status(ledger) == "overdue"
        # what was given up stays given up: 500.00 for 10 days, 200.00 for 30
        assert ledger.invoice.open == Split(late_fee=1_000, mora=367, principal=20_000)
        assert_sound(ledger)

    def test_what_was_given_up_follows_a_charge_that_a_late_fact_lowers(self) -> None:
        order = ("other_fees", "principal", "late_fee", "mora")
        ledger = through(replace(BRAZIL, order=order), day(20))
        ledger.pay(1, 10_000, day(20), day(20))
        run(ledger, 21, 30)
        ledger.cancel(day(30))
        assert ledger.invoice.forgiven == Split(late_fee=1_000, mora=467, principal=40_000)
        ledger.reverse(1, day(30))
        assert ledger.invoice.open == Split(mora=33, principal=10_000)
        ledger.pay(2, 10_000, DUE, day(30))
        # only 400.00 were late: a fee of 8.00, and 4.00 of interest in 30 days
        assert ledger.invoice.forgiven == Split(late_fee=800, mora=400, principal=40_000)
        assert status(ledger) == "paid"
        assert_sound(ledger)


class TestDueDateMoved:
    def test_on_an_overdue_invoice_takes_fee_and_interest_back(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.extend(day(20), day(10))
        assert status(ledger) == "sent"
        assert ledger.invoice.charged == Split(principal=50_000)
        (recalculated,) = recalculations(ledger)
        assert (recalculated.late_fee_minor, recalculated.mora_minor) == (-1_000, -167)
        run(ledger, 11, 20)
        assert ledger.invoice.charged == Split(principal=50_000)
        run(ledger, 21, 21)
        assert ledger.invoice.charged == Split(late_fee=1_000, mora=17, principal=50_000)

    def test_takes_back_a_fee_under_a_policy_without_interest(self) -> None:
        ledger = through(replace(BRAZIL, rate=BRAZIL.rate * 0), day(1))
        assert ledger.invoice.charged.late_fee == 1_000
        ledger.extend(day(20), day(1))
        assert ledger.invoice.charged.late_fee == 0
        assert status(ledger) == "sent"
        assert_sound(ledger)

    def test_to_a_day_already_past_recalculates_from_there(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.extend(day(4), day(10))
        assert status(ledger) == "overdue"
        assert ledger.invoice.charged == Split(late_fee=1_000, mora=100, principal=50_000)
        assert_sound(ledger)

    def test_is_late_no_more_where_what_was_paid_on_the_charges_pays_it_in_time(self) -> None:
        """Paid in full with fee and interest; by the new due date all of it was principal, paid in time."""
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 50_000, day(10), day(10))
        assert ledger.invoice.open == Split(principal=1_167)
        ledger.extend(day(11), day(40))
        assert status(ledger) == "paid"
        assert not ledger.invoice.was_overdue
        assert [e for e, _ in ledger.events if isinstance(e, LateFeeCharged)] == [
            LateFeeCharged(1_000, 50_000)
        ]
        assert_sound(ledger)

    def test_what_was_paid_on_the_charges_becomes_principal_on_the_day_it_was_paid(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 11_167, day(10), day(10))
        ledger.extend(day(20), day(12))
        assert ledger.invoice.paid == Split(principal=11_167)
        assert ledger.invoice.open == Split(principal=38_833)
        assert [(move.on, move.principal_minor) for move in ledger.invoice.moved] == [
            (day(10), 1_167)
        ]
        assert_sound(ledger)
