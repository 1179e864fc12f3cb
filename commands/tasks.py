"""Tasks for people: open one, say that one is done."""

from datetime import date
from uuid import UUID

import msgspec

from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger.errors import Rejected
from ledger.event_registry import New
from ledger.task import MAX_NOTE_LENGTH, Done, Kind, Opened, State, Task, require_open


class TaskTextMissing(Rejected):
    """A task says what is to be done, in at most 2,000 characters."""


class OpenTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done about a customer, and by when."""

    customer_id: UUID
    text: str
    due_on: date | None = None


class FinishTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of a task."""

    note: str = ""


class TaskView(msgspec.Struct, frozen=True):
    """A task for a person."""

    task_id: UUID
    kind: Kind
    state: State
    text: str
    about: UUID | None
    customer_id: UUID | None
    due_on: date | None
    opened_on: date
    note: str


def open_task(unit: Unit, command: OpenTask) -> TaskView:
    """Writes down what a person is to do. Raises Unknown, TaskTextMissing."""
    text = _checked(command.text)
    if not text:
        raise TaskTextMissing("say what is to be done", field="text")
    load(unit, "customer", command.customer_id)
    task_id = unit.new_id("task")
    event = Opened(
        "to_do",
        unit.encrypt(command.customer_id, text),
        command.customer_id,
        command.customer_id,
        command.due_on,
    )
    state: Task = unit.append("task", task_id, [New(event, today(unit))])
    return task_view(task_id, state)


def finish_task(unit: Unit, task_id: UUID, command: FinishTask) -> TaskView:
    """Says that a task is done. Raises Unknown, TaskDone, TaskTextMissing."""
    task: Task = load(unit, "task", task_id)
    require_open(task)
    note = _checked(command.note)
    if task.customer_id is not None:
        note = unit.encrypt(task.customer_id, note)
    state: Task = unit.append("task", task_id, [New(Done(note), today(unit))])
    return task_view(task_id, state)


def task_view(task_id: UUID, task: Task) -> TaskView:
    return TaskView(
        task_id=task_id,
        kind=task.kind,
        state=task.state,
        text=task.text,
        about=task.about,
        customer_id=task.customer_id,
        due_on=task.due_on,
        opened_on=task.opened_on,
        note=task.note,
    )


def _checked(text: str) -> str:
    if len(text) > MAX_NOTE_LENGTH:
        raise TaskTextMissing(f"the text is longer than {MAX_NOTE_LENGTH} characters; shorten it")
    return text.strip()
