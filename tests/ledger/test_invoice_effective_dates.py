"""What adjusts a debt may take effect on an earlier day. 500.00 at 2% once and 1% a month, on the tenth late day."""

from collections.abc import Callable
from datetime import date

import pytest

from ledger.event_registry import New
from ledger.invoice import holding
from ledger.invoice.adjusting import OverWaived, OverWrittenOff
from ledger.invoice.events import FeeCharged, Recalculated, Waived
from ledger.invoice.holding import DisputesOverlap, OverDisputed, ResolvedTooEarly
from ledger.invoice.preconditions import EffectiveInFuture, EffectiveTooEarly, NotOpen
from ledger.waterfall import Split
from tests.ledger.histories import DAY, Ledger, assert_sound, payment_id, sent
from tests.ledger.test_invoice_charges import BRAZIL, through
from tests.ledger.test_invoice_late_facts import DUE, day

TODAY = day(10)


def late() -> Ledger:
    return through(BRAZIL, TODAY)


Dated = Callable[[Ledger, date, date], None]

DATED: dict[str, Dated] = {
    "waiver": lambda ledger, on, today: ledger.waive("principal", today, 1_000, on),
    "fee": lambda ledger, on, today: ledger.charge_fee(500, on, today),
    "credit note": lambda ledger, on, today: ledger.credit_note(1, 1_000, on, today),
    "write-off": lambda ledger, on, today: ledger.write_off(today, 1_000, on),
    "dispute": lambda ledger, on, today: ledger.dispute(1_000, on, today),
    "due date": lambda ledger, on, today: ledger.extend(day(3), today, on),
    "promise": lambda ledger, on, today: ledger.post(
        holding.promise(ledger.invoice, 1_000, day(40), "by phone", on, today).new
    ),
}


@pytest.mark.parametrize("kind", DATED)
def test_takes_effect_on_its_day(kind: str) -> None:
    ledger = late()
    DATED[kind](ledger, day(5), TODAY)
    fact = next(
        new
        for new in reversed(ledger.events)
        if not isinstance(new.event, Recalculated) and new.effective_on <= day(5)
    )
    assert fact.effective_on == day(5)
    assert_sound(ledger)


@pytest.mark.parametrize("kind", DATED)
def test_that_has_not_come_is_refused(kind: str) -> None:
    with pytest.raises(EffectiveInFuture) as refused:
        DATED[kind](late(), day(11), TODAY)
    assert refused.value.field == "effective_on"


@pytest.mark.parametrize("kind", DATED)
def test_before_the_issue_date_is_refused(kind: str) -> None:
    DATED[kind](late(), BRAZIL.issued_on, TODAY)
    with pytest.raises(EffectiveTooEarly, match="issue date") as refused:
        DATED[kind](late(), BRAZIL.issued_on - DAY, TODAY)
    assert refused.value.field == "effective_on"


@pytest.mark.parametrize(
    "kind", [kind for kind in DATED if kind not in ("due date", "credit note")]
)
def test_where_nothing_was_open_on_that_day_is_refused(kind: str) -> None:
    ledger = Ledger(sent(BRAZIL))
    ledger.pay(1, 50_000, DUE, DUE)
    with pytest.raises(NotOpen):
        DATED[kind](ledger, day(5), TODAY)


class TestWaiver:
    def test_of_principal_lowers_the_interest_since(self) -> None:
        ledger = late()
        ledger.waive("principal", TODAY, 20_000, day(5))
        # 500.00 for five days and 300.00 for five
        assert ledger.invoice.charged.mora == 133
        (recalculated,) = (e for e, _ in ledger.events if isinstance(e, Recalculated))
        assert recalculated.mora_minor == 133 - 167
        assert recalculated.mora[0].first_on == day(6)
        assert_sound(ledger)

    def test_of_all_of_a_component_is_of_what_was_open_then(self) -> None:
        ledger = late()
        ledger.waive("mora", TODAY, None, day(5))
        assert ledger.invoice.forgiven == Split(mora=83)
        assert ledger.invoice.open.mora == 167 - 83
        assert_sound(ledger)

    def test_of_more_than_was_open_then_is_refused(self) -> None:
        with pytest.raises(OverWaived, match=r"0\.83 of mora is open"):
            late().waive("mora", TODAY, 84, day(5))

    def test_leaves_a_later_payment_more_principal_to_pay(self) -> None:
        ledger = late()
        ledger.pay(1, 20_000, day(8), TODAY)
        ledger.waive("late_fee", TODAY, None, day(5))
        # 10.00 of fee that were paid are principal now: 500.00 for eight days, 301.33 for two
        assert ledger.invoice.paid == Split(mora=133, principal=19_867)
        assert ledger.invoice.open == Split(mora=153 - 133, principal=30_133)
        assert_sound(ledger)

    def test_of_what_was_paid_since_gives_it_back_as_credit(self) -> None:
        ledger = late()
        ledger.pay(1, 51_167, TODAY, TODAY)
        ledger.waive("late_fee", day(12), None, day(5))
        assert ledger.taken == {payment_id(1): 50_167}
        assert ledger.invoice.status == "paid"
        assert_sound(ledger)

    def test_keeps_what_it_says_when_less_is_open_by_a_late_fact(self) -> None:
        """What it covers is derived; what it says is a fact, and counts again when the late fact is reversed."""
        ledger = late()
        ledger.waive("mora", TODAY)
        ledger.pay(1, 40_000, DUE, day(12))
        assert ledger.invoice.forgiven == Split(mora=33)
        ledger.reverse(1, day(13))
        assert ledger.invoice.forgiven == Split(mora=167)
        ledger.pay(2, 40_000, DUE, day(13))
        waiver = next(event for event, _ in ledger.events if isinstance(event, Waived))
        assert (waiver.forgiven, waiver.asked) == (Split(mora=167), None)
        assert_sound(ledger)


