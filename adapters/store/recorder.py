"""The library's recorders and factory over Duebook's log.

What differs from the stock recorder, and why (measured on eventsourcing 9.5.6, psycopg 3.3.9):
- order comes from the `log_head` row, not from a table lock and a sequence: no right to UPDATE events is needed;
- `insert_events` runs outside pipeline mode, which hangs at 5,000 events and excludes COPY;
- it is not retried: a COMMIT whose reply was lost would insert again and report a conflict. The writer settles that
  by looking for its command in the log;
- the datastore borrows Duebook's own pool, which knows DSNs, TLS and the search path of the shard.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    BaseInfrastructureFactory,
    IntegrityError,
    NotSupportedError,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
)
from eventsourcing.postgres import (
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresFactory,
    PostgresTrackingRecorder,
)
from eventsourcing.utils import Environment, EnvType
from psycopg.rows import dict_row, tuple_row

from adapters.postgres.connection import Pool
from adapters.store.append import Appended, Beside, Origin, Row, Snapshot, append, pack_row
from adapters.store.envelope import EnvelopeNotification, StoredEnvelope
from projections.engine import postgres_binary
from projections.engine.postgres_binary import field

EVENT_COLUMNS = """position, tenant_id, tenant_seq, stream_id, version, tag, recorded_at, effective_on,
       actor, command_id, correlation_id, causation_id, data"""

SELECT_STREAM = f"""
SELECT {EVENT_COLUMNS}
  FROM events
 WHERE stream_id = %(stream_id)s AND tenant_id = %(tenant_id)s
   AND version > %(gt)s AND version <= %(lte)s
 ORDER BY version
 LIMIT %(limit)s
"""
SELECT_STREAM_BACKWARDS = SELECT_STREAM.replace("ORDER BY version", "ORDER BY version DESC")

SELECT_LOG = f"""
SELECT {EVENT_COLUMNS}
  FROM events
 WHERE position >= %(start)s AND position <= %(stop)s
   AND (cardinality(%(tags)s::text[]) = 0 OR tag = ANY(%(tags)s::text[]))
 ORDER BY position
 LIMIT %(limit)s
"""

LAST_POSITION = "SELECT position FROM log_head WHERE shard = 1"
ALL = 2**31 - 1
END = 2**63 - 1


class LedgerDatastore(PostgresDatastore):
    """The library's datastore over a pool that is already open; it neither makes connections nor tables."""

    def __init__(self, pool: Pool) -> None:
        self.rows_pool = pool
        with pool.connection() as connection:
            row = connection.execute("SELECT current_schema()").fetchone()
        assert row is not None
        self.schema = str(row[0])
        self.originator_id_type = "uuid"
        self.single_row_tracking = True
        self.enable_db_functions = False
        self.lock_timeout = 0
        self.db_type_names: set[str] = set()
        self.psycopg_type_adapters = {}
        self.psycopg_python_types = {}

    @contextmanager
    def get_connection(self) -> Iterator[psycopg.Connection[Any]]:
        with self.rows_pool.connection() as connection:
            connection.row_factory = dict_row  # type: ignore[assignment]
            try:
                yield connection
            finally:
                connection.row_factory = tuple_row

    def register_type_adapters(self) -> None:
        """No composite types are used: events go in by COPY."""

    def close(self) -> None:
        """The pool belongs to whoever opened it."""


