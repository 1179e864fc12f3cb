"""The outbox over PostgreSQL: what waits is read from snapshots, attempts and outcomes go through the writer like any
command.

A claim and an outcome are appended at the version they were decided on: of two workers, one gets the claim.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec

from adapters.messages.mail import write_mail
from adapters.postgres.connection import Pool
from adapters.store import snapshots
from adapters.store.encryption import PersonalDataCipher, pseudonym
from adapters.store.requests import Request
from adapters.store.writer import Writer
from commands.messages import (
    AttemptBegun,
    Letter,
    begin_sending,
    message_failed,
    message_sent,
    message_unknown,
)
from commands.unit_of_work import Unit
from ledger.message import Message
from schedulers.outbox import (
    Attempt,
    MaybeTaken,
    NotRenderable,
    NotTaken,
    Outcome,
    Outgoing,
    Sender,
    Taken,
    Waiting,
)

ACTOR = "outbox"
NOBODY = UUID(int=0)

# The index snapshots_outbox holds nothing but these.
SELECT_WAITING = """
SELECT tenant_id, stream_id, fold_version, state, wakes_on
  FROM snapshots
 WHERE stream = 'message' AND wakes_on IS NOT NULL
   AND (tenant_id, wakes_on, stream_id) > (%(tenant)s, %(queued_on)s, %(message)s)
 ORDER BY tenant_id, wakes_on, stream_id
 LIMIT %(limit)s
"""


class PostgresOutbox:
    """Messages that wait, and what becomes of them (`schedulers.outbox.OutboxStore`)."""

    def __init__(
        self,
        pool: Pool,
        writer: Writer,
        cipher: PersonalDataCipher,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._writer = writer
        self._cipher = cipher
        self._now = now

    def waiting(self, after: Waiting | None, limit: int) -> list[Waiting]:
        values = {"tenant": NOBODY, "queued_on": date.min, "message": NOBODY, "limit": limit}
        if after is not None:
            values |= {
                "tenant": after.tenant_id,
                "queued_on": after.queued_on,
                "message": after.message_id,
            }
        now = self._now()
        with self._pool.connection() as connection:
            found: list[Waiting] = []
            for tenant_id, message_id, fold_version, data, queued_on in connection.execute(
                SELECT_WAITING, values
            ).fetchall():
                message: Message = snapshots.state_of(
                    connection, "message", tenant_id, message_id, fold_version, data
                )
                found.append(Waiting(tenant_id, queued_on, message_id, message.due(now)))
            return found

    def begin(self, waiting: Waiting, sender: Sender) -> Attempt | None:
        tenant_id, message_id = waiting.tenant_id, waiting.message_id
        answer = self._run(
            tenant_id,
            message_id,
            lambda unit: begin_sending(
                unit, message_id, sender.name, recognises_repeats=sender.recognises_repeats
            ),
        )
        begun = msgspec.json.decode(answer, type=AttemptBegun)
        if begun.letter is None or begun.next_at is None:
            return None
        return Attempt(tenant_id, message_id, begun.attempt, begun.next_at, begun.letter)

    def render(self, attempt: Attempt) -> Outgoing:
        letter = attempt.letter
        clear = {
            field: self._cipher.opened_text(attempt.tenant_id, getattr(letter, field))
            for field in ("recipient", "name")
        }
        if _is_erased(attempt.tenant_id, letter, clear["recipient"]):
            raise NotRenderable("the customer's data was erased, and with it the address")
        return write_mail(msgspec.structs.replace(letter, **clear), self._now())

    def record(self, attempt: Attempt, outcome: Outcome) -> None:
        self._run(attempt.tenant_id, attempt.message_id, _recording(attempt, outcome))

    def _run(self, tenant_id: UUID, message_id: UUID, handler: Callable[[Unit], Any]) -> bytes:
        request = Request(
            tenant_id=tenant_id,
            actor=ACTOR,
            handler=handler,
            correlation_id=f"message-{message_id}",
            prefetch_streams=(message_id,),
            now=self._now(),
        )
        return self._writer.run(request).body


def _is_erased(tenant_id: UUID, letter: Letter, recipient: str) -> bool:
    # An encrypted text names its owner: `encrypted:1:<customer id>:...`.
    owner = UUID(hex=letter.recipient.split(":")[2])
    return recipient == pseudonym((tenant_id, owner))


def _recording(attempt: Attempt, outcome: Outcome) -> Callable[[Unit], Any]:
    message_id, number = attempt.message_id, attempt.number
    match outcome:
        case Taken(reference, content_hash):
            return lambda unit: message_sent(unit, message_id, number, reference, content_hash)
        case NotTaken(reason, for_good):
            return lambda unit: message_failed(unit, message_id, number, reason, for_good=for_good)
        case MaybeTaken(reason):
            return lambda unit: message_unknown(unit, message_id, number, reason)
