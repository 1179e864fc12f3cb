"""A payment: money that arrived, how it was spread over invoices, and whether it was taken back.

Amounts are minor units of the payment's currency.
"""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.errors import Rejected
from ledger.events import Event, stored

FOLD_VERSION = 1


class AlreadyReversed(Rejected):
    """The payment was reversed before."""


class ReceivedTooEarly(Rejected):
    """A payment's value date lies before 1900: a slip."""


class ReceivedInFuture(Rejected):
    """A payment's value date lies after today in the tenant's zone."""


class Allocated(msgspec.Struct, frozen=True):
    """What of a payment an invoice took."""

    invoice_id: UUID
    amount_minor: int


@stored("payment.received.v1")
class Received(Event, frozen=True):
    """Money arrived. Allocations and the unapplied rest add up to the amount. Effective on the value date."""

    customer_id: UUID
    currency: str
    amount_minor: int
    received_on: date
    allocations: tuple[Allocated, ...] = ()
    unapplied_minor: int = 0
    reference: str = ""


@stored("payment.reversed.v1")
class Reversed(Event, frozen=True):
    """The payment was taken back whole. Effective on the payment's own date."""

    reason: str


class Payment(msgspec.Struct, frozen=True, array_like=True):
    customer_id: UUID
    currency: str
    amount_minor: int
    received_on: date
    allocations: tuple[Allocated, ...]
    unapplied_minor: int
    reference: str
    status: Literal["received", "reversed"] = "received"


def evolve(payment: Payment | None, event: Event, effective_on: date) -> Payment:
    match event:
        case Received():
            return Payment(
                customer_id=event.customer_id,
                currency=event.currency,
                amount_minor=event.amount_minor,
                received_on=event.received_on,
                allocations=event.allocations,
                unapplied_minor=event.unapplied_minor,
                reference=event.reference,
            )
        case Reversed():
            assert payment is not None
            return replace(payment, status="reversed")
    raise AssertionError(f"a payment does not know {event.TAG}")


def reverse(payment: Payment, reason: str) -> Reversed:
    """Raises AlreadyReversed."""
    if payment.status == "reversed":
        raise AlreadyReversed("the payment was reversed before; nothing is left to reverse")
    return Reversed(reason)
