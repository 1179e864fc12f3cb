"""The writer: one thread per process through which every command's events reach the log.

It gathers what callers have asked for since it last committed, loads the streams they name in one query, lets each
command decide on them one after another, and commits all that was not refused in one transaction: one lock and one
fsync for the whole group. Each command stays atomic by itself: a refused one leaves nothing behind.

A group decides on what it has loaded without a lock. If another process has moved one of its streams meanwhile, the
append notices by the expected versions, rolls back, and the group decides again, now holding the log head's lock.

A COMMIT whose reply is lost is settled, not repeated: the writer waits for the log head (which an unfinished
transaction would still hold) and looks for its own first event. There or not there is then certain.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from adapters.postgres.connection import Pool
from adapters.store import binary
from adapters.store.append import UNCOUNTED, Appended, Head, StaleHeads, Statement
from adapters.store.application import LedgerApplication
from adapters.store.envelope import Recorded
from adapters.store.reading import tenant_seq
from adapters.store.sealing import Sealer
from adapters.store.stalled import make_way
from adapters.store.unit import Appending, Loaded, Series, StoreUnit, View, new_command_id
from commands.unit import Unit
from ledger.errors import Conflict, LedgerError
from ledger.invoice.state import Invoice
from ledger.streams import STREAMS, encode_state

log = logging.getLogger("duebook.writer")

UNREACHABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    psycopg.errors.ReadOnlySqlTransaction,  # a standby, before it takes over
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)

GROUP_MOST = 256
QUEUE_MOST = 10_000
DUPLICATE_WAITS_SECONDS = 2.0
GIVE_UP_SECONDS = 15.0
# The pool does not try again for one who waits already, only for one who comes: so the writer comes often.
CONNECTION_WAIT_SECONDS = 2.0
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '10s'"

SELECT_RECORDS = """
SELECT record.tenant_id, record.key, record.request_hash, record.status, record.answer, record.tenant_seq
  FROM command_records AS record
  JOIN unnest(%s::uuid[], %s::text[]) AS wanted (tenant_id, key)
    ON record.tenant_id = wanted.tenant_id AND record.key = wanted.key
"""
INSERT_RECORDS = """
INSERT INTO command_records
       (tenant_id, key, request_hash, command_id, status, answer, tenant_seq, recorded_at)
SELECT tenant_id, key, request_hash, command_id, status, answer, tenant_seq, %s
  FROM unnest(%s::uuid[], %s::text[], %s::bytea[], %s::uuid[], %s::int4[], %s::bytea[], %s::int8[])
    AS new (tenant_id, key, request_hash, command_id, status, answer, tenant_seq)
ON CONFLICT (tenant_id, key) DO NOTHING
"""
INSERT_NAMES = """
INSERT INTO unique_names (tenant_id, kind, name, stream_id)
SELECT tenant_id, kind, name, stream_id
  FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::uuid[]) AS new (tenant_id, kind, name, stream_id)
ON CONFLICT (tenant_id, kind, name) DO NOTHING
"""
INSERT_CUSTOMER_KEYS = """
INSERT INTO customer_keys (tenant_id, customer_id, wrapped_key)
SELECT tenant_id, customer_id, wrapped_key
  FROM unnest(%s::uuid[], %s::uuid[], %s::bytea[]) AS new (tenant_id, customer_id, wrapped_key)
ON CONFLICT (tenant_id, customer_id) DO NOTHING
"""
ADVANCE_SERIES = """
UPDATE number_series SET next_number = %s, last_issued_on = %s
 WHERE tenant_id = %s AND kind = %s AND series = %s AND next_number = %s
"""
START_SERIES = """
INSERT INTO number_series (tenant_id, kind, series, next_number, last_issued_on)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (tenant_id, kind, series) DO NOTHING
"""
LOCK_SERIES = """
SELECT next_number FROM number_series WHERE tenant_id = %s AND kind = %s AND series = %s FOR UPDATE
"""
LOCK_HEAD = "SELECT position FROM log_head WHERE shard = 1 FOR UPDATE"
FIND_COMMAND = """
SELECT command_id, position, tenant_seq, recorded_at FROM events
 WHERE tenant_id = %s AND stream_id = %s AND version = %s
