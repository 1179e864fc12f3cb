"""Customers: register and change. Personal fields are encrypted before they reach an event."""

from uuid import UUID

import msgspec

from commands.plan_loading import load_plan
from commands.tenants import today
from commands.unit_of_work import AlreadyExists, Unit, load
from ledger.customer import (
    Changed,
    Customer,
    LinksRevoked,
    OptedIn,
    OptedOut,
    Person,
    Registered,
    TrackingAllowed,
    TrackingRefused,
)
from ledger.dunning.plan import Channel, check_tags
from ledger.encrypted import plain
from ledger.errors import Rejected
from ledger.event_registry import New
from ledger.money import Money
from ledger.time_zones import zone

PERSONAL = ("name", "tax_number", "email", "phone", "address", "notes")


class CustomerNameMissing(Rejected):
    """A customer needs a name."""


class RegisterCustomer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new customer.

    reference     your own code for it, unique; it is not encrypted, so it holds no personal data
    tags          what groups it with other customers; they are not encrypted either
    dunning_plan  the key of the dunning plan that its debts follow; empty, they follow the tenant's
    """

    name: str
    reference: str = ""
    tax_number: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""
    notes: str = ""
    language: str = ""
    timezone: str = ""
    country: str = ""
    tags: tuple[str, ...] = ()
    dunning_plan: str = ""


class ChangeCustomer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields to change; what is left out stays, an empty text clears."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    tax_number: str | msgspec.UnsetType = msgspec.UNSET
    email: str | msgspec.UnsetType = msgspec.UNSET
    phone: str | msgspec.UnsetType = msgspec.UNSET
    address: str | msgspec.UnsetType = msgspec.UNSET
    notes: str | msgspec.UnsetType = msgspec.UNSET
    language: str | msgspec.UnsetType = msgspec.UNSET
    timezone: str | msgspec.UnsetType = msgspec.UNSET
    country: str | msgspec.UnsetType = msgspec.UNSET
    tags: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    dunning_plan: str | msgspec.UnsetType = msgspec.UNSET


class ChangeConsent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A channel on which the customer wants no reminders, or wants them again, and what it said."""

    channel: Channel
    reason: str = ""


