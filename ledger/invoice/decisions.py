"""What may be done with an invoice: each function takes the state and facts, and returns events or refuses.

Every decision about money first brings the invoice up to date (`bring_up_to_date`), so that it starts from what
the clock would have posted by then.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import msgspec

from ledger.allocation import Split, waterfall
from ledger.calendars import Calendar, calendar_named, next_business_day
from ledger.errors import Rejected
from ledger.events import Event, New
from ledger.invoice import charges
from ledger.invoice import events as e
from ledger.invoice.charges import DAY
from ledger.invoice.recalculation import is_timely, recalculation, still_owed
from ledger.invoice.state import OPEN, Invoice, evolve
from ledger.policy import FeePolicy
from ledger.tax import Line, Priced

FIRST_ISSUE_ON = date(1900, 1, 1)
DAYS_ONE_BY_ONE = 1_100
LAST_DUE_ON = date(2999, 12, 31)
"""Dates outside are slips of the pen; the clock would post a charge for each of their days."""


class NotADraft(Rejected):
    """Only a draft can be changed or sent."""


class NotOpen(Rejected):
    """The invoice is not open: it is a draft, paid, void or cancelled."""


class NotVoidable(Rejected):
    """An invoice can be voided as a draft, or while sent or overdue with nothing paid."""


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


class ReasonMissing(Rejected):
    """This needs a reason, for the audit trail."""


class NotItsPayment(Rejected):
    """The payment has no part in this invoice, or was reversed already."""


class Decision(msgspec.Struct):
    """Events decided one after another: each is folded at once, so that the next is decided on its effect."""

    invoice: Invoice
    new: list[New] = []

    def add(self, event: Event, effective_on: date) -> None:
        self.invoice = evolve(self.invoice, event, effective_on)
        self.new.append(New(event, effective_on))


def invoice_lines(lines: Sequence[Line], priced: Priced) -> tuple[e.InvoiceLine, ...]:
    """Lines as asked for (descriptions sealed already), with their amounts."""
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
) -> Event:
    """A new draft. Raises DueTooLate."""
    _require_plausible_due_date(due_on)
    return e.Drafted(
        customer_id=customer_id,
        currency=currency,
        due_on=due_on,
        lines=invoice_lines(lines, priced),
        net_minor=priced.net_minor,
        tax_minor=priced.tax_minor,
        total_minor=priced.total_minor,
        notes=notes,
    )


def redraft(
    invoice: Invoice, due_on: date, lines: Sequence[Line], priced: Priced, notes: str
) -> Event:
    """The draft's new content. Raises NotADraft, DueTooLate."""
    _require_draft(invoice)
    _require_plausible_due_date(due_on)
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
) -> New:
    """Sends a draft under its number and freezes its terms.

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
        calendar=calendar,
        mora_base_minor=invoice.total_minor,
        imported=imported,
    )
    return New(sent, issued_on)


def overdue(invoice: Invoice, on: date) -> list[New]:
    """What the clock's first step posts by `on`: overdue, and the late fee once, effective the first late day."""
    terms = invoice.terms
    if invoice.status != "sent" or terms is None or on < terms.late_on:
        return []
    if charges.principal_before(invoice, terms.late_on) <= 0:
        return []  # what is open came later, and is no late principal
    decision = Decision(invoice, [])
    decision.add(e.BecameOverdue(), terms.late_on)
    fee_minor, base_minor = charges.late_fee(invoice, terms.late_on)
    owed_minor = fee_minor - invoice.charged.late_fee
    if owed_minor > 0:
        decision.add(e.LateFeeCharged(owed_minor, base_minor), terms.late_on)
    return decision.new


def mora_on(invoice: Invoice, day: date) -> e.MoraPosted | None:
    """What the clock's second step posts on `day`, or None: the path of every overdue invoice, every night."""
    terms = invoice.terms
    if (
        invoice.status != "overdue"
        or terms is None
        or not charges.is_posting_day(terms.policy, day)
    ):
        return None
    return _mora(invoice, day)


