"""The read model `activities`: a row per call or visit of a collector."""

from collections.abc import Iterable
from datetime import date

import msgspec

from ledger import activity as e
from ledger.event_registry import Event
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable

TABLE = RowTable(
    "activities",
    "activity_id",
    customer_id="uuid",
    task_id="uuid",
    happened_on="date",
    kind="text",
    result="text",
    note="text",
    invoice_ids="text",
)


class Folded(msgspec.Struct, gc=False):
    """An activity's row while it is folded; the fields are the columns. `invoice_ids` is JSON."""

    tenant_id: bytes
    activity_id: bytes
    version: int = 0
    tenant_seq: int = 0
    customer_id: bytes = bytes(16)
    task_id: bytes | None = None
    happened_on: date = date.min
    kind: str = ""
    result: str = ""
    note: str = ""
    invoice_ids: str = "[]"


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by its only event. Raises KeyError for an event that no activity has."""
    if not isinstance(event, e.Recorded):
        raise KeyError(type(event))
    row.customer_id = event.customer_id.bytes
    row.task_id = event.task_id.bytes if event.task_id is not None else None
    row.happened_on = effective_on
    row.kind = event.kind
    row.result = event.result
    row.note = event.note
    row.invoice_ids = msgspec.json.encode(event.invoice_ids).decode()


def parts(row: Folded) -> Iterable[Part]:
    """An activity adds to no sums."""
    return ()


ACTIVITIES = Projection(
    name="activities",
    version=1,
    streams=("activity",),
    table=TABLE,
    sums=(),
    row=Folded,
    fold=fold,
    parts=parts,
)
