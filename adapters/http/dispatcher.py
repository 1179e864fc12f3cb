"""The dispatch of commands to the writer's thread, and of its answers back to the event loop.

The writer answers a whole group at once. Waking the event loop costs a system call, so that it is woken once for all
the answers that are ready, not once for each.
"""

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import Final

from adapters.store.writer import Answer, OutcomeUnknown, Request, Writer

DEADLINE_SECONDS: Final = 30.0
"""Longer than the writer takes to give up on a database that does not answer; one that stands still says nothing."""


class Dispatcher:
    """Takes commands from one event loop."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._loop: asyncio.AbstractEventLoop | None = None
        self._answered: deque[tuple[asyncio.Future[Answer], Future[Answer]]] = deque()
        self._woken = False

    async def run(self, request: Request) -> Answer:
        """Runs a command. Raises what the writer's future raises, and OutcomeUnknown when that takes too long."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Answer] = loop.create_future()
        asked = self._writer.submit(request)
        asked.add_done_callback(lambda done: self._put(loop, waiter, done))
        deadline = loop.call_later(DEADLINE_SECONDS, _time_out, waiter)
        try:
            return await waiter
        finally:
            deadline.cancel()

    def _put(
        self,
        loop: asyncio.AbstractEventLoop,
        waiter: asyncio.Future[Answer],
        done: Future[Answer],
    ) -> None:
        """Runs in the writer's thread. The order matters: first the answer, then the look at the flag."""
        self._answered.append((waiter, done))
        if not self._woken:
            self._woken = True
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._woken = False
        while self._answered:
            waiter, done = self._answered.popleft()
            if waiter.done():  # the client has gone
                continue
            error = done.exception()
            if error is None:
                waiter.set_result(done.result())
            else:
                waiter.set_exception(error)


def _time_out(waiter: asyncio.Future[Answer]) -> None:
    if not waiter.done():
        waiter.set_exception(
            OutcomeUnknown(
                f"the database did not answer within {DEADLINE_SECONDS:.0f} seconds; "
                "repeat the request with the same idempotency key"
            )
        )
