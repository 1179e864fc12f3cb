"""The read model `agreements`: a row per agreement. What its instalments come to is in `invoices`."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from ledger.agreement import events as e
from ledger.agreement.state import Status
from ledger.event_registry import Event
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable

TABLE = RowTable(
    "agreements",
    "agreement_id",
    customer_id="uuid",
    principal_minor="bigint",
    original_minor="bigint",
    count="integer",
    requested_on="date",
    activated_on="date",
    renegotiates="uuid",
    successor_id="uuid",
    kind="text",
    status="text",
    currency="text",
    schedule="text",
)


class Folded(msgspec.Struct, gc=False):
    """An agreement's row while it is folded; the fields are the columns. Amounts are minor units of `currency`."""

    tenant_id: bytes
    agreement_id: bytes
    version: int = 0
    tenant_seq: int = 0
    customer_id: bytes = bytes(16)
    principal_minor: int = 0
    original_minor: int = 0
    count: int = 0
    requested_on: date = date.min
    activated_on: date | None = None
    renegotiates: bytes | None = None
    successor_id: bytes | None = None
    kind: str = ""
    status: str = "requested"
    currency: str = ""
    schedule: str = ""


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that no agreement has."""
    _FOLDS[type(event)](row, event, effective_on)


def parts(row: Folded) -> list[Part]:
    """An agreement adds to no sum."""
    return []


def _requested(row: Folded, event: e.Requested, on: date) -> None:
    row.customer_id = event.customer_id.bytes
    row.principal_minor = event.principal_minor
    row.original_minor = event.original_minor
    row.count = event.plan.count
    row.requested_on = on
    row.renegotiates = event.renegotiates.bytes if event.renegotiates is not None else None
    row.kind = event.kind
    row.currency = event.currency
    row.schedule = event.plan.schedule


def _activated(row: Folded, event: e.Activated, on: date) -> None:
    row.status = "active"
    row.principal_minor = event.principal_minor
    row.original_minor = event.original_minor
    row.activated_on = on


def _renegotiated(row: Folded, event: e.Renegotiated, on: date) -> None:
    row.status = "renegotiated"
    row.successor_id = event.successor_id.bytes


def _becomes(status: Status) -> Callable[[Folded, Event, date], None]:
    def becomes(row: Folded, event: Event, on: date) -> None:
        row.status = status

    return becomes


_FOLDS: dict[type[Event], Callable[[Folded, Any, date], None]] = {
    e.Requested: _requested,
    e.Approved: _becomes("approved"),
    e.Refused: _becomes("rejected"),
    e.Activated: _activated,
    e.Paid: _becomes("paid"),
    e.Reopened: _becomes("active"),
    e.Renegotiated: _renegotiated,
    e.Lost: _becomes("lost"),
}

AGREEMENTS = Projection(
    name="agreements",
    version=1,
    streams=("agreement",),
    table=TABLE,
    sums=(),
    row=Folded,
    fold=fold,
    parts=parts,
)
