"""`/api/refunds`: credit that is paid back."""

from typing import Literal
from uuid import UUID

from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import execute, query
from adapters.http.openapi.examples import invoices, refunds
from adapters.http.operations import command_route, query_route
from adapters.http.query_parameters import ListQuery, ReadQuery, chosen, read_query
from adapters.http.read_pool import found_snapshot
from adapters.http.request_bodies import read_body
from commands.refunds import (
    ConfirmRefund,
    FailRefund,
    NothingToRefund,
    OverRefunded,
    RefundAmountUnclear,
    RefundView,
    RequestRefund,
    confirm_refund,
    fail_refund,
    refund_view,
    request_refund,
)
from commands.unit_of_work import Unknown
from ledger.invoice.preconditions import ReasonMissing
from ledger.refund import PayoutUnderWay, RefundClosed, RefundNotSent
from projections.pagination import Page
from projections.refunds.fold import REFUNDS
from projections.refunds.listing import RefundFilters, RefundRow, list_refunds


class RefundListQuery(ListQuery, frozen=True, kw_only=True):
    """Which refunds."""

    customer_id: UUID | None = None
    status: Literal["requested", "sent", "confirmed", "compensated"] | None = None


@query_route(
    "/refunds",
    operation_id="list_refunds",
    parameters=RefundListQuery,
    response=Page[RefundRow],
    response_example=invoices.page(refunds.REFUND_ROW),
)
async def list_all(request: Call) -> Response[bytes]:
    """Refunds, the latest requested first"""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], RefundListQuery)
    return await query(
        request,
        lambda connection: list_refunds(
            connection,
            tenant_id,
            chosen(parameters, RefundFilters),
            cursor=parameters.cursor,
            limit=parameters.limit,
        ),
        parameters,
        models=(REFUNDS.name,),
    )


@command_route(
    "/refunds",
    operation_id="request_refund",
    request=RequestRefund,
    request_example=refunds.REQUEST_REFUND,
    response=RefundView,
    response_example=refunds.REQUESTED_REFUND,
    status=201,
    key_required=True,
    errors=(Unknown, RefundAmountUnclear, NothingToRefund, OverRefunded, ReasonMissing),
)
async def ask(request: Call) -> Response[bytes]:
    """Pay credit back to a customer

    The credit is set aside at once. Within seconds the instruction is handed over to whoever pays out; the refund is
    then `sent`, and waits to be confirmed.
    """
    refund = await read_body(request, RequestRefund)
    return await execute(
        request,
        lambda unit: request_refund(unit, refund),
        prefetch_streams=(refund.customer_id,),
        prefetch_new=("refund",),
    )


@query_route(
    "/refunds/{id:uuid}",
    operation_id="get_refund",
    response=RefundView,
    response_example=refunds.REFUND,
)
async def show(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """A refund and how far it has come

    `waits_for` says what happens next: `payout`, that its instruction is handed over; `confirmation`; `person`, that
    somebody looks at it, because it was tried ten times; or nothing more.
    """
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: refund_view(id, found_snapshot(connection, tenant_id, "refund", id)),
        read_query(request.scope["query_string"], ReadQuery),
    )


@command_route(
    "/refunds/{id:uuid}/confirm",
    operation_id="confirm_refund",
    request=ConfirmRefund,
    request_example=refunds.CONFIRM_REFUND,
    response=RefundView,
    response_example=refunds.CONFIRMED_REFUND,
    errors=(Unknown, RefundNotSent, RefundClosed, PayoutUnderWay),
)
async def confirm(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Record that the money has left

    Also for a refund whose hand-over failed or is in doubt, when it turns out to have been paid out.
    """
    confirmation = await read_body(request, ConfirmRefund)
    return await execute(
        request,
        lambda unit: confirm_refund(unit, id, confirmation),
        prefetch_streams=(id,),
    )


@command_route(
    "/refunds/{id:uuid}/fail",
    operation_id="fail_refund",
    request=FailRefund,
    request_example=refunds.FAIL_REFUND,
    response=RefundView,
    response_example=refunds.FAILED_REFUND,
    errors=(Unknown, RefundClosed, PayoutUnderWay, ReasonMissing),
)
async def fail(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Give the credit back, because the money will not leave

    Only when that is certain: ask the provider first where a hand-over is in doubt.
    """
    failure = await read_body(request, FailRefund)
    return await execute(
        request,
        lambda unit: fail_refund(unit, id, failure),
        prefetch_streams=(id,),
    )
