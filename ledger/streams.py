"""The kinds of stream: how each folds, and what its snapshot says about it besides its state."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from ledger import (
    activity,
    business_day,
    collection,
    customer,
    message,
    payment,
    refund,
    sender,
    task,
    template,
    tenant,
)
from ledger.agreement import state as agreement
from ledger.dunning import plan as dunning_plan
from ledger.event_registry import Event
from ledger.invoice import state as invoice
from ledger.invoice.charges import can_accrue
from ledger.invoice.evolve import evolve as evolve_invoice
from ledger.mora import DAY

State = Any
"""An `Invoice`, `Payment`, `Refund`, `Customer`, `Agreement`, `Tenant`, `BusinessDay`, `DunningPlan`, `Collection`,
`Message`, `MailSender`, `Task`, `Template` or `Activity`, by the stream's kind."""


class SnapshotFacts(NamedTuple):
    """What the clock, payments and payouts search snapshots by.

    wakes_on  the next date on which the clock must look at an invoice for more than interest; of a refund, the day
              it was requested, while its instruction is not handed over; of a message, the day it was queued, while
              it waits to be sent
    accrues   interest is posted to it day by day
    payer_id  the customer whose money it takes, while it can take any
    """

    wakes_on: date | None = None
    accrues: bool = False
    payer_id: UUID | None = None


class Stream(NamedTuple):
    """A kind of stream. `fold_version` is stored with each snapshot; a snapshot of another one is refolded."""

    kind: str
    state: type[Any]
    fold_version: int
    evolve: Callable[[State | None, Event, date], State]
    facts: Callable[[State], SnapshotFacts]


def _no_facts(state: State) -> SnapshotFacts:
    return SnapshotFacts()


def invoice_facts(state: invoice.Invoice) -> SnapshotFacts:
    """A sent invoice wakes on its first late day, any after a promise; an overdue one accrues on open principal."""
    wakes_on = None
    if state.promise is not None and state.promise.kept is None:
        wakes_on = state.promise.promised_on + DAY
    terms = state.terms
    if terms is None or state.status not in invoice.OPEN:
        return SnapshotFacts(wakes_on=wakes_on)
    if state.status == "sent":
        late_on = terms.late_on
        wakes_on = late_on if wakes_on is None else min(wakes_on, late_on)
        return SnapshotFacts(wakes_on=wakes_on, payer_id=state.customer_id)
    accrues = can_accrue(state)
    return SnapshotFacts(wakes_on=wakes_on, accrues=accrues, payer_id=state.customer_id)


def refund_facts(state: refund.Refund) -> SnapshotFacts:
    """A refund waits from the day it was requested until its instruction is handed over."""
    return SnapshotFacts(wakes_on=state.requested_on if state.status == "requested" else None)


def message_facts(state: message.Message) -> SnapshotFacts:
    """A message waits from the day it was queued until it was sent or has ended."""
    return SnapshotFacts(wakes_on=state.queued_on if state.state in message.WAITING else None)


STREAMS: dict[str, Stream] = {
    stream.kind: stream
    for stream in (
        Stream("invoice", invoice.Invoice, invoice.FOLD_VERSION, evolve_invoice, invoice_facts),
        Stream("payment", payment.Payment, payment.FOLD_VERSION, payment.evolve, _no_facts),
        Stream("refund", refund.Refund, refund.FOLD_VERSION, refund.evolve, refund_facts),
        Stream(
            "agreement", agreement.Agreement, agreement.FOLD_VERSION, agreement.evolve, _no_facts
        ),
        Stream("customer", customer.Customer, customer.FOLD_VERSION, customer.evolve, _no_facts),
        Stream("tenant", tenant.Tenant, tenant.FOLD_VERSION, tenant.evolve, _no_facts),
        Stream(
            "business_day",
            business_day.BusinessDay,
            business_day.FOLD_VERSION,
            business_day.evolve,
            _no_facts,
        ),
        Stream(
            "dunning_plan",
            dunning_plan.DunningPlan,
            dunning_plan.FOLD_VERSION,
            dunning_plan.evolve,
            _no_facts,
        ),
        Stream("activity", activity.Activity, activity.FOLD_VERSION, activity.evolve, _no_facts),
        Stream(
            "collection",
            collection.Collection,
            collection.FOLD_VERSION,
            collection.evolve,
            _no_facts,
        ),
        Stream("message", message.Message, message.FOLD_VERSION, message.evolve, message_facts),
        Stream("sender", sender.MailSender, sender.FOLD_VERSION, sender.evolve, _no_facts),
        Stream("task", task.Task, task.FOLD_VERSION, task.evolve, _no_facts),
        Stream("template", template.Template, template.FOLD_VERSION, template.evolve, _no_facts),
    )
}

_encoder = msgspec.msgpack.Encoder()
_decoders = {kind: msgspec.msgpack.Decoder(stream.state) for kind, stream in STREAMS.items()}


def encode_state(state: State) -> bytes:
    """The bytes of a snapshot: MessagePack, fields by position."""
    return _encoder.encode(state)


def decode_state(kind: str, data: bytes) -> State:
    """The state in a snapshot's bytes. They must be of the current fold version."""
    return _decoders[kind].decode(data)


def fold(
    kind: str, events: Iterable[tuple[Event, date]], state: State | None = None
) -> State | None:
    """The state after events, each with its effective date."""
    evolve = STREAMS[kind].evolve
    for event, effective_on in events:
        state = evolve(state, event, effective_on)
    return state
