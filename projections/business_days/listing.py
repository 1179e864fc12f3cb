"""Listing business days, the latest first."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from ledger.business_day import Tally
from ledger.money import Money
from projections.business_days.fold import steps_of
from projections.pagination import Page, checked, decoded, filters_of, page_of

LIST = """
SELECT day_id, version, day, status, steps
  FROM business_days
 WHERE tenant_id = %(tenant_id)s
   AND (%(status)s::text IS NULL OR status = %(status)s)
   AND (%(day_from)s::date IS NULL OR day >= %(day_from)s)
   AND (%(day_to)s::date IS NULL OR day <= %(day_to)s)
   AND (%(after_day)s::date IS NULL OR (day, day_id) < (%(after_day)s, %(after_id)s::uuid))
 ORDER BY day DESC, day_id DESC
 LIMIT %(limit)s
"""


class DayFilters(msgspec.Struct, frozen=True):
    """Which days; `day_from` and `day_to` are included."""

    status: str | None = None
    day_from: date | None = None
    day_to: date | None = None


class StepRow(msgspec.Struct, frozen=True):
    """What a step did: streams it looked at, events it posted, and the amounts of those."""

    step: str
    looked_at: int
    posted: int
    amounts: list[Money]


class DayRow(msgspec.Struct, frozen=True):
    """A business day, open or closed, with the steps that are complete."""

    id: UUID
    version: int
    day: date
    status: str
    steps: list[StepRow]


def list_days(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    filters: DayFilters | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[DayRow]:
    """A page of a tenant's business days, latest first. Raises MalformedCursor, MalformedFilter, LimitOutOfRange."""
    after_day, after_id = decoded(cursor, date, UUID)
    values = filters_of(filters or DayFilters()) | {
        "tenant_id": tenant_id,
        "after_day": after_day,
        "after_id": after_id,
        "limit": checked(limit) + 1,
    }
    found = connection.execute(LIST, values, prepare=False).fetchall()
    items = [
        DayRow(day_id, version, day, status, [_step(*one) for one in steps_of(steps).items()])
        for day_id, version, day, status, steps in found[:limit]
    ]
    return page_of(items, limit, len(found), lambda last: (last.day, last.id))


def _step(step: str, tally: Tally) -> StepRow:
    amounts = [Money.of(minor, currency) for currency, minor in sorted(tally.amounts.items())]
    return StepRow(step, tally.looked_at, tally.posted, amounts)
