"""Examples for the OpenAPI document: one small story, an invoice of 100 reais paid ten days late."""

from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from adapters.store.reading import EventView
from commands.customers import ChangeCustomer, CustomerView, RegisterCustomer
from commands.fee_policies import AddFeePolicy, FeePolicyView
from commands.invoices import (
    ChangeInvoice,
    CloseInvoice,
    ComponentsView,
    DraftInvoice,
    InvoiceView,
    LineView,
    SendInvoice,
)
from commands.pay_off_quote import LaterDays, PayOff
from commands.payments import Allocation, AllocationView, PaymentView, ReceivePayment
from commands.reference_rates import ReferenceRateView, SetReferenceRate
from commands.reversals import ReversePayment
from commands.tenants import ConfigureTenant, TenantView
from ledger.money import Money, parse_minor
from ledger.tax import Line, UnitPrice
from ledger.tenant import Settings
from projections.business_days.listing import DayRow, StepRow
from projections.customers.listing import Balance, CustomerRow
from projections.invoices.explanation import Change, ComponentExplained, Explanation, Stretch
from projections.invoices.listing import InvoiceRow
from projections.payments.listing import AllocationRow, PaymentRow
from projections.reports.aging import Aging, Bucket, CurrencyAging, Total
from projections.reports.dashboard import CurrencyDashboard, Dashboard, Figure, StatusFigure
from projections.reports.portfolio import CurrencyPortfolio, Portfolio
from projections.reports.statement import CurrencyStatement, Entry, Statement

TENANT_ID: Final = UUID("5f0c4c4e-6d0f-8a3b-9c55-1f6f0f2a7e10")
CUSTOMER_ID: Final = UUID("0190a6a0-3c1f-8e57-b1c2-6a2f5d3e9b41")
INVOICE_ID: Final = UUID("0190a6a0-41d2-8c33-9d0e-7b1c2a3f4e5d")
PAYMENT_ID: Final = UUID("2f1a9b3c-8d7e-8f60-a1b2-c3d4e5f60718")
KEY_ID: Final = UUID("7c6b5a49-3827-8615-8403-f2e1d0c9b8a7")
COMMAND_ID: Final = UUID("b3a29180-7f6e-8d5c-8b4a-392817065f4e")
CORRELATION_ID: Final = "9f2c8e1ab35d4f60"


def reais(amount: str) -> Money:
    return Money(amount, "BRL")


ADD_FEE_POLICY: Final = AddFeePolicy(late_fee="2%", mora="1%/month", grace_days=0)
FEE_POLICY: Final = FeePolicyView(
    version=1,
    late_fee="2%",
    late_fee_minimum=None,
    late_fee_cap=None,
    mora="1%/month",
    mora_reference="",
    mora_base="outstanding",
    grace_days=0,
    interest_from="due_date",
    day_count="30",
    accrual="daily",
    rounding="half_even",
    small_balance_tolerance=None,
    waterfall=("other_fees", "late_fee", "mora", "principal"),
)
SET_REFERENCE_RATE: Final = SetReferenceRate("ecb", date(2024, 7, 1), "4.25%/year")
REFERENCE_RATE: Final = ReferenceRateView("ecb", date(2024, 7, 1), "4.25%/year")
CONFIGURE_TENANT: Final = ConfigureTenant(calendar="BR", number_format="{year}/{n:06}")
TENANT: Final = TenantView(
    id=TENANT_ID,
    name="Padaria Central",
    settings=Settings(
        currency="BRL",
        timezone="America/Sao_Paulo",
        calendar="BR",
        number_format="{year}/{n:06}",
        clock_starts_on=date(2026, 1, 2),
    ),
    fee_policy=FEE_POLICY,
)

