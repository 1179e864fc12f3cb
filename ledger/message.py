"""A message to a customer, from the day it was queued to what became of it.

    awaiting approval --> queued, once a person has approved it
    queued --> attempted --> sent
       ^           |
       |           +--> deferred, because the sender or the recipient's domain takes no more for now: queued again
       |           +--> failed for a while: queued again, or dead-lettered after ten attempts
       |           +--> failed for good: dead-lettered
       |           +--> unknown: nobody knows whether it left; a person settles it
       +-- retried by a person
    sent, unknown --> delivered, because the recipient's mail server said so
    sent, unknown, delivered --> bounced, because a mail server on the way gave it back
    queued --> cancelled, because the last look found that it is no longer right
    queued --> expired, because it has waited for longer than it is valid

Each attempt is an event before it begins and another when its outcome is known. An attempt that is left without an
outcome may have left the house: unless its sender recognises a message it has sent already, it is never made again
automatically.

Reports come in any order and more than once; one that says less than is known changes nothing. That it was opened is a
note beside the state: a picture was fetched, by whom nobody knows.
"""

from datetime import date, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.dunning.plan import Channel, GroupBy, Purpose
from ledger.dunning.window import opens_at
from ledger.errors import Conflict, Rejected
from ledger.event_registry import Event, stored
from ledger.ids import derived_id

FOLD_VERSION = 5

MAX_ATTEMPTS: Final = 10
"""So many attempts are made automatically; then the message is dead-lettered."""

ATTEMPT_MINUTES: Final = 15
"""Nobody else looks at a message that is being sent before so many minutes have passed."""

FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=6)

Kind = Literal["dunning", "invoice", "receipt", "generic"]
"""What a message is.

    dunning  a step of a plan, kept back by opt-outs and limits of contact
    invoice  an invoice that was sent
    receipt  a payment that was received
    generic  what a template of the tenant's says, such as a welcome; kept back by opt-outs
"""

State = Literal[
    "awaiting_approval",
    "queued",
    "attempted",
    "sent",
    "delivered",
    "bounced",
    "unknown",
    "dead_lettered",
    "cancelled",
    "expired",
    "discarded",
]
WAITING: Final[frozenset[State]] = frozenset(("queued", "attempted"))

CancelReason = Literal["nothing_open", "kept_back", "no_address", "opted_out", "withdrawn"]
"""Why a queued message is not sent.

    nothing_open  nothing of what it is about is open any more
    kept_back     what is still open is held, disputed or promised
    no_address    the customer has no usable address on its channel any more, or its data was erased
    opted_out     the customer wants no reminders on its channel any more
    withdrawn     its invoice was voided or cancelled, or its payment reversed
"""

STOPPED_BY_OPT_OUT: Final[frozenset[Kind]] = frozenset(("dunning", "generic"))
"""Invoices and receipts are owed to the customer whatever it wants."""

SettledAs = Literal["sent", "not_sent"]


class MessageNotDue(Conflict):
    """The message does not wait for an attempt now: it was sent, waits for a while, or has ended."""


class AttemptOutdated(Conflict):
    """Another attempt has begun since, or the message was settled meanwhile; this outcome says nothing any more."""


class MessageBeingSent(Conflict):
    """The message is being sent at this moment, so that a report about it comes too early; it can be given again."""


class NothingToRetry(Rejected):
    """Only a message that is dead-lettered, bounced, cancelled, expired or discarded can be tried again."""


class NothingToDiscard(Rejected):
    """Only a message that is dead-lettered or waits for its approval can be discarded."""


class NothingToApprove(Rejected):
    """Only a message that waits for its approval can be approved."""


class NothingToSettle(Rejected):
    """Only a message of which nobody knows whether it left can be settled."""


