"""`/api/payments`: money that arrived."""

from datetime import date
from uuid import UUID

from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import enqueue, execute, prefers_async, query
from adapters.http.openapi.examples import adjustments, invoices
from adapters.http.operations import command_route, query_route
from adapters.http.query_parameters import ListQuery, ReadQuery, chosen, read_query
from adapters.http.read_pool import found_snapshot
from adapters.http.request_bodies import read_body
from commands.credit_application import ApplyPayment, NothingToApply, OverApplied, apply_payment
from commands.payments import (
    AllocatedTwice,
    CurrencyDiffers,
    NoPayer,
    OverAllocated,
    PaymentView,
    ReceivePayment,
    SeveralCustomers,
    TwoTargets,
    names_asked,
    payment_view,
    receive_payment,
)
from commands.reversals import (
    ChargeBackPayment,
    ReallocatePayment,
    ReversePayment,
    charge_back_payment,
    reallocate_payment,
    reverse_payment,
)
from commands.unit_of_work import Unknown
from ledger.invoice.preconditions import NotOpen, ReasonMissing
from ledger.money import OverPreciseAmount, UnknownCurrency, WithdrawnCurrency
from ledger.payment import (
    AlreadyReversed,
    ChargedBackInFuture,
    ChargedBackTooEarly,
    OverReallocated,
    OverReversed,
    ReceivedInFuture,
    Status,
)
from projections.pagination import Page
from projections.payments.fold import PAYMENTS
from projections.payments.listing import PaymentFilters, PaymentRow, list_payments


class PaymentListQuery(ListQuery, frozen=True, kw_only=True):
    """Which payments; `received_from` and `received_to` are included.

    suspected_duplicate  those that look like an earlier payment of their customer, or those that do not
    """

    customer_id: UUID | None = None
    status: Status | None = None
    received_from: date | None = None
    received_to: date | None = None
    suspected_duplicate: bool | None = None


@query_route(
    "/payments",
    operation_id="list_payments",
    parameters=PaymentListQuery,
    response=Page[PaymentRow],
    response_example=invoices.page(invoices.PAYMENT_ROW),
)
async def list_all(request: Call) -> Response[bytes]:
    """Payments, the latest value date first"""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], PaymentListQuery)
    return await query(
        request,
        lambda connection: list_payments(
            connection,
            tenant_id,
            chosen(parameters, PaymentFilters),
            cursor=parameters.cursor,
            limit=parameters.limit,
        ),
        parameters,
        models=(PAYMENTS.name,),
    )


@command_route(
    "/payments",
    operation_id="receive_payment",
    request=ReceivePayment,
    request_example=invoices.RECEIVE_PAYMENT,
    response=PaymentView,
    response_example=invoices.PAYMENT,
    status=201,
    key_required=True,
    asynchronous=True,
    errors=(
        Unknown,
        NoPayer,
        TwoTargets,
        OverAllocated,
        SeveralCustomers,
        ReceivedInFuture,
        UnknownCurrency,
        WithdrawnCurrency,
        OverPreciseAmount,
    ),
)
async def receive(request: Call) -> Response[bytes]:
    """Record a payment

    Say where it goes in exactly one way: `invoice_id`, `allocations`, or `customer_id` alone (then the oldest due is
    paid first). What no invoice takes becomes the customer's credit.

    With `Prefer: respond-async` it is stored, answered 202 with the payment's id, and recorded within a second or
    so, as of the moment it was accepted; `Location` says where to see how it stands.
    """
    payment = await read_body(request, ReceivePayment)
    if prefers_async(request):
        return await enqueue(request, "receive_payment")
    loads = tuple(allocation.invoice_id for allocation in payment.allocations)
    if payment.invoice_id is not None:
        loads += (payment.invoice_id,)
    if payment.customer_id is not None:
        loads += (payment.customer_id,)
    return await execute(
        request,
        lambda unit: receive_payment(unit, payment),
        prefetch_streams=loads,
        prefetch_new=("payment",),
        prefetch_names=lambda unit: names_asked(unit, payment),
    )


