"""What was owed on a day, as known at an instant: streams refolded, leaving out what came later on either axis.

An event counts when it took effect on or before `as_of` and was recorded at or before `known_at`. An invoice's content
counts from its issue date, though its draft may have been written later. Events are streamed in the order of streams,
so that a report takes the same memory over any number of them.

`connection` is of the API's role inside a tenant's transaction, or of the writer's role; it is used for nothing else
while rows are drawn.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from ledger.errors import Rejected
from ledger.event_registry import decode
from ledger.invoice.as_of import effective_by
from projections.engine.projection import Projection

PIECE_EVENTS = 500
CLOCK_SKEW = timedelta(seconds=60)
"""A client's clock may be so far ahead of this one: the instant it calls now is not refused."""

KNOWN = "(%(known_at)s::timestamptz IS NULL OR recorded_at <= %(known_at)s)"
"""Whether an event was known at `known_at`; every one was when that is null."""

COUNTS = f"""(effective_on <= %(as_of)s
     OR tag LIKE 'invoice.drafted.%%' OR tag LIKE 'invoice.redrafted.%%') AND {KNOWN}"""
"""Whether an event counts in what is asked as of `as_of`, as known at `known_at`."""

EVENTS = f"""
SELECT uuid_send(stream_id), tag, effective_on, data
  FROM events
 WHERE tenant_id = %(tenant_id)s
   AND split_part(tag, '.', 1) = ANY (%(kinds)s)
   AND {COUNTS}
 ORDER BY stream_id, version
"""


class AsOfInFuture(Rejected):
    """A report is of a day that has come; what a later day will bring is not in the books."""


class KnownAtInFuture(Rejected):
    """A report is as known at an instant that has come: what will be known then can still change."""


def require_come(as_of: date | None, known_at: datetime | None, today: date, now: datetime) -> None:
    """Raises AsOfInFuture, KnownAtInFuture for a report of what lies ahead; what is left out is today, or now."""
    if as_of is not None and as_of > today:
        raise AsOfInFuture(
            f"as_of {as_of} has not come; today is {today}. For what is to come ask "
            f"GET /api/invoices/{{id}}/pay-off?on={as_of}, or run: "
            f"duebook day run --dry-run --date {as_of}",
            field="as_of",
        )
    if known_at is not None and known_at > now + CLOCK_SKEW:
        raise KnownAtInFuture(
            f"known_at {known_at.isoformat()} has not come; it is {now.isoformat(timespec='seconds')}. "
            "Leave it out to ask what is known now",
            field="known_at",
        )


class AsOf:
    """The rows of a projection as they were. Drawn once; `failed` then says how many streams could not be folded."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        projection: Projection,
        tenant_id: UUID,
        as_of: date,
        known_at: datetime | None = None,
    ) -> None:
        self._connection = connection
        self._projection = projection
        self._tenant_id = tenant_id
        self._as_of = as_of
        self._known_at = known_at
        self.failed = 0

    def __iter__(self) -> Iterator[Any]:
        """The row of each stream that had begun, as `Projection.row`; one that fails, as it was before."""
        fold, new_row = self._projection.fold, self._projection.row
        tenant = self._tenant_id.bytes
        stream: bytes | None = None
        row: Any = None
        begun = failed = False
        for stream_id, tag, effective_on, data in self._events():
            if stream_id != stream:
                if begun:
                    yield row
                stream, row = stream_id, new_row(tenant, stream_id)
                begun = failed = False
            if failed:
                continue
            try:
                fold(row, effective_by(decode(tag, data), self._as_of), effective_on)
            except (
                Exception
            ):  # it is parked, or will be, with its reason; the report says how many are
                failed = True
                self.failed += 1
                continue
            begun = begun or effective_on <= self._as_of
        if begun:
            yield row

    def _events(self) -> Iterator[tuple[bytes, str, date, bytes]]:
        values = {
            "tenant_id": self._tenant_id,
            "kinds": list(self._projection.streams),
            "as_of": self._as_of,
            "known_at": self._known_at,
        }
        with self._connection.cursor() as cursor:
            yield from cursor.stream(EVENTS.encode(), values, binary=True, size=PIECE_EVENTS)
