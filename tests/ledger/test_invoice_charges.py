"""Late fee and interest: the vectors of the field, each with its amounts worked out by hand."""

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from ledger.event_registry import encode
from ledger.invoice import accrual, charges
from ledger.invoice.charges import Stretch
from ledger.invoice.events import BecameOverdue, LateFeeCharged, MoraPosted, Recalculated
from tests.ledger.histories import DAY, Ledger, assert_sound, sent
from tests.ledger.independent import Terms

FRIDAY = date(2024, 3, 8)
SATURDAY = date(2024, 3, 9)
MONDAY = date(2024, 3, 11)
TUESDAY = date(2024, 3, 12)

BRAZIL = Terms(
    total=50_000,
    issued_on=date(2024, 3, 1),
    due_on=FRIDAY,
    late_fee=Fraction(2, 100),
    rate=Fraction(1, 100),
    weekends=False,
)


def through(terms: Terms, day: date, accrual: Any = "daily") -> Ledger:
    """An invoice on these terms with the clock run every day through `day`."""
    ledger = Ledger(sent(terms, accrual))
    today = terms.issued_on
    while today <= day:
        ledger.run_clock(today)
        today += DAY
    return ledger


def postings(ledger: Ledger) -> list[tuple[date, int]]:
    posted = []
    for event, on in ledger.events:
        if isinstance(event, MoraPosted):
            assert event.through == on
            posted.append((on, event.amount_minor))
    return posted


def mora(days: int, **terms: Any) -> int:
    """Interest so many days after the due date."""
    changed = replace(BRAZIL, **terms)
    return through(changed, changed.due_on + days * DAY).invoice.charged.mora


def test_ten_days_of_one_percent_on_500_are_posted_without_drift() -> None:
    ledger = through(BRAZIL, FRIDAY + 10 * DAY)
    days = [FRIDAY + n * DAY for n in range(1, 11)]
    assert postings(ledger) == list(
        zip(days, [17, 16, 17, 17, 16, 17, 17, 16, 17, 17], strict=True)
    )
    assert ledger.invoice.charged.mora == 167
    assert ledger.invoice.mora_through == FRIDAY + 10 * DAY


def test_overdue_and_the_late_fee_come_once_on_the_first_late_day() -> None:
    ledger = through(BRAZIL, FRIDAY + 40 * DAY)
    late_on = FRIDAY + DAY
    assert [on for event, on in ledger.events if isinstance(event, BecameOverdue)] == [late_on]
    fees = [(event, on) for event, on in ledger.events if isinstance(event, LateFeeCharged)]
    assert fees == [(LateFeeCharged(amount_minor=1_000, base_minor=50_000), late_on)]
    assert ledger.invoice.status == "overdue"


def test_nothing_is_charged_on_the_due_date() -> None:
    ledger = through(BRAZIL, FRIDAY)
    assert ledger.invoice.status == "sent"
    assert ledger.invoice.open.total == 50_000
    assert len(ledger.events) == 2


def test_a_zero_posting_is_no_event() -> None:
    small = replace(BRAZIL, total=1_000)  # a third of a cent a day
    ledger = through(small, FRIDAY + 6 * DAY)
    assert postings(ledger) == [(FRIDAY + 2 * DAY, 1), (FRIDAY + 5 * DAY, 1)]


class TestDueOnASaturday:
    terms = replace(BRAZIL, due_on=SATURDAY, weekends=True)

    def test_paid_on_monday_costs_nothing(self) -> None:
        ledger = through(self.terms, MONDAY)
        assert ledger.pay(1, 50_000, MONDAY, MONDAY) == 50_000
        assert ledger.invoice.status == "paid"
        assert ledger.invoice.charged.total == 50_000

    def test_paid_on_tuesday_bears_interest_from_the_due_date(self) -> None:
        ledger = through(self.terms, TUESDAY)
        assert postings(ledger) == [(TUESDAY, 50)]  # Sunday, Monday and Tuesday at once
        assert ledger.invoice.charged.late_fee == 1_000
        assert ledger.pay(1, 51_050, TUESDAY, TUESDAY) == 51_050
        assert ledger.invoice.status == "paid"

    def test_or_from_the_shifted_date_where_the_policy_says_so(self) -> None:
        shifted = replace(self.terms, interest_from="shifted")
        assert postings(through(shifted, TUESDAY)) == [(TUESDAY, 17)]

    def test_a_part_paid_on_monday_bears_none_and_the_rest_does(self) -> None:
        ledger = through(self.terms, MONDAY)
        ledger.pay(1, 20_000, MONDAY, MONDAY)
        ledger.run_clock(TUESDAY)
        assert ledger.invoice.charged.mora == 30  # 300.00 for three days
        assert ledger.invoice.charged.late_fee == 600