class ChangeTracking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether it may be noted that the customer opens a message, and what it said."""

    allowed: bool
    reason: str = ""


class CustomerView(msgspec.Struct, frozen=True):
    """A customer. `tracked` says whether it may be noted that it opens a message."""

    # Personal fields are encrypted here; the response decrypts them.

    id: UUID
    reference: str
    name: str
    tax_number: str
    email: str
    phone: str
    address: str
    notes: str
    language: str
    timezone: str
    country: str
    credit: list[Money]
    shortfall: list[Money]
    opted_out: tuple[Channel, ...]
    undeliverable: tuple[Channel, ...]
    tracked: bool
    tags: tuple[str, ...]
    dunning_plan: str


def register_customer(unit: Unit, command: RegisterCustomer) -> CustomerView:
    """Raises CustomerNameMissing, AlreadyExists (the reference, or the idempotency key), UnknownZone, MalformedTag,
    UnknownPlan."""
    if not command.name.strip():
        raise CustomerNameMissing("give the customer a name", field="name")
    customer_id = unit.new_id("customer")
    return register_as(unit, customer_id, command)


def register_as(unit: Unit, customer_id: UUID, command: RegisterCustomer) -> CustomerView:
    """Registers a customer under a given id."""
    if unit.find("customer", customer_id) is not None:
        raise AlreadyExists(f"customer {customer_id} exists; its idempotency key was used before")
    if command.timezone:
        zone(command.timezone)
    if command.reference:
        unit.claim("customer_reference", plain(command.reference, "reference"), customer_id)
    event = Registered(
        reference=command.reference,
        person=_person(unit, customer_id, command),
        language=plain(command.language, "language"),
        timezone=command.timezone,
        country=plain(command.country, "country"),
        tags=_checked(command.tags),
        dunning_plan=_known(unit, command.dunning_plan),
    )
    state = unit.append("customer", customer_id, [New(event, today(unit))])
    return customer_view(customer_id, state)


def change_customer(unit: Unit, customer_id: UUID, command: ChangeCustomer) -> CustomerView:
    """Raises Unknown, CustomerNameMissing, UnknownZone, MalformedTag, UnknownPlan."""
    customer: Customer = load(unit, "customer", customer_id)
    changes = {
        name: value
        for name in command.__struct_fields__
        if (value := getattr(command, name)) is not msgspec.UNSET
    }
    if not changes:
        return customer_view(customer_id, customer)
    if "name" in changes and not changes["name"].strip():
        raise CustomerNameMissing("give the customer a name", field="name")
    if changes.get("timezone"):
        zone(changes["timezone"])
    person = {
        name: unit.encrypt(customer_id, value)
        for name, value in changes.items()
        if name in PERSONAL
    }
    event = Changed(
        person=msgspec.structs.replace(customer.person, **person),
        language=plain(changes.get("language", customer.language), "language"),
        timezone=changes.get("timezone", customer.timezone),
        country=plain(changes.get("country", customer.country), "country"),
        tags=_checked(changes.get("tags", customer.tags)),
        dunning_plan=_known(unit, changes.get("dunning_plan", customer.dunning_plan)),
    )
    state = unit.append("customer", customer_id, [New(event, today(unit))])
    return customer_view(customer_id, state)


def opt_out(unit: Unit, customer_id: UUID, command: ChangeConsent) -> CustomerView:
    """Records that the customer wants no reminders on a channel. Raises Unknown."""
    return _consent(unit, customer_id, command, opted_out=True)


def opt_in(unit: Unit, customer_id: UUID, command: ChangeConsent) -> CustomerView:
    """Records that the customer has revoked an opt-out. Raises Unknown."""
    return _consent(unit, customer_id, command, opted_out=False)


def _consent(
    unit: Unit, customer_id: UUID, command: ChangeConsent, *, opted_out: bool
) -> CustomerView:
    customer: Customer = load(unit, "customer", customer_id)
    if (command.channel in customer.opted_out) != opted_out:
        reason = unit.encrypt(customer_id, command.reason.strip())
        event = (OptedOut if opted_out else OptedIn)(command.channel, reason)
        customer = unit.append("customer", customer_id, [New(event, today(unit))])
    return customer_view(customer_id, customer)


def change_tracking(unit: Unit, customer_id: UUID, command: ChangeTracking) -> CustomerView:
    """Records whether the customer consents to its opening of messages being noted. Raises Unknown."""
    customer: Customer = load(unit, "customer", customer_id)
    if command.allowed != customer.tracked:
        reason = unit.encrypt(customer_id, command.reason.strip())
        event = (TrackingAllowed if command.allowed else TrackingRefused)(reason)
        customer = unit.append("customer", customer_id, [New(event, today(unit))])
    return customer_view(customer_id, customer)


def revoke_links(unit: Unit, customer_id: UUID) -> CustomerView:
    """From now on no link in a message that was sent to the customer opens. Raises Unknown."""
    load(unit, "customer", customer_id)
    state = unit.append("customer", customer_id, [New(LinksRevoked(), today(unit))])
    return customer_view(customer_id, state)


def customer_view(customer_id: UUID, customer: Customer) -> CustomerView:
    person = customer.person
    return CustomerView(
        id=customer_id,
        reference=customer.reference,
        name=person.name,
        tax_number=person.tax_number,
        email=person.email,
        phone=person.phone,
        address=person.address,
        notes=person.notes,
        language=customer.language,
        timezone=customer.timezone,
        country=customer.country,
        credit=[Money.of(minor, currency) for currency, minor in customer.credit.items() if minor],
        shortfall=[Money.of(minor, currency) for currency, minor in customer.shortfall.items()],
        opted_out=customer.opted_out,
        undeliverable=customer.undeliverable,
        tracked=customer.tracked,
        tags=customer.tags,
        dunning_plan=customer.dunning_plan,
    )


def _checked(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Tags in order."""
    return tuple(sorted(check_tags(tags, "tags")))


def _known(unit: Unit, plan: str) -> str:
    """The key of a plan that is there, or none."""
    return load_plan(unit, plan).key if plan else ""


def _person(unit: Unit, customer_id: UUID, command: RegisterCustomer) -> Person:
    return Person(*(unit.encrypt(customer_id, getattr(command, name)) for name in PERSONAL))
