"""`/api/reports/aging|dashboard|trial-balance` and customers' statements: of any day, as known at any instant; and
`/api/reports/portfolio`, of now."""

from datetime import UTC, date, datetime
from uuid import UUID

from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import query
from adapters.http.openapi.examples import invoices, journal
from adapters.http.operations import query_route
from adapters.http.query_parameters import DatedQuery, ReadQuery, read_query
from adapters.http.read_pool import Connection, found_snapshot, today
from ledger.tenant import Tenant
from projections.as_of import AsOfInFuture, KnownAtInFuture
from projections.customers.fold import CUSTOMERS
from projections.invoices.fold import INVOICES
from projections.journal.fold import JOURNAL
from projections.payments.fold import PAYMENTS
from projections.refunds.fold import REFUNDS
from projections.reports.aging import Aging, aging
from projections.reports.dashboard import Dashboard, dashboard
from projections.reports.portfolio import Portfolio, portfolio
from projections.reports.statement import PeriodEndsBeforeItBegins, Statement, statement
from projections.reports.trial_balance import TrialBalance, trial_balance

REFUSED_MOMENTS = (AsOfInFuture, KnownAtInFuture)


@query_route(
    "/reports/aging",
    operation_id="get_aging_report",
    parameters=DatedQuery,
    response=Aging,
    response_example=invoices.AGING,
    errors=REFUSED_MOMENTS,
)
async def show_aging(request: Call) -> Response[bytes]:
    """What is open, by how long it is past its due date

    Days count from the due date as written, before any calendar shift; `current` includes what is due on the day. Open
    amounts hold all components; credit is not netted.
    """
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], DatedQuery)

    def read(connection: Connection) -> Aging:
        now = datetime.now(UTC)
        return aging(
            connection,
            tenant_id,
            today=today(connection, tenant_id, now),
            now=now,
            as_of=parameters.as_of,
            known_at=parameters.known_at,
        )

    return await query(
        request, read, parameters, models=(INVOICES.name,) if parameters.known_at is None else ()
    )


@query_route(
    "/reports/dashboard",
    operation_id="get_dashboard",
    parameters=DatedQuery,
    response=Dashboard,
    response_example=invoices.DASHBOARD,
    errors=REFUSED_MOMENTS,
)
async def show_dashboard(request: Call) -> Response[bytes]:
    """What is outstanding and overdue, what was paid this month, and invoices by status"""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], DatedQuery)

    def read(connection: Connection) -> Dashboard:
        now = datetime.now(UTC)
        return dashboard(
            connection,
            tenant_id,
            today=today(connection, tenant_id, now),
            now=now,
            as_of=parameters.as_of,
            known_at=parameters.known_at,
        )

    models = () if parameters.known_at else (INVOICES.name, CUSTOMERS.name, PAYMENTS.name)
    return await query(request, read, parameters, models=models)


@query_route(
    "/reports/trial-balance",
    operation_id="get_trial_balance",
    parameters=DatedQuery,
    response=TrialBalance,
    response_example=journal.TRIAL_BALANCE,
    errors=REFUSED_MOMENTS,
)
async def show_trial_balance(request: Call) -> Response[bytes]:
    """Debits, credits and balance of each account of the journal, by the day of posting

    What takes effect in a month that was closed before it was recorded is posted on the first open day. A balance is
    debits less credits. Accounts have the names that the tenant's chart gives them.
    """
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], DatedQuery)

    def read(connection: Connection) -> TrialBalance:
        now = datetime.now(UTC)
        tenant: Tenant = found_snapshot(connection, tenant_id, "tenant", tenant_id)
        return trial_balance(
            connection,
            tenant_id,
            today=today(connection, tenant_id, now),
            now=now,
            chart=tenant.settings.chart,
            as_of=parameters.as_of,
            known_at=parameters.known_at,
        )

    return await query(
        request, read, parameters, models=(JOURNAL.name,) if parameters.known_at is None else ()
    )


@query_route(
    "/reports/portfolio",
    operation_id="get_portfolio",
    response=Portfolio,
    response_example=invoices.PORTFOLIO,
)
async def show_portfolio(request: Call) -> Response[bytes]:
    """What agreements lent, brought back, and miss until they break even

    Over all loans and payment plans that are, or were, in force. An agreement and those that renegotiate it count as
    one. The figures are of the instant of the request.
    """
    tenant_id = request.user.tenant_id

    def read(connection: Connection) -> Portfolio:
        return portfolio(connection, tenant_id, now=datetime.now(UTC))

    parameters = read_query(request.scope["query_string"], ReadQuery)
    return await query(request, read, parameters, models=(INVOICES.name,))


class StatementQuery(DatedQuery, frozen=True, kw_only=True):
    """`from_on` and `as_of`: its first and last day; from the beginning, and to today, when left out."""

    from_on: date | None = None


@query_route(
    "/customers/{id:uuid}/statement",
    operation_id="get_customer_statement",
    parameters=StatementQuery,
    response=Statement,
    response_example=invoices.STATEMENT,
    errors=(PeriodEndsBeforeItBegins, *REFUSED_MOMENTS),
)
async def show_statement(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """A customer's statement: opening balance, documents, charges, payments, closing balance

    Entries stand on their effective dates; interest is one entry per invoice and month.
    """
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], StatementQuery)

    def read(connection: Connection) -> Statement:
        found_snapshot(connection, tenant_id, "customer", id)
        now = datetime.now(UTC)
        return statement(
            connection,
            tenant_id,
            id,
            today=today(connection, tenant_id, now),
            now=now,
            from_on=parameters.from_on,
            to_on=parameters.as_of,
            known_at=parameters.known_at,
        )

    models = (INVOICES.name, PAYMENTS.name, REFUNDS.name)
    return await query(request, read, parameters, models=models)
