"""Agreements: request, approve or reject, put into force, renegotiate, lose."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec

from commands.agreements.break_even import break_even, chain_of
from commands.agreements.instalment_invoices import invoice_of, issue_instalments
from commands.agreements.view import AgreementView, agreement_view
from commands.credit import post, room_of, use_credit_automatically
from commands.payments import CurrencyDiffers, SeveralCustomers
from commands.tenants import today
from commands.unit_of_work import AlreadyExists, Unit, load
from ledger.agreement import decisions
from ledger.agreement.decisions import Chain
from ledger.agreement.events import FirstPeriod, Kind, Plan, Requested, Schedule
from ledger.agreement.state import Agreement
from ledger.errors import Rejected
from ledger.event_registry import New
from ledger.invoice import adjusting
from ledger.invoice.accrual import bring_up_to_date
from ledger.invoice.preconditions import require_open
from ledger.invoice.state import NOTHING, OPEN, Invoice
from ledger.money import Money, positive_minor, require_in_use
from ledger.policy import Base
from ledger.rates import parse_rate
from ledger.tenant import Tenant

MAX_INVOICES = 1_000


class PrincipalOrInvoices(Rejected):
    """A loan says its principal; a payment plan names the open invoices that it takes over, each once."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a debt is to be repaid: `count` instalments by month, from `first_due_on`.

    `rate` is contractual interest a month, such as `2%/month`. `discount` comes off what is open. `down_payment` is due
    on `down_payment_due_on`, or at once. `mora_base`: late fee and interest count on the value first asked for, or on
    what is outstanding. `first_period`: the first instalment bears a month's interest, or that of the days from the
    activation to its due date, over 30 (`pro_rata`).
    """

    schedule: Schedule
    count: int
    first_due_on: date
    rate: str = "0%/month"
    mora_base: Base = "original"
    discount: Money | None = None
    down_payment: Money | None = None
    down_payment_due_on: date | None = None
    first_period: FirstPeriod = "whole_month"
    notes: str = ""


class RequestAgreement(Terms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A loan of `principal`, or a payment plan over `invoice_ids`, and how it is to be repaid.

    `currency` is the tenant's when left out.
    """

    customer_id: UUID
    kind: Kind
    currency: str = ""
    principal: Money | None = None
    invoice_ids: Annotated[tuple[UUID, ...], msgspec.Meta(max_length=MAX_INVOICES)] = ()


class ApproveAgreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Approves as it was requested; there is nothing to say."""


class RejectAgreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: str


class ActivateAgreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Puts into force as it was approved; there is nothing to say."""


