"""`/api/days`: business days, and running one by hand."""

import asyncio
import datetime as dt
import os
import secrets
import socket
from time import monotonic
from typing import Final, Literal
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Api, Call, api_of
from adapters.http.execution import query
from adapters.http.idempotency import idempotency_key
from adapters.http.middleware import context_of
from adapters.http.openapi.examples import dunning, invoices
from adapters.http.operations import command_route, query_route
from adapters.http.problem_details import ClockBusy, ServiceUnavailable
from adapters.http.query_parameters import (
    ListQuery,
    ReadQuery,
    chosen,
    read_query,
    refuse_query,
)
from adapters.http.request_bodies import read_body
from adapters.http.responses import json_response
from adapters.store.debtors import open_cases
from ledger.business_day import STEPS, Step, Tally
from ledger.money import Money
from ledger.time_zones import business_date
from projections.business_days.fold import BUSINESS_DAYS
from projections.business_days.listing import DayFilters, DayRow, StepRow, list_days
from projections.pagination import Page
from schedulers.business_day import (
    BeforeClockStart,
    DayNotCome,
    DayResult,
    EarlierDayOpen,
    NoContactNow,
    StepNotInTurn,
    require_runnable,
    run_day,
    run_step,
)
from schedulers.business_day_steps import contacts_may_begin
from schedulers.forecast import DayTooFar, require_foreseeable
from schedulers.ports import ClockTaken, Fenced, Lease, Run
from schedulers.preview import PreviewItem, preview

CLOCK_WAIT_SECONDS: Final = 5.0
CLOCK_ASKED_EVERY_SECONDS: Final = 0.25


class DayListQuery(ListQuery, frozen=True, kw_only=True):
    """Which days; `day_from` and `day_to` are included."""

    status: Literal["open", "closed"] | None = None
    day_from: dt.date | None = None
    day_to: dt.date | None = None


