"""Applying events to a read model's tables, inside the caller's transaction.

The events of a page are grouped by stream; the streams' rows are loaded in one query, folded in Python, and written
in one statement; the difference of what they add to the sums, or what their events add, is added in one statement per
sum table.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import psycopg
from msgspec.structs import astuple

from ledger.event_registry import decode, stream_of
from projections.engine import log, parked
from projections.engine.log import Logged, Streams
from projections.engine.parked import Fault
from projections.engine.projection import Part, Projection, Totals
from projections.engine.tables import StreamKey

UNWRITABLE = (psycopg.DataError, psycopg.IntegrityError, struct.error, UnicodeError)
"""What a row raises that its table cannot hold: its stream is at fault, not the page."""


class EventsMissing(Exception):
    """A stream's event does not follow the one its row was folded from."""


class Applied(NamedTuple):
    """How many events were folded into rows, and which streams failed and are parked now."""

    events: int
    faults: list[Fault]


def by_kind(page: Sequence[Logged]) -> dict[str, Streams]:
    """A page's events by kind of stream, then by stream."""
    kinds: dict[str, Streams] = {}
    of_tag: dict[str, Streams] = {}
    for event in page:
        streams = of_tag.get(event[5])
        if streams is None:
            streams = of_tag[event[5]] = kinds.setdefault(stream_of(event[5]), {})
        key = event[1:3]
        found = streams.get(key)
        if found is None:
            streams[key] = [event]
        else:
            found.append(event)
    return kinds


def of_kinds(kinds: dict[str, Streams], wanted: Sequence[str]) -> Streams:
    """The streams of some kinds among a page's."""
    if len(wanted) == 1:
        return kinds.get(wanted[0], {})
    return {key: events for kind in wanted for key, events in kinds.get(kind, {}).items()}


def apply(
    cursor: psycopg.Cursor[Any], projection: Projection, suffix: str, streams: Streams
) -> Applied:
    """Folds events into the tables with that suffix. Streams that fail are parked under the projection's name and
    the suffix; streams that were parked before are passed over."""
    streams = projection.read_of(streams)
    if not streams:
        return Applied(0, [])
    name = projection.name + suffix
    passed = parked.among(cursor, name, streams)
    if passed:
        streams = {key: events for key, events in streams.items() if key not in passed}
    try:
        with cursor.connection.transaction():
            applied = _apply_page(cursor, projection, suffix, streams)
    except UNWRITABLE:
        events = [(key, event) for key, found in streams.items() for event in found]
        applied = _apply_writable(cursor, projection, suffix, events)
    parked.park(cursor, name, applied.faults)
    return applied


def fold_onto(
    projection: Projection, row: Any, events: Sequence[Logged], loaded: Any = None
) -> list[Part]:
    """Folds events of one stream into its row; returns what they add to the sums by themselves.

    `loaded` is what the projection's additions have loaded. Raises what decoding or folding raises, and EventsMissing.
    """
    fold = projection.fold
    parts = projection.adds.parts if projection.adds is not None else None
    added: list[Part] = []
    for _, _, _, version, tenant_seq, tag, effective_on, data in events:
        if not projection.follows(version, row.version):
            raise EventsMissing(f"version {version} follows version {row.version}")
        event = decode(tag, data)
        if parts is not None:
            added += parts(row, event, effective_on, tenant_seq, loaded)
        fold(row, event, effective_on)
        row.version = version
        row.tenant_seq = tenant_seq
    return added


class Folded(NamedTuple):
    """A stream's row after its events, and what those have added by themselves; where one fails, as it was before that
    one, and the fault."""

    row: Any
    added: list[Part]
    fault: Fault | None


def folded(
    projection: Projection,
    key: StreamKey,
    found: tuple[Any, ...] | None,
    events: Sequence[Logged],
    loaded: Any = None,
) -> Folded:
    """Folds a stream's events into the row that was found, or into a new one."""
    row = projection.row(*(found or key))
    try:
        return Folded(row, fold_onto(projection, row, events, loaded), None)
    except (
        Exception
    ) as error:  # whatever a fold raises is its stream's fault; it is parked with its reason
        failed = sum(version <= row.version for _, _, _, version, *_ in events)
        whole = projection.row(*(found or key))
        added = fold_onto(projection, whole, events[:failed], loaded)
        return Folded(whole, added, Fault(events[failed], error))


