"""The runner: keeps every read model up to date with the log, page by page.

A page is read once for all projections that stand at the same position, and applied to each in a transaction of its
own, together with that projection's new position. The tracking row is locked first and must stand where the page
begins, so of two runners only one applies a page. The runner polls, whatever notifications do; a stream that fails is
parked and the others go on; a projection that fails for another reason is tried again later while the others go on.
"""

import contextlib
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from projections.catalog import CATALOG, projection_named
from projections.engine import log as events_log
from projections.engine import parked, postgres_binary, tracking
from projections.engine.applying import Applied, apply, by_kind, of_kinds, refold
from projections.engine.backoff import Backoff, pause_seconds
from projections.engine.log import Logged, Streams
from projections.engine.notifications import LogNotifications
from projections.engine.projection import Projection
from projections.engine.tracking import Advance, Connect, Lag

log = logging.getLogger("duebook.projections")

POLL_SECONDS = 0.5
REST_SECONDS = 0.05  # between small pages, so that many small commits become one page
PAGE_FIRST, MIN_PAGE, MAX_PAGE = 2_000, 200, 10_000
PAGE_TARGET_SECONDS = 0.5
SIDE_BY_SIDE = 2_000
"""From so many events on a page is applied to two projections at a time: while one waits for the database, the other
folds. Small pages are done before a second connection is at hand."""
ALONE_SECONDS = 600.0
"""For so long no second connection is asked for after there was none."""
# A page lost in a crash is applied again, as its position is lost with it: it need not wait for the disk.
RELAXED = "SET LOCAL synchronous_commit = off"
UNREACHABLE = (psycopg.OperationalError, psycopg.InterfaceError)


class Failure(msgspec.Struct):
    """Why a projection does not advance, how often in a row, and when (monotonic seconds) it is tried again."""

    reason: str
    times: int
    again_at: float


