"""An agreement as it is answered: its terms, its instalments, and what follows from their invoices."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

import msgspec

from commands.agreements.break_even import BreakEven
from ledger.agreement.events import EarlyPayOff, FirstPeriod, Kind, Schedule, ScheduledInstalment
from ledger.agreement.state import Agreement, Status
from ledger.invoice.state import Invoice
from ledger.invoice.state import Status as InvoiceStatus
from ledger.money import Money
from ledger.policy import Base
from ledger.rates import format_rate


class AgreementInstalmentView(msgspec.Struct, frozen=True):
    """An instalment and its invoice as it stands. Number 0 is a down payment. `interest` is contractual."""

    number: int
    due_on: date
    invoice_id: UUID
    invoice_number: str
    status: InvoiceStatus
    principal: Money
    interest: Money
    mora_base: Money
    open: Money


class AgreementTotals(msgspec.Struct, frozen=True):
    """Sums over the instalments' invoices, fees and interest with them: charged is paid, forgiven and open together.

    `overdue` is what is open on instalments whose first late day has come.
    """

    charged: Money
    paid: Money
    forgiven: Money
    open: Money
    overdue: Money


class AgreementView(msgspec.Struct, frozen=True):
    """An agreement.

    `principal` is what is to be repaid, once it is in force what its instalments add up to. `original` is the value
    first asked for, the base of late fee and mora. `break_even` is of all agreements of its chain of renegotiations,
    `early_pay_off` what was frozen when it came into force; before that, they are empty.
    """

    id: UUID
    customer_id: UUID
    kind: Kind
    status: Status
    currency: str
    principal: Money
    original: Money
    schedule: Schedule
    count: int
    rate: str
    first_due_on: date
    mora_base: Base
    discount: Money
    down_payment: Money
    down_payment_due_on: date | None
    first_period: FirstPeriod
    invoice_ids: list[UUID]
    renegotiates: UUID | None
    successor_id: UUID | None
    requested_on: date
    requested_by: str
    decided_by: str
    activated_on: date | None
    reason: str
    notes: str
    early_pay_off: EarlyPayOff | None
    break_even: BreakEven | None
    totals: AgreementTotals
    instalments: list[AgreementInstalmentView]


def agreement_view(
    agreement_id: UUID,
    agreement: Agreement,
    invoices: Mapping[UUID, Invoice],
    today: date,
    break_even: BreakEven | None,
) -> AgreementView:
    """`invoices` are those of its instalments, among others."""
    currency, plan = agreement.currency, agreement.plan
    instalments = [(part, invoices[part.invoice_id]) for part in agreement.instalments]
    return AgreementView(
        id=agreement_id,
        customer_id=agreement.customer_id,
        kind=agreement.kind,
        status=agreement.status,
        currency=currency,
        principal=Money.of(agreement.principal_minor, currency),
        original=Money.of(agreement.original_minor, currency),
        schedule=plan.schedule,
        count=plan.count,
        rate=format_rate(plan.rate),
        first_due_on=plan.first_due_on,
        mora_base=plan.mora_base,
        discount=Money.of(plan.discount_minor, currency),
        down_payment=Money.of(plan.down_payment_minor, currency),
        down_payment_due_on=plan.down_payment_due_on,
        first_period=plan.first_period,
        invoice_ids=list(agreement.invoices),
        renegotiates=agreement.renegotiates,
        successor_id=agreement.successor_id,
        requested_on=agreement.requested_on,
        requested_by=agreement.requested_by,
        decided_by=agreement.decided_by,
        activated_on=agreement.activated_on,
        reason=agreement.reason,
        notes=agreement.notes,
        early_pay_off=agreement.early_pay_off if agreement.activated_on is not None else None,
        break_even=break_even,
        totals=_totals([invoice for _, invoice in instalments], currency, today),
        instalments=[_instalment_view(part, invoice) for part, invoice in instalments],
    )


def _totals(invoices: list[Invoice], currency: str, today: date) -> AgreementTotals:
    late = [one for one in invoices if one.terms is not None and one.terms.late_on <= today]
    return AgreementTotals(
        charged=Money.of(sum(one.charged.total for one in invoices), currency),
        paid=Money.of(sum(one.paid.total for one in invoices), currency),
        forgiven=Money.of(sum(one.forgiven.total for one in invoices), currency),
        open=Money.of(sum(one.open.total for one in invoices), currency),
        overdue=Money.of(sum(one.open.total for one in late), currency),
    )


def _instalment_view(part: ScheduledInstalment, invoice: Invoice) -> AgreementInstalmentView:
    currency = invoice.currency
    return AgreementInstalmentView(
        number=part.number,
        due_on=invoice.due_on,
        invoice_id=part.invoice_id,
        invoice_number=invoice.number,
        status=invoice.status,
        principal=Money.of(part.principal_minor, currency),
        interest=Money.of(part.interest_minor, currency),
        mora_base=Money.of(part.mora_base_minor, currency),
        open=Money.of(invoice.open.total, currency),
    )