@stored("message.queued.v1")
class Queued(Event, frozen=True):
    """A message is to be sent. `amount_minor` is what was open on its invoices when it was queued; the text says what
    is open when it is sent.

    plan, plan_version, step, purpose  why, of a dunning message
    template, template_version         what writes it, as it is when it is queued; empty and 0, the shipped one
    window, zone                       the local hours in which it may be sent, and where; empty, any
    not_before                         when they are first
    valid_until                        when it expires; none, never
    payment_id                         of a receipt, its payment
    approval                           a person must approve it before it is sent
    group_by                           whose debts it is about: the customer's, or one agreement's
    """

    kind: Kind
    channel: Channel
    customer_id: UUID
    currency: str
    amount_minor: int
    business_date: date
    invoice_ids: tuple[UUID, ...]
    plan: str = ""
    plan_version: int = 0
    step: str = ""
    purpose: Purpose = "reminder"
    template: str = ""
    template_version: int = 0
    window: str = ""
    zone: str = ""
    not_before: datetime | None = None
    valid_until: datetime | None = None
    payment_id: UUID | None = None
    approval: bool = False
    group_by: GroupBy = "customer"


@stored("message.approved.v1")
class Approved(Event, frozen=True):
    """A person has approved the message: it is sent like any other."""


@stored("message.attempted.v1")
class Attempted(Event, frozen=True):
    """The message is about to be submitted; nobody else tries before `next_at`. `tracked`: a picture in it says when it
    is opened.
    """

    attempt: int
    sender: str
    next_at: datetime
    tracked: bool = False


@stored("message.sent.v1")
class Sent(Event, frozen=True):
    """The sender has taken it. `reference` is its name there, `content_hash` the SHA-256 of what was sent."""

    reference: str = ""
    content_hash: str = ""


@stored("message.delivered.v1")
class Delivered(Event, frozen=True):
    """The recipient's mail server has told that it delivered the message."""


@stored("message.bounced.v1")
class Bounced(Event, frozen=True):
    """A mail server on the way has given the message back. The reason holds no personal data."""

    reason: str


@stored("message.complained.v1")
class Complained(Event, frozen=True):
    """The recipient has told its mail provider that it does not want the message: `kind` as RFC 5965 has it."""

    kind: str


@stored("message.opened.v1")
class Opened(Event, frozen=True):
    """The message's picture was fetched for the first time: perhaps the recipient has opened it."""


@stored("message.attempt_failed.v1")
class AttemptFailed(Event, frozen=True):
    """The message did not leave, and is tried again from `next_at` on. The reason holds no personal data."""

    reason: str
    next_at: datetime


@stored("message.deferred.v1")
class Deferred(Event, frozen=True):
    """The message did not leave, and it was not its fault: the sender or the recipient's domain takes no more for now.
    The attempt does not count. Nobody tries again before `next_at`, if it is said."""

    reason: str
    next_at: datetime | None = None


@stored("message.postponed.v1")
class Postponed(Event, frozen=True):
    """The last look came at an hour at which the customer may not be contacted."""

    next_at: datetime


@stored("message.expired.v1")
class Expired(Event, frozen=True):
    """The message waited for longer than it is valid, and is not sent any more."""


@stored("message.became_unknown.v1")
class BecameUnknown(Event, frozen=True):
    """Nobody knows whether the message left. It is not sent again automatically."""

    reason: str


@stored("message.dead_lettered.v1")
class DeadLettered(Event, frozen=True):
    """The message did not leave and is not tried again automatically."""

    reason: str


@stored("message.cancelled.v1")
class Cancelled(Event, frozen=True):
    """The last look before sending found that the message is no longer right."""

    reason: CancelReason


@stored("message.retried.v1")
class Retried(Event, frozen=True):
    """A person has it tried again, as often as at first."""


@stored("message.discarded.v1")
class Discarded(Event, frozen=True):
    """A person has decided that a dead letter is never sent. The reason is an encrypted text."""

    reason: str = ""


@stored("message.settled.v1")
class Settled(Event, frozen=True):
    """A person has found out whether an unknown message left; one that did not is sent again."""

    outcome: SettledAs