class LedgerRecorder(PostgresApplicationRecorder):
    """Records events with their snapshots, all or nothing, at positions taken from the log head."""

    datastore: LedgerDatastore

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Appends in one transaction of its own, or in the caller's `connection`.

        Keyword arguments: `snapshots`, the snapshots the events lead to; `now`, the clock's instant; `connection`, a
        connection inside a transaction; `appended`, a list that is given where the events came to stand; `beside`,
        what is written beside the events (`adapters.store.append.Beside`).
        Raises StaleSnapshots; in a transaction of its own also IntegrityError for a version that is stored already.
        """
        if not stored_events:
            return None
        rows = [_row(event) for event in stored_events]
        snapshots: Sequence[Snapshot] = kwargs.get("snapshots", ())
        now: datetime = kwargs["now"]
        connection: psycopg.Connection[Any] | None = kwargs.get("connection")
        append_rows = self._append if connection is None else partial(append, connection)
        appended = append_rows(rows, snapshots, now, kwargs.get("beside"))
        placed: list[Appended] | None = kwargs.get("appended")
        if placed is not None:
            placed.append(appended)
            return None
        first = appended.first_position
        return list(range(first, first + len(rows)))

    def _append(
        self,
        rows: Sequence[Row],
        snapshots: Sequence[Snapshot],
        now: datetime,
        beside: Beside | None,
    ) -> Appended:
        try:
            with self.datastore.rows_pool.connection() as connection, connection.transaction():
                postgres_binary.register(connection)
                return append(connection, rows, snapshots, now, beside)
        except psycopg.IntegrityError as error:
            raise IntegrityError(str(error)) from error

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
        tenant_id: UUID | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of a stream of a tenant, by version."""
        if tenant_id is None:
            raise NotSupportedError("a stream is read within a tenant: pass tenant_id")
        with self.datastore.rows_pool.connection() as connection, connection.cursor() as cursor:
            cursor.execute(
                SELECT_STREAM_BACKWARDS if desc else SELECT_STREAM,
                {
                    "stream_id": originator_id,
                    "tenant_id": tenant_id,
                    "gt": gt if gt is not None else 0,
                    "lte": lte if lte is not None else ALL,
                    "limit": limit if limit is not None else ALL,
                },
            )
            return [StoredEnvelope(**_fields(row)) for row in cursor.fetchall()]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[EnvelopeNotification]:
        """Events of the shard by position. A page never skips one: position order is commit order."""
        first = 1 if start is None else start + (0 if inclusive_of_start else 1)
        with self.datastore.rows_pool.connection() as connection, connection.cursor() as cursor:
            cursor.execute(
                SELECT_LOG,
                {
                    "start": first,
                    "stop": stop if stop is not None else END,
                    "tags": list(topics),
                    "limit": limit,
                },
            )
            return [EnvelopeNotification(id=row[0], **_fields(row)) for row in cursor.fetchall()]

    def max_notification_id(self) -> int | None:
        """The position of the last event; None when there is none."""
        with self.datastore.rows_pool.connection() as connection:
            row = connection.execute(LAST_POSITION).fetchone()
        return int(row[0]) if row is not None and row[0] else None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Refused: the library's subscription blocks for ever on a lost NOTIFY. Projections read pages."""
        raise NotSupportedError(
            "read pages with select_notifications; see projections.engine.runner"
        )


class LedgerTracking(PostgresTrackingRecorder):
    """The library's tracking recorder, used inside a projection page's own transaction."""

    def advance(self, cursor: psycopg.Cursor[Any], projection: str, position: int) -> None:
        """Records that a projection has reached a position. Raises IntegrityError unless it advances, which
        fences a second runner."""
        self._insert_tracking(cursor, tracking=Tracking(projection, position))


class LedgerFactory(PostgresFactory):
    """Makes the recorders. It is named in PERSISTENCE_MODULE by class; the application gives it the pool."""

    application_recorder_class = LedgerRecorder
    tracking_recorder_class = LedgerTracking

    def __init__(self, env: Environment | EnvType | None) -> None:
        # BasePostgresFactory would read host, user and password and open a pool of its own.
        BaseInfrastructureFactory.__init__(self, env)

    def use(self, pool: Pool) -> None:
        self.datastore = LedgerDatastore(pool)

    def application_recorder(self) -> LedgerRecorder:
        return LedgerRecorder(self.datastore, events_table_name="events")

    def tracking_recorder(self, tracking_recorder_class: Any = None) -> LedgerTracking:  # type: ignore[override]
        """A tracking recorder over the projections' positions, of the given class if one is given."""
        made: type[LedgerTracking] = tracking_recorder_class or LedgerTracking
        return made(self.datastore, tracking_table_name="projection_tracking")

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Refused: a stream belongs to a tenant, and its snapshot is written with its events."""
        raise NotSupportedError(
            "streams are written by application_recorder() and their snapshots with them; "
            "read one with adapters.store.snapshots"
        )

    def process_recorder(self) -> ProcessRecorder:
        """Refused: a projection writes its tables and its position, never events."""
        raise NotSupportedError(
            "a projection keeps its position with tracking_recorder(); see projections.engine.runner"
        )


def _row(event: StoredEvent) -> Row:
    assert isinstance(event, StoredEnvelope)
    assert isinstance(event.originator_id, UUID)
    return pack_row(
        event.tenant_id.bytes,
        event.originator_id.bytes,
        event.originator_version,
        field(event.topic.encode()),
        event.effective_on,
        Origin.of(event.actor, event.command_id, event.correlation_id, event.causation_id),
        event.state,
    )


def _fields(row: Sequence[Any]) -> dict[str, Any]:
    return {
        "position": row[0],
        "tenant_id": row[1],
        "tenant_seq": row[2],
        "originator_id": row[3],
        "originator_version": row[4],
        "topic": row[5],
        "recorded_at": row[6],
        "effective_on": row[7],
        "actor": row[8],
        "command_id": row[9],
        "correlation_id": row[10],
        "causation_id": row[11],
        "state": bytes(row[12]),
    }


__all__ = ["IntegrityError", "LedgerDatastore", "LedgerFactory", "LedgerRecorder", "LedgerTracking"]
