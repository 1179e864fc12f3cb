"""Sending messages, round after round: for each tenant with messages that wait, lease them, look at each for the last
time and claim it, send it, record the outcome.

What may have left is never sent again automatically, unless the sender recognises a message that it has taken already.
A lease says which worker works on a message; it is not what keeps a message from being sent twice.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from schedulers.delivery import Sender
from schedulers.outbox_ports import OutboxStore
from schedulers.rounds import Rounds
from schedulers.sending import Means, Round, Slowness, TenantSending

log = logging.getLogger("duebook.outbox")

EVERY_SECONDS = 2.0
STORE_CALLS_AT_ONCE = 4


class Outbox:
    """Sends what waits, round after round.

    roster  the senders of a tenant that are active
    pause   called with the name of each point between two steps; tests end a round there
    """

    def __init__(
        self,
        store: OutboxStore,
        roster: Callable[[UUID], Sequence[Sender]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[str], None] = lambda point: None,
    ) -> None:
        self._means = Means(store, roster, now, pause, Slowness())

    def send_waiting(self, stopped: Callable[[], bool] = lambda: False) -> Round:
        """Sends every message that is due and whose sender takes it now. What fails with one of them is logged and does
        not keep the others waiting."""
        return asyncio.run(self._round(stopped))

    def rounds(self, every_seconds: float = EVERY_SECONDS) -> Rounds:
        """Sends in the background. Stopping ends a round after the messages that are being sent."""
        return Rounds("outbox", self.send_waiting, every_seconds)

    async def _round(self, stopped: Callable[[], bool]) -> Round:
        done = Round()
        calls = asyncio.Semaphore(STORE_CALLS_AT_ONCE)
        running: dict[UUID, asyncio.Task[None]] = {}
        again_at: dict[UUID, float] = {}
        look = True
        while look or running:
            if look:
                for tenant_id in await asyncio.to_thread(self._means.store.tenants):
                    if tenant_id not in running and again_at.get(tenant_id, 0) < time.monotonic():
                        sending = TenantSending(self._means, tenant_id, calls, done, stopped)
                        running[tenant_id] = asyncio.create_task(sending.run())
            if running:
                await asyncio.wait(
                    running.values(), timeout=EVERY_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
            for tenant_id, task in list(running.items()):
                if task.done():
                    del running[tenant_id]
                    again_at[tenant_id] = time.monotonic() + EVERY_SECONDS
                    self._ended(tenant_id, task)
            # Who begins to wait while others are being sent for does not wait for their end.
            look = bool(running) and not stopped()
        return done

    def _ended(self, tenant_id: UUID, task: asyncio.Task[None]) -> None:
        try:
            task.result()
        except Exception:
            log.exception("sending for tenant %s failed; the next round tries again", tenant_id)
