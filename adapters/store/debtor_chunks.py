"""Deciding one chunk of the dunning step: whole customers, each with its open invoices and its collection stream.

An invoice that cannot be read, or a customer that cannot be decided, is logged, counted and left as it is.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg

from adapters.store.append import Origin
from adapters.store.clock_chunks import Chunk, origin_of, pack_events
from adapters.store.snapshots import Loaded, snapshot_of, state_of
from ledger import collection
from ledger.business_day import Step, Tally
from ledger.collection import Collection
from ledger.invoice.state import Invoice
from ledger.streams import STREAMS
from schedulers.ports import START, Cursor, DebtorCase, DecideDebtor, Run

log = logging.getLogger("duebook.clock")

InvoiceRow = tuple[UUID, UUID, int, int, bytes]
"""(payer, invoice, version, fold version, state)"""

SELECT_DEBTORS = """
SELECT payer_id, stream_id, version, fold_version, state
  FROM snapshots
 WHERE tenant_id = %(tenant)s AND payer_id > %(after)s AND stream = 'invoice'
 ORDER BY payer_id, stream_id
 LIMIT %(limit)s
"""
SELECT_INVOICES_OF = """
SELECT payer_id, stream_id, version, fold_version, state
  FROM snapshots
 WHERE tenant_id = %(tenant)s AND payer_id = ANY(%(payers)s) AND stream = 'invoice'
 ORDER BY payer_id, stream_id
"""
SELECT_STATES = """
SELECT uuid_send(stream_id), stream, version, fold_version, state
  FROM snapshots
 WHERE tenant_id = %(tenant)s AND stream_id = ANY(%(ids)s)
"""


def read_debtors(
    connection: psycopg.Connection[Any], tenant_id: UUID, after: UUID, limit: int
) -> tuple[list[InvoiceRow], bool]:
    """The open invoices of whole customers after one, about `limit` of them, and whether those are the last."""
    values = {"tenant": tenant_id, "after": after, "limit": limit}
    rows = connection.execute(SELECT_DEBTORS, values, binary=True).fetchall()
    if len(rows) < limit:
        return rows, True
    last = rows[-1][0]
    whole = [row for row in rows if row[0] != last]
    if whole:
        return whole, False
    return invoices_of(connection, tenant_id, [last]), False


def invoices_of(
    connection: psycopg.Connection[Any], tenant_id: UUID, payers: Sequence[UUID]
) -> list[InvoiceRow]:
    """The open invoices of some customers."""
    values = {"tenant": tenant_id, "payers": list(payers)}
    return connection.execute(SELECT_INVOICES_OF, values, binary=True).fetchall()


def cases_of(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    rows: Iterable[InvoiceRow],
    states: "States",
    failed: list[UUID],
) -> Iterable[DebtorCase]:
    """Each customer with its open invoices. What cannot be read is logged, added to `failed` and left out: an invoice,
    or a customer with all of its own."""
    for payer_id, own in groupby(rows, key=lambda row: row[0]):
        try:
            customer = states.of("customer", payer_id)
            collection_id, contacts = states.collection(payer_id)
        except psycopg.Error:
            raise  # the database's trouble is not the customer's
        except Exception:
            log.exception("customer %s cannot be read; it is not dunned", payer_id)
            failed.append(payer_id)
            continue
        invoices: list[tuple[UUID, Invoice]] = []
        for _, stream_id, _, fold_version, data in own:
            try:
                invoice = state_of(connection, "invoice", tenant_id, stream_id, fold_version, data)
            except psycopg.Error:
                raise
            except Exception:
                log.exception("invoice %s cannot be read; it is not dunned", stream_id)
                failed.append(stream_id)
            else:
                invoices.append((stream_id, invoice))
        contacts = contacts or collection.Collection(payer_id)
        yield DebtorCase(
            payer_id, customer, contacts.contacts, invoices, collection_id, contacts.opened_on
        )


class States:
    """The customers of a page and their collection streams, loaded together, decoded when they are asked for."""

    def __init__(
        self, connection: psycopg.Connection[Any], tenant_id: UUID, payers: Sequence[UUID]
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._collections = {
            payer_id: collection.stream_id(tenant_id, payer_id) for payer_id in payers
        }
        values = {"tenant": tenant_id, "ids": [*payers, *self._collections.values()]}
        rows = connection.execute(SELECT_STATES, values, binary=True).fetchall()
        # By their bytes: a UUID's own hash is computed in Python, each time.
        self._rows: dict[bytes, tuple[bytes, str, int, int, bytes]] = {row[0]: row for row in rows}

    def of(self, kind: str, stream_id: UUID) -> Any:
        """The state of a stream that must be there. Raises KeyError."""
        return self._state(kind, self._rows[stream_id.bytes])

    def collection(self, payer_id: UUID) -> tuple[UUID, Collection | None]:
        """A customer's collection stream and its state; None before its first event."""
        stream_id = self._collections[payer_id]
        row = self._rows.get(stream_id.bytes)
        return stream_id, self._state("collection", row) if row is not None else None

    def version(self, stream_id: UUID) -> int:
        """The version of a stream; 0 when it is new."""
        row = self._rows.get(stream_id.bytes)
        return row[2] if row is not None else 0

    def _state(self, kind: str, row: tuple[bytes, str, int, int, bytes]) -> Any:
        stream_id, found, _, fold_version, data = row
        assert found == kind, f"{UUID(bytes=stream_id)} is a {found}"
        return state_of(self._connection, kind, self._tenant_id, stream_id, fold_version, data)


