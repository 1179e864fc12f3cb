"""What others tell about a message that was sent: delivered, given back, complained about, opened, unsubscribed.

Reports come more than once and in any order. The caller has verified that a report is about this message: by the
keyed hash in the address that it was returned to, or in the link that was followed.
"""

from uuid import UUID

from commands.customers import ChangeConsent, opt_out
from commands.messages import MessageView, append_to_message, message_view, refuse_address
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger import collection
from ledger.customer import Customer
from ledger.event_registry import New
from ledger.message import (
    Complained,
    Message,
    Opened,
    reported_bounced,
    reported_delivered,
    reported_relayed,
)
from ledger.task import Opened as TaskOpened
from ledger.task import report_task_id


def message_delivered(unit: Unit, message_id: UUID) -> MessageView:
    """The recipient's mail server has the message. Raises Unknown, MessageBeingSent."""
    message: Message = load(unit, "message", message_id)
    return append_to_message(unit, message_id, reported_delivered(message))


def message_relayed(unit: Unit, message_id: UUID) -> MessageView:
    """A mail server has passed the message on: it did leave. Raises Unknown, MessageBeingSent."""
    message: Message = load(unit, "message", message_id)
    return append_to_message(unit, message_id, reported_relayed(message))


def message_bounced(
    unit: Unit, message_id: UUID, reason: str, *, refused_address: str = ""
) -> MessageView:
    """A mail server has given the message back.

    refused_address  the encrypted address that does not exist: nothing is sent there while it is the customer's

    Raises Unknown, MessageBeingSent.
    """
    message: Message = load(unit, "message", message_id)
    view = append_to_message(unit, message_id, reported_bounced(message, reason))
    if refused_address:
        refuse_address(unit, message, refused_address, reason)
    return view


def message_complained(unit: Unit, message_id: UUID, kind: str) -> MessageView:
    """The recipient has told its provider that it does not want the message: reminders on its channel end.

    Raises Unknown.
    """
    message: Message = load(unit, "message", message_id)
    if message.complaint:
        return message_view(message_id, message)
    consent = ChangeConsent(message.channel, f"complaint: {kind}")
    opt_out(unit, message.customer_id, consent)
    return append_to_message(unit, message_id, Complained(kind))


def message_opened(unit: Unit, message_id: UUID) -> MessageView:
    """The message's picture was fetched; noted once, and only while the customer consents. Raises Unknown."""
    message: Message = load(unit, "message", message_id)
    customer: Customer = load(unit, "customer", message.customer_id)
    notable = customer.tracked and message.begun and message.opened_on is None
    if notable and message.kind == "dunning":
        event = collection.MessageOpened(message.customer_id, message_id)
        stream_id = collection.stream_id(unit.tenant_id, message.customer_id)
        unit.append("collection", stream_id, [New(event, today(unit))])
    return append_to_message(unit, message_id, Opened() if notable else None)


def unsubscribe(unit: Unit, message_id: UUID) -> MessageView:
    """The recipient wants no more reminders on the message's channel. Raises Unknown."""
    message: Message = load(unit, "message", message_id)
    opt_out(unit, message.customer_id, ChangeConsent(message.channel, "unsubscribed by a link"))
    return message_view(message_id, message)


def report_not_read(unit: Unit, message_id: UUID, what: str) -> MessageView:
    """A mail came back that says nothing that can be read: one task for a person. Raises Unknown."""
    message: Message = load(unit, "message", message_id)
    task_id = report_task_id(unit.tenant_id, message_id)
    if unit.find("task", task_id) is None:
        text = f"a mail came back for message {message_id} that cannot be read: {what}. See whether it arrived"
        task = TaskOpened("unread_report", text, message_id)
        unit.append("task", task_id, [New(task, today(unit))])
    return message_view(message_id, message)
