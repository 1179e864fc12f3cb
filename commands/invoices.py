"""Invoices: draft, redraft, send, move the due date, void, cancel."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import msgspec

from commands.credit import post, room_of, use_credit_automatically
from commands.mails import queue_invoice
from commands.numbering import next_number
from commands.plan_loading import load_plan
from commands.tenants import today
from commands.unit_of_work import AlreadyExists, Unit, load
from ledger.encrypted import plain
from ledger.errors import Rejected
from ledger.event_registry import New
from ledger.invoice import accrual, adjusting, issuing
from ledger.invoice.events import DunningPlanChosen, ForgivenessKind
from ledger.invoice.evolve import evolve
from ledger.invoice.state import NOTHING, Invoice, Status, lines_of
from ledger.money import Money, require_in_use
from ledger.numbering import DOCUMENT_NUMBER
from ledger.tax import Line, Priced, PricedLine, UnitPrice, price_lines, unit_price_of
from ledger.tenant import Tenant
from ledger.waterfall import Split


class IssuedInFuture(Rejected):
    """An invoice cannot be issued on a day that has not come."""


class DraftInvoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new draft. `currency` is the tenant's when left out. `dunning_plan` is the key of the dunning plan that the
    invoice follows; left out, it follows its customer's or the tenant's."""

    customer_id: UUID
    due_on: date
    lines: tuple[Line, ...]
    currency: str = ""
    notes: str = ""
    dunning_plan: str = ""


class ChangeInvoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A draft's new content, or a sent invoice's later due date; what is left out stays.

    A due date is moved today, or on an earlier day that is given.
    """

    due_on: date | msgspec.UnsetType = msgspec.UNSET
    lines: tuple[Line, ...] | msgspec.UnsetType = msgspec.UNSET
    notes: str | msgspec.UnsetType = msgspec.UNSET
    reason: str = ""
    effective_on: date | None = None


class ChooseDunningPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key of the dunning plan that an invoice follows; empty, it follows its customer's or the tenant's."""

    plan: str


class SendInvoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sends a draft. `issued_on` is today when left out. `notify`: whether the customer gets it by mail, too."""

    issued_on: date | None = None
    notify: bool = True


class CloseInvoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an invoice is voided or cancelled."""

    reason: str


class ComponentsView(msgspec.Struct, frozen=True):
    """Amounts by component, and their sum."""

    principal: Money
    late_fee: Money
    mora: Money
    other_fees: Money
    total: Money


class InstalmentView(msgspec.Struct, frozen=True):
    """The invoice's place in an agreement; number 0 is a down payment. `interest` is contractual."""

    agreement_id: UUID
    number: int
    principal: Money
    interest: Money


class DisputeView(msgspec.Struct, frozen=True):
    """A dispute that is open. `holds_interest`: no interest is counted on it meanwhile."""

    disputed_on: date
    amount: Money
    holds_interest: bool


class PromiseView(msgspec.Struct, frozen=True):
    """The last promise to pay; `kept` is null until the day after the promised one."""

    promised_on: date
    amount: Money
    kept: bool | None


class HoldView(msgspec.Struct, frozen=True):
    """Dunning leaves the invoice alone, until a day (included) or until it is released."""

    until_on: date | None


class LineView(msgspec.Struct, frozen=True):
    """A line as it was priced: net and tax are the gross."""

    description: str
    quantity: str
    unit_price: UnitPrice
    tax_rate: str
    tax_included: bool
    net: Money
    tax: Money
    gross: Money


