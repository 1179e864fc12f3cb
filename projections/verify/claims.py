"""What events give out: names that only one stream may have, and documents' numbers among them."""

from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from ledger.customer import Registered
from ledger.event_registry import Event, UnknownEventType, decode
from ledger.invoice.events import Credited, Sent
from ledger.numbering import DOCUMENT_NUMBER
from ledger.payment import Received, fingerprint_name
from projections.engine.tracking import Connection

GIVING = """
SELECT tenant_id, tenant_seq, stream_id, effective_on, tag, data
  FROM events
 WHERE (tenant_id, tenant_seq) > (%s, %s)
   AND (tag >= 'customer.registered.' AND tag < 'customer.registered/'
     OR tag >= 'invoice.credited.' AND tag < 'invoice.credited/'
     OR tag >= 'invoice.sent.' AND tag < 'invoice.sent/'
     OR tag >= 'payment.received.' AND tag < 'payment.received/'
     OR tag >= 'tenant.' AND tag < 'tenant/')
 ORDER BY tenant_id, tenant_seq
 LIMIT %s
"""
HOLDERS = """
SELECT given.tenant_id, given.kind, given.name, held.stream_id
  FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS given (tenant_id, kind, name)
  JOIN unique_names AS held
    ON held.tenant_id = given.tenant_id AND held.kind = given.kind AND held.name = given.name
"""
PAGE: Final = 2_000
NOBODY: Final = UUID(int=0)


class Given(NamedTuple):
    """An event that may have given out a name or a number."""

    tenant_id: UUID
    tenant_seq: int
    stream_id: UUID
    effective_on: date
    event: Event


class Claim(NamedTuple):
    """A name that a stream holds by its events."""

    tenant_id: UUID
    kind: str
    name: str
    stream_id: UUID


def pages(connection: Connection) -> Iterator[list[Given]]:
    """Every event that may have given something out, in the order of each tenant's log."""
    after: tuple[UUID, int] = (NOBODY, 0)
    while rows := connection.execute(GIVING, (*after, PAGE)).fetchall():
        yield [
            Given(tenant_id, tenant_seq, stream_id, effective_on, event)
            for tenant_id, tenant_seq, stream_id, effective_on, tag, data in rows
            if (event := readable(tag, data)) is not None
        ]
        after = (rows[-1][0], rows[-1][1])


def readable(tag: str, data: bytes) -> Event | None:
    """The event, or None for one that cannot be decoded: what it should have given out is then found missing."""
    try:
        return decode(tag, data)
    except (msgspec.DecodeError, UnknownEventType):
        return None


def claim_of(tenant_id: UUID, stream_id: UUID, event: Event) -> Claim | None:
    """The name that an event gives out; None when it gives none."""
    if isinstance(event, Sent):
        return Claim(tenant_id, DOCUMENT_NUMBER, event.number, stream_id)
    if isinstance(event, Credited):
        return Claim(tenant_id, DOCUMENT_NUMBER, event.number, event.credit_note_id)
    if isinstance(event, Received) and event.fingerprint:
        name = fingerprint_name(event.fingerprint, event.received_on)
        return Claim(tenant_id, "payment_fingerprint", name, stream_id)
    if isinstance(event, Registered) and event.reference:
        return Claim(tenant_id, "customer_reference", event.reference, stream_id)
    return None


def holders_of(connection: Connection, claims: list[Claim]) -> dict[tuple[UUID, str, str], UUID]:
    """Who holds each of the names that are held: streams by (tenant, kind, name)."""
    if not claims:
        return {}
    tenants, kinds, names, _ = zip(*claims, strict=True)
    rows = connection.execute(HOLDERS, (list(tenants), list(kinds), list(names)))
    return {row[:3]: row[3] for row in rows.fetchall()}