class Message(msgspec.Struct, frozen=True, array_like=True):
    """A message as folded.

    attempts  attempts that were begun, since a person had it tried again
    begun     attempts that were begun, in all
    next_at   no other attempt is begun before
    reason    why it failed last, is dead-lettered, bounced, unknown or cancelled
    opened_on when its picture was fetched first
    """

    kind: Kind
    channel: Channel
    customer_id: UUID
    currency: str
    amount_minor: int
    business_date: date
    invoice_ids: tuple[UUID, ...]
    plan: str
    plan_version: int
    step: str
    purpose: Purpose
    queued_on: date
    state: State = "queued"
    attempts: int = 0
    begun: int = 0
    next_at: datetime | None = None
    sender: str = ""
    reference: str = ""
    content_hash: str = ""
    reason: str = ""
    template: str = ""
    template_version: int = 0
    window: str = ""
    zone: str = ""
    valid_until: datetime | None = None
    opened_on: date | None = None
    complaint: str = ""
    payment_id: UUID | None = None
    group_by: GroupBy = "customer"

    def due(self, now: datetime) -> bool:
        """Whether somebody is to look at it: for an attempt, or because an attempt was left without an outcome."""
        return self.state in WAITING and (self.next_at is None or self.next_at <= now)


def message_id(
    tenant_id: UUID,
    customer_id: UUID,
    channel: Channel,
    currency: str,
    day: date,
    kind: Kind,
    before: int = 0,
    document_id: UUID | None = None,
) -> UUID:
    """The id of a message: the same facts give the same one, so that it is queued once.

    before       how often the customer had been contacted on the day already
    document_id  of a message about one document, that one: two invoices that are sent on a day are two messages
    """
    facts: list[UUID | str] = [tenant_id, customer_id, channel, currency, kind]
    if before:
        facts.append(str(before))
    if document_id is not None:
        facts.append(document_id)
    return derived_id(day, "message", *facts)


def held_back(message: Message, now: datetime) -> Postponed | Expired | None:
    """Why a message that is due is not sent at this hour; None when it may be. One that is being sent is not asked."""
    if message.state != "queued":
        return None
    if message.valid_until is not None and now >= message.valid_until:
        return Expired()
    opens = opens_at(message.window, message.zone, now) if message.window else now
    if message.valid_until is not None and opens >= message.valid_until:
        return Expired()
    return Postponed(opens) if opens > now else None


def begin_attempt(
    message: Message, sender: str, now: datetime, *, tracked: bool = False
) -> Attempted:
    """The next attempt, if it may begin: also when the one before it was left without an outcome.

    Raises MessageNotDue.
    """
    if not message.due(now):
        raise MessageNotDue(f"the message is {message.state} and does not wait for an attempt now")
    next_at = now + timedelta(minutes=ATTEMPT_MINUTES)
    return Attempted(message.begun + 1, sender, next_at, tracked)


def attempt_failed(message: Message, reason: str, now: datetime) -> AttemptFailed | DeadLettered:
    """What follows a failure that may pass: another attempt after a while, or none after the tenth."""
    if message.attempts >= MAX_ATTEMPTS:
        return DeadLettered(f"{reason}, at the last of {MAX_ATTEMPTS} attempts")
    return AttemptFailed(reason, now + min(FIRST_WAIT * 2 ** (message.attempts - 1), LONGEST_WAIT))


def require_current(message: Message, attempt: int) -> None:
    """Whether an attempt is the last one, and still without an outcome. Raises AttemptOutdated."""
    if message.state != "attempted" or message.begun != attempt:
        raise AttemptOutdated(f"attempt {attempt} of the message is not the current one")


def reported_delivered(message: Message) -> Delivered | None:
    """The recipient's mail server says that it has the message; None when that is known. Raises MessageBeingSent."""
    _require_not_being_sent(message)
    known = message.state in ("delivered", "bounced") or not message.begun
    return None if known else Delivered()


def reported_bounced(message: Message, reason: str) -> Bounced | None:
    """A mail server gives the message back; None when it waits again, or that is known. Raises MessageBeingSent."""
    _require_not_being_sent(message)
    return Bounced(reason) if message.state in ("sent", "unknown", "delivered") else None


