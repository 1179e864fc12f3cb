"""The aging report: what is open on invoices, by how long it is past its due date as written.

Open amount of all components; credit is not netted. An invoice counts when its open total is not zero. The report
of today reads the sums; any other folds the tenant's invoices (`projections.as_of`). Both come to the same.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from ledger.money import format_minor
from projections.as_of import AsOf, require_come
from projections.engine import parked
from projections.invoices.fold import INVOICES

BUCKETS = ("current", "1-30", "31-60", "61-90", "90+")
_LAST_DAYS = (0, 30, 60, 90)

TOTALS = """
SELECT currency, due_on, invoice_count::bigint, open_minor
  FROM aging_totals
 WHERE tenant_id = %s AND (invoice_count <> 0 OR open_minor <> 0)
"""


class Bucket(msgspec.Struct, frozen=True):
    """Invoices so many days past their due date; `current` includes those due on the day itself."""

    bucket: str
    count: int
    amount: str


class Total(msgspec.Struct, frozen=True):
    count: int
    amount: str


class CurrencyAging(msgspec.Struct, frozen=True):
    """One currency, every bucket in order. Amounts are decimal text."""

    currency: str
    buckets: list[Bucket]
    total: Total


class Aging(msgspec.Struct, frozen=True, omit_defaults=True):
    """The aging of one day, as known at an instant; currencies in order, those without open invoices left out.

    parked  invoices that could not be read and are left out or stand as they last could be
    """

    as_of: date
    known_at: datetime
    currencies: list[CurrencyAging]
    parked: int = 0


Item = tuple[str, date, int, int]
"""(currency, due date, invoices, open minor units)"""


def aging(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    *,
    today: date,
    now: datetime,
    as_of: date | None = None,
    known_at: datetime | None = None,
) -> Aging:
    """The aging report of a day (today's when left out), as known at an instant (now when left out).

    Raises AsOfInFuture, KnownAtInFuture.
    """
    require_come(as_of, known_at, today, now)
    if known_at is None and as_of in (None, today):
        items = connection.execute(TOTALS, (tenant_id,)).fetchall()
        left_out = parked.count(connection, INVOICES.name, tenant_id)
        return Aging(today, now, _currencies(items, today), left_out)
    day = as_of or today
    rows = AsOf(connection, INVOICES, tenant_id, day, known_at)
    found = _currencies(
        (
            (row.currency, row.due_on, 1, row.open_minor)
            for row in rows
            if row.issued_on and row.open_minor
        ),
        day,
    )
    return Aging(day, known_at or now, found, rows.failed)


def bucket_of(due_on: date, day: date) -> int:
    """The place in BUCKETS of what was due on a date."""
    days = (day - due_on).days
    return sum(days > last for last in _LAST_DAYS)


def _currencies(items: Iterable[Item], day: date) -> list[CurrencyAging]:
    sums: dict[str, list[list[int]]] = {}
    for currency, due_on, count, open_minor in items:
        buckets = sums.setdefault(currency, [[0, 0] for _ in BUCKETS])
        bucket = buckets[bucket_of(due_on, day)]
        bucket[0] += int(count)
        bucket[1] += int(open_minor)
    return [_currency(currency, sums[currency]) for currency in sorted(sums)]


def _currency(currency: str, sums: list[list[int]]) -> CurrencyAging:
    buckets = [
        Bucket(name, count, format_minor(minor, currency))
        for name, (count, minor) in zip(BUCKETS, sums, strict=True)
    ]
    count = sum(found for found, _ in sums)
    minor = sum(found for _, found in sums)
    return CurrencyAging(currency, buckets, Total(count, format_minor(minor, currency)))
