"""The read model `senders`: a row per sender, as it is now."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import msgspec

from ledger import sender as e
from ledger.event_registry import Event
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable

TABLE = RowTable(
    "senders",
    "sender_id",
    port="integer",
    connections="integer",
    pause_ms="integer",
    max_per_second="integer",
    has_password="boolean",
    receipts="boolean",
    key="text",
    state="text",
    reason="text",
    host="text",
    from_address="text",
    security="text",
    username="text",
    source_address="text",
    return_domain="text",
    dkim_selector="text",
)


class Folded(msgspec.Struct, gc=False):
    """A sender's row while it is folded; the fields are the columns."""

    tenant_id: bytes
    sender_id: bytes
    version: int = 0
    tenant_seq: int = 0
    port: int = 0
    connections: int = 0
    pause_ms: int = 0
    max_per_second: int = 0
    has_password: bool = False
    receipts: bool = False
    key: str = ""
    state: str = "active"
    reason: str = ""
    host: str = ""
    from_address: str = ""
    security: str = ""
    username: str = ""
    source_address: str = ""
    return_domain: str = ""
    dkim_selector: str = ""


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that no sender has."""
    _FOLDS[type(event)](row, event, effective_on)


def parts(row: Folded) -> Iterable[Part]:
    """A sender adds to no sums."""
    return ()


def _configured(row: Folded, event: e.Configured, on: date) -> None:
    smtp = event.smtp
    row.key = event.key
    row.host, row.port, row.security = smtp.host, smtp.port, smtp.security
    row.from_address, row.source_address = smtp.from_address, smtp.source_address
    row.username, row.has_password = smtp.username, smtp.secret_id is not None
    row.connections, row.pause_ms = smtp.connections, smtp.pause_ms
    row.max_per_second = smtp.max_per_second
    row.receipts = smtp.receipts
    row.return_domain, row.dkim_selector = smtp.return_domain, smtp.dkim_selector


def _paused(row: Folded, event: e.Paused, on: date) -> None:
    row.state, row.reason = "paused", event.reason


def _resumed(row: Folded, event: e.Resumed, on: date) -> None:
    row.state, row.reason = "active", ""


_FOLDS: dict[type[Event], Callable[[Folded, Any, date], None]] = {
    e.Configured: _configured,
    e.Paused: _paused,
    e.Resumed: _resumed,
}

SENDERS = Projection(
    name="senders",
    version=2,
    streams=("sender",),
    table=TABLE,
    sums=(),
    row=Folded,
    fold=fold,
    parts=parts,
)
