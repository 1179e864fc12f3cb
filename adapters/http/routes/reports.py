"""`/api/reports/aging|dashboard`, `/api/customers/{id}/statement`: as of any day, as known at any instant."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath

from adapters.http import examples
from adapters.http.edge import Call, look_up
from adapters.http.operations import query
from adapters.http.queries import ReadQuery, read_query
from adapters.http.readers import Connection, found_head
from ledger.tenant import Tenant
from ledger.zones import business_date
from projections.aging import Aging, aging
from projections.customers import CUSTOMERS
from projections.dashboard import Dashboard, dashboard
from projections.invoices import INVOICES
from projections.payments import PAYMENTS
from projections.statement import Statement, statement


class ReportQuery(ReadQuery, frozen=True, kw_only=True):
    """`as_of`: the business date, today when left out. `known_at`: the instant, with its offset, now when left out."""

    as_of: date | None = None
    known_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    @property
    def reads_models(self) -> bool:
        """Whether the read models may answer, as they do for today; the past is folded from the log itself."""
        return self.known_at is None


@query(
    "/reports/aging",
    parameters=ReportQuery,
    answers=Aging,
    example=examples.AGING,
)
async def show_aging(request: Call) -> Response[bytes]:
    """What is open, by how long it is past its due date

    Days count from the due date as written, before any calendar shift; `current` includes what is due on the day. Open
    amounts hold all components; credit is not netted.
    """
    tenant_id = request.user.tenant_id
    query = read_query(request.scope["query_string"], ReportQuery)

    def read(connection: Connection) -> Aging:
        now = datetime.now(UTC)
        return aging(
            connection,
            tenant_id,
            today=_today(connection, tenant_id, now),
            now=now,
            as_of=query.as_of,
            known_at=query.known_at,
        )

    return await look_up(
        request, read, query, models=(INVOICES.name,) if query.reads_models else ()
    )


@query(
    "/reports/dashboard",
    parameters=ReportQuery,
    answers=Dashboard,
    example=examples.DASHBOARD,
)
async def show_dashboard(request: Call) -> Response[bytes]:
    """What is outstanding and overdue, what was paid this month, and invoices by status"""
    tenant_id = request.user.tenant_id
    query = read_query(request.scope["query_string"], ReportQuery)

    def read(connection: Connection) -> Dashboard:
        now = datetime.now(UTC)
        return dashboard(
            connection,
            tenant_id,
            today=_today(connection, tenant_id, now),
            now=now,
            as_of=query.as_of,
            known_at=query.known_at,
        )

    models = (INVOICES.name, CUSTOMERS.name, PAYMENTS.name) if query.reads_models else ()
    return await look_up(request, read, query, models=models)


class StatementQuery(ReportQuery, frozen=True, kw_only=True):
    """`from_on` and `as_of`: its first and last day; from the beginning, and to today, when left out."""

    from_on: date | None = None


@query(
    "/customers/{customer_id:uuid}/statement",
    parameters=StatementQuery,
    answers=Statement,
    example=examples.STATEMENT,
)
async def show_statement(request: Call, customer_id: FromPath[UUID]) -> Response[bytes]:
    """A customer's statement: opening balance, documents, charges, payments, closing balance

    Entries stand on their effective dates; interest is one entry per invoice and month.
    """
    tenant_id = request.user.tenant_id
    query = read_query(request.scope["query_string"], StatementQuery)

    def read(connection: Connection) -> Statement:
        found_head(connection, tenant_id, "customer", customer_id)
        now = datetime.now(UTC)
        return statement(
            connection,
            tenant_id,
            customer_id,
            today=_today(connection, tenant_id, now),
            now=now,
            from_on=query.from_on,
            to_on=query.as_of,
            known_at=query.known_at,
        )

    return await look_up(request, read, query, models=(INVOICES.name,))


def _today(connection: Connection, tenant_id: UUID, now: datetime) -> date:
    tenant: Tenant = found_head(connection, tenant_id, "tenant", tenant_id)
    return business_date(now, tenant.settings.timezone)
