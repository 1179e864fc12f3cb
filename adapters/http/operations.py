"""What a route says about itself: who may use it, what it request and response, and an example of both.

The door reads the roles from it, the OpenAPI document the rest.
"""

from typing import Any, Final, Literal

import msgspec
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler, get

from adapters.http.query_parameters import ReadQuery
from ledger.errors import LedgerError
from ledger.tenant import Role

EVERYONE: Final[tuple[Role, ...]] = ("administrator", "operator", "auditor")
OPERATORS: Final[tuple[Role, ...]] = ("administrator", "operator")
ADMINISTRATORS: Final[tuple[Role, ...]] = ("administrator",)

_OPT: Final = "operation"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path.

    may           roles that may use it; empty where no key is asked for
    request         the body's struct; `body` is an example of it
    parameters    the struct of its query parameters
    response       the answer's type; `example` is one
    status        of the answer when all goes well
    key_required  whether it needs an Idempotency-Key
    asynchronous      whether it may be accepted and carried out soon, when `Prefer: respond-async` asks for it
    errors       conditions worth naming in the document, besides what every operation may answer
    media_type    of the answer
    """

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
    response: Any,
    response_example: Any,
    parameters: type[ReadQuery] = ReadQuery,
    errors: tuple[type[LedgerError], ...] = (),
) -> HTTPRouteHandler:
    """A route that reads."""
    operation = Operation(
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
    """A route that writes. `body` is an example of what it request."""
    operation = Operation(
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
    response: Any,
    response_example: Any,
    media_type: str = "application/json",
    errors: tuple[type[LedgerError], ...] = (),
) -> HTTPRouteHandler:
    """A route outside the tenants' door."""
    operation = Operation(
        response=response,
        response_example=response_example,
        roles=(),
        media_type=media_type,
        errors=errors,
    )
    return get(path, opt={_OPT: operation})


def operation_of(handler: BaseRouteHandler | HTTPRouteHandler) -> Operation | None:
    """What a route says about itself; None for those that Litestar adds (OPTIONS)."""
    operation: Operation | None = handler.opt.get(_OPT)
    return operation
