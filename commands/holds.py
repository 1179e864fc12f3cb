"""What the customer says of an invoice, and what keeps dunning from it: disputes, promises to pay, holds."""

from datetime import date
from uuid import UUID

import msgspec

from commands.adjustments import minor_of
from commands.credit import post, room_of, use_credit_automatically
from commands.invoices import InvoiceView, invoice_view
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger.invoice import holding
from ledger.invoice.events import Outcome
from ledger.invoice.state import Invoice
from ledger.money import Money
from ledger.tenant import Tenant


class DisputeInvoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is disputed from a day on, today when left out: all of the principal that is open then, or so much of it."""

    reason: str
    amount: Money | None = None
    effective_on: date | None = None


class ResolveDispute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`accepted`: the customer is right, and held interest is not charged. `rejected`: it was owed all along.

    It takes effect today, or on an earlier day that is given.
    """

    outcome: Outcome
    reason: str = ""
    effective_on: date | None = None


class PromiseToPay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A promise to pay all that is open, or so much of it, by a day; made today, or on an earlier day that is given."""

    promised_on: date
    amount: Money | None = None
    note: str = ""
    effective_on: date | None = None


class HoldInvoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why dunning leaves the invoice alone, and until which day (included); left out, until it is released."""

    reason: str
    until_on: date | None = None


class ReleaseInvoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why dunning takes the invoice up again."""

    reason: str = ""


def dispute_invoice(unit: Unit, invoice_id: UUID, command: DisputeInvoice) -> InvoiceView:
    """Raises Unknown, NotOpen, ReasonMissing, AlreadyDisputed, OverDisputed, DisputesOverlap, EffectiveInFuture,
    EffectiveTooEarly, CurrencyDiffers."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    amount_minor = None if command.amount is None else minor_of(invoice, command.amount)
    reason = unit.encrypt(invoice.customer_id, command.reason.strip())
    holds_interest = tenant.settings.dispute_holds_interest
    now_on = today(unit)
    on = command.effective_on or now_on
    room = room_of(unit, invoice_id)
    decision = holding.dispute(invoice, amount_minor, holds_interest, reason, on, now_on, room)
    post(unit, invoice_id, decision.new)
    use_credit_automatically(unit, invoice.customer_id, invoice.currency)
    return invoice_view(invoice_id, load(unit, "invoice", invoice_id))


def resolve_dispute(unit: Unit, invoice_id: UUID, command: ResolveDispute) -> InvoiceView:
    """Raises Unknown, NotDisputed, ResolvedTooEarly, EffectiveInFuture."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    reason = unit.encrypt(invoice.customer_id, command.reason.strip())
    now_on = today(unit)
    on = command.effective_on or now_on
    room = room_of(unit, invoice_id)
    decision = holding.resolve(invoice, command.outcome, reason, on, now_on, room)
    post(unit, invoice_id, decision.new)
    use_credit_automatically(unit, invoice.customer_id, invoice.currency)
    return invoice_view(invoice_id, load(unit, "invoice", invoice_id))


def promise_to_pay(unit: Unit, invoice_id: UUID, command: PromiseToPay) -> InvoiceView:
    """Raises Unknown, NotOpen, PromiseTooLate, OverPromised, EffectiveInFuture, EffectiveTooEarly, CurrencyDiffers."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    amount_minor = None if command.amount is None else minor_of(invoice, command.amount)
    note = unit.encrypt(invoice.customer_id, command.note.strip())
    now_on = today(unit)
    on = command.effective_on or now_on
    decision = holding.promise(invoice, amount_minor, command.promised_on, note, on, now_on)
    return invoice_view(invoice_id, post(unit, invoice_id, decision.new))


def hold_invoice(unit: Unit, invoice_id: UUID, command: HoldInvoice) -> InvoiceView:
    """Raises Unknown, NotOpen, ReasonMissing, AlreadyHeld, HoldOver."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    reason = unit.encrypt(invoice.customer_id, command.reason.strip())
    decision = holding.hold(invoice, command.until_on, reason, today(unit))
    return invoice_view(invoice_id, post(unit, invoice_id, decision.new))


def release_invoice(unit: Unit, invoice_id: UUID, command: ReleaseInvoice) -> InvoiceView:
    """Raises Unknown, NotHeld."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    reason = unit.encrypt(invoice.customer_id, command.reason.strip())
    decision = holding.release(invoice, reason, today(unit))
    return invoice_view(invoice_id, post(unit, invoice_id, decision.new))
