"""The clock's bulk path: chunks of snapshots are read by keyset, decided in Python, and committed by COPY and one
UPDATE.

A chunk's transaction renews the lease, moves the step's checkpoint from where this runner left it, appends the
events and moves the snapshots. A runner that has lost its lease, or another at the same checkpoint, finds its row moved
and is fenced.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from adapters.postgres.connection import Pool
from adapters.store import snapshots
from adapters.store.append import Row, Snapshot, StaleSnapshots, append
from adapters.store.clock_chunks import (
    Chunk,
    SnapshotRow,
    decide_chunk,
    origin_of,
    pack_events,
)
from adapters.store.clock_guard import ClockGuard
from adapters.store.debtor_chunks import decide_debtors, invoices_of, read_debtors
from adapters.store.group_writing import NOTIFY
from adapters.store.lease import ClockLeases, FencedTransaction, fenced
from adapters.store.snapshots import Loaded, snapshot_of
from ledger import business_day
from ledger.business_day import BusinessDay, Closed, Opened, Step, StepCompleted, Tally
from ledger.dunning.choice import Plans
from ledger.event_registry import Event, New
from ledger.reference_rates import Table
from ledger.template import Template
from ledger.template import stream_id as template_stream_id
from ledger.tenant import Settings, Tenant
from schedulers.ports import (
    START,
    Checkpoint,
    Cursor,
    Decide,
    DecideDebtor,
    Lease,
    Prepared,
    Run,
    StaleChunk,
)

log = logging.getLogger("duebook.clock")

NO_DAY = date(9999, 12, 31)

SELECT_DUE_OVERDUE = """
SELECT uuid_send(stream_id), version, fold_version, state, wakes_on
  FROM snapshots
 WHERE tenant_id = %(tenant)s AND wakes_on <= %(day)s AND (wakes_on, stream_id) > (%(after_on)s, %(after_id)s)
   AND stream = 'invoice'
 ORDER BY wakes_on, stream_id
 LIMIT %(limit)s
"""
SELECT_DUE_MORA = """
SELECT uuid_send(stream_id), version, fold_version, state, NULL::date
  FROM snapshots
 WHERE tenant_id = %(tenant)s AND accrues AND stream_id > %(after_id)s AND stream = 'invoice'
 ORDER BY stream_id
 LIMIT %(limit)s
"""
SELECT_DUE: dict[Step, str] = {"overdue": SELECT_DUE_OVERDUE, "mora": SELECT_DUE_MORA}

SELECT_SAME = """
SELECT uuid_send(stream_id), version, fold_version, state, wakes_on
  FROM snapshots
 WHERE tenant_id = %s AND stream_id = ANY(%s::uuid[])
"""

CLAIM_STEP = """
INSERT INTO clock_checkpoints AS point (tenant_id, day, step, after_on, after_id, fence, done, tally)
VALUES (%s, %s, %s, %s, %s, %s, false, %s)
ON CONFLICT (tenant_id, day, step) DO UPDATE SET fence = excluded.fence
 WHERE point.fence <= excluded.fence
RETURNING after_on, after_id, done, tally
"""
MOVE_CHECKPOINT = """
UPDATE clock_checkpoints
   SET after_on = %s, after_id = %s, done = %s, tally = %s
 WHERE tenant_id = %s AND day = %s AND step = %s
   AND fence = %s AND after_on = %s AND after_id = %s AND NOT done
"""
SET_BACK = """
UPDATE clock_checkpoints
   SET after_on = %s, after_id = %s, done = false, tally = %s
 WHERE tenant_id = %s AND day = %s AND step = %s AND fence = %s AND done
