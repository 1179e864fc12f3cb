"""`Prefer: respond-async` of payments: accepted with 202, carried out once, and seen at `Location`."""

from typing import Any

import pytest

from tests.http.conftest import Client, Clients, Service, usd


@pytest.fixture
def client(clients: Clients) -> Client:
    return clients()


def sent(client: Client, customer_id: str, key: str | None = "k", **headers: str) -> Any:
    body = {"customer_id": customer_id, "amount": usd("12.00"), "reference": "from Ann"}
    keyed = {"Idempotency-Key": key} if key else {}
    return client.post(
        "/api/payments", json=body, headers={"Prefer": "respond-async", **keyed, **headers}
    )


def test_it_is_accepted_and_then_done(service: Service, client: Client) -> None:
    customer_id = client.customer()
    answer = sent(client, customer_id)
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    payment_id = answer.json()["id"]
    assert answer.json() == {"id": payment_id, "status": "accepted"}
    place = answer.headers["Location"]
    assert place == f"/api/requests/{payment_id}"
    waiting = client.get(place).json()
    assert (waiting["status"], waiting["problem"]) == ("accepted", "")
    assert client.get(f"/api/payments/{payment_id}").status_code == 404

    service.books.inbox.execute()
    assert client.get(place).json()["status"] == "done"
    payment = client.get(f"/api/payments/{payment_id}").json()
    assert (payment["amount"], payment["reference"]) == (usd("12.00"), "from Ann")
    again = sent(client, customer_id)
    assert (again.status_code, again.json()["id"]) == (202, payment_id)
    service.books.inbox.execute()
    assert client.get(f"/api/customers/{customer_id}").json()["credit"] == [usd("12.00")]


def test_a_refusal_is_seen_at_its_place(service: Service, client: Client) -> None:
    answer = sent(client, "00000000-0000-0000-0000-000000000404")
    assert answer.status_code == 202
    service.books.inbox.execute()
    found = client.get(answer.headers["Location"]).json()
    assert (found["status"], found["problem"]) == ("refused", "/problems/unknown")
    assert "there is no customer" in found["detail"]


def test_what_was_mended_and_done_without_waiting_is_done(service: Service, client: Client) -> None:
    refused = sent(client, "00000000-0000-0000-0000-000000000404")
    service.books.inbox.execute()
    done = sent(client, client.customer(), Prefer="")
    assert (done.status_code, done.json()["id"]) == (201, refused.json()["id"])
    assert client.get(refused.headers["Location"]).json()["status"] == "done"


def test_what_cannot_be_read_is_refused_at_once(client: Client) -> None:
    customer_id = client.customer()
    headers = {"Prefer": "respond-async", "Idempotency-Key": "bad"}
    bad = client.post("/api/payments", json={"customer_id": customer_id}, headers=headers)
    assert bad.status_code == 400
    assert sent(client, customer_id, key=None).status_code == 400


def test_a_key_belongs_to_one_request(client: Client) -> None:
    one, two = client.customer(), client.customer()
    assert sent(client, one).status_code == 202
    reused = sent(client, two)
    assert (reused.status_code, reused.json()["type"]) == (409, "/problems/key_reused")


@pytest.mark.parametrize(
    ("prefer", "status"),
    [
        ("respond-async", 202),
        ("wait=5, Respond-Async; foo=1", 202),
        ("return=minimal", 201),
        ("no-respond-async", 201),
        ("", 201),
    ],
)
def test_a_preference_is_read(client: Client, prefer: str, status: int) -> None:
    assert sent(client, client.customer(), Prefer=prefer).status_code == status


def test_others_do_not_see_it(client: Client, clients: Clients) -> None:
    answer = sent(client, client.customer())
    assert clients().get(answer.headers["Location"]).status_code == 404
