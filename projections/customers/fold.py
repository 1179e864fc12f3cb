"""The read model `customers`: a row per customer, the credit that no invoice has taken, and what is short of it.

Personal texts stand here encrypted, as they do in the events, and are opened when an answer is written out. They can
therefore be neither searched nor sorted by: customers are found by their reference.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from ledger import customer as e
from ledger.event_registry import Event
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable, SumTable

TABLE = RowTable(
    "customers",
    "customer_id",
    registered_on="date",
    has_credit="boolean",
    has_shortfall="boolean",
    reference="text",
    name="text",
    tax_number="text",
    email="text",
    phone="text",
    address="text",
    notes="text",
    language="text",
    timezone="text",
    country="text",
    credit_flag="text",
    credit="text",
    shortfall="text",
)
CREDIT = SumTable("credit_totals", {"currency": "text"}, ("customer_count", "credit_minor"))

_minors = msgspec.json.Decoder(dict[str, int])


class Folded(msgspec.Struct, gc=False):
    """A customer's row while it is folded; the fields are the columns.

    credit       JSON: minor units by currency, currencies without credit left out, in order
    credit_flag  why a person should look at the credit; empty once there is none
    shortfall    JSON of the same form: credit that was reversed after it was spent, and is owed
    """

    tenant_id: bytes
    customer_id: bytes
    version: int = 0
    tenant_seq: int = 0
    registered_on: date = date.min
    has_credit: bool = False
    has_shortfall: bool = False
    reference: str = ""
    name: str = ""
    tax_number: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""
    notes: str = ""
    language: str = ""
    timezone: str = ""
    country: str = ""
    credit_flag: str = ""
    credit: str = "{}"
    shortfall: str = "{}"


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that no customer has."""
    _FOLDS[type(event)](row, event, effective_on)


def credit_of(row: Folded) -> dict[str, int]:
    """The customer's credit: minor units by currency."""
    return _minors.decode(row.credit)


def shortfall_of(row: Folded) -> dict[str, int]:
    """The spent credit that was reversed: minor units by currency."""
    return _minors.decode(row.shortfall)


def parts(row: Folded) -> list[Part]:
    """What the customer adds: its credit in each currency."""
    if not row.has_credit:
        return []
    return [
        Part(0, (row.tenant_id, currency), (1, minor)) for currency, minor in credit_of(row).items()
    ]


def _registered(row: Folded, event: e.Registered, on: date) -> None:
    row.registered_on = on
    row.reference = event.reference
    _describe(row, event)


def _changed(row: Folded, event: e.Changed, on: date) -> None:
    _describe(row, event)


def _credit_added(row: Folded, event: e.CreditAdded, on: date) -> None:
    _credit(row, event.currency, event.amount_minor)
    if event.flag and row.has_credit:
        row.credit_flag = event.flag


def _credit_withdrawn(row: Folded, event: e.CreditWithdrawn | e.CreditApplied, on: date) -> None:
    _credit(row, event.currency, -event.amount_minor)


def _credit_reserved(row: Folded, event: e.CreditReserved, on: date) -> None:
    _credit(row, event.currency, -_total(event.parts))


def _credit_returned(row: Folded, event: e.CreditReturned, on: date) -> None:
    _credit(row, event.currency, _total(event.parts))


def _not_shown(row: Folded, event: e.OptedOut | e.OptedIn | e.AddressRefused, on: date) -> None:
    """A list of customers does not show on which channels they want reminders, or can be reached."""


def _describe(row: Folded, event: e.Registered | e.Changed) -> None:
    person = event.person
    row.name, row.tax_number, row.email = person.name, person.tax_number, person.email
    row.phone, row.address, row.notes = person.phone, person.address, person.notes
    row.language, row.timezone, row.country = event.language, event.timezone, event.country


def _credit(row: Folded, currency: str, minor: int) -> None:
    """Changes the sum over the sources of credit: above zero it is credit, below zero a shortfall."""
    credit, shortfall = credit_of(row), shortfall_of(row)
    sum_minor = credit.pop(currency, 0) - shortfall.pop(currency, 0) + minor
    if sum_minor > 0:
        credit[currency] = sum_minor
    elif sum_minor < 0:
        shortfall[currency] = -sum_minor
    row.credit, row.has_credit = _encoded(credit), bool(credit)
    row.shortfall, row.has_shortfall = _encoded(shortfall), bool(shortfall)
    if not credit:
        row.credit_flag = ""


def _encoded(minors: dict[str, int]) -> str:
    return msgspec.json.encode(dict(sorted(minors.items()))).decode()


def _total(parts: tuple[e.CreditPart, ...]) -> int:
    return sum(part.amount_minor for part in parts)


_FOLDS: dict[type[Event], Callable[[Folded, Any, date], None]] = {
    e.Registered: _registered,
    e.Changed: _changed,
    e.CreditAdded: _credit_added,
    e.CreditWithdrawn: _credit_withdrawn,
    e.CreditApplied: _credit_withdrawn,
    e.CreditReserved: _credit_reserved,
    e.CreditReturned: _credit_returned,
    e.OptedOut: _not_shown,
    e.OptedIn: _not_shown,
    e.AddressRefused: _not_shown,
}

CUSTOMERS = Projection(
    name="customers",
    version=3,
    streams=("customer",),
    table=TABLE,
    sums=(CREDIT,),
    row=Folded,
    fold=fold,
    parts=parts,
)
