"""When a tenant's books were closed, and through which day: by the order of its log.

An event is posted by what was closed before it was recorded, whatever was closed since. That is derived from the log,
so that a rebuild posts everything where it was posted before.
"""

from bisect import bisect_left
from collections.abc import Collection
from datetime import date
from typing import Any

import msgspec
import psycopg

import ledger.streams  # noqa: F401  registers every event's tag
from ledger.event_registry import UnknownEventType, decode
from ledger.tenant import Configured, Created

SETTINGS = """
SELECT uuid_send(events.tenant_id), events.tenant_seq, events.tag, events.data
  FROM unnest(%s::uuid[]) AS wanted (tenant_id)
  JOIN events ON events.tenant_id = wanted.tenant_id AND events.stream_id = wanted.tenant_id
 WHERE events.tag LIKE 'tenant.created.%%' OR events.tag LIKE 'tenant.configured.%%'
 ORDER BY events.tenant_id, events.version
"""


class SettingsUnreadable(Exception):
    """An event of the tenant's settings cannot be read, so nobody knows whether it closed the books."""


class Closings:
    """The closings of one tenant's books, in the order of its log."""

    def __init__(self) -> None:
        self._seqs: list[int] = []
        self._through: list[date] = []
        self._unreadable: int | None = None

    def close(self, tenant_seq: int, through: date | None) -> None:
        """The settings with that number say that the books are closed through a day. A closed month stays closed."""
        if through is not None and (not self._through or through > self._through[-1]):
            self._seqs.append(tenant_seq)
            self._through.append(through)

    def doubt(self, tenant_seq: int) -> None:
        """The settings with that number cannot be read."""
        if self._unreadable is None:
            self._unreadable = tenant_seq

    def before(self, tenant_seq: int) -> date | None:
        """Through which day the books were closed when the event with that number was recorded.

        Raises SettingsUnreadable.
        """
        if self._unreadable is not None and self._unreadable < tenant_seq:
            raise SettingsUnreadable(f"the settings with the number {self._unreadable}")
        if not self._seqs:
            return None
        found = bisect_left(self._seqs, tenant_seq)
        return self._through[found - 1] if found else None


def closings(cursor: psycopg.Cursor[Any], tenants: Collection[bytes]) -> dict[bytes, Closings]:
    """The closings of each of these tenants."""
    found = {tenant: Closings() for tenant in tenants}
    wanted = [tenant.hex() for tenant in tenants]
    rows = cursor.execute(SETTINGS, (wanted,), binary=True).fetchall()
    for tenant, tenant_seq, tag, data in rows:
        try:
            event = decode(tag, data)
        except (msgspec.DecodeError, UnknownEventType):
            found[tenant].doubt(tenant_seq)
            continue
        if isinstance(event, Created | Configured):
            found[tenant].close(tenant_seq, event.settings.books_closed_through)
    return found
