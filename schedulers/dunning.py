"""The dunning step of a business day: whom to contact about which debts, as events of several streams."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from uuid import UUID

from ledger import collection, message
from ledger.dunning.contact_days import ContactDays
from ledger.dunning.debts import debt_of
from ledger.dunning.deciding import Contact, Debtor, Decision, decide_day
from ledger.dunning.plan import DunningPlan
from ledger.event_registry import New
from ledger.invoice.events import DunningStepTaken
from ledger.tenant import Settings
from schedulers.ports import DebtorCase, DecideDebtor, StreamEvents


def decide_debtor_with(
    tenant_id: UUID, settings: Settings, plan: DunningPlan, templates: Mapping[str, int]
) -> DecideDebtor:
    """What the dunning step posts for one customer under an active plan.

    templates  the last version of each template, by its key
    """
    days = ContactDays(plan.rules, settings.business_days)
    return partial(_post, tenant_id, plan, templates, days)


def decide_case(plan: DunningPlan, days: ContactDays, case: DebtorCase, day: date) -> Decision:
    """Whom to contact about what, as the invoices are now."""
    debts = [
        debt
        for invoice_id, invoice in case.invoices
        if (debt := debt_of(invoice_id, invoice, day)) is not None
    ]
    return decide_day(plan, days, debtor_of(case, case.contacts), debts, day)


def debtor_of(case: DebtorCase, contacts: tuple[date, ...]) -> Debtor:
    """The customer as dunning sees it, with the days of its contacts."""
    customer = case.customer
    return Debtor(case.customer_id, customer.reachable, frozenset(customer.opted_out), contacts)


def _post(
    tenant_id: UUID,
    plan: DunningPlan,
    templates: Mapping[str, int],
    days: ContactDays,
    case: DebtorCase,
    day: date,
) -> Sequence[StreamEvents]:
    found: list[StreamEvents] = []
    for contact in decide_case(plan, days, case, day).contacts:
        found += _contact(tenant_id, plan, templates, case.customer_id, contact, day)
    return found


def _contact(
    tenant_id: UUID,
    plan: DunningPlan,
    templates: Mapping[str, int],
    customer_id: UUID,
    contact: Contact,
    day: date,
) -> Sequence[StreamEvents]:
    """A message, the steps that it takes, and the contact that it is."""
    message_id = message.message_id(
        tenant_id, customer_id, contact.channel, contact.currency, day, "dunning"
    )
    queued = message.Queued(
        kind="dunning",
        channel=contact.channel,
        customer_id=customer_id,
        currency=contact.currency,
        amount_minor=contact.open_minor,
        business_date=day,
        invoice_ids=tuple(one.debt.invoice_id for one in contact.due),
        plan=plan.key,
        plan_version=plan.version,
        step=contact.step.key,
        purpose=contact.step.purpose,
        template=contact.step.template if contact.step.template in templates else "",
        template_version=templates.get(contact.step.template, 0),
    )
    contacted = collection.Contacted(customer_id, message_id, contact.channel)
    steps = [
        StreamEvents(
            "invoice",
            one.debt.invoice_id,
            [
                New(
                    DunningStepTaken(
                        plan=plan.key,
                        plan_version=plan.version,
                        step=one.step.key,
                        offset=one.step.offset,
                        message_id=message_id,
                        passed=one.passed,
                    ),
                    day,
                )
            ],
        )
        for one in contact.due
    ]
    return [
        *steps,
        StreamEvents("message", message_id, [New(queued, day)]),
        StreamEvents(
            "collection", collection.stream_id(tenant_id, customer_id), [New(contacted, day)]
        ),
    ]
