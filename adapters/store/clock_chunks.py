"""Deciding one chunk of a night: each invoice's snapshot is read, decided on, and packed for the log.

What cannot be read or decided is logged, counted and left as it is: one bad invoice does not stop the night.
"""

import logging
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg

from adapters.store.append import Origin, Row, Snapshot, pack_row
from adapters.store.snapshots import Loaded, snapshot_of, state_of
from ledger.business_day import Tally
from ledger.event_registry import Event, New, encode
from ledger.ids import derived_id
from ledger.invoice.events import LateFeeCharged, MoraPosted, Recalculated
from ledger.invoice.state import Invoice
from ledger.streams import STREAMS
from projections.engine.postgres_binary import field
from schedulers.ports import START, Cursor, Decide, Run

log = logging.getLogger("duebook.clock")

EVOLVE = STREAMS["invoice"].evolve


class SnapshotRow(NamedTuple):
    """A snapshot as a chunk's query gives it, in PostgreSQL's binary form; `wakes_on` is its place in the order."""

    stream_id: bytes
    version: int
    fold_version: int
    state: bytes
    wakes_on: date | None


class Moved(NamedTuple):
    """An invoice that was decided on: what it led to, packed, and the snapshot after it."""

    events: Sequence[New]
    rows: list[Row]
    snapshot: Snapshot
    currency: str


class Chunk(msgspec.Struct):
    """A chunk that was read and decided (`schedulers.ports.Prepared`)."""

    cursor: Cursor
    tally: Tally
    is_last: bool
    rows: list[Row]
    snapshots: list[Snapshot]
    looked_at: list[bytes]


def decide_chunk(
    connection: psycopg.Connection[Any],
    run: Run,
    step: str,
    decide: Decide,
    found: Sequence[SnapshotRow],
) -> Chunk:
    """Decides on each snapshot of a page, in its order."""
    origin = origin_of(run, step)
    rows: list[Row] = []
    snapshots: list[Snapshot] = []
    amounts: dict[str, int] = {}
    failed = 0
    for row in found:
        try:
            moved = _moved(connection, run, origin, decide, row)
        except psycopg.Error:
            raise  # the database's trouble is not the invoice's
        except Exception:
            log.exception(
                "invoice %s could not be brought to %s", UUID(bytes=row.stream_id), run.day
            )
            failed += 1
            continue
        if moved is not None:
            rows += moved.rows
            snapshots.append(moved.snapshot)
            _count_charges(amounts, moved)
    tally = Tally(looked_at=len(found), posted=len(rows), failed=failed, amounts=amounts)
    return Chunk(START.cursor, tally, False, rows, snapshots, [row.stream_id for row in found])


def pack_events(
    run: Run, origin: Origin, stream_id: bytes, version: int, events: Sequence[New]
) -> list[Row]:
    """Events packed for the log, at the versions after `version`."""
    tenant = run.tenant_id.bytes
    return [
        pack_row(tenant, stream_id, number, _tag(event), effective_on, origin, encode(event))
        for number, (event, effective_on) in enumerate(events, version + 1)
    ]


def origin_of(run: Run, what: str) -> Origin:
    """Who asked for the events of a step, and why: the run's actor, a command id of the day, no cause."""
    command_id = derived_id(run.day, run.tenant_id, "clock", what)
    return Origin.of(run.actor, command_id, f"day-{run.day}", None)


def _moved(
    connection: psycopg.Connection[Any], run: Run, origin: Origin, decide: Decide, row: SnapshotRow
) -> Moved | None:
    """Decides on one invoice; None when nothing is due."""
    stream_id, version, fold_version, data, _ = row
    invoice: Invoice = state_of(
        connection, "invoice", run.tenant_id, UUID(bytes=stream_id), fold_version, data
    )
    new = decide(invoice, run.day)
    if not new:
        return None
    packed = pack_events(run, origin, stream_id, version, new)
    for event, effective_on in new:
        invoice = EVOLVE(invoice, event, effective_on)
    loaded = Loaded("invoice", version, version + len(packed), invoice)
    snapshot = snapshot_of(run.tenant_id.bytes, stream_id, loaded)
    return Moved(new, packed, snapshot, invoice.currency)


def _count_charges(amounts: dict[str, int], moved: Moved) -> None:
    """Adds the fee and interest that an invoice was charged to the step's amounts by currency, in minor units."""
    for event, _ in moved.events:
        if isinstance(event, (MoraPosted, LateFeeCharged)):
            change_minor = event.amount_minor
        elif isinstance(event, Recalculated):
            change_minor = event.late_fee_minor + event.mora_minor
        else:
            continue
        amounts[moved.currency] = amounts.get(moved.currency, 0) + change_minor


_tags: dict[str, bytes] = {}


def _tag(event: Event) -> bytes:
    """An event's type as a packed text field."""
    return _tags.get(event.TAG) or _tags.setdefault(event.TAG, field(event.TAG.encode()))
