"""`/api/tenant`, `/api/fee-policies`, `/api/reference-rates`: a tenant's own settings."""

from typing import Any, Final

from litestar import Response

from adapters.http.api import Call
from adapters.http.execution import execute, query
from adapters.http.openapi.examples import invoices
from adapters.http.operations import ADMINISTRATORS, command_route, query_route
from adapters.http.query_parameters import ReadQuery, read_query
from adapters.http.read_pool import Connection
from adapters.http.request_bodies import read_body
from adapters.store import snapshots
from commands.fee_policies import (
    AddFeePolicy,
    FeePolicyView,
    UnknownReferenceRate,
    add_fee_policy,
    fee_policy_view,
)
from commands.plan_loading import UnknownPlan
from commands.reference_rates import (
    ReferenceRateView,
    SetReferenceRate,
    reference_rate_views,
    set_reference_rate,
)
from commands.template_loading import UnknownTemplate
from commands.tenants import (
    ConfigureTenant,
    MonthClosed,
    NotAMonthEnd,
    RateOutOfRange,
    TenantView,
    WindowTooLong,
    configure_tenant,
    tenant_view,
)
from ledger.additional_holidays import HolidayTwice, HolidayYear, TooManyHolidays
from ledger.calendars import NoBusinessDay
from ledger.dunning.plan import MalformedTag
from ledger.money import WithdrawnCurrency
from ledger.numbering import MalformedNumberFormat, MalformedSeries, YearNotInFormat
from ledger.policy import GraceTooLong, MarginNotYearly, WrongPeriod
from ledger.rates import MalformedRate
from ledger.reference_rates import (
    EarlierReferenceRate,
    MalformedReferenceName,
    ReferenceRateDiffers,
    ReferenceRateTooFarAhead,
)
from ledger.tenant import Tenant
from projections.pagination import Page

MAX_CLOCK_DAYS_BACK: Final = 400


@query_route(
    "/tenant", operation_id="get_tenant", response=TenantView, response_example=invoices.TENANT
)
async def show_tenant(request: Call) -> Response[bytes]:
    """The tenant's settings and the fee policy in force"""
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: tenant_view(tenant_id, _tenant(connection, tenant_id)),
        read_query(request.scope["query_string"], ReadQuery),
    )


@command_route(
    "/tenant",
    operation_id="configure_tenant",
    method="PATCH",
    roles=ADMINISTRATORS,
    request=ConfigureTenant,
    request_example=invoices.CONFIGURE_TENANT,
    response=TenantView,
    response_example=invoices.TENANT,
    errors=(
        MalformedNumberFormat,
        MalformedSeries,
        YearNotInFormat,
        WithdrawnCurrency,
        HolidayTwice,
        HolidayYear,
        TooManyHolidays,
        NoBusinessDay,
        WindowTooLong,
        NotAMonthEnd,
        MonthClosed,
        UnknownPlan,
        MalformedTag,
        UnknownTemplate,
        RateOutOfRange,
    ),
)
async def configure(request: Call) -> Response[bytes]:
    """Change settings

    What is left out stays. Invoices sent before keep the terms under which they were sent.
    """
    change = await read_body(request, ConfigureTenant)
    return await execute(
        request,
        lambda unit: configure_tenant(unit, change, max_clock_days_back=MAX_CLOCK_DAYS_BACK),
    )


@query_route(
    "/fee-policies",
    operation_id="list_fee_policies",
    response=Page[FeePolicyView],
    response_example=invoices.page(invoices.FEE_POLICY),
)
async def list_fee_policies(request: Call) -> Response[bytes]:
    """Every version of the fee policy, the one in force last

    Version 0 charges nothing and is in force until another is added.
    """
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: Page(
            [fee_policy_view(policy) for policy in _tenant(connection, tenant_id).policies]
        ),
        read_query(request.scope["query_string"], ReadQuery),
    )


@command_route(
    "/fee-policies",
    operation_id="add_fee_policy",
    roles=ADMINISTRATORS,
    request=AddFeePolicy,
    request_example=invoices.ADD_FEE_POLICY,
    response=FeePolicyView,
    response_example=invoices.FEE_POLICY,
    status=201,
    errors=(MalformedRate, WrongPeriod, UnknownReferenceRate, MarginNotYearly, GraceTooLong),
)
async def add_policy(request: Call) -> Response[bytes]:
    """Add a fee policy for invoices sent from now on"""
    policy = await read_body(request, AddFeePolicy)
    return await execute(request, lambda unit: add_fee_policy(unit, policy))


@query_route(
    "/reference-rates",
    operation_id="list_reference_rates",
    response=Page[ReferenceRateView],
    response_example=invoices.page(invoices.REFERENCE_RATE),
)
async def list_reference_rates(request: Call) -> Response[bytes]:
    """Every reference rate, by name and the day from which it is in force"""
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: Page(
            reference_rate_views(_tenant(connection, tenant_id).reference_rates)
        ),
        read_query(request.scope["query_string"], ReadQuery),
    )


@command_route(
    "/reference-rates",
    operation_id="set_reference_rate",
    roles=ADMINISTRATORS,
    request=SetReferenceRate,
    request_example=invoices.SET_REFERENCE_RATE,
    response=ReferenceRateView,
    response_example=invoices.REFERENCE_RATE,
    status=201,
    errors=(
        MalformedRate,
        MalformedReferenceName,
        ReferenceRateTooFarAhead,
        ReferenceRateDiffers,
        EarlierReferenceRate,
    ),
)
async def record_reference_rate(request: Call) -> Response[bytes]:
    """Record the reference rate that is in force from a day on

    The same fact again changes nothing. A fact is never changed, and only a later day can be added.
    """
    fact = await read_body(request, SetReferenceRate)
    return await execute(request, lambda unit: set_reference_rate(unit, fact))


def _tenant(connection: Connection, tenant_id: Any) -> Tenant:
    found = snapshots.read(connection, tenant_id, "tenant", tenant_id)
    assert found is not None, "a tenant with a key exists"
    tenant: Tenant = found[1]
    return tenant
