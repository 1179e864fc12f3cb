"""Running a request: a command through the dispatcher, a query through the read pool, or into the inbox for later."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response

from adapters.http.api import Call, api_of
from adapters.http.idempotency import idempotency_key, request_hash
from adapters.http.middleware import context_of
from adapters.http.operations import Accepted, Operation, operation_of
from adapters.http.problem_details import Malformed, ReadModelBehind
from adapters.http.query_parameters import ReadQuery, refuse_query
from adapters.http.read_pool import Connection, Found
from adapters.http.responses import json_response
from adapters.store import writer
from commands.unit_of_work import NameRange, Unit

POSITION_WAIT_SECONDS: Final = 2.0
POSITION_ASKED_EVERY_SECONDS: Final = 0.02


async def execute(
    call: Call,
    decide: Callable[[Unit], Any],
    *,
    prefetch_streams: tuple[UUID, ...] = (),
    prefetch_new: tuple[str, ...] = (),
    prefetch_names: Callable[[Unit], Sequence[NameRange]] | None = None,
) -> Response[bytes]:
    """Runs a command and answers its view, with its place in the log in `Duebook-Position`.

    The writer loads what is prefetched with its group's (`adapters.store.requests.Request`). A repeated
    Idempotency-Key gives the answer of the first such request again. Raises what the command refuses with.
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
            request_hash=request_hash(call.method, call.scope["path"], context.body)
            if key is not None
            else b"",
            status=operation.status,
            correlation_id=context.correlation_id,
            prefetch_streams=prefetch_streams,
            prefetch_new=prefetch_new,
            prefetch_names=prefetch_names,
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
    """Whether the request asks for `respond-async`: to be stored now and run soon (RFC 7240)."""
    given = context_of(call.scope).prefer.lower().replace(b"\n", b",")
    return any(part.split(b";")[0].strip() == b"respond-async" for part in given.split(b","))


async def enqueue(call: Call, operation: str) -> Response[bytes]:
    """Stores a request that is run soon, and answers 202. Raises KeyReused."""
    api, context, principal = api_of(call), context_of(call.scope), call.user
    refuse_query(call.scope)
    key = idempotency_key(context, required=True)
    assert key is not None
    request_id = await api.read_pool.run(
        api.books.inbox.enqueue,
        principal.tenant_id,
        key,
        operation,
        request_hash(call.method, call.scope["path"], context.body),
        context.body,
        actor=principal.actor,
        correlation_id=context.correlation_id,
    )
    headers = {
        "Location": f"/api/requests/{request_id}",
        "Preference-Applied": "respond-async",
    }
    answer = msgspec.json.encode(Accepted(request_id))
    return json_response(answer, 202, headers)


async def query(
    call: Call,
    read: Callable[[Connection], Any],
    query: ReadQuery,
    *,
    models: Sequence[str] = (),
) -> Response[bytes]:
    """Answers what `read` finds, from snapshots or from read models.

    Waits until the models have reached the query's `min_position`. Raises ReadModelBehind, and Malformed for a position
    that the tenant's log has not reached itself.
    """
    api, tenant_id = api_of(call), call.user.tenant_id
    deadline = monotonic() + POSITION_WAIT_SECONDS
    found = await api.read_pool.run(api.read_pool.find, tenant_id, read, models, query.min_position)
    if not isinstance(found, Found):
        last = await api.read_pool.run(api.read_pool.last_position, tenant_id)
        if query.min_position > last:
            raise Malformed(f"min_position is after the last event, {last}", field="min_position")
    while not isinstance(found, Found):
        if monotonic() >= deadline:
            raise ReadModelBehind(
                f"the read model has reached {found} and not yet {query.min_position}; "
                "ask again in a moment"
            )
        await asyncio.sleep(POSITION_ASKED_EVERY_SECONDS)
        found = await api.read_pool.run(
            api.read_pool.find, tenant_id, read, models, query.min_position
        )
    return json_response(found.body, 200, {"Duebook-Position": str(found.position)})


def _operation(call: Call) -> Operation:
    operation = operation_of(call.route_handler)
    assert operation is not None, "every route says what it is"
    return operation
