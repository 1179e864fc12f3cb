"""Roles: which of them may use a route, and the check before every route of a tenant."""

from typing import Any, Final

from litestar import Request

from adapters.http.api import api_of
from adapters.http.authentication import Principal
from adapters.http.middleware import context_of
from adapters.http.operations import Operation, operation_of
from adapters.http.paths import require_canonical_ids
from adapters.http.problem_details import RoleNotAllowed

__all__ = ["authorize", "require_role"]

_SEPARATOR: Final = " and "


async def authorize(request: Request[Any, Any, Any]) -> None:
    """Runs before every route of a tenant; afterwards `request.user` is its principal.

    Raises NoSuchPath, NoValidKey, RoleNotAllowed.
    """
    require_canonical_ids(request.scope)
    context = context_of(request.scope)
    principal = await api_of(request).authenticator.authenticate(context)
    context.tenant = str(principal.tenant_id)
    operation = operation_of(request.route_handler)
    if operation is not None:
        require_role(principal, operation)
    request.scope["user"] = principal


def require_role(principal: Principal, operation: Operation) -> None:
    """Raises RoleNotAllowed."""
    if principal.role not in operation.roles:
        raise RoleNotAllowed(
            f"the key's role is {principal.role}; this is for {_SEPARATOR.join(operation.roles)}"
        )
