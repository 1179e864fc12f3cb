"""Adjusting what is owed on an invoice: fees by hand, waivers, credit notes, write-offs."""

from datetime import date
from uuid import UUID

import msgspec

from commands.credit import post, room_of, use_credit_automatically
from commands.invoices import InvoiceView, invoice_view
from commands.numbering import next_number
from commands.payments import CurrencyDiffers
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger.errors import Rejected
from ledger.invoice import adjusting, credit_notes
from ledger.invoice.accrual import Decision
from ledger.invoice.events import Credited, CreditedLine
from ledger.invoice.state import Invoice
from ledger.money import Money, positive_minor
from ledger.numbering import DOCUMENT_NUMBER
from ledger.tenant import Tenant
from ledger.waterfall import Component


class ChargeFee(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fee, what it is for, and the day on which it takes effect: today when left out."""

    amount: Money
    description: str
    effective_on: date | None = None


class WaiveComponent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is forgiven: all that is open of a component on a day, today when left out, or so much of it."""

    component: Component
    reason: str
    amount: Money | None = None
    effective_on: date | None = None


class WriteOffInvoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a debt is not expected to be paid: all that is open on a day, today when left out, or so much of it."""

    reason: str
    amount: Money | None = None
    effective_on: date | None = None


class CreditLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line to credit, by its place in the invoice (from 0): whole, or so much of its gross."""

    line: int
    amount: Money | None = None


class CreditInvoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A credit note: over all that is left of the invoice, an amount of it, or lines of it; issued on a day, today when
    left out."""

    reason: str
    amount: Money | None = None
    lines: tuple[CreditLine, ...] = ()
    effective_on: date | None = None


class IssueCreditNote(CreditInvoice, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A credit note for an invoice: over all that is left of it, an amount of it, or lines of it."""

    invoice_id: UUID


class CreditNoteView(msgspec.Struct, frozen=True):
    """A credit note. `credit` went to the customer, `applied` came off what was open."""

    id: UUID
    number: str
    invoice_id: UUID
    net: Money
    tax: Money
    total: Money
    applied: Money
    credit: Money
    invoice: InvoiceView


class AmountOrLines(Rejected):
    """A credit note says an amount or lines, not both."""


def charge_fee(unit: Unit, invoice_id: UUID, command: ChargeFee) -> InvoiceView:
    """Raises Unknown, NotOpen, ReasonMissing, EffectiveInFuture, EffectiveTooEarly, CurrencyDiffers, and what is wrong
    with an amount."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    amount_minor = minor_of(invoice, command.amount)
    description = unit.encrypt(invoice.customer_id, command.description.strip())
    now_on = today(unit)
    on = command.effective_on or now_on
    room = room_of(unit, invoice_id)
    decision = adjusting.charge_fee(invoice, amount_minor, description, on, now_on, room)
    return _adjusted(unit, invoice_id, decision)


def waive(unit: Unit, invoice_id: UUID, command: WaiveComponent) -> InvoiceView:
    """Raises Unknown, NotOpen, ReasonMissing, OverWaived, CurrencyDiffers, and the refusals of a malformed amount."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    amount_minor = None if command.amount is None else minor_of(invoice, command.amount)
    reason = unit.encrypt(invoice.customer_id, command.reason.strip())
    now_on = today(unit)
    on = command.effective_on or now_on
    room = room_of(unit, invoice_id)
    decision = adjusting.waive(invoice, command.component, amount_minor, reason, on, now_on, room)
    return _adjusted(unit, invoice_id, decision)


def write_off(unit: Unit, invoice_id: UUID, command: WriteOffInvoice) -> InvoiceView:
    """Raises Unknown, NotOpen, ReasonMissing, OverWrittenOff, EffectiveInFuture, EffectiveTooEarly, CurrencyDiffers,
    and what is wrong with an amount."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    amount_minor = None if command.amount is None else minor_of(invoice, command.amount)
    reason = unit.encrypt(invoice.customer_id, command.reason.strip())
    now_on = today(unit)
    on = command.effective_on or now_on
    room = room_of(unit, invoice_id)
    decision = adjusting.write_off(invoice, amount_minor, on, now_on, reason, room)
    return _adjusted(unit, invoice_id, decision)


def credit_invoice(unit: Unit, invoice_id: UUID, command: CreditInvoice) -> CreditNoteView:
    """Issues a credit note under the next number of its series.

    It takes principal off what is open. What is left had been paid: it covers the fees and interest that are open, and
    the rest is the customer's credit. Raises Unknown, NotCreditable, BelongsToAgreement, ReasonMissing, OverCredited,
    LineOverCredited, ForgivenOtherwise, DiscountLeftOver, UnknownLine, AmountOrLines, CurrencyDiffers,
    NumberBeforeSeries, and the refusals of a malformed amount.
    """
    invoice: Invoice = load(unit, "invoice", invoice_id)
    adjusting.require_creditable(invoice)
    lines = _credited_lines(invoice, command)
    on = command.effective_on or today(unit)
    credit_note_id = unit.new_id("credit_note")
    reason = unit.encrypt(invoice.customer_id, command.reason.strip())
    room = room_of(unit, invoice_id)
    adjusting.credit(invoice, credit_note_id, "", lines, reason, on, today(unit), room)
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    number = next_number(unit, tenant, "credit_note", on)
    unit.claim(DOCUMENT_NUMBER, number, credit_note_id)
    decision = adjusting.credit(
        invoice, credit_note_id, number, lines, reason, on, today(unit), room
    )
    event = next(new.event for new in decision.new if isinstance(new.event, Credited))
    post(unit, invoice_id, decision.new)
    use_credit_automatically(unit, invoice.customer_id, invoice.currency)
    after: Invoice = load(unit, "invoice", invoice_id)
    currency = invoice.currency
    return CreditNoteView(
        id=credit_note_id,
        number=number,
        invoice_id=invoice_id,
        net=Money.of(event.net_minor, currency),
        tax=Money.of(event.tax_minor, currency),
        total=Money.of(event.total_minor, currency),
        applied=Money.of(event.total_minor - event.credit_minor, currency),
        credit=Money.of(event.credit_minor, currency),
        invoice=invoice_view(invoice_id, after),
    )


def _adjusted(unit: Unit, invoice_id: UUID, decision: Decision) -> InvoiceView:
    """Appends what was decided; one that takes effect on an earlier day may set credit free, or open the invoice."""
    after = post(unit, invoice_id, decision.new)
    use_credit_automatically(unit, after.customer_id, after.currency)
    return invoice_view(invoice_id, load(unit, "invoice", invoice_id))


def _credited_lines(invoice: Invoice, command: CreditInvoice) -> tuple[CreditedLine, ...]:
    """What is credited of each line. Raises AmountOrLines, UnknownLine, and what the amounts are refused for."""
    if command.lines and command.amount is not None:
        raise AmountOrLines("say an amount or lines, not both", field="lines")
    if command.amount is not None:
        return credit_notes.by_amount(invoice, minor_of(invoice, command.amount))
    if not command.lines:
        return credit_notes.all_left(invoice)
    wanted: dict[int, int | None] = {}
    for index, line in enumerate(command.lines):
        if line.line in wanted:
            raise credit_notes.unknown_line(invoice, index)
        wanted[line.line] = None
        if line.amount is not None:
            wanted[line.line] = minor_of(invoice, line.amount, f"lines[{index}].amount")
    return credit_notes.by_lines(invoice, wanted)


def minor_of(invoice: Invoice, amount: Money, field: str = "amount") -> int:
    """An amount above zero in the invoice's currency, in minor units. Raises CurrencyDiffers, and what is malformed."""
    minor = positive_minor(amount, field)
    if amount.currency != invoice.currency:
        raise CurrencyDiffers(f"the invoice is in {invoice.currency}", field=field)
    return minor
