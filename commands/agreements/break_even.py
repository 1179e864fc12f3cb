"""The way of an agreement to break even: what was lent, what came back, and what is missing until it is all back.

An agreement and those that renegotiate it are one chain: its first one lent, and money may arrive on any of them.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from ledger.agreement.state import Agreement
from ledger.invoice.state import Invoice
from ledger.money import Money


class BreakEven(msgspec.Struct, frozen=True):
    """What an agreement, with those it follows and those that follow it, has brought back of what was lent.

    lent         what was paid out for a loan; for a payment plan the value it took over, before its discount
    paid         money that stands on the instalments: principal, interest, fees, recoveries
    missing      lent less paid, never below zero
    computed_at  the instant of these figures
    """

    lent: Money
    paid: Money
    missing: Money
    computed_at: datetime


def chain_of(
    agreement_id: UUID, agreement: Agreement, find: Callable[[UUID], Agreement]
) -> list[tuple[UUID, Agreement]]:
    """The agreement with all that it follows and that follow it, the first one first."""
    chain = [(agreement_id, agreement)]
    while (before := chain[0][1].renegotiates) is not None:
        chain.insert(0, (before, find(before)))
    while (after := chain[-1][1].successor_id) is not None:
        chain.append((after, find(after)))
    return chain


def break_even(
    agreement: Agreement, invoices: Iterable[Invoice], computed_at: datetime
) -> BreakEven | None:
    """`invoices` are those of all instalments of its chain; None until it is in force."""
    if agreement.activated_on is None:
        return None
    paid_minor = sum(invoice.paid.total for invoice in invoices)
    currency = agreement.currency
    return BreakEven(
        lent=Money.of(agreement.lent_minor, currency),
        paid=Money.of(paid_minor, currency),
        missing=Money.of(max(0, agreement.lent_minor - paid_minor), currency),
        computed_at=computed_at,
    )
