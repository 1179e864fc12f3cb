"""The OpenAPI document: every route, every body and answer with an example that is one, every problem."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import httpx
import msgspec
import pytest
from litestar.routes import HTTPRoute

from adapters.http.app import create_app
from adapters.http.operations import Operation, operation_of
from adapters.http.problem_details import MEDIA_TYPE, Problem
from tests.http.conftest import Service

AGREED = {
    (method, path)
    for methods, path in (
        ("GET PATCH", "/api/tenant"),
        ("GET POST", "/api/fee-policies"),
        ("GET POST", "/api/reference-rates"),
        ("GET POST", "/api/customers"),
        ("GET PATCH", "/api/customers/{id}"),
        ("GET", "/api/customers/{id}/statement"),
        ("GET POST", "/api/invoices"),
        ("GET PATCH", "/api/invoices/{id}"),
        ("GET", "/api/invoices/{id}/timeline"),
        ("GET", "/api/invoices/{id}/explain"),
        ("GET", "/api/invoices/{id}/pay-off"),
        ("POST", "/api/invoices/{id}/send"),
        ("POST", "/api/invoices/{id}/void"),
        ("POST", "/api/invoices/{id}/cancel"),
        ("GET POST", "/api/credit-notes"),
        ("GET", "/api/credit-notes/{id}"),
        ("GET POST", "/api/payments"),
        ("GET", "/api/payments/{id}"),
        ("POST", "/api/payments/{id}/reverse"),
        ("GET POST", "/api/agreements"),
        ("GET", "/api/agreements/{id}"),
        ("GET", "/api/agreements/{id}/pay-off"),
        ("POST", "/api/agreements/{id}/approve"),
        ("POST", "/api/agreements/{id}/reject"),
        ("POST", "/api/agreements/{id}/activate"),
        ("POST", "/api/agreements/{id}/renegotiate"),
        ("POST", "/api/agreements/{id}/lose"),
        ("GET", "/api/days"),
        ("POST", "/api/days/{date}/run"),
        ("GET", "/api/reports/aging"),
        ("GET", "/api/reports/dashboard"),
        ("GET", "/api/reports/trial-balance"),
        ("GET", "/api/reports/portfolio"),
        ("GET", "/api/events"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
    )
    for method in methods.split()
}

Described = tuple[str, str, Operation, dict[str, Any]]


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    answer = httpx.get(service.url + "/schema/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def described(service: Service, document: dict[str, Any]) -> list[Described]:
    """(method, path, operation, its description) of every route of the application."""
    return [
        (str(method), route.path_format, operation, document["paths"][route.path_format][key])
        for route in create_app(service.books).routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if (operation := operation_of(handler)) is not None
        for key in [str(method).lower()]
    ]


def test_it_is_of_this_release(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "Duebook"
    assert document["info"]["version"] == version("duebook")


def test_every_route_of_the_application_is_described(
    service: Service, document: dict[str, Any]
) -> None:
    paths = {
        route.path_format
        for route in create_app(service.books).routes
        if isinstance(route, HTTPRoute)
    }
    for_people = {"/u/{token}", "/t/{name}"}
    assert set(document["paths"]) == paths - for_people - {"/schema/openapi.json"}


def test_the_paths_are_those_that_were_agreed(document: dict[str, Any]) -> None:
    """Names are a contract: they may be added to, and none may change."""
    found = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert found >= AGREED


def test_operations_have_names_of_their_own(described: list[Described]) -> None:
    names = [description["operationId"] for *_, description in described]
    assert len(names) == len(set(names))
    for method, path, _, description in described:
        assert description["summary"], (method, path)
        assert not description["summary"].endswith("."), description["summary"]


def test_examples_of_bodies_are_bodies(described: list[Described]) -> None:
    seen = 0
    for method, path, operation, description in described:
        assert ("requestBody" in description) == (method in ("POST", "PATCH")), (method, path)
        if "requestBody" in description:
            content = description["requestBody"]["content"]["application/json"]
            raw = msgspec.json.encode(content["example"])
            assert msgspec.json.decode(raw, type=operation.request) == operation.request_example
            seen += 1
    assert seen >= 10


def test_examples_of_answers_are_answers(described: list[Described]) -> None:
    for method, path, operation, description in described:
        answer = description["responses"][str(operation.status)]
        (media_type,) = answer["content"]
        assert media_type == operation.media_type
        example = answer["content"][media_type]["example"]
        decoded = msgspec.json.decode(msgspec.json.encode(example), type=operation.response)
        encoded = msgspec.json.decode(msgspec.json.encode(decoded))
        assert encoded == example, (method, path, "the example has all fields and no others")


def test_every_amount_is_money_or_stands_under_its_currency(described: list[Described]) -> None:
    """A report lists figures under their currency; everywhere else an amount brings its own along."""
    seen = 0
    for method, path, _, description in described:
        for answer in description["responses"].values():
            for content in answer.get("content", {}).values():
                for place, holder in _decimals(content.get("example")):
                    seen += 1
                    is_money = set(holder) == {"amount", "currency"}
                    assert is_money or "currencies" in place, (method, path, place)
    assert seen > 100


def _decimals(value: Any, *place: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Where a text looks like an amount with cents, and the object that holds it."""
    if isinstance(value, list):
        for one in value:
            yield from _decimals(one, *place)
    elif isinstance(value, dict):
        for name, one in value.items():
            if isinstance(one, str) and re.fullmatch(r"-?[0-9]+\.[0-9]{2}", one):
                yield (*place, name), value
            yield from _decimals(one, *place, name)


