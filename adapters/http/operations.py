"""What a route says about itself: who may use it, what it takes and answers, and an example of both.

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
    takes         the body's struct; `body` is an example of it
    parameters    the struct of its query parameters
    answers       the answer's type; `example` is one
    status        of the answer when all goes well
    key_required  whether it needs an Idempotency-Key
    can_wait      whether it may be accepted and carried out soon, when `Prefer: respond-async` asks for it
    refuses       conditions worth naming in the document, besides what every operation may answer
    media_type    of the answer
    """

    answers: Any
    example: Any
    may: tuple[Role, ...]
    takes: Any = None
    body: Any = None
    parameters: type[msgspec.Struct] | None = None
    status: int = 200
    key_required: bool = False
    can_wait: bool = False
    refuses: tuple[type[LedgerError], ...] = ()
    media_type: str = "application/json"


def query(
    path: str,
    *,
    answers: Any,
    example: Any,
    parameters: type[ReadQuery] = ReadQuery,
    refuses: tuple[type[LedgerError], ...] = (),
) -> HTTPRouteHandler:
    """A route that reads."""
    operation = Operation(
        answers=answers, example=example, may=EVERYONE, parameters=parameters, refuses=refuses
    )
    return get(path, opt={_OPT: operation})


def command(
    path: str,
    *,
    takes: Any,
    body: Any,
    answers: Any,
    example: Any,
    method: Literal["POST", "PATCH"] = "POST",
    may: tuple[Role, ...] = OPERATORS,
    status: int = 200,
    key_required: bool = False,
    can_wait: bool = False,
    refuses: tuple[type[LedgerError], ...] = (),
) -> HTTPRouteHandler:
    """A route that writes. `body` is an example of what it takes."""
    operation = Operation(
        answers=answers,
        example=example,
        may=may,
        takes=takes,
        body=body,
        status=status,
        key_required=key_required,
        can_wait=can_wait,
        refuses=refuses,
    )
    return HTTPRouteHandler(path, http_method=method, opt={_OPT: operation}, status_code=status)


def public(
    path: str,
    *,
    answers: Any,
    example: Any,
    media_type: str = "application/json",
    refuses: tuple[type[LedgerError], ...] = (),
) -> HTTPRouteHandler:
    """A route outside the tenants' door."""
    operation = Operation(
        answers=answers, example=example, may=(), media_type=media_type, refuses=refuses
    )
    return get(path, opt={_OPT: operation})


def operation_of(handler: BaseRouteHandler | HTTPRouteHandler) -> Operation | None:
    """What a route says about itself; None for those that Litestar adds (OPTIONS)."""
    operation: Operation | None = handler.opt.get(_OPT)
    return operation