def bring_up_to_date(invoice: Invoice, on: date, *, settle: bool = False) -> Decision:
    """What the clock would have posted through `on`.

    With `settle`, interest is posted to `on` itself even when the policy posts only at month ends.
    """
    decision = Decision(invoice, [])
    if invoice.terms is None or invoice.status not in OPEN:
        return decision
    for event, effective_on in overdue(invoice, on):
        decision.add(event, effective_on)
    if decision.invoice.status != "overdue" or not charges.can_accrue(decision.invoice):
        return decision
    day = invoice.terms.late_on
    if invoice.mora_through is not None and invoice.mora_through >= day:
        day = invoice.mora_through + DAY
    day = _after_long_gap(decision, day, on)
    while day <= on:
        posted = mora_on(decision.invoice, day)
        if posted is not None:
            decision.add(posted, day)
        day += DAY
    if settle and on >= invoice.terms.late_on:
        last = _mora(decision.invoice, on)
        if last is not None:
            decision.add(last, on)
    return decision


def _after_long_gap(decision: Decision, day: date, on: date) -> date:
    """Posts what lies more than DAYS_ONE_BY_ONE before `on` as one amount, so that no command writes for centuries;
    returns the day that comes next."""
    terms = decision.invoice.terms
    last = date.fromordinal(max(1, on.toordinal() - DAYS_ONE_BY_ONE))
    if terms is None or terms.policy.accrual != "daily" or day >= last:
        return day
    posted = _mora(decision.invoice, last)
    if posted is not None:
        decision.add(posted, last)
    return last + DAY


def payable(invoice: Invoice, value_on: date) -> Split:
    """What a payment of that value date can cover, by component, once the invoice was brought up to date.

    A later recorded payment covers fee and interest only as far as they were owed on its own date.
    """
    fee_minor, _ = charges.late_fee(invoice, value_on)
    mora_minor = charges.cumulative_mora(invoice, value_on)
    covered = invoice.paid + invoice.forgiven
    return Split(
        other_fees=invoice.open.other_fees,
        late_fee=max(0, min(invoice.open.late_fee, fee_minor - covered.late_fee)),
        mora=max(0, min(invoice.open.mora, mora_minor - covered.mora)),
        principal=invoice.open.principal,
    )


def receive(
    invoice: Invoice, payment_id: UUID, amount_minor: int, value_on: date, today: date
) -> tuple[Decision, int]:
    """Applies a payment; returns the events and what is left over. Raises NotOpen.

    The amount covers what was owed on the value date, in the policy's order. When that date lies before another
    fact or before the day up to which charges stand, what is left over covers the fee and interest that the later
    facts leave open, and what the payment changes follows as one event (decision 6). A payment dated before the
    invoice was issued counts from the issue date: there was no debt to pay before.
    """
    if invoice.status not in OPEN or invoice.terms is None:
        raise NotOpen(f"the invoice is {invoice.status}, so nothing is open on it")
    value_on = max(value_on, invoice.terms.issued_on)
    order = invoice.terms.policy.waterfall
    decision = bring_up_to_date(invoice, value_on, settle=True)
    timely = is_timely(decision.invoice, value_on)
    split, rest_minor = waterfall(amount_minor, payable(decision.invoice, value_on), order)
    if rest_minor > 0 and not timely:
        received = e.PaymentReceived(payment_id, split)
        more = still_owed(evolve(decision.invoice, received, value_on))
        extra, rest_minor = waterfall(rest_minor, more, order)
        split = split + extra
    if split.total == 0:
        return Decision(invoice, []), rest_minor
    decision.add(e.PaymentReceived(payment_id, split), value_on)
    if not timely:
        _recalculate(decision, today, because=f"payment {payment_id}")
    return decision, rest_minor


def reverse(invoice: Invoice, payment_id: UUID, today: date) -> Decision:
    """Takes a payment back, effective on its own date; what it had closed is open and has borne interest."""
    part = next((part for part in invoice.received if part.payment_id == payment_id), None)
    if part is None:
        raise NotItsPayment(f"payment {payment_id} has no part in invoice {invoice.number}")
    decision = bring_up_to_date(invoice, today)
    decision.add(e.PaymentReversed(payment_id, part.split), part.on)
    _reopen(decision, today, because=f"reversal of payment {payment_id}")
    return decision


