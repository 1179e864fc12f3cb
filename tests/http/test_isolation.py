"""No route of one tenant shows or takes what is another's.

The routes are those of the application itself, so that a new one is tried as well.
"""

from typing import Any
from uuid import UUID

import msgspec
import pytest
from litestar.routes import HTTPRoute

from adapters.http.app import create_app
from adapters.http.openapi.examples import (
    adjustments,
    agreements,
    dunning,
    invoices,
    refunds,
    senders,
)
from adapters.http.operations import Operation, operation_of
from tests.daylight import TODAY
from tests.http.conftest import Client, Clients, Service, usd

IDS_OF_EXAMPLES = {
    str(invoices.CUSTOMER_ID): "customer_id",
    str(invoices.INVOICE_ID): "invoice_id",
    str(invoices.PAYMENT_ID): "payment_id",
    str(agreements.AGREEMENT_ID): "agreement_id",
    str(refunds.REFUND_ID): "refund_id",
    str(adjustments.CREDIT_NOTE_ID): "credit_note_id",
    str(dunning.MESSAGE_ID): "message_id",
    str(senders.TASK_ID): "task_id",
}
ID_OF_NOUN = {
    "customers": "customer_id",
    "invoices": "invoice_id",
    "payments": "payment_id",
    "agreements": "agreement_id",
    "refunds": "refund_id",
    "credit-notes": "credit_note_id",
    "requests": "request_id",
    "messages": "message_id",
    "tasks": "task_id",
}
DAY = "2026-01-05"


def tenant_routes(service: Service) -> list[tuple[str, str, Operation]]:
    """(method, path, operation) of every route behind the tenants' door."""
    found = [
        (str(method), route.path_format, operation)
        for route in create_app(service.books).routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if (operation := operation_of(handler)) is not None and operation.roles
    ]
    assert len(found) > 15
    return found


def about(path: str, ids: dict[str, str]) -> str:
    """A path's template with these ids and a date in it."""
    noun = path.split("/")[2]
    return path.format(id=ids[ID_OF_NOUN[noun]] if "{id}" in path else "", date=DAY, key="theirs")


def test_every_route_hides_the_ids_of_others(service: Service, clients: Clients) -> None:
    mine, theirs = clients(), clients()
    ids = one_of_each(theirs)
    tried = 0
    for method, path, operation in tenant_routes(service):
        wanted = about(path, ids)
        body = _body(operation, ids)
        names_them = any(one in wanted or one in body for one in ids.values())
        answer = mine.request(
            method,
            wanted,
            content=body,
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": f"{method} {path}",
            },
        )
        text = answer.text
        if names_them:
            tried += 1
            assert answer.status_code == 404, (method, wanted, text)
            assert answer.headers["content-type"] == "application/problem+json"
        else:
            assert answer.status_code < 500, (method, wanted, text)
            assert not any(one in text for one in ids.values()), (method, wanted)
        assert "Secret Person" not in text
    assert tried >= 12


def test_nothing_of_theirs_has_changed(service: Service, clients: Clients) -> None:
    mine, theirs = clients(), clients()
    ids = one_of_each(theirs)
    before = theirs.get("/api/events", params={"limit": 200}).content
    for method, path, operation in tenant_routes(service):
        mine.request(
            method,
            about(path, ids),
            content=_body(operation, ids),
            headers={"Content-Type": "application/json", "Idempotency-Key": f"{method} {path}"},
        )
    assert theirs.get("/api/events", params={"limit": 200}).content == before


@pytest.mark.parametrize("header", ["X-Tenant-Id", "X-Api-Key"])
def test_a_key_opens_only_its_own_tenant(clients: Clients, header: str) -> None:
    mine, theirs = clients(), clients()
    answer = mine.get("/api/tenant", headers={header: theirs.headers[header]})
    assert answer.status_code == 401


def test_every_route_asks_for_a_key(service: Service, clients: Clients) -> None:
    client = clients()
    ids = one_of_each(client)
    del client.headers["X-Api-Key"]
    for method, path, operation in tenant_routes(service):
        answer = client.request(method, about(path, ids), content=_body(operation, ids))
        assert answer.status_code == 401, (method, path)


def test_a_query_without_a_tenant_finds_nothing(service: Service, clients: Clients) -> None:
    client = clients()
    client.paid(client.sent(), "1.00")
    with service.books.database.api.connection() as connection:
        for table in ("snapshots", "events", "tenant_log", "command_records", "duebook.api_keys"):
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            assert row == (0,), table


