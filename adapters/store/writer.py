"""The writer: one thread per process through which every command's events reach the log.

It gathers what callers have asked for since it last committed, loads the streams they name in one query, lets each
command decide on them one after another, and commits all that was not refused in one transaction: one lock and one
fsync for the whole group. Each command stays atomic by itself: a refused one leaves nothing behind.

A group decides on what it has loaded without a lock. If another process has moved one of its streams meanwhile, the
append notices by the expected versions, rolls back, and the group decides again, now holding the log head's lock.

A COMMIT whose reply is lost is settled, not repeated: the writer waits for the log head (which an unfinished
transaction would still hold) and looks for its own first event. There or not there is then certain.
"""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from uuid import UUID

import psycopg

from adapters.postgres.connection import Pool
from adapters.store import group_commit
from adapters.store.application import LedgerApplication
from adapters.store.clock_guard import ClockGuard, ClockNotTrusted
from adapters.store.encryption import PersonalDataCipher
from adapters.store.fair_queue import FairQueue
from adapters.store.group_commit import UNREACHABLE, GroupCommit, Overtaken
from adapters.store.jobs import Job, refuse
from adapters.store.log_texts import without_texts
from adapters.store.numbering import SeriesKey
from adapters.store.requests import (
    Answer,
    KeyReused,
    OutcomeUnknown,
    Request,
    StillRunning,
    StorageFull,
    StoreUnavailable,
)
from adapters.store.stalled_sessions import end_stalled_sessions
from adapters.store.unit_of_work import new_command_id
from projections.engine.backoff import Backoff

log = logging.getLogger("duebook.writer")

MAX_GROUP = 256
MAX_GROUP_OF_TENANT = 64
"""While others wait, a tenant has no more of a group: what it asks may take long to decide."""
MAX_QUEUE = 10_000
DUPLICATE_WAITS_SECONDS = 2.0


class Writer:
    """Runs commands for one shard. Start it before use; close it to finish what waits and stop."""

    def __init__(
        self,
        application: LedgerApplication,
        pool: Pool,
        cipher: PersonalDataCipher,
        guard: ClockGuard,
    ) -> None:
        self._guard = guard
        self._pool = pool
        self._group = GroupCommit(application, pool, cipher, guard)
        self._queue: FairQueue[Job] = FairQueue()
        self._running: dict[tuple[UUID, str], int] = {}
        self._running_lock = threading.Lock()
        self._submitting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="duebook-writer", daemon=True)
        self._busy = 0
        self._closed = False

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Finishes what waits, then stops."""
        with self._submitting:  # nothing is queued behind the end
            self._closed = True
            self._queue.close()
        if self._thread.is_alive():
            self._thread.join()

    def waiting(self) -> int:
        """How many commands have been asked for and not answered."""
        return len(self._queue) + self._busy

    def run(self, request: Request) -> Answer:
        """Runs a command and waits for its answer. Raises what its handler refused with."""
        return self.submit(request).result()

    def submit(self, request: Request) -> Future[Answer]:
        """Queues a command. The future raises the handler's refusal, KeyReused, StillRunning or StoreUnavailable."""
        return self.submit_all([request])[0]

    def submit_all(self, requests: Sequence[Request]) -> list[Future[Answer]]:
        """Queues commands together, so that they can be committed together; each is still decided alone."""
        jobs = [self._job(request) for request in requests]
        with self._submitting:
            refused = self._closed or len(self._queue) >= MAX_QUEUE
            if not refused:
                self._queue.put([(job.request.tenant_id, job) for job in jobs])
        if refused:
            for job in jobs:
                refuse(job.future, StoreUnavailable("too much is waiting; try again shortly"))
        return [job.future for job in jobs]

    def _job(self, request: Request) -> Job:
        future: Future[Answer] = Future()
        # Nobody can cancel it: a caller that goes away must not take the answer from one that repeated its request.
        future.set_running_or_notify_cancel()
        job = Job(request, future, new_command_id(request.tenant_id, request.key))
        if request.key is not None:
            self._watch(job, (request.tenant_id, request.key))
        return job

    def _watch(self, job: Job, key: tuple[UUID, str]) -> None:
        """A duplicate of a command that has not finished waits two seconds for it, no longer."""
        with self._running_lock:
            self._running[key] = self._running.get(key, 0) + 1
            duplicate = self._running[key] > 1
        if duplicate:
            timer = threading.Timer(DUPLICATE_WAITS_SECONDS, refuse, (job.future, _still_running()))
            timer.daemon = True
            timer.start()
            job.future.add_done_callback(lambda _: timer.cancel())
        job.future.add_done_callback(lambda _: self._unwatch(key))

    def _unwatch(self, key: tuple[UUID, str]) -> None:
        with self._running_lock:
            left = self._running[key] - 1
            if left:
                self._running[key] = left
            else:
                del self._running[key]

    def _run(self) -> None:
        while taken := self._queue.take(MAX_GROUP, MAX_GROUP_OF_TENANT):
            jobs = [job for job in taken if not job.future.done()]
            if jobs:
                self._busy = len(jobs)
                try:
                    self._answer(jobs)
                except (OutcomeUnknown, ClockNotTrusted) as error:
                    log.error("%s", error)
                    for job in jobs:
                        refuse(job.future, error)
                except Exception as error:
                    # What one command brought with it must not fail the others: each is tried alone.
                    log.error("a group of %d commands failed: %s", len(jobs), without_texts(error))
                    for job in jobs:
                        self._answer_alone(job)
                self._busy = 0

    def _answer_alone(self, job: Job) -> None:
        try:
            self._answer([job])
        except Exception as error:
            log.error("a command of %s failed: %s", job.request.actor, without_texts(error))
            refuse(job.future, error)

    def _answer(self, jobs: Sequence[Job]) -> None:
        deadline = time.monotonic() + group_commit.GIVE_UP_SECONDS
        backoff = Backoff(max_seconds=2.0)
        lock_first: Sequence[SeriesKey] | None = None
        self._guard.require_steady()
        while True:
            try:
                self._group.run(jobs, lock_first)
                return
            except Overtaken as overtaken:
                # With the log head locked before loading, nobody can be first again.
                if lock_first is not None:
                    raise
                log.debug("deciding again: %s", overtaken.__cause__)
                lock_first = overtaken.series
            except UNREACHABLE as error:
                if _is_of_a_command(error):
                    raise
                if isinstance(error, psycopg.errors.DiskFull):
                    log.error("the database's disk is full")
                    for job in jobs:
                        refuse(job.future, StorageFull("the database's disk is full"))
                    return
                pause = backoff.failed()
                if time.monotonic() + pause > deadline:
                    log.error("the database does not answer: %s", error)
                    for job in jobs:
                        refuse(job.future, StoreUnavailable("the database does not answer"))
                    return
                end_stalled_sessions(self._pool, error)
                time.sleep(pause)


def _is_of_a_command(error: Exception) -> bool:
    """Whether a text that is too long for an index caused it: class 54, an operational error like a lost server."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith("54")


def _still_running() -> StillRunning:
    return StillRunning("the first request with this key has not finished; try again in a second")


__all__ = [
    "Answer",
    "KeyReused",
    "OutcomeUnknown",
    "Request",
    "StillRunning",
    "StorageFull",
    "StoreUnavailable",
    "Writer",
]
