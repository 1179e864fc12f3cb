"""Facts that become known after their day: worked examples of ADR 0020, 500.00 at 2% once and 1% a month."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import permutations

import pytest

from ledger.invoice.events import (
    ChargeChange,
    Covered,
    InterestChange,
    LateFeeCharged,
    Recalculated,
    Reimputed,
)
from ledger.waterfall import Split
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


def recalculations(ledger: Ledger) -> list[Recalculated]:
    assert_sound(ledger)
    return [event for event, _ in ledger.events if isinstance(event, Recalculated)]


def posted_on(n: int) -> int:
    """What the n-th late day posts on 500.00: a third of 0.50."""
    return 16 if n % 3 == 2 else 17


WHOLE = Terms(
    total=10_000_000,
    issued_on=date(2026, 8, 1),
    due_on=date(2026, 8, 31),
    late_fee=Fraction(2, 100),
    rate=Fraction(1, 100),
)
"""100,000.00 due on 2026-08-31 under 2% once and 1% a month."""
A = (1, 2_000_000, date(2026, 9, 10))
B = (2, 3_000_000, date(2026, 10, 20))
A_AGAIN = (3, *A[1:])
TODAY = date(2026, 11, 25)

# A meets the fee of 2,000.00 and 333.33 for 10 days, so 17,666.67 of principal; B meets 1,097.78 for 40 days on
# 82,333.33, so 28,902.22; then 53,431.11 bears 641.17 in 36 days.
BOTH = (200_000, 143_111 + 64_117, 5_407_228)
# B meets the fee and 1,666.67 for 50 days, so 26,333.33; then 73,666.67 bears 884.00.
B_ALONE = (200_000, 166_667 + 88_400, 7_455_067)


class TestOrderOfTyping:
    """Two clerks who type the same facts in different order see the same debt."""

    @pytest.mark.parametrize("typed_on", [TODAY, None], ids=["on one day", "each on its own"])
    @pytest.mark.parametrize("clock", [True, False], ids=["clock ran", "clock never ran"])
    @pytest.mark.parametrize(
        ("tell", "owed"),
        [
            ([A, B], BOTH),
            ([B, A], BOTH),
            ([A, B, "reverse A", A_AGAIN], BOTH),
            ([B, A, "reverse A", A_AGAIN], BOTH),
            ([A, B, "reverse A"], B_ALONE),
            ([B], B_ALONE),
        ],
        ids=["A, B", "B, A", "A, B, -A, A", "B, A, -A, A", "A, B, -A", "B"],
    )
    def test_leaves_no_trace(
        self,
        tell: list[tuple[int, int, date] | str],
        owed: tuple[int, int, int],
        clock: bool,
        typed_on: date | None,
    ) -> None:
        ledger = Ledger(sent(WHOLE))
        next_day = WHOLE.issued_on
        known_on = WHOLE.issued_on
        for fact in tell:
            on = fact[2] if isinstance(fact, tuple) else TODAY
            known_on = typed_on or max(known_on, on)
            while clock and next_day <= known_on:
                ledger.run_clock(next_day)
                next_day += DAY
            if isinstance(fact, tuple):
                ledger.pay(*fact, known_on)
            else:
                ledger.reverse(A[0], known_on)
        ledger.bring_up_to_date(TODAY)
        late_fee, mora, open_minor = owed
        assert (ledger.invoice.charged.late_fee, ledger.invoice.charged.mora) == (late_fee, mora)
        assert ledger.invoice.open.total == open_minor
        assert status(ledger) == "overdue"
        assert_sound(ledger)

    def test_of_three_payments_and_what_is_adjusted(self) -> None:
        """Each of the six orders; a fee, a waiver and a write-off among them have days of their own."""
        payments = ((1, 9_000, day(12)), (2, 7_000, day(4)), (3, 15_000, DUE - DAY))
        ends = []
        for order in permutations(payments):
            ledger = Ledger(sent(BRAZIL))
            ledger.charge_fee(700, day(3), day(20))
            ledger.waive("late_fee", day(20), 300, day(5))
            ledger.write_off(day(20), 2_000, day(10))
            for number, amount, on in order:
                ledger.pay(number, amount, on, day(20))
            ledger.bring_up_to_date(day(30))
            assert_sound(ledger)
            ends.append((ledger.invoice.charged, ledger.invoice.paid, ledger.invoice.forgiven_of))
        assert ends == ends[:1] * 6
        # 350.00 were late: a fee of 7.00. The payment of the 4th day meets the visit, the late fee, 0.47 of interest
        # and 55.53 of principal, so nothing of the late fee is left to waive. The write-off says 7.00, 7.00, 1.67 and
        # 4.33: only 0.59 of interest for 6 days on 294.47, and the principal, are open. The payment of the 12th day
        # meets 0.19 and 89.81; 200.33 bear 1.20 in 18 days.
        charged, paid, forgiven_of = ends[0]
        assert charged == Split(700, 700, 245, 50_000)
        assert paid == Split(700, 700, 47 + 19, 15_000 + 5_553 + 8_981)
        assert forgiven_of == {"written_off": Split(mora=59, principal=433)}


class TestPaymentRecordedLate:
    def test_in_full_it_reverses_the_interest_of_the_days_after_its_date(self) -> None:
        ledger = through(BRAZIL, day(30))
        assert ledger.invoice.charged.mora == 500
        assert ledger.pay(1, 99_999, day(10), day(30)) == 50_000 + 1_000 + 167
        assert status(ledger) == "paid"
        less = tuple(-posted_on(n) for n in range(11, 31))
        assert sum(less) == -333
        assert recalculations(ledger) == [
            Recalculated(
                because=f"payment {payment_id(1)}",
                through=day(30),
                overdue_on=day(1),
                settled_on=day(10),
                mora=(InterestChange(day(11), less),),
            )
        ]
        assert ledger.events[-1].effective_on == day(11)
        assert ledger.events[-2].effective_on == day(10)

    def test_in_part_it_covers_interest_only_as_owed_on_its_own_date(self) -> None:
        ledger = through(BRAZIL, day(30))
        ledger.pay(1, 20_000, day(10), day(30))
        (one,) = ledger.invoice.imputations
        assert one.covered.paid == Split(late_fee=1_000, mora=167, principal=18_833)
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
        assert recalculated.late_fee == (ChargeChange(day(1), -1_000),)
        assert ledger.events[-1].effective_on == day(1)
        assert ledger.invoice.overdue_on is None

    def test_dated_before_the_issue_it_counts_from_the_issue_date(self) -> None:
        ledger = through(BRAZIL, day(5))
        ledger.pay(1, 20_000, date(1999, 1, 1), day(5))
        (one,) = ledger.invoice.imputations
        assert (one.on, one.covered.paid) == (BRAZIL.issued_on, Split(principal=20_000))
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


class TestEarlierPayment:
    """Paid on the 20th day, then a payment of the 10th day becomes known: the later one is applied again."""

    def known_late(self, first: int, second: int, terms: Terms = BRAZIL) -> Ledger:
        ledger = through(terms, day(20))
        ledger.pay(1, first, day(20), day(20))
        run(ledger, 21, 25)
        ledger.pay(2, second, day(10), day(25))
        return ledger

    def test_meets_what_was_owed_first_and_the_later_one_meets_what_is_left(self) -> None:
        ledger = self.known_late(11_333, 20_000)
        first, second = ledger.invoice.imputations
        assert second.covered.paid == Split(late_fee=1_000, mora=167, principal=18_833)
        # 500.00 for 10 days and 311.67 for 10 days: 2.71 by the 20th, of which 1.67 are paid
        assert first.covered.paid == Split(mora=104, principal=11_229)
        (recalculated,) = recalculations(ledger)
        assert recalculated.imputations == (
            Reimputed(
                fact=0,
                kind="payment",
                source_id=payment_id(1),
                on=day(20),
                before=Covered(Split(late_fee=1_000, mora=333, principal=10_000)),
                after=Covered(Split(mora=104, principal=11_229)),
            ),
        )
        # and 199.38 for 5 days: 3.04 in all
        assert ledger.invoice.paid == Split(late_fee=1_000, mora=271, principal=30_062)
        assert ledger.invoice.open == Split(mora=33, principal=19_938)

    def test_and_a_payment_of_a_later_day_leaves_them_alone(self) -> None:
        ledger = self.known_late(11_333, 20_000)
        before = recalculations(ledger)
        ledger.pay(3, 5_000, day(40), day(40))
        assert recalculations(ledger) == before

    def test_in_full_makes_the_later_one_credit(self) -> None:
        ledger = self.known_late(11_333, 90_000)
        assert ledger.taken == {payment_id(2): 51_167}
        assert ledger.invoice.charged.mora == 167
        assert status(ledger) == "paid"
        assert_sound(ledger)

    def test_reversed_gives_the_later_one_its_place_again(self) -> None:
        ledger = self.known_late(11_333, 90_000)
        ledger.reverse(2, day(26))
        assert ledger.taken == {payment_id(1): 11_333}
        assert ledger.invoice.paid == Split(late_fee=1_000, mora=333, principal=10_000)
        untouched = through(BRAZIL, day(20))
        untouched.pay(1, 11_333, day(20), day(20))
        run(untouched, 21, 26)
        assert ledger.invoice.open == untouched.invoice.open
        assert_sound(ledger)

    def test_stays_where_it_is_when_the_later_one_is_reversed(self) -> None:
        ledger = self.known_late(11_333, 20_000)
        ledger.reverse(1, day(26))
        assert ledger.invoice.paid == Split(late_fee=1_000, mora=167, principal=18_833)
        # 500.00 for 10 days, 311.67 for 16 days: 3.33, of which 1.67 are paid
        assert ledger.invoice.open == Split(mora=166, principal=31_167)
        assert_sound(ledger)

    def test_within_the_payable_window_lowers_the_fee_too(self) -> None:
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

    def test_an_earlier_payment_in_full_leaves_nothing_for_the_later_one(self) -> None:
        ledger = through(self.terms, day(20))
        ledger.pay(1, 50_000, day(20), day(20))
        assert ledger.invoice.open == Split(late_fee=1_000, mora=333)
        assert ledger.pay(2, 90_000, day(10), day(25)) == 51_167
        assert status(ledger) == "paid"
        assert ledger.taken == {payment_id(2): 51_167}
        assert_sound(ledger)

    def test_an_extended_due_date_gives_the_fee_back_as_credit(self) -> None:
        ledger = through(self.terms, day(20))
        ledger.pay(1, 51_100, day(20), day(20))
        assert ledger.invoice.open == Split(mora=233)
        ledger.extend(day(60), day(21))
        assert status(ledger) == "paid"
        assert ledger.taken == {payment_id(1): 50_000}
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
        assert ledger.events[-1].effective_on == day(11)

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
        (recalculated,) = recalculations(ledger)
        assert recalculated.late_fee == (ChargeChange(day(1), 1_000),)
        assert recalculated.overdue_on == ledger.invoice.overdue_on == day(1)

    def test_of_one_of_two_payments_of_a_day_gives_the_other_its_place(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 11_167, day(10), day(10))
        ledger.pay(2, 20_000, day(10), day(10))
        assert ledger.invoice.open == Split(principal=20_000)
        ledger.reverse(1, day(10))
        # the other meets the charges now, as if it had been alone
        assert ledger.invoice.open == Split(principal=31_167)
        other = ledger.invoice.imputations[1].covered.paid
        assert other == Split(late_fee=1_000, mora=167, principal=18_833)
        assert_sound(ledger)

    def test_of_a_payment_on_a_cancelled_invoice_reopens_it(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 21_167, day(10), day(10))
        ledger.cancel(day(11))
        assert status(ledger) == "cancelled"
        assert ledger.invoice.forgiven == Split(mora=10, principal=30_000)
        ledger.reverse(1, day(40))
        assert status(ledger) == "overdue"
        # what was forgiven stays given up: 500.00 for 11 days, 200.00 for 29, less the 0.10
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
        assert status(ledger) == "cancelled"  # that came last, and nothing was paid after it
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

    def test_reverses_a_fee_under_a_policy_without_interest(self) -> None:
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
        (recalculated,) = recalculations(ledger)
        assert recalculated.late_fee == (ChargeChange(day(1), -1_000), ChargeChange(day(5), 1_000))
        assert ledger.invoice.overdue_on == day(5)

    def test_is_late_no_more_where_what_was_paid_on_the_charges_pays_it_in_time(self) -> None:
        """Paid in full with fee and interest; by the new due date all of it was principal, paid in time."""
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 50_000, day(10), day(10))
        assert ledger.invoice.open == Split(principal=1_167)
        ledger.extend(day(11), day(40))
        assert status(ledger) == "paid"
        assert ledger.invoice.overdue_on is None
        assert ledger.invoice.charged == Split(principal=50_000)
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
        assert [(move.on, move.principal_minor) for move in ledger.invoice.movements] == [
            (day(10), -11_167)
        ]
        assert_sound(ledger)

    @pytest.mark.parametrize("earlier_first", [True, False])
    def test_the_last_move_by_its_day_counts_whichever_was_typed_first(
        self, earlier_first: bool
    ) -> None:
        moves: list[Callable[[Ledger], None]] = [
            lambda ledger: ledger.extend(day(5), day(10), day(2)),
            lambda ledger: ledger.extend(day(8), day(10), day(4)),
        ]
        ledger = through(BRAZIL, day(10))
        for move in moves if earlier_first else reversed(moves):
            move(ledger)
        assert ledger.invoice.due_on == day(8)
        assert ledger.invoice.charged == Split(late_fee=1_000, mora=33, principal=50_000)
        assert_sound(ledger)
