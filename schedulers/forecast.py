"""A dry run: what the clock would post up to a date, without writing anything."""

from collections.abc import Iterable, Iterator
from datetime import date
from uuid import UUID

import msgspec

from ledger.errors import Rejected
from ledger.invoice.accrual import bring_up_to_date
from ledger.invoice.events import (
    BecameOverdue,
    LateFeeCharged,
    MoraPosted,
    PromiseBroken,
    PromiseKept,
    Recalculated,
)
from ledger.invoice.state import Invoice
from ledger.money import Money

DAYS_AHEAD = 3_660


class Forecast(msgspec.Struct, frozen=True):
    """One posting that would be made: which invoice, what, effective when, and how much."""

    invoice_id: UUID
    number: str
    customer_id: UUID
    what: str
    effective_on: date
    amount: Money | None


class DayTooFar(Rejected):
    """A dry run looks ten years ahead at the most."""


def require_foreseeable(day: date, today: date) -> None:
    """Raises DayTooFar."""
    if (day - today).days > DAYS_AHEAD:
        raise DayTooFar(f"a dry run looks ten years ahead at the most; {day} is later")


def forecast(invoices: Iterable[tuple[UUID, Invoice]], day: date) -> Iterator[Forecast]:
    """What bringing each invoice up to the end of `day` would post, in the invoices' order."""
    for invoice_id, invoice in invoices:
        for event, effective_on in bring_up_to_date(invoice, day).new:
            match event:
                case BecameOverdue():
                    what, minor = "overdue", None
                case LateFeeCharged():
                    what, minor = "late_fee", event.amount_minor
                case MoraPosted():
                    what, minor = "mora", event.amount_minor
                case Recalculated():
                    what, minor = "mora", event.mora_minor
                case PromiseKept():
                    what, minor = "promise_kept", None
                case PromiseBroken():
                    what, minor = "promise_broken", None
                case _:
                    raise AssertionError(f"the clock does not post {event.TAG}")
            yield Forecast(
                invoice_id=invoice_id,
                number=invoice.number,
                customer_id=invoice.customer_id,
                what=what,
                effective_on=effective_on,
                amount=Money.of(minor, invoice.currency) if minor is not None else None,
            )