REGISTER_CUSTOMER: Final = RegisterCustomer(
    name="Maria Souza",
    reference="C-1001",
    email="maria@example.com",
    language="pt-BR",
    tags=("private",),
)
CHANGE_CUSTOMER: Final = ChangeCustomer(phone="+55 11 5555-0101", notes="")
CUSTOMER: Final = CustomerView(
    id=CUSTOMER_ID,
    reference="C-1001",
    name="Maria Souza",
    tax_number="",
    email="maria@example.com",
    phone="",
    address="",
    notes="",
    language="pt-BR",
    timezone="",
    country="",
    credit=[reais("0.25")],
    shortfall=[],
    opted_out=(),
    undeliverable=(),
    tracked=False,
    tags=("private",),
    dunning_plan="",
)

DRAFT_INVOICE: Final = DraftInvoice(
    customer_id=CUSTOMER_ID,
    currency="BRL",
    due_on=date(2026, 3, 10),
    lines=(Line(description="Bread for February", quantity="1", unit_price="100.00"),),
)
CHANGE_INVOICE: Final = ChangeInvoice(due_on=date(2026, 3, 20), reason="asked for ten days more")
SEND_INVOICE: Final = SendInvoice(issued_on=date(2026, 2, 27))
GIVE_UP_INVOICE: Final = CloseInvoice(reason="billed twice")


def components(principal: str, late_fee: str = "0.00", mora: str = "0.00") -> ComponentsView:
    total_minor = sum(parse_minor(amount, "BRL") for amount in (principal, late_fee, mora))
    return ComponentsView(
        principal=reais(principal),
        late_fee=reais(late_fee),
        mora=reais(mora),
        other_fees=reais("0.00"),
        total=Money.of(total_minor, "BRL"),
    )


INVOICE: Final = InvoiceView(
    id=INVOICE_ID,
    customer_id=CUSTOMER_ID,
    status="overdue",
    number="2026/000042",
    currency="BRL",
    issued_on=date(2026, 2, 27),
    due_on=date(2026, 3, 10),
    payable_until=date(2026, 3, 10),
    late_on=date(2026, 3, 11),
    net=reais("100.00"),
    tax=reais("0.00"),
    total=reais("100.00"),
    open=reais("102.33"),
    charged=components("100.00", "2.00", "0.33"),
    paid=components("0.00"),
    forgiven=components("0.00"),
    outstanding=components("100.00", "2.00", "0.33"),
    mora_through=date(2026, 3, 20),
    fee_policy_version=1,
    lines=[
        LineView(
            description="Bread for February",
            quantity="1",
            unit_price=UnitPrice("100.00", "BRL"),
            tax_rate="0%",
            tax_included=False,
            net=reais("100.00"),
            tax=reais("0.00"),
            gross=reais("100.00"),
        )
    ],
    notes="",
    waived=reais("0.00"),
    credited=reais("0.00"),
    written_off=reais("0.00"),
)

DRAFTED_INVOICE: Final = replace(
    INVOICE,
    status="draft",
    number="",
    issued_on=None,
    payable_until=None,
    late_on=None,
    open=reais("0.00"),
    charged=components("0.00"),
    outstanding=components("0.00"),
    mora_through=None,
    fee_policy_version=None,
)
VOID_INVOICE: Final = replace(
    INVOICE,
    status="void",
    open=reais("0.00"),
    forgiven=components("100.00", "2.00", "0.33"),
    outstanding=components("0.00"),
)

PAY_OFF: Final = PayOff(
    invoice_id=INVOICE_ID,
    number="2026/000042",
    on=date(2026, 3, 20),
    status="overdue",
    components=components("100.00", "2.00", "0.33"),
    total=reais("102.33"),
    valid_on=date(2026, 3, 20),
    later=LaterDays(
        from_on=date(2026, 3, 21), first_day_adds=reais("0.04"), each_day_adds=reais("0.03")
    ),
)

