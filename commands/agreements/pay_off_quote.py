"""What it takes to pay an agreement off on a day: a quote from its instalments' invoices, which changes nothing."""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

import msgspec

from ledger.agreement import pay_off
from ledger.agreement.decisions import require_payable_off
from ledger.agreement.events import EarlyPayOff, ScheduledInstalment
from ledger.agreement.pay_off import Contract, OpenInstalment
from ledger.agreement.state import Agreement
from ledger.invoice.accrual import bring_up_to_date
from ledger.invoice.state import OPEN, Invoice
from ledger.money import Money


class PayOffInstalmentView(msgspec.Struct, frozen=True):
    """An instalment with something open: nominally, with late fee and interest by the day, and what is given back."""

    number: int
    due_on: date
    invoice_id: UUID
    invoice_number: str
    open: Money
    interest_returned: Money
    to_pay: Money


class AgreementPayOffView(msgspec.Struct, frozen=True):
    """What settles an agreement on a day. `total` holds for payments of that day, `holds_until` its end.

    It is `open`, all that is nominally open by then, less `interest_returned`. Money that moves before the day
    changes it.
    """

    agreement_id: UUID
    on: date
    early_pay_off: EarlyPayOff
    open: Money
    interest_returned: Money
    total: Money
    holds_until: date
    computed_at: datetime
    instalments: list[PayOffInstalmentView]


def agreement_pay_off(
    agreement_id: UUID,
    agreement: Agreement,
    invoices: Mapping[UUID, Invoice],
    on: date,
    today: date,
    now: datetime,
) -> AgreementPayOffView:
    """`invoices` are those of its instalments. Raises NotActive, PayOffDayOutOfRange."""
    require_payable_off(agreement, on, today)
    currency = agreement.currency
    settled = pay_off.pay_off(
        contract_of(agreement, invoices), open_instalments(agreement, invoices, on), on
    )
    views = [
        PayOffInstalmentView(
            number=one.number,
            due_on=invoices[one.invoice_id].due_on,
            invoice_id=one.invoice_id,
            invoice_number=invoices[one.invoice_id].number,
            open=Money.of(one.open_minor, currency),
            interest_returned=Money.of(one.returned_minor, currency),
            to_pay=Money.of(one.to_pay_minor, currency),
        )
        for one in settled
        if one.open_minor
    ]
    return AgreementPayOffView(
        agreement_id=agreement_id,
        on=on,
        early_pay_off=agreement.early_pay_off,
        open=Money.of(sum(one.open_minor for one in settled), currency),
        interest_returned=Money.of(sum(one.returned_minor for one in settled), currency),
        total=Money.of(sum(one.to_pay_minor for one in settled), currency),
        holds_until=on,
        computed_at=now,
        instalments=views,
    )


def contract_of(agreement: Agreement, invoices: Mapping[UUID, Invoice]) -> Contract:
    """What its discount follows from. Its rounding is that of the fee policy its invoices were sent under."""
    terms = invoices[agreement.instalments[0].invoice_id].terms
    assert agreement.activated_on is not None
    assert terms is not None, "an instalment's invoice is sent when it is generated"
    plan = agreement.plan
    return Contract(
        activated_on=agreement.activated_on,
        first_due_on=plan.first_due_on,
        rate=plan.rate,
        first_period=plan.first_period,
        early_pay_off=agreement.early_pay_off,
        rounding=terms.policy.rounding,
    )


def open_instalments(
    agreement: Agreement, invoices: Mapping[UUID, Invoice], on: date
) -> list[OpenInstalment]:
    """All its instalments with what is open of each by the end of a day."""
    return [_open(part, invoices[part.invoice_id], on) for part in agreement.instalments]


def _open(part: ScheduledInstalment, invoice: Invoice, on: date) -> OpenInstalment:
    open_minor = charges_minor = 0
    if invoice.status in OPEN:
        by_then = bring_up_to_date(invoice, on, settle=True, apart=1).invoice.open
        open_minor, charges_minor = by_then.principal, by_then.total - by_then.principal
    return OpenInstalment(
        invoice_id=part.invoice_id,
        number=part.number,
        due_on=part.due_on,
        interest_minor=part.interest_minor,
        open_minor=open_minor,
        charges_minor=charges_minor,
    )
