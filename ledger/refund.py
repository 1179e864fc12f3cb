"""A refund: a customer's credit on its way back. Amounts are minor units of the refund's currency.

    requested --> sent --> confirmed
        |           |
        +-----------+----> failed, and at once compensated: the credit can be used again

The credit is set aside in the append that requests the refund, so it is never used twice. The instruction to pay out
is known to the provider by the refund's id: handing it over again changes nothing. Each attempt to hand it over is an
event before it begins and another when its outcome is known. An attempt without an outcome may have reached the
provider: such a refund is never compensated automatically, because the money may have left.
"""

from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.customer import CreditPart
from ledger.errors import Conflict, Rejected
from ledger.event_registry import Event, stored

FOLD_VERSION = 2

MAX_ATTEMPTS = 10
"""So many attempts are made automatically; then the refund waits for a person."""

FIRST_WAIT = timedelta(minutes=1)
"""From the beginning of the first attempt to that of the second; it doubles from one to the next."""

Status = Literal["requested", "sent", "confirmed", "compensated"]
WaitsFor = Literal["payout", "person", "confirmation", ""]


class RefundClosed(Rejected):
    """The refund was confirmed or has failed; nothing more happens to it."""


class RefundNotSent(Rejected):
    """Only a refund whose instruction was handed over can be confirmed."""


class PayoutUnderWay(Conflict):
    """An attempt to hand the instruction over is under way; its outcome is known in a minute."""


class PayoutNotDue(Conflict):
    """The refund does not wait for an attempt now: it was handed over, waits for a while, or waits for a person."""


class OutcomeOutdated(Conflict):
    """Another attempt has begun since, or the refund was settled meanwhile; this outcome says nothing any more."""


class NothingToRelease(Rejected):
    """Only a refund whose instruction is not handed over can be tried again."""


@stored("refund.requested.v1")
class Requested(Event, frozen=True):
    """Credit is to be paid back. `parts` are its sources. Destination and reason are encrypted texts."""

    customer_id: UUID
    currency: str
    amount_minor: int
    parts: tuple[CreditPart, ...]
    destination: str = ""
    reason: str = ""
    automatic: bool = False


@stored("refund.attempted.v1")
class Attempted(Event, frozen=True):
    """The instruction is about to be handed over; nobody else tries before `next_at`."""

    attempt: int
    next_at: datetime


@stored("refund.attempt_failed.v1")
class AttemptFailed(Event, frozen=True):
    """The instruction could not be handed over; with `unknown`, nobody knows whether it was. It is tried again."""

    attempt: int
    reason: str
    unknown: bool = False


@stored("refund.released.v1")
class Released(Event, frozen=True):
    """A person has it tried again, as often as at first."""


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
    """It will not be paid out. The reason is an encrypted text."""

    reason: str


@stored("refund.compensated.v1")
class Compensated(Event, frozen=True):
    """The credit of a failed refund was given back to the customer."""


class Refund(msgspec.Struct, frozen=True, array_like=True):
    """A refund as folded.

    attempts   hand-overs that were begun, since a person had it tried again
    begun      hand-overs that were begun, in all
    under_way  the last of them has no outcome yet
    unknown    one of them may have reached the provider, and nobody knows
    next_at    no other is begun before
    """

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
    begun: int = 0
    under_way: bool = False
    unknown: bool = False
    next_at: datetime | None = None
    last_error: str = ""
    provider: str = ""
    reference: str = ""
    failed_because: str = ""

    def due(self, now: datetime) -> bool:
        """Whether another attempt may begin automatically."""
        return (
            self.status == "requested"
            and self.attempts < MAX_ATTEMPTS
            and (self.next_at is None or self.next_at <= now)
        )

    def being_handed_over(self, now: datetime) -> bool:
        """Whether somebody may be handing it over at this moment."""
        return self.under_way and self.next_at is not None and now < self.next_at


def waits_for(status: str, attempts: int) -> WaitsFor:
    """What happens to a refund next: the instruction is handed over, automatically or by a person, or confirmed."""
    if status == "requested":
        return "person" if attempts >= MAX_ATTEMPTS else "payout"
    return "confirmation" if status == "sent" else ""


def begin_attempt(refund: Refund, now: datetime) -> Attempted:
    """The next attempt, if it may begin. Raises PayoutNotDue."""
    if not refund.due(now):
        raise PayoutNotDue("the refund does not wait for an attempt now")
    return Attempted(refund.begun + 1, now + FIRST_WAIT * 2**refund.attempts)


def require_current(refund: Refund, attempt: int) -> None:
    """Whether an attempt is the last one, and still without an outcome. Raises OutcomeOutdated."""
    if refund.status != "requested" or refund.begun != attempt or not refund.under_way:
        raise OutcomeOutdated(f"attempt {attempt} of the refund is not the current one")


def require_open(refund: Refund) -> None:
    """Raises RefundClosed."""
    if refund.status in ("confirmed", "compensated"):
        raise RefundClosed(f"the refund is {refund.status}; nothing more happens to it")


def require_at_rest(refund: Refund, now: datetime) -> None:
    """Whether nobody is handing it over at this moment. Raises PayoutUnderWay."""
    if refund.status == "requested" and refund.being_handed_over(now):
        raise PayoutUnderWay("the instruction is being handed over; try again in a minute")


def release(refund: Refund, now: datetime) -> Released:
    """A person has it tried again. Raises NothingToRelease, PayoutUnderWay."""
    if refund.status != "requested":
        raise NothingToRelease(f"the refund is {refund.status}; there is nothing to hand over")
    require_at_rest(refund, now)
    return Released()


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
        case Attempted():
            # An attempt before it that has no outcome by now never gets one.
            return replace(
                refund,
                attempts=refund.attempts + 1,
                begun=event.attempt,
                under_way=True,
                unknown=refund.unknown or refund.under_way,
                next_at=event.next_at,
            )
        case AttemptFailed():
            return replace(
                refund,
                under_way=False,
                unknown=refund.unknown or event.unknown,
                last_error=event.reason,
            )
        case Released():
            return replace(refund, attempts=0, next_at=None)
        case Sent():
            return replace(
                refund,
                status="sent",
                under_way=False,
                provider=event.provider,
                reference=event.reference,
            )
        case Confirmed():
            reference = event.reference or refund.reference
            return replace(refund, status="confirmed", reference=reference)
        case Failed():
            return replace(refund, under_way=False, failed_because=event.reason)
        case Compensated():
            return replace(refund, status="compensated")
    raise AssertionError(f"a refund does not know {event.TAG}")
