"""The kinds of stream: how each folds, and what its head says about it besides its state."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from ledger import business_day, customer, payment, tenant
from ledger.events import Event
from ledger.invoice import state as invoice

State = Any
"""An `Invoice`, `Payment`, `Customer`, `Tenant` or `BusinessDay`, according to the stream's kind."""


class HeadFacts(NamedTuple):
    """What the clock and payments search heads by.

    wakes_on  the next date on which the clock must look at the stream for more than interest
    accrues   interest is posted to it day by day
    payer_id  the customer whose money it takes, while it can take any
    """

    wakes_on: date | None = None
    accrues: bool = False
    payer_id: UUID | None = None


class Stream(NamedTuple):
    """A kind of stream. `fold_version` is stored with each head; a head of another one is folded anew."""

    kind: str
    state: type[Any]
    fold_version: int
    evolve: Callable[[State | None, Event, date], State]
    facts: Callable[[State], HeadFacts]


def _no_facts(state: State) -> HeadFacts:
    return HeadFacts()


def invoice_facts(state: invoice.Invoice) -> HeadFacts:
    """A sent invoice wakes on its first late day; an overdue one accrues while principal is open."""
    terms = state.terms
    if terms is None or state.status not in invoice.OPEN:
        return HeadFacts()
    if state.status == "sent":
        return HeadFacts(wakes_on=terms.late_on, payer_id=state.customer_id)
    accrues = terms.policy.mora.numerator > 0 and state.open.principal > 0
    return HeadFacts(accrues=accrues, payer_id=state.customer_id)


STREAMS: dict[str, Stream] = {
    stream.kind: stream
    for stream in (
        Stream("invoice", invoice.Invoice, invoice.FOLD_VERSION, invoice.evolve, invoice_facts),
        Stream("payment", payment.Payment, payment.FOLD_VERSION, payment.evolve, _no_facts),
        Stream("customer", customer.Customer, customer.FOLD_VERSION, customer.evolve, _no_facts),
        Stream("tenant", tenant.Tenant, tenant.FOLD_VERSION, tenant.evolve, _no_facts),
        Stream(
            "business_day",
            business_day.BusinessDay,
            business_day.FOLD_VERSION,
            business_day.evolve,
            _no_facts,
        ),
    )
}

_encoder = msgspec.msgpack.Encoder()
_decoders = {kind: msgspec.msgpack.Decoder(stream.state) for kind, stream in STREAMS.items()}


def encode_state(state: State) -> bytes:
    """The bytes of a head: MessagePack, fields by position."""
    return _encoder.encode(state)


def decode_state(kind: str, data: bytes) -> State:
    """The state in a head's bytes. They must be of the current fold version."""
    return _decoders[kind].decode(data)


def fold(
    kind: str, events: Iterable[tuple[Event, date]], state: State | None = None
) -> State | None:
    """The state after events, each with its effective date."""
    evolve = STREAMS[kind].evolve
    for event, effective_on in events:
        state = evolve(state, event, effective_on)
    return state
