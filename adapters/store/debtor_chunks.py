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
SELECT stream_id, stream, version, fold_version, state
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
            contacts = states.collection(payer_id)
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
        days = contacts.contacts if contacts is not None else ()
        yield DebtorCase(payer_id, customer, days, invoices)


class States:
    """The customers of a page and their collection streams, loaded together, decoded when they are asked for."""

    def __init__(
        self, connection: psycopg.Connection[Any], tenant_id: UUID, payers: Sequence[UUID]
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        ids = [*payers, *(collection.stream_id(tenant_id, payer_id) for payer_id in payers)]
        values = {"tenant": tenant_id, "ids": ids}
        rows = connection.execute(SELECT_STATES, values, binary=True).fetchall()
        self._rows = {row[0]: row for row in rows}

    def of(self, kind: str, stream_id: UUID) -> Any:
        """The state of a stream that must be there. Raises KeyError."""
        _, found, _, fold_version, data = self._rows[stream_id]
        assert found == kind, f"{stream_id} is a {found}"
        return state_of(self._connection, kind, self._tenant_id, stream_id, fold_version, data)

    def collection(self, payer_id: UUID) -> Collection | None:
        """A customer's collection stream; None before its first event."""
        stream_id = collection.stream_id(self._tenant_id, payer_id)
        found: Collection | None = None
        if stream_id in self._rows:
            found = self.of("collection", stream_id)
        return found

    def version(self, stream_id: UUID) -> int:
        """The version of a stream; 0 when it is new."""
        row = self._rows.get(stream_id)
        return row[2] if row is not None else 0


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
    invoices = {row[1]: row for row in rows}
    chunk = Chunk(START.cursor, Tally(), False, [], [], [payer.bytes for payer in payers])
    failed: list[UUID] = []
    for case in cases_of(connection, run.tenant_id, rows, states, failed):
        try:
            _decide(run, step, decide, case, states, invoices, chunk)
        except Exception:
            log.exception("customer %s could not be dunned on %s", case.customer_id, run.day)
            failed.append(case.customer_id)
    chunk.tally = Tally(len(payers), len(chunk.rows), len(failed))
    if payers:
        chunk.cursor = Cursor(START.cursor.after_on, payers[-1])
    return chunk


def _decide(
    run: Run,
    step: Step,
    decide: DecideDebtor,
    case: DebtorCase,
    states: States,
    invoices: dict[UUID, InvoiceRow],
    chunk: Chunk,
) -> None:
    """Decides on one customer, and adds what is due to the chunk, all of it or nothing."""
    found = decide(case, run.day)
    if not found:
        return
    known: dict[UUID, Any] = dict(case.invoices)
    changed: dict[UUID, Loaded] = {}
    origin = origin_of(run, step)
    rows = []
    for kind, stream_id, new in found:
        loaded = changed.get(stream_id)
        if loaded is None:
            row = invoices.get(stream_id)
            version = row[2] if row is not None else states.version(stream_id)
            state = known.get(stream_id)
            if kind == "collection" and version:
                state = states.of(kind, stream_id)
            loaded = changed[stream_id] = Loaded(kind, version, version, state)
        rows += pack_events(run, origin, stream_id.bytes, loaded.version, new)
        loaded.version += len(new)
        loaded.state = _evolved(kind, loaded.state, new)
    chunk.rows += rows
    chunk.snapshots += [
        snapshot_of(run.tenant_id.bytes, stream_id.bytes, loaded)
        for stream_id, loaded in changed.items()
    ]


def _evolved(kind: str, state: Any, new: Iterable[tuple[Any, date]]) -> Any:
    evolve = STREAMS[kind].evolve
    for event, effective_on in new:
        state = evolve(state, event, effective_on)
    return state
