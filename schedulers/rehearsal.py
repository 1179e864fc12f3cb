"""A day's dunning without effect: what each message would say, decided and written as the night does it, and not sent.

The night's own decisions are taken over invoices brought up to the day in memory. Nothing is appended.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import partial
from typing import NamedTuple
from uuid import UUID

from commands.messages import Letter, letter_of, open_invoices
from ledger.customer import Customer
from ledger.dunning.choice import Plans
from ledger.invoice.accrual import bring_up_to_date
from ledger.invoice.evolve import evolve as evolve_invoice
from ledger.invoice.state import Invoice
from ledger.message import Message, Queued, evolve
from ledger.tenant import Tenant
from schedulers.dunning import decide_debtor_with
from schedulers.ports import DebtorCase, StreamEvents


class Rehearsed(NamedTuple):
    """A message as it would be queued, and what it would say; its texts about persons are encrypted."""

    message_id: UUID
    message: Message
    letter: Letter


def rehearse(
    cases: Iterable[DebtorCase],
    tenant_id: UUID,
    tenant: Tenant,
    plans: Plans,
    templates: Mapping[str, int],
    day: date,
) -> Iterator[Rehearsed]:
    """The messages that the night of a day would queue, customer by customer; none while no plan is active.

    templates  the last version of each template, by its key
    """
    if not plans.is_any_active:
        return
    decide = decide_debtor_with(tenant_id, plans, templates)
    for case in cases:
        brought = [(one, bring_up_to_date(invoice, day).invoice) for one, invoice in case.invoices]
        plan_of = partial(_plan_of, plans, case.customer)
        streams = decide(case._replace(invoices=brought), day)
        after = _after(brought, streams).items()
        for stream in streams:
            for event, effective_on in stream.new:
                if not isinstance(event, Queued):
                    continue
                message = evolve(None, event, effective_on)
                listed = open_invoices(message, plan_of, plans.is_active, after, day)
                assert not isinstance(listed, str), "the night queues nothing that it would cancel"
                letter = letter_of(stream.stream_id, message, case.customer, tenant, listed, day)
                yield Rehearsed(stream.stream_id, message, letter)


def _plan_of(plans: Plans, customer: Customer, invoice: Invoice) -> str:
    return plans.of(customer, invoice).plan.key


def _after(
    invoices: Iterable[tuple[UUID, Invoice]], streams: Iterable[StreamEvents]
) -> dict[UUID, Invoice]:
    """Invoices after what the night posts to them, such as a step's fee."""
    found = dict(invoices)
    for stream in streams:
        if stream.kind == "invoice":
            for event, effective_on in stream.new:
                found[stream.stream_id] = evolve_invoice(
                    found[stream.stream_id], event, effective_on
                )
    return found
