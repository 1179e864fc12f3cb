"""The OpenAPI 3.1 document, made once from the routes' own descriptions and the structs' schemas.

Litestar's generator is not used: it lists neither the headers nor the problems that every operation shares, and takes
schemas from field types that msgspec describes exactly.
"""

import inspect
import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import metadata
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from adapters.http.operations import Accepted, Operation, operation_of
from adapters.http.problem_details import (
    MEDIA_TYPE,
    BodyTooLarge,
    InternalError,
    Malformed,
    NoValidKey,
    Problem,
    ReadModelBehind,
    RoleNotAllowed,
    ServiceUnavailable,
    UnsupportedMediaType,
    condition_of,
    problem,
    status_of,
)
from adapters.store.writer import KeyReused, StillRunning
from commands.unit_of_work import Unknown
from ledger.errors import LedgerError

_FIELD_LINE: Final = re.compile(r"(\w+) {2,}(\S.*)")
SCHEMA: Final = "#/components/schemas/{name}"
EXAMPLE_REQUEST: Final = "0190a6a0-41d2-8c33-9d0e-7b1c2a3f4e5d"
EXAMPLE_CORRELATION: Final = "9f2c8e1ab35d4f60"


def document(routes: Iterable[HTTPRoute], public_url: str) -> dict[str, Any]:
    """The document for these routes, as JSON values. Problems in examples have their pages under `public_url`."""
    described = [
        (route, method, handler, operation)
        for route in routes
        for method, (handler, _) in route.route_handler_map.items()
        if (operation := operation_of(handler)) is not None
    ]
    schemas, components = _schemas(operation for *_, operation in described)
    paths: dict[str, dict[str, Any]] = {}
    for route, method, handler, operation in sorted(described, key=lambda one: one[0].path_format):
        item = paths.setdefault(route.path_format, {})
        item[method.lower()] = _operation(route, method, handler, operation, schemas, public_url)
    about = metadata("duebook")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": about["Name"].capitalize(),
            "version": about["Version"],
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "metrics": {"type": "http", "scheme": "bearer"},
            },
            "headers": _HEADERS,
            "parameters": _PARAMETERS,
        },
    }


_DESCRIPTION: Final = """An event-sourced receivables ledger.

Every request to /api carries its tenant's key, as `Authorization: Bearer` or in `X-Api-Key`. Amounts are
`{"amount": "123.45", "currency": "BRL"}`: text with exactly the currency's digits; reports list theirs under a
currency. Every error is a problem (RFC 9457) whose `type` is stable. An answer to a command carries its place in the
tenant's log in `Duebook-Position`; a query given that number as `min_position` reflects the command."""

_HEADERS: Final[dict[str, Any]] = {
    "X-Correlation-Id": {
        "description": "The request's correlation id, or a new one; it stands in the log and in every event caused.",
        "schema": {"type": "string"},
    },
    "Duebook-Position": {
        "description": "A place in the tenant's log: the command's last event, or what a query reflects at least.",
        "schema": {"type": "integer"},
    },
    "Location": {
        "description": "Where to ask how an accepted request stands.",
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "`true` when the answer of an earlier request with the same key is given again.",
        "schema": {"type": "string"},
    },
}

_PARAMETERS: Final[dict[str, Any]] = {
    "X-Correlation-Id": {
        "name": "X-Correlation-Id",
        "in": "header",
        "description": "Kept when it is 1 to 64 letters, digits, dots, dashes or underscores, and replaced otherwise.",
        "schema": {"type": "string"},
    },
    "X-Tenant-Id": {
        "name": "X-Tenant-Id",
        "in": "header",
        "description": "The key's tenant. It may be left out; another tenant's id is refused.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": "`respond-async`: answer 202 once the request is stored, and carry it out soon.",
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A new value for each new request, the same one when it is repeated: it is then done once.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    },
}

_EXAMPLES: Final[dict[type[LedgerError], str]] = {
    Malformed: "lines[0].quantity: expected `str`, got `int`",
    NoValidKey: "the key is unknown or was revoked, or is of another tenant",
    RoleNotAllowed: "the key's role is auditor; this is for administrator and operator",
    Unknown: "there is no invoice 0190a6a0-41d2-8c33-9d0e-7b1c2a3f4e5d",
    BodyTooLarge: "the body is larger than 1000000 bytes; send less at once",
    UnsupportedMediaType: "send JSON, with Content-Type: application/json",
    KeyReused: "the idempotency key was used for another request; use a new key for a new request",
    StillRunning: "the first request with this key has not finished; try again in a second",
    InternalError: "something failed that should not have; the log has it under the correlation id",
    ReadModelBehind: "the read model has reached 16 and not yet 17; ask again in a moment",
    ServiceUnavailable: "the database does not answer; try again in a moment",
}


