"""Number series worked out again from the invoices that were sent: every number given out once, in order, no gap."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from commands.tenants import formatted_number
from ledger.events import decode, tags
from ledger.invoice.events import Sent
from ledger.tenant import Configured, Created, Settings

KIND = "invoice"
FETCH = 2_000
TELLING = ("tenant.created.", "tenant.configured.", "invoice.sent.")

SELECT_EVENTS = """
SELECT tenant_id, tenant_seq, tag, data FROM events
 WHERE tag = ANY (%s)
 ORDER BY tenant_id, tenant_seq
"""
SELECT_SERIES = """
SELECT tenant_id, kind, series, next_number, last_issued_on FROM number_series
 ORDER BY tenant_id, kind, series
"""
SELECT_HOLDER = """
SELECT 1 FROM unique_names WHERE tenant_id = %s AND kind = 'invoice_number' AND name = %s
"""

SeriesKey = tuple[UUID, str, str]
"""(tenant, kind of document, series)"""


class Series(msgspec.Struct):
    """A series as far as it has come."""

    next_number: int
    last_issued_on: date


def check_series(connection: psycopg.Connection[Any]) -> tuple[int, str]:
    """(how many series, the first difference between them and the events; empty when there is none).

    Runs in the caller's transaction, on a connection that sees every tenant.
    """
    stored: dict[SeriesKey, Series] = {
        (row[0], row[1], row[2]): Series(row[3], row[4])
        for row in connection.execute(SELECT_SERIES).fetchall()
    }
    counted: dict[SeriesKey, Series] = {}
    for key, sent in _sent(connection):
        series = counted.setdefault(key, Series(1, date.min))
        if not _gives(connection, key, series, sent, stored):
            return len(stored), (
                f"tenant {key[0]}, series {key[2]}: {sent[1].number!r} is not the number "
                f"that comes next, {formatted_number(sent[0], series.next_number, sent[1].issued_on)!r}"
            )
    for key in sorted(stored.keys() | counted.keys(), key=str):
        if stored.get(key) != counted.get(key):
            return len(stored), (
                f"tenant {key[0]}, series {key[2]}: stored {_told(stored.get(key))}, "
                f"by the events {_told(counted.get(key))}"
            )
    return len(stored), ""


def _sent(
    connection: psycopg.Connection[Any],
) -> Iterator[tuple[SeriesKey, tuple[Settings, Sent]]]:
    """Every invoice that took a number, in order, with its series and the settings it was numbered under."""
    wanted = [tag for tag in tags() if tag.startswith(TELLING)]
    settings: dict[UUID, Settings] = {}
    with connection.cursor("numbering") as cursor:
        cursor.itersize = FETCH
        cursor.execute(SELECT_EVENTS, (wanted,), binary=True)
        for tenant_id, _, tag, data in cursor:
            match decode(tag, data):
                case Created(settings=new) | Configured(settings=new):
                    settings[tenant_id] = new
                case Sent(imported=False) as sent:
                    under = settings[tenant_id]
                    yield (tenant_id, KIND, under.series), (under, sent)


def _gives(
    connection: psycopg.Connection[Any],
    key: SeriesKey,
    series: Series,
    sent: tuple[Settings, Sent],
    stored: dict[SeriesKey, Series],
) -> bool:
    """Takes the invoice's number from its series; a number that an imported invoice holds is passed over."""
    settings, event = sent
    last = stored[key].next_number if key in stored else 0
    while (
        number := formatted_number(settings, series.next_number, event.issued_on)
    ) != event.number:
        held = connection.execute(SELECT_HOLDER, (key[0], number)).fetchone()
        if held is None or series.next_number >= last:
            return False
        series.next_number += 1
    series.next_number += 1
    series.last_issued_on = event.issued_on
    return True


def _told(series: Series | None) -> str:
    if series is None:
        return "nothing"
    return f"next {series.next_number}, last issued on {series.last_issued_on}"
