"""What the routes of settings, customers, invoices and payments do when all goes well."""

from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.daylight import TODAY
from tests.http.answers import body_of
from tests.http.conftest import LATER, Clients, usd


def test_settings_are_shown_and_changed(clients: Clients) -> None:
    client = clients()
    before = body_of(client.get("/api/tenant"))
    assert before["id"] == str(client.tenant_id)
    assert before["settings"]["calendar"] == "weekends"
    after = body_of(client.patch("/api/tenant", json={"calendar": "BR"}))
    assert after["settings"] == {**before["settings"], "calendar": "BR"}
    assert body_of(client.get("/api/tenant")) == after


def test_fee_policies_are_versions(clients: Clients) -> None:
    client = clients()
    made = body_of(
        client.post("/api/fee-policies", json={"late_fee": "2%", "mora": "1%/month"}), 201
    )
    assert (made["version"], made["late_fee"], made["mora"]) == (1, "2%", "1%/month")
    listed = body_of(client.get("/api/fee-policies"))
    assert [policy["version"] for policy in listed["items"]] == [0, 1]
    assert listed["items"][1] == made
    assert listed["next_cursor"] is None
    assert body_of(client.get("/api/tenant"))["fee_policy"] == made


def test_a_fee_policy_names_a_reference_rate_a_cap_and_a_tolerance(clients: Clients) -> None:
    client = clients()
    asked = {
        "mora": "9%/year",
        "mora_reference": "basiszinssatz",
        "late_fee_cap": "2%",
        "small_balance_tolerance": usd("0.05"),
    }
    refused = client.post("/api/fee-policies", json=asked)
    assert refused.status_code == 422
    assert refused.json()["type"] == "/problems/unknown_reference_rate"
    fact = {"name": "basiszinssatz", "from_on": "2021-01-01", "rate": "-0.88%/year"}
    body_of(client.post("/api/reference-rates", json=fact), 201)
    made = body_of(client.post("/api/fee-policies", json=asked), 201)
    assert made.items() >= asked.items()
    assert body_of(client.get("/api/tenant"))["fee_policy"] == made


def test_reference_rates_are_recorded_once(clients: Clients) -> None:
    client = clients()
    path = "/api/reference-rates"
    fact = {"name": "basiszinssatz", "from_on": "2021-01-01", "rate": "-0.88%/year"}
    for _ in range(2):
        assert body_of(client.post(path, json=fact), 201) == fact
    assert body_of(client.get(path)) == {"items": [fact], "next_cursor": None}
    for change, status, code in (
        ({"rate": "-0.87%/year"}, 409, "reference_rate_differs"),
        ({"from_on": "2020-07-01"}, 409, "earlier_reference_rate"),
        ({"rate": "-0.88%"}, 422, "malformed_rate"),
        ({"name": "ECB"}, 422, "malformed_reference_name"),
    ):
        refused = client.post(path, json=fact | change)
        assert refused.status_code == status
        assert refused.json()["type"] == f"/problems/{code}"
    assert body_of(client.get(path))["items"] == [fact]
    assert body_of(clients().get(path))["items"] == []


def test_a_customer_is_registered_shown_and_changed(clients: Clients) -> None:
    client = clients()
    person = {
        "name": 'Ann "Zoë" Other\n',
        "reference": "A-1",
        "tax_number": "123.456.789-00",
        "email": "ann@example.com",
        "phone": "+55 11 5555-0101",
        "address": "Rua Um, 1",
        "notes": "calls back",
        "language": "pt-BR",
        "timezone": "America/Sao_Paulo",
        "country": "BR",
    }
    made = body_of(client.post("/api/customers", json=person), 201)
    assert made == {
        "id": made["id"],
        **person,
        "credit": [],
        "shortfall": [],
        "opted_out": [],
        "undeliverable": [],
        "tracked": False,
        "tags": [],
        "dunning_plan": "",
    }
    path = f"/api/customers/{made['id']}"
    assert body_of(client.get(path)) == made
    changed = body_of(client.patch(path, json={"phone": "", "notes": "moved"}))
    assert changed == {**made, "phone": "", "notes": "moved"}
    assert body_of(client.get(path)) == changed


