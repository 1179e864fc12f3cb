"""`/api/invoices`: drafts, sending, and how an invoice ends."""

from datetime import UTC, date, datetime
from uuid import UUID

from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import execute, query
from adapters.http.openapi.examples import invoices
from adapters.http.operations import command_route, query_route
from adapters.http.problem_details import RoleNotAllowed
from adapters.http.query_parameters import DatedQuery, ListQuery, ReadQuery, chosen, read_query
from adapters.http.read_pool import Connection, found_snapshot, today
from adapters.http.request_bodies import read_body
from adapters.store.reading import EventView, stream_events
from commands.invoices import (
    ChangeInvoice,
    CloseInvoice,
    DraftInvoice,
    InvoiceView,
    IssuedInFuture,
    SendInvoice,
    cancel_invoice,
    change_invoice,
    draft_invoice,
    invoice_view,
    send_invoice,
    void_invoice,
)
from commands.pay_off_quote import PayOff, PayOffInPast, PayOffTooFar, pay_off
from commands.plan_loading import UnknownPlan
from commands.unit_of_work import NumberBeforeSeries, Unit, Unknown, load
from ledger.invoice.adjusting import NotVoidable
from ledger.invoice.issuing import DueBeforeIssue, DueDateNotExtended, NotADraft
from ledger.invoice.preconditions import (
    EffectiveInFuture,
    EffectiveTooEarly,
    NotOpen,
    ReasonMissing,
    TakenOver,
)
from ledger.invoice.state import Status
from ledger.money import WithdrawnCurrency
from ledger.tax import EmptyInvoice, MalformedPrice, MalformedQuantity, TooManyInvoiceLines
from ledger.tenant import Role
from projections.as_of import AsOfInFuture, KnownAtInFuture
from projections.invoices.explanation import Explanation, NothingToExplain, explain
from projections.invoices.fold import INVOICES
from projections.invoices.listing import (
    InvoiceFilters,
    InvoiceRow,
    Order,
    PromiseState,
    list_invoices,
)
from projections.pagination import Page, decoded, page_of


class InvoiceListQuery(ListQuery, frozen=True, kw_only=True):
    """Which invoices; `due_from` and `due_to` are included. `order`: the earliest due first, or the latest.

    promise  by what became of the last promise to pay
    """

    status: Status | None = None
    customer_id: UUID | None = None
    currency: str | None = None
    number: str | None = None
    due_from: date | None = None
    due_to: date | None = None
    agreement_id: UUID | None = None
    disputed: bool | None = None
    held: bool | None = None
    promise: PromiseState | None = None
    order: Order = "due_on"


@query_route(
    "/invoices",
    operation_id="list_invoices",
    parameters=InvoiceListQuery,
    response=Page[InvoiceRow],
    response_example=invoices.page(invoices.INVOICE_ROW),
)
async def list_all(request: Call) -> Response[bytes]:
    """Invoices by due date"""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], InvoiceListQuery)
    return await query(
        request,
        lambda connection: list_invoices(
            connection,
            tenant_id,
            chosen(parameters, InvoiceFilters),
            cursor=parameters.cursor,
            limit=parameters.limit,
            order=parameters.order,
        ),
        parameters,
        models=(INVOICES.name,),
    )


@command_route(
    "/invoices",
    operation_id="draft_invoice",
    request=DraftInvoice,
    request_example=invoices.DRAFT_INVOICE,
    response=InvoiceView,
    response_example=invoices.DRAFTED_INVOICE,
    status=201,
    errors=(
        Unknown,
        WithdrawnCurrency,
        UnknownPlan,
        EmptyInvoice,
        TooManyInvoiceLines,
        MalformedQuantity,
        MalformedPrice,
    ),
)
async def draft(request: Call) -> Response[bytes]:
    """Draft an invoice

    A draft has no number and nothing is owed on it until it is sent.
    """
    invoice = await read_body(request, DraftInvoice)
    return await execute(
        request,
        lambda unit: draft_invoice(unit, invoice),
        prefetch_streams=(invoice.customer_id,),
        prefetch_new=("invoice",),
    )


@query_route(
    "/invoices/{id:uuid}",
    operation_id="get_invoice",
    response=InvoiceView,
    response_example=invoices.INVOICE,
)
async def show(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """An invoice as it stands now, amounts by component"""
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: invoice_view(id, found_snapshot(connection, tenant_id, "invoice", id)),
        read_query(request.scope["query_string"], ReadQuery),
    )


