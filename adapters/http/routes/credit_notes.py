"""`/api/credit-notes`: what was credited of invoices."""

from datetime import date
from uuid import UUID

from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call, api_of
from adapters.http.execution import execute, query
from adapters.http.openapi.examples import adjustments, credit_notes, invoices
from adapters.http.operations import command_route, query_route
from adapters.http.query_parameters import ListQuery, ReadQuery, chosen, read_query
from adapters.http.read_pool import Connection, found_snapshot
from adapters.http.request_bodies import read_body
from adapters.http.routes.adjustments import CREDIT_NOTE_REFUSALS
from commands.adjustments import CreditNoteView, IssueCreditNote, credit_invoice
from ledger.tenant import Tenant
from projections.credit_notes.fold import CREDIT_NOTES
from projections.credit_notes.listing import (
    CreditNoteDocument,
    CreditNoteFilters,
    CreditNoteRow,
    UnknownCreditNote,
    list_credit_notes,
    show_credit_note,
)
from projections.customers.fold import CUSTOMERS
from projections.pagination import Page

MODELS = (CREDIT_NOTES.name, CUSTOMERS.name)


class CreditNoteListQuery(ListQuery, frozen=True, kw_only=True):
    """Which credit notes; `issued_from` and `issued_to` are included."""

    customer_id: UUID | None = None
    invoice_id: UUID | None = None
    issued_from: date | None = None
    issued_to: date | None = None


@query_route(
    "/credit-notes",
    operation_id="list_credit_notes",
    parameters=CreditNoteListQuery,
    response=Page[CreditNoteRow],
    response_example=invoices.page(credit_notes.CREDIT_NOTE_ROW),
)
async def list_all(request: Call) -> Response[bytes]:
    """Credit notes, the latest issued first, as their documents say them"""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], CreditNoteListQuery)
    return await query(
        request,
        lambda connection: list_credit_notes(
            connection,
            tenant_id,
            chosen(parameters, CreditNoteFilters),
            creditor=_name_of(connection, tenant_id),
            cursor=parameters.cursor,
            limit=parameters.limit,
        ),
        parameters,
        models=MODELS,
    )


@command_route(
    "/credit-notes",
    operation_id="issue_credit_note",
    request=IssueCreditNote,
    request_example=credit_notes.ISSUE_CREDIT_NOTE,
    response=CreditNoteView,
    response_example=adjustments.CREDIT_NOTE,
    status=201,
    key_required=True,
    errors=CREDIT_NOTE_REFUSALS,
)
async def issue(request: Call) -> Response[bytes]:
    """Issue a credit note for the invoice named in the body

    As `POST /api/invoices/{id}/credit-notes` does.
    """
    note = await read_body(request, IssueCreditNote)
    return await execute(
        request,
        lambda unit: credit_invoice(unit, note.invoice_id, note),
        prefetch_streams=(note.invoice_id,),
    )


@query_route(
    "/credit-notes/{id:uuid}",
    operation_id="get_credit_note",
    response=CreditNoteDocument,
    response_example=credit_notes.CREDIT_NOTE_DOCUMENT,
    errors=(UnknownCreditNote,),
)
async def show(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """A credit note with all that its document says, and what became of its total when it was issued

    A fact that is recorded later may change what of the total covers what; the invoice shows how it is now.
    """
    tenant_id = request.user.tenant_id

    def read(connection: Connection) -> CreditNoteDocument:
        return show_credit_note(connection, tenant_id, id, _name_of(connection, tenant_id))

    parameters = read_query(request.scope["query_string"], ReadQuery)
    try:
        return await query(request, read, parameters, models=MODELS)
    except UnknownCreditNote:
        # It may have been issued a moment ago: the read model is asked once more, up to date.
        read_pool = api_of(request).read_pool
        last = await read_pool.run(read_pool.last_position, tenant_id)
        return await query(request, read, ReadQuery(min_position=last), models=MODELS)


def _name_of(connection: Connection, tenant_id: UUID) -> str:
    """The creditor's name."""
    tenant: Tenant = found_snapshot(connection, tenant_id, "tenant", tenant_id)
    return tenant.name
