"""Sending messages: find what waits, look at it for the last time and claim it, send it, record the outcome.

An attempt is an event before it begins: of two workers, one gets it, and an attempt that was killed is known. What may
have left is never sent again automatically, unless the sender recognises a message that it has taken already.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Protocol
from uuid import UUID

import msgspec

from commands.messages import Letter
from ledger.errors import Rejected
from ledger.message import AttemptOutdated, MessageNotDue
from schedulers.rounds import Rounds

log = logging.getLogger("duebook.outbox")

EVERY_SECONDS = 2.0
PAGE = 500
MAX_AT_ONCE = 8


class NotRenderable(Rejected):
    """The message cannot be written as the customer's data are, such as a malformed address."""


class Outgoing(msgspec.Struct, frozen=True):
    """A message, rendered. It holds decrypted personal data: it is made for one attempt and never stored.

    folder   a name for the day's messages
    content  a whole mail, as RFC 5322 has it
    """

    message_id: UUID
    folder: str
    content: bytes


class Taken(msgspec.Struct, frozen=True):
    """The sender has the message, now or since an earlier attempt.

    reference     its name there
    content_hash  SHA-256 of what was sent, as hexadecimal digits
    """

    reference: str
    content_hash: str


class NotTaken(msgspec.Struct, frozen=True):
    """The message did not leave; `for_good`, when no other attempt would change that. The reason holds no personal
    data."""

    reason: str
    for_good: bool = False


class MaybeTaken(msgspec.Struct, frozen=True):
    """The message may have left. The reason holds no personal data."""

    reason: str


Outcome = Taken | NotTaken | MaybeTaken


class Sender(Protocol):
    """Whoever sends messages.

    name                as events name it
    recognises_repeats  sending a message again that it has taken changes nothing
    """

    name: str
    recognises_repeats: bool

    def send(self, outgoing: Outgoing) -> Outcome: ...


class Waiting(msgspec.Struct, frozen=True):
    """A message that waits to be sent, now or, when it is not due, for another attempt later."""

    tenant_id: UUID
    queued_on: date
    message_id: UUID
    due: bool


class Attempt(msgspec.Struct, frozen=True):
    """The right to send a message once, until `next_at`."""

    tenant_id: UUID
    message_id: UUID
    number: int
    next_at: datetime
    letter: Letter


class OutboxStore(Protocol):
    """The store as the outbox sees it."""

    def waiting(self, after: Waiting | None, limit: int) -> list[Waiting]:
        """Messages of all tenants that wait, after one of them, in a fixed order."""
        ...

    def begin(self, waiting: Waiting, sender: Sender) -> Attempt | None:
        """Looks at a message for the last time and claims it; None when it has ended instead. Raises MessageNotDue."""
        ...

    def render(self, attempt: Attempt) -> Outgoing:
        """Writes the message. Raises NotRenderable."""
        ...

    def record(self, attempt: Attempt, outcome: Outcome) -> None:
        """Records what became of an attempt. Raises AttemptOutdated when it is not the current one any more."""
        ...


class Round(msgspec.Struct):
    """What one round did: messages that the sender took, that did not leave, that may have left, and that had ended."""

    taken: int = 0
    not_taken: int = 0
    maybe_taken: int = 0
    ended: int = 0

    def count(self, outcome: Outcome | None) -> None:
        match outcome:
            case None:
                self.ended += 1
            case Taken():
                self.taken += 1
            case NotTaken():
                self.not_taken += 1
            case MaybeTaken():
                self.maybe_taken += 1


def send_waiting(
    store: OutboxStore,
    sender: Sender,
    now: Callable[[], datetime],
    *,
    stopped: Callable[[], bool] = lambda: False,
    pause: Callable[[str], None] = lambda point: None,
) -> Round:
    """Sends every message that is due, some at a time. What fails with one of them is logged and does not keep the
    others waiting.

    pause   called with the name of each point between two steps; tests end the round there
    """
    done = Round()

    def send(waiting: Waiting) -> Outcome | Exception | None:
        if stopped():
            return MessageNotDue("the outbox is stopping")
        try:
            return _send(store, sender, waiting, now, pause)
        except Exception as error:
            return error

    with ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="duebook-sending") as pool:
        for page in _pages(store):
            due = [waiting for waiting in page if waiting.due]
            for waiting, outcome in zip(due, pool.map(send, due), strict=True):
                match outcome:
                    case MessageNotDue() | AttemptOutdated():
                        log.info("message %s: %s", waiting.message_id, outcome)
                    case Exception():
                        log.error(
                            "message %s failed; it is tried again",
                            waiting.message_id,
                            exc_info=outcome,
                        )
                    case _:
                        done.count(outcome)
            if stopped():
                break
    return done


def _pages(store: OutboxStore) -> Iterator[list[Waiting]]:
    last: Waiting | None = None
    while page := store.waiting(last, PAGE):
        yield page
        last = page[-1]


def _send(
    store: OutboxStore,
    sender: Sender,
    waiting: Waiting,
    now: Callable[[], datetime],
    pause: Callable[[str], None],
) -> Outcome | None:
    pause("before claiming")
    attempt = store.begin(waiting, sender)
    if attempt is None:
        return None
    pause("before sending")
    if now() >= attempt.next_at:
        raise AttemptOutdated("this worker stood still for so long that another may have begun")
    outcome = _outcome(store, sender, attempt)
    pause("before recording")
    store.record(attempt, outcome)
    pause("after recording")
    if not isinstance(outcome, Taken):
        log.warning(
            "message %s, attempt %d: %s", waiting.message_id, attempt.number, outcome.reason
        )
    return outcome


def _outcome(store: OutboxStore, sender: Sender, attempt: Attempt) -> Outcome:
    # The text of an unforeseen error may quote the message.
    try:
        outgoing = store.render(attempt)
    except NotRenderable as error:
        return NotTaken(str(error), for_good=True)
    except Exception as error:
        log.exception("message %s cannot be written", attempt.message_id)
        return NotTaken(f"writing it failed with {type(error).__name__}", for_good=True)
    try:
        return sender.send(outgoing)
    except Exception as error:
        return MaybeTaken(f"failed with {type(error).__name__}")


def outbox_rounds(
    store: OutboxStore,
    sender: Sender,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    every_seconds: float = EVERY_SECONDS,
) -> Rounds:
    """Sends in the background. Stopping ends a round after the messages that are being sent."""
    return Rounds(
        "outbox", lambda stopped: send_waiting(store, sender, now, stopped=stopped), every_seconds
    )
