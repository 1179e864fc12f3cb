"""`/api/dunning/plans`: the plans by which customers are contacted."""

import msgspec
from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import execute, query
from adapters.http.openapi.examples import dunning, invoices
from adapters.http.operations import ADMINISTRATORS, command_route, query_route
from adapters.http.query_parameters import ReadQuery, read_query
from adapters.http.request_bodies import read_body
from commands.dunning_plans import (
    CreditorMissing,
    PlanView,
    SavePlan,
    activate_plan,
    deactivate_plan,
    plan_view,
    save_plan,
)
from commands.plan_loading import UnknownPlan
from ledger.dunning.plan import (
    AmountRangeEmpty,
    CapOutOfRange,
    DunningPlan,
    MalformedPlanKey,
    OffsetOutOfRange,
    StepsMissing,
    StepTwice,
    UnknownRequiredStep,
)
from ledger.errors import quoted
from projections.dunning_plans.fold import DUNNING_PLANS
from projections.dunning_plans.listing import list_plans
from projections.pagination import Page


class ChangeActivity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing needs to be said to activate or deactivate a plan."""


@query_route(
    "/dunning/plans",
    operation_id="list_dunning_plans",
    response=Page[PlanView],
    response_example=invoices.page(dunning.PLAN),
)
async def list_all(request: Call) -> Response[bytes]:
    """Dunning plans by key

    The plan `default` is there from the beginning, inactive until it is activated.
    """
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: Page([plan_view(plan) for plan in list_plans(connection, tenant_id)]),
        read_query(request.scope["query_string"], ReadQuery),
        models=(DUNNING_PLANS.name,),
    )


@query_route(
    "/dunning/plans/{key:str}",
    operation_id="get_dunning_plan",
    response=PlanView,
    response_example=dunning.PLAN,
    errors=(UnknownPlan,),
)
async def show(request: Call, key: FromPath[str]) -> Response[bytes]:
    """A dunning plan"""
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: plan_view(_named(list_plans(connection, tenant_id), key)),
        read_query(request.scope["query_string"], ReadQuery),
        models=(DUNNING_PLANS.name,),
    )


@command_route(
    "/dunning/plans",
    operation_id="save_dunning_plan",
    roles=ADMINISTRATORS,
    request=SavePlan,
    request_example=dunning.SAVE_PLAN,
    response=PlanView,
    response_example=dunning.INACTIVE_PLAN,
    status=201,
    errors=(
        MalformedPlanKey,
        StepTwice,
        StepsMissing,
        OffsetOutOfRange,
        UnknownRequiredStep,
        CapOutOfRange,
        AmountRangeEmpty,
    ),
)
async def save(request: Call) -> Response[bytes]:
    """Make a dunning plan, or its next version

    A plan is found by its key, and so are its steps: a step that was taken under a key is never taken again, however
    the plan is changed. A new plan is inactive.
    """
    plan = await read_body(request, SavePlan)
    return await execute(request, lambda unit: save_plan(unit, plan))


@command_route(
    "/dunning/plans/{key:str}/activate",
    operation_id="activate_dunning_plan",
    roles=ADMINISTRATORS,
    request=ChangeActivity,
    request_example=ChangeActivity(),
    response=PlanView,
    response_example=dunning.PLAN,
    errors=(UnknownPlan, CreditorMissing),
)
async def activate(request: Call, key: FromPath[str]) -> Response[bytes]:
    """Contact customers by a plan from today on

    It must also be the tenant's plan, which the setting `dunning_plan` names. What it would do tomorrow is told by the
    preview of that day.
    """
    await read_body(request, ChangeActivity)
    return await execute(request, lambda unit: activate_plan(unit, key))


@command_route(
    "/dunning/plans/{key:str}/deactivate",
    operation_id="deactivate_dunning_plan",
    roles=ADMINISTRATORS,
    request=ChangeActivity,
    request_example=ChangeActivity(),
    response=PlanView,
    response_example=dunning.INACTIVE_PLAN,
    errors=(UnknownPlan,),
)
async def deactivate(request: Call, key: FromPath[str]) -> Response[bytes]:
    """Contact nobody by a plan any more; messages that wait are still sent"""
    await read_body(request, ChangeActivity)
    return await execute(request, lambda unit: deactivate_plan(unit, key))


def _named(plans: list[DunningPlan], key: str) -> DunningPlan:
    for plan in plans:
        if plan.key == key:
            return plan
    raise UnknownPlan(f"there is no dunning plan {quoted(key)}")