def test_every_operation_lists_its_problems(described: list[Described]) -> None:
    for method, path, operation, description in described:
        problems = {
            int(status): answer
            for status, answer in description["responses"].items()
            if int(status) >= 400
        }
        wanted = {400, 500}
        if operation.roles:
            wanted |= {401, 403, 503}
        if operation.request is not None:
            wanted |= {409, 413, 415}
        if "{id}" in path:
            wanted |= {404}
        assert wanted <= set(problems), (method, path)
        for status, answer in problems.items():
            content = answer["content"][MEDIA_TYPE]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            for code, example in content["examples"].items():
                found = msgspec.convert(example["value"], Problem)
                assert found.status == status
                assert found.type.endswith("/" + code)


def test_headers_are_described(described: list[Described]) -> None:
    for method, path, operation, description in described:
        headers = set(description["responses"][str(operation.status)]["headers"])
        assert "X-Correlation-Id" in headers
        assert ("Duebook-Position" in headers) == bool(operation.roles), (method, path)
        keys = [one for one in description["parameters"] if one.get("name") == "Idempotency-Key"]
        assert bool(keys) == operation.key_required
        assert all(one["required"] for one in keys)
        names = {one.get("$ref", "").rpartition("/")[2] for one in description["parameters"]}
        assert ("X-Tenant-Id" in names) == bool(operation.roles)
        public = description.get("security")
        assert (public is None) == bool(operation.roles), (method, path)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = list(_references(document))
    assert len(references) > 50
    for reference in references:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def test_schemas_say_nothing_of_the_inside(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        text = schema.get("description", "")
        assert "encrypted" not in text, name
        assert "    " not in text, name
        assert not text.startswith(f"{name}("), (name, "a struct without a docstring")


def test_every_component_is_used(document: dict[str, Any]) -> None:
    used = set(_references(document))
    for kind in ("schemas", "headers", "parameters"):
        for name in document["components"][kind]:
            assert f"#/components/{kind}/{name}" in used, name


def test_an_accepted_request_is_described(document: dict[str, Any]) -> None:
    accepted = document["paths"]["/api/payments"]["post"]["responses"]["202"]
    content = accepted["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Accepted"}
    assert set(content["example"]) == {"id", "status"}


def test_operations_are_named_for_what_they_do(described: list[Described]) -> None:
    for _, _, operation, description in described:
        assert description["operationId"] == operation.operation_id
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", operation.operation_id)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            if key == "$ref":
                yield one
            else:
                yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)
