"""Deciding one chunk of a night: each invoice's snapshot is read, decided on, and packed for the log.

What cannot be read or decided is logged, counted and left as it is: one bad invoice does not stop the night.
"""

import logging
from collections.abc import Sequence
from datetime import date
from typing import Any
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


SnapshotRow = tuple[bytes, int, int, bytes, date | None]
"""A snapshot as a chunk's query gives it, in PostgreSQL's binary form: stream id, version, fold version, state, and the
day it wakes on, its place in the order. A plain tuple: one is made for each invoice of a night."""


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
    ids = [row[0] for row in found]
    chunk = Chunk(START.cursor, Tally(), False, [], [], ids)
    amounts: dict[str, int] = {}
    failed = 0
    for row in found:
        try:
            _decide(connection, run, origin, decide, row, chunk, amounts)
        except psycopg.Error:
            raise  # the database's trouble is not the invoice's
        except Exception:
            log.exception("invoice %s could not be brought to %s", UUID(bytes=row[0]), run.day)
            failed += 1
    chunk.tally = Tally(len(found), len(chunk.rows), failed, amounts)
    return chunk


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


def _decide(
    connection: psycopg.Connection[Any],
    run: Run,
    origin: Origin,
    decide: Decide,
    row: SnapshotRow,
    chunk: Chunk,
    amounts: dict[str, int],
) -> None:
    """Decides on one invoice, and adds what is due to the chunk and to its amounts, all of it or nothing."""
    stream_id, version, fold_version, data, _ = row
    invoice: Invoice = state_of(connection, "invoice", run.tenant_id, stream_id, fold_version, data)
    new = decide(invoice, run.day)
    if not new:
        return
    packed = pack_events(run, origin, stream_id, version, new)
    for event, effective_on in new:
        invoice = EVOLVE(invoice, event, effective_on)
    loaded = Loaded("invoice", version, version + len(packed), invoice)
    chunk.snapshots.append(snapshot_of(run.tenant_id.bytes, stream_id, loaded))
    chunk.rows += packed
    _count_charges(amounts, invoice.currency, new)


def _count_charges(amounts: dict[str, int], currency: str, new: Sequence[New]) -> None:
    """Adds the fee and interest that an invoice was charged to the step's amounts by currency, in minor units."""
    for event, _ in new:
        if isinstance(event, (MoraPosted, LateFeeCharged)):
            change_minor = event.amount_minor
        elif isinstance(event, Recalculated):
            change_minor = event.late_fee_minor + event.mora_minor
        else:
            continue
        amounts[currency] = amounts.get(currency, 0) + change_minor


_tags: dict[str, bytes] = {}


def _tag(event: Event) -> bytes:
    """An event's type as a packed text field."""
    return _tags.get(event.TAG) or _tags.setdefault(event.TAG, field(event.TAG.encode()))