class Runner:
    """Keeps projections up to date. One is enough per shard; more do no harm.

    connect   borrows a connection of the writer's role
    advance   records a projection's position within its transaction
    listen    opens a connection of the writer's role in autocommit, for notifications; without it the runner polls
    """

    def __init__(
        self,
        connect: Connect,
        advance: Advance,
        listen: Callable[[], psycopg.Connection[Any]] | None = None,
        projections: Sequence[Projection] = CATALOG,
    ) -> None:
        self._connect = connect
        self._advance = advance
        self._listen = listen
        self._projections = tuple(projections)
        self._grown = threading.Event()
        self._moved = threading.Condition()
        self._waiting = 0
        self._most = PAGE_FIRST
        self._alone_until = 0.0
        self._started = False
        self._outdated: frozenset[str] = frozenset()
        self.failures: dict[str, Failure] = {}

    def run(self, stop: threading.Event) -> None:
        """Applies events until told to stop. Whatever fails is logged once and tried again."""
        if self._listen is None:
            return self._run(stop)
        with LogNotifications(self._listen, self._grown):
            return self._run(stop)

    def run_once(self) -> int:
        """Reads one page for each position at which projections stand; returns how many events were read.

        0 when every projection that can advance stands at the log's end. Raises psycopg.OperationalError when the
        database is away.
        """
        now = time.monotonic()
        with self._connect() as connection:
            self._start(connection)
            at_position = self._by_position(connection, now)
            with connection.cursor() as cursor:
                end = events_log.end(cursor)
            connection.rollback()
            positions = sorted({*at_position, end})
            read = 0
            for position, following in pairwise(positions):
                page = self._page(connection, position, following)
                # Where the log has a gap up to `following`, the doctor reports it; nothing is to be applied.
                reached = page[-1][0] if page else following
                self._apply_page(connection, at_position[position], (position, reached), page)
                read += len(page)
        with self._moved:
            self._moved.notify_all()
        return read

    def catch_up(self) -> int:
        """Applies everything the log holds; returns how many events were read."""
        total = 0
        while read := self.run_once():
            total += read
        return total

    def wait_for(self, tenant_id: UUID, tenant_seq: int, projection: str, timeout: float) -> bool:
        """Waits until a projection has applied a tenant's event, wherever its runner is. False when time is up.

        Raises UnknownProjection.
        """
        projection_named(projection)
        deadline = time.monotonic() + timeout
        with self._moved:
            self._waiting += 1
        try:
            while True:
                with self._connect() as connection:
                    if tracking.has_reached(connection, projection, tenant_id, tenant_seq):
                        return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._grown.set()
                with self._moved:
                    self._moved.wait(min(left, REST_SECONDS))
        finally:
            with self._moved:
                self._waiting -= 1

    def lag(self) -> list[Lag]:
        """How far each projection is behind the log's true end."""
        with self._connect() as connection:
            return tracking.lag(connection, self._projections)

    def parked(self) -> list[parked.Parked]:
        """Every parked stream."""
        with self._connect() as connection:
            return parked.listed(connection)

    def release(self, projection: str, tenant_id: UUID, stream_id: UUID) -> bool:
        """Refolds a parked stream from the log; whether it could be. It is parked again when it still fails.

        Raises UnknownProjection, NotParked.
        """
        named = projection_named(projection)
        key = (tenant_id.bytes, stream_id.bytes)
        with self._connect() as connection, connection.transaction():
            postgres_binary.register(connection)
            with connection.cursor() as cursor:
                position = tracking.lock(cursor, named.name)
                if not parked.free(cursor, named.name, key):
                    raise parked.NotParked(f"{stream_id} is not parked in {projection}")
                applied = refold(cursor, named, "", key, position)
        return not applied.faults

    def _run(self, stop: threading.Event) -> None:
        backoff = Backoff()
        while not stop.is_set():
            self._grown.clear()
            try:
                read = self.run_once()
            except Exception as error:  # a runner must outlive whatever happens to the database
                if not backoff.failing:
                    log.error(
                        "projections stand still and will be tried again: %s", described(error)
                    )
                stop.wait(backoff.failed())
                continue
            if backoff.failing:
                log.info("projections go on")
                backoff.succeeded()
            if read == 0:
                self._grown.wait(POLL_SECONDS)
            if read < PAGE_FIRST and not self._waiting:
                stop.wait(REST_SECONDS)

    def _start(self, connection: tracking.Connection) -> None:
        postgres_binary.register(connection)
        if not self._started:
            tracking.start(connection, self._projections)
            connection.commit()
            self._started = True

    def _by_position(
        self, connection: tracking.Connection, now: float
    ) -> dict[int, list[Projection]]:
        """The projections that can advance, by position."""
        at, built_by = tracking.positions(connection), tracking.versions(connection)
        outdated = frozenset(p.name for p in self._projections if built_by[p.name] != p.version)
        for name in sorted(outdated - self._outdated):
            log.warning(
                "the projection %s was built by another version and waits to be rebuilt", name
            )
        self._outdated = outdated
        at_position: dict[int, list[Projection]] = {}
        for projection in self._projections:
            failure = self.failures.get(projection.name)
            if projection.name in outdated or (failure is not None and failure.again_at > now):
                continue
            at_position.setdefault(at[projection.name], []).append(projection)
        return at_position

    def _page(self, connection: tracking.Connection, after: int, upto: int) -> list[Logged]:
        with connection.cursor() as cursor:
            page = events_log.page(cursor, after, upto, self._most)
        connection.rollback()
        return page

    def _apply_page(
        self,
        connection: tracking.Connection,
        projections: Sequence[Projection],
        span: tuple[int, int],
        page: Sequence[Logged],
    ) -> None:
        """Applies a page to projections that stand at the start of its span (positions after, upto)."""
        began = time.monotonic()
        kinds = by_kind(page)
        waiting = deque((one, of_kinds(kinds, one.streams)) for one in projections)
        with contextlib.ExitStack() as stack:
            second = self._second(stack) if len(page) >= SIDE_BY_SIDE else None
            if second is None:
                self._apply_each(connection, span, waiting)
            else:
                self._apply_both((connection, second), span, waiting)
        if len(page) == self._most:
            scale = PAGE_TARGET_SECONDS / max(time.monotonic() - began, 0.001)
            self._most = int(min(max(self._most * min(scale, 2.0), MIN_PAGE), MAX_PAGE))

    def _second(self, stack: contextlib.ExitStack) -> tracking.Connection | None:
        """Another connection, if there is one to be had: a pool may have none left."""
        now = time.monotonic()
        if now < self._alone_until:
            return None
        try:
            second = stack.enter_context(self._connect())
        except UNREACHABLE:
            self._alone_until = now + ALONE_SECONDS
            return None
        postgres_binary.register(second)
        return second

    def _apply_both(
        self,
        connections: tuple[tracking.Connection, tracking.Connection],
        span: tuple[int, int],
        waiting: deque[tuple[Projection, Streams]],
    ) -> None:
        """Applies a page to two projections at a time."""
        first, second = connections
        with ThreadPoolExecutor(1, thread_name_prefix="duebook-projections-2") as other:
            beside = other.submit(self._apply_each, second, span, waiting)
            try:
                self._apply_each(first, span, waiting)
            finally:
                waiting.clear()
                beside.result()

    def _apply_each(
        self,
        connection: tracking.Connection,
        span: tuple[int, int],
        waiting: deque[tuple[Projection, Streams]],
    ) -> None:
        """Applies a page to the projections that wait for it, one after another. Another thread may do the same."""
        while True:
            try:
                projection, streams = waiting.popleft()
            except IndexError:
                return
            try:
                applied = self._apply(connection, projection, span, streams)
            except UNREACHABLE:
                raise
            except Exception as error:
                self._failed(projection.name, error)
            else:
                self._went_on(projection.name, applied)

    def _apply(
        self,
        connection: tracking.Connection,
        projection: Projection,
        span: tuple[int, int],
        streams: Streams,
    ) -> Applied | None:
        """Applies a page to one projection; None when another runner has come first."""
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(RELAXED)
            after, upto = span
            if tracking.lock(cursor, projection.name) != after:
                return None
            applied = apply(cursor, projection, "", streams)
            self._advance(cursor, projection.name, upto)
            return applied

    def _failed(self, name: str, error: Exception) -> None:
        reason = _brief(error)
        before = self.failures.get(name)
        times = before.times + 1 if before is not None else 1
        if before is None or before.reason != reason:
            log.error(
                "the projection %s stands still and will be tried again: %s", name, described(error)
            )
        again_at = time.monotonic() + pause_seconds(times)
        self.failures[name] = Failure(reason, times, again_at)

    def _went_on(self, name: str, applied: Applied | None) -> None:
        if self.failures.pop(name, None) is not None:
            log.info("the projection %s goes on", name)
        for fault in applied.faults if applied is not None else ():
            position, _, stream, version, _, tag, _, _ = fault.event
            log.error(
                "the projection %s parked the stream %s at version %d (%s, position %d): %s",
                name,
                UUID(bytes=stream),
                version,
                tag,
                position,
                type(fault.error).__name__,
            )


def _brief(error: Exception) -> str:
    """An error's kind and, for the database's, its SQLSTATE: never its text, which may repeat what a debtor wrote."""
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__} {state}" if state else type(error).__name__


def described(error: Exception) -> str:
    """What a log may say of an error: its kind, and where it was raised."""
    return "\n".join([_brief(error), *traceback.format_tb(error.__traceback__)])
