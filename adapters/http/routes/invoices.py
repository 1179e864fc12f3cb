"""`/api/invoices`: drafts, sending, and how an invoice ends."""

from datetime import UTC, date, datetime
from uuid import UUID

from litestar import Response
from litestar.params import FromPath

from adapters.http.event_pages import EventView, events_page, numeric_cursor
from adapters.http.execution import Call, carry_out, look_up
from adapters.http.openapi.examples import invoices
from adapters.http.operations import command, query
from adapters.http.problem_details import RoleNotAllowed
from adapters.http.query_parameters import DatedQuery, ListQuery, ReadQuery, chosen, read_query
from adapters.http.read_pool import Connection, found_head, today
from adapters.http.request_bodies import read_body
from adapters.store.reading import stream_events
from commands.invoices import (
    ChangeInvoice,
    DraftInvoice,
    GiveUpInvoice,
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
from ledger.tax import EmptyInvoice, MalformedPrice, MalformedQuantity
from ledger.tenant import Role
from projections.invoices.explanation import Explanation, NothingToExplain, explain
from projections.invoices.fold import INVOICES
from projections.invoices.listing import (
    InvoiceFilters,
    InvoiceRow,
    Order,
    PromiseState,
    list_invoices,
)
from projections.pagination import Page
from projections.reports.as_of import AsOfInFuture, KnownAtInFuture


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


@query(
    "/invoices",
    parameters=InvoiceListQuery,
    answers=Page[InvoiceRow],
    example=invoices.page(invoices.INVOICE_ROW),
)
async def list_all(request: Call) -> Response[bytes]:
    """Invoices by due date"""
    tenant_id = request.user.tenant_id
    query = read_query(request.scope["query_string"], InvoiceListQuery)
    return await look_up(
        request,
        lambda connection: list_invoices(
            connection,
            tenant_id,
            chosen(query, InvoiceFilters),
            cursor=query.cursor,
            limit=query.limit,
            order=query.order,
        ),
        query,
        models=(INVOICES.name,),
    )


@command(
    "/invoices",
    takes=DraftInvoice,
    body=invoices.DRAFT_INVOICE,
    answers=InvoiceView,
    example=invoices.DRAFTED_INVOICE,
    status=201,
    refuses=(Unknown, WithdrawnCurrency, EmptyInvoice, MalformedQuantity, MalformedPrice),
)
async def draft(request: Call) -> Response[bytes]:
    """Draft an invoice

    A draft has no number and nothing is owed on it until it is sent.
    """
    invoice = await read_body(request, DraftInvoice)
    return await carry_out(
        request,
        lambda unit: draft_invoice(unit, invoice),
        loads=(invoice.customer_id,),
        creates=("invoice",),
    )


@query("/invoices/{id:uuid}", answers=InvoiceView, example=invoices.INVOICE)
async def show(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """An invoice as it stands now, amounts by component"""
    tenant_id = request.user.tenant_id
    return await look_up(
        request,
        lambda connection: invoice_view(id, found_head(connection, tenant_id, "invoice", id)),
        read_query(request.scope["query_string"], ReadQuery),
    )


@command(
    "/invoices/{id:uuid}",
    method="PATCH",
    takes=ChangeInvoice,
    body=invoices.CHANGE_INVOICE,
    answers=InvoiceView,
    example=invoices.INVOICE,
    refuses=(
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
    return await carry_out(request, lambda unit: change_invoice(unit, id, changes), loads=(id,))


@command(
    "/invoices/{id:uuid}/send",
    takes=SendInvoice,
    body=invoices.SEND_INVOICE,
    answers=InvoiceView,
    example=invoices.INVOICE,
    refuses=(
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
    return await carry_out(request, lambda unit: send_invoice(unit, id, sending), loads=(id,))


@command(
    "/invoices/{id:uuid}/void",
    takes=GiveUpInvoice,
    body=invoices.GIVE_UP_INVOICE,
    answers=InvoiceView,
    example=invoices.VOID_INVOICE,
    refuses=(Unknown, NotVoidable, ReasonMissing),
)
async def void(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Void an invoice that never should have been

    A draft, or, by an administrator, a sent one on which nothing is paid. It keeps its number.
    """
    reason = await read_body(request, GiveUpInvoice)
    role = request.user.role
    return await carry_out(request, lambda unit: _void(unit, id, reason, role), loads=(id,))


@command(
    "/invoices/{id:uuid}/cancel",
    takes=GiveUpInvoice,
    body=invoices.GIVE_UP_INVOICE,
    answers=InvoiceView,
    example=invoices.VOID_INVOICE,
    refuses=(Unknown, NotOpen, ReasonMissing),
)
async def cancel(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Give up what is open on a sent invoice; what was paid stays paid"""
    reason = await read_body(request, GiveUpInvoice)
    return await carry_out(request, lambda unit: cancel_invoice(unit, id, reason), loads=(id,))


@query(
    "/invoices/{id:uuid}/timeline",
    parameters=ListQuery,
    answers=Page[EventView],
    example=invoices.page(invoices.EVENT),
)
async def timeline(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Everything that happened to an invoice, in the order in which it was recorded"""
    tenant_id = request.user.tenant_id
    query = read_query(request.scope["query_string"], ListQuery)
    after = numeric_cursor(query.cursor)

    def read(connection: Connection) -> Page[EventView]:
        found_head(connection, tenant_id, "invoice", id)
        events = stream_events(connection, tenant_id, id)
        later = [event for event in events if event.version > after]
        return events_page(later, query.limit, lambda event: event.version)

    return await look_up(request, read, query)


@query(
    "/invoices/{id:uuid}/explain",
    parameters=DatedQuery,
    answers=Explanation,
    example=invoices.EXPLANATION,
    refuses=(NothingToExplain, AsOfInFuture, KnownAtInFuture),
)
async def show_explanation(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Why each cent is there: each component with its rule, its days, and the events behind it"""
    tenant_id = request.user.tenant_id
    query = read_query(request.scope["query_string"], DatedQuery)

    def read(connection: Connection) -> Explanation:
        now = datetime.now(UTC)
        return explain(
            connection,
            tenant_id,
            id,
            today=today(connection, tenant_id, now),
            now=now,
            as_of=query.as_of,
            known_at=query.known_at,
        )

    return await look_up(request, read, query)


class PayOffQuery(ReadQuery, frozen=True, kw_only=True):
    """`on`: the day it is paid, today when left out; no earlier one, and at most ten years ahead."""

    on: date | None = None


@query(
    "/invoices/{id:uuid}/pay-off",
    parameters=PayOffQuery,
    answers=PayOff,
    example=invoices.PAY_OFF,
    refuses=(PayOffInPast, PayOffTooFar),
)
async def show_pay_off(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """What has to be paid on a day to settle an invoice, by component

    Fee and interest are those that the day will have brought, and what each later day adds is said, too. Nothing is
    written.
    """
    tenant_id = request.user.tenant_id
    query = read_query(request.scope["query_string"], PayOffQuery)

    def read(connection: Connection) -> PayOff:
        invoice = found_head(connection, tenant_id, "invoice", id)
        return pay_off(id, invoice, today(connection, tenant_id, datetime.now(UTC)), query.on)

    return await look_up(request, read, query)


def _void(unit: Unit, invoice_id: UUID, reason: GiveUpInvoice, role: Role) -> InvoiceView:
    """Decided on the stream itself: a draft may have been sent since the caller looked."""
    if role != "administrator" and load(unit, "invoice", invoice_id).status != "draft":
        raise RoleNotAllowed(
            f"the key's role is {role}; only an administrator voids a sent invoice"
        )
    return void_invoice(unit, invoice_id, reason)
