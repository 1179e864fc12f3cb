"""Sending for one tenant in a round: connections side by side, each at its pace.

A connection is open before a message is claimed for it, so that a sender that is down uses up no attempt. One exchange
with the store records what has come of earlier messages and claims the next one for each free connection: an attempt is
an event before it begins, and a worker that is killed leaves at most one message in doubt for each connection.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, ParamSpec, TypeVar
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
    Sender,
    SenderAtFault,
    SenderUnavailable,
    Taken,
    Throttled,
)
from schedulers.outbox_ports import LEASE_SECONDS, Attempt, Ended, OutboxStore, Waiting

log = logging.getLogger("duebook.outbox")

LEASED_AT_ONCE = 200
LATE_SECONDS = 0.1
"""A message that is to leave at a moment leaves at most so long after it, or takes another moment."""
FIRST_SLOWNESS_SECONDS = 1.0
LONGEST_SLOWNESS_SECONDS = 300.0
WORTH_WAITING_SECONDS = 5.0
"""A round waits so long for a sender that is free again later; the next round finds it otherwise."""
LOOK_SECONDS = 1.0
STOPPING_SECONDS = 30.0

A = ParamSpec("A")
T = TypeVar("T")


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


class Means(NamedTuple):
    """What every round of a worker sends with.

    roster    the senders of a tenant that are active
    pause     called with the name of each point between two steps; tests end a round there
    slowness  what is known of senders, from one round to the next
    """

    store: OutboxStore
    roster: Callable[[UUID], Sequence[Sender]]
    now: Callable[[], datetime]
    pause: Callable[[str], None]
    slowness: Slowness


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
        means: Means,
        tenant_id: UUID,
        calls: asyncio.Semaphore,
        done: Round,
        stopped: Callable[[], bool],
    ) -> None:
        self._means = means
        self._store = means.store
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
        senders = await asyncio.to_thread(self._means.roster, self._tenant_id)
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
            self._means.slowness.slow(lane.sender)
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
                self._means.slowness.took(lane.sender)
            case Throttled(by="sender"):
                self._means.slowness.slow(lane.sender)
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
            self._limit = await self._call(self._store.limit, self._tenant_id)
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
            self._means.pause("before claiming")
        if outcomes:
            self._means.pause("before recording")
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
            self._means.pause("after recording")
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
        self._means.pause("before sending")
        if attempt.outgoing is None:
            return NotTaken(attempt.reason, for_good=True)
        try:
            await self._wait_for_slot(lane.sender)
            if self._means.now() >= attempt.next_at:
                raise AttemptOutdated("this worker stood still for so long that another may begin")
        except Exception as error:
            return error
        self._means.slowness.paced(lane.sender, lane.number)
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
            slot = await self._call(self._store.slot, self._tenant_id, sender, self._limit)
            await asyncio.sleep(max(0.0, slot.latest - time.monotonic()))
            if time.monotonic() - slot.earliest <= LATE_SECONDS:
                return

    def _ready_in(self, lane: Lane) -> float:
        ready_at = self._means.slowness.ready_at(lane.sender, lane.number)
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
