"""What may be done with an invoice in which state, and what is refused by name."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ledger.calendars import AdditionalHolidays, Calendar, calendar_named
from ledger.errors import Rejected
from ledger.event_registry import New
from ledger.invoice import accrual, adjusting, issuing, settling
from ledger.invoice.adjusting import NotVoidable
from ledger.invoice.events import Cancelled, Drafted, DueDateMoved, Redrafted, Sent, Voided
from ledger.invoice.evolve import evolve
from ledger.invoice.issuing import (
    DueBeforeIssue,
    DueDateNotExtended,
    DueTooLate,
    IssuedTooEarly,
    NotADraft,
)
from ledger.invoice.preconditions import NotOpen, ReasonMissing
from ledger.invoice.settling import NotItsPayment
from ledger.invoice.state import Invoice, lines_of
from ledger.policy import FeePolicy
from ledger.rates import Rate
from ledger.streams import invoice_facts
from ledger.tax import Line, price_lines
from ledger.waterfall import Split
from tests.ledger.histories import CUSTOMER, DAY, Ledger, assert_sound, payment_id, sent
from tests.ledger.test_invoice_charges import BRAZIL, through

TODAY = date(2024, 3, 20)
WEEKENDS = Calendar("weekends", "1")
LINES = (
    Line("Work", "2", "150.00", tax_rate="10%"),
    Line("Travel", "1", "55.00", tax_rate="10%", tax_included=True),
)


def drafted() -> Invoice:
    priced = price_lines(LINES, "BRL")
    return evolve(
        None, issuing.draft(CUSTOMER, "BRL", BRAZIL.due_on, LINES, priced, "a note"), TODAY
    )


def in_state(status: str) -> Ledger:
    """An invoice of 500.00 brought into a state."""
    ledger = Ledger(sent(BRAZIL))
    if status == "draft":
        ledger = Ledger(sent(BRAZIL)[:1])
    elif status == "overdue":
        ledger = through(BRAZIL, BRAZIL.due_on + 3 * DAY)
    elif status == "paid":
        ledger.pay(1, 50_000, BRAZIL.due_on, BRAZIL.due_on)
    elif status == "void":
        ledger.post(adjusting.void(ledger.invoice, BRAZIL.due_on, "a slip").new)
    elif status == "cancelled":
        ledger.cancel(BRAZIL.due_on)
    assert ledger.invoice.status == status
    return ledger


STATES = {"draft", "sent", "overdue", "paid", "void", "cancelled"}
ACTIONS: dict[str, tuple[Any, set[str], type[Rejected]]] = {
    "redraft": (
        lambda invoice: issuing.redraft(
            invoice, BRAZIL.due_on, LINES, price_lines(LINES, "BRL"), ""
        ),
        {"draft"},
        NotADraft,
    ),
    "send": (
        lambda invoice: issuing.send(invoice, "1", BRAZIL.issued_on, FeePolicy(), WEEKENDS),
        {"draft"},
        NotADraft,
    ),
    "receive": (
        lambda invoice: settling.receive(invoice, payment_id(9), 100, TODAY, TODAY),
        {"sent", "overdue", "paid", "cancelled"},  # offered to it: facts to come may open it again
        NotOpen,
    ),
    "reverse": (
        lambda invoice: settling.reverse(invoice, payment_id(1), 1, TODAY),
        {"paid"},
        NotItsPayment,
    ),
    "move the due date": (
        lambda invoice: issuing.move_due_date(invoice, date(2024, 6, 1), TODAY, TODAY, ""),
        {"sent", "overdue"},
        NotOpen,
    ),
    "void": (
        lambda invoice: adjusting.void(invoice, TODAY, "a slip"),
        {"draft", "sent", "overdue"},
        NotVoidable,
    ),
    "cancel": (
        lambda invoice: adjusting.cancel(invoice, TODAY, "hopeless"),
        {"sent", "overdue"},
        NotOpen,
    ),
}


@pytest.mark.parametrize("status", sorted(STATES))
@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_action_in_every_state_goes_through_or_is_refused_by_name(
    action: str, status: str
) -> None:
    act, allowed, refusal = ACTIONS[action]
    invoice = in_state(status).invoice
    if status in allowed:
        act(invoice)
    else:
        with pytest.raises(refusal):
            act(invoice)


@pytest.mark.parametrize("status", sorted(STATES))
def test_the_clock_leaves_alone_what_is_not_open(status: str) -> None:
    invoice = in_state(status).invoice
    day = date(2024, 12, 31)
    posted = accrual.bring_up_to_date(invoice, day).new
    assert bool(posted) == (status in ("sent", "overdue"))
    assert bool(accrual.overdue(invoice, day)) == (status == "sent")
    assert bool(accrual.mora_on(invoice, day)) == (status == "overdue")


def test_a_draft_owes_nothing_and_keeps_its_lines() -> None:
    invoice = drafted()
    assert (invoice.status, invoice.number, invoice.open) == ("draft", "", Split())
    assert (invoice.net_minor, invoice.tax_minor, invoice.total_minor) == (35_000, 3_500, 38_500)
    work, travel = lines_of(invoice)
    assert (work.net_minor, work.tax_minor, work.gross_minor) == (30_000, 3_000, 33_000)
    assert (travel.net_minor, travel.tax_minor, travel.gross_minor) == (5_000, 500, 5_500)
    assert travel.tax_included
    assert invoice.notes == "a note"


def test_a_redrafted_invoice_is_what_was_said_last() -> None:
    lines = LINES[:1]
    event = issuing.redraft(drafted(), date(2024, 5, 1), lines, price_lines(lines, "BRL"), "")
    assert isinstance(event, Redrafted)
    invoice = evolve(drafted(), event, TODAY)
    assert (invoice.due_on, invoice.total_minor, invoice.notes) == (date(2024, 5, 1), 33_000, "")
    assert len(lines_of(invoice)) == 1


def test_sending_freezes_what_the_future_depends_on() -> None:
    policy = FeePolicy(version=4, mora=Rate(1, 100, "month"), grace_days=2)
    event, effective_on = issuing.send(drafted(), "N-7", date(2024, 3, 1), policy, WEEKENDS)
    assert event == Sent(
        number="N-7",
        issued_on=date(2024, 3, 1),
        due_on=date(2024, 3, 8),
        payable_until=date(2024, 3, 8),
        late_on=date(2024, 3, 11),
        policy=policy,
        calendar=WEEKENDS,
        mora_base_minor=38_500,
    )
    assert effective_on == date(2024, 3, 1)


def test_an_invoice_is_not_due_before_it_is_issued_but_may_be_due_that_day() -> None:
    with pytest.raises(DueBeforeIssue) as refused:
        issuing.send(drafted(), "1", date(2024, 3, 9), FeePolicy(), WEEKENDS)
    assert refused.value.field == "due_on"
    issuing.send(drafted(), "1", date(2024, 3, 8), FeePolicy(), WEEKENDS)


def test_dates_that_are_slips_of_the_pen_are_refused() -> None:
    priced = price_lines(LINES, "BRL")
    with pytest.raises(DueTooLate):
        issuing.draft(CUSTOMER, "BRL", date(9999, 12, 31), LINES, priced, "")
    with pytest.raises(DueTooLate):
        issuing.redraft(drafted(), date(3000, 1, 1), LINES, priced, "")
    with pytest.raises(DueTooLate):
        issuing.move_due_date(in_state("sent").invoice, date(3000, 1, 1), TODAY, TODAY, "")
    with pytest.raises(IssuedTooEarly):
        issuing.send(drafted(), "1", date(202, 3, 1), FeePolicy(), WEEKENDS)


def test_the_latest_due_date_has_its_window() -> None:
    priced = price_lines(LINES, "BRL")
    event = issuing.draft(CUSTOMER, "BRL", date(2999, 12, 31), LINES, priced, "")
    assert isinstance(event, Drafted)
    invoice = evolve(None, event, TODAY)
    issuing.send(invoice, "1", TODAY, FeePolicy(grace_days=365), WEEKENDS)


def test_a_due_date_moves_only_to_a_later_day() -> None:
    invoice = in_state("sent").invoice
    for due_on in (invoice.due_on, invoice.due_on - DAY):
        with pytest.raises(DueDateNotExtended):
            issuing.move_due_date(invoice, due_on, BRAZIL.issued_on, BRAZIL.issued_on, "")


def test_additional_holidays_move_a_due_date_and_are_frozen() -> None:
    due_on = BRAZIL.due_on
    days = (due_on - DAY, due_on, due_on + DAY, due_on + 9 * DAY)
    calendar = calendar_named("none", additional=AdditionalHolidays(3, days))
    event = issuing.send(drafted(), "1", BRAZIL.issued_on, FeePolicy(), calendar).event
    assert isinstance(event, Sent)
    assert event.payable_until == due_on + 2 * DAY
    assert event.calendar == Calendar("none", "1", 3, (due_on, due_on + DAY))


def test_a_moved_due_date_takes_the_additional_holidays_of_its_day() -> None:
    invoice = in_state("sent").invoice
    due_on = date(2024, 6, 3)
    additional = AdditionalHolidays(5, (due_on, due_on + 2 * DAY))
    decision = issuing.move_due_date(
        invoice, due_on, BRAZIL.issued_on, BRAZIL.issued_on, "", additional
    )
    moved = decision.new[-1].event
    assert isinstance(moved, DueDateMoved)
    assert moved.payable_until == due_on + DAY
    assert moved.calendar == Calendar("none", "1", 5, (due_on,))


def test_a_moved_due_date_shifts_by_the_calendar_and_keeps_grace() -> None:
    ledger = Ledger(sent(replace(BRAZIL, weekends=True, grace_days=2)))
    ledger.extend(date(2024, 3, 16), BRAZIL.issued_on)  # a Saturday
    terms = ledger.invoice.terms
    assert terms is not None
    assert (terms.payable_until, terms.late_on) == (date(2024, 3, 18), date(2024, 3, 21))
    assert ledger.invoice.due_on == date(2024, 3, 16)
    assert [event.TAG for event, _ in ledger.events[2:]] == ["invoice.due_date_moved.v1"]


def test_voiding_brings_up_to_date_and_forgives_all_of_it() -> None:
    ledger = in_state("sent")
    ledger.post(adjusting.void(ledger.invoice, BRAZIL.due_on + 10 * DAY, "a slip").new)
    assert ledger.invoice.status == "void"
    assert ledger.invoice.forgiven == Split(late_fee=1_000, mora=167, principal=50_000)
    assert ledger.invoice.open == Split()
    assert ledger.invoice.number == "INV-000001"
    assert isinstance(ledger.events[-1].event, Voided)
    assert_sound(ledger)


def test_an_invoice_with_a_payment_is_not_voidable_until_it_is_reversed() -> None:
    ledger = in_state("sent")
    ledger.pay(1, 100, BRAZIL.issued_on, BRAZIL.issued_on)
    with pytest.raises(NotVoidable):
        adjusting.void(ledger.invoice, BRAZIL.due_on, "a slip")
    ledger.reverse(1, BRAZIL.due_on)
    ledger.post(adjusting.void(ledger.invoice, BRAZIL.due_on, "a slip").new)
    assert ledger.invoice.status == "void"


def test_cancelling_keeps_what_was_paid_and_gives_up_the_rest() -> None:
    ledger = in_state("overdue")
    ledger.pay(1, 21_050, BRAZIL.due_on + 3 * DAY, BRAZIL.due_on + 3 * DAY)
    ledger.cancel(BRAZIL.due_on + 13 * DAY)
    event, effective_on = ledger.events[-1]
    assert isinstance(event, Cancelled)
    assert event.forgiven == Split(mora=100, principal=30_000)
    assert effective_on == BRAZIL.due_on + 13 * DAY
    assert ledger.invoice.paid == Split(late_fee=1_000, mora=50, principal=20_000)
    assert_sound(ledger)


def test_cancelling_posts_the_interest_of_a_begun_month_before_it_gives_it_up() -> None:
    ledger = through(BRAZIL, date(2024, 4, 10), "month_end")
    ledger.cancel(date(2024, 4, 10))
    assert ledger.invoice.forgiven.mora == 550
    assert_sound(ledger)


@pytest.mark.parametrize("reason", ["", "  "])
def test_giving_up_needs_a_reason(reason: str) -> None:
    for give_up in (adjusting.void, adjusting.cancel):
        with pytest.raises(ReasonMissing):
            give_up(in_state("sent").invoice, TODAY, reason)


def test_a_payment_is_reversed_once() -> None:
    ledger = in_state("paid")
    ledger.reverse(1, BRAZIL.due_on)
    with pytest.raises(NotItsPayment):
        settling.reverse(ledger.invoice, payment_id(1), 1, BRAZIL.due_on)


def test_the_waterfall_is_other_fees_late_fee_mora_principal() -> None:
    amounts = {500: (500, 0, 0), 1_020: (1_000, 20, 0), 1_060: (1_000, 50, 10)}
    for amount, (late_fee, mora, principal) in amounts.items():
        ledger = in_state("overdue")
        ledger.pay(1, amount, BRAZIL.due_on + 3 * DAY, BRAZIL.due_on + 3 * DAY)
        assert ledger.invoice.paid == Split(0, late_fee, mora, principal)


def test_a_policy_may_set_another_waterfall() -> None:
    order = ("principal", "mora", "other_fees", "late_fee")
    ledger = through(replace(BRAZIL, order=order), BRAZIL.due_on + 3 * DAY)
    ledger.pay(1, 50_020, BRAZIL.due_on + 3 * DAY, BRAZIL.due_on + 3 * DAY)
    assert ledger.invoice.paid == Split(mora=20, principal=50_000)
    assert ledger.invoice.status == "overdue"
    assert accrual.mora_on(ledger.invoice, BRAZIL.due_on + 30 * DAY) == []


def test_two_payments_of_one_day_share_what_was_owed_on_it() -> None:
    on = BRAZIL.due_on + 3 * DAY
    ledger = in_state("overdue")
    ledger.pay(1, 1_010, on, on)
    ledger.pay(2, 60_000, on, on)
    assert [one.covered.paid for one in ledger.invoice.imputations] == [
        Split(late_fee=1_000, mora=10),
        Split(mora=40, principal=50_000),
    ]
    assert ledger.invoice.status == "paid"


def test_a_forecast_of_a_day_equals_what_the_days_post_one_by_one() -> None:
    for days in (30, 40):  # few missed days are an event each, more of them one event
        day = BRAZIL.due_on + days * DAY
        at_once = accrual.bring_up_to_date(Ledger(sent(BRAZIL)).invoice, day)
        each = through(BRAZIL, day)
        assert at_once.invoice == each.invoice
        if days == 30:
            assert at_once.new == [New(event, on) for event, on in each.events[2:]]


class TestWhatHeadsAreSearchedBy:
    def test_a_sent_invoice_wakes_on_its_first_late_day(self) -> None:
        facts = invoice_facts(in_state("sent").invoice)
        assert facts == (BRAZIL.late_on, False, CUSTOMER)

    def test_an_overdue_one_accrues_while_principal_is_open(self) -> None:
        ledger = in_state("overdue")
        assert invoice_facts(ledger.invoice) == (None, True, CUSTOMER)

    def test_a_reference_rate_alone_accrues_too(self) -> None:
        policy = FeePolicy(mora_reference="ecb", day_count="365")
        invoice = drafted()
        invoice = evolve(invoice, *issuing.send(invoice, "1", BRAZIL.issued_on, policy, WEEKENDS))
        decision = accrual.bring_up_to_date(invoice, date(2024, 3, 20))
        assert decision.invoice.status == "overdue"
        assert invoice_facts(decision.invoice).accrues

    @pytest.mark.parametrize("status", ["draft", "paid", "void", "cancelled"])
    def test_the_others_take_no_money_and_sleep(self, status: str) -> None:
        assert invoice_facts(in_state(status).invoice) == (None, False, None)
