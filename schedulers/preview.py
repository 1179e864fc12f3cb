"""A day before it happens, and a plan played over days: what would be charged and whom would be contacted, nothing
written.

A preview is of one night alone: nights between today and that day charge, but contact nobody. A simulation plays each
night after the one before, so that steps and limits of contact follow from it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Literal, TypedDict, get_args
from uuid import UUID

import msgspec

from ledger.customer import Customer, Person
from ledger.dunning.choice import Choice, Plans
from ledger.dunning.debts import closed_on, debt_on, in_question
from ledger.dunning.deciding import (
    Contact,
    Debtor,
    Decision,
    SkipReason,
    caps_of,
    decide_day,
    steps_come,
)
from ledger.dunning.plan import Action, Channel, ChosenBy, DunningPlan
from ledger.errors import Rejected
from ledger.invoice import issuing
from ledger.invoice.accrual import bring_up_to_date
from ledger.invoice.evolve import evolve
from ledger.invoice.state import Invoice, StepTaken
from ledger.money import Money
from ledger.tax import Line, price_lines
from ledger.tenant import Tenant
from schedulers.dunning import decide_case
from schedulers.forecast import forecast
from schedulers.ports import DebtorCase

MAX_SIMULATED_DAYS = 3_660
LEEWAY_DAYS = 40
"""After its last step a plan is played for so long: limits of contact and holidays move steps."""
NOBODY = UUID(int=0)
_ONE_DAY = timedelta(days=1)

ItemKind = Literal[
    "late_fee", "mora", "fee", "message", "task", "letter", "block", "agency", "skip"
]


class SpanTooLong(Rejected):
    """A simulation begins no later than it ends, and plays ten years at the most."""


class PreviewItem(msgspec.Struct, frozen=True):
    """A charge, a message, what is done besides, or a debt that is skipped. A `fee` is a step's.

    invoice_ids  the invoice charged or skipped, or those whose steps the message takes
    invoice_numbers  their numbers, in the same order
    amount       what is charged, or open on those invoices
    recipient    the address of a message, encrypted until it is shown
    step         the step of the plan that is taken or skipped
    reason       why a debt is skipped
    plan         the plan of the step
    chosen_by    why the debts follow it; of several debts, the first one's reason
    tag          the customer's tag, where that is why
    """

    date: date
    kind: ItemKind
    invoice_ids: tuple[UUID, ...]
    invoice_numbers: tuple[str, ...]
    customer_id: UUID
    amount: Money
    channel: str | None = None
    recipient: str | None = None
    step: str | None = None
    reason: SkipReason | None = None
    plan: str | None = None
    chosen_by: ChosenBy | None = None
    tag: str | None = None


class SimulatedCase(msgspec.Struct, frozen=True):
    """A customer with all invoices that were ever sent to it, by their ids."""

    customer_id: UUID
    customer: Customer
    invoices: Sequence[tuple[UUID, Invoice]]


def preview(
    cases: Iterable[DebtorCase], plans: Plans, day: date, today: date
) -> Iterator[PreviewItem]:
    """What the night of a day would charge and whom it would contact, customer by customer. Charges are those up to the
    end of the day; messages only where a plan is active and the day is not past, for then nobody is contacted."""
    for case in cases:
        for posting in forecast(case.invoices, day):
            if posting.what in ("late_fee", "mora") and posting.amount is not None:
                yield PreviewItem(
                    date=posting.effective_on,
                    kind="late_fee" if posting.what == "late_fee" else "mora",
                    invoice_ids=(posting.invoice_id,),
                    invoice_numbers=(posting.number,),
                    customer_id=posting.customer_id,
                    amount=posting.amount,
                )
        if not plans.is_any_active or day < today:
            continue
        brought = [(one, bring_up_to_date(invoice, day).invoice) for one, invoice in case.invoices]
        decision = decide_case(plans, case._replace(invoices=brought), day)
        yield from items_of(case.customer_id, case.customer, case.invoices, decision, day)


def simulate(
    cases: Iterable[SimulatedCase], plans: Plans, first: date, last: date
) -> Iterator[PreviewItem]:
    """Plays plans over a span of days as if each night had run on its day, all active from the first: messages
    and skips, customer by customer, each in the order of its days. All facts that are known count on their own days.
    A customer without an address counts as reached, so that a plan can be judged before addresses are there, and no
    message as opened.

    Raises SpanTooLong.
    """
    if not 0 <= (last - first).days < MAX_SIMULATED_DAYS:
        raise SpanTooLong(f"from {first} to {last} is no span of 1 to {MAX_SIMULATED_DAYS} days")
    active = plans.active_from(first, always=True)
    for case in cases:
        yield from _simulated(case, active, first, last)


def simulate_invoice(
    tenant: Tenant, plan: DunningPlan, amount: Money, issued_on: date, due_on: date
) -> list[PreviewItem]:
    """What a plan would do about an invoice that nobody pays: a message for each step that is taken, on its day, and
    why a step is not taken on a day on which it could be. Raises DueBeforeIssue."""
    settings = tenant.settings
    lines = (Line("", "1", amount.amount),)
    priced = price_lines(lines, amount.currency)
    drafted = issuing.draft(NOBODY, amount.currency, due_on, lines, priced, "")
    draft = evolve(None, drafted, issued_on)
    sent = issuing.send(draft, "", issued_on, tenant.policy, settings.business_days)
    invoice = evolve(draft, *sent)
    customer = Customer("", Person(), "", "", "")
    case = SimulatedCase(NOBODY, customer, [(NOBODY, invoice)])
    last = due_on + timedelta(days=plan.rules.steps[-1].offset + LEEWAY_DAYS)
    plans = Plans(tenant, {}).only(plan)
    return list(simulate([case], plans, issued_on, max(issued_on, last)))


def _simulated(case: SimulatedCase, plans: Plans, first: date, last: date) -> Iterator[PreviewItem]:
    taken: dict[UUID, tuple[StepTaken, ...]] = {}
    contacts: tuple[date, ...] = ()
    channels: frozenset[Channel] = frozenset(get_args(Channel))
    opted_out, tags = frozenset(case.customer.opted_out), frozenset(case.customer.tags)
    spans = []
    for invoice_id, invoice in case.invoices:
        choice = plans.of(case.customer, invoice)
        begins_on = invoice.due_on + timedelta(days=choice.plan.rules.steps[0].offset)
        spans.append((invoice_id, invoice, choice, begins_on, closed_on(invoice) or date.max))
    day = first
    while day <= last:
        debts = []
        for invoice_id, invoice, choice, begins_on, ends_on in spans:
            if not begins_on <= day < ends_on:
                continue
            mine = taken.get(invoice_id, ())
            if not steps_come(in_question(invoice_id, invoice, choice, mine), day):
                continue
            debt = debt_on(invoice_id, invoice, choice, day, mine)
            if debt is not None:
                debts.append(debt)
        if not debts:
            day += _ONE_DAY
            continue
        owed = [
            choice
            for _, invoice, choice, _, ends_on in spans
            if invoice.terms is not None and invoice.terms.issued_on <= day < ends_on
        ]
        debtor = Debtor(case.customer_id, channels, opted_out, contacts, caps_of(owed), tags)
        decision = decide_day(debtor, debts, day)
        for contact in decision.contacts:
            contacts = (*contacts, day)
            for due in contact.due:
                step = StepTaken(contact.plan.key, due.step.key, due.step.offset, day)
                taken[due.debt.invoice_id] = (*due.debt.taken, step)
        yield from items_of(case.customer_id, case.customer, case.invoices, decision, day)
        day += _ONE_DAY


def items_of(
    customer_id: UUID,
    customer: Customer,
    invoices: Sequence[tuple[UUID, Invoice]],
    decision: Decision,
    day: date,
) -> Iterator[PreviewItem]:
    """What a customer's day comes to, messages first."""
    if not decision.contacts and not decision.skips:
        return
    numbers = {invoice_id: invoice.number for invoice_id, invoice in invoices}
    for contact in decision.contacts:
        ids = tuple(one.debt.invoice_id for one in contact.due)
        yield PreviewItem(
            date=day,
            kind="message",
            invoice_ids=ids,
            invoice_numbers=tuple(numbers[one] for one in ids),
            customer_id=customer_id,
            amount=Money.of(contact.open_minor + contact.fees_minor, contact.currency),
            channel=contact.channel,
            recipient=customer.person.email or None,
            step=contact.step.key,
            **_why(contact.due[0].debt.choice),
        )
        yield from _besides(customer_id, contact, numbers, day)
    for skip in decision.skips:
        yield PreviewItem(
            date=day,
            kind="skip",
            invoice_ids=(skip.debt.invoice_id,),
            invoice_numbers=(numbers[skip.debt.invoice_id],),
            customer_id=customer_id,
            amount=Money.of(skip.debt.open_minor, skip.debt.currency),
            step=skip.step.key,
            reason=skip.reason,
            **_why(skip.debt.choice),
        )