def decide_debtors(
    connection: psycopg.Connection[Any],
    run: Run,
    step: Step,
    decide: DecideDebtor,
    rows: Sequence[InvoiceRow],
) -> Chunk:
    """Decides on each customer of a page, in its order."""
    payers = list(dict.fromkeys(row[0] for row in rows))
    states = States(connection, run.tenant_id, payers)
    invoices = {row[1].bytes: row for row in rows}
    chunk = Chunk(START.cursor, Tally(), False, [], [], [payer.bytes for payer in payers])
    failed: list[UUID] = []
    origin = origin_of(run, step)
    for case in cases_of(connection, run.tenant_id, rows, states, failed):
        try:
            _decide(run, origin, decide, case, states, invoices, chunk)
        except Exception:
            log.exception("customer %s could not be dunned on %s", case.customer_id, run.day)
            failed.append(case.customer_id)
    chunk.tally = Tally(len(payers), len(chunk.rows), len(failed))
    if payers:
        chunk.cursor = Cursor(START.cursor.after_on, payers[-1])
    return chunk


def _decide(
    run: Run,
    origin: Origin,
    decide: DecideDebtor,
    case: DebtorCase,
    states: States,
    invoices: dict[bytes, InvoiceRow],
    chunk: Chunk,
) -> None:
    """Decides on one customer, and adds what is due to the chunk, all of it or nothing."""
    found = decide(case, run.day)
    if not found:
        return
    known = {invoice_id.bytes: invoice for invoice_id, invoice in case.invoices}
    changed: dict[bytes, Loaded] = {}
    rows = []
    for kind, stream_id, new in found:
        stream = stream_id.bytes
        loaded = changed.get(stream)
        if loaded is None:
            loaded = changed[stream] = _loaded(kind, stream_id, states, invoices, known)
        rows += pack_events(run, origin, stream, loaded.version, new)
        loaded.version += len(new)
        loaded.state = _evolved(kind, loaded.state, new)
    chunk.rows += rows
    tenant = run.tenant_id.bytes
    chunk.snapshots += [snapshot_of(tenant, stream, loaded) for stream, loaded in changed.items()]


def _loaded(
    kind: str,
    stream_id: UUID,
    states: States,
    invoices: dict[bytes, InvoiceRow],
    known: dict[bytes, Invoice],
) -> Loaded:
    """A stream as it was read; a message is always new."""
    if kind == "message":
        return Loaded(kind, 0, 0, None)
    stream = stream_id.bytes
    if kind == "invoice":
        version = invoices[stream][2]
        return Loaded(kind, version, version, known[stream])
    version = states.version(stream_id)
    return Loaded(kind, version, version, states.of(kind, stream_id) if version else None)


def _evolved(kind: str, state: Any, new: Iterable[tuple[Any, date]]) -> Any:
    evolve = STREAMS[kind].evolve
    for event, effective_on in new:
        state = evolve(state, event, effective_on)
    return state