class TestGrace:
    terms = replace(BRAZIL, grace_days=5)

    def test_the_last_day_of_grace_is_free(self) -> None:
        ledger = through(self.terms, FRIDAY + 5 * DAY)
        assert ledger.invoice.charged.total == 50_000
        assert ledger.pay(1, 50_000, FRIDAY + 5 * DAY, FRIDAY + 5 * DAY) == 50_000
        assert ledger.invoice.status == "paid"

    def test_then_interest_counts_from_the_due_date(self) -> None:
        ledger = through(self.terms, FRIDAY + 7 * DAY)
        assert postings(ledger) == [(FRIDAY + 6 * DAY, 100), (FRIDAY + 7 * DAY, 17)]

    def test_grace_follows_the_shift_of_the_calendar(self) -> None:
        terms = replace(self.terms, due_on=SATURDAY, weekends=True)
        assert through(terms, MONDAY + 5 * DAY).invoice.status == "sent"
        assert through(terms, MONDAY + 6 * DAY).invoice.charged.mora == 133  # eight days


@pytest.mark.parametrize(
    ("per", "rate", "day_count", "days", "expected"),
    [
        ("month", Fraction(1, 100), "30", 30, 500),
        ("month", Fraction(1, 100), "360", 30, 500),
        ("month", Fraction(1, 100), "365", 365, 6_000),
        ("month", Fraction(1, 100), "actual", 365, 5_987),  # 298/366 and 67/365 of 60.00
        ("year", Fraction(12, 100), "30", 30, 500),
        ("year", Fraction(12, 100), "360", 360, 6_000),
        ("year", Fraction(8, 100), "365", 365, 4_000),
        ("year", Fraction(8, 100), "365", 30, 329),
    ],
)
def test_day_counts(per: str, rate: Fraction, day_count: str, days: int, expected: int) -> None:
    assert mora(days, per=per, rate=rate, day_count=day_count) == expected


def test_actual_days_weigh_as_much_as_their_year_is_long() -> None:
    def over(first_year: int, last: date) -> int:
        terms = replace(
            BRAZIL,
            total=36_500_000,
            issued_on=date(first_year, 12, 1),
            due_on=date(first_year, 12, 31),
            rate=Fraction(10, 100),
            per="year",
            day_count="actual",
        )
        return charges.cumulative_mora(Ledger(sent(terms)).invoice, last)

    assert over(2022, date(2023, 12, 31)) == 3_650_000  # a common year
    assert over(2023, date(2024, 12, 31)) == 3_650_000  # a leap year
    assert over(2023, date(2024, 2, 29)) == 598_361  # 60 of 366 days
    assert over(2022, date(2024, 12, 31)) == 7_300_000  # both
    assert over(2021, date(2026, 12, 31)) == 5 * 3_650_000
    assert over(2099, date(2100, 12, 31)) == 3_650_000  # 2100 is no leap year


@pytest.mark.parametrize(
    ("total", "rounding", "expected"),
    [
        (1_500, "half_even", 0),  # exactly half a cent on the first day
        (4_500, "half_even", 2),  # one and a half
        (1_500, "half_up", 1),
        (1_499, "half_up", 0),
        (5_999, "truncate", 1),
        (6_000, "truncate", 2),
    ],
)
def test_interest_is_rounded_as_the_policy_says(total: int, rounding: str, expected: int) -> None:
    assert mora(1, total=total, rounding=rounding) == expected