"""
NOTIFY = "NOTIFY duebook_log"


class KeyReused(Conflict):
    """The idempotency key was used for another request; use a new key."""


class StillRunning(Conflict):
    """The first request with this idempotency key has not finished; try again shortly."""


class StoreUnavailable(Exception):
    """The database cannot be reached, or the writer is overloaded or closed. Nothing was written."""


class Request(msgspec.Struct, kw_only=True):
    """A command to run for a tenant.

    handler       decides, given the unit of work; its answer is encoded as JSON
    key           idempotency key; request_hash tells a repeated request from another one
    loads         streams the command is known to need, loaded with the group's others in one query
    creates       `new_id` parts of streams it creates, likewise
    now           the instant of the command; the clock's when left out
    """

    tenant_id: UUID
    actor: str
    handler: Callable[[Unit], Any]
    key: str | None = None
    request_hash: bytes = b""
    status: int = 200
    correlation_id: str = ""
    causation_id: UUID | None = None
    loads: tuple[UUID, ...] = ()
    creates: tuple[str, ...] = ()
    now: datetime | None = None


class Answer(msgspec.Struct):
    """What a command answered. `body` is JSON with personal texts still sealed; `tenant_seq` its place in the log."""

    status: int
    body: bytes
    tenant_seq: int
    replayed: bool = False


class OutcomeUnknown(StoreUnavailable):
    """The database went away during a commit and has not come back: the command took place, or not.

    Repeating it with the same idempotency key is safe."""


class _Job(msgspec.Struct):
    request: Request
    future: Future[Answer]
    command_id: UUID


RecordKey = tuple[UUID, str]
"""(tenant, idempotency key)"""


class _Recorded(msgspec.Struct):
    """The record of a key that was used before."""

    request_hash: bytes
    answer: Answer


class _Decided(msgspec.Struct):
    """A command that was not refused, with what it wants written."""

    job: _Job
    unit: StoreUnit
    body: bytes
    tenant_seq: int = 0


class Writer:
    """Runs commands for one shard. Start it before use; close it to finish what waits and stop."""

    def __init__(self, application: LedgerApplication, pool: Pool, sealer: Sealer) -> None:
        self._application = application
        self._pool = pool
        self._sealer = sealer
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
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
            self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def waiting(self) -> int:
        """How many commands have been asked for and not answered."""
        return self._queue.qsize() + self._busy

    def run(self, request: Request) -> Answer:
        """Runs a command and waits for its answer. Raises what its handler refused with."""
        return self.submit(request).result()

    def submit(self, request: Request) -> Future[Answer]:
        """Queues a command. The future raises the handler's refusal, KeyReused, StillRunning or StoreUnavailable."""
        future: Future[Answer] = Future()
        # Nobody can cancel it: a caller that goes away must not take the answer from one that repeated its request.
        future.set_running_or_notify_cancel()
        job = _Job(request, future, new_command_id(request.tenant_id, request.key))
        if request.key is not None:
            self._watch(job, (request.tenant_id, request.key))
        with self._submitting:
            refused = self._closed or self._queue.qsize() >= QUEUE_MOST
            if not refused:
                self._queue.put(job)
        if refused:
            _refuse(future, StoreUnavailable("too much is waiting; try again shortly"))
        return future

    def _watch(self, job: _Job, key: tuple[UUID, str]) -> None:
        """A duplicate of a command that has not finished waits two seconds for it, no longer."""
        with self._running_lock:
            self._running[key] = self._running.get(key, 0) + 1
            duplicate = self._running[key] > 1
        if duplicate:
            timer = threading.Timer(
                DUPLICATE_WAITS_SECONDS, _refuse, (job.future, _still_running())
            )
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
        while True:
            jobs, last = self._next_group()
            if jobs:
                self._busy = len(jobs)
                try:
                    self._answer(jobs)
                except OutcomeUnknown as error:
                    log.error("%s", error)
                    for job in jobs:
                        _refuse(job.future, error)
                except Exception:
                    # What one command brought with it must not fail the others: each is tried by itself.
                    log.exception("a group of %d commands failed", len(jobs))
                    for job in jobs:
                        self._answer_alone(job)
                self._busy = 0
            if last:
                return

    def _answer_alone(self, job: _Job) -> None:
        try:
            self._answer([job])
        except Exception as error:
            log.exception("a command of %s failed", job.request.actor)
            _refuse(job.future, error)

    def _next_group(self) -> tuple[list[_Job], bool]:
        """(what waits, whether it is the last): at least one job, unless the writer was closed."""
        jobs: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            if not job.future.done():
                jobs.append(job)
            if len(jobs) == GROUP_MOST:
                return jobs, False
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _answer(self, jobs: Sequence[_Job]) -> None:
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        pause_seconds = 0.05
        series: list[tuple[UUID, str, str]] | None = None
        while True:
            group = _Group(self._application, self._pool, self._sealer, jobs, series)
            try:
                group.run()
                return
            except (StaleHeads, psycopg.errors.UniqueViolation) as error:
                # Another process was there first. With the log head locked before loading, it cannot be again.
                if series is not None:
                    raise
                log.debug("deciding again: %s", error)
                series = group.series()
            except UNREACHABLE as error:
                if _is_of_a_command(error):
                    raise
                if time.monotonic() + pause_seconds > give_up_at:
                    log.error("the database does not answer: %s", error)
                    for job in jobs:
                        _refuse(job.future, StoreUnavailable("the database does not answer"))
                    return
                make_way(self._pool, error)
                time.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, 2.0)