class RunDay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to run of a day: one step again, or all that is left of it when none is said."""

    step: Step | None = None


class DayRun(msgspec.Struct, frozen=True):
    """A day that was run.

    ran     false when it had been closed before, and nothing was done, or is not closed yet
    status  `open` while customers may not be contacted yet: the clock goes on at 6:00
    steps   what each step posted
    """

    day: dt.date
    ran: bool
    status: Literal["open", "closed"]
    steps: list[StepRow]


DAY_RUN: Final = DayRun(
    day=invoices.DAY.day,
    ran=True,
    status="closed",
    steps=[StepRow("mora", 1, 1, [Money("0.03", "BRL")])],
)


class DayPreview(msgspec.Struct, frozen=True):
    """A day before it happens."""

    date: dt.date
    items: list[PreviewItem]


@query_route(
    "/days",
    operation_id="list_business_days",
    parameters=DayListQuery,
    response=Page[DayRow],
    response_example=invoices.page(invoices.DAY),
)
async def list_all(request: Call) -> Response[bytes]:
    """Business days, the latest first"""
    tenant_id = request.user.tenant_id
    parameters = read_query(request.scope["query_string"], DayListQuery)
    return await query(
        request,
        lambda connection: list_days(
            connection,
            tenant_id,
            chosen(parameters, DayFilters),
            cursor=parameters.cursor,
            limit=parameters.limit,
        ),
        parameters,
        models=(BUSINESS_DAYS.name,),
    )


@query_route(
    "/days/{date:date}/preview",
    operation_id="preview_business_day",
    response=DayPreview,
    response_example=DayPreview(dunning.PREVIEW_ITEM.date, [dunning.PREVIEW_ITEM]),
    errors=(DayTooFar,),
)
async def show_preview(request: Call, date: FromPath[dt.date]) -> Response[bytes]:
    """What the night of a day would charge and whom it would contact, if nothing changed before

    Charges are those up to the end of the day. Messages are there while the tenant's dunning plan is active; a debt
    that has come to a step and is not contacted about says why. Nothing is written.
    """
    read_query(request.scope["query_string"], ReadQuery)
    api, tenant_id = api_of(request), request.user.tenant_id
    body = await api.run_slowly(lambda: _preview(api, tenant_id, date))
    return json_response(body)


@command_route(
    "/days/{date:date}/run",
    operation_id="run_business_day",
    request=RunDay,
    request_example=RunDay(),
    response=DayRun,
    response_example=DAY_RUN,
    errors=(
        DayNotCome,
        BeforeClockStart,
        EarlierDayOpen,
        StepNotInTurn,
        NoContactNow,
        ClockBusy,
    ),
)
async def run(request: Call, date: FromPath[dt.date]) -> Response[bytes]:
    """Run a business day: overdue, late fees, interest, dunning, close

    Days are run in order. One that is closed is left as it is, and one that was interrupted goes on where it stopped,
    so that repeating the request posts nothing twice and contacts nobody twice, with or without an Idempotency-Key.
    Customers are contacted on the day of today alone, and not before 6:00 in the tenant's zone.

    With a `step`, that step is run again, of a day that is closed too: everything is looked at again, and what is new
    is done. `steps` then tells what this run of it did.
    """
    refuse_query(request.scope)
    idempotency_key(context_of(request.scope), required=False)
    wanted = await read_body(request, RunDay)
    return await run_by_hand(request, date, wanted.step)


async def run_by_hand(request: Call, day: dt.date | None, step: Step | None) -> Response[bytes]:
    """Runs a day, or one step of it; today when none is said."""
    api, principal = api_of(request), request.user
    await api.read_pool.run(api.books.guard.require)
    today = await api.read_pool.run(_today, api, principal.tenant_id)
    wanted = day or today
    await api.read_pool.run(_require_runnable, api, principal.tenant_id, wanted)
    lease = await _lease(api)

    def ran() -> DayResult:
        clock = api.books.clock
        run = Run(principal.tenant_id, wanted, lease, principal.actor)
        settings = clock.settings(principal.tenant_id)
        may_begin = contacts_may_begin(settings, wanted, dt.datetime.now(dt.UTC))

        def pause(point: str) -> None:
            _unless_closing(api)

        if step is None:
            return run_day(clock, run, today=today, may_begin=may_begin, pause=pause)
        return run_step(clock, run, step, today=today, may_begin=may_begin, pause=pause)

    try:
        result = await api.run_slowly(ran)
    except Fenced as fenced:
        raise ClockBusy(str(fenced)) from fenced
    finally:
        await api.read_pool.run(api.books.clock.release, lease)
    position = await api.read_pool.run(api.read_pool.last_position, principal.tenant_id)
    return json_response(
        msgspec.json.encode(_day_run(result)), headers={"Duebook-Position": str(position)}
    )


def _preview(api: Api, tenant_id: UUID, day: dt.date) -> bytes:
    books = api.books
    today = _today(api, tenant_id)
    require_foreseeable(day, today)
    plans = books.clock.dunning_plans(tenant_id)
    items = list(preview(open_cases(books.database.writer, tenant_id), plans, day, today))
    return books.cipher.decrypted(tenant_id, msgspec.json.encode(DayPreview(day, items)))


def _require_runnable(api: Api, tenant_id: UUID, day: dt.date) -> None:
    require_runnable(api.books.clock, tenant_id, day, _today(api, tenant_id))


def _today(api: Api, tenant_id: UUID) -> dt.date:
    timezone = api.books.clock.settings(tenant_id).timezone
    return business_date(dt.datetime.now(dt.UTC), timezone)


async def _lease(api: Api) -> Lease:
    """The right to run the clock; the alarm's short turns are waited for. Raises ClockBusy."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    deadline = monotonic() + CLOCK_WAIT_SECONDS
    while True:
        try:
            return await api.read_pool.run(api.books.clock.acquire, holder)
        except ClockTaken as taken:
            if monotonic() >= deadline:
                raise ClockBusy(f"{taken}; try again in a moment") from taken
        await asyncio.sleep(CLOCK_ASKED_EVERY_SECONDS)


def _unless_closing(api: Api) -> None:
    """A stopping service does not begin another chunk; the day goes on at the next run."""
    if api.closing:
        raise ServiceUnavailable("the service is stopping; run the day again")


def _day_run(result: DayResult) -> DayRun:
    steps = [_step(name, result.steps[name]) for name in STEPS if name in result.steps]
    return DayRun(result.day, result.ran, "closed" if result.closed else "open", steps)


def _step(name: str, tally: Tally) -> StepRow:
    amounts = [Money.of(minor, currency) for currency, minor in sorted(tally.amounts.items())]
    return StepRow(name, tally.looked_at, tally.posted, amounts)
