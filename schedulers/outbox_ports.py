"""The outbox's store as its rounds see it: messages that wait, the right to send one, and what becomes of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from schedulers.delivery import Outcome, Outgoing, Sender

LEASE_SECONDS = 60.0


class Waiting(msgspec.Struct, frozen=True):
    """A message that is leased to this worker.

    domain   of the recipient's address; empty when there is none
    slowed   whether that domain has been slowed
    plan     whose step it is; empty when it is none's
    """

    tenant_id: UUID
    message_id: UUID
    customer_id: UUID
    domain: str = ""
    slowed: bool = False
    plan: str = ""


class Attempt(msgspec.Struct, frozen=True):
    """The right to send a message once, until `next_at`.

    address   the recipient's, encrypted as the customer has it
    outgoing  the message as it is written; none when it cannot be, and `reason` says why
    """

    waiting: Waiting
    number: int
    next_at: datetime
    address: str
    outgoing: Outgoing | None
    reason: str = ""


class Ended(msgspec.Struct, frozen=True):
    """The last look ended the message instead: it is not sent."""


Claimed = Attempt | Ended | Exception


class Slot(NamedTuple):
    """A moment at which a message is sent, by `time.monotonic()`: not before the first, not after the second."""

    earliest: float
    latest: float


class OutboxStore(Protocol):
    """The store as the outbox sees it."""

    def tenants(self) -> list[UUID]:
        """Tenants with messages that wait, due or not."""
        ...

    def lease(self, tenant_id: UUID, limit: int) -> list[Waiting]:
        """Messages of a tenant that wait, are due and that no other worker has, the longest waiting first."""
        ...

    def release(self, tenant_id: UUID, message_ids: Sequence[UUID]) -> None:
        """Gives leases back."""
        ...

    def exchange(
        self,
        tenant_id: UUID,
        outcomes: Sequence[tuple[Attempt, Outcome]],
        claims: Sequence[tuple[Waiting, Sender]],
    ) -> tuple[list[Exception | None], list[Claimed]]:
        """Records outcomes and claims messages for an attempt, each alone, and answers in the same order.

        Among the errors are AttemptOutdated, MessageNotDue and SenderPaused."""
        ...

    def limit(self, tenant_id: UUID) -> int:
        """Messages that the tenant sends in a second at the most, over all senders and workers; 0: no limit."""
        ...

    def slot(self, tenant_id: UUID, sender: Sender, limit: int) -> Slot:
        """Takes the next moment at which sender and tenant both send a message, over all workers."""
        ...

    def pause(self, tenant_id: UUID, sender: Sender, reason: str) -> None:
        """Pauses a sender that is at fault, with a task for a person."""
        ...
