"""Events as the API shows them, and pages of them."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from adapters.store.reading import Stored
from projections.pagination import MalformedCursor, Page


class EventView(msgspec.Struct, frozen=True):
    """An event and its envelope: when it was true, when it was known, and who caused it.

    `effective_on` is a business date, `recorded_at` UTC. `data` depends on the tag; its amounts are minor units.
    """

    tenant_seq: int
    stream: str
    stream_id: UUID
    version: int
    tag: str
    recorded_at: datetime
    effective_on: date
    actor: str
    command_id: UUID
    correlation_id: str
    causation_id: UUID | None
    data: msgspec.Raw


def event_view(stored: Stored) -> EventView:
    return EventView(
        tenant_seq=stored.tenant_seq,
        stream=stored.stream,
        stream_id=stored.stream_id,
        version=stored.version,
        tag=stored.tag,
        recorded_at=stored.recorded_at,
        effective_on=stored.effective_on,
        actor=stored.actor,
        command_id=stored.command_id,
        correlation_id=stored.correlation_id,
        causation_id=stored.causation_id,
        data=msgspec.Raw(stored.data),
    )


def events_page(
    stored: Sequence[Stored], limit: int, place: Callable[[Stored], int]
) -> Page[EventView]:
    """A page of events from up to one more than `limit`; the cursor is the last one's place."""
    shown = stored[:limit]
    more = len(stored) > limit
    return Page([event_view(one) for one in shown], str(place(shown[-1])) if more else None)


def numeric_cursor(cursor: str | None) -> int:
    """A cursor that is a number; 0 for none. Raises MalformedCursor."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise MalformedCursor(
            "the cursor was not given out by this list; begin without one", field="cursor"
        )
    return int(cursor)
