"""`/api/refunds`: credit asked back, confirmed, failed; once for each key."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.payouts.files import FilePayout
from schedulers.refund_payouts import pay_out
from tests.http.answers import body_of
from tests.http.conftest import Client, Clients, Service, usd

IBAN = "PT50 0002 0123"


@pytest.fixture
def client(clients: Clients) -> Client:
    return clients()


def credited(client: Client, amount: str = "30.00") -> str:
    """A customer with credit."""
    customer_id = client.customer(name="Ann Other")
    client.made(
        "/api/payments",
        {"customer_id": customer_id, "amount": usd(amount)},
        f"credit {customer_id}",
    )
    return customer_id


def asked(client: Client, customer_id: str, key: str = "refund", **fields: Any) -> Any:
    body = {"customer_id": customer_id, "reason": "Ann asked", **fields}
    return client.post("/api/refunds", json=body, headers={"Idempotency-Key": key})


def handed_over(service: Service, client: Client, folder: Path) -> None:
    pay_out(service.books.payouts, FilePayout(folder), lambda: datetime.now(UTC))


def test_credit_is_asked_back_and_paid_out(
    service: Service, client: Client, tmp_path: Path
) -> None:
    customer_id = credited(client)
    made = body_of(asked(client, customer_id, amount=usd("12.50"), destination=IBAN), 201)
    assert made == {
        "id": made["id"],
        "customer_id": customer_id,
        "status": "requested",
        "waits_for": "payout",
        "amount": usd("12.50"),
        "requested_on": made["requested_on"],
        "automatic": False,
        "destination": IBAN,
        "reason": "Ann asked",
        "attempts": 0,
        "last_error": "",
        "provider": "",
        "reference": "",
        "failed_because": "",
    }
    path = f"/api/refunds/{made['id']}"
    assert body_of(client.get(path)) == made
    credit = body_of(client.get(f"/api/customers/{customer_id}"))["credit"]
    assert credit == [usd("17.50")]

    early = client.post(f"{path}/confirm", json={})
    assert (early.status_code, early.json()["type"]) == (422, "/problems/refund_not_sent")
    handed_over(service, client, tmp_path)
    sent = body_of(client.get(path))
    assert (sent["status"], sent["waits_for"], sent["provider"]) == ("sent", "confirmation", "file")
    confirmed = client.post(f"{path}/confirm", json={"reference": "po-1"})
    assert body_of(confirmed)["status"] == "confirmed"
    again = client.post(f"{path}/fail", json={"reason": "late"})
    assert (again.status_code, again.json()["type"]) == (422, "/problems/refund_closed")

    position = confirmed.headers["Duebook-Position"]
    (row,) = body_of(client.get("/api/refunds", params={"min_position": position}))["items"]
    assert {name: row[name] for name in made} == body_of(client.get(path))
    assert (row["version"], row["settled_on"]) == (4, row["requested_on"])


def test_a_refund_that_fails_gives_the_credit_back(client: Client) -> None:
    customer_id = credited(client)
    made = body_of(asked(client, customer_id, currency="USD"), 201)
    assert made["amount"] == usd("30.00")
    path = f"/api/refunds/{made['id']}"
    nothing = asked(client, customer_id, key="another", currency="USD")
    assert (nothing.status_code, nothing.json()["type"]) == (
        422,
        "/problems/nothing_to_refund",
    )
    failed = body_of(client.post(f"{path}/fail", json={"reason": "account closed"}))
    assert (failed["status"], failed["failed_because"]) == ("compensated", "account closed")
    assert body_of(client.get(f"/api/customers/{customer_id}"))["credit"] == [usd("30.00")]


def test_a_key_is_required_and_asks_once(client: Client) -> None:
    customer_id = credited(client)
    body = {"customer_id": customer_id, "reason": "asked", "amount": usd("1.00")}
    without = client.post("/api/refunds", json=body)
    assert (without.status_code, without.json()["errors"][0]["field"]) == (400, "Idempotency-Key")
    first, second = (
        asked(client, customer_id, key="one key", amount=usd("1.00")) for _ in range(2)
    )
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    other = asked(client, customer_id, key="one key", amount=usd("2.00"))
    assert other.status_code == 409
    assert body_of(client.get(f"/api/customers/{customer_id}"))["credit"] == [usd("29.00")]


def test_lists_are_filtered(client: Client) -> None:
    one, two = credited(client), credited(client)
    first = body_of(asked(client, one, key="1", amount=usd("1.00")), 201)
    second = body_of(asked(client, two, key="2", amount=usd("2.00")), 201)
    failed = client.post(f"/api/refunds/{first['id']}/fail", json={"reason": "closed"})
    position = failed.headers["Duebook-Position"]

    def listed(**params: str) -> list[str]:
        answer = client.get("/api/refunds", params={"min_position": position, **params})
        return [item["id"] for item in body_of(answer)["items"]]

    assert sorted(listed()) == sorted([first["id"], second["id"]])
    assert listed(status="compensated") == [first["id"]]
    assert listed(customer_id=two) == [second["id"]]
    assert listed(customer_id=two, status="compensated") == []
    assert client.get("/api/refunds", params={"status": "lost"}).status_code == 400


def test_an_auditor_looks_and_asks_nothing(client: Client, clients: Clients) -> None:
    customer_id = credited(client)
    made = body_of(asked(client, customer_id, amount=usd("1.00")), 201)
    auditor = clients(UUID(str(client.tenant_id)), "auditor")
    assert auditor.get(f"/api/refunds/{made['id']}").status_code == 200
    assert asked(auditor, customer_id, key="other", amount=usd("1.00")).status_code == 403
    for verb in ("confirm", "fail"):
        path = f"/api/refunds/{made['id']}/{verb}"
        assert auditor.post(path, json={"reason": "x"}).status_code == 403


def test_an_excess_payment_is_paid_back_by_itself(client: Client) -> None:
    client.patch("/api/tenant", json={"refund_excess_above": usd("5.00")})
    customer_id = client.customer()
    paid = client.post(
        "/api/payments",
        json={"invoice_id": client.sent(customer_id), "amount": usd("110.00")},
        headers={"Idempotency-Key": "excess"},
    )
    assert body_of(paid, 201)["unapplied"] == usd("10.00")
    position = paid.headers["Duebook-Position"]
    answer = client.get(
        "/api/refunds", params={"min_position": position, "customer_id": customer_id}
    )
    (row,) = body_of(answer)["items"]
    assert (row["amount"], row["automatic"], row["destination"]) == (usd("10.00"), True, "")