class _Group:
    """Commands decided and committed together.

    With `lock_first`, number series, the log head is locked before anything is loaded, and those series before it.
    """

    def __init__(
        self,
        application: LedgerApplication,
        pool: Pool,
        sealer: Sealer,
        jobs: Sequence[_Job],
        lock_first: Sequence[tuple[UUID, str, str]] | None,
    ) -> None:
        self._application = application
        self._pool = pool
        self._sealer = sealer
        self._jobs = jobs
        self._lock_first = lock_first
        self._view: View | None = None
        self._decided: list[_Decided] = []
        self._replays: list[tuple[_Job, Answer]] = []
        self._refusals: list[tuple[_Job, Exception]] = []

    def run(self) -> None:
        """Decides, commits and answers. Nothing is answered before the commit is certain."""
        committing: list[Appended] = []
        try:
            with self._pool.connection(CONNECTION_WAIT_SECONDS) as connection:
                binary.register(connection)
                self._decide(self._loaded(connection))
                self._write(connection, committing)
                # Leaving the block commits.
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if not committing or not self._settled(committing[0]):
                raise
        self._resolve()

    def series(self) -> list[tuple[UUID, str, str]]:
        """The number series this group has touched."""
        return sorted(self._view.series) if self._view is not None else []

    def _loaded(self, connection: psycopg.Connection[Any]) -> dict[RecordKey, _Recorded]:
        """Begins the transaction and loads what the group's commands are known to need, in one round trip.

        Returns the records of keys that were used before.
        """
        view = self._view = View(connection, self._sealer)
        with connection.pipeline():
            connection.execute(LOCK_TIMEOUT, prepare=False)
            if self._lock_first is not None:
                _lock(connection, self._lock_first)
            asked = view.ask(self._wanted(view))
            records = self._ask_records(connection)
        view.take(asked)
        view.load_keys(
            (tenant_id, loaded.state.customer_id)
            for (tenant_id, _), loaded in view.streams.items()
            if isinstance(loaded.state, Invoice)
        )
        if records is None:
            return {}
        return {
            (tenant_id, key): _Recorded(
                bytes(request_hash), Answer(status, bytes(answer), seq, True)
            )
            for tenant_id, key, request_hash, status, answer, seq in records.fetchall()
        }

    def _decide(self, records: Mapping[RecordKey, _Recorded]) -> None:
        assert self._view is not None
        now = datetime.now(UTC)
        decided: dict[tuple[UUID, str], _Decided] = {}
        for job in self._jobs:
            request = job.request
            known = (request.tenant_id, request.key) if request.key is not None else None
            if known is not None and known in records:
                self._replay(job, records[known])
                continue
            if known is not None and known in decided:
                # A duplicate inside the group: it gets the first one's answer once that is committed.
                self._duplicate(job, decided[known])
                continue
            unit = StoreUnit(
                self._view,
                request.tenant_id,
                request.now or now,
                job.command_id,
                has_key=request.key is not None,
            )
            try:
                body = msgspec.json.encode(request.handler(unit))
            except psycopg.Error:
                raise  # the transaction is lost for all of the group
            except Exception as error:
                if not isinstance(error, LedgerError):
                    log.exception("a command of %s failed", request.actor)
                self._refusals.append((job, error))
                continue
            unit.keep()
            done = _Decided(job, unit, body)
            self._decided.append(done)
            if known is not None:
                decided[known] = done

    def _ask_records(self, connection: psycopg.Connection[Any]) -> psycopg.Cursor[Any] | None:
        keyed = [
            (job.request.tenant_id.bytes, job.request.key)
            for job in self._jobs
            if job.request.key is not None
        ]
        if not keyed:
            return None
        tenants = binary.uuids([tenant for tenant, _ in keyed])
        return connection.execute(
            SELECT_RECORDS, (tenants, binary.texts([key for _, key in keyed]))
        )

    def _wanted(self, view: View) -> list[tuple[UUID, UUID]]:
        """The streams that the commands are known to need."""
        wanted: list[tuple[UUID, UUID]] = []
        for job in self._jobs:
            tenant_id = job.request.tenant_id
            wanted.append((tenant_id, tenant_id))
            wanted += [(tenant_id, stream_id) for stream_id in job.request.loads]
            if job.request.key is not None and job.request.creates:
                unit = StoreUnit(view, tenant_id, datetime.now(UTC), job.command_id, has_key=True)
                wanted += [(tenant_id, unit.new_id(part)) for part in job.request.creates]
        return wanted

    def _replay(self, job: _Job, recorded: _Recorded) -> None:
        if recorded.request_hash != job.request.request_hash:
            self._refusals.append((job, _key_reused()))
        else:
            self._replays.append((job, recorded.answer))

    def _duplicate(self, job: _Job, first: _Decided) -> None:
        if first.job.request.request_hash != job.request.request_hash:
            self._refusals.append((job, _key_reused()))
            return
        # Filled in after the commit, when the first one's place in the log is known.
        self._replays.append((job, Answer(first.job.request.status, first.body, -1, replayed=True)))
        first.job.future.add_done_callback(lambda done: _pass_on(done, job.future))

    def _write(self, connection: psycopg.Connection[Any], committing: list[Appended]) -> None:
        writing = [decided for decided in self._decided if decided.unit.appended]
        for decided in self._decided:
            if not decided.unit.appended:
                decided.tenant_seq = tenant_seq(connection, decided.job.request.tenant_id)
        events = [_recorded(decided, one) for decided in writing for one in decided.unit.appended]
        self._events = events
        if not events:
            return
        with connection.cursor() as cursor:
            self._advance_series(cursor)

        def beside(appended: Appended) -> list[Statement]:
            _place(writing, appended)
            return _beside(writing, appended.recorded_at)

        self._application.save(
            *events,
            heads=self._heads(),
            now=datetime.now(UTC),
            connection=connection,
            appended=committing,
            beside=beside,
        )

    def _advance_series(self, cursor: psycopg.Cursor[Any]) -> None:
        """Number series are locked before the log head, so that two senders never wait for each other crosswise."""
        assert self._view is not None
        for key in sorted(self._view.series):
            series: Series = self._view.series[key]
            if series.next_number == series.stored:
                continue
            if series.stored:
                values = (series.next_number, series.last_issued_on, *key, series.stored)
                cursor.execute(ADVANCE_SERIES, values)
            else:
                cursor.execute(START_SERIES, (*key, series.next_number, series.last_issued_on))
            if cursor.rowcount != 1:
                raise StaleHeads(f"series {key[2]} has moved on")

    def _heads(self) -> list[Head]:
        assert self._view is not None
        heads: list[Head] = []
        for (tenant_id, stream_id), loaded in self._view.streams.items():
            if loaded.version > loaded.stored_version:
                heads.append(head_of(tenant_id, stream_id, loaded))
        return heads

    def _settled(self, appended: Appended) -> bool:
        """Whether a commit without a reply took place, asked until the database answers.

        Raises OutcomeUnknown when it does not: then the commands must not be run again.
        """
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                return self._is_committed(appended)
            except UNREACHABLE as error:
                if time.monotonic() > give_up_at:
                    raise OutcomeUnknown(
                        "the database went away during the commit; "
                        "repeat the request with the same idempotency key"
                    ) from error
                make_way(self._pool, error)
                time.sleep(0.2)

    def _is_committed(self, appended: Appended) -> bool:
        """Whether a commit without a reply took place. Certain: an unfinished one still holds the log head."""
        first = self._events[0]
        with self._pool.connection(CONNECTION_WAIT_SECONDS) as connection, connection.transaction():
            connection.execute(LOCK_TIMEOUT, prepare=False)
            connection.execute(LOCK_HEAD)
            row = connection.execute(
                FIND_COMMAND, (first.tenant_id, first.originator_id, first.originator_version)
            ).fetchone()
        return row is not None and row[0] == first.command_id and row[1] == appended.first_position

    def _resolve(self) -> None:
        """Gives the answers. It must not fail: what it tells of is committed."""
        for job, error in self._refusals:
            _refuse(job.future, error)
        for decided in self._decided:
            status = decided.job.request.status
            _give(decided.job.future, Answer(status, decided.body, decided.tenant_seq))
            for owner, (key, _) in decided.unit.new_keys.items():
                self._sealer.remember(owner, key)
        for job, answer in self._replays:
            if answer.tenant_seq >= 0:
                _give(job.future, answer)


