"""`/health/live`, `/health/ready`, `/metrics`: for whoever runs the service."""

from typing import Any, Literal

import msgspec
from litestar import Request, Response

from adapters.http.execution import edge_of
from adapters.http.middleware import arrival_of
from adapters.http.observability.metrics import metrics
from adapters.http.operations import public
from adapters.http.problem_details import NoValidKey, ServiceUnavailable
from adapters.http.query_parameters import refuse_query
from adapters.http.responses import json_answer

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health(msgspec.Struct, frozen=True):
    """The service answers."""

    status: Literal["ok"] = "ok"


@public("/health/live", answers=Health, example=Health())
async def live(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The process answers"""
    refuse_query(request.scope)
    return json_answer(msgspec.json.encode(Health()))


@public("/health/ready", answers=Health, example=Health(), refuses=(ServiceUnavailable,))
async def ready(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The process can serve: its database answers

    503 while it does not, so that a load balancer sends nobody here.
    """
    refuse_query(request.scope)
    readers = edge_of(request).readers
    await readers.run(readers.check)
    return json_answer(msgspec.json.encode(Health()))


@public(
    "/metrics",
    answers=str,
    example="duebook_commands_waiting 0\n",
    media_type="text/plain",
    refuses=(NoValidKey,),
)
async def show_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Numbers of the whole installation, for operators only

    Opened by the token in the file `metrics.token` of the service's home folder, as `Authorization: Bearer`; no
    tenant's key opens it.
    """
    refuse_query(request.scope)
    edge = edge_of(request)
    edge.metrics_token.check(arrival_of(request.scope).authorization)
    text = await edge.readers.run(metrics, edge.books, list(edge.traffic.lines()))
    return json_answer(text.encode(), media_type=METRICS_TYPE)