"""
MARK_CLOSED = """
INSERT INTO clock_checkpoints (tenant_id, day, step, after_on, after_id, fence, done, tally)
VALUES (%s, %s, 'close', %s, %s, %s, true, %s)
ON CONFLICT (tenant_id, day, step) DO NOTHING
"""
SELECT_LAST_CLOSED = """
SELECT max(day) FROM clock_checkpoints WHERE tenant_id = %s AND step = 'close'
"""
SELECT_CLOCK_STATES = """
SELECT snapshot.tenant_id, snapshot.fold_version, snapshot.state,
       (SELECT max(day) FROM clock_checkpoints AS point
         WHERE point.tenant_id = snapshot.tenant_id AND point.step = 'close')
  FROM snapshots AS snapshot
 WHERE snapshot.stream = 'tenant' AND snapshot.stream_id = snapshot.tenant_id
   AND snapshot.tenant_id = ANY(%s::uuid[])
"""
SELECT_PLANS = "SELECT stream_id FROM snapshots WHERE tenant_id = %s AND stream = 'dunning_plan'"
LOCK_LOG = "SELECT position FROM log_head WHERE shard = 1 FOR UPDATE"
COUNT_WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'
"""

_tally_decoder = msgspec.json.Decoder(Tally)


class PostgresClock:
    """`schedulers.ports.ClockStore` over one shard."""

    def __init__(
        self, pool: Pool, waiting: Callable[[], int] = lambda: 0, guard: ClockGuard | None = None
    ) -> None:
        self._pool = pool
        self._leases = ClockLeases(pool)
        self._guard = guard or ClockGuard(pool)
        self._waiting = waiting

    def settings(self, tenant_id: UUID) -> Settings:
        return self._tenant(tenant_id).settings

    def reference_rates(self, tenant_id: UUID) -> Table:
        return self._tenant(tenant_id).reference_rates

    def dunning_plans(self, tenant_id: UUID) -> Plans:
        # The tenant first: no plan is ever deleted, so that each one that it names is among those read after it.
        tenant = self._tenant(tenant_id)
        with self._pool.connection() as connection:
            ids = [row[0] for row in connection.execute(SELECT_PLANS, (tenant_id,))]
            found = snapshots.read_many(connection, tenant_id, "dunning_plan", ids)
        return Plans(tenant, {plan.key: plan for plan in found.values()})

    def templates(self, tenant_id: UUID, keys: Iterable[str]) -> dict[str, int]:
        ids = {template_stream_id(tenant_id, key): key for key in keys if key}
        with self._pool.connection() as connection:
            found: dict[UUID, Template] = snapshots.read_many(
                connection, tenant_id, "template", list(ids)
            )
        return {ids[one]: len(template.versions) for one, template in found.items()}

    def _tenant(self, tenant_id: UUID) -> Tenant:
        with self._pool.connection() as connection:
            return snapshots.tenant(connection, tenant_id)

    def clock_states(self) -> list[tuple[UUID, Settings, date | None]]:
        with self._pool.connection() as connection:
            known = [row[0] for row in connection.execute("SELECT tenant_id FROM duebook.tenants")]
            rows = connection.execute(SELECT_CLOCK_STATES, (known,)).fetchall()
            states: list[tuple[UUID, Settings, date | None]] = []
            for tenant_id, fold_version, data, last_closed in rows:
                try:
                    tenant: Tenant = snapshots.state_of(
                        connection, "tenant", tenant_id, tenant_id, fold_version, data
                    )
                except psycopg.Error:
                    raise  # the database's trouble is not the tenant's
                except Exception:
                    log.exception(
                        "the settings of tenant %s cannot be read; its clock stands still",
                        tenant_id,
                    )
                    continue
                states.append((tenant_id, tenant.settings, last_closed))
        return states

    def acquire(self, holder: str) -> Lease:
        return self._leases.acquire(holder)

    def release(self, lease: Lease) -> None:
        self._leases.release(lease)

    def business_day(self, tenant_id: UUID, day: date) -> BusinessDay | None:
        stream_id = business_day.stream_id(tenant_id, day)
        with self._pool.connection() as connection:
            found = snapshots.read(connection, tenant_id, "business_day", stream_id)
        return None if found is None else found[1]

    def last_closed(self, tenant_id: UUID) -> date | None:
        with self._pool.connection() as connection:
            row = connection.execute(SELECT_LAST_CLOSED, (tenant_id,)).fetchone()
        return None if row is None else row[0]

    def open_day(self, run: Run) -> None:
        with self._transaction(run) as connection:
            self._append_to_day(connection, run, [Opened(run.day)], unless=lambda day: True)

    def begin(self, run: Run, step: Step) -> Checkpoint:
        start = START.cursor
        with self._transaction(run) as connection:
            row = connection.execute(
                CLAIM_STEP,
                (
                    run.tenant_id,
                    run.day,
                    step,
                    start.after_on,
                    start.after_id,
                    run.lease.fence,
                    msgspec.json.encode(Tally()),
                ),
            ).fetchone()
        if row is None:
            raise fenced(run)
        return Checkpoint(Cursor(row[0], row[1]), row[2], _tally_decoder.decode(bytes(row[3])))

    def begin_again(self, run: Run, step: Step) -> Checkpoint:
        start = START.cursor
        values = (start.after_on, start.after_id, msgspec.json.encode(Tally()))
        with self._transaction(run) as connection:
            set_back = connection.execute(
                SET_BACK, (*values, run.tenant_id, run.day, step, run.lease.fence)
            )
        if set_back.rowcount != 1:
            raise fenced(run)
        return START

    def prepare(self, run: Run, step: Step, decide: Decide, after: Cursor, limit: int) -> Chunk:
        with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            cursor.execute(
                SELECT_DUE[step].encode(),
                {
                    "tenant": run.tenant_id,
                    "day": run.day,
                    "after_on": after.after_on,
                    "after_id": after.after_id,
                    "limit": limit,
                },
            )
            found: list[SnapshotRow] = cursor.fetchall()
            chunk = decide_chunk(connection, run, step, decide, found)
        if found:
            last_id, *_, wakes_on = found[-1]
            chunk.cursor = Cursor(wakes_on or START.cursor.after_on, UUID(bytes=last_id))
        else:
            chunk.cursor = after
        chunk.is_last = len(found) < limit
        return chunk

    def commit(self, run: Run, step: Step, before: Checkpoint, chunk: Prepared) -> Checkpoint:
        assert isinstance(chunk, Chunk)
        try:
            with self._transaction(run) as connection:
                return self._write(connection, run, step, before, chunk)
        except (StaleSnapshots, psycopg.errors.UniqueViolation) as stale:
            # The events' primary key notices it before the snapshots do.
            raise StaleChunk("a command has moved a stream of this chunk") from stale

    def commit_locked(
        self, run: Run, step: Step, decide: Decide, before: Checkpoint, chunk: Prepared
    ) -> Checkpoint:
        assert isinstance(chunk, Chunk)
        with self._transaction(run) as connection:
            connection.execute(LOCK_LOG)
            ids = [UUID(bytes=stream_id) for stream_id in chunk.looked_at]
            with connection.cursor(binary=True) as cursor:
                cursor.execute(SELECT_SAME, (run.tenant_id, ids))
                found: list[SnapshotRow] = cursor.fetchall()
                again = decide_chunk(connection, run, step, decide, found)
            again.cursor, again.is_last = chunk.cursor, chunk.is_last
            return self._write(connection, run, step, before, again)

    def prepare_debtors(
        self, run: Run, step: Step, decide: DecideDebtor, after: Cursor, limit: int
    ) -> Chunk:
        with self._pool.connection() as connection:
            rows, is_last = read_debtors(connection, run.tenant_id, after.after_id, limit)
            chunk = decide_debtors(connection, run, step, decide, rows)
        if not rows:
            chunk.cursor = after
        chunk.is_last = is_last
        return chunk

    def commit_debtors_locked(
        self, run: Run, step: Step, decide: DecideDebtor, before: Checkpoint, chunk: Prepared
    ) -> Checkpoint:
        assert isinstance(chunk, Chunk)
        with self._transaction(run) as connection:
            connection.execute(LOCK_LOG)
            payers = [UUID(bytes=payer_id) for payer_id in chunk.looked_at]
            rows = invoices_of(connection, run.tenant_id, payers)
            again = decide_debtors(connection, run, step, decide, rows)
            again.cursor, again.is_last = chunk.cursor, chunk.is_last
            return self._write(connection, run, step, before, again)

    def close_day(self, run: Run, *, in_turn: bool) -> None:
        start = START.cursor
        with self._transaction(run) as connection:
            self._append_to_day(
                connection, run, [Closed()], unless=lambda day: day.status == "closed"
            )
            if in_turn:
                connection.execute(
                    MARK_CLOSED,
                    (
                        run.tenant_id,
                        run.day,
                        start.after_on,
                        start.after_id,
                        run.lease.fence,
                        msgspec.json.encode(Tally()),
                    ),
                )

    def waiting(self) -> int:
        """Commands that wait in this process, and sessions that wait for a lock in any."""
        with self._pool.connection() as connection:
            row = connection.execute(COUNT_WAITING).fetchone()
        assert row is not None
        return self._waiting() + int(row[0])

    def _transaction(self, run: Run) -> FencedTransaction:
        return FencedTransaction(self._pool, run)

    def _write(
        self,
        connection: psycopg.Connection[Any],
        run: Run,
        step: Step,
        before: Checkpoint,
        chunk: Chunk,
    ) -> Checkpoint:
        tally = before.tally + chunk.tally
        advanced = connection.execute(
            MOVE_CHECKPOINT,
            (
                chunk.cursor.after_on,
                chunk.cursor.after_id,
                chunk.is_last,
                msgspec.json.encode(tally),
                run.tenant_id,
                run.day,
                step,
                run.lease.fence,
                before.cursor.after_on,
                before.cursor.after_id,
            ),
        )
        if advanced.rowcount != 1:
            raise fenced(run)
        rows, moved = chunk.rows, chunk.snapshots
        if chunk.is_last:
            more = self._day_events(
                connection, run, [StepCompleted(step, tally)], lambda day: step in day.steps
            )
            rows, moved = rows + more[0], moved + more[1]
        self._append(connection, rows, moved)
        return Checkpoint(chunk.cursor, chunk.is_last, tally)

    def _append_to_day(
        self,
        connection: psycopg.Connection[Any],
        run: Run,
        events: Sequence[Event],
        unless: Callable[[BusinessDay], bool],
    ) -> None:
        self._append(connection, *self._day_events(connection, run, events, unless))

    def _append(
        self, connection: psycopg.Connection[Any], rows: Sequence[Row], moved: Sequence[Snapshot]
    ) -> None:
        if not rows:
            return
        appended = append(connection, rows, moved, datetime.now(UTC))
        self._guard.require_log_behind(appended.recorded_at)
        connection.execute(NOTIFY, prepare=False)

    def _day_events(
        self,
        connection: psycopg.Connection[Any],
        run: Run,
        events: Sequence[Event],
        unless: Callable[[BusinessDay], bool],
    ) -> tuple[list[Row], list[Snapshot]]:
        """The rows and the snapshot of events of the day's own stream; none when they are there already."""
        stream_id = business_day.stream_id(run.tenant_id, run.day)
        found = snapshots.read(connection, run.tenant_id, "business_day", stream_id)
        version, state = found if found is not None else (0, None)
        if state is not None and unless(state):
            return [], []
        new = [New(event, run.day) for event in events]
        rows = pack_events(run, origin_of(run, "day"), stream_id.bytes, version, new)
        for event in events:
            state = business_day.evolve(state, event, run.day)
        loaded = Loaded("business_day", version, version + len(rows), state)
        return rows, [snapshot_of(run.tenant_id.bytes, stream_id.bytes, loaded)]