RECEIVE_PAYMENT: Final = ReceivePayment(
    amount=reais("102.33"),
    allocations=(Allocation(invoice_id=INVOICE_ID, amount=reais("102.33")),),
    received_on=date(2026, 3, 20),
    reference="transfer 881",
)
REVERSE_PAYMENT: Final = ReversePayment(reason="the transfer was recalled")
PAYMENT: Final = PaymentView(
    id=PAYMENT_ID,
    customer_id=CUSTOMER_ID,
    status="received",
    amount=reais("102.33"),
    received_on=date(2026, 3, 20),
    reference="transfer 881",
    allocations=[AllocationView(invoice_id=INVOICE_ID, amount=reais("102.33"))],
    unapplied=reais("0.00"),
    reversed=reais("0.00"),
    charged_back=reais("0.00"),
)

AGING: Final = Aging(
    as_of=date(2026, 3, 20),
    known_at=datetime(2026, 3, 20, 15, 0, tzinfo=UTC),
    currencies=[
        CurrencyAging(
            currency="BRL",
            buckets=[
                Bucket("current", 0, "0.00"),
                Bucket("1-30", 1, "102.33"),
                Bucket("31-60", 0, "0.00"),
                Bucket("61-90", 0, "0.00"),
                Bucket("90+", 0, "0.00"),
            ],
            total=Total(1, "102.33"),
        )
    ],
)
DASHBOARD: Final = Dashboard(
    as_of=date(2026, 3, 20),
    known_at=datetime(2026, 3, 20, 15, 0, tzinfo=UTC),
    currencies=[
        CurrencyDashboard(
            currency="BRL",
            outstanding=Figure(1, "102.33"),
            overdue=Figure(1, "102.33"),
            paid_this_month=Figure(0, "0.00"),
            unapplied_credit="0.25",
            by_status=[StatusFigure("overdue", 1, "100.00", "102.33")],
        )
    ],
)

PORTFOLIO: Final = Portfolio(
    computed_at=datetime(2026, 3, 20, 15, 0, tzinfo=UTC),
    currencies=[CurrencyPortfolio("BRL", 3, 1, "2700.00", "1034.60", "1700.00")],
)

STATEMENT: Final = Statement(
    customer_id=CUSTOMER_ID,
    from_on=None,
    to_on=date(2026, 3, 20),
    known_at=datetime(2026, 3, 20, 15, 0, tzinfo=UTC),
    currencies=[
        CurrencyStatement(
            currency="BRL",
            opening="0.00",
            invoiced="100.00",
            charges="2.00",
            payments="0.00",
            forgiven="0.00",
            closing="102.00",
            unapplied_credit="0.25",
            shortfall="0.00",
            entries=[
                Entry(
                    on=date(2026, 2, 27),
                    kind="invoice",
                    invoice_id=INVOICE_ID,
                    number="2026/000042",
                    payment_id=None,
                    events=1,
                    amount="100.00",
                    balance="100.00",
                ),
                Entry(
                    on=date(2026, 3, 11),
                    kind="late_fee",
                    invoice_id=INVOICE_ID,
                    number="2026/000042",
                    payment_id=None,
                    events=1,
                    amount="2.00",
                    balance="102.00",
                ),
            ],
        )
    ],
)

