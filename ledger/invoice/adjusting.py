"""Adjusting an invoice: fees by hand, waivers, credit notes, and the ways in which a debt is given up.

Each brings the invoice up to date first, and takes effect on the day it is decided.
"""

from collections.abc import Callable, Sequence
from datetime import date
from uuid import UUID

from ledger.allocation import Component, Split
from ledger.errors import Rejected
from ledger.events import Event
from ledger.invoice import events as e
from ledger.invoice.accrual import Decision, all_open, bring_up_to_date, give_up
from ledger.invoice.credit_notes import require_left
from ledger.invoice.issuing import NotOpen
from ledger.invoice.state import OPEN, Invoice
from ledger.money import bounded, format_minor


class NotVoidable(Rejected):
    """An invoice can be voided as a draft, or while sent or overdue with nothing paid."""


class ReasonMissing(Rejected):
    """This needs a reason, for the audit trail."""


class OverWaived(Rejected):
    """More was to be waived than is open of the component."""


class NotCreditable(Rejected):
    """A credit note is for an invoice that was sent and is open or paid."""


class BelongsToAgreement(Rejected):
    """An instalment is not voided, cancelled or credited by itself: renegotiate its agreement, or lose it."""


def charge_fee(invoice: Invoice, amount_minor: int, description: str, today: date) -> Decision:
    """Charges a fee by hand. Raises NotOpen, ReasonMissing, AmountTooLarge."""
    require_reason(description, "description")
    require_open(invoice, "takes a fee")
    bounded(invoice.charged.other_fees + amount_minor, invoice.currency)
    decision = bring_up_to_date(invoice, today)
    decision.add(e.FeeCharged(amount_minor, description), today)
    return decision


def waive(
    invoice: Invoice, component: Component, amount_minor: int | None, reason: str, today: date
) -> Decision:
    """Gives up a component, or a part of it. Raises NotOpen, ReasonMissing, OverWaived."""
    require_reason(reason)
    require_open(invoice, "has something to waive")
    decision = bring_up_to_date(invoice, today, settle=True)
    open_minor: int = getattr(decision.invoice.open, component)
    waived_minor = open_minor if amount_minor is None else amount_minor
    if not 0 < waived_minor <= open_minor:
        raise OverWaived(
            f"{format_minor(open_minor, invoice.currency)} of {component.replace('_', ' ')} is open; "
            "waive no more than that",
            field="amount",
        )
    waived = e.Waived(reason, Split(**{component: waived_minor}))
    give_up(decision, waived, today, because="waiver")
    return decision


def credit(
    invoice: Invoice,
    credit_note_id: UUID,
    number: str,
    lines: Sequence[e.CreditedLine],
    reason: str,
    today: date,
) -> Decision:
    """Takes back lines that `ledger.invoice.credit_notes` found. Principal that is open is owed no longer; the rest had
    been paid. Raises ReasonMissing, NotCreditable, BelongsToAgreement, OverCredited, GivenUpOtherwise."""
    require_reason(reason)
    require_creditable(invoice)
    net_minor = sum(line.net_minor for line in lines)
    tax_minor = sum(line.tax_minor for line in lines)
    total_minor = net_minor + tax_minor
    require_left(invoice, total_minor)
    decision = bring_up_to_date(invoice, today, settle=True)
    principal_minor = min(total_minor, decision.invoice.open.principal)
    event = e.Credited(
        credit_note_id=credit_note_id,
        number=number,
        reason=reason,
        lines=tuple(lines),
        net_minor=net_minor,
        tax_minor=tax_minor,
        total_minor=total_minor,
        forgiven=Split(principal=principal_minor),
        credit_minor=total_minor - principal_minor,
    )
    give_up(decision, event, today, because=f"credit note {number}")
    return decision


def void(invoice: Invoice, today: date, reason: str) -> Decision:
    """Voids a draft, or a sent invoice on which nothing is paid.

    Raises NotVoidable, ReasonMissing, BelongsToAgreement.
    """
    require_reason(reason)
    _require_no_agreement(invoice, "voided")
    if invoice.status not in ("draft", "sent", "overdue") or invoice.paid.total != 0:
        raise NotVoidable(
            f"the invoice is {invoice.status} with payments on it; cancel it or issue a credit note"
            if invoice.paid.total
            else f"the invoice is {invoice.status}; only a draft, sent or overdue one can be voided"
        )
    decision = bring_up_to_date(invoice, today, settle=True)
    _close(decision, lambda forgiven: e.Voided(reason, forgiven), today, because="voided")
    return decision


def cancel(invoice: Invoice, today: date, reason: str) -> Decision:
    """Gives up what is open on a sent invoice; payments stay. Raises NotOpen, ReasonMissing, BelongsToAgreement."""
    require_reason(reason)
    _require_no_agreement(invoice, "cancelled")
    require_open(invoice, "can be cancelled")
    decision = bring_up_to_date(invoice, today, settle=True)
    _close(decision, lambda forgiven: e.Cancelled(reason, forgiven), today, because="cancelled")
    return decision


def write_off(invoice: Invoice, today: date, reason: str) -> Decision:
    """Writes off what is open. Interest that is missing is posted as one amount, for an agreement may give up hundreds
    of instalments at once. Raises NotOpen, ReasonMissing."""
    require_reason(reason)
    require_open(invoice, "can be written off")
    decision = bring_up_to_date(invoice, today, settle=True, one_by_one=0)
    _close(decision, lambda forgiven: e.WrittenOff(reason, forgiven), today, because="write-off")
    return decision


def renegotiate(invoice: Invoice, agreement_id: UUID, today: date, reason: str) -> Decision:
    """Closes what is open, because an agreement takes it over. Interest that is missing is posted as one amount, for it
    may take over a thousand invoices at once. Raises NotOpen."""
    require_open(invoice, "can be taken over by an agreement")
    decision = bring_up_to_date(invoice, today, settle=True, one_by_one=0)
    _close(
        decision,
        lambda forgiven: e.Renegotiated(agreement_id, reason, forgiven),
        today,
        because=f"agreement {agreement_id}",
    )
    return decision


def require_open(invoice: Invoice, what: str) -> None:
    """Raises NotOpen."""
    if invoice.status not in OPEN:
        raise NotOpen(f"the invoice is {invoice.status}; only a sent or overdue one {what}")


def require_creditable(invoice: Invoice) -> None:
    """Raises NotCreditable, BelongsToAgreement."""
    nothing = f"{format_minor(0, invoice.currency)} can be credited"
    if invoice.instalment is not None:
        raise BelongsToAgreement(
            f"the invoice is an instalment of agreement {invoice.instalment.agreement_id}, so {nothing} on it: "
            "renegotiate the agreement, or waive what is not owed"
        )
    if invoice.status not in OPEN and invoice.status != "paid":
        status = invoice.status.replace("_", " ")
        raise NotCreditable(
            f"the invoice is {status}, so {nothing}; a credit note is for one that is sent, overdue or paid"
        )


def require_reason(reason: str, field: str = "reason") -> None:
    """Raises ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing(f"give a {field}; it is kept in the audit trail", field=field)


def _close(decision: Decision, closed: Callable[[Split], Event], today: date, because: str) -> None:
    forgiven = all_open(decision.invoice, closed, today)
    give_up(decision, closed(forgiven), today, because)


def _require_no_agreement(invoice: Invoice, what: str) -> None:
    if invoice.instalment is not None:
        raise BelongsToAgreement(
            f"the invoice is an instalment of agreement {invoice.instalment.agreement_id}; it is not "
            f"{what} by itself: renegotiate the agreement, or lose it"
        )