class InvoiceView(msgspec.Struct, frozen=True):
    """An invoice.

    `outstanding` is charged less paid less forgiven, by component. `forgiven` is what was forgiven in all ways;
    `waived`, `credited` and `written_off` (less what was recovered) are parts of it.

    payable_until  the last day on which it can be paid without charge
    late_on        the first day that is late by the terms it was sent under, grace included; null for a draft
    """

    id: UUID
    customer_id: UUID
    status: Status
    number: str
    currency: str
    issued_on: date | None
    due_on: date
    payable_until: date | None
    late_on: date | None
    net: Money
    tax: Money
    total: Money
    open: Money
    charged: ComponentsView
    paid: ComponentsView
    forgiven: ComponentsView
    outstanding: ComponentsView
    mora_through: date | None
    fee_policy_version: int | None
    lines: list[LineView]
    notes: str
    waived: Money
    credited: Money
    written_off: Money
    instalment: InstalmentView | None = None
    dispute: DisputeView | None = None
    promise: PromiseView | None = None
    hold: HoldView | None = None
    dunning_plan: str = ""


def draft_invoice(unit: Unit, command: DraftInvoice) -> InvoiceView:
    """Raises Unknown (customer), UnknownCurrency, WithdrawnCurrency, UnknownPlan, and what `ledger.tax.price_lines`
    refuses."""
    invoice_id = unit.new_id("invoice")
    state = draft_as(unit, invoice_id, command)
    return invoice_view(invoice_id, state)


def draft_as(
    unit: Unit, invoice_id: UUID, command: DraftInvoice, on: date | None = None
) -> Invoice:
    """Drafts an invoice under a given id, effective on a given day (today when left out)."""
    if unit.find("invoice", invoice_id) is not None:
        raise AlreadyExists(f"invoice {invoice_id} exists; its idempotency key was used before")
    load(unit, "customer", command.customer_id)
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    currency = command.currency or tenant.settings.currency
    drafted_on = on or today(unit)
    require_in_use(currency, drafted_on)
    lines, priced = _priced(unit, tenant, command.customer_id, command.lines, currency)
    notes = unit.encrypt(command.customer_id, command.notes)
    event = issuing.draft(command.customer_id, currency, command.due_on, lines, priced, notes)
    new = [New(event, drafted_on)]
    if command.dunning_plan:
        key = load_plan(unit, command.dunning_plan).key
        new.append(New(DunningPlanChosen(key), drafted_on))
    state: Invoice = unit.append("invoice", invoice_id, new)
    return state


def choose_dunning_plan(unit: Unit, invoice_id: UUID, command: ChooseDunningPlan) -> InvoiceView:
    """Has an invoice follow a dunning plan of its own, from today on. Raises Unknown, UnknownPlan."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    key = load_plan(unit, command.plan).key if command.plan else ""
    if key == invoice.dunning_plan:
        return invoice_view(invoice_id, invoice)
    return _append(unit, invoice_id, [New(DunningPlanChosen(key), today(unit))])


def change_invoice(unit: Unit, invoice_id: UUID, command: ChangeInvoice) -> InvoiceView:
    """Changes a draft, or extends the due date of a sent invoice.

    Raises Unknown, NotADraft, NotOpen, DueDateNotExtended, DueTooLate, and what `ledger.tax.price_lines` refuses.
    """
    invoice: Invoice = load(unit, "invoice", invoice_id)
    redrafts = command.lines is not msgspec.UNSET or command.notes is not msgspec.UNSET
    if command.due_on is not msgspec.UNSET and invoice.status != "draft" and not redrafts:
        return _move_due_date(unit, invoice_id, invoice, command, command.due_on)
    due_on = invoice.due_on if command.due_on is msgspec.UNSET else command.due_on
    if invoice.status == "draft" and not redrafts and due_on == invoice.due_on:
        return invoice_view(invoice_id, invoice)
    if command.lines is msgspec.UNSET:
        lines, priced = _as_priced_before(invoice)
    else:
        tenant: Tenant = load(unit, "tenant", unit.tenant_id)
        lines, priced = _priced(unit, tenant, invoice.customer_id, command.lines, invoice.currency)
    notes = (
        invoice.notes
        if command.notes is msgspec.UNSET
        else unit.encrypt(invoice.customer_id, command.notes)
    )
    event = issuing.redraft(invoice, due_on, lines, priced, notes)
    return _append(unit, invoice_id, [New(event, today(unit))])


def send_invoice(unit: Unit, invoice_id: UUID, command: SendInvoice) -> InvoiceView:
    """Sends a draft under the next number of the tenant's series.

    A number that another document has is skipped. Raises Unknown, NotADraft, DueBeforeIssue,
    IssuedInFuture, IssuedTooEarly, NumberBeforeSeries, WithdrawnCurrency.
    """
    invoice: Invoice = load(unit, "invoice", invoice_id)
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    now_on = today(unit)
    issued_on = command.issued_on or now_on
    if issued_on > now_on:
        raise IssuedInFuture(
            f"issued_on {issued_on} has not come; today is {now_on}", field="issued_on"
        )
    require_in_use(invoice.currency, issued_on, field=None)
    calendar = tenant.settings.business_days
    issuing.send(invoice, "", issued_on, tenant.policy, calendar)
    number = next_number(unit, tenant, "invoice", issued_on)
    unit.claim(DOCUMENT_NUMBER, number, invoice_id)
    sent = issuing.send(invoice, number, issued_on, tenant.policy, calendar, today=now_on)
    post(unit, invoice_id, with_rates(invoice, sent, tenant, now_on))
    use_credit_automatically(unit, invoice.customer_id, invoice.currency)
    if command.notify:
        queue_invoice(unit, invoice_id)
    return invoice_view(invoice_id, load(unit, "invoice", invoice_id))


def send_imported(unit: Unit, invoice_id: UUID, number: str, issued_on: date) -> Invoice:
    """Sends a draft under the number it already has elsewhere. Raises AlreadyExists for a number in use."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    unit.claim(DOCUMENT_NUMBER, plain(number, "invoice_number"), invoice_id)
    calendar = tenant.settings.business_days
    sent = issuing.send(invoice, number, issued_on, tenant.policy, calendar, imported=True)
    new = with_rates(invoice, sent, tenant, today(unit))
    state: Invoice = unit.append("invoice", invoice_id, new)
    return state