@pytest.mark.parametrize(
    ("total", "rounding", "expected"),
    [(25, "half_even", 0), (75, "half_even", 2), (25, "half_up", 1), (99, "truncate", 1)],
)
def test_the_late_fee_is_rounded_as_the_policy_says(
    total: int, rounding: str, expected: int
) -> None:
    terms = replace(BRAZIL, total=total, rounding=rounding)
    assert through(terms, FRIDAY + DAY).invoice.charged.late_fee == expected


@pytest.mark.parametrize(
    ("total", "expected"), [(10_000, 4_000), (200_000, 4_000), (300_000, 6_000)]
)
def test_a_late_fee_has_a_minimum(total: int, expected: int) -> None:
    terms = replace(BRAZIL, total=total, minimum=4_000)
    assert through(terms, FRIDAY + DAY).invoice.charged.late_fee == expected


def test_a_minimum_alone_is_a_late_fee() -> None:
    terms = replace(BRAZIL, late_fee=Fraction(0), rate=Fraction(0), minimum=4_000)
    ledger = through(terms, FRIDAY + 9 * DAY)
    assert ledger.invoice.charged.late_fee == 4_000
    assert ledger.invoice.charged.mora == 0
    assert ledger.invoice.status == "overdue"


class TestBase:
    def test_outstanding_bears_interest_piece_by_piece(self) -> None:
        ledger = through(BRAZIL, FRIDAY + 10 * DAY)
        ledger.pay(1, 1_000 + 167 + 30_000, FRIDAY + 10 * DAY, FRIDAY + 10 * DAY)
        for n in range(11, 21):
            ledger.run_clock(FRIDAY + n * DAY)
        # 500.00 for ten days and 200.00 for ten: 1.6667 + 0.6667, rounded once
        assert ledger.invoice.charged.mora == 233
        assert charges.stretches(ledger.invoice, FRIDAY + 20 * DAY) == [
            Stretch(FRIDAY + DAY, FRIDAY + 10 * DAY, 50_000, 50_000, 0),
            Stretch(FRIDAY + 11 * DAY, FRIDAY + 20 * DAY, 20_000, 20_000, 0),
        ]

    def test_original_bears_interest_on_what_was_first_asked_for_while_any_is_open(self) -> None:
        ledger = through(replace(BRAZIL, base="original"), FRIDAY + 10 * DAY)
        ledger.pay(1, 1_000 + 167 + 49_999, FRIDAY + 10 * DAY, FRIDAY + 10 * DAY)
        for n in range(11, 31):
            ledger.run_clock(FRIDAY + n * DAY)
        assert ledger.invoice.open.principal == 1
        assert ledger.invoice.charged.mora == 500

    def test_a_part_paid_before_the_first_late_day_lowers_an_outstanding_base(self) -> None:
        ledger = through(BRAZIL, FRIDAY)
        ledger.pay(1, 30_000, FRIDAY, FRIDAY)
        ledger.run_clock(FRIDAY + DAY)
        assert ledger.invoice.charged.late_fee == 400

    def test_but_not_an_original_one(self) -> None:
        ledger = through(replace(BRAZIL, base="original"), FRIDAY)
        ledger.pay(1, 30_000, FRIDAY, FRIDAY)
        ledger.run_clock(FRIDAY + DAY)
        assert ledger.invoice.charged.late_fee == 1_000
        assert ledger.invoice.charged.mora == 17