def move_due_date(invoice: Invoice, due_on: date, today: date, reason: str) -> Decision:
    """Extends the due date of a sent invoice. Raises NotOpen, DueDateNotExtended."""
    if invoice.status not in OPEN or invoice.terms is None:
        raise NotOpen(
            f"the invoice is {invoice.status}; only a sent or overdue one has a due date to move"
        )
    if due_on <= invoice.due_on:
        raise DueDateNotExtended(
            f"the due date {invoice.due_on} can only be moved to a later day", field="due_on"
        )
    _require_plausible_due_date(due_on)
    decision = bring_up_to_date(invoice, today)
    calendar = calendar_named(invoice.terms.calendar.name)
    payable_until, late_on = _window(due_on, invoice.terms.policy, calendar)
    decision.add(e.DueDateMoved(due_on, payable_until, late_on, calendar, reason), today)
    _reopen(decision, today, because="due date moved")
    return decision


def void(invoice: Invoice, today: date, reason: str) -> Decision:
    """Voids a draft, or a sent invoice on which nothing is paid. Raises NotVoidable, ReasonMissing."""
    _require_reason(reason)
    if invoice.status not in ("draft", "sent", "overdue") or invoice.paid.total != 0:
        raise NotVoidable(
            f"the invoice is {invoice.status} with payments on it; cancel it or issue a credit note"
            if invoice.paid.total
            else f"the invoice is {invoice.status}; only a draft, sent or overdue one can be voided"
        )
    decision = bring_up_to_date(invoice, today)
    decision.add(e.Voided(reason, decision.invoice.open), today)
    return decision


def cancel(invoice: Invoice, today: date, reason: str) -> Decision:
    """Gives up what is open on a sent invoice; payments stay. Raises NotOpen, ReasonMissing."""
    _require_reason(reason)
    if invoice.status not in OPEN:
        raise NotOpen(
            f"the invoice is {invoice.status}; only a sent or overdue one can be cancelled"
        )
    decision = bring_up_to_date(invoice, today, settle=True)
    decision.add(e.Cancelled(reason, decision.invoice.open), today)
    return decision


def _reopen(decision: Decision, today: date, because: str) -> None:
    """Charges what the clock would have charged by today, had it known."""
    for event, effective_on in overdue(decision.invoice, today):
        decision.add(event, effective_on)
    assert decision.invoice.terms is not None
    reach = charges.last_posting_day(decision.invoice.terms.policy, today)
    _recalculate(decision, today, because, reach)


def _recalculate(decision: Decision, today: date, because: str, reach: date | None = None) -> None:
    recalculated = recalculation(decision.invoice, because, reach)
    if recalculated is not None:
        decision.add(recalculated, today)


def _mora(invoice: Invoice, day: date) -> e.MoraPosted | None:
    owed_minor = charges.cumulative_mora(invoice, day) - invoice.charged.mora
    return e.MoraPosted(owed_minor, day) if owed_minor > 0 else None


def _window(due_on: date, policy: FeePolicy, calendar: Calendar) -> tuple[date, date]:
    """(the last day to pay without charge by the calendar, the first late day after grace)."""
    payable_until = next_business_day(calendar, due_on)
    return payable_until, date.fromordinal(payable_until.toordinal() + policy.grace_days + 1)


def _require_draft(invoice: Invoice) -> None:
    if invoice.status != "draft":
        raise NotADraft(f"the invoice is {invoice.status}; only a draft can be changed or sent")


def _require_plausible_due_date(due_on: date) -> None:
    if due_on < FIRST_ISSUE_ON:
        raise DueTooEarly(
            f"the due date {due_on} lies before {FIRST_ISSUE_ON}; check the year", field="due_on"
        )
    if due_on > LAST_DUE_ON:
        raise DueTooLate(
            f"the due date {due_on} lies after {LAST_DUE_ON}; check the year", field="due_on"
        )


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing("give a reason; it is kept in the audit trail", field="reason")
