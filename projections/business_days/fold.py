"""The read model `business_days`: a row per tenant and date, with the tally of each step that is complete."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from ledger import business_day as e
from ledger.business_day import Tally
from ledger.event_registry import Event
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable

TABLE = RowTable("business_days", "day_id", day="date", status="text", steps="text")


class Folded(msgspec.Struct, gc=False):
    """A business day's row while it is folded; the fields are the columns. `steps` is JSON: tally by step."""

    tenant_id: bytes
    day_id: bytes
    version: int = 0
    tenant_seq: int = 0
    day: date = date.min
    status: str = "open"
    steps: str = "{}"


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that no business day has."""
    _FOLDS[type(event)](row, event)


def parts(row: Folded) -> list[Part]:
    """A business day adds to no sums."""
    return []


def steps_of(steps: str) -> dict[str, Tally]:
    """The tallies in the column `steps`."""
    return msgspec.json.decode(steps, type=dict[str, Tally])


def _opened(row: Folded, event: e.Opened) -> None:
    row.day = event.day


def _step_completed(row: Folded, event: e.StepCompleted) -> None:
    tallies = {**steps_of(row.steps), event.step: event.tally}
    row.steps = msgspec.json.encode(tallies).decode()


def _closed(row: Folded, event: e.Closed) -> None:
    row.status = "closed"


_FOLDS: dict[type[Event], Callable[[Folded, Any], None]] = {
    e.Opened: _opened,
    e.StepCompleted: _step_completed,
    e.Closed: _closed,
}

BUSINESS_DAYS = Projection(
    name="business_days",
    version=1,
    streams=("business_day",),
    table=TABLE,
    sums=(),
    row=Folded,
    fold=fold,
    parts=parts,
)