def one_of_each(client: Client) -> dict[str, str]:
    """One of each thing of a tenant, by the name of its kind."""
    customer_id = client.customer(name="Secret Person", reference="theirs")
    invoice_id = client.sent(customer_id)
    excess = {"customer_id": customer_id, "amount": usd("130.00")}
    client.made("/api/payments", excess, "excess")
    refund = {"customer_id": customer_id, "currency": "USD", "reason": "Secret Person asked"}
    credited = {"invoice_id": invoice_id, "amount": usd("1.00"), "reason": "Secret Person asked"}
    return {
        "customer_id": customer_id,
        "invoice_id": invoice_id,
        "payment_id": client.paid(invoice_id, "1.00"),
        "agreement_id": client.agreement(customer_id),
        "request_id": client.accepted(customer_id),
        "refund_id": str(client.made("/api/refunds", refund, "refund")["id"]),
        "credit_note_id": str(client.made("/api/credit-notes", credited, "credit note")["id"]),
        "message_id": _message(client, customer_id),
        "task_id": str(
            client.made("/api/tasks", {"customer_id": customer_id, "text": "Secret Person"})[
                "task_id"
            ]
        ),
    }


def _message(client: Client, customer_id: str) -> str:
    """A message of a plan that contacts on any day, about an invoice that is open."""
    client.sent(customer_id)
    steps = [{"key": "any", "offset": -300}]
    plan = {"key": "theirs", "name": "Theirs", "steps": steps, "calendar": "none"}
    client.made("/api/dunning/plans", {**plan, "late_entry": "highest"})
    client.made("/api/dunning/plans/theirs/activate", {})
    answer = client.patch("/api/tenant", json={"dunning_plan": "theirs"})
    assert answer.status_code == 200, answer.text
    answer = client.patch(f"/api/customers/{customer_id}", json={"email": "secret@example.com"})
    assert answer.status_code == 200, answer.text
    ran = client.post(f"/api/days/{TODAY}/run", json={})
    assert ran.status_code == 200, ran.text
    position = ran.headers["Duebook-Position"]
    (message,) = client.get("/api/messages", params={"min_position": position}).json()["items"]
    return str(message["message_id"])


def _body(operation: Operation, ids: dict[str, str]) -> str:
    """The operation's example body, about these things."""
    if operation.request is None:
        return ""
    body = msgspec.json.encode(operation.request_example).decode()
    for example_id, name in IDS_OF_EXAMPLES.items():
        body = body.replace(example_id, ids[name])
    return body


def test_the_examples_name_the_things_they_stand_for() -> None:
    """`_body` finds ids by their example, so each must stand where its kind is meant."""
    payment: Any = msgspec.to_builtins(invoices.RECEIVE_PAYMENT)
    assert UUID(payment["allocations"][0]["invoice_id"]) == invoices.INVOICE_ID
    assert invoices.DRAFT_INVOICE.customer_id == invoices.CUSTOMER_ID


@pytest.mark.parametrize("field", ["customer_id", "invoice_id"])
def test_money_is_not_taken_for_others(clients: Clients, field: str) -> None:
    mine, theirs = clients(), clients()
    ids = one_of_each(theirs)
    answer = mine.post(
        "/api/payments",
        json={field: ids[field], "amount": usd("1.00")},
        headers={"Idempotency-Key": field},
    )
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/invoices", "customer_id"),
        ("/api/payments", "customer_id"),
        ("/api/agreements", "customer_id"),
        ("/api/refunds", "customer_id"),
        ("/api/credit-notes", "customer_id"),
        ("/api/credit-notes", "invoice_id"),
    ],
)
def test_a_filter_by_their_ids_finds_nothing(clients: Clients, path: str, field: str) -> None:
    mine, theirs = clients(), clients()
    ids = one_of_each(theirs)
    answer = mine.get(path, params={field: ids[field]})
    assert (answer.status_code, answer.json()["items"]) == (200, [])


def test_their_cursor_opens_nothing(clients: Clients) -> None:
    mine, theirs = clients(), clients()
    customer_id = theirs.customer()
    for _ in range(3):
        theirs.sent(customer_id)
    position = theirs.get("/api/tenant").headers["Duebook-Position"]
    params = {"limit": "1", "min_position": position}
    cursor = theirs.get("/api/invoices", params=params).json()["next_cursor"]
    assert cursor
    assert mine.get("/api/invoices", params={"cursor": cursor}).json()["items"] == []
