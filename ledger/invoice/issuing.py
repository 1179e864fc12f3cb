"""Issuing an invoice: draft it, change the draft, send it, move its due date."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from ledger.calendars import (
    NO_ADDITIONAL_HOLIDAYS,
    AdditionalHolidays,
    Calendar,
    calendar_named,
    next_business_day,
)
from ledger.errors import Rejected
from ledger.event_registry import Event, New
from ledger.invoice import events as e
from ledger.invoice.accrual import Decision, bring_up_to_date
from ledger.invoice.preconditions import NotOpen, require_effective, require_not_taken_over
from ledger.invoice.recording import record
from ledger.invoice.sources import NO_ROOM, Room
from ledger.invoice.state import OPEN, Invoice
from ledger.policy import FeePolicy
from ledger.tax import Line, Priced

FIRST_ISSUE_ON = date(1900, 1, 1)
LAST_DUE_ON = date(2999, 12, 31)
"""Dates outside are slips of the pen; the clock would post a charge for each of their days."""


class NotADraft(Rejected):
    """Only a draft can be changed or sent."""


class DueBeforeIssue(Rejected):
    """The due date lies before the issue date."""


class DueTooLate(Rejected):
    """The due date lies so far ahead that the calendar, or the payer, would end before it."""


class DueTooEarly(Rejected):
    """The due date lies before 1900: a slip."""


class IssuedTooEarly(Rejected):
    """The issue date lies before 1900, so its year is a slip."""


class DueDateNotExtended(Rejected):
    """The due date of a sent invoice can only be moved to a later day."""


def invoice_lines(lines: Sequence[Line], priced: Priced) -> tuple[e.InvoiceLine, ...]:
    """Lines as asked for (descriptions encrypted already), with their amounts."""
    return tuple(
        e.InvoiceLine(
            description=line.description,
            quantity=line.quantity,
            unit_price=line.unit_price,
            net_minor=amounts.net_minor,
            tax_minor=amounts.tax_minor,
            gross_minor=amounts.gross_minor,
            tax_rate=line.tax_rate,
            tax_included=line.tax_included,
        )
        for line, amounts in zip(lines, priced.lines, strict=True)
    )


def draft(
    customer_id: UUID,
    currency: str,
    due_on: date,
    lines: Sequence[Line],
    priced: Priced,
    notes: str,
    instalment: e.Instalment | None = None,
) -> Event:
    """A new draft. Raises DueTooEarly, DueTooLate."""
    require_plausible_due_date(due_on)
    return e.Drafted(
        customer_id=customer_id,
        currency=currency,
        due_on=due_on,
        lines=invoice_lines(lines, priced),
        net_minor=priced.net_minor,
        tax_minor=priced.tax_minor,
        total_minor=priced.total_minor,
        notes=notes,
        instalment=instalment,
    )


def redraft(
    invoice: Invoice, due_on: date, lines: Sequence[Line], priced: Priced, notes: str
) -> Event:
    """The draft's new content. Raises NotADraft, DueTooLate."""
    _require_draft(invoice)
    require_plausible_due_date(due_on)
    return e.Redrafted(
        due_on=due_on,
        lines=invoice_lines(lines, priced),
        net_minor=priced.net_minor,
        tax_minor=priced.tax_minor,
        total_minor=priced.total_minor,
        notes=notes,
    )


def send(
    invoice: Invoice,
    number: str,
    issued_on: date,
    policy: FeePolicy,
    calendar: Calendar,
    *,
    imported: bool = False,
    mora_base_minor: int | None = None,
    today: date | None = None,
) -> New:
    """Sends a draft under its number and freezes its terms. The base of mora is the total when it is left out; `today`
    is kept where the issue date lies before it.

    Raises NotADraft, IssuedTooEarly, DueBeforeIssue, NoBusinessDay.
    """
    _require_draft(invoice)
    if issued_on < FIRST_ISSUE_ON:
        raise IssuedTooEarly(
            f"issued_on {issued_on} lies before {FIRST_ISSUE_ON}; check the year", field="issued_on"
        )
    if invoice.due_on < issued_on:
        raise DueBeforeIssue(
            f"the due date {invoice.due_on} lies before the issue date {issued_on}; move the due date",
            field="due_on",
        )
    payable_until, late_on = _window(invoice.due_on, policy, calendar)
    sent = e.Sent(
        number=number,
        issued_on=issued_on,
        due_on=invoice.due_on,
        payable_until=payable_until,
        late_on=late_on,
        policy=policy,
        calendar=calendar.frozen(invoice.due_on, payable_until),
        mora_base_minor=invoice.total_minor if mora_base_minor is None else mora_base_minor,
        imported=imported,
        sent_on=today if today is not None and today > issued_on else None,
    )
    return New(sent, issued_on)


def move_due_date(
    invoice: Invoice,
    due_on: date,
    on: date,
    today: date,
    reason: str,
    additional: AdditionalHolidays = NO_ADDITIONAL_HOLIDAYS,
    room: Room = NO_ROOM,
) -> Decision:
    """Extends the due date of a sent invoice on a day, on the calendar it was sent under with the tenant's additional
    holidays of today.

    The last move by day counts; one that is recorded later with an earlier day may be to any day. Raises NotOpen,
    DueDateNotExtended, TakenOver, EffectiveInFuture, EffectiveTooEarly.
    """
    if invoice.status not in OPEN or invoice.terms is None:
        raise NotOpen(
            f"the invoice is {invoice.status}; only a sent or overdue one has a due date to move"
        )
    require_not_taken_over(invoice, "given another due date")
    require_effective(invoice, on, today)
    is_superseded = invoice.due_moved_on is not None and on < invoice.due_moved_on
    if due_on <= invoice.due_on and not is_superseded:
        raise DueDateNotExtended(
            f"the due date {invoice.due_on} can only be moved to a later day", field="due_on"
        )
    require_plausible_due_date(due_on)
    decision = bring_up_to_date(invoice, today)
    calendar = calendar_named(invoice.terms.calendar.name, additional=additional)
    payable_until, late_on = _window(due_on, invoice.terms.policy, calendar)
    event = e.DueDateMoved(
        due_on, payable_until, late_on, calendar.frozen(due_on, payable_until), reason
    )
    record(decision, event, on, today, "due date moved", room)
    return decision


def _window(due_on: date, policy: FeePolicy, calendar: Calendar) -> tuple[date, date]:
    """(the last day to pay without charge by the calendar, the first late day after grace)."""
    payable_until = next_business_day(calendar, due_on)
    return payable_until, date.fromordinal(payable_until.toordinal() + policy.grace_days + 1)


def _require_draft(invoice: Invoice) -> None:
    if invoice.status != "draft":
        raise NotADraft(f"the invoice is {invoice.status}; only a draft can be changed or sent")


def require_plausible_due_date(due_on: date, field: str = "due_on") -> None:
    """Raises DueTooEarly, DueTooLate."""
    if due_on < FIRST_ISSUE_ON:
        raise DueTooEarly(
            f"the due date {due_on} lies before {FIRST_ISSUE_ON}; check the year", field=field
        )
    if due_on > LAST_DUE_ON:
        raise DueTooLate(
            f"the due date {due_on} lies after {LAST_DUE_ON}; check the year", field=field
        )
