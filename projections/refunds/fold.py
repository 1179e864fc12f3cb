"""The read model `refunds`: a row per refund.

Destination and reasons are encrypted, so refunds are found by customer and status.
"""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import msgspec

from ledger import refund as e
from ledger.event_registry import Event
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable

TABLE = RowTable(
    "refunds",
    "refund_id",
    customer_id="uuid",
    amount_minor="bigint",
    attempts="integer",
    requested_on="date",
    settled_on="date",
    automatic="boolean",
    status="text",
    currency="text",
    provider="text",
    reference="text",
    last_error="text",
    destination="text",
    reason="text",
    failed_because="text",
)


class Folded(msgspec.Struct, gc=False):
    """A refund's row while it is folded; the fields are the columns. `settled_on`: when it was confirmed or failed."""

    tenant_id: bytes
    refund_id: bytes
    version: int = 0
    tenant_seq: int = 0
    customer_id: bytes = bytes(16)
    amount_minor: int = 0
    attempts: int = 0
    requested_on: date = date.min
    settled_on: date | None = None
    automatic: bool = False
    status: str = "requested"
    currency: str = ""
    provider: str = ""
    reference: str = ""
    last_error: str = ""
    destination: str = ""
    reason: str = ""
    failed_because: str = ""


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that no refund has."""
    _FOLDS[type(event)](row, event, effective_on)


def parts(row: Folded) -> Iterable[Part]:
    """A refund adds to no sums."""
    return ()


def _requested(row: Folded, event: e.Requested, on: date) -> None:
    row.customer_id = event.customer_id.bytes
    row.amount_minor = event.amount_minor
    row.requested_on = on
    row.automatic = event.automatic
    row.currency = event.currency
    row.destination = event.destination
    row.reason = event.reason


def _attempted(row: Folded, event: e.Attempted, on: date) -> None:
    row.attempts += 1


def _attempt_failed(row: Folded, event: e.AttemptFailed, on: date) -> None:
    row.last_error = event.reason


def _released(row: Folded, event: e.Released, on: date) -> None:
    row.attempts = 0


def _sent(row: Folded, event: e.Sent, on: date) -> None:
    row.status = "sent"
    row.provider = event.provider
    row.reference = event.reference


def _confirmed(row: Folded, event: e.Confirmed, on: date) -> None:
    row.status = "confirmed"
    row.settled_on = on
    row.reference = event.reference or row.reference


def _failed(row: Folded, event: e.Failed, on: date) -> None:
    row.failed_because = event.reason


def _compensated(row: Folded, event: e.Compensated, on: date) -> None:
    row.status = "compensated"
    row.settled_on = on


_FOLDS: dict[type[Event], Callable[[Folded, Any, date], None]] = {
    e.Requested: _requested,
    e.Attempted: _attempted,
    e.AttemptFailed: _attempt_failed,
    e.Released: _released,
    e.Sent: _sent,
    e.Confirmed: _confirmed,
    e.Failed: _failed,
    e.Compensated: _compensated,
}

REFUNDS = Projection(
    name="refunds",
    version=1,
    streams=("refund",),
    table=TABLE,
    sums=(),
    row=Folded,
    fold=fold,
    parts=parts,
)
