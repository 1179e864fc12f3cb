"""A customer's statement: what was owed at the start, documents, charges and payments, and what is owed at the end.

The balance is what is open on the customer's invoices; credit that no invoice has taken stands beside it. Entries
stand on their effective dates, so a late recorded payment stands where its value date puts it; those of one day stand
as they were recorded, after what the clock has charged. Interest is one entry per invoice and month. What each event
writes is in `projections.reports.statement_entries`. The customer's invoices are found by the read model and folded
from their events.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from ledger.errors import Rejected
from ledger.event_registry import Event, decode
from ledger.invoice.as_of import effective_by
from ledger.money import format_minor
from projections.as_of import COUNTS, require_come
from projections.customers.credit import CreditAsOf
from projections.invoices.fold import INVOICES, Folded
from projections.reports.statement_entries import COLUMNS, Column, Kind, changes

INVOICE_EVENTS = f"""
SELECT uuid_send(stream_id), tenant_seq, tag, effective_on, data
  FROM events
 WHERE tenant_id = %(tenant_id)s
   AND stream_id IN (SELECT invoice_id FROM invoices
                      WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s)
   AND {COUNTS}
 ORDER BY stream_id, version
"""


class PeriodEndsBeforeItBegins(Rejected):
    """A period's first day is no later than its last."""


class Entry(msgspec.Struct, frozen=True):
    """What changed the balance on a day. `amount` is signed: a payment is below zero.

    events      how many events it sums up: interest is one entry per invoice and month, on its last day
    payment_id  of payments, what they recovered, and what was reversed of them
    """

    on: date
    kind: Kind
    invoice_id: UUID
    number: str
    payment_id: UUID | None
    events: int
    amount: str
    balance: str


class CurrencyStatement(msgspec.Struct, frozen=True):
    """One currency: opening + invoiced + charges + payments + forgiven = closing. Amounts are signed decimal text.

    invoiced  invoices, and the instalments of agreements
    charges   late fees, fees by hand, interest and their adjustments
    payments  what payments and applied credit covered, less what was reversed and what went over to credit
    forgiven  waivers, credit notes, write-offs less recoveries, void, cancelled and renegotiated invoices
    unapplied_credit  the customer's money that no invoice has taken, at the end
    shortfall         credit that was reversed after it was spent, and is owed beside the invoices, at the end
    """

    currency: str
    opening: str
    invoiced: str
    charges: str
    payments: str
    forgiven: str
    closing: str
    unapplied_credit: str
    shortfall: str
    entries: list[Entry]


class Statement(msgspec.Struct, frozen=True, omit_defaults=True):
    """A customer's statement from one day to another, both included, as known at an instant.

    `from_on` is None for a statement from the beginning. `unreadable` invoices stand as they last could be read.
    """

    customer_id: UUID
    from_on: date | None
    to_on: date
    known_at: datetime
    currencies: list[CurrencyStatement]
    unreadable: int = 0


class _Line(msgspec.Struct):
    """An entry in the making: amounts in minor units."""

    on: date
    seq: int
    kind: Kind
    invoice: Folded
    payment_id: UUID | None
    minor: int
    events: int = 1

    @property
    def place(self) -> tuple[Any, ...]:
        """By date; on one date what the clock has charged, by number, then the rest as it was recorded."""
        if self.kind in ("late_fee", "interest"):
            return self.on, 0, self.kind == "interest", self.invoice.number, self.invoice.invoice_id
        return self.on, 1, self.seq


def statement(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    customer_id: UUID,
    *,
    today: date,
    now: datetime,
    from_on: date | None = None,
    to_on: date | None = None,
    known_at: datetime | None = None,
) -> Statement:
    """The statement up to `to_on` (today when left out), as known at an instant (now when left out).

    Raises PeriodEndsBeforeItBegins, AsOfInFuture, KnownAtInFuture.
    """
    require_come(to_on, known_at, today, now)
    require_period(from_on, to_on or today)
    values = {
        "tenant_id": tenant_id,
        "customer_id": customer_id,
        "as_of": to_on or today,
        "known_at": known_at,
    }
    begins_on = from_on or date.min
    reading = _Reading(connection, values, begins_on)
    by_currency: dict[str, list[_Line]] = {}
    for line in reading.lines():
        by_currency.setdefault(line.invoice.currency, []).append(line)
    held = CreditAsOf(connection, tenant_id, to_on or today, known_at, customer_id=customer_id)
    credit, shortfall = held.credit(), held.shortfall()
    currencies = sorted({*by_currency, *credit, *shortfall})
    return Statement(
        customer_id=customer_id,
        from_on=from_on,
        to_on=to_on or today,
        known_at=known_at or now,
        currencies=[
            _currency(
                code,
                by_currency.get(code, []),
                credit.get(code, 0),
                shortfall.get(code, 0),
                begins_on,
            )
            for code in currencies
        ],
        unreadable=reading.failed,
    )


