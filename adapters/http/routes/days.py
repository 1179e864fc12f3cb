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

from adapters.http.execution import Call, Edge, edge_of, idempotency_key, look_up
from adapters.http.middleware import arrival_of
from adapters.http.openapi.examples import invoices
from adapters.http.operations import command, query
from adapters.http.problem_details import ClockBusy, ServiceUnavailable
from adapters.http.query_parameters import ListQuery, chosen, read_query, refuse_query
from adapters.http.request_bodies import read_body
from adapters.http.responses import json_answer
from ledger.business_day import STEPS, Tally
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
    require_runnable,
    run_day,
)
from schedulers.ports import ClockTaken, Fenced, Lease, Run

CLOCK_WAIT_S: Final = 5.0
CLOCK_ASKED_EVERY_S: Final = 0.25


class DayListQuery(ListQuery, frozen=True, kw_only=True):
    """Which days; `day_from` and `day_to` are included."""

    status: Literal["open", "closed"] | None = None
    day_from: dt.date | None = None
    day_to: dt.date | None = None


class RunDay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing needs to be said to run a day."""


class DayRun(msgspec.Struct, frozen=True):
    """A day that is closed now.

    ran    false when it had been closed before, and nothing was done
    steps  what each step posted
    """

    day: dt.date
    ran: bool
    steps: list[StepRow]


@query(
    "/days",
    parameters=DayListQuery,
    answers=Page[DayRow],
    example=invoices.page(invoices.DAY),
)
async def list_all(request: Call) -> Response[bytes]:
    """Business days, the latest first"""
    tenant_id = request.user.tenant_id
    query = read_query(request.scope["query_string"], DayListQuery)
    return await look_up(
        request,
        lambda connection: list_days(
            connection,
            tenant_id,
            chosen(query, DayFilters),
            cursor=query.cursor,
            limit=query.limit,
        ),
        query,
        models=(BUSINESS_DAYS.name,),
    )


@command(
    "/days/{date:date}/run",
    takes=RunDay,
    body=RunDay(),
    answers=DayRun,
    example=DayRun(
        day=invoices.DAY.day, ran=True, steps=[StepRow("mora", 1, 1, [Money("0.03", "BRL")])]
    ),
    refuses=(DayNotCome, BeforeClockStart, EarlierDayOpen, ClockBusy),
)
async def run(request: Call, date: FromPath[dt.date]) -> Response[bytes]:
    """Run a business day: overdue, late fees, interest, close

    Days are run in order. One that is closed is left as it is, and one that was interrupted goes on where it stopped,
    so that repeating the request posts nothing twice, with or without an Idempotency-Key.
    """
    refuse_query(request.scope)
    idempotency_key(arrival_of(request.scope), required=False)
    await read_body(request, RunDay)
    edge, caller = edge_of(request), request.user
    await edge.readers.run(_require_runnable, edge, caller.tenant_id, date)
    lease = await _lease(edge)
    try:
        result = await edge.run_slowly(
            lambda: run_day(
                edge.books.clock,
                Run(caller.tenant_id, date, lease, caller.actor),
                pause=lambda _: _unless_closing(edge),
            )
        )
    except Fenced as fenced:
        raise ClockBusy(str(fenced)) from fenced
    finally:
        await edge.readers.run(edge.books.clock.release, lease)
    position = await edge.readers.run(edge.readers.last_position, caller.tenant_id)
    return json_answer(
        msgspec.json.encode(_day_run(result)), headers={"Duebook-Position": str(position)}
    )


def _require_runnable(edge: Edge, tenant_id: UUID, day: dt.date) -> None:
    clock = edge.books.clock
    today = business_date(dt.datetime.now(dt.UTC), clock.settings(tenant_id).timezone)
    require_runnable(clock, tenant_id, day, today)


async def _lease(edge: Edge) -> Lease:
    """The right to run the clock; the alarm's short turns are waited for. Raises ClockBusy."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    give_up_at = monotonic() + CLOCK_WAIT_S
    while True:
        try:
            return await edge.readers.run(edge.books.clock.acquire, holder)
        except ClockTaken as taken:
            if monotonic() >= give_up_at:
                raise ClockBusy(f"{taken}; try again in a moment") from taken
        await asyncio.sleep(CLOCK_ASKED_EVERY_S)


def _unless_closing(edge: Edge) -> None:
    """A stopping service does not begin another chunk; the day goes on at the next run."""
    if edge.closing:
        raise ServiceUnavailable("the service is stopping; run the day again")


def _day_run(result: DayResult) -> DayRun:
    steps = [_step(name, result.steps[name]) for name in STEPS if name in result.steps]
    return DayRun(result.day, result.ran, steps)


def _step(name: str, tally: Tally) -> StepRow:
    amounts = [Money.of(minor, currency) for currency, minor in sorted(tally.amounts.items())]
    return StepRow(name, tally.looked_at, tally.posted, amounts)
