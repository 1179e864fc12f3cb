"""The read model `tasks`: a row per task, with what came of it."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import msgspec

from ledger import task as e
from ledger.event_registry import Event
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable

TABLE = RowTable(
    "tasks",
    "task_id",
    about="uuid",
    customer_id="uuid",
    due_on="date",
    opened_on="date",
    kind="text",
    state="text",
    text="text",
    note="text",
)


class Folded(msgspec.Struct, gc=False):
    """A task's row while it is folded; the fields are the columns."""

    tenant_id: bytes
    task_id: bytes
    version: int = 0
    tenant_seq: int = 0
    about: bytes | None = None
    customer_id: bytes | None = None
    due_on: date | None = None
    opened_on: date = date.min
    kind: str = ""
    state: str = "open"
    text: str = ""
    note: str = ""


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that no task has."""
    _FOLDS[type(event)](row, event, effective_on)


def parts(row: Folded) -> Iterable[Part]:
    """A task adds to no sums."""
    return ()


def _opened(row: Folded, event: e.Opened, on: date) -> None:
    row.kind = event.kind
    row.text = event.text
    row.about = event.about.bytes if event.about is not None else None
    row.customer_id = event.customer_id.bytes if event.customer_id is not None else None
    row.due_on = event.due_on
    row.opened_on = on


def _done(row: Folded, event: e.Done, on: date) -> None:
    row.state, row.note = "done", event.note


_FOLDS: dict[type[Event], Callable[[Folded, Any, date], None]] = {
    e.Opened: _opened,
    e.Done: _done,
}

TASKS = Projection(
    name="tasks",
    version=1,
    streams=("task",),
    table=TABLE,
    sums=(),
    row=Folded,
    fold=fold,
    parts=parts,
)
