"""Sending messages: lease what waits, look at each for the last time and claim it, send it, record the outcome.

A tenant's messages leave side by side through the connections of its senders. A connection is open before a message is
claimed for it, so that a sender that is down uses up no attempt. One exchange with the store records what has come of
earlier messages and claims the next one for each free connection: an attempt is an event before it begins, and a worker
that is killed leaves at most one message in doubt for each connection. What may have left is never sent again
automatically, unless the sender recognises a message that it has taken already.

A lease says which worker works on a message; it is not what keeps a message from being sent twice.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ParamSpec, Protocol, TypeVar
from uuid import UUID

import msgspec

from ledger.message import AttemptOutdated, MessageNotDue
from ledger.sender import SenderPaused
from schedulers.delivery import (
    Connection,
    Faulty,
    MaybeTaken,
    NotTaken,
    Outcome,
    Outgoing,
    Sender,
    SenderAtFault,
    SenderUnavailable,
    Taken,
    Throttled,
)
from schedulers.rounds import Rounds

log = logging.getLogger("duebook.outbox")

EVERY_SECONDS = 2.0
LEASED_AT_ONCE = 200
LEASE_SECONDS = 60.0
LATE_SECONDS = 0.1
"""A message that is to leave at a moment leaves at most so long after it, or takes another moment."""
FIRST_SLOWNESS_SECONDS = 1.0
LONGEST_SLOWNESS_SECONDS = 300.0
WORTH_WAITING_SECONDS = 5.0
"""A round waits so long for a sender that is free again later; the next round finds it otherwise."""
LOOK_SECONDS = 1.0
STOPPING_SECONDS = 30.0
STORE_CALLS_AT_ONCE = 4

A = ParamSpec("A")
T = TypeVar("T")


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

    def slot(self, tenant_id: UUID, sender: Sender, limit: int) -> float:
        """The next moment at which sender and tenant send a message, over all workers: in so many seconds."""
        ...

    def pause(self, tenant_id: UUID, sender: Sender, reason: str) -> None:
        """Pauses a sender that is at fault, with a task for a person."""
        ...


class Round(msgspec.Struct):
    """What one round did: messages that a sender took, that did not leave, that may have left, that had ended, and that
    wait because a sender or a domain took no more."""

    taken: int = 0
    not_taken: int = 0
    maybe_taken: int = 0
    ended: int = 0
    deferred: int = 0

    def count(self, outcome: Outcome) -> None:
        match outcome:
            case Taken():
                self.taken += 1
            case NotTaken():
                self.not_taken += 1
            case MaybeTaken():
                self.maybe_taken += 1
            case Throttled() | Faulty():
                self.deferred += 1


class Slowness:
    """Senders that take no more for now, each for longer the more often it says so; and when each connection may be
    used next. It is one worker's, and outlives its rounds."""

    def __init__(self) -> None:
        self._seconds: dict[UUID | str, float] = {}
        self._until: dict[UUID | str, float] = {}
        self._ready_at: dict[tuple[UUID | str, int], float] = {}

    def slow(self, sender: Sender) -> None:
        name = _name(sender)
        seconds = min(
            self._seconds.get(name, FIRST_SLOWNESS_SECONDS / 2) * 2, LONGEST_SLOWNESS_SECONDS
        )
        self._seconds[name] = seconds
        self._until[name] = time.monotonic() + seconds

    def took(self, sender: Sender) -> None:
        """It took a message: it is as fast as before."""
        self._seconds.pop(_name(sender), None)

    def paced(self, sender: Sender, number: int) -> None:
        self._ready_at[_name(sender), number] = time.monotonic() + sender.pause_seconds

    def ready_at(self, sender: Sender, number: int) -> float:
        """From when on one of the sender's connections may be used."""
        name = _name(sender)
        return max(self._until.get(name, 0.0), self._ready_at.get((name, number), 0.0))


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
        self.store = store
        self.roster = roster
        self.now = now
        self.pause = pause
        self.slowness = Slowness()

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
                for tenant_id in await asyncio.to_thread(self.store.tenants):
                    if tenant_id not in running and again_at.get(tenant_id, 0) < time.monotonic():
                        sending = TenantSending(self, tenant_id, calls, done, stopped)
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


class Lane:
    """One connection of a sender, and what it is doing."""

    def __init__(self, sender: Sender, number: int) -> None:
        self.sender = sender
        self.number = number
        self.connection: Connection = sender.connect()
        self.used_at = 0.0
        self.opening: asyncio.Task[None] | None = None
        self.sending: asyncio.Task[Outcome | Exception] | None = None
        self.attempt: Attempt | None = None

    @property
    def busy(self) -> bool:
        return self.opening is not None or self.sending is not None

    @property
    def task(self) -> asyncio.Task[None] | asyncio.Task[Outcome | Exception] | None:
        return self.opening or self.sending


