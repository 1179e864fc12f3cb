"""Payments that look alike: of one customer, alike in amount and reference, within the tenant's window of days.

They are accepted, and flagged for a person. A payment's reference is encrypted, so that it is compared by a keyed
hash of currency, amount and reference, which the payment holds as a name together with its value date.
"""

from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from commands.unit_of_work import NameRange, Unit, load
from ledger.money import Money
from ledger.payment import Payment, fingerprint_name
from ledger.tenant import Tenant


class Alike(NamedTuple):
    """What a payment looks like: its fingerprint, and the names that payments like it hold, by value date."""

    fingerprint: str
    names: NameRange


def alike(unit: Unit, customer_id: UUID, amount: Money, reference: str, received_on: date) -> Alike:
    """What a payment with that reference looks like."""
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    text = f"{amount.currency} {amount.amount} {reference.strip()}"
    fingerprint = unit.fingerprint(customer_id, text)
    window = timedelta(days=tenant.settings.duplicate_window_days)
    first = fingerprint_name(fingerprint, received_on - window)
    last = fingerprint_name(fingerprint, received_on + window)
    return Alike(fingerprint, NameRange("payment_fingerprint", first, last))


def find_duplicate(
    unit: Unit,
    customer_id: UUID,
    amount: Money,
    reference: str,
    received_on: date,
    payment_id: UUID,
) -> tuple[str, UUID | None]:
    """(the payment's fingerprint, an earlier payment that looks the same), where it has a reference to tell by.

    A payment that was reversed does not count: the same money may come again.
    """
    if not reference.strip():
        return "", None
    fingerprint, names = alike(unit, customer_id, amount, reference, received_on)
    holders = unit.holders(names)
    own_name = fingerprint_name(fingerprint, received_on)
    if own_name not in holders:
        unit.claim(names.kind, own_name, payment_id)
    for name in sorted(holders, key=lambda name: abs(_day_of(name) - received_on)):
        earlier: Payment | None = unit.find("payment", holders[name])
        if earlier is not None and earlier.status == "received":
            return fingerprint, holders[name]
    return fingerprint, None


def _day_of(name: str) -> date:
    return date.fromisoformat(name.rpartition(":")[2])
