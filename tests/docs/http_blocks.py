"""The blocks of `http.md`."""

from typing import Any

import msgspec

from tests.docs import gathered
from tests.docs.blocks import table
from tests.docs.described import code, sentences, structs_in
from tests.docs.fields import fields_table, kept_by_heading


def write_routes(old: str) -> str:
    rows = []
    for route in gathered.routes():
        operation = route.operation
        takes = (
            f"[{operation.request.__name__}](#{operation.request.__name__.lower()})"
            if operation.request
            else ""
        )
        key = "required" if operation.key_required else "honoured" if operation.request else ""
        roles = ", ".join(operation.roles) if operation.roles else "no key"
        rows.append((f"`{route.method} {route.path}`", route.summary, takes, roles, key))
    return table(("route", "what it does", "body", "roles", "`Idempotency-Key`"), rows)


def write_details(old: str) -> str:
    """Per route: what more there is to say, its parameters, and what it refuses besides the usual."""
    parts = []
    for route in gathered.routes():
        operation = route.operation
        lines = [f"### `{route.method} {route.path}`", ""]
        lines.append(f"{route.summary}. {code(route.details)}".strip())
        lines.append("")
        lines.append(f"Answers {operation.status}, {_answer(operation.response)}.")
        if operation.parameters is not None:
            names = [
                f"`{field.encode_name}`" for field in msgspec.structs.fields(operation.parameters)
            ]
            lines[-1] += f" Parameters: {', '.join(names)}."
        if operation.errors:
            codes = [f"`{kind.code}`" for kind in operation.errors]
            lines[-1] += f" May refuse with {', '.join(codes)}."
        parts.append("\n".join(lines) + "\n")
    return "\n" + "\n".join(parts)


def _answer(kind: Any) -> str:
    if kind is str:
        return "text"
    origin = getattr(kind, "__origin__", None)
    if origin is not None:
        (item,) = kind.__args__
        return f"a page of `{item.__name__}`"
    return f"a `{kind.__name__}`" if kind.__name__[0] not in "AEIOU" else f"an `{kind.__name__}`"


def write_bodies(old: str) -> str:
    meanings = kept_by_heading(old)
    found: dict[Any, None] = {}
    waiting = [route.operation.request for route in gathered.routes() if route.operation.request]
    waiting += [
        route.operation.parameters for route in gathered.routes() if route.operation.parameters
    ]
    while waiting:
        kind = waiting.pop(0)
        if kind in found:
            continue
        found[kind] = None
        for field in msgspec.structs.fields(kind):
            waiting += structs_in(field.type)
    parts = []
    for kind in sorted(found, key=lambda kind: kind.__name__):
        parts.append(f"### {kind.__name__}\n\n{sentences(kind)}\n")
        parts.append(fields_table(kind, meanings.get(kind.__name__, {})))
    return "\n" + "\n".join(parts)
