"""Examples of dunning, in the story of `adapters.http.openapi.examples.invoices`: a plan, and a message it queued."""

from datetime import date
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from adapters.http.openapi.examples.invoices import CUSTOMER_ID, INVOICE_ID, reais
from commands.customers import ChangeConsent, ChangeTracking
from commands.dunning_plans import PlanView, SavePlan
from commands.mails import QueueMail
from commands.messages import DiscardMessage, MessageView, SettleMessage
from ledger.dunning.plan import Caps, Step
from projections.messages.listing import MessageRow
from projections.messages.results import StepResult
from schedulers.preview import PreviewItem

MESSAGE_ID: Final = UUID("019d1234-5c00-8a1b-9c2d-3e4f5a6b7c8d")

STEPS: Final = (
    Step("before", -3, "courtesy"),
    Step("d7", 7, window="mon-fri 08:00-20:00, sat 08:00-14:00", valid_hours=48),
    Step("d15", 15, "final_notice", requires=("d7",), at_least=(reais("20.00"),)),
)
SAVE_PLAN: Final = SavePlan(key="soft", name="Soft", steps=STEPS, caps=Caps(week=2))
PLAN: Final = PlanView(
    key="soft",
    version=1,
    name="Soft",
    active_from=date(2026, 3, 2),
    steps=STEPS,
    calendar="weekdays",
    late_entry="next",
    caps=Caps(week=2),
    timezone="debtor",
    group_by="customer",
)
INACTIVE_PLAN: Final = replace(PLAN, active_from=None)

MESSAGE: Final = MessageView(
    message_id=MESSAGE_ID,
    kind="dunning",
    channel="email",
    state="sent",
    customer_id=CUSTOMER_ID,
    invoice_ids=(INVOICE_ID,),
    amount=reais("102.23"),
    plan="soft",
    plan_version=1,
    step="d7",
    purpose="reminder",
    queued_on=date(2026, 3, 17),
    business_date=date(2026, 3, 17),
    attempts=1,
    next_at=None,
    sender="file",
    reference=f"2026-03-17/{MESSAGE_ID}.eml",
    content_hash="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    reason="",
    opened_on=None,
    complaint="",
)
MESSAGE_ROW: Final = MessageRow(
    message_id=MESSAGE_ID,
    kind="dunning",
    channel="email",
    state="sent",
    customer_id=CUSTOMER_ID,
    invoice_ids=(INVOICE_ID,),
    amount=reais("102.23"),
    step="d7",
    purpose="reminder",
    plan="soft",
    plan_version=1,
    queued_on=date(2026, 3, 17),
    business_date=date(2026, 3, 17),
    attempts=1,
    sender="file",
    reference=f"2026-03-17/{MESSAGE_ID}.eml",
    reason="",
    opened_on=None,
    complaint="",
)
DISCARD: Final = DiscardMessage(reason="the customer has moved")
SETTLE: Final = SettleMessage(outcome="sent")
QUEUE_MAIL: Final = QueueMail(template="welcome")
GENERIC_MAIL: Final = replace(
    MESSAGE,
    kind="generic",
    state="queued",
    invoice_ids=(),
    amount=reais("0.00"),
    plan="",
    plan_version=0,
    step="",
    attempts=0,
    sender="",
    reference="",
    content_hash="",
)
STEP_RESULT: Final = StepResult(
    step="d7",
    queued=120,
    sent=118,
    delivered=96,
    bounced=2,
    unknown=0,
    not_sent=2,
    tracked=64,
    opened=31,
    complained=0,
)
TRACKING: Final = ChangeTracking(allowed=True, reason="agreed when it signed up")
CONSENT: Final = ChangeConsent(channel="email", reason="asked for it by phone")
PREVIEW_ITEM: Final = PreviewItem(
    date=date(2026, 3, 17),
    kind="message",
    invoice_ids=(INVOICE_ID,),
    invoice_numbers=("INV-000001",),
    customer_id=CUSTOMER_ID,
    amount=reais("102.23"),
    channel="email",
    recipient="maria@example.com",
    step="d7",
)
