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
from ledger.invoice.issuing import NotOpen
from ledger.invoice.state import NOTHING, OPEN, CreditedLine, Invoice, lines_of
from ledger.money import bounded, format_minor
from ledger.rounding import divide, round_together


class NotVoidable(Rejected):
    """An invoice can be voided as a draft, or while sent or overdue with nothing paid."""


class ReasonMissing(Rejected):
    """This needs a reason, for the audit trail."""


class OverWaived(Rejected):
    """More was to be waived than is open of the component."""


class OverCredited(Rejected):
    """A credit note takes back no more than the invoice, or its line, still stands for."""


class NotCreditable(Rejected):
    """A credit note is for an invoice that was sent and is open or paid."""


class UnknownLine(Rejected):
    """The invoice has no such line, or the credit note names it twice."""


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


def creditable(invoice: Invoice) -> list[int]:
    """What is left of each line to take back, in minor units of its gross; below zero for a discount."""
    credited = invoice.credited_lines or [CreditedLine()] * len(lines_of(invoice))
    return [
        line.gross_minor - before.net_minor - before.tax_minor
        for line, before in zip(lines_of(invoice), credited, strict=True)
    ]


def creditable_minor(invoice: Invoice) -> int:
    """What credit notes can still take back in all: what is left of the lines, less principal that was given up in
    another way. Nobody paid that, so nobody is given it back."""
    given_up = invoice.forgiven - invoice.forgiven_of.get("credited", NOTHING)
    return sum(creditable(invoice)) - given_up.principal


def credit(
    invoice: Invoice,
    credit_note_id: UUID,
    number: str,
    grosses: Sequence[int],
    reason: str,
    today: date,
) -> Decision:
    """Takes back of each line so much of its gross. Principal that is open is owed no longer; the rest had been paid.

    A line's tax is taken back in proportion, rounded over all its credit notes together: in full, it is exactly the
    tax of the line. Raises ReasonMissing, OverCredited.
    """
    require_reason(reason)
    require_creditable(invoice)
    lines = lines_of(invoice)
    before = invoice.credited_lines or (CreditedLine(),) * len(lines)
    credited: list[e.CreditedLine] = []
    for at, (line, was, gross_minor) in enumerate(zip(lines, before, grosses, strict=True)):
        if not gross_minor:
            continue
        total_minor = was.net_minor + was.tax_minor + gross_minor
        tax_minor = divide(line.tax_minor * total_minor, line.gross_minor) - was.tax_minor
        credited.append(e.CreditedLine(at, gross_minor - tax_minor, tax_minor))
    total_minor = sum(grosses)
    left_minor = creditable_minor(invoice)
    if not 0 < total_minor <= left_minor:
        raise _over_credited(invoice, left_minor)
    decision = bring_up_to_date(invoice, today, settle=True)
    principal_minor = min(total_minor, decision.invoice.open.principal)
    event = e.Credited(
        credit_note_id=credit_note_id,
        number=number,
        reason=reason,
        lines=tuple(credited),
        net_minor=sum(line.net_minor for line in credited),
        tax_minor=sum(line.tax_minor for line in credited),
        total_minor=total_minor,
        forgiven=Split(principal=principal_minor),
        credit_minor=total_minor - principal_minor,
    )
    give_up(decision, event, today, because=f"credit note {number}")
    return decision


def shares(invoice: Invoice, amount_minor: int) -> list[int]:
    """An amount to take back, spread over the lines in proportion to what is left of each. Raises OverCredited."""
    left = creditable(invoice)
    left_minor = creditable_minor(invoice)
    if not 0 < amount_minor <= left_minor:
        raise _over_credited(invoice, left_minor)
    return round_together([amount_minor * line for line in left], sum(left))


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
    _require_no_agreement(invoice, "credited")
    if invoice.status not in OPEN and invoice.status != "paid":
        raise NotCreditable(
            f"the invoice is {invoice.status}; a credit note is for one that is sent, overdue or paid"
        )


def require_reason(reason: str, field: str = "reason") -> None:
    """Raises ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing(f"give a {field}; it is kept in the audit trail", field=field)


def _close(decision: Decision, closed: Callable[[Split], Event], today: date, because: str) -> None:
    forgiven = all_open(decision.invoice, closed, today)
    give_up(decision, closed(forgiven), today, because)


def _over_credited(invoice: Invoice, left_minor: int) -> OverCredited:
    left = format_minor(max(0, left_minor), invoice.currency)
    return OverCredited(f"{left} of the invoice can be credited still", field="amount")


def _require_no_agreement(invoice: Invoice, what: str) -> None:
    if invoice.instalment is not None:
        raise BelongsToAgreement(
            f"the invoice is an instalment of agreement {invoice.instalment.agreement_id}; it is not "
            f"{what} by itself: renegotiate the agreement, or lose it"
        )
