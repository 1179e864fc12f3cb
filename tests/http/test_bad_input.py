"""No input, however odd, is an internal error: each field of each body in turn is given values that do not suit it."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from adapters.http.operations import Operation
from tests.http.conftest import Client, Clients, Service
from tests.http.test_isolation import IDS_OF_EXAMPLES, about, one_of_each, tenant_routes

ODD: tuple[Any, ...] = (
    None,
    "",
    " ",
    "x",
    "x" * 100_000,
    "0",
    "-1",
    "0.000000000001",
    "1e999",
    "NaN",
    "9" * 400,
    "\u202e\ufeff\U0001f600",
    "encrypted:1:" + "0" * 32 + ":AAAA",
    "{n}{0}{x.__class__}",
    "%s%n\r\n",
    "0001-01-01",
    "9999-12-31",
    "2026-01-01T00:00:00Z",
    "00000000-0000-0000-0000-000000000000",
    "../../etc/passwd",
    "'; DROP TABLE events; --",
    0,
    -1,
    2**63,
    10**400,
    1.5,
    True,
    [],
    {},
    [[]],
    [{}],
)


def test_no_value_of_a_field_is_an_internal_error(service: Service, clients: Clients) -> None:
    client = clients()
    tried = 0
    for method, path, operation in tenant_routes(service):
        if operation.request is None:
            continue
        for body in _odd_bodies(operation, client):
            tried += 1
            answer = client.request(
                method,
                about(path, _things(client)),
                content=body,
                headers={"Content-Type": "application/json", "Idempotency-Key": str(tried)},
            )
            assert answer.status_code < 500, (method, path, body[:300], answer.text)
    assert tried > 1_000


@pytest.mark.parametrize("odd", [value for value in ODD if isinstance(value, str) and value])
def test_no_parameter_is_an_internal_error(service: Service, clients: Clients, odd: str) -> None:
    client = clients()
    for method, path, operation in tenant_routes(service):
        if operation.parameters is None:
            continue
        wanted = about(path, _things(client))
        for name in operation.parameters.__struct_fields__:
            answer = client.request(method, wanted, params={name: odd[:5_000]})
            assert answer.status_code < 500, (method, path, name, odd[:100], answer.text)


def _odd_bodies(operation: Operation, client: Client) -> Iterator[bytes]:
    """The example body with one value after the other replaced by each odd one."""
    text = msgspec.json.encode(operation.request_example).decode()
    for example_id, name in IDS_OF_EXAMPLES.items():
        text = text.replace(example_id, _things(client)[name])
    body = msgspec.json.decode(text)
    for place in _places(body, ()):
        for odd in ODD:
            yield _dumped(_replaced(body, place, odd))


def _places(value: Any, at: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside, containers included."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _places(one, (*at, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _places(one, (*at, index))


def _replaced(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    if not place:
        return odd
    copy = value.copy()
    copy[place[0]] = _replaced(value[place[0]], place[1:], odd)
    return copy


def _dumped(value: Any) -> bytes:
    """JSON with integers of any size."""
    return json.dumps(value).encode()


_made: dict[str, dict[str, str]] = {}


def _things(client: Client) -> dict[str, str]:
    """One of each thing of a tenant, made once."""
    found = _made.get(client.key)
    if found is None:
        found = _made[client.key] = one_of_each(client)
    return found


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"amount": {"amount": "1.00", "currency": "BRL", "curency": "USD"}}, "amount"),
        ({"amount": {"amount": "1.00", "currency": "BRL"}, "recieved_on": "2026-01-01"}, ""),
    ],
)
def test_a_misspelt_field_is_named_at_any_depth(
    clients: Clients, body: dict[str, object], where: str
) -> None:
    answer = clients().post("/api/payments", json=body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 400
    assert where in answer.text


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("reference", "x" * 201, "text_too_long"),
        ("country", "x" * 3_000, "text_too_long"),
        ("language", "pt\r\nSet-Cookie: a", "control_character"),
    ],
)
def test_a_text_in_the_clear_is_short_and_on_one_line(
    clients: Clients, field: str, value: str, code: str
) -> None:
    answer = clients().post("/api/customers", json={"name": "A", field: value})
    assert answer.status_code == 422
    assert answer.json()["type"].endswith(code)
    assert answer.json()["errors"][0]["field"] == field