def test_an_invoice_from_draft_to_paid(clients: Clients) -> None:
    client = clients()
    customer_id = client.customer()
    draft: dict[str, Any] = {
        "customer_id": customer_id,
        "due_on": LATER,
        "notes": "for Ann",
        "lines": [
            {
                "description": "Advice",
                "quantity": "2",
                "unit_price": "50.00",
                "tax_rate": "10%",
                "tax_included": False,
            }
        ],
    }
    made = body_of(client.post("/api/invoices", json=draft), 201)
    assert (made["status"], made["number"], made["total"]) == ("draft", "", usd("110.00"))
    assert made["lines"] == [
        {
            **draft["lines"][0],
            "unit_price": usd("50.00"),
            "net": usd("100.00"),
            "tax": usd("10.00"),
            "gross": usd("110.00"),
        }
    ]
    path = f"/api/invoices/{made['id']}"

    changed = body_of(client.patch(path, json={"notes": "for Ann and Bob"}))
    assert changed == {**made, "notes": "for Ann and Bob"}

    sent = body_of(client.post(f"{path}/send", json={"issued_on": TODAY.isoformat()}))
    assert (sent["status"], sent["number"]) == ("sent", "INV-000001")
    assert (sent["issued_on"], sent["open"]) == (TODAY.isoformat(), usd("110.00"))

    later = (TODAY + timedelta(days=60)).isoformat()
    moved = body_of(client.patch(path, json={"due_on": later, "reason": "asked"}))
    assert moved["due_on"] == later
    first_late_day = date.fromisoformat(moved["payable_until"]) + timedelta(days=1)
    assert (made["late_on"], moved["late_on"]) == (None, first_late_day.isoformat())

    payment = {"invoice_id": made["id"], "amount": usd("120.00"), "reference": "transfer 9"}
    paid = body_of(
        client.post("/api/payments", json=payment, headers={"Idempotency-Key": "p1"}), 201
    )
    assert paid["allocations"] == [{"invoice_id": made["id"], "amount": usd("110.00")}]
    assert (paid["unapplied"], paid["reference"]) == (usd("10.00"), "transfer 9")
    assert body_of(client.get(f"/api/payments/{paid['id']}")) == paid
    assert body_of(client.get(path))["status"] == "paid"
    customer = f"/api/customers/{customer_id}"
    assert body_of(client.get(customer))["credit"] == [usd("10.00")]

    back = body_of(
        client.post(
            f"/api/payments/{paid['id']}/reverse",
            json={"reason": "recalled"},
            headers={"Idempotency-Key": "r1"},
        )
    )
    undone = {"allocations": [], "unapplied": usd("0.00"), "reversed": usd("120.00")}
    assert back == {**paid, **undone, "status": "reversed"}
    assert body_of(client.get(path))["open"] == usd("110.00")
    assert body_of(client.get(customer))["credit"] == []

    cancelled = body_of(client.post(f"{path}/cancel", json={"reason": "given up"}))
    assert (cancelled["status"], cancelled["forgiven"]["total"]) == ("cancelled", usd("110.00"))


def test_a_draft_is_sent_without_a_body(clients: Clients) -> None:
    client = clients()
    sent = body_of(client.post(f"/api/invoices/{client.draft()}/send"))
    assert (sent["status"], sent["issued_on"]) == ("sent", TODAY.isoformat())


def test_a_draft_is_voided(clients: Clients) -> None:
    client = clients()
    path = f"/api/invoices/{client.draft()}"
    assert body_of(client.post(f"{path}/void", json={"reason": "a mistake"}))["status"] == "void"


@pytest.mark.parametrize("by", ["customer_id", "allocations"])
def test_a_payment_over_several_invoices(clients: Clients, by: str) -> None:
    client = clients()
    customer_id = client.customer()
    invoices = [client.sent(customer_id, price) for price in ("10.00", "20.00", "30.00")]
    amounts = [usd("10.00"), usd("20.00"), usd("5.00")]
    named = [
        {"invoice_id": one, "amount": amount} for one, amount in zip(invoices, amounts, strict=True)
    ]
    payer: dict[str, Any] = {"customer_id": customer_id} if by == "customer_id" else {by: named}
    paid = body_of(
        client.post(
            "/api/payments",
            json={"amount": usd("35.00"), **payer},
            headers={"Idempotency-Key": "p1"},
        ),
        201,
    )
    assert sorted(one["amount"]["amount"] for one in paid["allocations"]) == sorted(
        amount["amount"] for amount in amounts
    )
    assert paid["unapplied"] == usd("0.00")


def test_a_payment_says_where_it_goes_in_one_way(clients: Clients) -> None:
    client = clients()
    customer_id, other_id = client.customer(), client.customer()
    invoice_id = client.sent(customer_id)
    amount = usd("10.00")
    allocations = [{"invoice_id": invoice_id, "amount": amount}]

    def pay(key: str, **target: Any) -> httpx.Response:
        body = {"amount": amount, **target}
        return client.post("/api/payments", json=body, headers={"Idempotency-Key": key})

    for key, code, target in (
        ("none", "no_payer", {}),
        ("two", "two_targets", {"invoice_id": invoice_id, "allocations": allocations}),
        ("other", "several_customers", {"invoice_id": invoice_id, "customer_id": other_id}),
    ):
        refused = pay(key, **target)
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (422, code)
    assert "exactly one of" in pay("none again").json()["detail"]
    for key, target in (
        ("invoice", {"invoice_id": invoice_id, "customer_id": customer_id}),
        ("allocations", {"allocations": allocations, "customer_id": customer_id}),
    ):
        assert body_of(pay(key, **target), 201)["allocations"] == allocations