def _besides(
    customer_id: UUID, contact: Contact, numbers: dict[UUID, str], day: date
) -> Iterator[PreviewItem]:
    """The fees and actions of a contact's steps, invoice by invoice."""
    for due in contact.due:
        invoice_id = due.debt.invoice_id
        fee_minor = due.step.fee_minor(contact.currency)
        kinds: list[tuple[ItemKind, int]] = [("fee", fee_minor)] if fee_minor else []
        kinds += [(_kind_of(action), due.debt.open_minor) for action in due.step.actions]
        for kind, amount_minor in kinds:
            yield PreviewItem(
                date=day,
                kind=kind,
                invoice_ids=(invoice_id,),
                invoice_numbers=(numbers[invoice_id],),
                customer_id=customer_id,
                amount=Money.of(amount_minor, contact.currency),
                step=due.step.key,
                **_why(due.debt.choice),
            )


class _Why(TypedDict):
    plan: str
    chosen_by: ChosenBy
    tag: str | None


def _why(choice: Choice) -> _Why:
    """Which plan a step is of, and why a debt follows it."""
    return {"plan": choice.plan.key, "chosen_by": choice.chosen_by, "tag": choice.tag or None}


def _kind_of(action: Action) -> ItemKind:
    """The kind of item that an action is listed as: all tasks but letters are one kind."""
    if action.kind in ("letter", "block", "agency"):
        return action.kind
    return "task"
