"""A customer: who owes. Personal fields are sealed texts (`ledger.sealed`); credit is per currency, minor units.

Credit is kept by its sources, oldest first: the payments that left it over, the invoices that gave it back. Credit
that has to be taken back after it was spent is a shortfall, which the next credit settles first.
"""

from datetime import date
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.events import Event, stored

FOLD_VERSION = 2


NO_SOURCE = UUID(int=0)


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """The personal fields of a customer, each sealed or empty."""

    name: str = ""
    tax_number: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""
    notes: str = ""


@stored("customer.registered.v1")
class Registered(Event, frozen=True):
    """A customer exists. `reference` is the tenant's own code for it, in the clear."""

    reference: str = ""
    person: Person = Person()
    language: str = ""
    timezone: str = ""
    country: str = ""


@stored("customer.changed.v1")
class Changed(Event, frozen=True):
    """The customer's fields as they are from now on."""

    person: Person = Person()
    language: str = ""
    timezone: str = ""
    country: str = ""


@stored("customer.credit_added.v1")
class CreditAdded(Event, frozen=True):
    """Money that no invoice took is the customer's. `flag` asks a person to look at it, and says why."""

    currency: str
    amount_minor: int
    because: str
    payment_id: UUID | None = None
    invoice_id: UUID | None = None
    flag: str = ""


@stored("customer.credit_withdrawn.v1")
class CreditWithdrawn(Event, frozen=True):
    """Credit was taken back, because the payment or the overpaid charge it came from was."""

    currency: str
    amount_minor: int
    because: str
    payment_id: UUID | None = None
    invoice_id: UUID | None = None


@stored("customer.credit_applied.v1")
class CreditApplied(Event, frozen=True):
    """An invoice took credit. `source_id` is the payment or invoice that the credit came from."""

    currency: str
    amount_minor: int
    source_id: UUID
    invoice_id: UUID


class CreditPart(msgspec.Struct, frozen=True):
    """An amount of the credit that came from one source."""

    source_id: UUID
    amount_minor: int


@stored("customer.credit_reserved.v1")
class CreditReserved(Event, frozen=True):
    """Credit was set aside for a refund; nothing else can use it."""

    currency: str
    refund_id: UUID
    parts: tuple[CreditPart, ...]


@stored("customer.credit_returned.v1")
class CreditReturned(Event, frozen=True):
    """A refund failed, and the credit set aside for it can be used again."""

    currency: str
    refund_id: UUID
    parts: tuple[CreditPart, ...]


@stored("customer.shortfall_recorded.v1")
class ShortfallRecorded(Event, frozen=True):
    """Credit had to be taken back, and was spent already: the customer owes it, apart from any invoice."""

    currency: str
    amount_minor: int
    because: str
    source_id: UUID


@stored("customer.shortfall_settled.v1")
class ShortfallSettled(Event, frozen=True):
    """Credit settled a shortfall, or a part of it."""

    currency: str
    parts: tuple[CreditPart, ...]


class Lot(msgspec.Struct, frozen=True, array_like=True):
    """Credit that is left of one source, in minor units above zero."""

    source_id: UUID
    currency: str
    minor: int


class Customer(msgspec.Struct, frozen=True, array_like=True):
    """A customer as folded.

    lots       the credit that can be used, by source, oldest first
    shortfall  by currency, above zero: spent credit that was taken back, and is owed
    """

    reference: str
    person: Person
    language: str
    timezone: str
    country: str
    lots: tuple[Lot, ...] = ()
    shortfall: dict[str, int] = {}

    @property
    def credit(self) -> dict[str, int]:
        """The credit that can be used: minor units by currency."""
        credit: dict[str, int] = {}
        for lot in self.lots:
            credit[lot.currency] = credit.get(lot.currency, 0) + lot.minor
        return credit

    def of(self, source_id: UUID, currency: str) -> int:
        """What is left of the credit from one source."""
        return sum(
            lot.minor
            for lot in self.lots
            if lot.source_id == source_id and lot.currency == currency
        )


def evolve(customer: Customer | None, event: Event, effective_on: date) -> Customer:
    if isinstance(event, Registered):
        return Customer(
            event.reference, event.person, event.language, event.timezone, event.country
        )
    assert customer is not None, f"{event.TAG} came before the customer was registered"
    match event:
        case Changed():
            return replace(
                customer,
                person=event.person,
                language=event.language,
                timezone=event.timezone,
                country=event.country,
            )
        case CreditAdded():
            return _credited(customer, event.currency, source_of(event), event.amount_minor)
        case CreditWithdrawn():
            return _credited(customer, event.currency, source_of(event), -event.amount_minor)
        case CreditApplied():
            return _credited(customer, event.currency, event.source_id, -event.amount_minor)
        case CreditReserved():
            return _parts(customer, event.currency, event.parts, -1)
        case CreditReturned():
            return _parts(customer, event.currency, event.parts, 1)
        case ShortfallRecorded():
            return _short(customer, event.currency, event.amount_minor)
        case ShortfallSettled():
            settled_minor = sum(part.amount_minor for part in event.parts)
            customer = _short(customer, event.currency, -settled_minor)
            return _parts(customer, event.currency, event.parts, -1)
    raise AssertionError(f"a customer does not know {event.TAG}")


def source_of(event: CreditAdded | CreditWithdrawn) -> UUID:
    """The source of credit: the payment that left it over, or the invoice that gave it back."""
    return event.payment_id or event.invoice_id or NO_SOURCE


def drawn(customer: Customer, currency: str, most_minor: int) -> tuple[CreditPart, ...]:
    """Up to so much of the customer's credit in a currency, oldest source first."""
    parts: list[CreditPart] = []
    for lot in customer.lots:
        if lot.currency != currency or most_minor <= 0:
            continue
        taken_minor = min(lot.minor, most_minor)
        parts.append(CreditPart(lot.source_id, taken_minor))
        most_minor -= taken_minor
    return tuple(parts)


def _parts(customer: Customer, currency: str, parts: tuple[CreditPart, ...], sign: int) -> Customer:
    for part in parts:
        customer = _credited(customer, currency, part.source_id, sign * part.amount_minor)
    return customer


def _credited(customer: Customer, currency: str, source_id: UUID, minor: int) -> Customer:
    lots: list[Lot] = []
    for lot in customer.lots:
        if lot.source_id == source_id and lot.currency == currency:
            lot, minor = replace(lot, minor=lot.minor + minor), 0
        if lot.minor:
            lots.append(lot)
    if minor:
        lots.append(Lot(source_id, currency, minor))
    return replace(customer, lots=tuple(lots))


def _short(customer: Customer, currency: str, minor: int) -> Customer:
    shortfall = {**customer.shortfall, currency: customer.shortfall.get(currency, 0) + minor}
    return replace(customer, shortfall={code: left for code, left in shortfall.items() if left})