class TestMonthEnd:
    def test_interest_is_posted_on_the_last_day_of_each_month(self) -> None:
        ledger = through(BRAZIL, date(2024, 5, 15), "month_end")
        # 23 days to 31 March, 53 to 30 April, each cumulative and rounded once
        assert postings(ledger) == [(date(2024, 3, 31), 383), (date(2024, 4, 30), 500)]
        assert ledger.invoice.charged.late_fee == 1_000

    def test_a_payment_brings_it_up_to_its_own_day(self) -> None:
        ledger = through(BRAZIL, date(2024, 4, 10), "month_end")
        assert ledger.pay(1, 60_000, date(2024, 4, 10), date(2024, 4, 10)) == 51_550
        assert postings(ledger) == [(date(2024, 3, 31), 383), (date(2024, 4, 10), 167)]
        assert ledger.invoice.status == "paid"

    def test_february_ends_on_the_29th_in_a_leap_year(self) -> None:
        terms = replace(BRAZIL, issued_on=date(2024, 1, 1), due_on=date(2024, 1, 31))
        assert postings(through(terms, date(2024, 3, 1), "month_end")) == [(date(2024, 2, 29), 483)]

    def test_a_charge_back_posts_nothing_whichever_was_typed_first(self) -> None:
        """It asks to cover nothing: what is open again bears its interest at the month's end."""
        tenth, twentieth = date(2024, 4, 10), date(2024, 4, 20)
        for is_last in (True, False):
            ledger = through(BRAZIL, tenth, "month_end")
            ledger.pay(1, 20_000, tenth, tenth)
            if is_last:
                ledger.pay(2, 1_000, date(2024, 4, 15), date(2024, 4, 15))
            ledger.charge_back(1, twentieth, twentieth)
            if not is_last:
                ledger.pay(2, 1_000, date(2024, 4, 15), twentieth)
            # 500.00 for 33 days are 5.50; of 200.00, 184.50 are principal; 315.50 bear 0.53 by the 15th
            assert ledger.invoice.mora_through in (date(2024, 4, 15), twentieth)
            assert ledger.invoice.charged.mora == 550 + 53
            assert_sound(ledger)

    def test_what_is_charged_since_the_months_end_keeps_it_open(self) -> None:
        """Reversed in full to the due date, in the middle of a month: a fee of a later day is open all the same."""
        ledger = through(BRAZIL, FRIDAY, "month_end")
        ledger.charge_fee(700, FRIDAY + 2 * DAY, FRIDAY + 4 * DAY)
        ledger.credit_note(1, 50_000, FRIDAY, FRIDAY + 4 * DAY)
        assert ledger.invoice.status == "sent"
        assert ledger.invoice.open.total == ledger.invoice.open.other_fees == 700
        assert_sound(ledger)


def test_the_day_of_payment_bears_interest_and_the_days_after_do_not() -> None:
    paid_on = FRIDAY + 3 * DAY
    ledger = through(BRAZIL, paid_on)
    assert ledger.pay(1, 99_999, paid_on, paid_on) == 50_000 + 1_000 + 50
    ledger.run_clock(paid_on + DAY)
    assert ledger.invoice.charged.mora == 50
    assert ledger.invoice.open.total == 0


def test_without_a_policy_an_invoice_becomes_overdue_and_costs_nothing_more() -> None:
    terms = replace(BRAZIL, late_fee=Fraction(0), rate=Fraction(0))
    ledger = through(terms, FRIDAY + 30 * DAY)
    assert [event.TAG for event, _ in ledger.events[2:]] == ["invoice.became_overdue.v1"]
    assert ledger.invoice.open.total == 50_000


def test_a_gap_of_a_century_is_one_event_that_tells_its_days_apart() -> None:
    invoice, day = Ledger(sent(BRAZIL, "daily")).invoice, date(2124, 3, 1)
    decision = accrual.bring_up_to_date(invoice, day)
    _, _, missed = (new.event for new in decision.new)
    assert isinstance(missed, Recalculated)
    (run,) = missed.mora
    assert run.first_on + (len(run.minors) - 1) * DAY == day
    assert set(run.minors) == {16, 17}
    assert len(encode(missed)) < 150_000
    assert (
        missed.mora_minor == charges.cumulative_mora(invoice, day) == decision.invoice.charged.mora
    )


@pytest.mark.parametrize(("missed", "events"), [(31, 31), (32, 1)])
def test_missed_days_are_posted_apart_on_their_own_days(missed: int, events: int) -> None:
    ledger = Ledger(sent(BRAZIL))
    ledger.bring_up_to_date(FRIDAY + missed * DAY)
    assert len(ledger.events) == 4 + events
    daily = dict(postings(through(BRAZIL, FRIDAY + missed * DAY)))
    told = dict(postings(ledger))
    for event, _ in ledger.events:
        if isinstance(event, Recalculated):
            told |= {change.on: change.minor for run in event.mora for change in run.by_day()}
    assert told == daily
    assert_sound(ledger)
