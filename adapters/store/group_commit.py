"""A group of commands: loaded in one round trip, decided one after another, committed in one transaction.

It decides on what it has loaded without a lock; the append notices by the expected versions when another process was
there first. A commit whose reply is lost is settled by looking for the group's own first event under the log head's
lock (see `adapters.store.writer`).
"""

import contextlib
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from adapters.postgres.connection import Pool
from adapters.store import idempotency
from adapters.store.append import UNCOUNTED, Appended, Snapshot, StaleSnapshots, Statement
from adapters.store.application import LedgerApplication
from adapters.store.clock_guard import ClockGuard
from adapters.store.encryption import PersonalDataCipher
from adapters.store.envelope import Recorded
from adapters.store.idempotency import KeptAnswer, RecordKey
from adapters.store.log_texts import without_texts
from adapters.store.reading import tenant_seq
from adapters.store.requests import Answer, OutcomeUnknown, Request
from adapters.store.stalled_sessions import end_stalled_sessions
from adapters.store.unit_of_work import Appending, Loaded, Series, StoreUnit, View
from commands.unit_of_work import NameRange
from ledger.errors import LedgerError
from ledger.invoice.state import Invoice
from ledger.streams import STREAMS, encode_state
from projections.engine import postgres_binary

log = logging.getLogger("duebook.writer")

UNREACHABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    psycopg.errors.ReadOnlySqlTransaction,  # a standby, before it takes over
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)

GIVE_UP_SECONDS = 15.0
# The pool does not try again for one who waits already, only for one who comes: so the writer comes often.
CONNECTION_WAIT_SECONDS = 2.0
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '10s'"

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
 WHERE tenant_id = %s AND kind = %s AND series = %s AND next_number = %s AND last_issued_on = %s
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


class Job(msgspec.Struct):
    request: Request
    future: Future[Answer]
    command_id: UUID


class _Decided(msgspec.Struct):
    """A command that was not refused, with what it wants written."""

    job: Job
    unit: StoreUnit
    body: bytes
    tenant_seq: int = 0