def _is_of_a_command(error: Exception) -> bool:
    """Whether a text that is too long for an index caused it: class 54, an operational error like a lost server."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith("54")


def _lock(connection: psycopg.Connection[Any], series: Sequence[tuple[UUID, str, str]]) -> None:
    """Locks number series, then the log head: always in this order, so that nobody waits crosswise."""
    for key in series:
        connection.execute(LOCK_SERIES, key)
    connection.execute(LOCK_HEAD)


def head_of(tenant_id: UUID, stream_id: UUID, loaded: Loaded) -> Head:
    """The head row of a stream that was loaded and appended to."""
    stream = STREAMS[loaded.kind]
    facts = stream.facts(loaded.state)
    return Head(
        tenant=tenant_id.bytes,
        stream_id=stream_id.bytes,
        stream=loaded.kind,
        expected=loaded.stored_version,
        version=loaded.version,
        fold_version=stream.fold_version,
        wakes_on=facts.wakes_on,
        accrues=facts.accrues,
        payer=facts.payer_id.bytes if facts.payer_id is not None else None,
        state=encode_state(loaded.state),
    )


def _recorded(decided: _Decided, one: Appending) -> Recorded:
    request = decided.job.request
    return Recorded(
        originator_id=one.stream_id,
        originator_version=one.version,
        event=one.event,
        tenant_id=request.tenant_id,
        effective_on=one.effective_on,
        actor=request.actor,
        command_id=decided.job.command_id,
        correlation_id=request.correlation_id,
        causation_id=request.causation_id,
    )


def _place(writing: Sequence[_Decided], appended: Appended) -> None:
    """Tells each command the tenant_seq of its last event."""
    last = -1
    for decided in writing:
        last += len(decided.unit.appended)
        decided.tenant_seq = appended.tenant_seqs[last]


def _beside(writing: Sequence[_Decided], recorded_at: datetime) -> list[Statement]:
    """What commands write beside their events: names, customers' keys, the door, their records, the hint."""
    statements: list[Statement] = []

    def insert(query: str, rows: Sequence[tuple[Any, ...]], what: str, *more: Any) -> None:
        if rows:
            statements.append(Statement(query, (*more, *_columns(rows)), len(rows), what))

    names = [(*key, stream) for decided in writing for key, stream in decided.unit.names.items()]
    keys = [
        (*owner, wrapped)
        for decided in writing
        for owner, (_, wrapped) in decided.unit.new_keys.items()
    ]
    records = [_record(decided) for decided in writing if decided.job.request.key is not None]
    insert(INSERT_NAMES, names, "a name was taken meanwhile")
    insert(INSERT_CUSTOMER_KEYS, keys, "a customer was given a key meanwhile")
    insert(INSERT_RECORDS, records, "an idempotency key was used meanwhile", recorded_at)
    statements += [write(recorded_at) for decided in writing for write in decided.unit.door]
    statements.append(Statement(NOTIFY, (), UNCOUNTED, ""))
    return statements


def _record(decided: _Decided) -> tuple[Any, ...]:
    request = decided.job.request
    return (
        request.tenant_id,
        request.key,
        request.request_hash,
        decided.job.command_id,
        request.status,
        decided.body,
        decided.tenant_seq,
    )


def _columns(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Any], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))


def _give(future: Future[Answer], answer: Answer) -> None:
    """Answers, unless the caller was told meanwhile to try again."""
    with contextlib.suppress(InvalidStateError):
        future.set_result(answer)


def _refuse(future: Future[Answer], error: Exception) -> None:
    with contextlib.suppress(InvalidStateError):
        future.set_exception(error)


def _pass_on(done: Future[Answer], future: Future[Answer]) -> None:
    """Gives a duplicate inside a group what the first one got."""
    error = done.exception()
    if error is not None:
        _refuse(future, error if isinstance(error, Exception) else RuntimeError(str(error)))
        return
    first = done.result()
    _give(future, Answer(first.status, first.body, first.tenant_seq, replayed=True))


def _still_running() -> StillRunning:
    return StillRunning("the first request with this key has not finished; try again in a second")


def _key_reused() -> KeyReused:
    return KeyReused(
        "the idempotency key was used for another request; use a new key for a new request"
    )
