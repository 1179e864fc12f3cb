"""Collection work: what came of a call or a visit, what the customer said, and what is to be done next.

All of it is one append: the activity, the promises and disputes of its invoices, the task for the next action, and the
contact that counts in the limits.
"""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec

from commands.holds import DisputeInvoice, PromiseToPay, dispute_invoice, promise_to_pay
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger import collection
from ledger.activity import MAX_NOTE_LENGTH, Activity, Kind, Recorded, Result
from ledger.errors import Rejected
from ledger.event_registry import New
from ledger.invoice.preconditions import EffectiveInFuture
from ledger.invoice.state import Invoice
from ledger.task import Opened


class NoteTooLong(Rejected):
    """A note has at most 2,000 characters."""


class ResultDiffers(Rejected):
    """A promise belongs to the result `promised`, a dispute to `disputed`; each needs the other."""


class InvoiceOfAnother(Rejected):
    """An activity is about the invoices of its customer."""


class Promise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Until when the customer promises to pay all that is open."""

    promised_on: date


class Dispute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the customer disputes what it owes."""

    reason: str


class NextAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done next, and when; a task is opened for it."""

    kind: Literal["call", "visit", "to_do"]
    due_on: date
    text: str = ""


class RecordActivity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of a call or a visit.

    happened_on  the day, today when left out
    invoice_ids  what it was about; of a promise and a dispute, the invoices it concerns; left out, all that are open
    """

    result: Result
    note: str = ""
    happened_on: date | None = None
    invoice_ids: tuple[UUID, ...] = ()
    promise: Promise | None = None
    dispute: Dispute | None = None
    next_action: NextAction | None = None


class ActivityView(msgspec.Struct, frozen=True):
    """A call or a visit. `task_id` is the task for the next action."""

    activity_id: UUID
    kind: Kind
    customer_id: UUID
    result: Result
    happened_on: date
    invoice_ids: tuple[UUID, ...]
    note: str
    task_id: UUID | None


def record_activity(
    unit: Unit, customer_id: UUID, kind: Kind, command: RecordActivity
) -> ActivityView:
    """Records a call or a visit.

    Raises Unknown, NoteTooLong, ResultDiffers, InvoiceOfAnother, EffectiveInFuture, and what a promise or a dispute
    raises.
    """
    load(unit, "customer", customer_id)
    now_on = today(unit)
    happened_on = command.happened_on or now_on
    _check(command, happened_on, now_on)
    invoice_ids = _invoices(unit, customer_id, command)
    for invoice_id in invoice_ids:
        if command.promise is not None:
            promise_to_pay(unit, invoice_id, PromiseToPay(command.promise.promised_on))
        if command.dispute is not None:
            dispute_invoice(unit, invoice_id, DisputeInvoice(command.dispute.reason))
    activity_id = unit.new_id("activity")
    event = Recorded(
        kind,
        customer_id,
        command.result,
        invoice_ids,
        unit.encrypt(customer_id, command.note.strip()),
        _next_task(unit, customer_id, command.next_action),
    )
    activity: Activity = unit.append("activity", activity_id, [New(event, happened_on)])
    contacted = collection.Worked(customer_id, activity_id, kind)
    stream_id = collection.stream_id(unit.tenant_id, customer_id)
    unit.append("collection", stream_id, [New(contacted, happened_on)])
    return activity_view(activity_id, activity)


def activity_view(activity_id: UUID, activity: Activity) -> ActivityView:
    return ActivityView(
        activity_id=activity_id,
        kind=activity.kind,
        customer_id=activity.customer_id,
        result=activity.result,
        happened_on=activity.happened_on,
        invoice_ids=activity.invoice_ids,
        note=activity.note,
        task_id=activity.task_id,
    )


def _check(command: RecordActivity, happened_on: date, now_on: date) -> None:
    if len(command.note) > MAX_NOTE_LENGTH:
        raise NoteTooLong(f"the note is longer than {MAX_NOTE_LENGTH} characters", field="note")
    if happened_on > now_on:
        raise EffectiveInFuture(
            f"{happened_on} has not come; today is {now_on}", field="happened_on"
        )
    for field, result in (("promise", "promised"), ("dispute", "disputed")):
        if (getattr(command, field) is not None) != (command.result == result):
            raise ResultDiffers(
                f"say a {field} with the result {result}, and with no other", field=field
            )


def _invoices(unit: Unit, customer_id: UUID, command: RecordActivity) -> tuple[UUID, ...]:
    """What an activity is about. A promise or a dispute without invoices concerns all that are open."""
    for invoice_id in command.invoice_ids:
        invoice: Invoice = load(unit, "invoice", invoice_id)
        if invoice.customer_id != customer_id:
            raise InvoiceOfAnother(
                f"invoice {invoice_id} is another customer's", field="invoice_ids"
            )
    if command.invoice_ids or command.result not in ("promised", "disputed"):
        return tuple(dict.fromkeys(command.invoice_ids))
    found = [
        (invoice.due_on, invoice_id)
        for invoice_id, invoice in unit.payable(customer_id)
        if invoice.open.total > 0 and (command.promise is not None or invoice.dispute is None)
    ]
    if not found:
        what = command.result
        raise ResultDiffers(f"nothing is open that could be {what}", field="result")
    return tuple(invoice_id for _, invoice_id in sorted(found))


def _next_task(unit: Unit, customer_id: UUID, action: NextAction | None) -> UUID | None:
    if action is None:
        return None
    task_id = unit.new_id("next action")
    opened = Opened(
        action.kind,
        unit.encrypt(customer_id, action.text.strip()),
        customer_id,
        customer_id,
        action.due_on,
    )
    unit.append("task", task_id, [New(opened, today(unit))])
    return task_id
