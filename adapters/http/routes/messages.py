"""`/api/messages`: what was or will be sent to customers, and what became of it."""

from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import execute, query
from adapters.http.openapi.examples import dunning, invoices
from adapters.http.operations import command_route, query_route
from adapters.http.query_parameters import ListQuery, ReadQuery, chosen, read_query
from adapters.http.read_pool import found_snapshot
from adapters.http.request_bodies import read_body
from commands.messages import (
    DiscardMessage,
    MessageView,
    SettleMessage,
    approve_message,
    discard_message,
    message_view,
    retry_message,
    settle_message,
)
from commands.unit_of_work import Unknown
from ledger.invoice.preconditions import ReasonMissing
from ledger.message import (
    NothingToApprove,
    NothingToDiscard,
    NothingToRetry,
    NothingToSettle,
    State,
)
from projections.messages.fold import MESSAGES
from projections.messages.listing import MessageFilters, MessageRow, list_messages
from projections.pagination import Page


class MessageListQuery(ListQuery, frozen=True, kw_only=True):
    """Which messages."""

    customer_id: UUID | None = None
    state: State | None = None


class ApproveMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing needs to be said to approve a message."""


class RetryMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing needs to be said to have a message tried again."""


@query_route(
    "/messages",
    operation_id="list_messages",
    parameters=MessageListQuery,
    response=Page[MessageRow],
    response_example=invoices.page(dunning.MESSAGE_ROW),
)
async def list_all(request: Call) -> Response[bytes]:
    """Messages, the latest queued first"""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], MessageListQuery)
    return await query(
        request,
        lambda connection: list_messages(
            connection,
            tenant_id,
            chosen(parameters, MessageFilters),
            cursor=parameters.cursor,
            limit=parameters.limit,
        ),
        parameters,
        models=(MESSAGES.name,),
    )


@query_route(
    "/messages/{id:uuid}",
    operation_id="get_message",
    response=MessageView,
    response_example=dunning.MESSAGE,
)
async def show(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """A message and what became of it

    It is looked at for the last time when it is sent: one about nothing that is open any more is `cancelled`. One of
    which nobody knows whether it left is `unknown`, and is never sent again automatically.
    """
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: message_view(id, found_snapshot(connection, tenant_id, "message", id)),
        read_query(request.scope["query_string"], ReadQuery),
    )


@command_route(
    "/messages/{id:uuid}/approve",
    operation_id="approve_message",
    request=ApproveMessage,
    request_example=ApproveMessage(),
    response=MessageView,
    response_example=dunning.MESSAGE,
    errors=(Unknown, NothingToApprove),
)
async def approve(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Let a message be sent that waits for its approval

    It is `awaiting_approval` where its step says so.
    """
    await read_body(request, ApproveMessage)
    return await execute(request, lambda unit: approve_message(unit, id), prefetch_streams=(id,))


@command_route(
    "/messages/{id:uuid}/retry",
    operation_id="retry_message",
    request=RetryMessage,
    request_example=RetryMessage(),
    response=MessageView,
    response_example=dunning.MESSAGE,
    errors=(Unknown, NothingToRetry),
)
async def retry(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Try a message again that is dead-lettered, cancelled or discarded"""
    await read_body(request, RetryMessage)
    return await execute(request, lambda unit: retry_message(unit, id), prefetch_streams=(id,))


@command_route(
    "/messages/{id:uuid}/discard",
    operation_id="discard_message",
    request=DiscardMessage,
    request_example=dunning.DISCARD,
    response=MessageView,
    response_example=dunning.MESSAGE,
    errors=(Unknown, NothingToDiscard, ReasonMissing),
)
async def discard(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Decide that a dead-lettered message is never sent"""
    discarded = await read_body(request, DiscardMessage)
    return await execute(
        request, lambda unit: discard_message(unit, id, discarded), prefetch_streams=(id,)
    )


@command_route(
    "/messages/{id:uuid}/settle",
    operation_id="settle_message",
    request=SettleMessage,
    request_example=dunning.SETTLE,
    response=MessageView,
    response_example=dunning.MESSAGE,
    errors=(Unknown, NothingToSettle),
)
async def settle(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Say whether an unknown message left; one that did not is sent again"""
    settled = await read_body(request, SettleMessage)
    return await execute(
        request, lambda unit: settle_message(unit, id, settled), prefetch_streams=(id,)
    )
