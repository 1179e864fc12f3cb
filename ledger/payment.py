"""A payment: money that arrived, how it was spread over invoices, and whether it was reversed.

Amounts are minor units of the payment's currency.
"""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.errors import Rejected
from ledger.event_registry import Event, stored
from ledger.money import format_minor

FOLD_VERSION = 3

Status = Literal["received", "reversed", "charged_back"]


class AlreadyReversed(Rejected):
    """The payment was reversed or charged back before."""


class ChargedBackTooEarly(Rejected):
    """A payment is charged back on or after its value date."""


class ChargedBackInFuture(Rejected):
    """A charge-back's date lies after today in the tenant's zone."""


class ReceivedTooEarly(Rejected):
    """A payment's value date lies before 1900: a slip."""


class ReceivedInFuture(Rejected):
    """A payment's value date lies after today in the tenant's zone."""


class OverReversed(Rejected):
    """More was to be reversed than there is left of the payment."""


class OverReallocated(Rejected):
    """More of a payment was to be offered to invoices than is left of it."""


class Allocated(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a payment an invoice took, in minor units.

    offered_minor  what is offered to it, when that is more than it took
    """

    invoice_id: UUID
    amount_minor: int
    offered_minor: int | None = None

    @property
    def offer_minor(self) -> int:
        return self.amount_minor if self.offered_minor is None else self.offered_minor


class AllocationChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much more or less an invoice takes of a payment, and is offered of it, in minor units."""

    invoice_id: UUID
    amount_minor: int = 0
    offered_minor: int = 0


@stored("payment.received.v1")
class Received(Event, frozen=True):
    """Money arrived. Allocations and the unapplied rest add up to the amount. Effective on the value date.

    fingerprint   a keyed hash of currency, amount and reference: equal for payments that look the same
    suspected_duplicate_of  the customer's earlier payment that looks the same; a person should look at it
    """

    customer_id: UUID
    currency: str
    amount_minor: int
    received_on: date
    allocations: tuple[Allocated, ...] = ()
    unapplied_minor: int = 0
    reference: str = ""
    fingerprint: str = ""
    suspected_duplicate_of: UUID | None = None


@stored("payment.applied.v1")
class Applied(Event, frozen=True):
    """Invoices took some of what was unapplied. Effective on the day it was applied."""

    allocations: tuple[Allocated, ...]


@stored("payment.allocations_changed.v1")
class AllocationsChanged(Event, frozen=True):
    """Another fact changed what invoices take of the payment. Effective on the payment's value date."""

    changes: tuple[AllocationChange, ...]
    because: str


@stored("payment.reallocated.v1")
class Reallocated(Event, frozen=True):
    """A person offered the payment to other invoices, or in other amounts. Effective on the day it was said."""

    changes: tuple[AllocationChange, ...]
    reason: str


@stored("payment.reversed.v1")
class Reversed(Event, frozen=True):
    """The payment, or a part of it, never was. Effective on the payment's own date.

    amount_minor  what was reversed
    changes       what invoices take and are offered less by it
    """

    reason: str
    amount_minor: int
    changes: tuple[AllocationChange, ...] = ()


@stored("payment.charged_back.v1")
class ChargedBack(Event, frozen=True):
    """The payer's bank took the payment, or a part of it, back. Effective on the charge-back's own date.

    Fields as of a reversal.
    """

    reason: str
    amount_minor: int
    changes: tuple[AllocationChange, ...] = ()


def fingerprint_name(fingerprint: str, received_on: date) -> str:
    """The name under which the first payment with this fingerprint and value date is found."""
    return f"{fingerprint}:{received_on}"


class Payment(msgspec.Struct, frozen=True, array_like=True):
    """A payment as folded, in minor units.

    allocations  what invoices have of it and are offered, the later applied too, one for each invoice
    reversed_minor, charged_back_minor  what was reversed
    """

    customer_id: UUID
    currency: str
    amount_minor: int
    received_on: date
    allocations: tuple[Allocated, ...]
    reference: str
    status: Status = "received"
    suspected_duplicate_of: UUID | None = None
    reversed_minor: int = 0
    charged_back_minor: int = 0

    @property
    def left_minor(self) -> int:
        """What was not reversed."""
        return self.amount_minor - self.reversed_minor - self.charged_back_minor

    @property
    def unapplied_minor(self) -> int:
        """What no invoice has. Credit that was refunded still counts: what can be used is the customer's credit."""
        return self.left_minor - sum(part.amount_minor for part in self.allocations)


def evolve(payment: Payment | None, event: Event, effective_on: date) -> Payment:
    if isinstance(event, Received):
        return Payment(
            customer_id=event.customer_id,
            currency=event.currency,
            amount_minor=event.amount_minor,
            received_on=event.received_on,
            allocations=event.allocations,
            reference=event.reference,
            suspected_duplicate_of=event.suspected_duplicate_of,
        )
    assert payment is not None, f"{event.TAG} came before the payment was received"
    match event:
        case Applied():
            changes = tuple(
                AllocationChange(part.invoice_id, part.amount_minor, part.offer_minor)
                for part in event.allocations
            )
            return _changed(payment, changes)
        case AllocationsChanged() | Reallocated():
            return _changed(payment, event.changes)
        case Reversed():
            payment = replace(payment, reversed_minor=payment.reversed_minor + event.amount_minor)
            return _ended(_changed(payment, event.changes), "reversed")
        case ChargedBack():
            payment = replace(
                payment, charged_back_minor=payment.charged_back_minor + event.amount_minor
            )
            return _ended(_changed(payment, event.changes), "charged_back")
    raise AssertionError(f"a payment does not know {event.TAG}")


def reversible(payment: Payment, amount_minor: int | None) -> int:
    """What is to be reversed: so much, or all that is left. Raises AlreadyReversed, OverReversed."""
    if payment.status != "received":
        done = payment.status.replace("_", " ")
        raise AlreadyReversed(f"the payment was {done} before; nothing is left to reverse")
    wanted_minor = payment.left_minor if amount_minor is None else amount_minor
    if wanted_minor > payment.left_minor:
        raise OverReversed(
            f"{format_minor(payment.left_minor, payment.currency)} is left of the payment; "
            "reverse no more than that",
            field="amount",
        )
    return wanted_minor


def require_chargeable_back(payment: Payment, on: date, today: date) -> None:
    """Raises ChargedBackTooEarly, ChargedBackInFuture."""
    if on < payment.received_on:
        raise ChargedBackTooEarly(
            f"charged_back_on {on} lies before the payment's value date {payment.received_on}",
            field="charged_back_on",
        )
    if on > today:
        raise ChargedBackInFuture(
            f"charged_back_on {on} has not come; today is {today}", field="charged_back_on"
        )


def offers_to_reverse(payment: Payment, amount_minor: int) -> dict[UUID, int]:
    """By invoice, what is taken off the payment's offers when so much of it is reversed, in minor units.

    First goes what it offers to no invoice, then its offers, from the last to the first. What an invoice was offered
    and did not take may have been applied to another: then its offer shrinks to what is left of the payment for it.
    """
    left_minor = payment.left_minor - amount_minor
    if not left_minor:
        return {
            part.invoice_id: part.offer_minor for part in payment.allocations if part.offer_minor
        }
    offered_minor = sum(part.offer_minor for part in payment.allocations)
    amount_minor -= min(amount_minor, max(0, payment.left_minor - offered_minor))
    kept: dict[UUID, int] = {}
    for part in reversed(payment.allocations):
        less_minor = min(amount_minor, part.offer_minor)
        kept[part.invoice_id] = part.offer_minor - less_minor
        amount_minor -= less_minor
    taken = {
        part.invoice_id: min(part.amount_minor, kept[part.invoice_id])
        for part in payment.allocations
    }
    over_minor = max(0, sum(taken.values()) - left_minor)
    for part in reversed(payment.allocations):
        less_minor = min(over_minor, taken[part.invoice_id])
        if less_minor:
            kept[part.invoice_id] = taken[part.invoice_id] - less_minor
            over_minor -= less_minor
    return {
        part.invoice_id: part.offer_minor - kept[part.invoice_id]
        for part in reversed(payment.allocations)
        if part.offer_minor > kept[part.invoice_id]
    }


def _changed(payment: Payment, changes: tuple[AllocationChange, ...]) -> Payment:
    allocations = list(payment.allocations)
    for change in changes:
        for at, part in enumerate(allocations):
            if part.invoice_id == change.invoice_id:
                allocations[at] = _allocated(
                    part.invoice_id,
                    part.amount_minor + change.amount_minor,
                    part.offer_minor + change.offered_minor,
                )
                break
        else:
            allocations.append(
                _allocated(change.invoice_id, change.amount_minor, change.offered_minor)
            )
    kept = tuple(part for part in allocations if part.amount_minor or part.offer_minor)
    return replace(payment, allocations=kept)


def _allocated(invoice_id: UUID, amount_minor: int, offered_minor: int) -> Allocated:
    return Allocated(
        invoice_id, amount_minor, offered_minor if offered_minor != amount_minor else None
    )


def _ended(payment: Payment, status: Status) -> Payment:
    return payment if payment.left_minor else replace(payment, status=status)
