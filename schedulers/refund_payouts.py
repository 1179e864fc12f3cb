"""Handing refunds over to the provider of payouts: find what waits, claim one, hand it over, record the outcome.

The port is idempotent by the refund's id, so that a run that was killed between any two steps is repeated and leaves
one instruction. An attempt is an event before it begins: two runners never make one at the same time, and an attempt
that was killed is known to be in doubt. What is in doubt is tried again and never compensated automatically, because
the money may have left.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Protocol
from uuid import UUID

import msgspec

from ledger.errors import Rejected
from ledger.money import Money
from ledger.refund import OutcomeOutdated, PayoutNotDue, Refund
from schedulers.rounds import Rounds

log = logging.getLogger("duebook.payouts")

EVERY_SECONDS = 3.0
PAGE = 200


class DestinationErased(Rejected):
    """The customer's personal data was erased, and with it where the money is to go."""


class Instruction(msgspec.Struct, frozen=True):
    """What is handed over: pay this amount to this destination, once for each `refund_id`.

    It is the same at each attempt. The destination is in the clear: it is made for the hand-over and kept nowhere.
    """

    refund_id: UUID
    tenant_id: UUID
    customer_id: UUID
    amount: Money
    destination: str
    requested_on: date


class HandedOver(msgspec.Struct, frozen=True):
    """The provider has the instruction, now or since an earlier attempt."""

    provider: str
    reference: str = ""


class NotHandedOver(msgspec.Struct, frozen=True):
    """It was not handed over; with `unknown`, it may have been. The reason holds no personal data."""

    reason: str
    unknown: bool


class Refused(msgspec.Struct, frozen=True):
    """The provider has read this instruction and will never follow it."""

    reason: str


Outcome = HandedOver | NotHandedOver | Refused


class Payout(Protocol):
    """A provider of payouts."""

    def hand_over(self, instruction: Instruction) -> Outcome:
        """Hands an instruction over; again with the same id and content changes nothing. Ends within half a minute."""
        ...


class Waiting(msgspec.Struct, frozen=True):
    """A refund whose instruction is not handed over."""

    tenant_id: UUID
    refund_id: UUID
    refund: Refund


class Attempt(msgspec.Struct, frozen=True):
    """The right to hand a refund over once, until `next_at`."""

    tenant_id: UUID
    refund_id: UUID
    number: int
    next_at: datetime


class PayoutStore(Protocol):
    """The store as the runner sees it."""

    def waiting(self, after: Waiting | None, limit: int) -> list[Waiting]:
        """Refunds of all tenants whose instructions are not handed over, after one of them, in a fixed order."""
        ...

    def begin(self, waiting: Waiting) -> Attempt:
        """Claims a refund for one attempt. Raises PayoutNotDue when another runner or a person was first."""
        ...

    def instruction(self, waiting: Waiting) -> Instruction:
        """What is to be handed over. Raises DestinationErased."""
        ...

    def record(self, attempt: Attempt, outcome: Outcome) -> None:
        """Records what became of an attempt. Raises OutcomeOutdated when it is not the current one any more."""
        ...


class Round(msgspec.Struct):
    """What one round did: refunds handed over, not handed over, and refused by the provider."""

    handed_over: int = 0
    not_handed_over: int = 0
    refused: int = 0

    def count(self, outcome: Outcome) -> None:
        match outcome:
            case HandedOver():
                self.handed_over += 1
            case NotHandedOver():
                self.not_handed_over += 1
            case Refused():
                self.refused += 1


def pay_out(
    store: PayoutStore,
    payout: Payout,
    now: Callable[[], datetime],
    *,
    stopped: Callable[[], bool] = lambda: False,
    pause: Callable[[str], None] = lambda point: None,
) -> Round:
    """Hands over every refund that is due. What fails with one of them is logged and does not keep the others waiting.

    pause   called with the name of each point between two steps; tests end the run there
    """
    done = Round()
    for waiting in every_waiting(store):
        if stopped():
            break
        if not waiting.refund.due(now()):
            continue
        try:
            outcome = _hand_over(store, payout, waiting, now, pause)
        except (PayoutNotDue, OutcomeOutdated) as outrun:
            log.info("refund %s: %s", waiting.refund_id, outrun)
        except Exception:
            log.exception("refund %s failed; it is tried again", waiting.refund_id)
        else:
            done.count(outcome)
    return done


def every_waiting(store: PayoutStore) -> Iterator[Waiting]:
    """Every refund that is not handed over, also those that wait for a later attempt or for a person."""
    last: Waiting | None = None
    while page := store.waiting(last, PAGE):
        yield from page
        last = page[-1]


def _hand_over(
    store: PayoutStore,
    payout: Payout,
    waiting: Waiting,
    now: Callable[[], datetime],
    pause: Callable[[str], None],
) -> Outcome:
    pause("before claiming")
    attempt = store.begin(waiting)
    pause("before handing over")
    outcome = _outcome(store, payout, waiting, attempt, now)
    pause("before recording")
    store.record(attempt, outcome)
    pause("after recording")
    if not isinstance(outcome, HandedOver):
        log.warning("refund %s, attempt %d: %s", waiting.refund_id, attempt.number, _why(outcome))
    return outcome


def _outcome(
    store: PayoutStore,
    payout: Payout,
    waiting: Waiting,
    attempt: Attempt,
    now: Callable[[], datetime],
) -> Outcome:
    try:
        instruction = store.instruction(waiting)
    except DestinationErased as erased:
        return NotHandedOver(str(erased), unknown=False)
    if now() >= attempt.next_at:
        raise OutcomeOutdated("this runner stood still for so long that another may have begun")
    try:
        return payout.hand_over(instruction)
    except Exception as error:
        # Its text may quote the destination.
        return NotHandedOver(f"failed with {type(error).__name__}", unknown=True)


def _why(outcome: NotHandedOver | Refused) -> str:
    # A refusal's words come from the provider, and may be about the person.
    return outcome.reason if isinstance(outcome, NotHandedOver) else "refused by the provider"


def payout_rounds(
    store: PayoutStore,
    payout: Payout,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    every_seconds: float = EVERY_SECONDS,
) -> Rounds:
    """Hands over in the background. Stopping ends a round after the refund that is being handed over."""
    return Rounds(
        "payouts", lambda stopped: pay_out(store, payout, now, stopped=stopped), every_seconds
    )
