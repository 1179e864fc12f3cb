"""Lists, timelines and the event feed over HTTP: pages, filters, order."""

from typing import Any

from tests.daylight import TODAY
from tests.http.answers import body_of, pages_of, position_of
from tests.http.conftest import LATER, Clients, usd


def test_a_timeline_is_every_event_page_by_page(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    client.paid(invoice_id, "1.00")
    path = f"/api/invoices/{invoice_id}/timeline"
    whole = body_of(client.get(path))
    assert [event["tag"] for event in whole["items"]] == [
        "invoice.drafted.v1",
        "invoice.sent.v1",
        "invoice.payment_received.v1",
    ]
    assert [event["version"] for event in whole["items"]] == [1, 2, 3]
    assert whole["items"][0]["data"]["lines"][0]["description"] == "Advice"
    assert whole["next_cursor"] is None
    assert pages_of(client, path, 2) == whole["items"]


def test_the_feed_is_the_tenants_log_without_gaps(clients: Clients) -> None:
    client = clients()
    client.paid(client.sent(), "1.00")
    whole = body_of(client.get("/api/events"))["items"]
    assert [event["tenant_seq"] for event in whole] == list(range(1, len(whole) + 1))
    assert whole[0]["stream"] == "tenant"
    seen: list[Any] = []
    while True:
        after = seen[-1]["tenant_seq"] if seen else 0
        page = body_of(client.get("/api/events", params={"after": after, "limit": 3}))
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        assert page["next_cursor"] == str(page["items"][-1]["tenant_seq"])
    assert seen == whole
    assert body_of(client.get("/api/events", params={"after": len(whole)}))["items"] == []


def test_customers_are_listed_by_reference(clients: Clients) -> None:
    client = clients()
    for reference in ("C-3", "C-1", "C-2"):
        customer_id = client.customer(reference=reference, name=f"Ann {reference}")
    client.paid(client.sent(customer_id), "130.00")
    client.sent(customer_id)
    now = position_of(client)
    listed = pages_of(client, "/api/customers", 2, min_position=now)
    assert [one["reference"] for one in listed] == ["C-1", "C-2", "C-3"]
    assert [one["name"] for one in listed] == ["Ann C-1", "Ann C-2", "Ann C-3"]
    second = listed[1]
    assert second["credit"] == [usd("30.00")]
    assert second["balances"] == [{"open": usd("100.00"), "overdue": usd("0.00")}]
    one = body_of(client.get("/api/customers", params={"reference": "C-3"}))
    assert [found["reference"] for found in one["items"]] == ["C-3"]
    rich = body_of(client.get("/api/customers", params={"with_credit": "true"}))
    assert [found["reference"] for found in rich["items"]] == ["C-2"]


def test_invoices_are_listed_and_filtered(clients: Clients) -> None:
    client = clients()
    ann, bob = client.customer(), client.customer()
    paid, sent = client.sent(ann, "10.00"), client.sent(ann, "20.00")
    draft = client.draft(bob, "30.00")
    client.paid(paid, "10.00")
    now = position_of(client)

    def found(**params: str) -> set[str]:
        return {one["id"] for one in pages_of(client, "/api/invoices", 2, **params)}

    assert found(min_position=now) == {paid, sent, draft}
    assert found(status="paid") == {paid}
    assert found(status="draft") == {draft}
    assert found(customer_id=ann) == {paid, sent}
    assert found(customer_id=ann, status="sent") == {sent}
    assert found(number="INV-000002") == {sent}
    assert found(due_from=LATER, due_to=LATER, currency="USD") == {paid, sent, draft}
    assert found(due_to=TODAY.isoformat()) == set()
    up = pages_of(client, "/api/invoices", 1)
    assert pages_of(client, "/api/invoices", 1, order="-due_on") == up[::-1]
    row = next(one for one in up if one["id"] == paid)
    assert (row["total"], row["paid"], row["open"]) == (usd("10.00"), usd("10.00"), usd("0.00"))


def test_payments_are_listed_and_filtered(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    first, second = client.paid(invoice_id, "10.00"), client.paid(invoice_id, "20.00")
    client.made(f"/api/payments/{second}/reverse", {"reason": "recalled"}, "r")
    now = position_of(client)
    listed = pages_of(client, "/api/payments", 1, min_position=now)
    assert {one["id"] for one in listed} == {first, second}
    received = body_of(client.get("/api/payments", params={"status": "received"}))["items"]
    assert [one["id"] for one in received] == [first]
    assert received[0]["allocations"] == [{"invoice_id": invoice_id, "amount": usd("10.00")}]
    shown = body_of(client.get(f"/api/payments/{first}"))
    assert {**shown, "version": received[0]["version"]} == received[0]
