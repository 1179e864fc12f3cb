"""`/api/senders`: the mail servers through which messages leave."""

from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath

from adapters.http.api import Call, api_of
from adapters.http.execution import execute, query
from adapters.http.middleware import context_of
from adapters.http.openapi.examples import invoices, senders
from adapters.http.operations import ADMINISTRATORS, command_route, query_route
from adapters.http.query_parameters import ReadQuery, read_query
from adapters.http.request_bodies import read_body
from adapters.messages.smtp.dkim import read_key
from commands.senders import (
    PauseSender,
    SaveSender,
    SenderView,
    UnknownSender,
    pause_sender,
    resume_sender,
    save_sender,
)
from ledger.sender import MalformedSender, MalformedSenderKey
from projections.pagination import Page
from projections.senders.fold import SENDERS
from projections.senders.listing import SenderRow, list_senders


class ResumeSender(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing needs to be said to resume a sender."""


@query_route(
    "/senders",
    operation_id="list_senders",
    response=Page[SenderRow],
    response_example=invoices.page(senders.SENDER_ROW),
)
async def list_all(request: Call) -> Response[bytes]:
    """Senders by key

    A tenant that has none writes its messages to files.
    """
    tenant_id = request.user.tenant_id
    return await query(
        request,
        lambda connection: Page(list_senders(connection, tenant_id)),
        read_query(request.scope["query_string"], ReadQuery),
        models=(SENDERS.name,),
    )


@command_route(
    "/senders",
    operation_id="save_sender",
    roles=ADMINISTRATORS,
    request=SaveSender,
    request_example=senders.SAVE_SENDER,
    response=SenderView,
    response_example=senders.SENDER,
    status=201,
    errors=(MalformedSenderKey, MalformedSender),
)
async def save(request: Call) -> Response[bytes]:
    """Set up a mail server to send through, or change it

    Its password and its signing key are encrypted, are in no event and are never shown. Leave them out to keep those
    that were said before.
    """
    api, tenant_id = api_of(request), request.user.tenant_id
    command = await read_body(request, SaveSender)
    if command.dkim_key:
        read_key(command.dkim_key)
    kept: dict[str, UUID] = {}
    for field in ("password", "dkim_key"):
        secret = getattr(command, field)
        if secret:
            kept[field] = await api.read_pool.run(api.books.secrets.keep, tenant_id, secret)
            # The hash of a request is stored: it must not be one of a secret that somebody could guess.
            command = msgspec.structs.replace(command, **{field: str(kept[field])})
    if kept:
        context_of(request.scope).body = msgspec.json.encode(command)
    return await execute(
        request,
        lambda unit: save_sender(unit, command, kept.get("password"), kept.get("dkim_key")),
    )


@command_route(
    "/senders/{key:str}/pause",
    operation_id="pause_sender",
    roles=ADMINISTRATORS,
    request=PauseSender,
    request_example=senders.PAUSE,
    response=SenderView,
    response_example=senders.PAUSED_SENDER,
    errors=(UnknownSender,),
)
async def pause(request: Call, key: FromPath[str]) -> Response[bytes]:
    """Send nothing through a sender until it is resumed; its messages wait"""
    command = await read_body(request, PauseSender)
    return await execute(request, lambda unit: pause_sender(unit, key, command))


@command_route(
    "/senders/{key:str}/resume",
    operation_id="resume_sender",
    roles=ADMINISTRATORS,
    request=ResumeSender,
    request_example=ResumeSender(),
    response=SenderView,
    response_example=senders.SENDER,
    errors=(UnknownSender,),
)
async def resume(request: Call, key: FromPath[str]) -> Response[bytes]:
    """Send through a sender again"""
    await read_body(request, ResumeSender)
    return await execute(request, lambda unit: resume_sender(unit, key))