def _apply_page(
    cursor: psycopg.Cursor[Any], projection: Projection, suffix: str, streams: Streams
) -> Applied:
    rest = streams if projection.shortcut is None else projection.shortcut(cursor, suffix, streams)
    short = 0
    if rest is not streams:
        short = sum(len(events) for key, events in streams.items() if key not in rest)
    applied = _apply(cursor, projection, suffix, rest)
    return Applied(short + applied.events, applied.faults)


def _apply(
    cursor: psycopg.Cursor[Any], projection: Projection, suffix: str, streams: Streams
) -> Applied:
    if not streams:
        return Applied(0, [])
    found = {row[:2]: row for row in projection.table.load(cursor, suffix, list(streams))}
    loaded = load_for(cursor, projection, streams)
    totals = Totals(projection)
    rows: list[tuple[Any, ...]] = []
    faults: list[Fault] = []
    count = 0
    for key, events in streams.items():
        before = found.get(key)
        row, added, fault = folded(projection, key, before, events, loaded)
        if fault is not None:
            faults.append(fault)
        if row.version == (before[2] if before else 0):
            continue
        count += row.version - (before[2] if before else 0)
        if before is not None:
            totals.add(projection.parts(projection.row(*before)), -1)
        totals.add(projection.parts(row))
        totals.add(added)
        rows.append(astuple(row))
    if rows:
        projection.table.store(cursor, suffix, rows)
    totals.write(cursor, suffix)
    return Applied(count, faults)


def _apply_writable(
    cursor: psycopg.Cursor[Any],
    projection: Projection,
    suffix: str,
    events: Sequence[tuple[StreamKey, Logged]],
) -> Applied:
    """Applies events but those whose row cannot be written, and those of the same stream after one.

    They are found by halving: what can be written is, what cannot is parted until it is one event.
    """
    streams: Streams = {}
    for key, event in events:
        streams.setdefault(key, []).append(event)
    try:
        with cursor.connection.transaction():
            return _apply(cursor, projection, suffix, streams)
    except UNWRITABLE as error:
        if len(events) == 1:
            return Applied(0, [Fault(events[0][1], error)])
    half = len(events) // 2
    first = _apply_writable(cursor, projection, suffix, events[:half])
    parked_now = {fault.event[1:3] for fault in first.faults}
    rest = [one for one in events[half:] if one[0] not in parked_now]
    second = _apply_writable(cursor, projection, suffix, rest)
    return Applied(first.events + second.events, first.faults + second.faults)


def refold(
    cursor: psycopg.Cursor[Any], projection: Projection, suffix: str, key: StreamKey, upto: int
) -> Applied:
    """Replaces a stream's row, and its part in the sums, by what its events up to a position come to.

    It is parked again when one of them fails.
    """
    totals = Totals(projection)
    for before in projection.table.load(cursor, suffix, [key]):
        totals.add(projection.parts(projection.row(*before)), -1)
        totals.add(_added(cursor, projection, key, last=before[2]), -1)
        projection.table.delete(cursor, suffix, key)
    totals.write(cursor, suffix)
    events = log.stream(cursor, key, upto=upto)
    return apply(cursor, projection, suffix, {key: events} if events else {})


def load_for(
    cursor: psycopg.Cursor[Any], projection: Projection, streams: Iterable[StreamKey]
) -> Any:
    """What the projection's additions need to know of the tenants of some streams; None when it has none."""
    if projection.adds is None:
        return None
    return projection.adds.load(cursor, {tenant for tenant, _ in streams})


def _added(
    cursor: psycopg.Cursor[Any], projection: Projection, key: StreamKey, last: int
) -> list[Part]:
    """What a stream's events up to a version have added by themselves."""
    if projection.adds is None:
        return []
    events = log.stream(cursor, key, last=last)
    loaded = load_for(cursor, projection, [key])
    return fold_onto(projection, projection.row(*key), events, loaded)