def with_rates(draft: Invoice, sent: New, tenant: Tenant, today_on: date) -> list[New]:
    """The sending of an invoice, and the reference rates of its interest that are known."""
    invoice = evolve(draft, *sent)
    return [sent, *accrual.rates_due(invoice, tenant.reference_rates, today_on)]


def void_invoice(unit: Unit, invoice_id: UUID, command: CloseInvoice) -> InvoiceView:
    """Raises Unknown, NotVoidable, ReasonMissing."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    reason = unit.encrypt(invoice.customer_id, command.reason.strip())
    decision = adjusting.void(invoice, today(unit), reason, room_of(unit, invoice_id))
    return _append(unit, invoice_id, decision.new)


def cancel_invoice(unit: Unit, invoice_id: UUID, command: CloseInvoice) -> InvoiceView:
    """Raises Unknown, NotOpen, ReasonMissing."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    reason = unit.encrypt(invoice.customer_id, command.reason.strip())
    decision = adjusting.cancel(invoice, today(unit), reason, room_of(unit, invoice_id))
    return _append(unit, invoice_id, decision.new)


def invoice_view(invoice_id: UUID, invoice: Invoice) -> InvoiceView:
    currency = invoice.currency
    terms = invoice.terms
    return InvoiceView(
        id=invoice_id,
        customer_id=invoice.customer_id,
        status=invoice.status,
        number=invoice.number,
        currency=currency,
        issued_on=terms.issued_on if terms else None,
        due_on=invoice.due_on,
        payable_until=terms.payable_until if terms else None,
        late_on=terms.late_on if terms else None,
        net=Money.of(invoice.net_minor, currency),
        tax=Money.of(invoice.tax_minor, currency),
        total=Money.of(invoice.total_minor, currency),
        open=Money.of(invoice.open.total, currency),
        charged=components_view(invoice.charged, currency),
        paid=components_view(invoice.paid, currency),
        forgiven=components_view(invoice.forgiven, currency),
        outstanding=components_view(invoice.open, currency),
        mora_through=invoice.mora_through,
        fee_policy_version=terms.policy.version if terms else None,
        lines=[
            LineView(
                description=line.description,
                quantity=line.quantity,
                unit_price=unit_price_of(line.unit_price, currency),
                tax_rate=line.tax_rate,
                tax_included=line.tax_included,
                net=Money.of(line.net_minor, currency),
                tax=Money.of(line.tax_minor, currency),
                gross=Money.of(line.gross_minor, currency),
            )
            for line in lines_of(invoice)
        ],
        notes=invoice.notes,
        waived=_forgiven(invoice, "waived"),
        credited=_forgiven(invoice, "credited"),
        written_off=_forgiven(invoice, "written_off"),
        instalment=_instalment_view(invoice),
        dispute=_dispute_view(invoice),
        promise=_promise_view(invoice),
        hold=HoldView(invoice.hold.until_on) if invoice.hold is not None else None,
        dunning_plan=invoice.dunning_plan,
    )


