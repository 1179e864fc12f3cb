"""Collection work over HTTP: a call, the queue, and the log of what was said to whom."""

from datetime import date, timedelta

import pytest

from tests.http.answers import body_of
from tests.http.conftest import Client, Clients


@pytest.fixture
def client(clients: Clients) -> Client:
    made: Client = clients()
    return made


def after(client: Client, path: str, **parameters: str) -> dict[str, object]:
    """A read that waits until the read models have come as far as the last command."""
    position = client.get("/api/tenant").headers["Duebook-Position"]
    found: dict[str, object] = body_of(
        client.get(path, params={"min_position": position} | parameters), 200
    )
    return found


def test_a_call_with_a_promise_and_what_is_to_be_done_next(client: Client) -> None:
    customer_id = client.customer()
    invoice_id = client.sent(customer_id)
    promised_on = str(date.today() + timedelta(days=5))
    today = str(date.today() - timedelta(days=1))
    body = {
        "result": "promised",
        "note": "will pay on Friday",
        "promise": {"promised_on": promised_on},
        "next_action": {"kind": "call", "due_on": today, "text": "ask again"},
    }
    made = client.made(f"/api/customers/{customer_id}/calls", body, key="call-1")
    assert (made["kind"], made["note"]) == ("call", "will pay on Friday")
    assert made["invoice_ids"] == [invoice_id]
    again = client.made(f"/api/customers/{customer_id}/calls", body, key="call-1")
    assert again == made
    (turn,) = after(client, "/api/collection-queue")["items"]  # type: ignore[misc]
    assert (turn["customer_id"], turn["reason"], turn["name"]) == (customer_id, "task", "Ann Other")
    assert turn["task_id"] == made["task_id"]
    (log,) = after(client, f"/api/invoices/{invoice_id}/communications")["items"]  # type: ignore[misc]
    assert (log["kind"], log["result"], log["note"]) == ("call", "promised", "will pay on Friday")
    assert after(client, f"/api/customers/{customer_id}/communications")["items"] == [log]


def test_what_is_refused_says_why(client: Client) -> None:
    customer_id = client.customer()
    path = f"/api/customers/{customer_id}/visits"
    for body, status, code in (
        ({"result": "promised"}, 422, "result_differs"),
        ({"result": "sang"}, 400, "malformed"),
        ({"result": "reached", "happened_on": "2999-01-01"}, 422, "effective_in_future"),
        ({"result": "reached", "who": "me"}, 400, "malformed"),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code == status, answer.text
        assert answer.json()["type"].endswith(f"/problems/{code}"), answer.text
    assert client.get("/api/collection-queue", params={"limit": "0"}).status_code == 400
    unknown = client.get("/api/collection-queue", params={"currency": "XXQ"})
    assert unknown.status_code == 422
    assert after(client, f"/api/customers/{customer_id}/communications")["items"] == []
