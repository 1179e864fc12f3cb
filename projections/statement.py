"""A customer's statement: what was owed at the start, documents, charges and payments, and what is owed at the end.

The balance is what is open on the customer's invoices; credit that no invoice has taken stands beside it. Entries
stand on their effective dates, so a late recorded payment stands where its value date puts it; interest is one entry
per invoice and month. The customer's invoices are found by the read model and folded from their events.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
import psycopg

from ledger.events import Event, decode
from ledger.invoice import events as e
from ledger.money import format_minor
from projections.customers import CUSTOMERS, credit_of
from projections.invoices import INVOICES, Folded

Kind = Literal[
    "invoice",
    "late_fee",
    "interest",
    "adjustment",
    "payment",
    "payment_reversed",
    "void",
    "cancelled",
]

_KINDS: dict[type[Event], Kind] = {
    e.Sent: "invoice",
    e.LateFeeCharged: "late_fee",
    e.MoraPosted: "interest",
    e.ChargesRecalculated: "adjustment",
    e.PaymentReceived: "payment",
    e.PaymentReversed: "payment_reversed",
    e.Voided: "void",
    e.Cancelled: "cancelled",
}
_ORDER = {kind: place for place, kind in enumerate(_KINDS.values())}
"""The order of entries of one day."""

INVOICE_EVENTS = """
SELECT uuid_send(stream_id), tag, effective_on, data
  FROM events
 WHERE tenant_id = %(tenant_id)s
   AND stream_id IN (SELECT invoice_id FROM invoices
                      WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s)
   AND (effective_on <= %(to_on)s OR tag LIKE 'invoice.drafted.%%' OR tag LIKE 'invoice.redrafted.%%')
   AND (%(known_at)s::timestamptz IS NULL OR recorded_at <= %(known_at)s)
 ORDER BY stream_id, version
"""
CUSTOMER_EVENTS = """
SELECT tag, effective_on, data
  FROM events
 WHERE tenant_id = %(tenant_id)s AND stream_id = %(customer_id)s
   AND effective_on <= %(to_on)s
   AND (%(known_at)s::timestamptz IS NULL OR recorded_at <= %(known_at)s)
 ORDER BY version
"""


class Entry(msgspec.Struct, frozen=True):
    """What changed the balance on a day. `amount` is signed: a payment is below zero.

    events      how many events it sums up: interest is one entry per invoice and month, on its last day
    payment_id  of payments and their reversals
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
    """One currency: opening + invoiced + charges + payments + given_up = closing. Amounts are signed decimal text.

    charges   late fees, interest and their adjustments; payments include their reversals
    given_up  what void and cancelled invoices gave up
    unapplied_credit  the customer's money that no invoice has taken, at the end
    """

    currency: str
    opening: str
    invoiced: str
    charges: str
    payments: str
    given_up: str
    closing: str
    unapplied_credit: str
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
    kind: Kind
    invoice: Folded
    payment_id: UUID | None
    minor: int
    events: int = 1

    @property
    def place(self) -> tuple[Any, ...]:
        return self.on, _ORDER[self.kind], self.invoice.number, self.invoice.invoice_id


_COLUMNS: dict[Kind, str] = {
    "invoice": "invoiced",
    "late_fee": "charges",
    "interest": "charges",
    "adjustment": "charges",
    "payment": "payments",
    "payment_reversed": "payments",
    "void": "given_up",
    "cancelled": "given_up",
}


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
    """The statement up to `to_on` (today when left out), as known at an instant (now when left out)."""
    values = {
        "tenant_id": tenant_id,
        "customer_id": customer_id,
        "to_on": to_on or today,
        "known_at": known_at,
    }
    begins_on = from_on or date.min
    reading = _Reading(connection, values, begins_on)
    by_currency: dict[str, list[_Line]] = {}
    for line in reading.lines():
        by_currency.setdefault(line.invoice.currency, []).append(line)
    credit = _credit(connection, values)
    currencies = sorted({*by_currency, *credit})
    return Statement(
        customer_id=customer_id,
        from_on=from_on,
        to_on=to_on or today,
        known_at=known_at or now,
        currencies=[
            _currency(code, by_currency.get(code, []), credit.get(code, 0), begins_on)
            for code in currencies
        ],
        unreadable=reading.failed,
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
        for stream_id, tag, effective_on, data in self._events():
            if row is None or row.invoice_id != stream_id:
                yield from interest.values()
                interest = {}
                failed = False
                row = INVOICES.row(self._values["tenant_id"].bytes, stream_id)
            if failed:
                continue
            before = row.open_minor
            try:
                event = decode(tag, data)
                INVOICES.fold(row, event, effective_on)
            except (
                Exception
            ):  # it is parked, or will be, with its reason; the statement says how many are
                failed = True
                self.failed += 1
                continue
            if row.open_minor == before:
                continue
            line = _line(row, event, effective_on, row.open_minor - before)
            if line.kind != "interest":
                yield line
                continue
            # A month that the statement begins in is two entries: one before it, one in it.
            month = (line.on.year, line.on.month, line.on < self._from_on)
            _gather(interest.setdefault(month, line), line)
        yield from interest.values()

    def _events(self) -> Iterator[tuple[bytes, str, date, bytes]]:
        with self._connection.cursor() as cursor:
            yield from cursor.stream(INVOICE_EVENTS, self._values, binary=True, size=500)


def _line(row: Folded, event: Event, on: date, minor: int) -> _Line:
    payment_id = getattr(event, "payment_id", None)
    return _Line(on, _KINDS[type(event)], row, payment_id, minor)


def _gather(month: _Line, line: _Line) -> None:
    """Adds a posting of interest to its month's entry."""
    if month is not line:
        month.on = max(month.on, line.on)
        month.minor += line.minor
        month.events += 1


def _credit(connection: psycopg.Connection[Any], values: dict[str, Any]) -> dict[str, int]:
    """The customer's unapplied credit: minor units by currency."""
    row = CUSTOMERS.row(values["tenant_id"].bytes, values["customer_id"].bytes)
    for tag, effective_on, data in connection.execute(CUSTOMER_EVENTS, values).fetchall():
        CUSTOMERS.fold(row, decode(tag, bytes(data)), effective_on)
    return credit_of(row)


def _currency(
    currency: str, lines: Iterable[_Line], credit_minor: int, from_on: date
) -> CurrencyStatement:
    opening = balance = 0
    columns = dict.fromkeys(("invoiced", "charges", "payments", "given_up"), 0)
    entries: list[Entry] = []
    for line in sorted(lines, key=lambda one: one.place):
        balance += line.minor
        if line.on < from_on:
            opening = balance
            continue
        columns[_COLUMNS[line.kind]] += line.minor
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
        entries=entries,
        **{name: format_minor(minor, currency) for name, minor in columns.items()},
    )
