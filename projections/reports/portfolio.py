"""The portfolio: what all agreements that were ever in force lent, brought back, and miss until they break even."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from ledger.money import format_minor
from projections.engine import parked
from projections.invoices.fold import INVOICES

TOTALS = """
SELECT currency, agreement_count::bigint, broken_even_count::bigint, lent_minor, paid_minor, missing_minor
  FROM portfolio_totals
 WHERE tenant_id = %s AND agreement_count <> 0
 ORDER BY currency
"""


class CurrencyPortfolio(msgspec.Struct, frozen=True):
    """One currency. An agreement and those that renegotiate it count as one.

    agreements   loans and payment plans that are, or were, in force; paid and lost ones too
    broken_even  of these, those that have brought back all that was lent
    lent         what loans paid out, and the value that payment plans took over
    paid         money that stands on their instalments: principal, interest, fees, recoveries
    missing      until what was lent is back: the sum over agreements of lent less paid, each never below zero
    """

    currency: str
    agreements: int
    broken_even: int
    lent: str
    paid: str
    missing: str


class Portfolio(msgspec.Struct, frozen=True, omit_defaults=True):
    """The portfolio at the instant it was computed; currencies in order. `parked` streams are left out."""

    computed_at: datetime
    currencies: list[CurrencyPortfolio]
    parked: int = 0


def portfolio(connection: psycopg.Connection[Any], tenant_id: UUID, *, now: datetime) -> Portfolio:
    """The sums as they stand now."""
    found = connection.execute(TOTALS, (tenant_id,)).fetchall()
    currencies = [
        CurrencyPortfolio(
            currency, agreements, broken_even, *(format_minor(int(one), currency) for one in minor)
        )
        for currency, agreements, broken_even, *minor in found
    ]
    return Portfolio(now, currencies, parked.count(connection, INVOICES.name, tenant_id))
