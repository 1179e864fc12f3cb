"""`/api/dunning/plans`: the plans by which customers are contacted."""

import datetime as dt
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call, api_of
from adapters.http.execution import execute, query
from adapters.http.idempotency import idempotency_key
from adapters.http.middleware import context_of
from adapters.http.openapi.examples import dunning, invoices
from adapters.http.operations import ADMINISTRATORS, command_route, query_route
from adapters.http.problem_details import ClockBusy
from adapters.http.query_parameters import ReadQuery, read_query, refuse_query
from adapters.http.read_pool import Connection, found_snapshot
from adapters.http.request_bodies import read_body
from adapters.http.responses import json_response
from adapters.http.routes.days import DAY_RUN, DayRun, run_by_hand
from adapters.store.debtors import open_cases
from adapters.store.releasing import release_all
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
from commands.template_loading import UnknownTemplate
from commands.unit_of_work import Unknown
from ledger.dunning.plan import (
    ActionTextMissing,
    AmountRangeEmpty,
    CapOutOfRange,
    DunningPlan,
    FeeUnexplained,
    MalformedPlanKey,
    OffsetOutOfRange,
    StepsMissing,
    StepTwice,
    UnknownRequiredStep,
    ValidityOutOfRange,
)
from ledger.dunning.window import MalformedWindow
from ledger.errors import quoted
from ledger.money import Money
from ledger.time_zones import business_date
from projections.dunning_plans.fold import DUNNING_PLANS
from projections.dunning_plans.listing import list_plans
from projections.messages.fold import MESSAGES
from projections.messages.results import StepResult, step_results
from projections.pagination import Page
from schedulers.business_day import EarlierDayOpen, NoContactNow, StepNotInTurn
from schedulers.preview import PreviewItem
from schedulers.release import ReleaseFilter, choose, starts


class ChangeActivity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing needs to be said to activate or deactivate a plan, or to run dunning."""


class ReleaseImports(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which imported invoices, all when nothing is said, and why.

    preview           say what it would start, and release nothing
    due_from, due_to  due dates, both included
    at_least          open in its currency, or more
    """

    preview: bool = False
    reason: str = ""
    customer_id: UUID | None = None
    due_from: dt.date | None = None
    due_to: dt.date | None = None
    currency: str | None = None
    at_least: Money | None = None

    def filter(self) -> ReleaseFilter:
        return ReleaseFilter(
            self.customer_id, self.due_from, self.due_to, self.currency, self.at_least
        )


class Released(msgspec.Struct, frozen=True):
    """What was released, or would be.

    invoices  how many
    amounts   what is open on them, by currency
    released  false for a preview
    starts    of a preview, what the next night that contacts customers would do
    """

    invoices: int
    amounts: list[Money]
    released: bool
    starts: list[PreviewItem]


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


@query_route(
    "/dunning/plans/{key:str}/results",
    operation_id="get_dunning_plan_results",
    response=Page[StepResult],
    response_example=invoices.page(dunning.STEP_RESULT),
    errors=(UnknownPlan,),
)
async def results(request: Call, key: FromPath[str]) -> Response[bytes]:
    """What came of a plan's messages, step by step

    Opened ones are those whose picture was fetched, of customers who consent to that being noted.
    """
    tenant_id = request.user.tenant_id

    def read(connection: Connection) -> Page[StepResult]:
        _named(list_plans(connection, tenant_id), key)
        return Page(step_results(connection, tenant_id, key))

    return await query(
        request,
        read,
        read_query(request.scope["query_string"], ReadQuery),
        models=(DUNNING_PLANS.name, MESSAGES.name),
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
        UnknownTemplate,
        CapOutOfRange,
        AmountRangeEmpty,
        MalformedWindow,
        ValidityOutOfRange,
        FeeUnexplained,
        ActionTextMissing,
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

    It applies to the debts that follow it: by the setting `dunning_plan`, or by what was chosen for tags, customers or
    invoices. What it would do tomorrow is in the preview of that day.
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


@command_route(
    "/dunning/run",
    operation_id="run_dunning",
    request=ChangeActivity,
    request_example=ChangeActivity(),
    response=DayRun,
    response_example=DAY_RUN,
    errors=(EarlierDayOpen, StepNotInTurn, NoContactNow, ClockBusy),
)
async def run(request: Call) -> Response[bytes]:
    """Run today's dunning again: contact who has not been contacted today and is to be

    As `POST /api/days/{today}/run` with `{"step": "dunning"}`. Nobody is contacted twice by it.
    """
    refuse_query(request.scope)
    idempotency_key(context_of(request.scope), required=False)
    await read_body(request, ChangeActivity)
    return await run_by_hand(request, None, "dunning")


@command_route(
    "/dunning/release",
    operation_id="release_imports",
    roles=ADMINISTRATORS,
    request=ReleaseImports,
    request_example=ReleaseImports(
        preview=True, customer_id=invoices.CUSTOMER_ID, due_from=dt.date(2026, 1, 1)
    ),
    response=Released,
    response_example=Released(
        invoices=1,
        amounts=[dunning.PREVIEW_ITEM.amount],
        released=False,
        starts=[dunning.PREVIEW_ITEM],
    ),
    errors=(Unknown,),
)
async def release(request: Call) -> Response[bytes]:
    """Release imported invoices for dunning, or say what that would start

    Imported invoices are left alone until they are released. With `preview`, nothing is released: the answer says what
    the next night on which customers are contacted would do with them. Repeating a release that was interrupted goes on
    with what is left.
    """
    refuse_query(request.scope)
    context = context_of(request.scope)
    idempotency_key(context, required=False)
    said = await read_body(request, ReleaseImports)
    api, principal = api_of(request), request.user
    books, tenant_id = api.books, principal.tenant_id

    def released() -> bytes:
        today = business_date(dt.datetime.now(dt.UTC), books.clock.settings(tenant_id).timezone)
        filters = said.filter()
        if said.customer_id is not None:
            with books.reading(tenant_id) as connection:
                found_snapshot(connection, tenant_id, "customer", said.customer_id)
        chosen = choose(open_cases(books.database.writer, tenant_id), filters, today)
        answer = Released(len(chosen.invoice_ids), list(chosen.amounts), not said.preview, [])
        if said.preview:
            plans = books.clock.dunning_plans(tenant_id)
            cases = open_cases(books.database.writer, tenant_id)
            answer.starts.extend(starts(cases, filters, plans, today))
        else:
            release_all(
                books.writer,
                tenant_id,
                chosen.invoice_ids,
                said.reason,
                actor=principal.actor,
                correlation_id=context.correlation_id,
            )
        return books.cipher.decrypted(tenant_id, msgspec.json.encode(answer))

    body = await api.run_slowly(released)
    position = await api.read_pool.run(api.read_pool.last_position, tenant_id)
    return json_response(body, headers={"Duebook-Position": str(position)})


def _named(plans: list[DunningPlan], key: str) -> DunningPlan:
    for plan in plans:
        if plan.key == key:
            return plan
    raise UnknownPlan(f"there is no dunning plan {quoted(key)}")
