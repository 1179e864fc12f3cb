"""Examples of refunds, in the story of `adapters.http.openapi.examples.invoices`: what was paid too much is paid
back.
"""

from datetime import date
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from adapters.http.openapi.examples.invoices import CUSTOMER_ID, reais
from commands.refunds import ConfirmRefund, FailRefund, RefundView, RequestRefund
from projections.refunds.listing import RefundRow

REFUND_ID: Final = UUID("3c8e7d6f-5a4b-8392-8170-6f5e4d3c2b1a")

REQUEST_REFUND: Final = RequestRefund(
    customer_id=CUSTOMER_ID,
    amount=reais("0.25"),
    destination="Pix maria@example.com",
    reason="paid too much, asked for it back",
)
CONFIRM_REFUND: Final = ConfirmRefund(reference="E60701190202603231500")
FAIL_REFUND: Final = FailRefund(reason="the account is closed")
REFUND: Final = RefundView(
    id=REFUND_ID,
    customer_id=CUSTOMER_ID,
    status="sent",
    waits_for="confirmation",
    amount=reais("0.25"),
    requested_on=date(2026, 3, 23),
    automatic=False,
    destination="Pix maria@example.com",
    reason="paid too much, asked for it back",
    attempts=1,
    last_error="",
    provider="http",
    reference="po-4711",
    failed_because="",
)
REQUESTED_REFUND: Final = replace(
    REFUND, status="requested", waits_for="payout", attempts=0, provider="", reference=""
)
CONFIRMED_REFUND: Final = replace(
    REFUND, status="confirmed", waits_for="", reference="E60701190202603231500"
)
FAILED_REFUND: Final = replace(
    REFUND, status="compensated", waits_for="", failed_because="the account is closed"
)
REFUND_ROW: Final = RefundRow(
    id=REFUND_ID,
    customer_id=CUSTOMER_ID,
    version=3,
    status="sent",
    waits_for="confirmation",
    amount=reais("0.25"),
    requested_on=date(2026, 3, 23),
    settled_on=None,
    automatic=False,
    destination="Pix maria@example.com",
    reason="paid too much, asked for it back",
    attempts=1,
    last_error="",
    provider="http",
    reference="po-4711",
    failed_because="",
)
