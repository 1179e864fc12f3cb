"""What a route says about itself: who may use it, what it request and response, and an example of both.

Authorization reads the roles from it, the OpenAPI document the rest.
"""

from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler, get

from adapters.http.query_parameters import ReadQuery
from ledger.errors import LedgerError
from ledger.tenant import Role

EVERYONE: Final[tuple[Role, ...]] = ("administrator", "operator", "auditor")
OPERATORS: Final[tuple[Role, ...]] = ("administrator", "operator")
ADMINISTRATORS: Final[tuple[Role, ...]] = ("administrator",)

_OPT: Final = "operation"


class Accepted(msgspec.Struct, frozen=True):
    """A request that is stored and will be run once. `id` is that of what it makes, such as a payment."""

    id: UUID
    status: Literal["accepted"] = "accepted"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path.

    operation_id      its name in generated clients: stable
    roles             that may use it; empty where no key is asked for
    request           the body's struct; `request_example` is one
    parameters        the struct of its query parameters
    response          the answer's type; `response_example` is one
    status            of the answer when all goes well
    key_required      whether it needs an Idempotency-Key
    asynchronous      whether `Prefer: respond-async` has it accepted now and run soon
    errors            conditions worth naming in the document, besides what every operation may answer
    media_type        of the answer
    """

    operation_id: str
    response: Any
    response_example: Any
    roles: tuple[Role, ...]
    request: Any = None
    request_example: Any = None
    parameters: type[msgspec.Struct] | None = None
    status: int = 200
    key_required: bool = False
    asynchronous: bool = False
    errors: tuple[type[LedgerError], ...] = ()
    media_type: str = "application/json"


def query_route(
    path: str,
    *,
    operation_id: str,
    response: Any,
    response_example: Any,
    parameters: type[ReadQuery] = ReadQuery,
    errors: tuple[type[LedgerError], ...] = (),
) -> HTTPRouteHandler:
    """A route that reads."""
    operation = Operation(
        operation_id=operation_id,
        response=response,
        response_example=response_example,
        roles=EVERYONE,
        parameters=parameters,
        errors=errors,
    )
    return get(path, opt={_OPT: operation})


def command_route(
    path: str,
    *,
    operation_id: str,
    request: Any,
    request_example: Any,
    response: Any,
    response_example: Any,
    method: Literal["POST", "PATCH"] = "POST",
    roles: tuple[Role, ...] = OPERATORS,
    status: int = 200,
    key_required: bool = False,
    asynchronous: bool = False,
    errors: tuple[type[LedgerError], ...] = (),
) -> HTTPRouteHandler:
    """A route that writes."""
    operation = Operation(
        operation_id=operation_id,
        response=response,
        response_example=response_example,
        roles=roles,
        request=request,
        request_example=request_example,
        status=status,
        key_required=key_required,
        asynchronous=asynchronous,
        errors=errors,
    )
    return HTTPRouteHandler(path, http_method=method, opt={_OPT: operation}, status_code=status)


def public_route(
    path: str,
    *,
    operation_id: str,
    response: Any,
    response_example: Any,
    media_type: str = "application/json",
    errors: tuple[type[LedgerError], ...] = (),
) -> HTTPRouteHandler:
    """A route that needs no tenant's key."""
    operation = Operation(
        operation_id=operation_id,
        response=response,
        response_example=response_example,
        roles=(),
        media_type=media_type,
        errors=errors,
    )
    return get(path, opt={_OPT: operation})


def operation_of(handler: BaseRouteHandler | HTTPRouteHandler) -> Operation | None:
    """The description of a route; None for those that Litestar adds (OPTIONS)."""
    operation: Operation | None = handler.opt.get(_OPT)
    return operation