@query_route(
    "/payments/{id:uuid}",
    operation_id="get_payment",
    response=PaymentView,
    response_example=invoices.PAYMENT,
)
async def show(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """A payment and how it was spread over invoices"""
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: payment_view(id, found_snapshot(connection, tenant_id, "payment", id)),
        read_query(request.scope["query_string"], ReadQuery),
    )


@command_route(
    "/payments/{id:uuid}/reverse",
    operation_id="reverse_payment",
    request=ReversePayment,
    request_example=invoices.REVERSE_PAYMENT,
    response=PaymentView,
    response_example=invoices.PAYMENT,
    key_required=True,
    errors=(Unknown, AlreadyReversed, OverReversed, CurrencyDiffers, ReasonMissing),
)
async def reverse(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Take a payment, or a part of it, back from everything it covered

    Effective on the payment's own date: what it had closed is open again and has borne interest. A part is taken first
    of what the payment offers to no invoice, then of its offers from the last to the first.
    """
    reversal = await read_body(request, ReversePayment)
    return await execute(
        request,
        lambda unit: reverse_payment(unit, id, reversal),
        prefetch_streams=(id,),
    )


@command_route(
    "/payments/{id:uuid}/charge-back",
    operation_id="charge_back_payment",
    request=ChargeBackPayment,
    request_example=adjustments.CHARGE_BACK_PAYMENT,
    response=PaymentView,
    response_example=adjustments.CHARGED_BACK,
    key_required=True,
    errors=(
        Unknown,
        AlreadyReversed,
        OverReversed,
        CurrencyDiffers,
        ChargedBackTooEarly,
        ChargedBackInFuture,
        ReasonMissing,
    ),
)
async def charge_back(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Record that the payer's bank took a payment, or a part of it, back

    Effective on its own date: until then the payment stood, and from then on what it had closed is open again.
    """
    taken = await read_body(request, ChargeBackPayment)
    return await execute(
        request, lambda unit: charge_back_payment(unit, id, taken), prefetch_streams=(id,)
    )


@command_route(
    "/payments/{id:uuid}/reallocate",
    operation_id="reallocate_payment",
    request=ReallocatePayment,
    request_example=adjustments.REALLOCATE_PAYMENT,
    response=PaymentView,
    response_example=invoices.PAYMENT,
    key_required=True,
    errors=(
        Unknown,
        AlreadyReversed,
        OverAllocated,
        OverReallocated,
        AllocatedTwice,
        SeveralCustomers,
        CurrencyDiffers,
        NotOpen,
        ReasonMissing,
    ),
)
async def reallocate(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Offer a payment to other invoices, or in other amounts

    Effective on the payment's own date, on each of the invoices. What is left is the customer's credit.
    """
    wanted = await read_body(request, ReallocatePayment)
    return await execute(
        request, lambda unit: reallocate_payment(unit, id, wanted), prefetch_streams=(id,)
    )


@command_route(
    "/payments/{id:uuid}/apply",
    operation_id="apply_payment",
    request=ApplyPayment,
    request_example=adjustments.APPLY_PAYMENT,
    response=PaymentView,
    response_example=adjustments.APPLIED,
    key_required=True,
    errors=(
        Unknown,
        NothingToApply,
        OverApplied,
        OverAllocated,
        TwoTargets,
        AllocatedTwice,
        SeveralCustomers,
        CurrencyDiffers,
        NotOpen,
    ),
)
async def apply(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Apply what is left of a payment

    To one invoice, to several, or, where none is named, to what falls due first.
    """
    wanted = await read_body(request, ApplyPayment)
    return await execute(
        request, lambda unit: apply_payment(unit, id, wanted), prefetch_streams=(id,)
    )
