"""Customers with their invoices, page by page, for a preview or a simulation. Nothing is written.

Those that cannot be read are logged and left out, as a night leaves them.
"""

import logging
from collections.abc import Iterator
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg

from adapters.postgres.connection import Pool
from adapters.store import snapshots
from adapters.store.debtor_chunks import States, cases_of, read_debtors
from schedulers.ports import DebtorCase
from schedulers.preview import SimulatedCase

log = logging.getLogger("duebook.clock")

PAGE = 1_000
NOBODY = UUID(int=0)

# The read model says which invoices were sent; what they are is read from their snapshots.
SELECT_SENT = """
SELECT customer_id, invoice_id
  FROM invoices
 WHERE tenant_id = %(tenant)s AND customer_id > %(after)s AND status <> 'draft'
 ORDER BY customer_id, invoice_id
 LIMIT %(limit)s
"""
SELECT_SENT_TO = """
SELECT customer_id, invoice_id
  FROM invoices
 WHERE tenant_id = %(tenant)s AND customer_id = %(customer)s AND status <> 'draft'
 ORDER BY invoice_id
"""


def open_cases(pool: Pool, tenant_id: UUID, limit: int = PAGE) -> Iterator[DebtorCase]:
    """Every customer of a tenant that owes, with its open invoices."""
    after = NOBODY
    while True:
        with pool.connection() as connection:
            rows, is_last = read_debtors(connection, tenant_id, after, limit)
            payers = list(dict.fromkeys(row[0] for row in rows))
            states = States(connection, tenant_id, payers)
            found = list(cases_of(connection, tenant_id, rows, states, []))
        yield from found
        if is_last:
            return
        after = rows[-1][0]


def sent_cases(pool: Pool, tenant_id: UUID, limit: int = PAGE) -> Iterator[SimulatedCase]:
    """Every customer of a tenant with all invoices that were sent to it, as far as the read models have come."""
    after = NOBODY
    while True:
        with pool.connection() as connection:
            rows, is_last = _sent(connection, tenant_id, after, limit)
            found = list(_read(connection, tenant_id, rows))
        yield from found
        if is_last:
            return
        after = rows[-1][0]


def _sent(
    connection: psycopg.Connection[Any], tenant_id: UUID, after: UUID, limit: int
) -> tuple[list[tuple[UUID, UUID]], bool]:
    """(customer, invoice) of whole customers after one, about `limit` of them, and whether those are the last."""
    values = {"tenant": tenant_id, "after": after, "limit": limit}
    rows = connection.execute(SELECT_SENT, values).fetchall()
    if len(rows) < limit:
        return rows, True
    last = rows[-1][0]
    whole = [row for row in rows if row[0] != last]
    if whole:
        return whole, False
    return connection.execute(
        SELECT_SENT_TO, {"tenant": tenant_id, "customer": last}
    ).fetchall(), False


def _read(
    connection: psycopg.Connection[Any], tenant_id: UUID, rows: list[tuple[UUID, UUID]]
) -> Iterator[SimulatedCase]:
    ids = [invoice_id for _, invoice_id in rows]
    invoices = snapshots.read_many(connection, tenant_id, "invoice", ids)
    payers = list(dict.fromkeys(customer_id for customer_id, _ in rows))
    customers = snapshots.read_many(connection, tenant_id, "customer", payers)
    for customer_id, own in groupby(rows, key=lambda row: row[0]):
        if customer_id not in customers:
            log.error("customer %s cannot be read; it is left out", customer_id)
            continue
        yield SimulatedCase(
            customer_id,
            customers[customer_id],
            [(invoice_id, invoices[invoice_id]) for _, invoice_id in own],
        )
