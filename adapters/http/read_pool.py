"""The threads in which the API reads, each read in a transaction that sees one tenant's rows and no other's."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID

import msgspec
import psycopg

from adapters.http.problem_details import DiskFull, ServiceUnavailable
from adapters.store import snapshots
from adapters.store.reading import tenant_seq
from adapters.wiring import Books
from commands.unit_of_work import Unknown
from ledger.streams import State
from ledger.tenant import Tenant
from ledger.time_zones import business_date

MAX_THREADS: Final = 16
CHECK_WAITS_SECONDS: Final = 2.0
READY_SECONDS: Final = 3.0
DEADLINE_SECONDS: Final = 30.0
MIN_FREE_BYTES: Final = 100_000_000
NO_ANSWER: Final = "the database does not answer; try again in a moment"

Connection = psycopg.Connection[Any]
P = ParamSpec("P")
T = TypeVar("T")

SELECT_SLOWEST = """
SELECT min(notification_id), count(*) FROM projection_tracking WHERE application_name = ANY (%s)
"""
# The tenant's last event at or before a position of the log.
SELECT_REACHED = """
SELECT tenant_seq FROM events
 WHERE tenant_id = %s AND position <= %s
 ORDER BY tenant_seq DESC
 LIMIT 1
"""


class Found(msgspec.Struct, frozen=True):
    """What a read found: JSON with personal texts opened, and the tenant_seq that it reflects at least."""

    body: bytes
    position: int


class ReadPool:
    """Reads for the API."""

    def __init__(self, books: Books) -> None:
        self._books = books
        threads = min(books.database.api.max_size, MAX_THREADS)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="duebook-read")
        self._checks = ThreadPoolExecutor(1, thread_name_prefix="duebook-ready")
        self._checking: asyncio.Future[None] | None = None

    def close(self) -> None:
        self._threads.shutdown()
        self._checks.shutdown()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs blocking work in one of the threads. Raises ServiceUnavailable when it takes more than 30 seconds."""
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))
        try:
            return await asyncio.wait_for(asyncio.shield(running), DEADLINE_SECONDS)
        except TimeoutError:
            running.add_done_callback(_retrieve)
            raise ServiceUnavailable(NO_ANSWER) from None

    def find(
        self,
        tenant_id: UUID,
        read: Callable[[Connection], Any],
        models: Sequence[str],
        min_position: int,
    ) -> Found | int:
        """What `read` answers, or how far its read models have come when that is not far enough.

        The position is read first, so that what is read after it reflects at least that much.
        """
        with self._books.reading(tenant_id) as connection:
            position = reached(connection, tenant_id, models)
            if position < min_position:
                return position
            body = msgspec.json.encode(read(connection))
        return Found(self._books.cipher.decrypted(tenant_id, body), position)

    async def require_ready(self) -> None:
        """Both logins of the database answer within seconds, and its disk has room.

        One check runs at a time, however many ask: while the database stands still, no more threads wait for it.
        Raises ServiceUnavailable, DiskFull, and psycopg's errors.
        """
        if self._checking is None or self._checking.done():
            loop = asyncio.get_running_loop()
            self._checking = loop.run_in_executor(self._checks, self._check)
            self._checking.add_done_callback(_retrieve)
        try:
            await asyncio.wait_for(asyncio.shield(self._checking), READY_SECONDS)
        except TimeoutError:
            raise ServiceUnavailable(NO_ANSWER) from None

    def _check(self) -> None:
        for pool in (self._books.database.api, self._books.database.writer):
            with pool.connection(timeout=CHECK_WAITS_SECONDS) as connection:
                connection.execute("SELECT 1")
        free_bytes = self._books.database.free_bytes()
        if free_bytes is not None and free_bytes < MIN_FREE_BYTES:
            raise DiskFull(f"the database's disk has {free_bytes // 1_000_000} MB left")

    def last_position(self, tenant_id: UUID) -> int:
        """The number of the tenant's last event."""
        with self._books.reading(tenant_id) as connection:
            return tenant_seq(connection, tenant_id)


def _retrieve(done: "asyncio.Future[Any]") -> None:
    """Takes the result of work that nobody waits for any more, so that no error of it is logged as lost."""
    if not done.cancelled():
        done.exception()


def reached(connection: Connection, tenant_id: UUID, models: Sequence[str]) -> int:
    """How far the slowest of these read models has come in the tenant's log; with none, the log's end."""
    if not models:
        return tenant_seq(connection, tenant_id)
    row = connection.execute(SELECT_SLOWEST, (list(models),)).fetchone()
    assert row is not None
    position, started = row
    if started < len(models):
        return 0
    last = connection.execute(SELECT_REACHED, (tenant_id, position)).fetchone()
    return int(last[0]) if last is not None else 0


def found_snapshot(connection: Connection, tenant_id: UUID, kind: str, stream_id: UUID) -> State:
    """The state of a stream that must exist. Raises Unknown."""
    found = snapshots.read(connection, tenant_id, kind, stream_id)
    if found is None:
        raise Unknown(f"there is no {kind} {stream_id}")
    return found[1]


def today(connection: Connection, tenant_id: UUID, now: datetime) -> date:
    """The business date in the tenant's zone."""
    tenant: Tenant = found_snapshot(connection, tenant_id, "tenant", tenant_id)
    return business_date(now, tenant.settings.timezone)
