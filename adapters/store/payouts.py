"""The payouts' runner over PostgreSQL: what waits is read from snapshots, outcomes go through the writer like any
command.

A claim and an outcome are appended at the version they were decided on: of two runners, one gets the claim.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec

from adapters.postgres.connection import Pool
from adapters.store import snapshots
from adapters.store.encryption import PersonalDataCipher, pseudonym
from adapters.store.requests import Request
from adapters.store.writer import Writer
from commands.refunds import (
    PayoutBegun,
    begin_payout,
    payout_attempt_failed,
    payout_refused,
    payout_sent,
)
from commands.unit_of_work import Unit
from ledger.money import Money
from schedulers.refund_payouts import (
    Attempt,
    DestinationErased,
    HandedOver,
    Instruction,
    NotHandedOver,
    Outcome,
    Refused,
    Waiting,
)

ACTOR = "payouts"

# The index snapshots_payout holds nothing but these.
SELECT_WAITING = """
SELECT tenant_id, stream_id, fold_version, state
  FROM snapshots
 WHERE stream = 'refund' AND wakes_on IS NOT NULL
   AND (tenant_id, wakes_on, stream_id) > (%(tenant)s, %(wakes_on)s, %(stream)s)
 ORDER BY tenant_id, wakes_on, stream_id
 LIMIT %(limit)s
"""
NOBODY = UUID(int=0)


class PostgresPayouts:
    """Refunds that wait, and what becomes of them (`schedulers.refund_payouts.PayoutStore`)."""

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
        values = {"tenant": NOBODY, "wakes_on": date.min, "stream": NOBODY, "limit": limit}
        if after is not None:
            values |= {
                "tenant": after.tenant_id,
                "wakes_on": after.refund.requested_on,
                "stream": after.refund_id,
            }
        with self._pool.connection() as connection:
            rows = connection.execute(SELECT_WAITING, values).fetchall()
            return [
                Waiting(
                    tenant_id,
                    refund_id,
                    snapshots.state_of(
                        connection, "refund", tenant_id, refund_id, fold_version, data
                    ),
                )
                for tenant_id, refund_id, fold_version, data in rows
            ]

    def begin(self, waiting: Waiting) -> Attempt:
        tenant_id, refund_id = waiting.tenant_id, waiting.refund_id
        answer = self._run(tenant_id, refund_id, lambda unit: begin_payout(unit, refund_id))
        begun = msgspec.json.decode(answer, type=PayoutBegun)
        return Attempt(tenant_id, refund_id, begun.attempt, begun.next_at)

    def instruction(self, waiting: Waiting) -> Instruction:
        tenant_id, refund = waiting.tenant_id, waiting.refund
        destination = self._cipher.opened_text(tenant_id, refund.destination)
        if refund.destination and destination == pseudonym((tenant_id, refund.customer_id)):
            raise DestinationErased("the customer's data was erased, and with it the destination")
        return Instruction(
            refund_id=waiting.refund_id,
            tenant_id=tenant_id,
            customer_id=refund.customer_id,
            amount=Money.of(refund.amount_minor, refund.currency),
            destination=destination,
            requested_on=refund.requested_on,
        )

    def record(self, attempt: Attempt, outcome: Outcome) -> None:
        self._run(attempt.tenant_id, attempt.refund_id, _recording(attempt, outcome))

    def _run(self, tenant_id: UUID, refund_id: UUID, handler: Callable[[Unit], Any]) -> bytes:
        request = Request(
            tenant_id=tenant_id,
            actor=ACTOR,
            handler=handler,
            correlation_id=f"refund-{refund_id}",
            prefetch_streams=(refund_id,),
            now=self._now(),
        )
        return self._writer.run(request).body


def _recording(attempt: Attempt, outcome: Outcome) -> Callable[[Unit], Any]:
    refund_id, number = attempt.refund_id, attempt.number
    match outcome:
        case HandedOver(provider, reference):
            return lambda unit: payout_sent(unit, refund_id, number, provider, reference)
        case Refused(reason):
            return lambda unit: payout_refused(unit, refund_id, number, reason)
        case NotHandedOver(reason, unknown):
            return lambda unit: payout_attempt_failed(
                unit, refund_id, number, reason, unknown=unknown
            )
