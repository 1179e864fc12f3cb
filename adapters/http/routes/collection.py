"""`/api/collection-queue`, and the calls, visits and communications of customers: the work of collectors."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import execute, query
from adapters.http.openapi.examples import collection, invoices
from adapters.http.operations import command_route, query_route
from adapters.http.query_parameters import ListQuery, ReadQuery, read_query
from adapters.http.read_pool import Connection, found_snapshot, today
from adapters.http.request_bodies import read_body
from commands.activities import (
    ActivityView,
    InvoiceOfAnother,
    NoteTooLong,
    RecordActivity,
    ResultDiffers,
    record_activity,
)
from commands.unit_of_work import Unknown
from ledger.activity import Kind
from ledger.invoice.holding import AlreadyDisputed, PromiseTooLate
from ledger.invoice.preconditions import EffectiveInFuture, NotOpen, ReasonMissing
from ledger.invoice.state import Invoice
from ledger.money import UnknownCurrency, exponent
from ledger.tenant import Tenant
from projections.collection.communications import Communication, list_communications
from projections.collection.fold import ACTIVITIES
from projections.collection.queue import MAX_QUEUE, QueueRow, collection_queue
from projections.customers.fold import CUSTOMERS
from projections.invoices.fold import INVOICES
from projections.messages.fold import MESSAGES
from projections.pagination import Page
from projections.tasks.fold import TASKS

ERRORS = (
    Unknown,
    NoteTooLong,
    ResultDiffers,
    InvoiceOfAnother,
    NotOpen,
    PromiseTooLate,
    AlreadyDisputed,
    ReasonMissing,
    EffectiveInFuture,
)


class QueueQuery(ReadQuery, frozen=True, kw_only=True):
    """`currency`: of what is owed, the tenant's when left out. `limit`: so many customers."""

    currency: Annotated[str, msgspec.Meta(min_length=3, max_length=3)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_QUEUE)] = 50


@query_route(
    "/collection-queue",
    operation_id="get_collection_queue",
    parameters=QueueQuery,
    response=Page[QueueRow],
    response_example=invoices.page(collection.QUEUE_ROW),
    errors=(UnknownCurrency,),
)
async def show_queue(request: Call) -> Response[bytes]:
    """Whom to call next

    Customers with a task that is due, the longest first; then those who broke a promise; then those who owe most. What
    is held, disputed or promised is nobody's turn, and who was called or visited today comes back when a task is due.
    """
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], QueueQuery)
    if parameters.currency is not None:
        exponent(parameters.currency)

    def read(connection: Connection) -> Page[QueueRow]:
        tenant: Tenant = found_snapshot(connection, tenant_id, "tenant", tenant_id)
        currency = parameters.currency or tenant.settings.currency
        now_on = today(connection, tenant_id, datetime.now(UTC))
        return collection_queue(connection, tenant_id, currency, now_on, parameters.limit)

    models = (INVOICES.name, CUSTOMERS.name, TASKS.name, ACTIVITIES.name)
    return await query(request, read, parameters, models=models)


@command_route(
    "/customers/{id:uuid}/calls",
    operation_id="record_call",
    request=RecordActivity,
    request_example=collection.RECORD_CALL,
    response=ActivityView,
    response_example=collection.CALL,
    status=201,
    errors=ERRORS,
)
async def call(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Record a call, what the customer said, and what is to be done next

    A promise or a dispute concerns the invoices that are named, or all that are open. It is a contact, and counts in
    their limits.
    """
    return await _record(request, id, "call")


@command_route(
    "/customers/{id:uuid}/visits",
    operation_id="record_visit",
    request=RecordActivity,
    request_example=collection.RECORD_VISIT,
    response=ActivityView,
    response_example=collection.VISIT,
    status=201,
    errors=ERRORS,
)
async def visit(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Record a visit, as a call is recorded"""
    return await _record(request, id, "visit")


@query_route(
    "/customers/{id:uuid}/communications",
    operation_id="list_customer_communications",
    parameters=ListQuery,
    response=Page[Communication],
    response_example=invoices.page(collection.COMMUNICATION),
    errors=(Unknown,),
)
async def of_customer(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """What was sent to a customer, and its calls and visits, the latest first"""

    def find(connection: Connection) -> tuple[UUID, UUID | None]:
        found_snapshot(connection, request.user.tenant_id, "customer", id)
        return id, None

    return await _communications(request, find)


@query_route(
    "/invoices/{id:uuid}/communications",
    operation_id="list_invoice_communications",
    parameters=ListQuery,
    response=Page[Communication],
    response_example=invoices.page(collection.COMMUNICATION),
    errors=(Unknown,),
)
async def of_invoice(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """The messages, calls and visits about an invoice, the latest first"""

    def find(connection: Connection) -> tuple[UUID, UUID | None]:
        invoice: Invoice = found_snapshot(connection, request.user.tenant_id, "invoice", id)
        return invoice.customer_id, id

    return await _communications(request, find)


async def _communications(
    request: Call, find: Callable[[Connection], tuple[UUID, UUID | None]]
) -> Response[bytes]:
    """A page of communications of the customer, and of the invoice if there is one, that `find` answers."""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], ListQuery)

    def read(connection: Connection) -> Page[Communication]:
        customer_id, invoice_id = find(connection)
        return list_communications(
            connection,
            tenant_id,
            customer_id,
            invoice_id,
            cursor=parameters.cursor,
            limit=parameters.limit,
        )

    return await query(request, read, parameters, models=(MESSAGES.name, ACTIVITIES.name))


async def _record(request: Call, customer_id: UUID, kind: Kind) -> Response[bytes]:
    command = await read_body(request, RecordActivity)
    return await execute(
        request,
        lambda unit: record_activity(unit, customer_id, kind, command),
        prefetch_streams=(customer_id, *command.invoice_ids),
    )


ROUTES = (show_queue, call, visit, of_customer, of_invoice)
