"""What may be done with an invoice: each function takes the state and facts, and returns events or refuses.

Every decision about money first brings the invoice up to date (`bring_up_to_date`), so that it starts from what
the clock would have posted by then.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import msgspec

from ledger.allocation import Split, waterfall
from ledger.calendars import Calendar, next_business_day
from ledger.errors import Rejected
from ledger.events import Event, New
from ledger.invoice import charges
from ledger.invoice import events as e
from ledger.invoice.charges import DAY
from ledger.invoice.state import OPEN, Invoice, Movement, evolve
from ledger.policy import FeePolicy
from ledger.tax import Line, Priced


class NotADraft(Rejected):
    """Only a draft can be changed or sent."""


class NotOpen(Rejected):
    """The invoice is not open: it is a draft, paid, void or cancelled."""


class NotVoidable(Rejected):
    """An invoice can be voided as a draft, or while sent or overdue with nothing paid."""


class DueBeforeIssue(Rejected):
    """The due date lies before the issue date."""


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
    """A new draft."""
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
    """The draft's new content. Raises NotADraft."""
    _require_draft(invoice)
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
    """Sends a draft under its number and freezes its terms. Raises NotADraft, DueBeforeIssue."""
    _require_draft(invoice)
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
    if (
        invoice.status != "sent"
        or terms is None
        or on < terms.late_on
        or invoice.open.principal <= 0
    ):
        return []
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
    """What the clock would have posted through `on`. With `settle`, interest is posted to `on` itself even when
    the policy posts only at month ends."""
    decision = Decision(invoice, [])
    if invoice.terms is None or invoice.status not in OPEN:
        return decision
    for event, effective_on in overdue(invoice, on):
        decision.add(event, effective_on)
    if decision.invoice.status != "overdue":
        return decision
    day = invoice.terms.late_on
    if invoice.mora_through is not None and invoice.mora_through >= day:
        day = invoice.mora_through + DAY
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


def payable(invoice: Invoice, value_on: date) -> Split:
    """What a payment of that value date can cover, by component, once the invoice was brought up to date.

    A later recorded payment covers fee and interest only as far as they were owed on its own date.
    """
    fee_minor, _ = charges.late_fee(invoice, value_on)
    mora_minor = charges.cumulative_mora(invoice, value_on)
    return Split(
        other_fees=invoice.open.other_fees,
        late_fee=max(0, min(invoice.open.late_fee, fee_minor - invoice.paid.late_fee)),
        mora=max(0, min(invoice.open.mora, mora_minor - invoice.paid.mora)),
        principal=invoice.open.principal,
    )


def receive(
    invoice: Invoice, payment_id: UUID, amount_minor: int, value_on: date, today: date
) -> tuple[Decision, int]:
    """Applies a payment; returns the events and what is left over. The invoice must be open.

    The amount covers what was owed on the value date, in the policy's order. When the principal's timeline
    changed before the day up to which interest stands, the difference follows as one event (decision 6); what the
    principal left over then covers what is still open of fee and interest.
    """
    if invoice.status not in OPEN or invoice.terms is None:
        raise NotOpen(f"the invoice is {invoice.status}, so nothing is open on it")
    order = invoice.terms.policy.waterfall
    decision = bring_up_to_date(invoice, value_on, settle=True)
    split, rest_minor = waterfall(amount_minor, payable(decision.invoice, value_on), order)
    if rest_minor > 0:
        more = _still_owed(decision.invoice, split, value_on)
        extra, rest_minor = waterfall(rest_minor, more, order)
        split = split + extra
    if split.total == 0:
        return Decision(invoice, []), rest_minor
    decision.add(e.PaymentReceived(payment_id, split), value_on)
    recalculate(decision, today, because=f"payment {payment_id}")
    return decision, rest_minor


def _still_owed(invoice: Invoice, split: Split, value_on: date) -> Split:
    """Fee and interest that stay owed although the principal left money over: later days, earlier facts."""
    after = evolve(invoice, e.PaymentReceived(_NOBODY, split), value_on)
    last = _last_fact_on(after)
    return Split(
        late_fee=max(0, charges.late_fee(after, last)[0] - after.paid.late_fee),
        mora=max(0, charges.cumulative_mora(after, last) - after.paid.mora),
    )


_NOBODY = UUID(int=0)


