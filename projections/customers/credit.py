"""Customers' credit on a day, as known at an instant: what the books have on the account `customer_credit`.

A customer's own events cannot tell it of a past day: a reversal takes effect on its payment's date, while what the
payment's excess had paid was applied later. The journal has each of them where it belongs. Below zero, it is what the
customer had been given too much by then: the shortfall.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg

from ledger import payment, refund
from ledger.chart_of_accounts import Account
from ledger.event_registry import Event, decode, stream_of
from ledger.invoice import events as e
from ledger.journal.facts import Facts, evolve
from ledger.journal.posting import entries
from projections.as_of import COUNTS

_BEGINNING: Final[tuple[type[Event], ...]] = (e.Drafted, payment.Received, refund.Requested)
_MOVING: Final[tuple[type[Event], ...]] = (
    e.PaymentReceived,
    e.CreditApplied,
    e.PaymentReversed,
    e.PaymentChargedBack,
    e.PaymentReallocated,
    e.Recalculated,
    e.Credited,
    payment.Reversed,
    payment.ChargedBack,
    refund.Compensated,
)
"""The events that move the account, beside those that begin a stream; tests hold them against the journal."""
_ACCOUNTS: Final[frozenset[Account]] = frozenset(("customer_credit",))

EVENTS = f"""
SELECT uuid_send(stream_id), tag, effective_on, data
  FROM events
 WHERE tenant_id = %(tenant_id)s
   AND tag = ANY (%(tags)s)
   AND {COUNTS}
 ORDER BY stream_id, version
"""
CUSTOMERS_EVENTS = f"""
SELECT uuid_send(stream_id), tag, effective_on, data
  FROM events
 WHERE tenant_id = %(tenant_id)s
   AND (stream_id = %(customer_id)s
     OR stream_id IN (SELECT invoice_id FROM invoices WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s)
     OR stream_id IN (SELECT payment_id FROM payments WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s)
     OR stream_id IN (SELECT refund_id FROM refunds WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s))
   AND tag = ANY (%(tags)s)
   AND {COUNTS}
 ORDER BY stream_id, version
"""


class CreditAsOf:
    """Credit less shortfall by customer and currency, in minor units. A stream that cannot be read counts up to the
    event at fault; `failed` says how many customers and refunds that are, for invoices and payments are counted by
    the report that they stand in."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        tenant_id: UUID,
        day: date,
        known_at: datetime | None = None,
        *,
        customer_id: UUID | None = None,
    ) -> None:
        self.failed = 0
        self._day = day
        self.balances: dict[tuple[UUID, str], int] = {}
        values = {
            "tenant_id": tenant_id,
            "customer_id": customer_id,
            "as_of": day,
            "known_at": known_at,
            "tags": [kind.TAG for kind in (*_BEGINNING, *_MOVING)],
        }
        query = (EVENTS if customer_id is None else CUSTOMERS_EVENTS).encode()
        with connection.cursor() as cursor:
            self._gather(cursor.stream(query, values, binary=True, size=500))

    def credit(self) -> dict[str, int]:
        """What customers had to their credit: minor units by currency."""
        return self._sum(1)

    def shortfall(self) -> dict[str, int]:
        """What customers had been given too much: minor units by currency, above zero."""
        return self._sum(-1)

    def _sum(self, sign: int) -> dict[str, int]:
        found: dict[str, int] = {}
        for (_, currency), minor in self.balances.items():
            if sign * minor > 0:
                found[currency] = found.get(currency, 0) + sign * minor
        return found

    def _gather(self, rows: Iterator[tuple[bytes, str, date, bytes]]) -> None:
        stream: bytes | None = None
        facts, owner, failed = Facts(), UUID(int=0), False
        for stream_id, tag, effective_on, data in rows:
            if stream_id != stream:
                stream = stream_id
                facts, owner, failed = Facts(), UUID(bytes=stream_id), False
            if failed:
                continue
            try:
                event = decode(tag, data)
            except msgspec.DecodeError:  # its stream is parked, or will be, with its reason
                failed = True
                self.failed += stream_of(tag) in ("customer", "refund")
                continue
            if isinstance(event, e.Drafted | payment.Received | refund.Requested):
                owner = event.customer_id
            for entry in entries(facts, event, effective_on):
                if entry.on > self._day:
                    continue
                key = (owner, entry.currency)
                moved = sum(one.minor for one in entry.postings if one.account in _ACCOUNTS)
                self.balances[key] = self.balances.get(key, 0) - moved
            facts = evolve(facts, event)
