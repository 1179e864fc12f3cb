"""The invoices of an agreement's instalments: each drafted and sent at once, under the next numbers of the series."""

from uuid import UUID

from msgspec.structs import replace

from commands.invoices import with_rates
from commands.numbering import next_numbers
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger.agreement.events import Activated, ScheduledInstalment
from ledger.agreement.state import Agreement
from ledger.calendars import Calendar
from ledger.event_registry import New
from ledger.invoice import events as e
from ledger.invoice import issuing
from ledger.invoice.evolve import evolve
from ledger.money import format_minor, require_in_use
from ledger.numbering import DOCUMENT_NUMBER
from ledger.policy import FeePolicy
from ledger.tax import Line, Priced, PricedLine
from ledger.tenant import Tenant


def invoice_of(unit: Unit, agreement_id: UUID, number: int) -> UUID:
    """The id of the invoice of an instalment that this command generates."""
    return unit.new_id("instalment", str(agreement_id), str(number))


def issue_instalments(
    unit: Unit, agreement_id: UUID, agreement: Agreement, activated: Activated
) -> None:
    """Issues every instalment's invoice today. Raises NumberBeforeSeries, DueBeforeIssue, NoBusinessDay,
    WithdrawnCurrency.
    """
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    require_in_use(agreement.currency, today(unit), field=None)
    policy = replace(tenant.policy, mora_base=agreement.plan.mora_base)
    calendar = tenant.settings.business_days
    numbers = next_numbers(unit, tenant, "invoice", today(unit), len(activated.instalments))
    for part, number in zip(activated.instalments, numbers, strict=True):
        _issue(
            unit,
            agreement_id,
            agreement,
            activated.first_agreement_id,
            part,
            number,
            policy,
            calendar,
        )


def _issue(
    unit: Unit,
    agreement_id: UUID,
    agreement: Agreement,
    first_agreement_id: UUID,
    part: ScheduledInstalment,
    number: str,
    policy: FeePolicy,
    calendar: Calendar,
) -> None:
    now_on = today(unit)
    lines, priced = _lines(unit, agreement, part)
    drafted = issuing.draft(
        agreement.customer_id,
        agreement.currency,
        part.due_on,
        lines,
        priced,
        notes="",
        instalment=e.Instalment(
            agreement_id=agreement_id,
            number=part.number,
            principal_minor=part.principal_minor,
            interest_minor=part.interest_minor,
            first_agreement_id=first_agreement_id,
            lent_minor=part.lent_minor,
        ),
    )
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    draft = evolve(None, drafted, now_on)
    sent = issuing.send(
        draft, number, now_on, policy, calendar, mora_base_minor=part.mora_base_minor
    )
    unit.claim(DOCUMENT_NUMBER, number, part.invoice_id)
    unit.append(
        "invoice", part.invoice_id, [New(drafted, now_on), *with_rates(draft, sent, tenant, now_on)]
    )


def _lines(
    unit: Unit, agreement: Agreement, part: ScheduledInstalment
) -> tuple[list[Line], Priced]:
    """A line of principal and one of contractual interest; one that would be zero is left out."""
    what = f"Instalment {part.number} of {agreement.plan.count}" if part.number else "Down payment"
    named = [
        (f"{what}: principal", part.principal_minor),
        (f"{what}: interest", part.interest_minor),
    ]
    named = [(text, minor) for text, minor in named if minor]
    lines = [
        Line(
            unit.encrypt(agreement.customer_id, text), "1", format_minor(minor, agreement.currency)
        )
        for text, minor in named
    ]
    amounts = tuple(PricedLine(minor, 0, minor) for _, minor in named)
    total_minor = sum(minor for _, minor in named)
    return lines, Priced(amounts, total_minor, 0, total_minor)
