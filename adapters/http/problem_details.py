"""Every error leaves as `application/problem+json` (RFC 9457), by one table from conditions to statuses.

A problem's `type` is `urn:duebook:problem:` and the condition's name in snake case: stable, for programs.
"""

import logging
import traceback
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import psycopg
from litestar import Request, Response
from litestar.exceptions import HTTPException

from adapters.http.middleware import context_of
from adapters.http.responses import json_response
from adapters.store import writer
from adapters.store.writer import StillRunning, StoreUnavailable
from ledger.errors import Conflict, LedgerError, NotFound, Rejected
from projections.pagination import LimitOutOfRange, MalformedCursor

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:duebook:problem:"
RETRY_AFTER_SECONDS: Final = 2
LARGEST_BODY_BYTES: Final = 1_000_000

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
    """The body is not JSON."""


class ReadModelBehind(Conflict):
    """The read model has not reached the position that was asked for."""


class ClockBusy(Conflict):
    """Another runner has the clock; business days are run by one at a time."""


class ServiceUnavailable(Conflict):
    """The database does not answer, or too much is waiting. Nothing was written."""


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
    Conflict: 409,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    Rejected: 422,
    ReadModelBehind: 503,
    ServiceUnavailable: 503,
    OutcomeUnknown: 503,
}
"""The nearest ancestor of an error decides; an error with none is an internal one, 500."""

_RETRY = {"Retry-After": str(RETRY_AFTER_SECONDS)}
HEADERS_OF: Final[Mapping[type[LedgerError], Mapping[str, str]]] = {
    NoValidKey: {"WWW-Authenticate": 'ApiKey realm="duebook"'},
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
    413: f"the body is larger than {LARGEST_BODY_BYTES} bytes; send less at once",
}

_INTERNAL = "something failed that should not have; the log has it under the correlation id"


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field: its path, such as `lines[2].quantity`, and why."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True):
    """A refusal. `type` is stable and for programs, `detail` is for a person, `errors` names the fields at fault."""

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
            "no answer from the database, correlation=%s: %s", correlation_id, _named(error)
        )
    headers = dict(_nearest(HEADERS_OF, type(refusal)) or {})
    if isinstance(error, HTTPException):
        headers.update(error.headers or {})
    found = problem(refusal, status, correlation_id)
    return json_response(msgspec.json.encode(found), status, headers, MEDIA_TYPE)


def status_of(kind: type[LedgerError]) -> int:
    """The status of a condition: of its nearest ancestor in the table, or 500."""
    return _nearest(STATUS_OF, kind) or 500


def problem(error: LedgerError, status: int, correlation_id: str) -> Problem:
    """The problem that tells of a refusal."""
    return Problem(
        type=TYPE_PREFIX + error.code,
        title=error.code.replace("_", " ").capitalize(),
        status=status,
        detail=str(error),
        errors=[FieldError(error.field, str(error))] if error.field else [],
        correlation_id=correlation_id,
    )


def log_unforeseen(error: BaseException, correlation_id: str) -> None:
    """Logs where an error came from. Its text is left out: a driver's messages quote data."""
    parts: list[str] = []
    while True:
        parts.append(_named(error) + "\n" + "".join(traceback.format_tb(error.__traceback__)))
        cause = error.__cause__ or error.__context__
        if cause is None:
            break
        error = cause
    log.error("unforeseen, correlation=%s: %s", correlation_id, "caused by ".join(parts))


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
        case StoreUnavailable():
            return ServiceUnavailable(str(error))
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return ServiceUnavailable("the database does not answer; try again in a moment")
    return InternalError(_INTERNAL)


def _named(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None)
    return type(error).__name__ + (f" (SQLSTATE {state})" if state else "")


def _nearest(table: Mapping[type[LedgerError], Any], kind: type[LedgerError]) -> Any | None:
    return next((table[ancestor] for ancestor in kind.__mro__ if ancestor in table), None)
