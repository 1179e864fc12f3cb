"""A customer as collection sees it: when it was contacted, so that limits of contact hold. One stream per customer."""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.activity import Kind
from ledger.dunning.plan import MAX_GAP_DAYS, Channel
from ledger.event_registry import Event, stored
from ledger.ids import id_beside

FOLD_VERSION = 4


@stored("collection.contacted.v1")
class Contacted(Event, frozen=True):
    """A message to the customer was queued. It counts in the limits of contact on the day it takes effect."""

    customer_id: UUID
    message_id: UUID
    channel: Channel


@stored("collection.worked.v1")
class Worked(Event, frozen=True):
    """A collector has called or visited the customer. It counts in the limits of contact on the day it happened."""

    customer_id: UUID
    activity_id: UUID
    kind: Kind


@stored("collection.opened.v1")
class MessageOpened(Event, frozen=True):
    """The customer, who consents to that being noted, has opened a reminder."""

    customer_id: UUID
    message_id: UUID


@stored("collection.action_taken.v1")
class ActionTaken(Event, frozen=True):
    """A step of a dunning plan asks another system to act. Consumers of the event feed do so.

    action  `block`: the customer is to be delivered nothing more; `agency`: its debts go to a collection agency
    """

    customer_id: UUID
    action: Literal["block", "agency"]
    text: str
    plan: str
    step: str
    invoice_ids: tuple[UUID, ...]


class Collection(msgspec.Struct, frozen=True, array_like=True):
    """Collection from a customer, as folded. `contacts` are the days of its contacts, in order; those too old to count
    in any limit are left out. `opened_on` is the day on which it last opened a reminder."""

    customer_id: UUID
    contacts: tuple[date, ...] = ()
    opened_on: date | None = None


def stream_id(tenant_id: UUID, customer_id: UUID) -> UUID:
    """The stream of collection from a customer. A night goes through customers by their ids, and writes these streams
    in the same order."""
    return id_beside(customer_id, "collection", tenant_id, customer_id)


def evolve(collection: Collection | None, event: Event, effective_on: date) -> Collection:
    match event:
        case Contacted() | Worked():
            before = collection or Collection(event.customer_id)
            contacts = sorted((*before.contacts, effective_on))
            counted = (on for on in contacts if (contacts[-1] - on).days <= MAX_GAP_DAYS)
            return replace(before, contacts=tuple(counted))
        case MessageOpened():
            return replace(collection or Collection(event.customer_id), opened_on=effective_on)
        case ActionTaken():
            return collection or Collection(event.customer_id)
    raise AssertionError(f"a collection does not know {event.TAG}")