CUSTOMER_ROW: Final = CustomerRow(
    id=CUSTOMER_ID,
    version=3,
    reference="C-1001",
    name="Maria Souza",
    tax_number="",
    email="maria@example.com",
    phone="",
    address="",
    notes="",
    language="pt-BR",
    timezone="",
    country="",
    balances=[Balance(open=reais("102.33"), overdue=reais("102.33"))],
    credit=[reais("0.25")],
    credit_flag="",
    shortfall=[],
)
INVOICE_ROW: Final = InvoiceRow(
    id=INVOICE_ID,
    customer_id=CUSTOMER_ID,
    version=5,
    status="overdue",
    number="2026/000042",
    currency="BRL",
    issued_on=date(2026, 2, 27),
    due_on=date(2026, 3, 10),
    payable_until=date(2026, 3, 10),
    late_on=date(2026, 3, 11),
    mora_through=date(2026, 3, 20),
    paid_on=None,
    total=reais("100.00"),
    late_fee=reais("2.00"),
    mora=reais("0.33"),
    other_fees=reais("0.00"),
    paid=reais("0.00"),
    forgiven=reais("0.00"),
    open=reais("102.33"),
    written_off=reais("0.00"),
    disputed=reais("0.00"),
    promised_on=date(2026, 3, 27),
    promised=reais("102.33"),
    promise="pending",
    held=False,
    held_until=None,
    agreement_id=None,
)
PAYMENT_ROW: Final = PaymentRow(
    id=PAYMENT_ID,
    customer_id=CUSTOMER_ID,
    version=1,
    status="received",
    amount=reais("102.33"),
    received_on=date(2026, 3, 20),
    reference="transfer 881",
    allocations=[AllocationRow(invoice_id=INVOICE_ID, amount=reais("102.33"))],
    unapplied=reais("0.00"),
    reversed=reais("0.00"),
    charged_back=reais("0.00"),
    suspected_duplicate_of=None,
)
DAY: Final = DayRow(
    id=UUID("019d08e1-6c00-8c11-a3b5-d7f90b1d3f51"),
    version=4,
    day=date(2026, 3, 20),
    status="closed",
    steps=[
        StepRow("overdue", 0, 0, []),
        StepRow("mora", 1, 1, [reais("0.03")]),
    ],
)
EXPLANATION: Final = Explanation(
    invoice_id=INVOICE_ID,
    number="2026/000042",
    customer_id=CUSTOMER_ID,
    status="overdue",
    currency="BRL",
    as_of=date(2026, 3, 20),
    known_at=datetime(2026, 3, 20, 15, 0, tzinfo=UTC),
    issued_on=date(2026, 2, 27),
    due_on=date(2026, 3, 10),
    payable_until=date(2026, 3, 10),
    late_on=date(2026, 3, 11),
    mora_through=date(2026, 3, 20),
    fee_policy_version=1,
    calendar="BR (0.84)",
    components=[
        ComponentExplained(
            component="mora",
            charged=reais("0.33"),
            paid=reais("0.00"),
            forgiven=reais("0.00"),
            forgiveness=[],
            open=reais("0.33"),
            rule="1%/month simple, by 30 days a month, on the principal open of each day through 2026-03-20; "
            "the sum is rounded once, half_even",
            calculated=reais("0.33"),
            stretches=[
                Stretch(
                    first_on=date(2026, 3, 11),
                    last_on=date(2026, 3, 20),
                    days=10,
                    base=reais("100.00"),
                    held=reais("0.00"),
                )
            ],
            changes=[
                Change(
                    versions=(5, 14),
                    tag="invoice.mora_posted.v1",
                    effective_on=date(2026, 3, 20),
                    recorded_at=datetime(2026, 3, 21, 9, 30, tzinfo=UTC),
                    charged=reais("0.33"),
                    paid=reais("0.00"),
                    forgiven=reais("0.00"),
                    because="",
                )
            ],
        )
    ],
    disputes=[],
    open=reais("102.33"),
)

EVENT: Final = EventView(
    tenant_seq=17,
    stream="invoice",
    stream_id=INVOICE_ID,
    version=5,
    tag="invoice.mora_posted.v1",
    recorded_at=datetime(2026, 3, 21, 9, 30, 12, 345678, tzinfo=UTC),
    effective_on=date(2026, 3, 20),
    actor="clock",
    command_id=COMMAND_ID,
    correlation_id=CORRELATION_ID,
    causation_id=None,
    data=msgspec.Raw(b'{"amount_minor":3,"through":"2026-03-20"}'),
)


def page(*items: Any) -> dict[str, Any]:
    """A list with these items and no further page."""
    return {"items": list(items), "next_cursor": None}
