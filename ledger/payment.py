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

FOLD_VERSION = 2

Status = Literal["received", "reversed", "charged_back"]


class AlreadyReversed(Rejected):
    """The payment was reversed or charged back before."""


class ChargedBackTooEarly(Rejected):
    """A payment is charged back on or after its value date."""


class ChargedBackInFuture(Rejected):
    """A charge-back's date lies after today in the tenant's zone."""


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
    """Money arrived. Allocations and the unapplied rest add up to the amount. Effective on the value date.

    fingerprint   a keyed hash of currency, amount and reference: equal for payments that look the same
    suspected_duplicate_of  the customer's earlier payment that looks the same; a person should look at it
    """

    customer_id: UUID
    currency: str
    amount_minor: int
    received_on: date
    allocations: tuple[Allocated, ...] = ()
    unapplied_minor: int = 0
    reference: str = ""
    fingerprint: str = ""
    suspected_duplicate_of: UUID | None = None


@stored("payment.applied.v1")
class Applied(Event, frozen=True):
    """Invoices took some of what was unapplied. Effective on the day it was applied."""

    allocations: tuple[Allocated, ...]


@stored("payment.reversed.v1")
class Reversed(Event, frozen=True):
    """The payment was taken back whole. Effective on the payment's own date."""

    reason: str


@stored("payment.charged_back.v1")
class ChargedBack(Event, frozen=True):
    """The payer's bank took the payment back whole. Effective on the charge-back's own date."""

    reason: str


def fingerprint_name(fingerprint: str, received_on: date) -> str:
    """The name under which the first payment with this fingerprint and value date is found."""
    return f"{fingerprint}:{received_on}"


class Payment(msgspec.Struct, frozen=True, array_like=True):
    """A payment as folded. Allocations, the later applied ones too, and `unapplied_minor` add up to the amount.

    Credit that was refunded still counts as unapplied here: what can be used is the customer's credit.
    """

    customer_id: UUID
    currency: str
    amount_minor: int
    received_on: date
    allocations: tuple[Allocated, ...]
    unapplied_minor: int
    reference: str
    status: Status = "received"
    suspected_duplicate_of: UUID | None = None


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
                suspected_duplicate_of=event.suspected_duplicate_of,
            )
        case Applied():
            assert payment is not None
            return replace(
                payment,
                allocations=(*payment.allocations, *event.allocations),
                unapplied_minor=payment.unapplied_minor
                - sum(part.amount_minor for part in event.allocations),
            )
        case Reversed():
            assert payment is not None
            return replace(payment, status="reversed")
        case ChargedBack():
            assert payment is not None
            return replace(payment, status="charged_back")
    raise AssertionError(f"a payment does not know {event.TAG}")


def reverse(payment: Payment, reason: str) -> Reversed:
    """Raises AlreadyReversed."""
    _require_standing(payment)
    return Reversed(reason)


def charge_back(payment: Payment, on: date, today: date, reason: str) -> ChargedBack:
    """Raises AlreadyReversed, ChargedBackTooEarly, ChargedBackInFuture."""
    _require_standing(payment)
    if on < payment.received_on:
        raise ChargedBackTooEarly(
            f"charged_back_on {on} lies before the payment's value date {payment.received_on}",
            field="charged_back_on",
        )
    if on > today:
        raise ChargedBackInFuture(
            f"charged_back_on {on} has not come; today is {today}", field="charged_back_on"
        )
    return ChargedBack(reason)


def _require_standing(payment: Payment) -> None:
    if payment.status != "received":
        done = payment.status.replace("_", " ")
        raise AlreadyReversed(f"the payment was {done} before; nothing is left to take back")