@command_route(
    "/invoices/{id:uuid}",
    operation_id="change_invoice",
    method="PATCH",
    request=ChangeInvoice,
    request_example=invoices.CHANGE_INVOICE,
    response=InvoiceView,
    response_example=invoices.INVOICE,
    errors=(
        Unknown,
        NotADraft,
        NotOpen,
        DueDateNotExtended,
        TakenOver,
        EffectiveInFuture,
        EffectiveTooEarly,
    ),
)
async def change(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Change a draft, or move the due date of a sent invoice to a later day"""
    changes = await read_body(request, ChangeInvoice)
    return await execute(
        request, lambda unit: change_invoice(unit, id, changes), prefetch_streams=(id,)
    )


@command_route(
    "/invoices/{id:uuid}/send",
    operation_id="send_invoice",
    request=SendInvoice,
    request_example=invoices.SEND_INVOICE,
    response=InvoiceView,
    response_example=invoices.INVOICE,
    errors=(
        Unknown,
        NotADraft,
        DueBeforeIssue,
        IssuedInFuture,
        NumberBeforeSeries,
        WithdrawnCurrency,
    ),
)
async def send(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Send a draft

    It gets the next number of the series, and its fee policy and calendar are frozen.
    """
    sending = await read_body(request, SendInvoice)
    return await execute(
        request, lambda unit: send_invoice(unit, id, sending), prefetch_streams=(id,)
    )


@command_route(
    "/invoices/{id:uuid}/void",
    operation_id="void_invoice",
    request=CloseInvoice,
    request_example=invoices.GIVE_UP_INVOICE,
    response=InvoiceView,
    response_example=invoices.VOID_INVOICE,
    errors=(Unknown, NotVoidable, ReasonMissing),
)
async def void(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Void an invoice that never should have been

    A draft, or, by an administrator, a sent one on which nothing is paid. It keeps its number.
    """
    reason = await read_body(request, CloseInvoice)
    role = request.user.role
    return await execute(
        request, lambda unit: _void(unit, id, reason, role), prefetch_streams=(id,)
    )


@command_route(
    "/invoices/{id:uuid}/cancel",
    operation_id="cancel_invoice",
    request=CloseInvoice,
    request_example=invoices.GIVE_UP_INVOICE,
    response=InvoiceView,
    response_example=invoices.VOID_INVOICE,
    errors=(Unknown, NotOpen, ReasonMissing),
)
async def cancel(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Give up what is open on a sent invoice; what was paid stays paid"""
    reason = await read_body(request, CloseInvoice)
    return await execute(
        request, lambda unit: cancel_invoice(unit, id, reason), prefetch_streams=(id,)
    )


@query_route(
    "/invoices/{id:uuid}/timeline",
    operation_id="list_invoice_events",
    parameters=ListQuery,
    response=Page[EventView],
    response_example=invoices.page(invoices.EVENT),
)
async def timeline(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Everything that happened to an invoice, in the order in which it was recorded"""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], ListQuery)
    (after,) = decoded(parameters.cursor, int)
    limit = parameters.limit

    def read(connection: Connection) -> Page[EventView]:
        found_snapshot(connection, tenant_id, "invoice", id)
        events = stream_events(connection, tenant_id, id)
        later = [event for event in events if event.version > (after or 0)]
        return page_of(later[:limit], limit, len(later), lambda last: (last.version,))

    return await query(request, read, parameters)


@query_route(
    "/invoices/{id:uuid}/explain",
    operation_id="explain_invoice",
    parameters=DatedQuery,
    response=Explanation,
    response_example=invoices.EXPLANATION,
    errors=(NothingToExplain, AsOfInFuture, KnownAtInFuture),
)
async def show_explanation(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Why each cent is there: each component with its rule, its days, and the events behind it"""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], DatedQuery)

    def read(connection: Connection) -> Explanation:
        now = datetime.now(UTC)
        return explain(
            connection,
            tenant_id,
            id,
            today=today(connection, tenant_id, now),
            now=now,
            as_of=parameters.as_of,
            known_at=parameters.known_at,
        )

    return await query(request, read, parameters)


class PayOffQuery(ReadQuery, frozen=True, kw_only=True):
    """`on`: the day it is paid, today when left out; no earlier one, and at most ten years ahead."""

    on: date | None = None


@query_route(
    "/invoices/{id:uuid}/pay-off",
    operation_id="quote_invoice_pay_off",
    parameters=PayOffQuery,
    response=PayOff,
    response_example=invoices.PAY_OFF,
    errors=(PayOffInPast, PayOffTooFar),
)
async def show_pay_off(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """What has to be paid on a day to settle an invoice, by component

    Fee and interest are those that the day will have brought, and what each later day adds is said, too. Nothing is
    written.
    """
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], PayOffQuery)

    def read(connection: Connection) -> PayOff:
        invoice = found_snapshot(connection, tenant_id, "invoice", id)
        return pay_off(id, invoice, today(connection, tenant_id, datetime.now(UTC)), parameters.on)

    return await query(request, read, parameters)


def _void(unit: Unit, invoice_id: UUID, reason: CloseInvoice, role: Role) -> InvoiceView:
    """Decided on the stream itself: a draft may have been sent since the caller looked."""
    if role != "administrator" and load(unit, "invoice", invoice_id).status != "draft":
        raise RoleNotAllowed(
            f"the key's role is {role}; only an administrator voids a sent invoice"
        )
    return void_invoice(unit, invoice_id, reason)
