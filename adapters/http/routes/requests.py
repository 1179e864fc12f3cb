"""`/api/requests`: what was accepted to be carried out soon."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call, api_of
from adapters.http.execution import query
from adapters.http.openapi.examples import invoices
from adapters.http.operations import query_route
from adapters.http.problem_details import problem_type
from adapters.http.query_parameters import ReadQuery, read_query
from adapters.http.read_pool import Connection, found_snapshot
from adapters.store import snapshots
from adapters.store.inbox import status_of


class AcceptedRequest(msgspec.Struct, frozen=True):
    """A request that was accepted. `id` is that of what it makes, such as a payment.

    status       `accepted` while it waits, `done`, or `refused`
    problem      the type of the problem it was refused with; empty otherwise
    detail       what was wrong, for a person
    """

    id: UUID
    status: Literal["accepted", "done", "refused"]
    accepted_at: datetime | None = None
    problem: str = ""
    detail: str = ""


@query_route(
    "/requests/{id:uuid}",
    operation_id="get_accepted_request",
    response=AcceptedRequest,
    response_example=AcceptedRequest(invoices.PAYMENT_ID, "done"),
)
async def show(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """How a request stands that was accepted with `Prefer: respond-async`

    Once it is `done`, what it made is found under the same id, for a payment at `/api/payments/{id}`.
    """
    tenant_id, public_url = request.user.tenant_id, api_of(request).public_url
    return await query(
        request,
        lambda connection: _status(connection, tenant_id, id, public_url),
        read_query(request.scope["query_string"], ReadQuery),
    )


def _status(
    connection: Connection, tenant_id: UUID, request_id: UUID, public_url: str
) -> AcceptedRequest:
    found = status_of(connection, tenant_id, request_id)
    if found is None or snapshots.read(connection, tenant_id, "payment", request_id) is not None:
        # It may have been carried out otherwise: under the same key, without waiting.
        found_snapshot(connection, tenant_id, "payment", request_id)
        return AcceptedRequest(request_id, "done")
    if found.refusal is None:
        return AcceptedRequest(request_id, "accepted", found.accepted_at)
    return AcceptedRequest(
        id=request_id,
        status="refused",
        accepted_at=found.accepted_at,
        problem=problem_type(found.refusal.code, public_url),
        detail=found.refusal.detail,
    )
