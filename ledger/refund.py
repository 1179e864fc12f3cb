"""A refund: a customer's credit on its way back. Amounts are minor units of the refund's currency.

    requested --> sent --> confirmed
        |           |
        +-----------+----> failed, and at once compensated: the credit can be used again

The credit is set aside in the append that requests the refund, so it is never used twice. The instruction to pay out
is known to the provider by the refund's id: handing it over again changes nothing.
"""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.customer import CreditPart
from ledger.errors import Rejected
from ledger.events import Event, stored

FOLD_VERSION = 1

Status = Literal["requested", "sent", "confirmed", "compensated"]


class RefundClosed(Rejected):
    """The refund was confirmed or has failed; nothing more happens to it."""


class RefundNotSent(Rejected):
    """Only a refund whose instruction was handed over can be confirmed."""


@stored("refund.requested.v1")
class Requested(Event, frozen=True):
    """Credit is to be paid back. `parts` are its sources. Destination and reason are sealed texts."""

    customer_id: UUID
    currency: str
    amount_minor: int
    parts: tuple[CreditPart, ...]
    destination: str = ""
    reason: str = ""
    automatic: bool = False


@stored("refund.attempt_failed.v1")
class AttemptFailed(Event, frozen=True):
    """The instruction could not be handed over, or nobody knows whether it was; it is tried again."""

    attempt: int
    reason: str


@stored("refund.sent.v1")
class Sent(Event, frozen=True):
    """The provider has the instruction to pay out."""

    provider: str
    reference: str = ""


@stored("refund.confirmed.v1")
class Confirmed(Event, frozen=True):
    """The money has left. Effective on the day it did."""

    reference: str = ""


@stored("refund.failed.v1")
class Failed(Event, frozen=True):
    """The provider will not pay it out."""

    reason: str


@stored("refund.compensated.v1")
class Compensated(Event, frozen=True):
    """The credit of a failed refund was given back to the customer."""


class Refund(msgspec.Struct, frozen=True, array_like=True):
    """A refund as folded. `attempts` are hand-overs that failed."""

    customer_id: UUID
    currency: str
    amount_minor: int
    parts: tuple[CreditPart, ...]
    destination: str
    reason: str
    automatic: bool
    requested_on: date
    status: Status = "requested"
    attempts: int = 0
    last_error: str = ""
    provider: str = ""
    reference: str = ""
    failed_because: str = ""


def evolve(refund: Refund | None, event: Event, effective_on: date) -> Refund:
    if isinstance(event, Requested):
        return Refund(
            customer_id=event.customer_id,
            currency=event.currency,
            amount_minor=event.amount_minor,
            parts=event.parts,
            destination=event.destination,
            reason=event.reason,
            automatic=event.automatic,
            requested_on=effective_on,
        )
    assert refund is not None, f"{event.TAG} came before the refund was requested"
    match event:
        case AttemptFailed():
            return replace(refund, attempts=event.attempt, last_error=event.reason)
        case Sent():
            return replace(
                refund, status="sent", provider=event.provider, reference=event.reference
            )
        case Confirmed():
            reference = event.reference or refund.reference
            return replace(refund, status="confirmed", reference=reference)
        case Failed():
            return replace(refund, failed_because=event.reason)
        case Compensated():
            return replace(refund, status="compensated")
    raise AssertionError(f"a refund does not know {event.TAG}")
