"""Examples of senders and tasks, in the story of `adapters.http.openapi.examples.invoices`."""

from datetime import date
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from adapters.http.openapi.examples.invoices import CUSTOMER_ID
from commands.senders import PauseSender, SaveSender, SenderView
from commands.tasks import FinishTask, OpenTask, TaskView
from projections.senders.listing import SenderRow
from projections.tasks.listing import TaskRow

SENDER_ID: Final = UUID("8d1f2e3c-4b5a-8677-9f80-a1b2c3d4e5f6")
TASK_ID: Final = UUID("4c3b2a19-0f8e-8d7c-8b6a-594837261504")

SAVE_SENDER: Final = SaveSender(
    key="main",
    host="smtp.example.com",
    port=587,
    from_address="billing@example.com",
    username="billing@example.com",
    password="kept encrypted, never shown",
    max_per_second=10,
    return_domain="bounces.example.com",
)
SENDER: Final = SenderView(
    sender_id=SENDER_ID,
    key="main",
    state="active",
    reason="",
    host="smtp.example.com",
    port=587,
    from_address="billing@example.com",
    security="starttls",
    username="billing@example.com",
    has_password=True,
    source_address="",
    connections=2,
    pause_ms=3_000,
    max_per_second=10,
    return_domain="bounces.example.com",
    receipts=False,
    dkim_selector="",
)
PAUSE: Final = PauseSender(reason="the server is being moved")
PAUSED_SENDER: Final = replace(SENDER, state="paused", reason="the server is being moved")
SENDER_ROW: Final = SenderRow(
    **{name: getattr(SENDER, name) for name in SenderRow.__struct_fields__}
)

OPEN_TASK: Final = OpenTask(
    customer_id=CUSTOMER_ID, text="ask for the new address", due_on=date(2026, 3, 20)
)
TASK: Final = TaskView(
    task_id=TASK_ID,
    kind="to_do",
    state="open",
    text="ask for the new address",
    about=CUSTOMER_ID,
    customer_id=CUSTOMER_ID,
    due_on=date(2026, 3, 20),
    opened_on=date(2026, 3, 17),
    note="",
)
FINISH_TASK: Final = FinishTask(note="moved to Recife")
DONE_TASK: Final = replace(TASK, state="done", note="moved to Recife")
TASK_ROW: Final = TaskRow(**{name: getattr(TASK, name) for name in TaskRow.__struct_fields__})