def require_period(from_on: date | None, to_on: date) -> None:
    """Raises PeriodEndsBeforeItBegins."""
    if from_on is not None and from_on > to_on:
        raise PeriodEndsBeforeItBegins(
            f"the period begins on {from_on} and ends before, on {to_on}", field="from_on"
        )


_Months = dict[tuple[int, int, bool], _Line]


class _Reading:
    """The entries of a customer's invoices, folded stream by stream."""

    def __init__(
        self, connection: psycopg.Connection[Any], values: dict[str, Any], from_on: date
    ) -> None:
        self._connection = connection
        self._values = values
        self._from_on = from_on
        self.failed = 0

    def lines(self) -> Iterator[_Line]:
        row: Folded | None = None
        interest: _Months = {}
        failed = False
        for stream_id, seq, tag, effective_on, data in self._events():
            if row is None or row.invoice_id != stream_id:
                yield from interest.values()
                interest = {}
                failed = False
                row = INVOICES.row(self._values["tenant_id"].bytes, stream_id)
            if failed:
                continue
            try:
                event = decode(tag, data)
                event = effective_by(event, self._values["as_of"])
                INVOICES.fold(row, event, effective_on)
            except (
                Exception
            ):  # it is parked, or will be, with its reason; the statement says how many are
                failed = True
                self.failed += 1
                continue
            for line in _lines(row, event, effective_on, seq):
                if line.kind != "interest":
                    yield line
                    continue
                # A month that the statement begins in is two entries: one before it, one in it.
                month = (line.on.year, line.on.month, line.on < self._from_on)
                _gather(interest.setdefault(month, line), line)
        yield from interest.values()

    def _events(self) -> Iterator[tuple[bytes, int, str, date, bytes]]:
        with self._connection.cursor() as cursor:
            yield from cursor.stream(INVOICE_EVENTS.encode(), self._values, binary=True, size=500)


def _lines(row: Folded, event: Event, on: date, seq: int) -> list[_Line]:
    payment_id = getattr(event, "payment_id", None)
    return [
        _Line(one.on or on, seq, one.kind, row, one.payment_id or payment_id, one.minor)
        for one in changes(row, event)
    ]


def _gather(month: _Line, line: _Line) -> None:
    """Adds a posting of interest to its month's entry."""
    if month is not line:
        month.on = max(month.on, line.on)
        month.seq = line.seq
        month.minor += line.minor
        month.events += 1


def _currency(
    currency: str, lines: Iterable[_Line], credit_minor: int, shortfall_minor: int, from_on: date
) -> CurrencyStatement:
    opening = balance = 0
    columns: dict[Column, int] = {"invoiced": 0, "charges": 0, "payments": 0, "forgiven": 0}
    entries: list[Entry] = []
    for line in sorted(lines, key=lambda one: one.place):
        balance += line.minor
        if line.on < from_on:
            opening = balance
            continue
        columns[COLUMNS[line.kind]] += line.minor
        entries.append(
            Entry(
                on=line.on,
                kind=line.kind,
                invoice_id=UUID(bytes=line.invoice.invoice_id),
                number=line.invoice.number,
                payment_id=line.payment_id,
                events=line.events,
                amount=format_minor(line.minor, currency),
                balance=format_minor(balance, currency),
            )
        )
    return CurrencyStatement(
        currency=currency,
        opening=format_minor(opening, currency),
        closing=format_minor(balance, currency),
        unapplied_credit=format_minor(credit_minor, currency),
        shortfall=format_minor(shortfall_minor, currency),
        entries=entries,
        **{name: format_minor(minor, currency) for name, minor in columns.items()},
    )