def reverse(invoice: Invoice, payment_id: UUID, today: date) -> Decision:
    """Takes a payment back, effective on its own date; what it had closed is open and has borne interest."""
    part = next(
        (part for part in invoice.received if part.payment_id == payment_id and not part.reversed),
        None,
    )
    if part is None:
        raise NotItsPayment(f"payment {payment_id} has no part in invoice {invoice.number}")
    decision = bring_up_to_date(invoice, today)
    decision.add(e.PaymentReversed(payment_id, part.split), part.on)
    for event, effective_on in overdue(decision.invoice, today):
        decision.add(event, effective_on)
    recalculate(decision, today, because=f"reversal of payment {payment_id}", reach=True)
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
    decision = bring_up_to_date(invoice, today)
    payable_until, late_on = _window(due_on, invoice.terms.policy, invoice.terms.calendar)
    decision.add(e.DueDateMoved(due_on, payable_until, late_on, reason), today)
    for event, effective_on in overdue(decision.invoice, today):
        decision.add(event, effective_on)
    recalculate(decision, today, because="due date moved", reach=True)
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
    decision = bring_up_to_date(invoice, today)
    decision.add(e.Cancelled(reason, decision.invoice.open), today)
    return decision


def recalculate(decision: Decision, today: date, because: str, *, reach: bool = False) -> None:
    """Posts the difference between what stands and what the facts now ask for, if there is any (decision 6).

    It looks at the day up to which interest stands; with `reach`, at `today` when that is later: a reversal
    reopens a debt that bore nothing while it was paid.
    """
    invoice = decision.invoice
    if invoice.terms is None:
        return
    through = invoice.mora_through or (invoice.terms.late_on if invoice.charged.late_fee else None)
    if reach:
        through = max(through or today, today)
    if through is None:
        return
    moved, moved_on, credit_minor = _rebalanced(invoice)
    after = _with_moved(invoice, moved, moved_on)
    late_fee_minor = charges.late_fee(after, through)[0] - invoice.charged.late_fee
    mora_minor = charges.cumulative_mora(after, through) - invoice.charged.mora
    if late_fee_minor or mora_minor or credit_minor or moved != Split():
        recalculated = e.ChargesRecalculated(
            through=through,
            because=because,
            late_fee_minor=late_fee_minor,
            mora_minor=mora_minor,
            moved=moved,
            moved_on=moved_on,
            credit_minor=credit_minor,
        )
        decision.add(recalculated, today)


def _with_moved(invoice: Invoice, moved: Split, moved_on: date | None) -> Invoice:
    """The invoice as if the moved principal were already in its timeline."""
    if moved_on is None or moved.principal == 0:
        return invoice
    movements = (*invoice.movements, Movement(moved_on, -moved.principal))
    ordered = tuple(sorted(movements, key=lambda movement: movement.on))
    return msgspec.structs.replace(invoice, movements=ordered)


def _rebalanced(invoice: Invoice) -> tuple[Split, date | None, int]:
    """(moves between components, their day, amount to the customer's credit) so that no component is overpaid.

    Overpaid is measured on the day of the last fact, never on the day the clock has reached. It goes to the open
    principal, then to credit; what a reversal took from below zero comes back from credit, then from principal.
    """
    last = _last_fact_on(invoice)
    fee_target = charges.late_fee(invoice, last)[0]
    mora_target = charges.cumulative_mora(invoice, last)
    fee_over = _excess(invoice.paid.late_fee, fee_target)
    mora_over = _excess(invoice.paid.mora, mora_target)
    over = fee_over + mora_over
    if fee_over == 0 and mora_over == 0:
        return Split(), None, 0
    if over >= 0:
        principal = min(over, max(0, invoice.open.principal))
    else:
        principal = min(0, over + invoice.credited_minor)
    moved = Split(late_fee=-fee_over, mora=-mora_over, principal=principal)
    return moved, last, over - principal


def _excess(paid_minor: int, owed_minor: int) -> int:
    """How much more than owed was paid; negative when less than nothing is paid."""
    if paid_minor < 0:
        return paid_minor
    return max(0, paid_minor - owed_minor)


def _last_fact_on(invoice: Invoice) -> date:
    assert invoice.terms is not None
    days = [part.on for part in invoice.received]
    days += [movement.on for movement in invoice.movements]
    return max(days, default=invoice.terms.issued_on)


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


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing("give a reason; it is kept in the audit trail", field="reason")
