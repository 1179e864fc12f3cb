"""Listing customers, by reference, with what they owe and the credit they have.

Names are encrypted and opened when the answer is written out, so customers can be neither searched nor sorted by them.
"""

from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from ledger.money import Money
from projections.pagination import Page, checked, decoded, filters_of, page_of

LIST = """
SELECT customer_id, version, reference, name, tax_number, email, phone, address, notes, language, timezone,
       country, credit_flag, credit, shortfall
  FROM customers
 WHERE tenant_id = %(tenant_id)s
   AND (%(reference)s::text IS NULL OR reference = %(reference)s)
   AND (NOT %(with_credit)s::boolean OR has_credit)
   AND (NOT %(with_shortfall)s::boolean OR has_shortfall)
   AND (%(after_reference)s::text IS NULL
        OR (reference, customer_id) > (%(after_reference)s, %(after_id)s::uuid))
 ORDER BY reference, customer_id
 LIMIT %(limit)s
"""
BALANCES = """
SELECT customer_id, currency, open_minor, overdue_minor
  FROM customer_balances
 WHERE tenant_id = %s AND customer_id = ANY (%s) AND invoice_count <> 0
 ORDER BY customer_id, currency
"""


class CustomerFilters(msgspec.Struct, frozen=True):
    """Which customers: one by its reference, those that have unapplied credit, those that owe a shortfall."""

    reference: str | None = None
    with_credit: bool = False
    with_shortfall: bool = False


class Balance(msgspec.Struct, frozen=True):
    """What a customer owes in one currency, and how much of it is overdue."""

    open: Money
    overdue: Money


class CustomerRow(msgspec.Struct, frozen=True):
    """A customer in a list.

    credit       money that no invoice has taken, per currency
    credit_flag  why a person should look at it, empty for no reason
    shortfall    credit that was reversed after it was spent, and is owed, per currency
    """

    id: UUID
    version: int
    reference: str
    name: str
    tax_number: str
    email: str
    phone: str
    address: str
    notes: str
    language: str
    timezone: str
    country: str
    balances: list[Balance]
    credit: list[Money]
    credit_flag: str
    shortfall: list[Money]


class _Found(msgspec.Struct):
    customer_id: UUID
    version: int
    reference: str
    name: str
    tax_number: str
    email: str
    phone: str
    address: str
    notes: str
    language: str
    timezone: str
    country: str
    credit_flag: str
    credit: str
    shortfall: str


def list_customers(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    filters: CustomerFilters | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[CustomerRow]:
    """A page of a tenant's customers, by reference. Raises MalformedCursor, MalformedFilter, LimitOutOfRange."""
    after_reference, after_id = decoded(cursor, str, UUID)
    values = filters_of(filters or CustomerFilters()) | {
        "tenant_id": tenant_id,
        "after_reference": after_reference,
        "after_id": after_id,
        "limit": checked(limit) + 1,
    }
    with connection.cursor(row_factory=class_row(_Found)) as rows:
        found = rows.execute(LIST, values, prepare=False).fetchall()
    shown = found[:limit]
    balances = _balances(connection, tenant_id, [one.customer_id for one in shown])
    items = [_row(one, balances.get(one.customer_id, [])) for one in shown]
    return page_of(items, limit, len(found), lambda last: (last.reference, last.id))


def _balances(
    connection: psycopg.Connection[Any], tenant_id: UUID, customer_ids: list[UUID]
) -> dict[UUID, list[Balance]]:
    found: dict[UUID, list[Balance]] = {}
    rows = connection.execute(BALANCES, (tenant_id, customer_ids)).fetchall()
    for customer_id, currency, open_minor, overdue_minor in rows:
        balance = Balance(
            Money.of(int(open_minor), currency), Money.of(int(overdue_minor), currency)
        )
        found.setdefault(customer_id, []).append(balance)
    return found


def _row(found: _Found, balances: list[Balance]) -> CustomerRow:
    return CustomerRow(
        id=found.customer_id,
        version=found.version,
        reference=found.reference,
        name=found.name,
        tax_number=found.tax_number,
        email=found.email,
        phone=found.phone,
        address=found.address,
        notes=found.notes,
        language=found.language,
        timezone=found.timezone,
        country=found.country,
        balances=balances,
        credit=_moneys(found.credit),
        credit_flag=found.credit_flag,
        shortfall=_moneys(found.shortfall),
    )


def _moneys(minors: str) -> list[Money]:
    by_currency = msgspec.json.decode(minors, type=dict[str, int])
    return [Money.of(minor, currency) for currency, minor in by_currency.items()]
