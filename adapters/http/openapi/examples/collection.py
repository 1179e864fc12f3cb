"""Examples of collection work, in the story of `adapters.http.openapi.examples.invoices`."""

from datetime import date
from typing import Final
from uuid import UUID

from adapters.http.openapi.examples.dunning import MESSAGE_ID
from adapters.http.openapi.examples.invoices import CUSTOMER, CUSTOMER_ID, INVOICE_ID, reais
from adapters.http.openapi.examples.senders import TASK_ID
from commands.activities import ActivityView, NextAction, Promise, RecordActivity
from projections.collection.communications import Communication
from projections.collection.queue import QueueRow

CALL_ID: Final = UUID("019d2345-6c00-8b1c-9d2e-3f4a5b6c7d8e")

RECORD_CALL: Final = RecordActivity(
    result="promised",
    note="waits for its own customer to pay",
    promise=Promise(date(2026, 3, 25)),
    next_action=NextAction("call", date(2026, 3, 26), "ask whether it has paid"),
)
CALL: Final = ActivityView(
    activity_id=CALL_ID,
    kind="call",
    customer_id=CUSTOMER_ID,
    result="promised",
    happened_on=date(2026, 3, 18),
    invoice_ids=(INVOICE_ID,),
    note="waits for its own customer to pay",
    task_id=TASK_ID,
)
RECORD_VISIT: Final = RecordActivity(result="not_reached", happened_on=date(2026, 3, 18))
VISIT: Final = ActivityView(
    activity_id=CALL_ID,
    kind="visit",
    customer_id=CUSTOMER_ID,
    result="not_reached",
    happened_on=date(2026, 3, 18),
    invoice_ids=(),
    note="",
    task_id=None,
)
QUEUE_ROW: Final = QueueRow(
    customer_id=CUSTOMER_ID,
    reference=CUSTOMER.reference,
    name=CUSTOMER.name,
    phone=CUSTOMER.phone,
    reason="overdue",
    overdue=reais("102.23"),
    invoice_count=1,
    oldest_due_on=date(2026, 3, 10),
    days_late=7,
    last_worked_on=None,
    task_id=None,
    task_due_on=None,
)
COMMUNICATION: Final = Communication(
    happened_on=date(2026, 3, 17),
    id=MESSAGE_ID,
    kind="dunning",
    channel="email",
    result="sent",
    purpose="reminder",
    step="d7",
    note="",
    invoice_ids=(INVOICE_ID,),
)
