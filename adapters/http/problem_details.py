"""Problem details: every error is answered as `application/problem+json` (RFC 9457), with a status from one table.

A problem's `type` is the address of a page that says what to do: `/problems/` and the condition's code, which is
stable, under the service's public URL.
"""

import inspect
import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import psycopg
from litestar import Request, Response
from litestar.exceptions import HTTPException

from adapters.http.middleware import context_of
from adapters.http.responses import json_response
from adapters.store import writer
from adapters.store.log_texts import kind_of, without_texts
from adapters.store.writer import StillRunning, StorageFull, StoreUnavailable
from ledger.errors import Conflict, LedgerError, NotFound, Rejected
from projections.pagination import LimitOutOfRange, MalformedCursor

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2
MAX_BODY_BYTES: Final = 1_000_000

log = logging.getLogger("duebook.http")


class Malformed(Rejected):
    """The request cannot be read: JSON, a field, a header or a parameter is not of its form."""


class NoValidKey(Rejected):
    """The request carries no key that is valid for the tenant it names."""


class RoleNotAllowed(Rejected):
    """The key's role may not do this."""


class NoSuchPath(NotFound):
    """There is nothing at this path."""


class MethodNotAllowed(Rejected):
    """The path does not take this method."""


class BodyTooLarge(Rejected):
    """The body is larger than one megabyte."""


class ClientGone(Malformed):
    """The client closed its connection before its request had come."""


class UnsupportedMediaType(Rejected):
    """The body is not JSON, or is encoded."""


class UriTooLong(Rejected):
    """The request line is longer than 64 KB."""


class HeadersTooLarge(Rejected):
    """The headers are longer than 64 KB, or more than a hundred."""


class RequestTimedOut(Rejected):
    """The request did not arrive in time."""


class TooManyConnections(Conflict):
    """As many connections are open as the service has room for."""


class ReadModelBehind(Conflict):
    """The read model has not reached the position that was asked for."""


class ClockBusy(Conflict):
    """Another runner has the clock; business days are run by one at a time."""


class ServiceUnavailable(Conflict):
    """The database does not answer, or too much is waiting. Nothing was written."""


class DiskFull(Conflict):
    """The database's disk is full. Nothing was written."""


class OutcomeUnknown(Conflict):
    """The database went away during the commit. Repeating the request with its idempotency key is safe."""


class InternalError(LedgerError):
    """Something failed that should not have."""


STATUS_OF: Final[Mapping[type[LedgerError], int]] = {
    Malformed: 400,
    MalformedCursor: 400,
    LimitOutOfRange: 400,
    NoValidKey: 401,
    RoleNotAllowed: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    RequestTimedOut: 408,
    Conflict: 409,
    BodyTooLarge: 413,
    UriTooLong: 414,
    UnsupportedMediaType: 415,
    Rejected: 422,
    HeadersTooLarge: 431,
    TooManyConnections: 503,
    ReadModelBehind: 503,
    ServiceUnavailable: 503,
    OutcomeUnknown: 503,
    DiskFull: 507,
}
"""The nearest ancestor of an error decides; an error with none is an internal one, 500."""

_RETRY = {"Retry-After": str(RETRY_AFTER_SECONDS)}
HEADERS_OF: Final[Mapping[type[LedgerError], Mapping[str, str]]] = {
    NoValidKey: {"WWW-Authenticate": 'Bearer realm="duebook"'},
    StillRunning: _RETRY,
    ClockBusy: _RETRY,
    ReadModelBehind: _RETRY,
    ServiceUnavailable: _RETRY,
    OutcomeUnknown: _RETRY,
}

_OF_LITESTAR: Final[Mapping[int, type[LedgerError]]] = {
    400: Malformed,
    404: NoSuchPath,
    405: MethodNotAllowed,
    413: BodyTooLarge,
}
_TEXTS: Final[Mapping[int, str]] = {
    404: "there is nothing at this path; the paths are listed in /schema/openapi.json",
    405: "this path does not take this method; it takes those in the header Allow",
    413: f"the body is larger than {MAX_BODY_BYTES} bytes; send less at once",
}

_INTERNAL = "something failed that should not have; the log has it under the correlation id"


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field: its path, such as `lines[2].quantity`, and why."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True):
    """A refusal. `type` is stable and opens a page that says what to do, `detail` is for a person, `errors` names the
    fields at fault."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError]
    correlation_id: str


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to any error: the domain's, Litestar's own, the database's, and the unforeseen."""
    correlation_id = context_of(request.scope).correlation_id
    refusal = _refusal(error)
    status = status_of(type(refusal))
    if status == 500:
        log_unforeseen(error, correlation_id)
        refusal = InternalError(_INTERNAL)
    elif isinstance(error, psycopg.Error):
        log.warning(
            "no answer from the database, correlation=%s: %s", correlation_id, kind_of(error)
        )
    headers = dict(_nearest(HEADERS_OF, type(refusal)) or {})
    if isinstance(error, HTTPException):
        headers.update(error.headers or {})
    public_url: str = request.app.state["api"].public_url
    found = problem(refusal, status, correlation_id, public_url)
    return json_response(msgspec.json.encode(found), status, headers, MEDIA_TYPE)


def condition_of(kind: type[LedgerError]) -> str:
    """The condition in words: the first sentence of the error's docstring."""
    text = inspect.cleandoc(kind.__doc__ or kind.code)
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def status_of(kind: type[LedgerError]) -> int:
    """The status of a condition: of its nearest ancestor in the table, or 500."""
    return _nearest(STATUS_OF, kind) or 500


def problem_type(code: str, public_url: str) -> str:
    """The address of a problem's page. Without a public URL it is relative to the request's."""
    return f"{public_url}/problems/{code}"


def problem(error: LedgerError, status: int, correlation_id: str, public_url: str) -> Problem:
    """The problem that describes a refusal."""
    return Problem(
        type=problem_type(error.code, public_url),
        title=error.code.replace("_", " ").capitalize(),
        status=status,
        detail=str(error),
        errors=[FieldError(error.field, str(error))] if error.field else [],
        correlation_id=correlation_id,
    )


def log_unforeseen(error: BaseException, correlation_id: str) -> None:
    """Logs where an error came from, without its text."""
    log.error("unforeseen, correlation=%s: %s", correlation_id, without_texts(error))


def _refusal(error: Exception) -> LedgerError:
    """The error as one that this table knows."""
    match error:
        case LedgerError():
            return error
        case HTTPException() if error.status_code < 500:
            kind = _OF_LITESTAR.get(error.status_code, Malformed)
            return kind(_TEXTS.get(error.status_code, error.detail))
        case writer.OutcomeUnknown():
            return OutcomeUnknown(str(error))
        case StorageFull() | psycopg.errors.DiskFull():
            return DiskFull("the database's disk is full; nothing was written")
        case StoreUnavailable():
            return ServiceUnavailable(str(error))
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return ServiceUnavailable("the database does not answer; try again in a moment")
    return InternalError(_INTERNAL)


def _nearest(table: Mapping[type[LedgerError], Any], kind: type[LedgerError]) -> Any | None:
    return next((table[ancestor] for ancestor in kind.__mro__ if ancestor in table), None)
