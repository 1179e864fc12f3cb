"""The dashboard: what is outstanding and overdue, what was paid this month, invoices by status, unapplied credit.

The dashboard of today reads the sums; any other day's folds the tenant's streams. Both come to the same.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from ledger.money import format_minor
from projections.as_of import AsOf, require_come
from projections.customers.credit import CreditAsOf
from projections.customers.fold import CUSTOMERS
from projections.engine import parked
from projections.invoices.fold import INVOICES
from projections.payments.fold import PAYMENTS

STATUSES = (
    "draft",
    "sent",
    "overdue",
    "paid",
    "void",
    "cancelled",
    "written_off",
    "renegotiated",
)

INVOICE_TOTALS = """
SELECT currency, status, invoice_count::bigint, total_minor, open_minor
  FROM dashboard_totals WHERE tenant_id = %s AND invoice_count <> 0
"""
PAID = """
SELECT currency, payment_count::bigint, amount_minor
  FROM payment_totals WHERE tenant_id = %s AND month = %s AND payment_count <> 0
"""
CREDIT = (
    "SELECT currency, credit_minor FROM credit_totals WHERE tenant_id = %s AND credit_minor <> 0"
)


class Figure(msgspec.Struct, frozen=True):
    """How many, and how much in decimal text."""

    count: int
    amount: str


class StatusFigure(msgspec.Struct, frozen=True):
    """Invoices in one status: how many, what they were written for, and what is open on them."""

    status: str
    count: int
    total: str
    open: str


class CurrencyDashboard(msgspec.Struct, frozen=True):
    """One currency.

    outstanding      invoices sent or overdue, and what is open on them
    overdue          of these, those that are overdue
    paid_this_month  payments whose value date lies in the day's month, not reversed
    unapplied_credit money that no invoice has taken
    """

    currency: str
    outstanding: Figure
    overdue: Figure
    paid_this_month: Figure
    unapplied_credit: str
    by_status: list[StatusFigure]


class Dashboard(msgspec.Struct, frozen=True, omit_defaults=True):
    """The dashboard of one day, as known at an instant; currencies in order. `parked` streams are left out."""

    as_of: date
    known_at: datetime
    currencies: list[CurrencyDashboard]
    parked: int = 0


class _Sums(msgspec.Struct):
    """Sums of one currency in minor units: (count, total, open) by status, (count, amount) paid, credit."""

    statuses: dict[str, list[int]] = msgspec.field(
        default_factory=lambda: {status: [0, 0, 0] for status in STATUSES}
    )
    paid: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    credit_minor: int = 0


def dashboard(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    *,
    today: date,
    now: datetime,
    as_of: date | None = None,
    known_at: datetime | None = None,
) -> Dashboard:
    """The dashboard of a day (today's when left out), as known at an instant (now when left out).

    Raises AsOfInFuture, KnownAtInFuture.
    """
    require_come(as_of, known_at, today, now)
    sums: dict[str, _Sums] = {}
    if known_at is None and as_of in (None, today):
        _gather_current(connection, tenant_id, today, sums)
        names = (INVOICES.name, CUSTOMERS.name, PAYMENTS.name)
        left_out = sum(parked.count(connection, name, tenant_id) for name in names)
        return Dashboard(today, now, _currencies(sums), left_out)
    day = as_of or today
    left_out = _gather_as_of(connection, tenant_id, day, known_at, sums)
    return Dashboard(day, known_at or now, _currencies(sums), left_out)


def _gather_current(
    connection: psycopg.Connection[Any], tenant_id: UUID, today: date, sums: dict[str, _Sums]
) -> None:
    for currency, status, *amounts in connection.execute(INVOICE_TOTALS, (tenant_id,)).fetchall():
        _of(sums, currency).statuses[status] = [int(amount) for amount in amounts]
    month = today.replace(day=1)
    for currency, count, minor in connection.execute(PAID, (tenant_id, month)).fetchall():
        _of(sums, currency).paid = [count, int(minor)]
    for currency, minor in connection.execute(CREDIT, (tenant_id,)).fetchall():
        _of(sums, currency).credit_minor = int(minor)


def _gather_as_of(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    day: date,
    known_at: datetime | None,
    sums: dict[str, _Sums],
) -> int:
    """Returns how many streams could not be read."""
    invoices = AsOf(connection, INVOICES, tenant_id, day, known_at)
    for row in invoices:
        status = _of(sums, row.currency).statuses.setdefault(row.status, [0, 0, 0])
        status[0] += 1
        status[1] += row.total_minor
        status[2] += row.open_minor
    payments = AsOf(connection, PAYMENTS, tenant_id, day, known_at)
    month = day.replace(day=1)
    for row in payments:
        left_minor = row.amount_minor - row.reversed_minor - row.charged_back_minor
        if left_minor and row.received_on.replace(day=1) == month:
            paid = _of(sums, row.currency).paid
            paid[0] += 1
            paid[1] += left_minor
    held = CreditAsOf(connection, tenant_id, day, known_at)
    for currency, minor in held.credit().items():
        _of(sums, currency).credit_minor = minor
    return invoices.failed + payments.failed + held.failed


def _of(sums: dict[str, _Sums], currency: str) -> _Sums:
    found = sums.get(currency)
    if found is None:
        found = sums[currency] = _Sums()
    return found


def _currencies(sums: dict[str, _Sums]) -> list[CurrencyDashboard]:
    return [_currency(currency, sums[currency]) for currency in sorted(sums)]


def _currency(currency: str, found: _Sums) -> CurrencyDashboard:
    sent, overdue = found.statuses["sent"], found.statuses["overdue"]
    return CurrencyDashboard(
        currency=currency,
        outstanding=Figure(sent[0] + overdue[0], format_minor(sent[2] + overdue[2], currency)),
        overdue=Figure(overdue[0], format_minor(overdue[2], currency)),
        paid_this_month=Figure(found.paid[0], format_minor(found.paid[1], currency)),
        unapplied_credit=format_minor(found.credit_minor, currency),
        by_status=[
            StatusFigure(
                status, count, format_minor(total, currency), format_minor(open_minor, currency)
            )
            for status, (count, total, open_minor) in found.statuses.items()
        ],
    )
