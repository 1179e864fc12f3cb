"""A task for a person: something that no rule decides, from when it was opened to when somebody did it."""

from datetime import date
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.errors import Conflict
from ledger.event_registry import Event, stored
from ledger.ids import stable_id

FOLD_VERSION = 1

MAX_NOTE_LENGTH: Final = 2_000

Kind = Literal["sender_paused", "unread_report", "to_do", "call", "visit", "letter"]
"""What a task is about.

    sender_paused  a sender is at fault and was paused; mend it and resume it
    unread_report  a mail came back that is no delivery report; look at the message it is about
    to_do          what a person has written down
    call, visit    a customer is to be called or visited
    letter         a customer is to be written a letter
"""

State = Literal["open", "done"]


class TaskDone(Conflict):
    """The task was done already."""


@stored("task.opened.v1")
class Opened(Event, frozen=True):
    """Something waits for a person.

    about        what it is about: a sender, a customer, an invoice; none, when only the text says it
    customer_id  whose text it is, when it is encrypted
    text         what is to be done; of a person's own task an encrypted text
    due_on       by when
    """

    kind: Kind
    text: str
    about: UUID | None = None
    customer_id: UUID | None = None
    due_on: date | None = None


@stored("task.done.v1")
class Done(Event, frozen=True):
    """Somebody did it, or found that there is nothing to do."""

    note: str = ""


class Task(msgspec.Struct, frozen=True, array_like=True):
    """A task as folded."""

    kind: Kind
    text: str
    about: UUID | None
    customer_id: UUID | None
    due_on: date | None
    opened_on: date
    state: State = "open"
    note: str = ""


def pause_task_id(tenant_id: UUID, sender_id: UUID, pauses: int) -> UUID:
    """The task of a sender's pause: one for each, however many workers find the fault."""
    return stable_id("task", tenant_id, sender_id, str(pauses))


def report_task_id(tenant_id: UUID, message_id: UUID) -> UUID:
    """The task of reports about a message that nobody could read: one, however many come."""
    return stable_id("task", "report", tenant_id, message_id)


def require_open(task: Task) -> None:
    """Raises TaskDone."""
    if task.state == "done":
        raise TaskDone("the task was done already")


def evolve(task: Task | None, event: Event, effective_on: date) -> Task:
    if isinstance(event, Opened):
        return Task(
            event.kind, event.text, event.about, event.customer_id, event.due_on, effective_on
        )
    assert task is not None, f"{event.TAG} came before the task was opened"
    match event:
        case Done():
            return replace(task, state="done", note=event.note)
    raise AssertionError(f"a task does not know {event.TAG}")
