"""Verifying snapshots: every stream is folded from its events by the ledger itself and compared with its stored
snapshot.

Commands are decided on snapshots, so a snapshot that was tampered with would be believed. Snapshots move while this
runs: they are read after their events, and the events that have come since are folded too.
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

SNAPSHOTS = """
SELECT uuid_send(tenant_id), uuid_send(stream_id), stream, version, fold_version, wakes_on, accrues, payer_id, state
  FROM snapshots
 WHERE (tenant_id, stream_id) > (%s::uuid, %s::uuid) AND (tenant_id, stream_id) <= (%s::uuid, %s::uuid)
 ORDER BY tenant_id, stream_id
"""
FIRST: StreamKey = (bytes(16), bytes(16))
LAST: StreamKey = (b"\xff" * 16, b"\xff" * 16)
BATCH_STREAMS = 2_000
MAX_DIFFERENCES = 10
MAX_SHOWN = 200


class SnapshotsVerified(msgspec.Struct, frozen=True):
    """What a verification of snapshots found. `differences` are the first ten; it holds when there is none.

    older  snapshots folded by another release's code: only their kind and version are compared, a command folds
            them anew
    """

    snapshots: int
    events: int
    older: int
    differences: list[Difference]

    @property
    def holds(self) -> bool:
        return not self.differences


class Snapshot(NamedTuple):
    """A stored snapshot."""

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


def verify_snapshots(
    connect: Connect,
    progress: Progress = lambda done, total: None,
    stop: threading.Event | None = None,
) -> SnapshotsVerified:
    """Refolds every stream and compares its snapshot. `connect` lends two connections of the writer's role.

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
    return SnapshotsVerified(
        comparing.snapshots, comparing.events, comparing.older, comparing.differences
    )


class _Comparing:
    """Streams refolded and not yet compared; the last of them may have more events to come."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor
        self._after = FIRST
        self._streams: dict[StreamKey, Refolded] = {}
        self.snapshots = self.events = self.older = 0
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
        """Compares every stream but the one at hand with its snapshot; with `last`, all up to there."""
        kept: dict[StreamKey, Refolded] = {}
        if last is None:
            key, refolded = self._streams.popitem()
            kept[key] = refolded
            last = next(reversed(self._streams))
        bounds = [part.hex() for part in (*self._after, *last)]
        rows = self._cursor.execute(SNAPSHOTS, bounds, binary=True).fetchall()
        for row in rows:
            snapshot = Snapshot(*row)
            refolded = self._streams.pop(row[:2], Refolded())
            self._compare_one(snapshot, refolded)
        for (tenant, stream), refolded in self._streams.items():
            self._differ(tenant, stream, "", None, f"version {refolded.version}")
        self.snapshots += len(rows)
        self._after = last
        self._streams = kept

    def _compare_one(self, snapshot: Snapshot, refolded: Refolded) -> None:
        if snapshot.version > refolded.version:
            key = (snapshot.tenant, snapshot.stream)
            events = log.stream(self._cursor, key, refolded.version, snapshot.version)
            refolded.add(events)
        differ = self._differ
        where = (snapshot.tenant, snapshot.stream)
        if snapshot.version != refolded.version:
            return differ(*where, "version", str(snapshot.version), str(refolded.version))
        if snapshot.kind != refolded.kind:
            return differ(*where, "stream", snapshot.kind, refolded.kind)
        if refolded.fault:
            return differ(*where, "state", "a state", refolded.fault)
        if snapshot.fold_version != STREAMS[snapshot.kind].fold_version:
            self.older += 1
            return None
        if snapshot.state != encode_state(refolded.state):
            return differ(*where, *_first_field(snapshot, refolded.state))
        for name, stored, expected in zip(
            ("wakes_on", "accrues", "payer_id"),
            snapshot[5:8],
            STREAMS[snapshot.kind].facts(refolded.state),
            strict=True,
        ):
            if stored != expected:
                return differ(*where, name, str(stored), str(expected))
        return None

    def _differ(
        self, tenant: bytes, stream: bytes, column: str, live: str | None, rebuilt: str | None
    ) -> None:
        if len(self.differences) < MAX_DIFFERENCES:
            key = {"tenant_id": str(UUID(bytes=tenant)), "stream_id": str(UUID(bytes=stream))}
            self.differences.append(Difference("snapshots", key, column, live, rebuilt))


def _first_field(snapshot: Snapshot, state: State) -> tuple[str, str, str]:
    """(field, stored value, value by the events) of the first field of the state that differs."""
    try:
        stored = asdict(decode_state(snapshot.kind, snapshot.state))
    except msgspec.DecodeError as error:
        return "state", f"unreadable: {error}"[:MAX_SHOWN], "a state"
    for name, expected in asdict(state).items():
        if stored[name] != expected:
            return f"state.{name}", str(stored[name])[:MAX_SHOWN], str(expected)[:MAX_SHOWN]
    return "state", "other bytes for the same values", "the bytes of its fold"
