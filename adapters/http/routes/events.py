"""`/api/events`: the tenant's log, for whoever follows it."""

from typing import Annotated

import msgspec
from litestar import Response

from adapters.http.api import Call
from adapters.http.execution import query
from adapters.http.openapi.examples import invoices
from adapters.http.operations import query_route
from adapters.http.query_parameters import ReadQuery, read_query
from adapters.http.read_pool import Connection
from adapters.store.reading import EventView, tenant_events
from projections.pagination import Page


class EventsQuery(ReadQuery, frozen=True, kw_only=True):
    """Events after the number `after`, at most `limit`."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


@query_route(
    "/events",
    operation_id="list_events",
    parameters=EventsQuery,
    response=Page[EventView],
    response_example=invoices.page(invoices.EVENT),
)
async def feed(request: Call) -> Response[bytes]:
    """Events in the order of the tenant's log

    Numbers have no gaps, and an event never appears before one with a lower number. Ask again with `after` set to the
    last `tenant_seq` seen; `next_cursor` is that number while there are more at once.
    """
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], EventsQuery)
    limit = parameters.limit

    def read(connection: Connection) -> Page[EventView]:
        found = tenant_events(connection, tenant_id, parameters.after, limit + 1)
        shown = found[:limit]
        return Page(shown, str(shown[-1].tenant_seq) if len(found) > limit else None)

    return await query(request, read, parameters)
