"""The sums of what agreements have brought back: by chain of renegotiations, and by currency over all chains.

What is missing until a chain has broken even is never below zero, so that the portfolio's is not the difference of its
sums. It changes with each chain that changes: one statement adds to the chains and, by what that did to each, to the
currency's line. Asked for, the portfolio is one row, however many agreements there are.
"""

from functools import cache
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from projections.engine.postgres_binary import array
from projections.engine.tables import SumKey, SumTable

_ADD = SQL("""
WITH part AS (
    SELECT tenant_id, first_agreement_id, currency, lent_minor::numeric, paid_minor::numeric
      FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[])
        AS part (tenant_id, first_agreement_id, currency, lent_minor, paid_minor)
), chain AS (
    INSERT INTO {chains} AS total (tenant_id, first_agreement_id, currency, lent_minor, paid_minor)
    SELECT tenant_id, first_agreement_id, currency, lent_minor, paid_minor FROM part
        ON CONFLICT (tenant_id, first_agreement_id, currency)
        DO UPDATE SET lent_minor = total.lent_minor + excluded.lent_minor,
                      paid_minor = total.paid_minor + excluded.paid_minor
 RETURNING total.tenant_id, total.first_agreement_id, total.currency, total.lent_minor, total.paid_minor
), both_sides AS (
    SELECT chain.tenant_id, chain.currency, chain.lent_minor, chain.paid_minor,
           chain.lent_minor - part.lent_minor AS lent_before,
           chain.paid_minor - part.paid_minor AS paid_before
      FROM chain
      JOIN part USING (tenant_id, first_agreement_id, currency)
)
INSERT INTO {portfolio} AS total
       (tenant_id, currency, agreement_count, broken_even_count, lent_minor, paid_minor, missing_minor)
SELECT tenant_id, currency,
       sum((lent_minor > 0)::integer - (lent_before > 0)::integer),
       sum((lent_minor > 0 AND paid_minor >= lent_minor)::integer
           - (lent_before > 0 AND paid_before >= lent_before)::integer),
       sum(lent_minor - lent_before),
       sum(paid_minor - paid_before),
       sum(greatest(lent_minor - paid_minor, 0) - greatest(lent_before - paid_before, 0))
  FROM both_sides
 GROUP BY tenant_id, currency
    ON CONFLICT (tenant_id, currency)
    DO UPDATE SET agreement_count = total.agreement_count + excluded.agreement_count,
                  broken_even_count = total.broken_even_count + excluded.broken_even_count,
                  lent_minor = total.lent_minor + excluded.lent_minor,
                  paid_minor = total.paid_minor + excluded.paid_minor,
                  missing_minor = total.missing_minor + excluded.missing_minor
""")


class ChainTable(SumTable):
    """Sums by chain of renegotiations, which keep the portfolio's line up to date."""

    def add(self, cursor: psycopg.Cursor[Any], suffix: str, parts: dict[SumKey, list[int]]) -> None:
        """Adds to chains, and what that changes to the portfolio."""
        rows = [(*key, *part) for key, part in sorted(parts.items()) if any(part)]
        if not rows:
            return
        kinds = [column.kind for column in self.columns]
        by_column = zip(*rows, strict=True)
        values = [array(kind, column) for kind, column in zip(kinds, by_column, strict=True)]
        cursor.execute(_statement(suffix), values)


BREAK_EVEN = ChainTable(
    "break_even_totals",
    {"first_agreement_id": "uuid", "currency": "text"},
    ("lent_minor", "paid_minor"),
)
PORTFOLIO = SumTable(
    "portfolio_totals",
    {"currency": "text"},
    ("agreement_count", "broken_even_count", "lent_minor", "paid_minor", "missing_minor"),
)
"""Kept by `BREAK_EVEN`: no row adds to it."""


@cache
def _statement(suffix: str) -> bytes:
    names = {"chains": BREAK_EVEN.name, "portfolio": PORTFOLIO.name}
    return _ADD.format(
        **{place: Identifier(name + suffix) for place, name in names.items()}
    ).as_bytes()
