"""Fees by hand, waivers, credit notes, write-offs and recoveries: given, when, then."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import pytest

from ledger.calendars import Calendar
from ledger.event_registry import New
from ledger.invoice import accrual, adjusting, credit_notes, issuing
from ledger.invoice.adjusting import BelongsToAgreement, NotCreditable, OverWaived
from ledger.invoice.credit_notes import ForgivenOtherwise, OverCredited
from ledger.invoice.events import (
    Credited,
    CreditedLine,
    FeeCharged,
    Instalment,
    PaymentReceived,
    Recalculated,
    Waived,
    WrittenOff,
)
from ledger.invoice.evolve import evolve
from ledger.invoice.preconditions import NotOpen, ReasonMissing
from ledger.money import AmountTooLarge
from ledger.policy import FeePolicy
from ledger.tax import Line, price_lines
from ledger.waterfall import Component, Split
from tests.ledger.histories import CUSTOMER, DAY, Ledger, assert_sound, payment_id, sent
from tests.ledger.test_invoice_charges import BRAZIL, through

DUE = BRAZIL.due_on
NOTE = UUID(int=55)
ONE = (CreditedLine(0, 1, 0),)


def day(n: int) -> date:
    """The n-th late day."""
    return DUE + n * DAY


def credit(ledger: Ledger, lines: Sequence[CreditedLine], on: date) -> Credited:
    new = adjusting.credit(ledger.invoice, NOTE, "CN-1", lines, "returned", on, on).new
    ledger.post(new)
    return next(event for event, _ in new if isinstance(event, Credited))


def grosses_left(ledger: Ledger) -> list[int]:
    return [line.gross_minor for line in credit_notes.left_of(ledger.invoice)]


def fee(ledger: Ledger, amount: int, description: str, on: date) -> list[New]:
    return adjusting.charge_fee(ledger.invoice, amount, description, on, on).new


def of_lines(*lines: Line, currency: str = "BRL") -> Ledger:
    """A sent invoice with these lines, without any charge for being late."""
    priced = price_lines(lines, currency)
    drafted = issuing.draft(CUSTOMER, currency, DUE, lines, priced, "")
    invoice = evolve(None, drafted, BRAZIL.issued_on)
    policy, calendar = FeePolicy(), Calendar("none", "1")
    new = issuing.send(invoice, "INV-1", BRAZIL.issued_on, policy, calendar)
    return Ledger([New(drafted, BRAZIL.issued_on), new])


class TestFee:
    def test_is_other_fees_and_met_first(self) -> None:
        ledger = through(BRAZIL, day(3))
        ledger.post(fee(ledger, 1_500, "returned cheque", day(3)))
        assert ledger.events[-1] == New(FeeCharged(1_500, "returned cheque"), day(3))
        assert ledger.invoice.open == Split(1_500, 1_000, 50, 50_000)
        assert ledger.pay(1, 1_600, day(3), day(3)) == 1_600
        assert ledger.invoice.paid == Split(other_fees=1_500, late_fee=100)
        assert_sound(ledger)

    def test_brings_the_invoice_up_to_date_first(self) -> None:
        ledger = Ledger(sent(BRAZIL))
        ledger.post(fee(ledger, 100, "a visit", day(3)))
        assert ledger.invoice.charged == Split(100, 1_000, 50, 50_000)

    def test_bears_no_interest(self) -> None:
        ledger = Ledger(sent(BRAZIL))
        ledger.post(fee(ledger, 90_000, "a visit", DUE))
        ledger.run_clock(day(1))
        assert ledger.invoice.charged == Split(90_000, 1_000, 17, 50_000)

    @pytest.mark.parametrize("description", ["", " \t"])
    def test_says_what_for(self, description: str) -> None:
        with pytest.raises(ReasonMissing) as refused:
            fee(Ledger(sent(BRAZIL)), 1, description, DUE)
        assert refused.value.field == "description"

    def test_stays_within_what_an_amount_may_be(self) -> None:
        ledger = Ledger(sent(BRAZIL))
        ledger.post(fee(ledger, 10**15 - 1, "a visit", DUE))
        with pytest.raises(AmountTooLarge):
            fee(ledger, 1, "a visit", DUE)

    def test_is_refused_where_nothing_is_open(self) -> None:
        ledger = Ledger(sent(BRAZIL))
        ledger.pay(1, 50_000, DUE, DUE)
        with pytest.raises(NotOpen):
            fee(ledger, 1, "a visit", DUE)


class TestWaiver:
    @pytest.mark.parametrize(
        ("component", "amount", "left"),
        [
            ("late_fee", None, Split(0, 0, 167, 50_000)),
            ("late_fee", 400, Split(0, 600, 167, 50_000)),
            ("mora", None, Split(0, 1_000, 0, 50_000)),
            ("mora", 67, Split(0, 1_000, 100, 50_000)),
            ("principal", 10_000, Split(0, 1_000, 167, 40_000)),
        ],
    )
    def test_gives_up_a_component_or_a_part(
        self, component: Component, amount: int | None, left: Split
    ) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.waive(component, day(10), amount)
        event, on = ledger.events[-1]
        assert isinstance(event, Waived)
        assert on == day(10)
        assert ledger.invoice.open == left
        assert ledger.invoice.forgiven_of == {"waived": event.forgiven}
        assert_sound(ledger)

    def test_of_everything_closes_the_invoice(self) -> None:
        ledger = through(BRAZIL, day(1))
        components: tuple[Component, ...] = ("late_fee", "mora", "principal")
        for component in components:
            ledger.waive(component, day(1))
        assert ledger.invoice.status == "paid"
        assert ledger.invoice.paid == Split()

    @pytest.mark.parametrize(("component", "amount"), [("mora", 168), ("other_fees", None)])
    def test_is_of_no_more_than_is_open(self, component: Component, amount: int | None) -> None:
        invoice = through(BRAZIL, day(10)).invoice
        with pytest.raises(OverWaived):
            adjusting.waive(invoice, component, amount, "kindness", day(10), day(10))

    def test_of_principal_lowers_the_interest_from_the_next_day(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.waive("principal", day(10), 20_000)
        for n in range(11, 21):
            ledger.run_clock(day(n))
        assert ledger.invoice.charged.mora == 267  # 500.00 and 300.00, ten days each
        assert_sound(ledger)

    def test_of_interest_posts_a_begun_month_first(self) -> None:
        ledger = through(BRAZIL, date(2024, 4, 10), "month_end")
        ledger.waive("mora", date(2024, 4, 10))
        assert ledger.invoice.forgiven == Split(mora=550)
        assert ledger.invoice.open.mora == 0
        assert_sound(ledger)

    def test_of_interest_that_a_late_fact_reverses_shrinks_with_it(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.waive("mora", day(10))
        ledger.pay(1, 20_000, DUE, day(12))
        # 300.00 for ten days were a waiver of 1.00 and no more; two more days are open
        assert ledger.invoice.forgiven_of == {"waived": Split(mora=100)}
        assert (
            ledger.invoice.charged.mora == ledger.invoice.forgiven.mora + ledger.invoice.open.mora
        )
        (recalculated,) = [e for e, _ in ledger.events if isinstance(e, Recalculated)]
        (waiver,) = recalculated.imputations
        assert (waiver.kind, waiver.on) == ("waived", day(10))
        assert (waiver.before.forgiven, waiver.after.forgiven) == (Split(mora=167), Split(mora=100))
        assert_sound(ledger)

    def test_needs_a_reason_and_something_open(self) -> None:
        ledger = through(BRAZIL, day(10))
        with pytest.raises(ReasonMissing):
            adjusting.waive(ledger.invoice, "mora", None, " ", day(10), day(10))
        ledger.write_off(day(10))
        with pytest.raises(NotOpen):
            ledger.waive("mora", day(10))


ODD = (
    Line("Work", "3", "33.33", tax_rate="17.5%"),
    Line("Book", "1", "19.99", tax_rate="7%", tax_included=True),
    Line("Discount", "1", "-10.01", tax_rate="17.5%"),
)
"""Odd cents: tax added, tax included, and a discount below zero."""


class TestCreditNote:
    def test_in_full_negates_the_stored_tax_exactly(self) -> None:
        for lines in (ODD, ODD[:1], ODD[1:2], (Line("Yen", "7", "0.0715", tax_rate="23%"),)):
            ledger = of_lines(*lines)
            invoice = ledger.invoice
            event = credit(ledger, credit_notes.all_left(invoice), DUE)
            assert (event.net_minor, event.tax_minor, event.total_minor) == (
                invoice.net_minor,
                invoice.tax_minor,
                invoice.total_minor,
            )
            assert event.forgiven == Split(principal=invoice.total_minor)
            assert event.credit_minor == 0
            assert ledger.invoice.status == "paid"
            assert_sound(ledger)

    @pytest.mark.parametrize("step", [1, 7, 1_000, 3_333])
    def test_in_parts_adds_up_to_the_stored_tax_exactly(self, step: int) -> None:
        ledger = of_lines(*ODD)
        net = tax = 0
        while left := credit_notes.creditable_minor(ledger.invoice):
            part = min(step if step > 1 or net > 300 else left - 1, left)
            event = credit(ledger, credit_notes.by_amount(ledger.invoice, part), DUE)
            assert event.total_minor == part
            assert event.net_minor + event.tax_minor == part
            net, tax = net + event.net_minor, tax + event.tax_minor
        assert (net, tax) == (ledger.invoice.net_minor, ledger.invoice.tax_minor)
        assert grosses_left(ledger) == [0, 0, 0]
        assert_sound(ledger)

    def test_of_a_line_credits_its_net_and_tax(self) -> None:
        ledger = of_lines(*ODD)
        work, book, discount = grosses_left(ledger)
        assert discount < 0
        event = credit(ledger, credit_notes.by_lines(ledger.invoice, {1: book}), DUE)
        assert (event.net_minor, event.tax_minor) == (1_868, 131)
        assert grosses_left(ledger) == [work, 0, discount]

    def test_of_a_discounted_line_with_its_discount(self) -> None:
        ledger = of_lines(*ODD)
        work, _, discount = grosses_left(ledger)
        lines = credit_notes.by_lines(ledger.invoice, {0: None, 2: None})
        event = credit(ledger, lines, DUE)
        assert event.total_minor == work + discount
        assert grosses_left(ledger)[0] == 0

    def test_credits_no_more_than_the_invoice_stands_for(self) -> None:
        ledger = of_lines(*ODD)
        work, book, discount = grosses_left(ledger)
        with pytest.raises(OverCredited):
            credit_notes.by_lines(ledger.invoice, {0: work, 1: book})  # without the discount
        for amount in (0, -1, work + book + discount + 1):
            with pytest.raises(OverCredited):
                credit_notes.by_amount(ledger.invoice, amount)

    def test_beyond_what_is_open_is_the_customers(self) -> None:
        ledger = of_lines(Line("Work", "1", "500.00"))
        ledger.pay(1, 30_000, DUE - DAY, DUE - DAY)
        event = credit(ledger, [CreditedLine(0, 40_000, 0)], DUE)
        assert event.forgiven == Split(principal=20_000)
        assert event.credit_minor == 20_000
        assert ledger.invoice.status == "paid"
        assert_sound(ledger)

    def test_of_a_payments_own_day_comes_after_it_and_gives_back_what_it_paid(self) -> None:
        ledger = of_lines(Line("Work", "1", "500.00"))
        ledger.pay(1, 30_000, DUE, DUE)
        event = credit(ledger, [CreditedLine(0, 40_000, 0)], DUE)
        assert (event.forgiven, event.credit_minor) == (Split(principal=20_000), 20_000)
        assert ledger.taken == {payment_id(1): 30_000}
        assert_sound(ledger)

    def test_of_what_was_paid_pays_the_other_components_first(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 1_167 + 30_000, day(10), day(10))
        ledger.charge_fee(700, day(15), day(15))
        event = credit(ledger, [CreditedLine(0, 45_000, 0)], day(20))
        # 200.00 were open and bore 0.67 in ten days, 2.33 in all; of the rest 7.66 pay the visit and that
        assert event.forgiven == Split(principal=20_000)
        assert event.applied == Split(other_fees=700, mora=233 - 167)
        assert event.credit_minor == 25_000 - 700 - 66
        assert ledger.invoice.status == "paid"
        assert_sound(ledger)

    def test_gives_back_no_principal_that_nobody_paid(self) -> None:
        """Waived principal, or written off, was never paid: a credit note on it would be a present."""
        ledger = of_lines(Line("Work", "1", "500.00"))
        ledger.pay(1, 30_000, DUE, DUE)
        ledger.waive("principal", DUE)
        assert credit_notes.creditable_minor(ledger.invoice) == 30_000
        with pytest.raises(ForgivenOtherwise):
            credit(ledger, [CreditedLine(0, 30_001, 0)], DUE)
        event = credit(ledger, credit_notes.by_amount(ledger.invoice, 30_000), day(1))
        assert event.credit_minor == 30_000
        assert credit_notes.creditable_minor(ledger.invoice) == 0

    def test_lowers_the_interest_from_the_next_day(self) -> None:
        ledger = through(BRAZIL, day(10))
        credit(ledger, [CreditedLine(0, 20_000, 0)], day(10))
        ledger.run_clock(day(11))
        assert ledger.invoice.charged.mora == 177
        assert_sound(ledger)

    def test_is_for_what_was_sent_and_is_open_or_paid(self) -> None:
        draft = Ledger(sent(BRAZIL)[:1]).invoice
        written_off = through(BRAZIL, day(1))
        written_off.write_off(day(1))
        for invoice in (draft, written_off.invoice):
            with pytest.raises(NotCreditable):
                adjusting.credit(invoice, NOTE, "CN-1", ONE, "returned", day(1), day(1))
        with pytest.raises(ReasonMissing):
            adjusting.credit(Ledger(sent(BRAZIL)).invoice, NOTE, "CN-1", ONE, "", day(1), day(1))

    def test_an_instalment_is_not_credited_voided_or_cancelled_by_itself(self) -> None:
        priced = price_lines([Line("Principal", "1", "500.00")], "BRL")
        part = Instalment(UUID(int=9), 1, 50_000, 0)
        lines = (Line("Principal", "1", "500.00"),)
        drafted = issuing.draft(CUSTOMER, "BRL", DUE, lines, priced, "", part)
        invoice = evolve(None, drafted, BRAZIL.issued_on)
        new = issuing.send(invoice, "I-1", BRAZIL.issued_on, FeePolicy(), Calendar("none", "1"))
        invoice = evolve(invoice, *new)
        with pytest.raises(BelongsToAgreement):
            adjusting.credit(invoice, NOTE, "CN-1", ONE, "returned", DUE, DUE)
        for give_up in (adjusting.void, adjusting.cancel):
            with pytest.raises(BelongsToAgreement):
                give_up(invoice, DUE, "hopeless")
        written_off = adjusting.write_off(invoice, None, DUE, DUE, "hopeless").invoice
        assert written_off.status == "written_off"


class TestWriteOff:
    def test_writes_off_all_that_is_open_and_stops_the_interest(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.write_off(day(10))
        event, on = ledger.events[-1]
        assert event == WrittenOff("hopeless", Split(0, 1_000, 167, 50_000))
        assert on == day(10)
        assert ledger.invoice.status == "written_off"
        assert accrual.bring_up_to_date(ledger.invoice, day(90)).new == []
        assert_sound(ledger)

    def test_what_arrives_later_is_a_recovery_in_the_policys_order(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.write_off(day(10))
        assert ledger.pay(1, 21_167, day(30), day(30)) == 21_167
        recovered = Split(0, 1_000, 167, 20_000)
        assert ledger.events[-1] == New(
            PaymentReceived(payment_id(1), Split(), 21_167, recovered), day(30)
        )
        assert ledger.invoice.status == "written_off"
        assert ledger.invoice.written_off == Split(principal=30_000)
        assert ledger.invoice.paid == recovered
        assert ledger.pay(2, 40_000, day(40), day(40)) == 30_000
        assert ledger.invoice.status == "paid"
        assert_sound(ledger)

    def test_a_payment_dated_before_it_was_paid_and_the_rest_is_written_off(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.write_off(day(10))
        ledger.pay(1, 2_000, day(5), day(30))
        # 10.00 and 0.83 for 5 days, so 9.17 of principal; 490.83 bear 0.82 in 5 days
        (gave_up, paid) = ledger.invoice.imputations
        assert (paid.on, paid.covered.paid) == (day(5), Split(0, 1_000, 83, 917))
        assert gave_up.covered.forgiven == Split(mora=82, principal=49_083)
        assert ledger.invoice.status == "written_off"
        assert_sound(ledger)

    @pytest.mark.parametrize("how", ["reversed", "charged back"])
    def test_a_recovery_that_is_reversed_is_written_off_again(self, how: str) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.write_off(day(10))
        ledger.pay(1, 90_000, day(30), day(30))
        assert ledger.invoice.status == "paid"
        if how == "reversed":
            ledger.reverse(1, day(40))
        else:
            ledger.charge_back(1, day(35), day(40))
        assert ledger.invoice.status == "written_off"
        assert ledger.invoice.written_off == Split(0, 1_000, 167, 50_000)
        assert ledger.invoice.open == Split()
        assert_sound(ledger)

    def test_a_payment_reversed_reopens_it_and_the_rest_stays_written_off(self) -> None:
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 21_167, day(10), day(10))
        ledger.write_off(day(20))
        ledger.charge_back(1, day(30), day(30))
        assert ledger.invoice.status == "overdue"
        assert ledger.invoice.open == Split(0, 1_000, 167, 20_000)
        assert ledger.invoice.written_off == Split(mora=100, principal=30_000)
        # 0.67 for ten days of 200.00 are open by then, too; what is left recovers 1.00 and 300.00
        assert ledger.pay(2, 60_000, day(40), day(40)) == 1_000 + 333 + 50_000
        assert ledger.invoice.status == "paid"
        assert_sound(ledger)

    def test_recovers_no_more_than_a_late_fact_left_written_off(self) -> None:
        """A late payment lowers what was charged, and with it what was written off; there is nothing to recover."""
        ledger = through(BRAZIL, day(10))
        ledger.pay(1, 21_167, day(10), day(10))
        ledger.write_off(day(40))
        assert ledger.invoice.written_off == Split(mora=300, principal=30_000)
        ledger.charge_back(1, day(41), day(41))
        assert ledger.pay(2, 99_999, DUE, day(42)) == 50_000
        assert ledger.invoice.status == "paid"
        assert ledger.invoice.forgiven == Split()
        assert ledger.invoice.charged == Split(principal=50_000)
        assert_sound(ledger)
