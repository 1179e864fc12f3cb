"""The read model `messages`: a row per message, with what has become of it."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import msgspec

from ledger import message as e
from ledger.event_registry import Event
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable

TABLE = RowTable(
    "messages",
    "message_id",
    customer_id="uuid",
    amount_minor="bigint",
    attempts="integer",
    plan_version="integer",
    queued_on="date",
    business_date="date",
    opened_on="date",
    tracked="boolean",
    kind="text",
    channel="text",
    state="text",
    currency="text",
    plan="text",
    step="text",
    purpose="text",
    sender="text",
    reference="text",
    reason="text",
    invoice_ids="text",
    complaint="text",
)


class Folded(msgspec.Struct, gc=False):
    """A message's row while it is folded; the fields are the columns. `invoice_ids` is JSON."""

    tenant_id: bytes
    message_id: bytes
    version: int = 0
    tenant_seq: int = 0
    customer_id: bytes = bytes(16)
    amount_minor: int = 0
    attempts: int = 0
    plan_version: int = 0
    queued_on: date = date.min
    business_date: date = date.min
    opened_on: date | None = None
    tracked: bool = False
    kind: str = "dunning"
    channel: str = "email"
    state: str = "queued"
    currency: str = ""
    plan: str = ""
    step: str = ""
    purpose: str = ""
    sender: str = ""
    reference: str = ""
    reason: str = ""
    invoice_ids: str = "[]"
    complaint: str = ""


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that no message has."""
    _FOLDS[type(event)](row, event, effective_on)


def parts(row: Folded) -> Iterable[Part]:
    """A message adds to no sums."""
    return ()


def _queued(row: Folded, event: e.Queued, on: date) -> None:
    row.customer_id = event.customer_id.bytes
    row.amount_minor = event.amount_minor
    row.plan_version = event.plan_version
    row.queued_on = on
    row.business_date = event.business_date
    row.kind = event.kind
    row.channel = event.channel
    row.currency = event.currency
    row.plan = event.plan
    row.step = event.step
    row.purpose = event.purpose
    row.invoice_ids = msgspec.json.encode(event.invoice_ids).decode()
    row.state = "awaiting_approval" if event.approval else "queued"


def _approved(row: Folded, event: e.Approved, on: date) -> None:
    row.state = "queued"


def _attempted(row: Folded, event: e.Attempted, on: date) -> None:
    row.state = "attempted"
    row.attempts += 1
    row.sender = event.sender
    row.tracked = event.tracked


def _sent(row: Folded, event: e.Sent, on: date) -> None:
    row.state = "sent"
    row.reference = event.reference
    row.reason = ""


def _delivered(row: Folded, event: e.Delivered, on: date) -> None:
    row.state = "delivered"
    row.reason = ""


def _complained(row: Folded, event: e.Complained, on: date) -> None:
    row.complaint = event.kind


def _opened(row: Folded, event: e.Opened, on: date) -> None:
    row.opened_on = row.opened_on or on


def _attempt_failed(row: Folded, event: e.AttemptFailed, on: date) -> None:
    row.state = "queued"
    row.reason = event.reason


def _deferred(row: Folded, event: e.Deferred, on: date) -> None:
    row.state = "queued"
    row.attempts -= 1
    row.reason = event.reason


def _waits(row: Folded, event: e.Postponed, on: date) -> None:
    """It is still queued."""


def _expired(row: Folded, event: e.Expired, on: date) -> None:
    row.state = "expired"


def _ended(state: e.State) -> Callable[[Folded, Any, date], None]:
    def ended(row: Folded, event: Any, on: date) -> None:
        row.state = state
        row.reason = event.reason

    return ended


def _discarded(row: Folded, event: e.Discarded, on: date) -> None:
    row.state = "discarded"


def _retried(row: Folded, event: e.Retried, on: date) -> None:
    row.state = "queued"
    row.attempts = 0
    row.reason = ""


def _settled(row: Folded, event: e.Settled, on: date) -> None:
    row.state = "sent" if event.outcome == "sent" else "queued"
    row.attempts = 0
    row.reason = ""


_FOLDS: dict[type[Event], Callable[[Folded, Any, date], None]] = {
    e.Queued: _queued,
    e.Approved: _approved,
    e.Attempted: _attempted,
    e.Sent: _sent,
    e.Delivered: _delivered,
    e.Bounced: _ended("bounced"),
    e.Complained: _complained,
    e.Opened: _opened,
    e.AttemptFailed: _attempt_failed,
    e.Deferred: _deferred,
    e.Postponed: _waits,
    e.Expired: _expired,
    e.BecameUnknown: _ended("unknown"),
    e.DeadLettered: _ended("dead_lettered"),
    e.Cancelled: _ended("cancelled"),
    e.Retried: _retried,
    e.Discarded: _discarded,
    e.Settled: _settled,
}

MESSAGES = Projection(
    name="messages",
    version=2,
    streams=("message",),
    table=TABLE,
    sums=(),
    row=Folded,
    fold=fold,
    parts=parts,
)
