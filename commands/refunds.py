"""Refunds: a customer's credit paid back. Stub of the automatic start; see `ledger.refund`."""

from uuid import UUID

from commands.unit import Unit


def refund_by_itself(unit: Unit, customer_id: UUID, payment_id: UUID, currency: str) -> None:
    return None
