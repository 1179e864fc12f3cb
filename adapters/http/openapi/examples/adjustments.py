"""Examples for the OpenAPI document: the invoice of `adapters.http.openapi.examples.invoices`, adjusted, disputed,
promised and held.
"""

from datetime import date
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from adapters.http.openapi.examples.invoices import (
    CUSTOMER_ID,
    INVOICE,
    INVOICE_ID,
    PAYMENT,
    components,
    reais,
)
from commands.adjustments import (
    ChargeFee,
    CreditInvoice,
    CreditLine,
    CreditNoteView,
    WaiveComponent,
    WriteOffInvoice,
)
from commands.credit_application import ApplyCredit, ApplyPayment, CreditAppliedView
from commands.holds import (
    DisputeInvoice,
    HoldInvoice,
    PromiseToPay,
    ReleaseInvoice,
    ResolveDispute,
)
from commands.invoices import DisputeView, HoldView, PromiseView
from commands.payments import Allocation, AllocationView
from commands.reversals import ChargeBackPayment, ReallocatePayment

CREDIT_NOTE_ID: Final = UUID("8e4b7f21-6a5d-8c3e-9f10-2b4d6f8a0c1e")

CHARGE_FEE: Final = ChargeFee(amount=reais("8.50"), description="returned direct debit")
CHARGED: Final = replace(
    INVOICE,
    open=reais("110.83"),
    charged=replace(INVOICE.charged, other_fees=reais("8.50"), total=reais("110.83")),
    outstanding=replace(INVOICE.outstanding, other_fees=reais("8.50"), total=reais("110.83")),
)
WAIVE_COMPONENT: Final = WaiveComponent(component="late_fee", reason="a good customer")
WAIVED: Final = replace(
    INVOICE,
    open=reais("100.33"),
    forgiven=components("0.00", "2.00"),
    outstanding=components("100.00", "0.00", "0.33"),
    waived=reais("2.00"),
)
WRITE_OFF: Final = WriteOffInvoice(reason="the company is insolvent")
WRITTEN_OFF: Final = replace(
    INVOICE,
    status="written_off",
    open=reais("0.00"),
    forgiven=components("100.00", "2.00", "0.33"),
    outstanding=components("0.00"),
    written_off=reais("102.33"),
)
CREDIT_INVOICE: Final = CreditInvoice(
    reason="half of the bread was stale", lines=(CreditLine(line=0, amount=reais("50.00")),)
)
CREDIT_NOTE: Final = CreditNoteView(
    id=CREDIT_NOTE_ID,
    number="2026/000007",
    invoice_id=INVOICE_ID,
    net=reais("50.00"),
    tax=reais("0.00"),
    total=reais("50.00"),
    applied=reais("50.00"),
    credit=reais("0.00"),
    invoice=replace(
        INVOICE,
        open=reais("52.33"),
        forgiven=components("50.00"),
        outstanding=components("50.00", "2.00", "0.33"),
        credited=reais("50.00"),
    ),
)

DISPUTE_INVOICE: Final = DisputeInvoice(
    reason="says that half was never delivered", amount=reais("50.00")
)
DISPUTED: Final = replace(
    INVOICE,
    dispute=DisputeView(disputed_on=date(2026, 3, 20), amount=reais("50.00"), holds_interest=False),
)
RESOLVE_DISPUTE: Final = ResolveDispute(outcome="rejected", reason="the receipt is signed")
PROMISE_TO_PAY: Final = PromiseToPay(promised_on=date(2026, 3, 27), note="by phone, from her son")
PROMISED: Final = replace(
    INVOICE,
    promise=PromiseView(
        promised_on=date(2026, 3, 27),
        amount=reais("102.33"),
        kept=None,
    ),
)
HOLD_INVOICE: Final = HoldInvoice(reason="in hospital", until_on=date(2026, 4, 10))
HELD: Final = replace(INVOICE, hold=HoldView(until_on=date(2026, 4, 10)))
RELEASE_INVOICE: Final = ReleaseInvoice(reason="back home")

CHARGE_BACK_PAYMENT: Final = ChargeBackPayment(
    reason="the card's holder did not know of it", charged_back_on=date(2026, 4, 2)
)
REALLOCATE_PAYMENT: Final = ReallocatePayment(
    reason="meant for the older invoice",
    allocations=(Allocation(invoice_id=INVOICE_ID, amount=reais("102.33")),),
)
CHARGED_BACK: Final = replace(
    PAYMENT,
    status="charged_back",
    allocations=[],
    charged_back=reais("102.33"),
)
APPLY_PAYMENT: Final = ApplyPayment(invoice_id=INVOICE_ID)
APPLIED: Final = replace(
    PAYMENT,
    amount=reais("102.58"),
    allocations=[AllocationView(invoice_id=INVOICE_ID, amount=reais("102.33"))],
    unapplied=reais("0.25"),
)
APPLY_CREDIT: Final = ApplyCredit(currency="BRL", amount=reais("0.25"))
CREDIT_APPLIED: Final = CreditAppliedView(
    customer_id=CUSTOMER_ID,
    applied=reais("0.25"),
    allocations=[AllocationView(invoice_id=INVOICE_ID, amount=reais("0.25"))],
    credit=reais("0.00"),
)
