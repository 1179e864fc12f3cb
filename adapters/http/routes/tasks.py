"""`/api/tasks`: what waits for a person."""

from uuid import UUID

from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call
from adapters.http.execution import execute, query
from adapters.http.openapi.examples import invoices, senders
from adapters.http.operations import command_route, query_route
from adapters.http.query_parameters import ListQuery, chosen, read_query
from adapters.http.request_bodies import read_body
from commands.tasks import FinishTask, OpenTask, TaskTextMissing, TaskView, finish_task, open_task
from commands.unit_of_work import Unknown
from ledger.task import State, TaskDone
from projections.pagination import Page
from projections.tasks.fold import TASKS
from projections.tasks.listing import TaskFilters, TaskRow, list_tasks


class TaskListQuery(ListQuery, frozen=True, kw_only=True):
    """Which tasks."""

    state: State | None = None
    customer_id: UUID | None = None


@query_route(
    "/tasks",
    operation_id="list_tasks",
    parameters=TaskListQuery,
    response=Page[TaskRow],
    response_example=invoices.page(senders.TASK_ROW),
)
async def list_all(request: Call) -> Response[bytes]:
    """Tasks, the oldest first"""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], TaskListQuery)
    return await query(
        request,
        lambda connection: list_tasks(
            connection,
            tenant_id,
            chosen(parameters, TaskFilters),
            cursor=parameters.cursor,
            limit=parameters.limit,
        ),
        parameters,
        models=(TASKS.name,),
    )


@command_route(
    "/tasks",
    operation_id="open_task",
    request=OpenTask,
    request_example=senders.OPEN_TASK,
    response=TaskView,
    response_example=senders.TASK,
    status=201,
    errors=(Unknown, TaskTextMissing),
)
async def create(request: Call) -> Response[bytes]:
    """Write down what a person is to do about a customer"""
    command = await read_body(request, OpenTask)
    return await execute(
        request, lambda unit: open_task(unit, command), prefetch_streams=(command.customer_id,)
    )


@command_route(
    "/tasks/{id:uuid}/done",
    operation_id="finish_task",
    request=FinishTask,
    request_example=senders.FINISH_TASK,
    response=TaskView,
    response_example=senders.DONE_TASK,
    errors=(Unknown, TaskDone, TaskTextMissing),
)
async def done(request: Call, id: FromPath[UUID]) -> Response[bytes]:
    """Say that a task is done"""
    command = await read_body(request, FinishTask)
    return await execute(
        request, lambda unit: finish_task(unit, id, command), prefetch_streams=(id,)
    )
