"""`/u/{token}` and `/t/{token}.gif`: links in messages, for customers and their mail programs, who have no key.

A token opens one thing about one message and is in no log. GET only shows: programs that look at every link of a mail
change nothing. Mail programs that offer to unsubscribe send the POST themselves (RFC 8058).

They are not part of the API, and the OpenAPI document does not list them.
"""

import base64
import logging
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath

from adapters.http.api import Api, api_of
from adapters.http.middleware import context_of
from adapters.http.pages import unsubscribe_page
from adapters.http.responses import json_response
from adapters.links import Addressee
from commands.message_reports import message_opened, unsubscribe
from commands.unit_of_work import Unit

log = logging.getLogger("duebook.links")

ACTOR: Final = "link"
HTML: Final = "text/html; charset=utf-8"
# One transparent pixel.
PICTURE: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_PRIVATE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


@get("/u/{token:str}", status_code=200)
async def ask(request: Request[Any, Any, Any], token: FromPath[str]) -> Response[bytes]:
    """The page on which a customer stops reminders

    It changes nothing: its button does. 404 with a page for people when the link is unknown or was revoked.
    """
    api = api_of(request)
    shown = await api.read_pool.run(_shown, api, token)
    if shown is None:
        return _page(unsubscribe_page("no_such_link"), 404)
    return _page(unsubscribe_page("ask", *shown))


@post("/u/{token:str}", status_code=200)
async def stop(request: Request[Any, Any, Any], token: FromPath[str]) -> Response[bytes]:
    """Stop reminders on the message's channel (RFC 8058)

    Invoices and legal notices still go out. The body is not looked at; asking again changes nothing.
    """
    api = api_of(request)
    shown = await api.read_pool.run(_stopped, api, token, context_of(request.scope).correlation_id)
    if shown is None:
        return _page(unsubscribe_page("no_such_link"), 404)
    return _page(unsubscribe_page("done", *shown))


@get("/t/{name:str}", status_code=200)
async def picture(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """An invisible picture

    Fetched from a message, it notes that the message was perhaps opened, while the customer consents to that. The
    answer is the same whatever was asked for.
    """
    api = api_of(request)
    try:
        token = name.removesuffix(".gif")
        await api.read_pool.run(_opened, api, token, context_of(request.scope).correlation_id)
    except Exception:
        # Whether it was opened is worth less than that nobody learns anything from this answer.
        log.exception("an opened message could not be noted")
    return json_response(PICTURE, headers=_PRIVATE, media_type="image/gif")


def _page(page: bytes, status: int = 200) -> Response[bytes]:
    return json_response(page, status, _PRIVATE, HTML)


def _shown(api: Api, token: str) -> tuple[str, str] | None:
    """The customer's language and the creditor's name."""
    found = api.books.links.read_link(api.books.database.writer, "unsubscribe", token)
    return _about(api, found) if found is not None else None


def _stopped(api: Api, token: str, correlation_id: str) -> tuple[str, str] | None:
    found = api.books.links.read_link(api.books.database.writer, "unsubscribe", token)
    if found is None:
        return None
    api.books.run(
        found.tenant_id,
        ACTOR,
        lambda unit: unsubscribe(unit, found.message_id),
        correlation_id=correlation_id,
        prefetch_streams=(found.message_id, found.message.customer_id),
    )
    return _about(api, found)


def _opened(api: Api, token: str, correlation_id: str) -> None:
    found = api.books.links.read_link(api.books.database.writer, "opened", token)
    if found is None or found.message.opened_on is not None or not found.customer.tracked:
        return
    about = found

    def note(unit: Unit) -> object:
        return message_opened(unit, about.message_id)

    api.books.run(
        about.tenant_id,
        ACTOR,
        note,
        correlation_id=correlation_id,
        prefetch_streams=(about.message_id, about.message.customer_id),
    )


def _about(api: Api, found: Addressee) -> tuple[str, str]:
    tenant = api.books.tenants.state(found.tenant_id)
    return found.customer.language, tenant.settings.creditor_name or tenant.name
