"""A customer: who owes. Personal fields are sealed texts (`ledger.sealed`); credit is per currency, minor units."""

from datetime import date
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.events import Event, stored

FOLD_VERSION = 1


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


class Customer(msgspec.Struct, frozen=True, array_like=True):
    reference: str
    person: Person
    language: str
    timezone: str
    country: str
    credit: dict[str, int] = {}


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
            return _credited(customer, event.currency, event.amount_minor)
        case CreditWithdrawn():
            return _credited(customer, event.currency, -event.amount_minor)
    raise AssertionError(f"a customer does not know {event.TAG}")


def _credited(customer: Customer, currency: str, minor: int) -> Customer:
    credit = dict(customer.credit)
    credit[currency] = credit.get(currency, 0) + minor
    return replace(customer, credit=credit)
