"""`/health/live`, `/health/ready`, `/metrics`: for whoever runs the service."""

from typing import Any, Literal

import msgspec
from litestar import Request, Response

from adapters.http.api import api_of
from adapters.http.middleware import context_of
from adapters.http.observability.metrics import metrics
from adapters.http.operations import public_route
from adapters.http.problem_details import DiskFull, NoValidKey, ServiceUnavailable
from adapters.http.query_parameters import refuse_query
from adapters.http.responses import json_response

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health(msgspec.Struct, frozen=True):
    """The service answers."""

    status: Literal["ok"] = "ok"


@public_route(
    "/health/live", operation_id="get_liveness", response=Health, response_example=Health()
)
async def live(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The process answers"""
    refuse_query(request.scope)
    return json_response(msgspec.json.encode(Health()))


@public_route(
    "/health/ready",
    operation_id="get_readiness",
    response=Health,
    response_example=Health(),
    errors=(ServiceUnavailable, DiskFull),
)
async def ready(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The process can serve: its database answers, and its disk has room

    503 or 507 while it does not, so that a load balancer sends nobody here.
    """
    refuse_query(request.scope)
    await api_of(request).read_pool.require_ready()
    return json_response(msgspec.json.encode(Health()))


@public_route(
    "/metrics",
    operation_id="get_metrics",
    response=str,
    response_example="duebook_commands_waiting 0\n",
    media_type="text/plain",
    errors=(NoValidKey,),
)
async def show_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Numbers of the whole installation, for operators only

    Opened by the token in the file `metrics.token` of the service's home folder, as `Authorization: Bearer`; no
    tenant's key opens it.
    """
    refuse_query(request.scope)
    api = api_of(request)
    api.metrics_token.check(context_of(request.scope).authorization)
    text = await api.read_pool.run(metrics, api.books, api.request_metrics)
    return json_response(text, media_type=METRICS_TYPE)
