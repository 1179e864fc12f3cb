"""The late fee: its cap and its base. 500.00 at 2% once and 1% a month."""

from dataclasses import replace
from fractions import Fraction

import pytest

from ledger.waterfall import Split
from tests.ledger.histories import Ledger, assert_sound, sent
from tests.ledger.test_invoice_charges import BRAZIL, through
from tests.ledger.test_invoice_late_facts import DUE, day, run


class TestCap:
    @pytest.mark.parametrize(
        ("total", "cap", "expected"),
        [
            (10_000, Fraction(2, 100), 200),  # the minimum of 40.00 is over the cap
            (199_999, Fraction(2, 100), 3_999),  # 39.9998, rounded down
            (200_000, Fraction(2, 100), 4_000),
            (300_000, Fraction(2, 100), 6_000),
            (300_000, Fraction(1, 100), 3_000),
        ],
    )
    def test_is_a_part_of_the_total_rounded_down(
        self, total: int, cap: Fraction, expected: int
    ) -> None:
        terms = replace(BRAZIL, total=total, minimum=4_000, cap=cap)
        ledger = through(terms, day(1))
        assert ledger.invoice.charged.late_fee == expected
        assert_sound(ledger)

    def test_counts_on_the_total_whatever_is_open(self) -> None:
        terms = replace(BRAZIL, late_fee=Fraction(10, 100), cap=Fraction(2, 100))
        ledger = Ledger(sent(terms))
        ledger.pay(1, 45_000, DUE, DUE)
        ledger.run_clock(day(1))
        assert ledger.invoice.charged.late_fee == 500  # 10% of 50.00, less than 2% of 500.00
        ledger.reverse(1, day(1))
        assert ledger.invoice.charged.late_fee == 1_000
        assert_sound(ledger)


ORIGINAL = replace(BRAZIL, base="original")


class TestOriginalBase:
    """The value first asked for, less the credit notes that take effect by the due date."""

    def test_is_less_by_a_credit_note_of_the_due_date(self) -> None:
        ledger = Ledger(sent(ORIGINAL))
        ledger.credit_note(1, 20_000, DUE, DUE)
        ledger.pay(1, 10_000, DUE, DUE)
        run(ledger, 1, 30)
        # 2% and 1% of 300.00, though 200.00 are open
        assert ledger.invoice.charged == Split(late_fee=600, mora=300, principal=50_000)
        assert ledger.invoice.open.principal == 20_000
        assert_sound(ledger)

    def test_is_not_by_one_of_a_later_day(self) -> None:
        ledger = through(ORIGINAL, day(1))
        ledger.credit_note(1, 20_000, day(1), day(1))
        run(ledger, 2, 30)
        assert ledger.invoice.charged == Split(late_fee=1_000, mora=500, principal=50_000)
        assert_sound(ledger)

    def test_is_less_by_one_that_is_recorded_late(self) -> None:
        ledger = through(ORIGINAL, day(30))
        ledger.credit_note(1, 20_000, DUE, day(30))
        assert ledger.invoice.charged == Split(late_fee=600, mora=300, principal=50_000)
        assert_sound(ledger)

    def test_is_less_by_what_comes_before_a_due_date_that_is_moved(self) -> None:
        ledger = through(ORIGINAL, day(1))
        ledger.credit_note(1, 20_000, day(1), day(1))
        ledger.extend(day(5), day(2))
        run(ledger, 3, 35)
        assert ledger.invoice.charged == Split(late_fee=600, mora=300, principal=50_000)
        assert_sound(ledger)

    def test_outstanding_one_counts_what_is_open_all_the_same(self) -> None:
        ledger = Ledger(sent(BRAZIL))
        ledger.credit_note(1, 20_000, DUE, DUE)
        run(ledger, 1, 30)
        assert ledger.invoice.charged == Split(late_fee=600, mora=300, principal=50_000)
        assert_sound(ledger)
