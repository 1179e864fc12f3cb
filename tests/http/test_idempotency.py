"""A repeated request is done once and answered the same; a key stands for one request only."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from adapters.postgres.connection import owner_connection
from tests.http.conftest import LATER, Client, Clients, Service, usd


def pay(client: Client, invoice_id: str, amount: str, key: str) -> httpx.Response:
    body = {"invoice_id": invoice_id, "amount": usd(amount), "reference": "transfer 1"}
    return client.post("/api/payments", json=body, headers={"Idempotency-Key": key})


def test_the_first_answer_is_given_again(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    first, again = (pay(client, invoice_id, "40.00", "k1") for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first.json()["reference"] == "transfer 1"
    assert first.headers["Duebook-Position"] == again.headers["Duebook-Position"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert client.get(f"/api/invoices/{invoice_id}").json()["open"] == usd("60.00")


def test_a_key_used_for_another_body_is_a_conflict(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    assert pay(client, invoice_id, "40.00", "k1").status_code == 201
    other = pay(client, invoice_id, "50.00", "k1")
    assert other.status_code == 409
    assert other.json()["type"] == "/problems/key_reused"
    assert client.get(f"/api/invoices/{invoice_id}").json()["open"] == usd("60.00")


def test_a_key_used_for_another_path_is_a_conflict(clients: Clients) -> None:
    client = clients()
    drafts = [client.draft() for _ in range(2)]
    answers = [
        client.post(f"/api/invoices/{one}/send", headers={"Idempotency-Key": "same"})
        for one in drafts
    ]
    assert [answer.status_code for answer in answers] == [200, 409]


def test_a_key_is_honoured_where_it_is_not_required(clients: Clients) -> None:
    client = clients()
    body = {"name": "Ann", "reference": "A1"}
    first, again = (
        client.post("/api/customers", json=body, headers={"Idempotency-Key": "c1"})
        for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content


def test_two_tenants_may_use_the_same_key(clients: Clients) -> None:
    for client in (clients(), clients()):
        answer = pay(client, client.sent(), "40.00", "k1")
        assert answer.status_code == 201
        assert "Idempotency-Replayed" not in answer.headers


def test_a_refusal_is_not_kept(clients: Clients) -> None:
    client = clients()
    customer_id = client.customer()
    draft: dict[str, Any] = {"customer_id": customer_id, "due_on": LATER, "lines": []}
    refused = client.post("/api/invoices", json=draft, headers={"Idempotency-Key": "d1"})
    assert refused.status_code == 422
    draft["lines"] = [{"description": "x", "quantity": "1", "unit_price": "1.00"}]
    done = client.post("/api/invoices", json=draft, headers={"Idempotency-Key": "d1"})
    assert done.status_code == 201


def test_concurrent_duplicates_are_done_once(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    with ThreadPoolExecutor(12) as threads:
        answers = list(
            threads.map(lambda _: pay(client, invoice_id, "1.00", "the same"), range(24))
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert client.get(f"/api/invoices/{invoice_id}").json()["open"] == usd("99.00")


def test_concurrent_requests_under_one_key_are_done_once(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda n: pay(client, invoice_id, f"{1 + n}.00", "one key"), range(8))
        )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


def test_a_duplicate_of_a_slow_request_is_told_to_try_again(
    service: Service, clients: Clients
) -> None:
    client = clients()
    invoice_id = client.sent()
    with ThreadPoolExecutor(2) as threads:
        with owner_connection(service.books.database) as other, other.transaction():
            other.execute("SELECT 1 FROM log_head FOR UPDATE")  # no command can commit meanwhile
            first = threads.submit(pay, client, invoice_id, "1.00", "slow")
            while not service.books.writer.waiting():
                time.sleep(0.01)
            again = pay(client, invoice_id, "1.00", "slow")
            assert again.status_code == 409
            assert again.json()["type"] == "/problems/still_running"
            assert again.headers["Retry-After"] == "2"
            assert not first.done()
        assert first.result().status_code == 201
    later = pay(client, invoice_id, "1.00", "slow")
    assert later.status_code == 201
    assert later.content == first.result().content


def test_money_needs_a_key(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    payment_id = client.paid(invoice_id, "1.00")
    payment = {"invoice_id": invoice_id, "amount": usd("1.00")}
    for answer in (
        client.post("/api/payments", json=payment),
        client.post(f"/api/payments/{payment_id}/reverse", json={"reason": "recalled"}),
    ):
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert client.get(f"/api/invoices/{invoice_id}").json()["open"] == usd("99.00")


@pytest.mark.parametrize("key", [b"", b"x" * 201, "naïve".encode(), b"tab\there"])
def test_a_key_must_be_printable(clients: Clients, key: bytes) -> None:
    answer = clients().post(
        "/api/customers", json={"name": "Ann"}, headers={b"Idempotency-Key": key}
    )
    assert answer.status_code == 400, key
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_key_given_twice_is_refused(clients: Clients) -> None:
    """A proxy that doubles the header on one of two attempts must not make another key of it."""
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    answer = clients().post("/api/customers", json={"name": "A"}, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
