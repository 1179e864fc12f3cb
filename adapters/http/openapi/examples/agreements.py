"""Examples of agreements for the OpenAPI document: 1,000 reais lent for two months, then renegotiated."""

from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from adapters.http.openapi.examples.invoices import CUSTOMER_ID, KEY_ID, PAYMENT, reais
from commands.agreements.break_even import BreakEven
from commands.agreements.early_pay_off import PaidOffView, PayOffAgreement
from commands.agreements.lifecycle import (
    LoseAgreement,
    RejectAgreement,
    RenegotiateAgreement,
    RequestAgreement,
)
from commands.agreements.pay_off_quote import AgreementPayOffView, PayOffInstalmentView
from commands.agreements.view import AgreementInstalmentView, AgreementTotals, AgreementView
from projections.agreements.listing import AgreementRow

AGREEMENT_ID: Final = UUID("4d3c2b1a-0f9e-8d7c-8b6a-594837261504")
SUCCESSOR_ID: Final = UUID("4d3c2b1a-0f9e-8d7c-8b6a-594837261505")

REQUEST_AGREEMENT: Final = RequestAgreement(
    customer_id=CUSTOMER_ID,
    kind="loan",
    currency="BRL",
    principal=reais("1000.00"),
    schedule="price",
    count=2,
    rate="2%/month",
    first_due_on=date(2026, 3, 31),
)
REJECT_AGREEMENT: Final = RejectAgreement(reason="no proof of income")
RENEGOTIATE_AGREEMENT: Final = RenegotiateAgreement(
    reason="lost her job",
    schedule="equal",
    count=2,
    first_due_on=date(2026, 5, 31),
    discount=reais("30.10"),
)
LOSE_AGREEMENT: Final = LoseAgreement(reason="bankrupt")

NOTHING: Final = reais("0.00")
NO_TOTALS: Final = AgreementTotals(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)

REQUESTED_AGREEMENT: Final = AgreementView(
    id=AGREEMENT_ID,
    customer_id=CUSTOMER_ID,
    kind="loan",
    status="requested",
    currency="BRL",
    principal=reais("1000.00"),
    original=reais("1000.00"),
    schedule="price",
    count=2,
    rate="2%/month",
    first_due_on=date(2026, 3, 31),
    mora_base="original",
    discount=NOTHING,
    down_payment=NOTHING,
    down_payment_due_on=None,
    first_period="whole_month",
    invoice_ids=[],
    renegotiates=None,
    successor_id=None,
    requested_on=date(2026, 3, 2),
    requested_by=f"key:{KEY_ID}",
    decided_by="",
    activated_on=None,
    reason="",
    notes="",
    early_pay_off=None,
    break_even=None,
    totals=NO_TOTALS,
    instalments=[],
)
NOT_BACK: Final = BreakEven(
    reais("1000.00"), NOTHING, reais("1000.00"), datetime(2026, 3, 2, 12, tzinfo=UTC)
)
ANOTHER: Final = "key:1d2c3b4a-5968-8776-8594-a3b2c1d0e9f8"
APPROVED_AGREEMENT: Final = replace(REQUESTED_AGREEMENT, status="approved", decided_by=ANOTHER)
REJECTED_AGREEMENT: Final = replace(
    REQUESTED_AGREEMENT, status="rejected", decided_by=ANOTHER, reason="no proof of income"
)


def instalment(
    number: int, due_on: date, principal: str, interest: str, mora_base: str, amount: str
) -> AgreementInstalmentView:
    return AgreementInstalmentView(
        number=number,
        due_on=due_on,
        invoice_id=UUID(int=AGREEMENT_ID.int + 16 * number),
        invoice_number=f"2026/00004{number + 2}",
        status="sent",
        principal=reais(principal),
        interest=reais(interest),
        mora_base=reais(mora_base),
        open=reais(amount),
    )


AGREEMENT: Final = replace(
    APPROVED_AGREEMENT,
    status="active",
    activated_on=date(2026, 3, 2),
    early_pay_off="actuarial",
    break_even=NOT_BACK,
    totals=replace(NO_TOTALS, charged=reais("1030.10"), open=reais("1030.10")),
    instalments=[
        instalment(1, date(2026, 3, 31), "495.05", "20.00", "495.05", "515.05"),
        instalment(2, date(2026, 4, 30), "504.95", "10.10", "504.95", "515.05"),
    ],
)
PAY_OFF: Final = AgreementPayOffView(
    agreement_id=AGREEMENT_ID,
    on=date(2026, 3, 31),
    early_pay_off="actuarial",
    open=reais("1030.10"),
    interest_returned=reais("10.10"),
    total=reais("1020.00"),
    holds_until=date(2026, 3, 31),
    computed_at=datetime(2026, 3, 20, 15, tzinfo=UTC),
    instalments=[
        PayOffInstalmentView(
            number=one.number,
            due_on=one.due_on,
            invoice_id=one.invoice_id,
            invoice_number=one.invoice_number,
            open=one.open,
            interest_returned=reais(returned),
            to_pay=reais(to_pay),
        )
        for one, returned, to_pay in zip(
            AGREEMENT.instalments, ("0.00", "10.10"), ("515.05", "504.95"), strict=True
        )
    ],
)
LOST_AGREEMENT: Final = replace(
    AGREEMENT,
    status="lost",
    reason="bankrupt",
    totals=replace(NO_TOTALS, charged=reais("1030.10"), forgiven=reais("1030.10")),
    instalments=[replace(one, status="written_off", open=NOTHING) for one in AGREEMENT.instalments],
)
SUCCESSOR: Final = replace(
    AGREEMENT,
    id=SUCCESSOR_ID,
    schedule="equal",
    rate="0%/month",
    first_due_on=date(2026, 5, 31),
    discount=reais("30.10"),
    invoice_ids=[one.invoice_id for one in AGREEMENT.instalments],
    renegotiates=AGREEMENT_ID,
    requested_on=date(2026, 3, 20),
    decided_by="",
    activated_on=date(2026, 3, 20),
    totals=replace(NO_TOTALS, charged=reais("1000.00"), open=reais("1000.00")),
    instalments=[
        instalment(1, date(2026, 5, 31), "500.00", "0.00", "500.00", "500.00"),
        instalment(2, date(2026, 6, 30), "500.00", "0.00", "500.00", "500.00"),
    ],
)

AGREEMENT_ROW: Final = AgreementRow(
    id=AGREEMENT_ID,
    customer_id=CUSTOMER_ID,
    version=3,
    kind="loan",
    status="active",
    currency="BRL",
    schedule="price",
    count=2,
    principal=reais("1000.00"),
    original=reais("1000.00"),
    requested_on=date(2026, 3, 2),
    activated_on=date(2026, 3, 2),
    renegotiates=None,
    successor_id=None,
    charged=reais("1030.10"),
    paid=NOTHING,
    open=reais("1030.10"),
    overdue=NOTHING,
)

PAY_OFF_AGREEMENT: Final = PayOffAgreement(amount=PAY_OFF.total, reference="transfer 4711")
PAID_OFF: Final = PaidOffView(
    agreement=replace(AGREEMENT, status="paid"),
    payment=replace(PAYMENT, amount=PAY_OFF.total),
    interest_returned=PAY_OFF.interest_returned,
)
