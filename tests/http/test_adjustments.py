"""Fees, waivers, credit notes, write-offs, disputes, promises, holds, credit and charge-backs, over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from tests.daylight import TODAY
from tests.http.conftest import LATER, Client, Clients, usd

TOMORROW = str(TODAY + timedelta(days=1))


def post(client: Client, path: str, body: dict[str, Any], key: str = "") -> dict[str, Any]:
    return client.made(path, body, key or path)


def listed(client: Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """The items of a list that has seen everything this client has written."""
    events = client.get("/api/events", params={"limit": 200}).json()["items"]
    params["min_position"] = events[-1]["tenant_seq"]
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_a_fee_is_charged_and_waived_again(clients: Clients) -> None:
    client = clients()
    invoice = f"/api/invoices/{client.sent(price='100.00')}"
    fee = {"amount": usd("8.50"), "description": "returned direct debit"}
    charged = post(client, f"{invoice}/fees", fee)
    assert (charged["open"], charged["outstanding"]["other_fees"]) == (usd("108.50"), usd("8.50"))
    part = {"component": "other_fees", "reason": "goodwill", "amount": usd("3.50")}
    waived = post(client, f"{invoice}/waivers", part, "one")
    assert (waived["open"], waived["waived"]) == (usd("105.00"), usd("3.50"))
    rest = {"component": "other_fees", "reason": "goodwill"}
    waived = post(client, f"{invoice}/waivers", rest, "two")
    assert (waived["open"], waived["forgiven"]["other_fees"]) == (usd("100.00"), usd("8.50"))


def test_a_credit_note_takes_open_amounts_first_and_gives_back_what_was_paid(
    clients: Clients,
) -> None:
    client = clients()
    customer_id = client.customer()
    invoice_id = client.sent(customer_id, "100.00")
    client.paid(invoice_id, "70.00")
    line = {"reason": "half came broken", "lines": [{"line": 0, "amount": usd("50.00")}]}
    note = post(client, f"/api/invoices/{invoice_id}/credit-notes", line)
    assert note["number"] == "CN-000001"
    assert (note["total"], note["applied"], note["credit"]) == (
        usd("50.00"),
        usd("30.00"),
        usd("20.00"),
    )
    assert note["invoice"]["status"] == "paid"
    assert client.get(f"/api/customers/{customer_id}").json()["credit"] == [usd("20.00")]


def test_a_write_off_is_recovered_by_a_late_payment(clients: Clients) -> None:
    client = clients(role="operator")
    invoice_id = client.sent(price="100.00")
    forgiven = post(client, f"/api/invoices/{invoice_id}/write-off", {"reason": "insolvent"})
    assert (forgiven["status"], forgiven["written_off"]) == ("written_off", usd("100.00"))
    client.paid(invoice_id, "40.00")
    invoice = client.get(f"/api/invoices/{invoice_id}").json()
    assert (invoice["status"], invoice["written_off"]) == ("written_off", usd("60.00"))
    assert invoice["paid"]["total"] == usd("40.00")
    row = listed(client, "/api/invoices", status="written_off")[0]
    assert (row["written_off"], row["open"]) == (usd("60.00"), usd("0.00"))


def test_a_dispute_is_raised_found_and_resolved(clients: Clients) -> None:
    client = clients()
    invoice_id, other_id = client.sent(), client.sent()
    path = f"/api/invoices/{invoice_id}/dispute"
    disputed = client.made(path, {"reason": "half is missing", "amount": usd("50.00")})
    assert disputed["dispute"] == {
        "disputed_on": str(TODAY),
        "amount": usd("50.00"),
        "holds_interest": False,
    }
    assert [row["id"] for row in listed(client, "/api/invoices", disputed="true")] == [invoice_id]
    assert [row["id"] for row in listed(client, "/api/invoices", disputed="false")] == [other_id]
    again = client.post(path, json={"reason": "more is missing"})
    assert (again.status_code, again.json()["type"]) == (
        422,
        "/problems/already_disputed",
    )
    resolved = client.made(f"{path}/resolve", {"outcome": "rejected", "reason": "all was there"})
    assert resolved["dispute"] is None
    assert listed(client, "/api/invoices", disputed="true") == []


def test_a_promise_is_recorded_and_listed(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    path = f"/api/invoices/{invoice_id}/promise"
    promised = client.made(path, {"promised_on": TOMORROW, "note": "by phone"})
    assert promised["promise"] == {
        "promised_on": TOMORROW,
        "amount": usd("100.00"),
        "kept": None,
    }
    row = listed(client, "/api/invoices", promise="pending")[0]
    assert (row["promised_on"], row["promised"]) == (TOMORROW, usd("100.00"))
    assert listed(client, "/api/invoices", promise="kept") == []


def test_an_invoice_is_held_and_released(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    path = f"/api/invoices/{invoice_id}"
    held = client.made(f"{path}/hold", {"reason": "in hospital", "until_on": LATER})
    assert held["hold"] == {"until_on": LATER}
    assert [row["held_until"] for row in listed(client, "/api/invoices", held="true")] == [LATER]
    assert client.made(f"{path}/release", {})["hold"] is None
    assert listed(client, "/api/invoices", held="true") == []
    assert client.post(f"{path}/release", json={}).status_code == 422


def test_what_is_left_of_a_payment_is_applied(clients: Clients) -> None:
    client = clients()
    customer_id = client.customer()
    payment_id = client.paid(client.sent(customer_id, "10.00"), "60.00")
    first, second = client.sent(customer_id, "20.00"), client.sent(customer_id, "40.00")
    path = f"/api/payments/{payment_id}/apply"
    applied = post(client, path, {"invoice_id": second, "amount": usd("15.00")}, "one")
    assert applied["unapplied"] == usd("35.00")
    applied = post(client, path, {}, "two")
    assert applied["unapplied"] == usd("0.00")
    amounts = [(part["invoice_id"], part["amount"]) for part in applied["allocations"][1:]]
    assert amounts == [(second, usd("30.00")), (first, usd("20.00"))]
    refused = client.post(path, json={}, headers={"Idempotency-Key": "three"})
    assert refused.json()["type"] == "/problems/nothing_to_apply"


def test_credit_of_any_source_is_applied_the_oldest_first(clients: Clients) -> None:
    client = clients()
    customer_id = client.customer()
    paid_id = client.sent(customer_id, "30.00")
    client.paid(paid_id, "32.00")
    post(client, f"/api/invoices/{paid_id}/credit-notes", {"reason": "not delivered"})
    assert client.get(f"/api/customers/{customer_id}").json()["credit"] == [usd("32.00")]
    invoice_id = client.sent(customer_id, "50.00")
    path = f"/api/customers/{customer_id}/apply-credit"
    applied = post(client, path, {"currency": "USD", "amount": usd("30.00")}, "one")
    assert applied == {
        "customer_id": customer_id,
        "applied": usd("30.00"),
        "allocations": [{"invoice_id": invoice_id, "amount": usd("30.00")}],
        "credit": usd("2.00"),
    }
    applied = post(client, path, {"currency": "USD"}, "two")
    assert (applied["applied"], applied["credit"]) == (usd("2.00"), usd("0.00"))
    invoice = client.get(f"/api/invoices/{invoice_id}").json()
    assert (invoice["open"], invoice["paid"]["total"]) == (usd("18.00"), usd("32.00"))
    for currency, code in (("USD", "nothing_to_apply"), ("XAU", "unknown_currency")):
        refused = client.post(path, json={"currency": currency}, headers={"Idempotency-Key": code})
        assert refused.json()["type"] == f"/problems/{code}"


def test_a_charge_back_opens_again_what_the_payment_had_closed(clients: Clients) -> None:
    client = clients()
    customer_id = client.customer()
    invoice_id = client.sent(customer_id, "10.00")
    payment_id = client.paid(invoice_id, "25.00")
    note_id = client.sent(customer_id, "15.00")
    post(client, f"/api/customers/{customer_id}/apply-credit", {"currency": "USD"})
    post(client, f"/api/invoices/{note_id}/credit-notes", {"reason": "a mistake"})
    taken = post(client, f"/api/payments/{payment_id}/charge-back", {"reason": "recalled"})
    assert taken["status"] == "charged_back"
    invoice = client.get(f"/api/invoices/{invoice_id}").json()
    assert (invoice["status"], invoice["open"]) == ("sent", usd("10.00"))
    rows = listed(client, "/api/payments", status="charged_back")
    assert [row["id"] for row in rows] == [payment_id]
    customer = client.get(f"/api/customers/{customer_id}").json()
    row = listed(client, "/api/customers")[0]
    assert (row["credit"], row["shortfall"]) == (customer["credit"], customer["shortfall"])


def test_suspected_duplicates_are_listed(clients: Clients) -> None:
    client = clients()
    customer_id = client.customer()
    body = {"customer_id": customer_id, "amount": usd("7.00"), "reference": "transfer 881"}
    first, second = (post(client, "/api/payments", body, key)["id"] for key in ("one", "two"))
    rows = listed(client, "/api/payments", suspected_duplicate="true")
    assert [(row["id"], row["suspected_duplicate_of"]) for row in rows] == [(second, first)]
    rows = listed(client, "/api/payments", suspected_duplicate="false")
    assert [row["id"] for row in rows] == [first]


def test_new_settings_are_changed(clients: Clients) -> None:
    client = clients()
    changes = {
        "credit_note_series": "NC",
        "apply_credit": "automatic",
        "refund_excess_above": usd("20.00"),
        "duplicate_window_days": 3,
        "dispute_holds_interest": True,
        "books_closed_through": "2026-01-31",
        "chart": {"cash": "Assets:Bank:Main"},
        "calendar": "BR-banking",
        "additional_holidays": [{"on": "2026-01-26", "label": "City"}],
    }
    settings = client.patch("/api/tenant", json=changes).json()["settings"]
    assert {name: settings[name] for name in changes} == changes
    assert settings["additional_holidays_version"] == 1
    twice = {"additional_holidays": [{"on": "2026-01-26"}, {"on": "2026-01-26"}]}
    assert client.patch("/api/tenant", json=twice).json()["type"].endswith("/holiday_twice")
    refused = client.patch("/api/tenant", json={"books_closed_through": "2025-12-31"})
    assert refused.json()["type"] == "/problems/month_closed"


KEYED = {
    "fees": {"amount": usd("1.00"), "description": "a letter"},
    "waivers": {"component": "principal", "reason": "goodwill", "amount": usd("1.00")},
    "credit-notes": {"reason": "too much", "amount": usd("1.00")},
    "write-off": {"reason": "insolvent"},
}


@pytest.mark.parametrize("what", list(KEYED))
def test_what_moves_money_needs_a_key_and_happens_once(clients: Clients, what: str) -> None:
    client = clients()
    invoice_id = client.sent()
    path = f"/api/invoices/{invoice_id}/{what}"
    without = client.post(path, json=KEYED[what])
    assert without.status_code == 400
    assert without.json()["errors"][0]["field"] == "Idempotency-Key"
    answers = [
        client.post(path, json=KEYED[what], headers={"Idempotency-Key": "once"}) for _ in range(2)
    ]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    events = client.get("/api/events", params={"limit": 200}).json()["items"]
    of_invoice = [event for event in events if event["stream_id"] == invoice_id]
    assert len(of_invoice) == 3  # drafted, sent, and what was done once
