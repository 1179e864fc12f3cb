"""The dunning step of a business day: whom to contact about which debts, as events of several streams."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from uuid import UUID

from ledger import collection, message, task
from ledger.customer import Customer
from ledger.dunning.choice import Plans
from ledger.dunning.contact_days import EARLIEST_CONTACT
from ledger.dunning.debts import debt_of, is_owed
from ledger.dunning.deciding import Contact, Debt, Debtor, Decision, Due, caps_of, decide_day
from ledger.dunning.plan import DunningPlan
from ledger.dunning.window import opens_at
from ledger.event_registry import New
from ledger.ids import derived_id
from ledger.invoice.adjusting import charge_fee
from ledger.invoice.events import DunningStepTaken
from ledger.invoice.state import Invoice
from ledger.time_zones import instant_of
from schedulers.ports import DebtorCase, DecideDebtor, StreamEvents


def decide_debtor_with(tenant_id: UUID, plans: Plans, templates: Mapping[str, int]) -> DecideDebtor:
    """What the dunning step posts for one customer.

    templates  the last version of each template, by its key
    """
    return partial(_post, Night(tenant_id, plans, templates))


class Night:
    """What the nights of a tenant have in common."""

    def __init__(self, tenant_id: UUID, plans: Plans, templates: Mapping[str, int]) -> None:
        self.tenant_id = tenant_id
        self.plans = plans
        self.templates = templates
        self._timezone = plans.settings.timezone
        self._begins: dict[date, datetime] = {}

    def begins_at(self, day: date) -> datetime:
        """From when on customers are contacted on a day."""
        found = self._begins.get(day)
        if found is None:
            found = self._begins[day] = instant_of(day, EARLIEST_CONTACT, self._timezone)
        return found

    def zone_of(self, plan: DunningPlan, customer: Customer) -> str:
        """Whose local hours count for windows."""
        if plan.rules.timezone == "tenant":
            return self._timezone
        return customer.timezone or self._timezone


def decide_case(plans: Plans, case: DebtorCase, day: date) -> Decision:
    """Whom to contact about what, as the invoices are now."""
    customer = case.customer
    debts = [
        debt
        for invoice_id, invoice in case.invoices
        if is_owed(invoice)
        and (debt := debt_of(invoice_id, invoice, plans.of(customer, invoice), day)) is not None
    ]
    return decide_day(_debtor(case, debts), debts, day)


def _debtor(case: DebtorCase, debts: Iterable[Debt]) -> Debtor:
    """The customer as dunning sees it."""
    customer = case.customer
    return Debtor(
        case.customer_id,
        customer.reachable,
        frozenset(customer.opted_out),
        case.contacts,
        caps_of(debt.choice for debt in debts),
        frozenset(customer.tags),
        case.opened_on,
    )


def _post(night: Night, case: DebtorCase, day: date) -> Sequence[StreamEvents]:
    found: list[StreamEvents] = []
    before = case.contacts.count(day)
    for contact in decide_case(night.plans, case, day).contacts:
        found += _contact(night, case, contact, day, before)
        before += 1
    return found


def _contact(
    night: Night, case: DebtorCase, contact: Contact, day: date, before: int
) -> Sequence[StreamEvents]:
    """A message, the steps that it takes, and the contact that it is; `before`, so many were on the day already."""
    tenant_id, customer_id, plan = night.tenant_id, case.customer_id, contact.plan
    message_id = message.message_id(
        tenant_id,
        customer_id,
        contact.channel,
        contact.currency,
        day,
        "dunning",
        before=before,
    )
    contacted = collection.Contacted(customer_id, message_id, contact.channel)
    invoices = dict(case.invoices) if any(one.step.fee for one in contact.due) else {}
    steps = [
        StreamEvents(
            "invoice",
            one.debt.invoice_id,
            [
                *(_fee(invoices[one.debt.invoice_id], one, day) if one.step.fee else ()),
                New(
                    DunningStepTaken(
                        plan=plan.key,
                        plan_version=plan.version,
                        step=one.step.key,
                        offset=one.step.offset,
                        message_id=message_id,
                        passed=one.passed,
                        chosen_by=one.debt.choice.chosen_by,
                        tag=one.debt.choice.tag,
                    ),
                    day,
                ),
            ],
        )
        for one in contact.due
    ]
    return [
        *steps,
        *_actions(night, case, contact, message_id, day),
        StreamEvents("message", message_id, [New(_queued(night, case, contact, day), day)]),
        StreamEvents("collection", case.collection_id, [New(contacted, day)]),
    ]


def _fee(invoice: Invoice, due: Due, day: date) -> Sequence[New]:
    """What a step charges an invoice, once."""
    fee_minor = due.step.fee_minor(invoice.currency)
    if not fee_minor:
        return ()
    return charge_fee(invoice, fee_minor, due.step.fee_text, day, day).new


def _actions(
    night: Night, case: DebtorCase, contact: Contact, message_id: UUID, day: date
) -> Iterator[StreamEvents]:
    """What the steps of a contact do besides its message, each step once for all its invoices."""
    about: dict[str, list[Due]] = {}
    for due in contact.due:
        if due.step.actions:
            about.setdefault(due.step.key, []).append(due)
    customer_id = case.customer_id
    for key, group in about.items():
        invoice_ids = tuple(due.debt.invoice_id for due in group)
        for place, action in enumerate(group[0].step.actions):
            if action.kind == "block" or action.kind == "agency":
                taken = collection.ActionTaken(
                    customer_id, action.kind, action.text, contact.plan.key, key, invoice_ids
                )
                yield StreamEvents("collection", case.collection_id, [New(taken, day)])
                continue
            task_id = derived_id(day, "task", message_id, key, str(place))
            subject = invoice_ids[0] if len(invoice_ids) == 1 else customer_id
            opened = task.Opened(action.kind, action.text, subject, customer_id, day)
            yield StreamEvents("task", task_id, [New(opened, day)])


def _queued(night: Night, case: DebtorCase, contact: Contact, day: date) -> message.Queued:
    step, plan = contact.step, contact.plan
    zone = night.zone_of(plan, case.customer) if step.window else ""
    begins_at = night.begins_at(day) if step.window or step.valid_hours else None
    not_before = valid_until = None
    if begins_at is not None and step.window:
        not_before = opens_at(step.window, zone, begins_at)
    if begins_at is not None and step.valid_hours:
        valid_until = begins_at + timedelta(hours=step.valid_hours)
    return message.Queued(
        kind="dunning",
        channel=contact.channel,
        customer_id=case.customer_id,
        currency=contact.currency,
        amount_minor=contact.open_minor + contact.fees_minor,
        business_date=day,
        invoice_ids=tuple(one.debt.invoice_id for one in contact.due),
        plan=plan.key,
        plan_version=plan.version,
        step=step.key,
        purpose=step.purpose,
        template=step.template if step.template in night.templates else "",
        template_version=night.templates.get(step.template, 0),
        window=step.window,
        zone=zone,
        not_before=not_before,
        valid_until=valid_until,
        approval=step.approval,
        group_by=plan.rules.group_by,
    )
