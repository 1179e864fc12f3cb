"""Verifying heads: every stream is folded from its events by the ledger itself and compared with its stored head.

Commands are decided on heads, so a head that was tampered with would be believed. Heads move while this runs: they
are read after their events, and the events that have come since are folded too.
"""

import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from msgspec.structs import asdict

from ledger.event_registry import decode, stream_of
from ledger.streams import STREAMS, State, decode_state, encode_state
from projections.engine import log
from projections.engine.log import Logged
from projections.engine.tables import StreamKey
from projections.engine.tracking import Connect
from projections.rebuild.backfill import Progress, Stopped
from projections.verify.digests import Difference

HEADS = """
SELECT uuid_send(tenant_id), uuid_send(stream_id), stream, version, fold_version, wakes_on, accrues, payer_id, state
  FROM heads
 WHERE (tenant_id, stream_id) > (%s::uuid, %s::uuid) AND (tenant_id, stream_id) <= (%s::uuid, %s::uuid)
 ORDER BY tenant_id, stream_id
"""
FIRST: StreamKey = (bytes(16), bytes(16))
LAST: StreamKey = (b"\xff" * 16, b"\xff" * 16)
BATCH_STREAMS = 2_000
DIFFERENCES_MOST = 10
SHOWN_MOST = 200


class HeadsVerified(msgspec.Struct, frozen=True):
    """What a verification of heads found. `differences` are the first ten; it holds when there is none.

    older  heads folded by another release's code: only their kind and version are compared, a command folds them anew
    """

    heads: int
    events: int
    older: int
    differences: list[Difference]

    @property
    def holds(self) -> bool:
        return not self.differences


class Head(NamedTuple):
    """A stored head."""

    tenant: bytes
    stream: bytes
    kind: str
    version: int
    fold_version: int
    wakes_on: date | None
    accrues: bool
    payer_id: UUID | None
    state: bytes


class Refolded(msgspec.Struct):
    """A stream as its events make it; `fault` says why they cannot be folded."""

    kind: str = ""
    version: int = 0
    state: State | None = None
    fault: str = ""

    def add(self, events: Sequence[Logged]) -> None:
        for _, _, _, version, _, tag, effective_on, data in events:
            self.version = version
            self.kind = self.kind or stream_of(tag)
            if self.fault:
                continue
            try:
                evolve = STREAMS[self.kind].evolve
                self.state = evolve(self.state, decode(tag, data), effective_on)
            except (
                Exception
            ) as error:  # whatever an event does to its fold is what is to be reported
                self.fault = f"{type(error).__name__} at version {version}"


def verify_heads(
    connect: Connect,
    progress: Progress = lambda done, total: None,
    stop: threading.Event | None = None,
) -> HeadsVerified:
    """Refolds every stream and compares its head. `connect` lends two connections of the writer's role.

    Raises Stopped when told to stop.
    """
    with connect() as reading, connect() as connection, connection.cursor() as cursor:
        comparing = _Comparing(cursor)
        end = log.end(cursor)
        with closing(log.by_stream(reading, None, FIRST, end)) as events:
            for piece in events:
                comparing.take(piece)
                if comparing.is_full:
                    comparing.compare()
                    connection.rollback()
                    progress(comparing.events, end)
                if stop is not None and stop.is_set():
                    raise Stopped(f"{comparing.events} events were folded")
        comparing.compare(last=LAST)
        progress(comparing.events, comparing.events)
    return HeadsVerified(comparing.heads, comparing.events, comparing.older, comparing.differences)


class _Comparing:
    """Streams refolded and not yet compared; the last of them may have more events to come."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor
        self._after = FIRST
        self._streams: dict[StreamKey, Refolded] = {}
        self.heads = self.events = self.older = 0
        self.differences: list[Difference] = []

    @property
    def is_full(self) -> bool:
        return len(self._streams) > BATCH_STREAMS

    def take(self, piece: Sequence[Logged]) -> None:
        for event in piece:
            key = event[1:3]
            found = self._streams.get(key)
            if found is None:
                found = self._streams[key] = Refolded()
            found.add((event,))
        self.events += len(piece)

    def compare(self, last: StreamKey | None = None) -> None:
        """Compares every stream but the one at hand with its head; with `last`, all up to there."""
        kept: dict[StreamKey, Refolded] = {}
        if last is None:
            key, refolded = self._streams.popitem()
            kept[key] = refolded
            last = next(reversed(self._streams))
        bounds = [part.hex() for part in (*self._after, *last)]
        rows = self._cursor.execute(HEADS, bounds, binary=True).fetchall()
        for row in rows:
            head = Head(*row)
            refolded = self._streams.pop(row[:2], Refolded())
            self._compare_one(head, refolded)
        for (tenant, stream), refolded in self._streams.items():
            self._differ(tenant, stream, "", None, f"version {refolded.version}")
        self.heads += len(rows)
        self._after = last
        self._streams = kept

    def _compare_one(self, head: Head, refolded: Refolded) -> None:
        if head.version > refolded.version:
            key = (head.tenant, head.stream)
            events = log.stream(self._cursor, key, refolded.version, head.version)
            refolded.add(events)
        differ = self._differ
        where = (head.tenant, head.stream)
        if head.version != refolded.version:
            return differ(*where, "version", str(head.version), str(refolded.version))
        if head.kind != refolded.kind:
            return differ(*where, "stream", head.kind, refolded.kind)
        if refolded.fault:
            return differ(*where, "state", "a state", refolded.fault)
        if head.fold_version != STREAMS[head.kind].fold_version:
            self.older += 1
            return None
        if head.state != encode_state(refolded.state):
            return differ(*where, *_first_field(head, refolded.state))
        for name, stored, expected in zip(
            ("wakes_on", "accrues", "payer_id"),
            head[5:8],
            STREAMS[head.kind].facts(refolded.state),
            strict=True,
        ):
            if stored != expected:
                return differ(*where, name, str(stored), str(expected))
        return None

    def _differ(
        self, tenant: bytes, stream: bytes, column: str, live: str | None, rebuilt: str | None
    ) -> None:
        if len(self.differences) < DIFFERENCES_MOST:
            key = {"tenant_id": str(UUID(bytes=tenant)), "stream_id": str(UUID(bytes=stream))}
            self.differences.append(Difference("heads", key, column, live, rebuilt))


def _first_field(head: Head, state: State) -> tuple[str, str, str]:
    """(field, stored value, value by the events) of the first field of the state that differs."""
    try:
        stored = asdict(decode_state(head.kind, head.state))
    except msgspec.DecodeError as error:
        return "state", f"unreadable: {error}"[:SHOWN_MOST], "a state"
    for name, expected in asdict(state).items():
        if stored[name] != expected:
            return f"state.{name}", str(stored[name])[:SHOWN_MOST], str(expected)[:SHOWN_MOST]
    return "state", "other bytes for the same values", "the bytes of its fold"
