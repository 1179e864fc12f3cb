"""A customer: who owes. Personal fields are encrypted texts (`ledger.encrypted`); credit is per currency, minor units.

Credit is kept by its sources, oldest first: the payments that left it over, the invoices that gave it back. A source
whose credit was spent before it was reversed is below zero. The sum over the sources is the customer's credit, or,
below zero, the shortfall: what the customer owes apart from any invoice.
"""

from datetime import date
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.dunning.plan import Channel
from ledger.event_registry import Event, stored

FOLD_VERSION = 8


NO_SOURCE = UUID(int=0)


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """The personal fields of a customer, each encrypted or empty."""

    name: str = ""
    tax_number: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""
    notes: str = ""


@stored("customer.registered.v1")
class Registered(Event, frozen=True):
    """A customer exists. `reference` is the tenant's own code for it, and `tags` group customers: neither is encrypted.
    `dunning_plan` is the key of the plan that its debts follow; empty, they follow the tenant's."""

    reference: str = ""
    person: Person = Person()
    language: str = ""
    timezone: str = ""
    country: str = ""
    tags: tuple[str, ...] = ()
    dunning_plan: str = ""


@stored("customer.changed.v1")
class Changed(Event, frozen=True):
    """The customer's fields as they are from now on."""

    person: Person = Person()
    language: str = ""
    timezone: str = ""
    country: str = ""
    tags: tuple[str, ...] = ()
    dunning_plan: str = ""


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
    """Credit was reversed, because the payment or the overpaid charge it came from was."""

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


@stored("customer.opted_out.v1")
class OptedOut(Event, frozen=True):
    """The customer wants no reminders on a channel, until that is revoked. The reason is an encrypted text."""

    channel: Channel
    reason: str = ""


@stored("customer.opted_in.v1")
class OptedIn(Event, frozen=True):
    """The customer has revoked an opt-out. The reason is an encrypted text."""

    channel: Channel
    reason: str = ""


@stored("customer.tracking_allowed.v1")
class TrackingAllowed(Event, frozen=True):
    """The customer consents to being told apart by whether it opens messages. The reason is an encrypted text."""

    reason: str = ""


@stored("customer.tracking_refused.v1")
class TrackingRefused(Event, frozen=True):
    """The customer has revoked that consent. The reason is an encrypted text."""

    reason: str = ""


@stored("customer.links_revoked.v1")
class LinksRevoked(Event, frozen=True):
    """No link in any message that was sent to the customer opens any more."""


@stored("customer.address_refused.v1")
class AddressRefused(Event, frozen=True):
    """A message could not be delivered because the customer's address on a channel does not exist. Nothing is sent
    there until the address is changed. The reason holds no personal data."""

    channel: Channel
    reason: str


class Lot(msgspec.Struct, frozen=True, array_like=True):
    """Credit of one source, in minor units; below zero where it was spent before it was reversed."""

    source_id: UUID
    currency: str
    minor: int


class Customer(msgspec.Struct, frozen=True, array_like=True):
    """A customer as folded.

    lots           the credit by source, oldest first
    opted_out      the channels on which it wants no reminders, in order
    undeliverable  the channels on which its address was refused, in order
    tracked        whether it consents to its opening of messages being noted
    links          how often its links were revoked
    tags           in order
    dunning_plan   the key of the plan that its debts follow; empty, they follow the tenant's
    """

    reference: str
    person: Person
    language: str
    timezone: str
    country: str
    lots: tuple[Lot, ...] = ()
    opted_out: tuple[Channel, ...] = ()
    undeliverable: tuple[Channel, ...] = ()
    tracked: bool = False
    links: int = 0
    tags: tuple[str, ...] = ()
    dunning_plan: str = ""

    @property
    def reachable(self) -> frozenset[Channel]:
        """The channels on which there is an address that was not refused."""
        found: set[Channel] = {"email"} if self.person.email else set()
        return frozenset(found - set(self.undeliverable))

    @property
    def credit(self) -> dict[str, int]:
        """The credit that can be used: minor units above zero by currency."""
        return {code: minor for code, minor in self._sums().items() if minor > 0}

    @property
    def shortfall(self) -> dict[str, int]:
        """Spent credit that was reversed and is owed: minor units above zero by currency."""
        return {code: -minor for code, minor in self._sums().items() if minor < 0}

    def of(self, source_id: UUID, currency: str) -> int:
        """What is left of the credit from one source, and can be used, in minor units."""
        lot_minor = sum(
            lot.minor
            for lot in self.lots
            if lot.source_id == source_id and lot.currency == currency
        )
        return max(0, min(lot_minor, self._sums().get(currency, 0)))

    def _sums(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for lot in self.lots:
            sums[lot.currency] = sums.get(lot.currency, 0) + lot.minor
        return sums


def evolve(customer: Customer | None, event: Event, effective_on: date) -> Customer:
    if isinstance(event, Registered):
        return Customer(
            event.reference,
            event.person,
            event.language,
            event.timezone,
            event.country,
            tags=event.tags,
            dunning_plan=event.dunning_plan,
        )
    assert customer is not None, f"{event.TAG} came before the customer was registered"
    match event:
        case Changed():
            refused = customer.undeliverable
            if event.person.email != customer.person.email:
                refused = tuple(channel for channel in refused if channel != "email")
            return replace(
                customer,
                undeliverable=refused,
                person=event.person,
                language=event.language,
                timezone=event.timezone,
                country=event.country,
                tags=event.tags,
                dunning_plan=event.dunning_plan,
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
        case OptedOut():
            return replace(customer, opted_out=tuple(sorted({*customer.opted_out, event.channel})))
        case OptedIn():
            left = tuple(one for one in customer.opted_out if one != event.channel)
            return replace(customer, opted_out=left)
        case TrackingAllowed():
            return replace(customer, tracked=True)
        case TrackingRefused():
            return replace(customer, tracked=False)
        case LinksRevoked():
            return replace(customer, links=customer.links + 1)
        case AddressRefused():
            refused = tuple(sorted({*customer.undeliverable, event.channel}))
            return replace(customer, undeliverable=refused)
    raise AssertionError(f"a customer does not know {event.TAG}")


def source_of(event: CreditAdded | CreditWithdrawn) -> UUID:
    """The source of credit: the payment that left it over, or the invoice that gave it back."""
    return event.payment_id or event.invoice_id or NO_SOURCE


def drawn(customer: Customer, currency: str, most_minor: int) -> tuple[CreditPart, ...]:
    """Up to so much of the customer's credit in a currency, oldest source first."""
    most_minor = min(most_minor, customer.credit.get(currency, 0))
    parts: list[CreditPart] = []
    for lot in customer.lots:
        taken_minor = min(lot.minor, most_minor)
        if lot.currency == currency and taken_minor > 0:
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
