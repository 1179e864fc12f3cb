"""Limits of a connection: the size of a request's head, the time each part of it may take, and how many are open.

uvicorn bounds none of them. A request line or header without an end would be copied again with each piece that
arrives, and a silent connection would hold its descriptor for ever. What is refused here never reaches the application;
it is answered as a problem, counted and logged.
"""

import asyncio
import logging
import resource
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from adapters.http.middleware import new_correlation_id
from adapters.http.observability.request_metrics import RequestMetrics
from adapters.http.problem_details import (
    MEDIA_TYPE,
    HeadersTooLarge,
    Malformed,
    RequestTimedOut,
    TooManyConnections,
    UriTooLong,
    problem,
    status_of,
)
from ledger.errors import LedgerError

MAX_HEAD_BYTES: Final = 65_536
MAX_HEADERS: Final = 100
HEAD_SECONDS: Final = 20.0
"""From the connection, or from the first byte of a later request, to the end of its headers."""
BODY_SECONDS: Final = 60.0
LINGER_SECONDS: Final = 0.5
"""How long a refused client may go on sending before the connection is closed: one that is reset may lose the
answer.
"""
LOGGED_EVERY_SECONDS: Final = 10.0
MAX_CONNECTIONS: Final = 4_096
RESERVED_DESCRIPTORS: Final = 100
"""Kept for the database's connections, files and the server itself."""

log = logging.getLogger("duebook.http")


def max_connections() -> int:
    """How many connections may be open: as many as the process has descriptors for, 4,096 at most."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(16, min(MAX_CONNECTIONS, soft - RESERVED_DESCRIPTORS))


class Refusals:
    """Counts the connections that a limit closed, and logs them, not more often than every ten seconds."""

    def __init__(self, metrics: RequestMetrics, public_url: str) -> None:
        self.public_url = public_url
        self._metrics = metrics
        self._unlogged = 0
        self._log_again_at = 0.0

    def add(self, error: LedgerError) -> None:
        self._metrics.count_refused(error.code)
        self._unlogged += 1
        now = monotonic()
        if now >= self._log_again_at:
            log.warning("connections closed by a limit: %d, the last: %s", self._unlogged, error)
            self._unlogged = 0
            self._log_again_at = now + LOGGED_EVERY_SECONDS


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits. `refusals` is the server's."""

    refusals: Refusals

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_bytes = 0
        self._in_head = True
        self._in_body = False
        self._has_too_many_headers = False
        self._is_refused = False
        self._deadline: asyncio.TimerHandle | None = None
        self._deadline_part = ""
        most = max_connections()
        if len(self.connections) > most:
            self._refuse(TooManyConnections(f"{most} connections are open; try again in a moment"))
        else:
            self._start_deadline(HEAD_SECONDS, "the request's head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        while data and not self._is_refused:
            size = len(data)
            if self._in_head:
                size = MAX_HEAD_BYTES - self._head_bytes
                if size <= 0:
                    self._refuse(self._head_too_large())
                    return
            piece, data = data[:size], data[size:]
            self._head_bytes += len(piece)
            super().data_received(piece)
        if not self._is_refused and not self.transport.is_closing():
            self._watch_deadline()

    def _head_too_large(self) -> LedgerError:
        if len(self.url) > MAX_HEAD_BYTES // 2:
            return UriTooLong(f"the request line is longer than {MAX_HEAD_BYTES} bytes")
        return HeadersTooLarge(f"the headers are longer than {MAX_HEAD_BYTES} bytes")

    # The parser's callbacks.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._has_too_many_headers = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) < MAX_HEADERS:
            super().on_header(name, value)
        else:
            self._has_too_many_headers = True

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body = False, True
        if self._has_too_many_headers:
            self._refuse(HeadersTooLarge(f"there are more than {MAX_HEADERS} headers"))
        if not self._is_refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        if not self._is_refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP."""
        self._refuse(Malformed("the request is not valid HTTP/1.1"))

    # Deadlines.

    def _watch_deadline(self) -> None:
        """Keeps the deadline of the part that is awaited: a body, a head, or none while the answer is being made."""
        if self._in_body:
            self._start_deadline(BODY_SECONDS, "the request's body")
        elif self._in_head or self.cycle is None or self.cycle.response_complete:
            self._start_deadline(HEAD_SECONDS, "the request's head")
        else:
            self._stop_deadline()

    def _start_deadline(self, seconds: float, part: str) -> None:
        """A deadline that runs is kept: a byte now and then does not move it."""
        if self._deadline is not None and self._deadline_part == part:
            return
        self._stop_deadline()
        self._deadline_part = part
        self._deadline = self.loop.call_later(seconds, self._time_out, seconds, part)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _time_out(self, seconds: float, part: str) -> None:
        self._deadline = None
        self._refuse(RequestTimedOut(f"{part} did not arrive within {seconds:.0f} seconds"))

    # Refusing.

    def _refuse(self, error: LedgerError) -> None:
        """Answers with a problem, unless the application is answering already, and closes the connection."""
        self._is_refused = True
        self._stop_deadline()
        self._unset_keepalive_if_required()
        self.refusals.add(error)
        is_answering = False
        if self.cycle is not None and not self.cycle.response_complete:
            is_answering = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not is_answering:
            self.transport.write(_answer(error, self.refusals.public_url))
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


def limited_protocol(refusals: Refusals) -> Callable[..., Any]:
    """The protocol class of a server that shares these refusals."""
    return type("LimitedProtocol", (LimitedProtocol,), {"refusals": refusals})


def _answer(error: LedgerError, public_url: str) -> bytes:
    """A whole answer, status line included, after which the connection is closed."""
    status, correlation_id = status_of(type(error)), new_correlation_id()
    body = msgspec.json.encode(problem(error, status, correlation_id, public_url))
    headers = (
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        f"x-correlation-id: {correlation_id}\r\ncache-control: no-store\r\n"
        "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return STATUS_LINE[status] + headers.encode("ascii") + body