class TenantSending:
    """A round for one tenant."""

    def __init__(
        self,
        outbox: Outbox,
        tenant_id: UUID,
        calls: asyncio.Semaphore,
        done: Round,
        stopped: Callable[[], bool],
    ) -> None:
        self._outbox = outbox
        self._store = outbox.store
        self._tenant_id = tenant_id
        self._calls = calls
        self._done = done
        self._stopped = stopped
        self._lanes: list[Lane] = []
        self._queue: deque[Waiting] = deque()
        self._leased_at = 0.0
        self._dry = False
        self._outcomes: list[tuple[Attempt, Outcome]] = []
        self._paused: set[UUID | str] = set()
        self._give_up_at: float | None = None
        self._limit = 0

    async def run(self) -> None:
        senders = await asyncio.to_thread(self._outbox.roster, self._tenant_id)
        self._limit = await asyncio.to_thread(self._store.limit, self._tenant_id)
        # Senders take turns: the first connection of each, then the second of each.
        self._lanes = [
            Lane(sender, number)
            for number in range(max((one.connections for one in senders), default=0))
            for sender in senders
            if number < sender.connections
        ]
        try:
            while await self._turn():
                pass
        finally:
            await self._end()

    async def _turn(self) -> bool:
        """One turn; False when there is nothing left to do in this round."""
        await self._collect()
        await self._fill()
        claims = self._claims()
        if claims or self._outcomes:
            await self._exchange(claims)
            return True
        busy = [lane.task for lane in self._lanes if lane.task is not None]
        wait_seconds = self._wait_seconds()
        if not busy and (wait_seconds is None or wait_seconds > WORTH_WAITING_SECONDS):
            return False
        seconds = LOOK_SECONDS if wait_seconds is None else min(wait_seconds, LOOK_SECONDS)
        if busy:
            await asyncio.wait(busy, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            self._give_up()
        else:
            await asyncio.sleep(seconds)
        return True

    def _give_up(self) -> None:
        """Does not wait longer than half a minute for answers once it is to stop: what was submitted may have left."""
        if not self._stopped():
            return
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + STOPPING_SECONDS
        if time.monotonic() >= self._give_up_at:
            for lane in self._lanes:
                if lane.task is not None:
                    lane.task.cancel()

    async def _collect(self) -> None:
        """What the connections have come to since the last turn."""
        for lane in self._lanes:
            if lane.opening is not None and lane.opening.done():
                opening, lane.opening = lane.opening, None
                await self._opened(lane, opening)
            if lane.sending is not None and lane.sending.done():
                sending, lane.sending = lane.sending, None
                await self._sent(lane, sending.result())

    async def _opened(self, lane: Lane, opening: asyncio.Task[None]) -> None:
        try:
            opening.result()
        except asyncio.CancelledError:
            return
        except SenderUnavailable as error:
            log.warning("sender %s is slowed: %s", lane.sender.key, error)
            self._outbox.slowness.slow(lane.sender)
        except SenderAtFault as error:
            await self._pause(lane.sender, str(error))

    async def _sent(self, lane: Lane, outcome: Outcome | Exception) -> None:
        attempt, lane.attempt = lane.attempt, None
        assert attempt is not None, "what is being sent was claimed"
        message_id = attempt.waiting.message_id
        if isinstance(outcome, Exception):
            log.error("message %s failed; it is tried again", message_id, exc_info=outcome)
            return
        self._outcomes.append((attempt, outcome))
        match outcome:
            case Taken():
                self._outbox.slowness.took(lane.sender)
            case Throttled(by="sender"):
                self._outbox.slowness.slow(lane.sender)
            case Throttled():
                self._queue = deque(
                    one for one in self._queue if one.domain != attempt.waiting.domain
                )
            case Faulty():
                await self._pause(lane.sender, outcome.reason)
        if not isinstance(outcome, Taken):
            log.warning("message %s, attempt %d: %s", message_id, attempt.number, outcome.reason)

    async def _pause(self, sender: Sender, reason: str) -> None:
        log.error("sender %s is at fault and is paused: %s", sender.key, reason)
        await self._call(self._store.pause, self._tenant_id, sender, reason)
        self._paused.add(_name(sender))

    async def _fill(self) -> None:
        """Leases more when nothing is at hand, or when what is has been for so long that the leases would end."""
        if self._stopped() or self._dry or not self._usable():
            return
        if self._queue and time.monotonic() - self._leased_at > LEASE_SECONDS / 2:
            await self._release()
        if not self._queue:
            leased = await self._call(self._store.lease, self._tenant_id, LEASED_AT_ONCE)
            self._leased_at = time.monotonic()
            self._queue.extend(leased)
            self._dry = not leased

    def _claims(self) -> list[tuple[Lane, Waiting]]:
        """The next message for each open connection that may be used; other connections are opened for the rest."""
        claims: list[tuple[Lane, Waiting]] = []
        wanted = len(self._queue)
        if self._stopped():
            return claims
        # The one that was used longest ago is next, so that senders take turns.
        for lane in sorted(self._usable(), key=lambda lane: lane.used_at):
            if wanted == 0:
                break
            if lane.busy or self._ready_in(lane) > 0:
                continue
            wanted -= 1
            if lane.connection.is_open:
                lane.used_at = time.monotonic()
                claims.append((lane, self._queue.popleft()))
            else:
                lane.opening = asyncio.create_task(lane.connection.open())
        return claims

    async def _exchange(self, claims: list[tuple[Lane, Waiting]]) -> None:
        outcomes, self._outcomes = self._outcomes, []
        for _ in claims:
            self._outbox.pause("before claiming")
        if outcomes:
            self._outbox.pause("before recording")
        recorded, claimed = await self._call(
            self._store.exchange,
            self._tenant_id,
            outcomes,
            [(waiting, lane.sender) for lane, waiting in claims],
        )
        for (attempt, outcome), error in zip(outcomes, recorded, strict=True):
            if error is None:
                self._done.count(outcome)
            else:
                _log(attempt.waiting, error)
        if outcomes:
            self._outbox.pause("after recording")
        for (lane, waiting), answer in zip(claims, claimed, strict=True):
            match answer:
                case Attempt():
                    lane.attempt = answer
                    lane.sending = asyncio.create_task(self._send(lane, answer))
                case Ended():
                    self._done.ended += 1
                case SenderPaused():
                    self._paused.add(_name(lane.sender))
                    self._queue.appendleft(waiting)
                case Exception():
                    _log(waiting, answer)

    async def _send(self, lane: Lane, attempt: Attempt) -> Outcome | Exception:
        self._outbox.pause("before sending")
        if attempt.outgoing is None:
            return NotTaken(attempt.reason, for_good=True)
        try:
            await self._wait_for_slot(lane.sender)
            if self._outbox.now() >= attempt.next_at:
                raise AttemptOutdated("this worker stood still for so long that another may begin")
        except Exception as error:
            return error
        self._outbox.slowness.paced(lane.sender, lane.number)
        try:
            return await lane.connection.send(attempt.outgoing)
        except asyncio.CancelledError:
            return MaybeTaken("the worker stopped before the server answered")
        except Exception as error:
            # Its text may quote the message.
            return MaybeTaken(f"failed with {type(error).__name__}")

    async def _wait_for_slot(self, sender: Sender) -> None:
        """Waits until sender and tenant may send a message. One that comes too late for its moment takes another, so
        that no second has more than its messages."""
        while sender.max_per_second or self._limit:
            asked_at = time.monotonic()
            slot_at = asked_at + await self._call(
                self._store.slot, self._tenant_id, sender, self._limit
            )
            await asyncio.sleep(max(0.0, slot_at - time.monotonic()))
            if time.monotonic() - slot_at <= LATE_SECONDS:
                return

    def _ready_in(self, lane: Lane) -> float:
        ready_at = self._outbox.slowness.ready_at(lane.sender, lane.number)
        return max(0.0, ready_at - time.monotonic())

    def _wait_seconds(self) -> float | None:
        """In how many seconds a connection can be used for what is at hand; None when there is nothing."""
        if not self._queue or self._stopped():
            return None
        return min((self._ready_in(lane) for lane in self._usable() if not lane.busy), default=None)

    def _usable(self) -> list[Lane]:
        return [lane for lane in self._lanes if _name(lane.sender) not in self._paused]

    async def _release(self) -> None:
        message_ids = [one.message_id for one in self._queue]
        self._queue.clear()
        await self._call(self._store.release, self._tenant_id, message_ids)

    async def _end(self) -> None:
        await self._release()
        for lane in self._lanes:
            await lane.connection.close()

    async def _call(self, call: Callable[A, T], *arguments: A.args, **named: A.kwargs) -> T:
        async with self._calls:
            return await asyncio.to_thread(call, *arguments, **named)


def _name(sender: Sender) -> UUID | str:
    return sender.sender_id or sender.key


def _log(waiting: Waiting, error: Exception) -> None:
    if isinstance(error, MessageNotDue | AttemptOutdated | SenderPaused):
        log.info("message %s: %s", waiting.message_id, error)
    else:
        log.error("message %s failed; it is tried again", waiting.message_id, exc_info=error)
