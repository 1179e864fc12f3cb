"""The entries of a tenant's journal, derived from its log in the order of streams: in the same memory at any length.

`connection` is of the API's role inside a tenant's transaction, or of the writer's role; it is used for nothing else
while entries are drawn.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from ledger.event_registry import decode
from ledger.invoice.events import Sent
from ledger.journal.entry import JournalEntry, posted_on
from ledger.journal.facts import Facts, evolve
from ledger.journal.posting import STREAMS, entries
from projections.as_of import KNOWN
from projections.journal.closings import closings

PIECE_EVENTS = 500

EVENTS = f"""
SELECT uuid_send(stream_id), tenant_seq, tag, effective_on, data
  FROM events
 WHERE tenant_id = %(tenant_id)s
   AND split_part(tag, '.', 1) = ANY (%(kinds)s)
   AND {KNOWN}
 ORDER BY stream_id, version
"""


class PostedEntry(NamedTuple):
    """An entry with where it comes from: its event's number in the tenant's log and tag, its stream, and the number of
    the invoice, if it is one."""

    posted_on: date
    entry: JournalEntry
    tenant_seq: int
    tag: str
    stream_id: UUID
    number: str

    @property
    def narration(self) -> str:
        """What the entry is for, and the number of the invoice: text from outside, when the invoice was imported."""
        return f"{self.entry.says} {self.number}" if self.number else self.entry.says


class JournalEntries:
    """Every entry of a tenant, as known at an instant. Drawn once; `failed` then says how many streams have events that
    could not be posted: those before them are."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        tenant_id: UUID,
        known_at: datetime | None = None,
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._known_at = known_at
        self.failed = 0

    def __iter__(self) -> Iterator[PostedEntry]:
        with self._connection.cursor() as cursor:
            closed = closings(cursor, [self._tenant_id.bytes])[self._tenant_id.bytes]
        stream = b""
        facts, number, failed = Facts(), "", False
        for stream_id, tenant_seq, tag, effective_on, data in self._events():
            if stream_id != stream:
                stream = stream_id
                facts, number, failed = Facts(), "", False
            if failed:
                continue
            try:
                event = decode(tag, data)
                if isinstance(event, Sent):
                    number = event.number
                found = entries(facts, event, effective_on)
                closed_through = closed.before(tenant_seq) if found else None
                facts = evolve(facts, event)
            except (
                Exception
            ):  # it is parked, or will be, with its reason; the caller says how many are
                failed = True
                self.failed += 1
                continue
            for entry in found:
                day = posted_on(entry.on, closed_through)
                yield PostedEntry(day, entry, tenant_seq, tag, UUID(bytes=stream), number)

    def _events(self) -> Iterator[tuple[bytes, int, str, date, bytes]]:
        values = {
            "tenant_id": self._tenant_id,
            "kinds": list(STREAMS),
            "known_at": self._known_at,
        }
        with self._connection.cursor() as cursor:
            yield from cursor.stream(EVENTS.encode(), values, binary=True, size=PIECE_EVENTS)