class Group:
    """Commands decided and committed together.

    With `lock_first`, number series, the log head is locked before anything is loaded, and those series before it.
    """

    def __init__(
        self,
        application: LedgerApplication,
        pool: Pool,
        cipher: PersonalDataCipher,
        guard: ClockGuard,
        jobs: Sequence[Job],
        lock_first: Sequence[tuple[UUID, str, str]] | None,
    ) -> None:
        self._application = application
        self._pool = pool
        self._cipher = cipher
        self._guard = guard
        self._jobs = jobs
        self._lock_first = lock_first
        self._view: View | None = None
        self._decided: list[_Decided] = []
        self._replays: list[tuple[Job, Answer]] = []
        self._refusals: list[tuple[Job, Exception]] = []

    def run(self) -> None:
        """Decides, commits and answers. Nothing is answered before the commit is certain."""
        committing: list[Appended] = []
        try:
            with self._pool.connection(CONNECTION_WAIT_SECONDS) as connection:
                postgres_binary.register(connection)
                self._decide(self._loaded(connection))
                self._replay_refused(connection)
                self._write(connection, committing)
                # Leaving the block commits.
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if not committing or not self._settled(committing[0]):
                raise
        self._resolve()

    def series(self) -> list[tuple[UUID, str, str]]:
        """The number series this group has touched."""
        return sorted(self._view.series) if self._view is not None else []

    def _loaded(self, connection: psycopg.Connection[Any]) -> dict[RecordKey, KeptAnswer]:
        """Begins the transaction and loads what the group's commands are known to need, in one round trip.

        Returns the records of keys that were used before.
        """
        view = self._view = View(connection, self._cipher)
        with connection.pipeline():
            connection.execute(LOCK_TIMEOUT, prepare=False)
            if self._lock_first is not None:
                _lock(connection, self._lock_first)
            asked = view.ask(self._wanted(view))
            records = idempotency.ask(connection, _keys(self._jobs))
        view.take(asked)
        view.load_keys(
            (tenant_id, loaded.state.customer_id)
            for (tenant_id, _), loaded in view.streams.items()
            if isinstance(loaded.state, Invoice)
        )
        view.load_holders(self._names_asked(view))
        return idempotency.fetched(records)

    def _decide(self, records: Mapping[RecordKey, KeptAnswer]) -> None:
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
                actor=request.actor,
            )
            try:
                body = msgspec.json.encode(request.handler(unit))
            except psycopg.Error:
                raise  # the transaction is lost for all of the group
            except Exception as error:
                if not isinstance(error, LedgerError):
                    log.error("a command of %s failed: %s", request.actor, without_texts(error))
                self._refusals.append((job, error))
                continue
            unit.keep()
            done = _Decided(job, unit, body)
            self._decided.append(done)
            if known is not None:
                decided[known] = done

    def _wanted(self, view: View) -> list[tuple[UUID, UUID]]:
        """The streams that the commands are known to need."""
        wanted: list[tuple[UUID, UUID]] = []
        for job in self._jobs:
            tenant_id = job.request.tenant_id
            wanted.append((tenant_id, tenant_id))
            wanted += [(tenant_id, stream_id) for stream_id in job.request.prefetch_streams]
            if job.request.key is not None and job.request.prefetch_new:
                unit = StoreUnit(view, tenant_id, datetime.now(UTC), job.command_id, has_key=True)
                wanted += [(tenant_id, unit.new_id(part)) for part in job.request.prefetch_new]
        return wanted

    def _names_asked(self, view: View) -> list[tuple[UUID, NameRange]]:
        """The names that the commands will ask for. One that cannot tell asks when it is decided, or is refused then;
        it is not the others' fault."""
        asked: list[tuple[UUID, NameRange]] = []
        for job in self._jobs:
            request = job.request
            if request.prefetch_names is None:
                continue
            unit = StoreUnit(
                view, request.tenant_id, datetime.now(UTC), job.command_id, has_key=True
            )
            try:
                asked += [(request.tenant_id, names) for names in request.prefetch_names(unit)]
            except psycopg.Error:
                raise  # the transaction is lost for all of the group
            except Exception as error:
                if not isinstance(error, LedgerError):
                    log.error("a command of %s failed: %s", request.actor, without_texts(error))
        return asked

    def _replay(self, job: Job, kept: KeptAnswer) -> None:
        if kept.request_hash != job.request.request_hash:
            self._refusals.append((job, idempotency.key_reused()))
        else:
            self._replays.append((job, kept.answer))

    def _replay_refused(self, connection: psycopg.Connection[Any]) -> None:
        """Answers a refused command from its key's record where another process has committed it meanwhile: what it
        was decided on may have been loaded after that, and the refusal be of its own effect."""
        keys = _keys([job for job, _ in self._refusals])
        records = idempotency.fetched(idempotency.ask(connection, keys))
        if not records:
            return
        refusals, self._refusals = self._refusals, []
        for job, error in refusals:
            record = records.get((job.request.tenant_id, job.request.key or ""))
            if record is None:
                self._refusals.append((job, error))
            else:
                self._replay(job, record)

    def _duplicate(self, job: Job, first: _Decided) -> None:
        if first.job.request.request_hash != job.request.request_hash:
            self._refusals.append((job, idempotency.key_reused()))
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
            self._guard.require_log_behind(appended.recorded_at)
            _place(writing, appended)
            return _beside(writing, appended.recorded_at)

        self._application.save(
            *events,
            snapshots=self._snapshots(),
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
            reached = (series.next_number, series.last_issued_on)
            if reached == series.stored:
                continue
            if series.stored is not None:
                cursor.execute(ADVANCE_SERIES, (*reached, *key, *series.stored))
            else:
                cursor.execute(START_SERIES, (*key, *reached))
            if cursor.rowcount != 1:
                raise StaleSnapshots(f"series {key[2]} has moved on")

    def _snapshots(self) -> list[Snapshot]:
        assert self._view is not None
        snapshots: list[Snapshot] = []
        for (tenant_id, stream_id), loaded in self._view.streams.items():
            if loaded.version > loaded.stored_version:
                snapshots.append(snapshot_of(tenant_id, stream_id, loaded))
        return snapshots

    def _settled(self, appended: Appended) -> bool:
        """Whether a commit without a reply took place, asked until the database answers.

        Raises OutcomeUnknown when it does not: then the commands must not be run again.
        """
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                return self._is_committed(appended)
            except UNREACHABLE as error:
                if time.monotonic() > deadline:
                    raise OutcomeUnknown(
                        "the database went away during the commit; "
                        "repeat the request with the same idempotency key"
                    ) from error
                end_stalled_sessions(self._pool, error)
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
            refuse(job.future, error)
        for decided in self._decided:
            status = decided.job.request.status
            give(decided.job.future, Answer(status, decided.body, decided.tenant_seq))
            for owner, (key, _) in decided.unit.new_keys.items():
                self._cipher.remember(owner, key)
        for job, answer in self._replays:
            if answer.tenant_seq >= 0:
                give(job.future, answer)


def _keys(jobs: Iterable[Job]) -> list[RecordKey]:
    """The idempotency keys of the commands that have one."""
    return [(job.request.tenant_id, job.request.key) for job in jobs if job.request.key is not None]


def _lock(connection: psycopg.Connection[Any], series: Sequence[tuple[UUID, str, str]]) -> None:
    """Locks number series, then the log head: always in this order, so that nobody waits crosswise."""
    for key in series:
        connection.execute(LOCK_SERIES, key)
    connection.execute(LOCK_HEAD)


def snapshot_of(tenant_id: UUID, stream_id: UUID, loaded: Loaded) -> Snapshot:
    """The snapshot row of a stream that was loaded and appended to."""
    stream = STREAMS[loaded.kind]
    facts = stream.facts(loaded.state)
    return Snapshot(
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
    """What commands write beside their events: names, customers' keys, API keys, kept answers, the notification."""
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
    insert(
        idempotency.INSERT_RECORDS, records, "an idempotency key was used meanwhile", recorded_at
    )
    statements += [write(recorded_at) for decided in writing for write in decided.unit.api_keys]
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


def give(future: Future[Answer], answer: Answer) -> None:
    """Answers, unless the caller was told meanwhile to try again."""
    with contextlib.suppress(InvalidStateError):
        future.set_result(answer)


def refuse(future: Future[Answer], error: Exception) -> None:
    with contextlib.suppress(InvalidStateError):
        future.set_exception(error)


def _pass_on(done: Future[Answer], future: Future[Answer]) -> None:
    """Gives a duplicate inside a group what the first one got."""
    error = done.exception()
    if error is not None:
        refuse(future, error if isinstance(error, Exception) else RuntimeError(str(error)))
        return
    first = done.result()
    give(future, Answer(first.status, first.body, first.tenant_seq, replayed=True))
