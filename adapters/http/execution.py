"""What every route does: hand a command to the writer, or a read to a reader, and give the JSON out."""

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.datastructures import State

from adapters.http.authentication import Authenticator, Principal
from adapters.http.dispatcher import Dispatcher
from adapters.http.middleware import RequestContext, context_of
from adapters.http.observability.metrics import MetricsToken
from adapters.http.observability.request_metrics import RequestMetrics
from adapters.http.operations import Operation, operation_of
from adapters.http.problem_details import Malformed, ReadModelBehind, RoleNotAllowed
from adapters.http.query_parameters import ReadQuery, refuse_query
from adapters.http.read_pool import Connection, Found, ReadPool
from adapters.http.responses import json_response
from adapters.store import writer
from adapters.wiring import Books
from commands.unit_of_work import NameRange, Unit

POSITION_WAIT_SECONDS: Final = 2.0
POSITION_ASKED_EVERY_SECONDS: Final = 0.02

Call = Request[Principal, Any, State]
"""A request that came through the door: `call.user` is its principal."""

T = TypeVar("T")

_KEY = re.compile(rb"[\x20-\x7e]{1,200}")


class Api:
    """What the routes work with; `api_of` finds it."""

    def __init__(self, books: Books, home: Path | None) -> None:
        self.books = books
        self.metrics_token = MetricsToken(home)
        self.request_metrics = RequestMetrics()
        self.read_pool = ReadPool(books)
        self.authenticator = Authenticator(books, self.read_pool)
        self.dispatcher = Dispatcher(books.writer)
        self.closing = False
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="duebook-slow")

    async def run_slowly(self, work: Callable[[], T]) -> T:
        """Runs what may take minutes, one such at a time, apart from the read pool."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, work)

    def close(self) -> None:
        self.closing = True
        self._slow.shutdown()
        self.read_pool.close()


def api_of(request: Request[Any, Any, Any]) -> Api:
    api: Api = request.app.state["api"]
    return api


async def admit(request: Request[Any, Any, Any]) -> None:
    """Runs before every route of a tenant: its principal is then `request.user`. Raises NoValidKey, RoleNotAllowed."""
    context = context_of(request.scope)
    principal = await api_of(request).authenticator.admit(context)
    context.tenant = str(principal.tenant_id)
    operation = operation_of(request.route_handler)
    if operation is not None and principal.role not in operation.roles:
        raise RoleNotAllowed(
            f"the key's role is {principal.role}; this is for {' and '.join(operation.roles)}"
        )
    request.scope["user"] = principal


async def execute(
    call: Call,
    decide: Callable[[Unit], Any],
    *,
    loads: tuple[UUID, ...] = (),
    creates: tuple[str, ...] = (),
    asks: Callable[[Unit], Sequence[NameRange]] | None = None,
) -> Response[bytes]:
    """Runs a command and answers its view, with its place in the log in `Duebook-Position`.

    `loads`, `creates` and `asks` are the streams and names it is known to need, for the writer to load with its
    group's others. With an
    Idempotency-Key, the answer of the first such request is given again. Raises what the command refuses with.
    """
    api, context, principal = api_of(call), context_of(call.scope), call.user
    operation = _operation(call)
    refuse_query(call.scope)
    key = idempotency_key(context, required=operation.key_required)
    done = await api.dispatcher.run(
        writer.Request(
            tenant_id=principal.tenant_id,
            actor=principal.actor,
            handler=decide,
            key=key,
            request_hash=_request_hash(call, context.body) if key is not None else b"",
            status=operation.status,
            correlation_id=context.correlation_id,
            loads=loads,
            creates=creates,
            asks=asks,
        )
    )
    cipher = api.books.cipher
    body = cipher.decrypted_at_once(principal.tenant_id, done.body)
    if body is None:
        body = await api.read_pool.run(cipher.decrypted, principal.tenant_id, done.body)
    headers = {"Duebook-Position": str(done.tenant_seq)}
    if done.replayed:
        headers["Idempotency-Replayed"] = "true"
    return json_response(body, done.status, headers)


def prefers_async(call: Call) -> bool:
    """Whether the request would rather be accepted now and carried out soon (RFC 7240)."""
    given = context_of(call.scope).prefer.lower().replace(b"\n", b",")
    return any(part.split(b";")[0].strip() == b"respond-async" for part in given.split(b","))


async def enqueue(call: Call, operation: str) -> Response[bytes]:
    """Keeps a request to be carried out soon, and answers 202 once it is stored. Raises KeyReused."""
    api, context, principal = api_of(call), context_of(call.scope), call.user
    refuse_query(call.scope)
    key = idempotency_key(context, required=True)
    assert key is not None
    request_id = await api.read_pool.run(
        api.books.inbox.enqueue,
        principal.tenant_id,
        key,
        operation,
        _request_hash(call, context.body),
        context.body,
        actor=principal.actor,
        correlation_id=context.correlation_id,
    )
    headers = {
        "Location": f"/api/requests/{request_id}",
        "Preference-Applied": "respond-async",
    }
    answer = msgspec.json.encode({"id": request_id, "status": "accepted"})
    return json_response(answer, 202, headers)


async def query(
    call: Call,
    read: Callable[[Connection], Any],
    query: ReadQuery,
    *,
    models: Sequence[str] = (),
) -> Response[bytes]:
    """Answers what `read` finds, from the log's snapshots or from read models.

    Waits until the models have reached the query's `min_position`. Raises ReadModelBehind, and Malformed for a position
    that the tenant's log has not reached itself.
    """
    api, tenant_id = api_of(call), call.user.tenant_id
    give_up_at = monotonic() + POSITION_WAIT_SECONDS
    found = await api.read_pool.run(api.read_pool.find, tenant_id, read, models, query.min_position)
    if not isinstance(found, Found):
        last = await api.read_pool.run(api.read_pool.last_position, tenant_id)
        if query.min_position > last:
            raise Malformed(f"min_position is after the last event, {last}", field="min_position")
    while not isinstance(found, Found):
        if monotonic() >= give_up_at:
            raise ReadModelBehind(
                f"the read model has reached {found} and not yet {query.min_position}; "
                "ask again in a moment"
            )
        await asyncio.sleep(POSITION_ASKED_EVERY_SECONDS)
        found = await api.read_pool.run(
            api.read_pool.find, tenant_id, read, models, query.min_position
        )
    return json_response(found.body, 200, {"Duebook-Position": str(found.position)})


def idempotency_key(context: RequestContext, *, required: bool) -> str | None:
    """The request's Idempotency-Key: 1 to 200 printable ASCII characters. Raises Malformed."""
    given = context.idempotency_key
    if given is None:
        if required:
            raise Malformed(
                "send the header Idempotency-Key: a new value for each new request, "
                "the same one when you repeat it",
                field="Idempotency-Key",
            )
        return None
    if not _KEY.fullmatch(given):
        raise Malformed(
            "Idempotency-Key must be 1 to 200 printable ASCII characters", field="Idempotency-Key"
        )
    return given.decode("ascii")


def _request_hash(call: Call, body: bytes) -> bytes:
    """What tells a repeated request from another one: its method, path and body."""
    return sha256(f"{call.method} {call.scope['path']}\n".encode() + body).digest()


def _operation(call: Call) -> Operation:
    operation = operation_of(call.route_handler)
    assert operation is not None, "every route says what it is"
    return operation
