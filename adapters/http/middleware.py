"""The outermost layer: reads the headers of each request, and adds to each answer what all of them carry.

A request's correlation id is kept where it is plain, and made otherwise. It comes back in `X-Correlation-Id`, and goes
into the access log and into every event that the request causes.
"""

import re
import secrets
from collections.abc import Iterable
from time import perf_counter
from typing import Any, Final

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.observability.access_log import AccessLog
from adapters.http.observability.request_metrics import RequestMetrics

NO_ROUTE: Final = "(no route)"
PLAIN_CORRELATION_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestContext(msgspec.Struct):
    """The headers of a request that the API reads, each empty when it was not sent, and what became of it.

    A header that was sent twice is both values joined by a line break, which no reader of it accepts. Blanks around a
    value do not belong to it (RFC 9110, 5.5).

    body    what was read of the body
    tenant  the tenant's id, once the request is authorized
    status  that of the answer
    """

    correlation_id: str = ""
    api_key: bytes = b""
    tenant_id: bytes = b""
    idempotency_key: bytes | None = None
    content_type: bytes = b""
    content_encoding: bytes = b""
    content_length: bytes = b""
    authorization: bytes = b""
    prefer: bytes = b""
    body: bytes = b""
    tenant: str = "-"
    status: int = 0


_FIELDS: Final = {
    b"x-correlation-id": "correlation_id",
    b"x-api-key": "api_key",
    b"x-tenant-id": "tenant_id",
    b"idempotency-key": "idempotency_key",
    b"content-type": "content_type",
    b"content-encoding": "content_encoding",
    b"content-length": "content_length",
    b"authorization": "authorization",
    b"prefer": "prefer",
}


def read_headers(headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
    """One pass over a request's headers, whose names are in lower case."""
    found: dict[str, Any] = {}
    for name, value in headers:
        field = _FIELDS.get(name)
        if field is not None:
            value = value.strip(b" \t")
            # A header that was sent twice is joined by what no value may hold, so that no reader accepts it.
            found[field] = found[field] + b"\n" + value if field in found else value
    given = found.pop("correlation_id", b"").decode("latin-1")
    plain = PLAIN_CORRELATION_ID.fullmatch(given) is not None
    return RequestContext(correlation_id=given if plain else new_correlation_id(), **found)


def new_correlation_id() -> str:
    """32 hexadecimal digits."""
    return secrets.token_hex(16)


def context_of(scope: Scope) -> RequestContext:
    """The context of the request of this scope."""
    context: RequestContext = scope["state"]["duebook"]
    return context


class RequestMiddleware:
    """Wraps an application: reads the headers, marks and counts the answer, writes the log."""

    def __init__(
        self, app: ASGIApp, request_metrics: RequestMetrics, access_log: AccessLog
    ) -> None:
        self._app = app
        self._request_metrics = request_metrics
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        context = read_headers(scope["headers"])
        scope.setdefault("state", {})["duebook"] = context
        correlation = (b"x-correlation-id", context.correlation_id.encode())

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                context.status = message["status"]
                message["headers"] = [*message["headers"], correlation]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            seconds = perf_counter() - started
            method, status = scope["method"], context.status or 500
            route = scope.get("path_template", "")
            self._request_metrics.count(method, route, status, seconds)
            self._access_log.add(
                method, route or NO_ROUTE, status, seconds, context.tenant, context.correlation_id
            )