def _schemas(operations: Iterable[Operation]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """(schema of each body's and answer's type, the components they refer to)."""
    types: list[Any] = [Problem, Accepted]
    for operation in operations:
        types += [operation.response, operation.request]
    wanted = list(dict.fromkeys(kind for kind in types if kind is not None))
    schemas, components = msgspec.json.schema_components(wanted, ref_template=SCHEMA)
    return dict(zip(wanted, schemas, strict=True)), {
        name: _tidy(schema) for name, schema in components.items()
    }


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """A component with its docstring's table of fields moved to the fields."""
    properties = schema.get("properties", {})
    kept: list[str] = []
    described: dict[str, Any] | None = None
    for line in inspect.cleandoc(schema.get("description", "")).splitlines():
        match = _FIELD_LINE.fullmatch(line)
        if match is not None and match[1] in properties:
            described = properties[match[1]]
            described["description"] = match[2]
        elif described is not None and line.startswith(" "):
            described["description"] += " " + line.strip()
        else:
            described = None
            kept.append(line)
    schema["description"] = " ".join(" ".join(kept).split())
    tidy: dict[str, Any] = _without_tuples(schema)
    return tidy


def _without_tuples(schema: Any) -> Any:
    """Arrays of a fixed length with one type of item throughout, which more generators read than `prefixItems`."""
    if isinstance(schema, list):
        return [_without_tuples(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _without_tuples(one) for name, one in schema.items()}
    items = found.pop("prefixItems", None)
    if items is not None:
        found["items"] = items[0]
        assert all(one == items[0] for one in items), "an array of several types"
    return found


def _operation(
    route: HTTPRoute,
    method: str,
    handler: HTTPRouteHandler,
    operation: Operation,
    schemas: dict[Any, Any],
    public_url: str,
) -> dict[str, Any]:
    text = inspect.getdoc(handler.fn) or ""
    summary, _, description = text.partition("\n")
    public = not operation.roles
    made: dict[str, Any] = {
        "operationId": operation.operation_id,
        "tags": [handler.fn.__module__.rpartition(".")[2]],
        "summary": summary,
        "parameters": _parameters(route, method, operation),
        "responses": _responses(route, operation, schemas, public_url),
    }
    if description.strip():
        made["description"] = description.strip()
    if not public:
        roles = " or ".join(operation.roles)
        made["description"] = "\n\n".join(
            part for part in (description.strip(), f"Role: {roles}.") if part
        )
    if public:
        made["security"] = [{"metrics": []}] if NoValidKey in operation.errors else []
    if operation.request is not None:
        content = {
            "schema": schemas[operation.request],
            "example": _plain(operation.request_example),
        }
        made["requestBody"] = {"required": True, "content": {"application/json": content}}
    return made


def _parameters(route: HTTPRoute, method: str, operation: Operation) -> list[dict[str, Any]]:
    formats: dict[str, dict[str, str]] = {
        "UUID": {"format": "uuid"},
        "date": {"format": "date"},
        "str": {},
    }
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", **formats[definition.type.__name__]},
        }
        for name, definition in route.path_parameters.items()
    ]
    if operation.parameters is not None:
        _, components = msgspec.json.schema_components([operation.parameters])
        (shape,) = components.values()
        found += [
            {"name": name, "in": "query", "schema": schema}
            for name, schema in shape["properties"].items()
        ]
    if operation.roles:
        found.append({"$ref": "#/components/parameters/X-Tenant-Id"})
    found.append({"$ref": "#/components/parameters/X-Correlation-Id"})
    if method == "POST" and operation.key_required:
        found.append({**_PARAMETERS["Idempotency-Key"], "required": True})
    elif operation.request is not None:
        found.append({"$ref": "#/components/parameters/Idempotency-Key"})
    if operation.asynchronous:
        found.append({"$ref": "#/components/parameters/Prefer"})
    return found


def _responses(
    route: HTTPRoute, operation: Operation, schemas: dict[Any, Any], public_url: str
) -> dict[str, Any]:
    names = ["X-Correlation-Id"]
    if operation.roles:
        names.append("Duebook-Position")
    if operation.request is not None:
        names.append("Idempotency-Replayed")
    content = {"schema": schemas[operation.response], "example": _plain(operation.response_example)}
    responses: dict[str, Any] = {
        str(operation.status): {
            "description": HTTPStatus(operation.status).phrase,
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
            "content": {operation.media_type: content},
        }
    }
    if operation.asynchronous:
        responses["202"] = {
            "description": "Accepted: it is stored and will be carried out once; `Location` says how it stands",
            "headers": {
                name: {"$ref": f"#/components/headers/{name}"}
                for name in ("X-Correlation-Id", "Location")
            },
            "content": {
                "application/json": {
                    "schema": schemas[Accepted],
                    "example": {"id": EXAMPLE_REQUEST, "status": "accepted"},
                }
            },
        }
    for status, errors in sorted(_refusals(route, operation).items()):
        responses[str(status)] = {
            "description": "; ".join(condition_of(error) for error in errors),
            "headers": {"X-Correlation-Id": {"$ref": "#/components/headers/X-Correlation-Id"}},
            "content": {
                MEDIA_TYPE: {
                    "schema": schemas[Problem],
                    "examples": {
                        error.code: {"value": _problem(error, public_url)} for error in errors
                    },
                }
            },
        }
    return responses


def _refusals(route: HTTPRoute, operation: Operation) -> dict[int, list[type[LedgerError]]]:
    """What an operation may refuse with, by status."""
    kinds: list[type[LedgerError]] = [Malformed, *operation.errors, InternalError]
    if operation.roles:
        kinds += [NoValidKey, RoleNotAllowed, ServiceUnavailable]
        if route.path_parameters:
            kinds.append(Unknown)
    if operation.request is not None:
        kinds += [BodyTooLarge, UnsupportedMediaType, KeyReused, StillRunning]
    elif operation.roles:
        kinds.append(ReadModelBehind)
    found: dict[int, list[type[LedgerError]]] = {}
    for kind in dict.fromkeys(kinds):
        found.setdefault(status_of(kind), []).append(kind)
    return found


def _problem(kind: type[LedgerError], public_url: str) -> Any:
    error = kind(_EXAMPLES.get(kind) or condition_of(kind))
    return msgspec.to_builtins(problem(error, status_of(kind), EXAMPLE_CORRELATION, public_url))


def _plain(value: Any) -> Any:
    """An example as JSON values. Passes through JSON text, in which raw parts are written out."""
    return msgspec.json.decode(msgspec.json.encode(value))