class RenegotiateAgreement(Terms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why, and how what is open is to be repaid from now on."""

    reason: str


class LoseAgreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is not expected to be paid any more."""

    reason: str


def request_agreement(unit: Unit, command: RequestAgreement) -> AgreementView:
    """Asks for an agreement; another person approves or rejects it.

    Raises Unknown, AlreadyExists, PrincipalOrInvoices, SeveralCustomers, CurrencyDiffers, NotOpen,
    BelongsToAgreement, UnknownCurrency, WithdrawnCurrency, and what `ledger.agreement.decisions.request` refuses.
    """
    load(unit, "customer", command.customer_id)
    agreement_id = unit.new_id("agreement")
    if unit.find("agreement", agreement_id) is not None:
        raise AlreadyExists(f"agreement {agreement_id} exists; its idempotency key was used before")
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    currency = command.currency or tenant.settings.currency
    require_in_use(currency, today(unit))
    plan = _plan(command, currency)
    if command.kind == "loan":
        principal_minor = original_minor = _lent(command, currency)
    else:
        principal_minor, original_minor = _owed(unit, command, currency)
    requested = Requested(
        customer_id=command.customer_id,
        kind=command.kind,
        currency=currency,
        principal_minor=principal_minor,
        original_minor=original_minor,
        plan=plan,
        requested_by=unit.actor,
        invoices=command.invoice_ids,
        notes=unit.encrypt(command.customer_id, command.notes),
    )
    event = decisions.request(requested, today(unit))
    unit.append("agreement", agreement_id, [New(event, today(unit))])
    return agreement_view_of(unit, agreement_id)


def approve_agreement(unit: Unit, agreement_id: UUID, command: ApproveAgreement) -> AgreementView:
    """Raises Unknown, AlreadyDecided, SameActor."""
    agreement: Agreement = load(unit, "agreement", agreement_id)
    event = decisions.approve(agreement, unit.actor)
    unit.append("agreement", agreement_id, [New(event, today(unit))])
    return agreement_view_of(unit, agreement_id)


def reject_agreement(unit: Unit, agreement_id: UUID, command: RejectAgreement) -> AgreementView:
    """Raises Unknown, AlreadyDecided, SameActor, ReasonMissing."""
    agreement: Agreement = load(unit, "agreement", agreement_id)
    reason = unit.encrypt(agreement.customer_id, command.reason.strip())
    event = decisions.reject(agreement, unit.actor, reason)
    unit.append("agreement", agreement_id, [New(event, today(unit))])
    return agreement_view_of(unit, agreement_id)


def activate_agreement(unit: Unit, agreement_id: UUID, command: ActivateAgreement) -> AgreementView:
    """Puts an approved agreement into force: takes over its invoices, and issues its instalments, today.

    Invoices that are open no more (paid or void meanwhile) are left as they are. Raises Unknown, NotApproved,
    DueInPast, NothingToTakeOver, NothingLeft, NumberBeforeSeries, and what `ledger.instalment_schedules` refuses.
    """
    agreement: Agreement = load(unit, "agreement", agreement_id)
    decisions.require_activable(agreement, today(unit))
    if agreement.kind == "loan":
        owed_minor, original_minor = agreement.principal_minor, agreement.original_minor
    else:
        owed_minor, original_minor = _take_over(unit, agreement_id, agreement.invoices, reason="")
    chain = Chain(agreement_id, owed_minor)
    _put_into_force(unit, agreement_id, agreement, owed_minor, original_minor, chain)
    return agreement_view_of(unit, agreement_id)


def renegotiate_agreement(
    unit: Unit, agreement_id: UUID, command: RenegotiateAgreement
) -> AgreementView:
    """Closes every open instalment, and puts a new agreement over their open total into force at once.

    The new one remembers the value that was first asked for. Answers the new one. Raises Unknown, NotActive,
    ReasonMissing, DueInPast, NothingToTakeOver, NothingLeft, NumberBeforeSeries, and what
    `ledger.instalment_schedules` refuses.
    """
    before: Agreement = load(unit, "agreement", agreement_id)
    successor_id = unit.new_id("agreement")
    if unit.find("agreement", successor_id) is not None:
        raise AlreadyExists(f"agreement {successor_id} exists; its idempotency key was used before")
    reason = unit.encrypt(before.customer_id, command.reason.strip())
    renegotiated = decisions.renegotiate(before, successor_id, reason)
    now_on = today(unit)
    open_ids = _open_instalments(unit, before)
    requested = Requested(
        customer_id=before.customer_id,
        kind=before.kind,
        currency=before.currency,
        principal_minor=_open_minor(unit, open_ids),
        original_minor=before.original_minor,
        plan=_plan(command, before.currency),
        requested_by=unit.actor,
        invoices=open_ids,
        renegotiates=agreement_id,
        notes=unit.encrypt(before.customer_id, command.notes),
    )
    event = decisions.request(requested, now_on)
    successor: Agreement = unit.append("agreement", successor_id, [New(event, now_on)])
    unit.append("agreement", agreement_id, [New(renegotiated, now_on)])
    owed_minor, _ = _take_over(unit, successor_id, open_ids, reason)
    chain = Chain(before.first_agreement_id or agreement_id, before.lent_minor)
    _put_into_force(unit, successor_id, successor, owed_minor, before.original_minor, chain)
    return agreement_view_of(unit, successor_id)


def lose_agreement(unit: Unit, agreement_id: UUID, command: LoseAgreement) -> AgreementView:
    """Writes off every open instalment. Raises Unknown, NotActive, ReasonMissing."""
    agreement: Agreement = load(unit, "agreement", agreement_id)
    reason = unit.encrypt(agreement.customer_id, command.reason.strip())
    lost = decisions.lose(agreement, reason)
    for invoice_id in _open_instalments(unit, agreement):
        invoice: Invoice = load(unit, "invoice", invoice_id)
        now_on = today(unit)
        room = room_of(unit, invoice_id)
        decision = adjusting.write_off(invoice, None, now_on, now_on, reason, room)
        post(unit, invoice_id, decision.new)
    unit.append("agreement", agreement_id, [New(lost, today(unit))])
    return agreement_view_of(unit, agreement_id)


def _put_into_force(
    unit: Unit,
    agreement_id: UUID,
    agreement: Agreement,
    owed_minor: int,
    original_minor: int,
    chain: Chain,
) -> None:
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    activated = decisions.activate(
        agreement,
        owed_minor,
        original_minor,
        today(unit),
        tenant.policy.rounding,
        lambda number: invoice_of(unit, agreement_id, number),
        chain,
        tenant.settings.early_pay_off,
    )
    unit.append("agreement", agreement_id, [New(activated, today(unit))])
    issue_instalments(unit, agreement_id, agreement, activated)
    use_credit_automatically(unit, agreement.customer_id, agreement.currency)


def _take_over(
    unit: Unit, agreement_id: UUID, invoice_ids: Iterable[UUID], reason: str
) -> tuple[int, int]:
    """Closes those of the invoices that are open; returns what was open on them and their bases of mora together."""
    owed_minor = original_minor = 0
    unit.expect(invoice_ids)
    for invoice_id in invoice_ids:
        invoice: Invoice = load(unit, "invoice", invoice_id)
        if invoice.status not in OPEN:
            continue
        assert invoice.terms is not None
        room = room_of(unit, invoice_id)
        decision = adjusting.renegotiate(invoice, agreement_id, today(unit), reason, room)
        taken_over = decision.invoice.forgiven_of.get("renegotiated", NOTHING)
        owed_minor += (taken_over - invoice.forgiven_of.get("renegotiated", NOTHING)).total
        original_minor += invoice.terms.mora_base_minor
        post(unit, invoice_id, decision.new)
    return owed_minor, original_minor


def _open_instalments(unit: Unit, agreement: Agreement) -> tuple[UUID, ...]:
    ids = [part.invoice_id for part in agreement.instalments]
    unit.expect(ids)
    return tuple(one for one in ids if load(unit, "invoice", one).status in OPEN)


def _open_minor(unit: Unit, invoice_ids: Iterable[UUID]) -> int:
    """What is open on invoices today, with fee and interest to this day."""
    return sum(
        bring_up_to_date(
            load(unit, "invoice", one), today(unit), settle=True, apart=1
        ).invoice.open.total
        for one in invoice_ids
    )


def _lent(command: RequestAgreement, currency: str) -> int:
    if command.principal is None or command.invoice_ids:
        raise PrincipalOrInvoices("a loan says its principal, and no invoices", field="principal")
    return _minor(command.principal, currency, "principal")


def _owed(unit: Unit, command: RequestAgreement, currency: str) -> tuple[int, int]:
    """(what is open on the invoices of a payment plan, their bases of mora together)."""
    ids = command.invoice_ids
    if command.principal is not None or not ids or len(set(ids)) < len(ids):
        raise PrincipalOrInvoices(
            "a payment plan names the invoices that it takes over, each once, and no principal",
            field="invoice_ids",
        )
    unit.expect(ids)
    original_minor = 0
    for index, invoice_id in enumerate(ids):
        field = f"invoice_ids[{index}]"
        invoice: Invoice = load(unit, "invoice", invoice_id)
        if invoice.customer_id != command.customer_id:
            raise SeveralCustomers("the invoice is of another customer", field=field)
        if invoice.currency != currency:
            raise CurrencyDiffers(f"the agreement is in {currency}", field=field)
        require_open(invoice, "can be taken over by an agreement")
        _require_free(unit, invoice, field)
        assert invoice.terms is not None
        original_minor += invoice.terms.mora_base_minor
    return _open_minor(unit, ids), original_minor


def _require_free(unit: Unit, invoice: Invoice, field: str) -> None:
    """An instalment of an agreement in force is taken over with all the others. Raises BelongsToAgreement."""
    if invoice.instalment is None:
        return
    agreement: Agreement = load(unit, "agreement", invoice.instalment.agreement_id)
    if agreement.status in ("active", "paid"):
        raise adjusting.BelongsToAgreement(
            f"the invoice is an instalment of agreement {invoice.instalment.agreement_id}: "
            "renegotiate that agreement",
            field=field,
        )


def _plan(terms: RequestAgreement | RenegotiateAgreement, currency: str) -> Plan:
    return Plan(
        schedule=terms.schedule,
        count=terms.count,
        rate=parse_rate(terms.rate, field="rate"),
        first_due_on=terms.first_due_on,
        mora_base=terms.mora_base,
        discount_minor=_minor(terms.discount, currency, "discount"),
        down_payment_minor=_minor(terms.down_payment, currency, "down_payment"),
        down_payment_due_on=terms.down_payment_due_on,
        first_period=terms.first_period,
    )


def _minor(amount: Money | None, currency: str, field: str) -> int:
    """An amount above zero in the agreement's currency; 0 when it is left out. Raises CurrencyDiffers."""
    if amount is None:
        return 0
    minor = positive_minor(amount, field)
    if amount.currency != currency:
        raise CurrencyDiffers(f"the agreement is in {currency}", field=field)
    return minor


def agreement_view_of(unit: Unit, agreement_id: UUID) -> AgreementView:
    agreement: Agreement = load(unit, "agreement", agreement_id)
    chain = chain_of(agreement_id, agreement, lambda one: load(unit, "agreement", one))
    ids = [part.invoice_id for _, one in chain for part in one.instalments]
    unit.expect(ids)
    invoices = {one: load(unit, "invoice", one) for one in ids}
    reached = break_even(agreement, invoices.values(), unit.now)
    return agreement_view(agreement_id, agreement, invoices, today(unit), reached)