class TestFee:
    def test_of_an_earlier_day_is_met_first_by_a_later_payment(self) -> None:
        ledger = late()
        ledger.pay(1, 1_000, day(7), TODAY)
        assert ledger.invoice.paid == Split(late_fee=1_000)
        ledger.charge_fee(300, day(5), TODAY)
        assert New(FeeCharged(300, "a visit"), day(5)) in ledger.events
        assert ledger.invoice.paid == Split(other_fees=300, late_fee=700)
        assert_sound(ledger)

    def test_of_a_payments_own_day_comes_before_it(self) -> None:
        ledger = late()
        ledger.pay(1, 1_000, TODAY, TODAY)
        ledger.charge_fee(300, TODAY, TODAY)
        assert ledger.invoice.paid == Split(other_fees=300, late_fee=700)
        assert_sound(ledger)

    def test_of_the_day_on_which_it_was_paid_in_full_opens_it_again(self) -> None:
        ledger = late()
        ledger.pay(1, 51_167, TODAY, TODAY)
        with pytest.raises(NotOpen):
            ledger.charge_fee(300, TODAY, TODAY)
        ledger.charge_fee(300, day(9), TODAY)
        assert ledger.invoice.open == Split(principal=300)
        assert ledger.invoice.status == "overdue"
        assert_sound(ledger)


class TestCreditNote:
    def test_takes_open_principal_off_from_its_day(self) -> None:
        ledger = late()
        ledger.credit_note(1, 20_000, day(5), TODAY)
        assert ledger.invoice.open == Split(late_fee=1_000, mora=133, principal=30_000)
        assert_sound(ledger)

    def test_before_a_payment_makes_that_credit(self) -> None:
        ledger = late()
        ledger.pay(1, 51_167, TODAY, TODAY)
        ledger.credit_note(1, 20_000, day(5), TODAY)
        # the payment covers what is left by then: 10.00, 1.33 and 300.00
        assert ledger.taken == {payment_id(1): 31_133}
        assert ledger.invoice.status == "paid"
        assert_sound(ledger)


class TestWriteOff:
    def test_of_all_is_of_what_was_open_then(self) -> None:
        ledger = late()
        ledger.write_off(TODAY, None, day(5))
        assert ledger.invoice.written_off == Split(late_fee=1_000, mora=83, principal=50_000)
        assert ledger.invoice.charged.mora == 83
        assert ledger.invoice.status == "written_off"
        assert_sound(ledger)

    def test_of_more_than_was_open_then_is_refused(self) -> None:
        with pytest.raises(OverWrittenOff, match=r"510\.83 is open"):
            late().write_off(TODAY, 51_084, day(5))

    def test_makes_a_later_payment_a_recovery(self) -> None:
        ledger = late()
        ledger.pay(1, 2_000, day(8), TODAY)
        ledger.write_off(TODAY, None, day(5))
        (payment, _) = ledger.invoice.imputations
        assert payment.covered.paid == Split()
        assert payment.covered.recovered == Split(late_fee=1_000, mora=83, principal=917)
        assert_sound(ledger)


class TestDispute:
    def test_holds_from_the_day_after_it_was_raised(self) -> None:
        ledger = late()
        ledger.dispute(20_000, day(5), TODAY)
        assert ledger.invoice.charged.mora == 133
        ledger.resolve("accepted", day(8), TODAY)
        # 500.00 for five days, 300.00 for three, 500.00 for two
        assert ledger.invoice.charged.mora == 147
        assert_sound(ledger)

    def test_rejected_never_held_anything_whatever_was_known_between(self) -> None:
        ledger = late()
        ledger.dispute(20_000, day(5), TODAY)
        ledger.pay(1, 5_000, day(7), TODAY)
        ledger.resolve("rejected", day(8), TODAY)
        plain = late()
        plain.pay(1, 5_000, day(7), TODAY)
        assert ledger.invoice.open == plain.invoice.open
        assert ledger.invoice.imputations == plain.invoice.imputations
        assert_sound(ledger)

    def test_is_of_the_principal_that_was_open_then(self) -> None:
        ledger = late()
        ledger.pay(1, 10_000, DUE, TODAY)
        with pytest.raises(OverDisputed, match=r"400\.00 of principal is open"):
            ledger.dispute(40_001, day(5), TODAY)
        ledger.dispute(None, day(5), TODAY)
        assert ledger.invoice.dispute is not None
        assert ledger.invoice.dispute.minor == 40_000

    def test_is_resolved_on_its_day_at_the_earliest(self) -> None:
        ledger = late()
        ledger.dispute(20_000, day(5), TODAY)
        with pytest.raises(ResolvedTooEarly) as refused:
            ledger.resolve("accepted", day(4), TODAY)
        assert refused.value.field == "effective_on"
        with pytest.raises(EffectiveInFuture):
            ledger.resolve("accepted", day(11), TODAY)
        ledger.resolve("accepted", day(5), TODAY)
        assert ledger.invoice.charged.mora == 167
        assert_sound(ledger)

    def test_begins_no_earlier_than_the_one_before_was_resolved(self) -> None:
        ledger = late()
        ledger.dispute(20_000, day(3), TODAY)
        ledger.resolve("accepted", day(6), TODAY)
        with pytest.raises(DisputesOverlap) as refused:
            ledger.dispute(10_000, day(5), TODAY)
        assert refused.value.field == "effective_on"
        ledger.dispute(10_000, day(6), TODAY)
        # 500.00 for three days, 300.00 for three, 400.00 for four: 0.50, 0.30 and 0.533
        assert ledger.invoice.charged.mora == 133
        assert_sound(ledger)
