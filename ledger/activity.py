"""A call or a visit of a collector, and what came of it: a stream each, written once.

Like a message it is a contact: it counts in the limits of contact on its day (`ledger.collection`).
"""

from datetime import date
from typing import Final, Literal
from uuid import UUID

import msgspec

from ledger.event_registry import Event, stored

FOLD_VERSION = 1

MAX_NOTE_LENGTH: Final = 2_000

Kind = Literal["call", "visit"]
Result = Literal["reached", "not_reached", "wrong_contact", "promised", "disputed", "refused"]
"""What came of it.

    reached        somebody was reached, and nothing of what follows came of it
    not_reached    nobody was
    wrong_contact  somebody else was: the number or the address is wrong
    promised       the customer promises to pay
    disputed       the customer disputes what it owes
    refused        the customer refuses to pay
"""


@stored("activity.recorded.v1")
class Recorded(Event, frozen=True):
    """A collector has called or visited a customer. It takes effect on the day it happened.

    invoice_ids  what it was about; none, all that the customer owes
    note         an encrypted text
    task_id      the task that was opened for the next action
    """

    kind: Kind
    customer_id: UUID
    result: Result
    invoice_ids: tuple[UUID, ...]
    note: str = ""
    task_id: UUID | None = None


class Activity(msgspec.Struct, frozen=True, array_like=True):
    """A call or a visit as folded."""

    kind: Kind
    customer_id: UUID
    result: Result
    happened_on: date
    invoice_ids: tuple[UUID, ...]
    note: str
    task_id: UUID | None


def evolve(activity: Activity | None, event: Event, effective_on: date) -> Activity:
    if isinstance(event, Recorded) and activity is None:
        return Activity(
            event.kind,
            event.customer_id,
            event.result,
            effective_on,
            event.invoice_ids,
            event.note,
            event.task_id,
        )
    raise AssertionError(f"an activity does not know {event.TAG} here")