def reported_relayed(message: Message) -> Sent | None:
    """A mail server says that it passed the message on, so that it did leave. Raises MessageBeingSent."""
    _require_not_being_sent(message)
    return Sent(reference="reported as passed on") if message.state == "unknown" else None


def _require_not_being_sent(message: Message) -> None:
    if message.state == "attempted":
        raise MessageBeingSent("the message is being sent at this moment; report it again later")


def retry(message: Message) -> Retried:
    """A person has it tried again. Raises NothingToRetry."""
    if message.state not in ("dead_lettered", "bounced", "cancelled", "expired", "discarded"):
        raise NothingToRetry(f"the message is {message.state}; there is nothing to try again")
    return Retried()


def require_discardable(message: Message) -> None:
    """Raises NothingToDiscard."""
    if message.state not in ("dead_lettered", "awaiting_approval"):
        raise NothingToDiscard(
            f"the message is {message.state}; only a dead letter, or one that waits for its approval, is discarded"
        )


def approve(message: Message) -> Approved:
    """A person lets it be sent. Raises NothingToApprove."""
    if message.state != "awaiting_approval":
        raise NothingToApprove(f"the message is {message.state}; there is nothing to approve")
    return Approved()


def settle(message: Message, outcome: SettledAs) -> Settled:
    """A person says whether an unknown message left. Raises NothingToSettle."""
    if message.state != "unknown":
        raise NothingToSettle(f"the message is {message.state}; there is nothing to settle")
    return Settled(outcome)


def evolve(message: Message | None, event: Event, effective_on: date) -> Message:
    if isinstance(event, Queued):
        return Message(
            kind=event.kind,
            channel=event.channel,
            customer_id=event.customer_id,
            currency=event.currency,
            amount_minor=event.amount_minor,
            business_date=event.business_date,
            invoice_ids=event.invoice_ids,
            plan=event.plan,
            plan_version=event.plan_version,
            step=event.step,
            purpose=event.purpose,
            queued_on=effective_on,
            template=event.template,
            template_version=event.template_version,
            window=event.window,
            zone=event.zone,
            next_at=event.not_before,
            valid_until=event.valid_until,
            payment_id=event.payment_id,
            state="awaiting_approval" if event.approval else "queued",
            group_by=event.group_by,
        )
    assert message is not None, f"{event.TAG} came before the message was queued"
    match event:
        case Approved():
            return replace(message, state="queued")
        case Attempted():
            return replace(
                message,
                state="attempted",
                attempts=message.attempts + 1,
                begun=event.attempt,
                sender=event.sender,
                next_at=event.next_at,
            )
        case Sent():
            return replace(
                message,
                state="sent",
                next_at=None,
                reference=event.reference,
                content_hash=event.content_hash,
                reason="",
            )
        case Delivered():
            return replace(message, state="delivered", next_at=None, reason="")
        case Bounced():
            return replace(message, state="bounced", reason=event.reason)
        case Complained():
            return replace(message, complaint=event.kind)
        case Opened():
            return replace(message, opened_on=message.opened_on or effective_on)
        case AttemptFailed():
            return replace(message, state="queued", next_at=event.next_at, reason=event.reason)
        case Deferred():
            return replace(
                message,
                state="queued",
                attempts=message.attempts - 1,
                next_at=event.next_at,
                reason=event.reason,
            )
        case Postponed():
            return replace(message, next_at=event.next_at)
        case Expired():
            return replace(message, state="expired", next_at=None)
        case BecameUnknown():
            return replace(message, state="unknown", next_at=None, reason=event.reason)
        case DeadLettered():
            return replace(message, state="dead_lettered", next_at=None, reason=event.reason)
        case Cancelled():
            return replace(message, state="cancelled", next_at=None, reason=event.reason)
        case Retried():
            return replace(
                message, state="queued", attempts=0, next_at=None, valid_until=None, reason=""
            )
        case Discarded():
            return replace(message, state="discarded", next_at=None)
        case Settled():
            state: State = "sent" if event.outcome == "sent" else "queued"
            return replace(message, state=state, attempts=0, reason="")
    raise AssertionError(f"a message does not know {event.TAG}")
