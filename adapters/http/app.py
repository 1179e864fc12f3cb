"""The application and its server: one process, one event loop."""

import contextlib
import gc
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
import uvicorn
from litestar import Litestar, Response, Router, get
from litestar.datastructures import State
from litestar.routes import HTTPRoute
from litestar.types import Message, Scope

from adapters.http.api import Api
from adapters.http.connection_limits import Refusals, limited_protocol
from adapters.http.middleware import RequestMiddleware
from adapters.http.observability.access_log import AccessLog
from adapters.http.openapi import document
from adapters.http.problem_details import MAX_BODY_BYTES, answer_problem
from adapters.http.responses import json_response
from adapters.http.roles import authorize
from adapters.http.routes import (
    adjustments,
    agreements,
    collection,
    credit_notes,
    customers,
    days,
    dunning,
    events,
    health,
    holds,
    invoices,
    links,
    messages,
    payments,
    problems,
    refunds,
    reports,
    requests,
    senders,
    tasks,
    templates,
    tenant,
)
from adapters.wiring import Books

GRACE_SECONDS: Final = 8
GARBAGE_THRESHOLDS: Final = (20_000, 20, 50)
KEEP_ALIVE_SECONDS: Final = 65
"""Longer than the usual minute of a proxy, so that the proxy closes an idle connection and not we."""

API_ROUTES: Final = (
    tenant.show_tenant,
    tenant.configure,
    tenant.list_fee_policies,
    tenant.add_policy,
    tenant.list_reference_rates,
    tenant.record_reference_rate,
    customers.list_all,
    customers.register,
    customers.show,
    customers.change,
    customers.use_credit,
    customers.refuse_messages,
    customers.allow_messages,
    customers.track,
    customers.end_links,
    customers.send_mail,
    reports.show_statement,
    invoices.list_all,
    invoices.draft,
    invoices.show,
    invoices.change,
    invoices.send,
    invoices.void,
    invoices.cancel,
    *adjustments.ROUTES,
    credit_notes.list_all,
    credit_notes.issue,
    credit_notes.show,
    *holds.ROUTES,
    invoices.timeline,
    invoices.show_explanation,
    invoices.show_pay_off,
    payments.list_all,
    payments.receive,
    payments.show,
    payments.reverse,
    agreements.list_all,
    agreements.request_one,
    agreements.show,
    agreements.quote_pay_off,
    agreements.pay_off,
    agreements.approve,
    agreements.reject,
    agreements.activate,
    agreements.renegotiate,
    agreements.lose,
    payments.charge_back,
    payments.reallocate,
    payments.apply,
    requests.show,
    refunds.list_all,
    refunds.ask,
    refunds.show,
    refunds.confirm,
    refunds.fail,
    days.list_all,
    days.run,
    days.show_preview,
    dunning.list_all,
    dunning.save,
    dunning.show,
    dunning.results,
    dunning.activate,
    dunning.deactivate,
    dunning.run,
    dunning.release,
    templates.list_all,
    templates.save,
    templates.show,
    templates.preview,
    senders.list_all,
    senders.save,
    senders.pause,
    senders.resume,
    *collection.ROUTES,
    tasks.list_all,
    tasks.create,
    tasks.done,
    messages.list_all,
    messages.show,
    messages.approve,
    messages.retry,
    messages.discard,
    messages.settle,
    reports.show_aging,
    reports.show_dashboard,
    reports.show_trial_balance,
    reports.show_portfolio,
    events.feed,
)
PUBLIC_ROUTES: Final = (
    health.live,
    health.ready,
    health.show_metrics,
    problems.show,
    links.ask,
    links.stop,
    links.picture,
)


def create_app(
    books: Books,
    home: Path | None = None,
    access_log: TextIO | None = None,
    public_url: str = "",
) -> Litestar:
    """The API over open books.

    `home` is where the token of `/metrics` is kept; without it `/metrics` is closed. `access_log` gets a line for each
    request. Links begin with `public_url`.
    """
    api = Api(books, home, public_url)
    log = AccessLog(access_log)

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            api.close()
            log.flush()

    described = b""
    methods: dict[str, bytes] = {}

    async def list_methods(message: Message, scope: Scope) -> None:
        """Litestar's answer to OPTIONS names the methods of the route's first handler only."""
        if message["type"] == "http.response.start" and scope.get("method") == "OPTIONS":
            allowed = methods.get(scope.get("path_template", ""))
            if allowed is not None:
                kept = [(name, value) for name, value in message["headers"] if name != b"allow"]
                message["headers"] = [*kept, (b"allow", allowed)]

    @get("/schema/openapi.json")
    async def show_schema() -> Response[bytes]:
        return json_response(described)

    app = Litestar(
        route_handlers=[
            Router("/api", route_handlers=API_ROUTES, before_request=authorize),
            *PUBLIC_ROUTES,
            show_schema,
        ],
        exception_handlers={Exception: answer_problem},
        request_max_body_size=MAX_BODY_BYTES,
        state=State({"api": api}, deep_copy=False),
        before_send=[list_methods],
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    methods.update(
        (route.path_format, ", ".join(sorted(map(str, route.route_handler_map))).encode())
        for route in routes
    )
    described = msgspec.json.encode(document.document(routes, public_url))
    app.asgi_handler = RequestMiddleware(app.asgi_handler, api.request_metrics, log)
    return app


def serve(
    books: Books,
    host: str,
    port: int,
    *,
    home: Path | None = None,
    public_url: str = "",
    access_log: TextIO | None = sys.stderr,
    ready: Callable[[str, int], None] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM; requests under way are answered first, within GRACE_SECONDS.

    `ready` is told the address and port once connections are taken (port 0 takes a free one). `access_log` is written
    while the logger `duebook.access` is open for INFO. Raises OSError when the address cannot be taken.
    """
    is_logged = logging.getLogger("duebook.access").isEnabledFor(logging.INFO)
    app = create_app(books, home, access_log if is_logged else None, public_url)
    with listening(host, port) as listener:
        address: tuple[Any, ...] = listener.getsockname()
        # What was loaded by now lives as long as the process: looking through it again and again for garbage would
        # hold up the answers under way.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        server_of(app, lambda: ready(address[0], address[1]) if ready else None).run([listener])


def server_of(app: Litestar, started: Callable[[], None]) -> uvicorn.Server:
    """A server that calls `started` once it takes connections, and stops when its `should_exit` is set."""
    api: Api = app.state["api"]
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=limited_protocol(Refusals(api.request_metrics, api.public_url)),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return _Server(config, started)


class _Server(uvicorn.Server):
    """Tells when it has started, and returns after a signal; the original raises the signal again, which would end
    the process before the books are closed."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to an address. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except BaseException:
        listener.close()
        raise
    return listener