def components_view(split: Split, currency: str) -> ComponentsView:
    return ComponentsView(
        principal=Money.of(split.principal, currency),
        late_fee=Money.of(split.late_fee, currency),
        mora=Money.of(split.mora, currency),
        other_fees=Money.of(split.other_fees, currency),
        total=Money.of(split.total, currency),
    )


def _forgiven(invoice: Invoice, kind: ForgivenessKind) -> Money:
    return Money.of(invoice.forgiven_of.get(kind, NOTHING).total, invoice.currency)


def _instalment_view(invoice: Invoice) -> InstalmentView | None:
    part = invoice.instalment
    if part is None:
        return None
    principal = Money.of(part.principal_minor, invoice.currency)
    interest = Money.of(part.interest_minor, invoice.currency)
    return InstalmentView(part.agreement_id, part.number, principal, interest)


def _dispute_view(invoice: Invoice) -> DisputeView | None:
    dispute = invoice.dispute
    if dispute is None:
        return None
    amount = Money.of(dispute.minor, invoice.currency)
    return DisputeView(dispute.on, amount, dispute.holds_interest)


def _promise_view(invoice: Invoice) -> PromiseView | None:
    promise = invoice.promise
    if promise is None:
        return None
    return PromiseView(promise.promised_on, Money.of(promise.minor, invoice.currency), promise.kept)


def _move_due_date(
    unit: Unit, invoice_id: UUID, invoice: Invoice, command: ChangeInvoice, due_on: date
) -> InvoiceView:
    reason = unit.encrypt(invoice.customer_id, command.reason.strip())
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    holidays = tenant.settings.holidays
    now_on = today(unit)
    on = command.effective_on or now_on
    room = room_of(unit, invoice_id)
    decision = issuing.move_due_date(invoice, due_on, on, now_on, reason, holidays, room)
    post(unit, invoice_id, decision.new)
    use_credit_automatically(unit, invoice.customer_id, invoice.currency)
    return invoice_view(invoice_id, load(unit, "invoice", invoice_id))


def _append(unit: Unit, invoice_id: UUID, new: Sequence[New]) -> InvoiceView:
    return invoice_view(invoice_id, post(unit, invoice_id, new))


def _priced(
    unit: Unit, tenant: Tenant, customer_id: UUID, lines: Sequence[Line], currency: str
) -> tuple[list[Line], Priced]:
    """The lines with their descriptions encrypted, and their amounts."""
    settings = tenant.settings
    priced = price_lines(lines, currency, settings.tax_rounding, settings.rounding)
    encrypted = [
        msgspec.structs.replace(line, description=unit.encrypt(customer_id, line.description))
        for line in lines
    ]
    return encrypted, priced


def _as_priced_before(invoice: Invoice) -> tuple[list[Line], Priced]:
    """A draft's lines with the amounts they have: settings that changed since do not touch them."""
    before = lines_of(invoice)
    lines = [
        Line(line.description, line.quantity, line.unit_price, line.tax_rate, line.tax_included)
        for line in before
    ]
    amounts = tuple(PricedLine(line.net_minor, line.tax_minor, line.gross_minor) for line in before)
    return lines, Priced(amounts, invoice.net_minor, invoice.tax_minor, invoice.total_minor)
