"""What each route does when all goes well."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.daylight import ANOTHER_DAYS_ZONE, TODAY, today_in
from tests.http.conftest import LATER, Client, Clients, Service, usd


def body_of(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["Duebook-Position"]) > 0
    return answer.json()


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
    assert _pages(client, path, 2) == whole["items"]


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


def _pages(client: Client, path: str, limit: int, **params: Any) -> list[Any]:
    """Every item of a list, read in pages."""
    found: list[Any] = []
    wanted = {"limit": limit, **params}
    while True:
        page = body_of(client.get(path, params=wanted))
        assert len(page["items"]) <= limit
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        wanted["cursor"] = page["next_cursor"]


def test_reports_follow_the_books(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    client.paid(invoice_id, "40.00")
    position = client.get("/api/tenant").headers["Duebook-Position"]
    found = body_of(client.get("/api/reports/aging", params={"min_position": position}))
    assert found["as_of"] == TODAY.isoformat()
    assert found["currencies"][0]["total"] == {"count": 1, "amount": "60.00"}
    assert found["currencies"][0]["buckets"][0] == {
        "bucket": "current",
        "count": 1,
        "amount": "60.00",
    }
    totals = body_of(client.get("/api/reports/dashboard", params={"min_position": position}))
    assert totals["currencies"][0]["outstanding"] == {"count": 1, "amount": "60.00"}
    assert totals["currencies"][0]["paid_this_month"] == {"count": 1, "amount": "40.00"}


def test_the_trial_balance_follows_the_books(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    before = client.get("/api/events", params={"limit": 200}).json()["items"][-1]["recorded_at"]
    client.paid(invoice_id, "40.00")
    assert client.patch("/api/tenant", json={"chart": {"cash": "Assets:Bank:1"}}).status_code == 200
    position = client.get("/api/tenant").headers["Duebook-Position"]
    path = "/api/reports/trial-balance"
    (found,) = body_of(client.get(path, params={"min_position": position}))["currencies"]
    assert {one["name"]: one["balance"] for one in found["accounts"]} == {
        "Assets:Bank:1": "40.00",
        "Assets:Receivable:Principal": "60.00",
        "Liabilities:CustomerCredit": "0.00",
        "Income:Revenue": "-100.00",
    }
    assert found["debit"] == found["credit"] == "180.00"
    (known,) = body_of(client.get(path, params={"known_at": before}))["currencies"]
    assert [one["account"] for one in known["accounts"]] == ["receivable_principal", "revenue"]
    refused = client.patch("/api/tenant", json={"chart": {"cash": "no name"}})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "chart.cash")


def test_the_portfolio_says_what_is_missing_until_agreements_break_even(clients: Clients) -> None:
    """The figures of an agreement and of the portfolio, before and after a payment; of that instant."""
    one = clients()
    other = clients(one.tenant_id)
    assert body_of(one.get("/api/reports/portfolio"))["currencies"] == []
    agreement_id = one.agreement()
    other.made(f"/api/agreements/{agreement_id}/approve", {})
    made = one.made(f"/api/agreements/{agreement_id}/activate", {}, "now")
    one.paid(made["instalments"][0]["invoice_id"], "333.34")
    reached = {"min_position": one.get("/api/tenant").headers["Duebook-Position"]}
    began = datetime.now(UTC)
    found = body_of(one.get("/api/reports/portfolio", params=reached))
    assert found["currencies"] == [
        {
            "currency": "USD",
            "agreements": 1,
            "broken_even": 0,
            "lent": "1000.00",
            "paid": "333.34",
            "missing": "666.66",
        }
    ]
    assert began <= datetime.fromisoformat(found["computed_at"]) <= datetime.now(UTC)
    shown = one.get(f"/api/agreements/{agreement_id}").json()["break_even"]
    assert began <= datetime.fromisoformat(shown.pop("computed_at")) <= datetime.now(UTC)
    assert shown == {"lent": usd("1000.00"), "paid": usd("333.34"), "missing": usd("666.66")}


def test_reports_of_another_day_and_of_another_knowledge(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    before = client.get("/api/events", params={"limit": 200}).json()["items"][-1]["recorded_at"]
    client.paid(invoice_id, "40.00")
    params = {"as_of": TODAY.isoformat(), "known_at": before}
    found = body_of(client.get("/api/reports/aging", params=params))
    assert found["currencies"][0]["total"] == {"count": 1, "amount": "100.00"}
    assert found["known_at"] == before
    reached = {"min_position": client.get("/api/tenant").headers["Duebook-Position"]}
    yesterday = {"as_of": (TODAY - timedelta(days=1)).isoformat(), **reached}
    assert body_of(client.get("/api/reports/aging", params=yesterday))["currencies"] == []
    dashboard = body_of(client.get("/api/reports/dashboard", params=params))
    assert dashboard["currencies"][0]["paid_this_month"]["count"] == 0


def test_a_report_of_what_lies_ahead_is_refused(clients: Clients) -> None:
    client = clients()
    # First: an invoice of today in the other zone may be of tomorrow there.
    body_of(client.patch("/api/tenant", json={"timezone": ANOTHER_DAYS_ZONE}))
    customer_id = client.customer()
    invoice_id = client.sent(customer_id)
    now = datetime.now(UTC)
    today = today_in(ANOTHER_DAYS_ZONE)
    ahead = (today + timedelta(days=1)).isoformat()
    position = client.get("/api/tenant").headers["Duebook-Position"]
    for path in (
        "/api/reports/aging",
        "/api/reports/dashboard",
        "/api/reports/trial-balance",
        f"/api/customers/{customer_id}/statement",
        f"/api/invoices/{invoice_id}/explain",
    ):
        params = {"as_of": today.isoformat(), "min_position": position}
        body_of(client.get(path, params=params))
        refused = client.get(path, params={"as_of": ahead})
        assert refused.status_code == 422, path
        assert refused.json()["type"] == "/problems/as_of_in_future"
        assert refused.json()["errors"][0]["field"] == "as_of"
        for way in (f"/pay-off?on={ahead}", f"duebook day run --dry-run --date {ahead}"):
            assert way in refused.json()["detail"]
        soon, later = now + timedelta(seconds=30), now + timedelta(hours=1)
        body_of(client.get(path, params={"known_at": soon.isoformat()}))
        refused = client.get(path, params={"known_at": later.isoformat()})
        assert refused.status_code == 422, path
        assert refused.json()["type"] == "/problems/known_at_in_future"


@pytest.mark.parametrize(
    "params", [{"as_of": "yesterday"}, {"known_at": "2026-01-01T00:00:00"}, {"asof": "2026-01-01"}]
)
def test_a_misspelt_report_is_refused(clients: Clients, params: dict[str, str]) -> None:
    for report in ("aging", "dashboard"):
        answer = clients().get(f"/api/reports/{report}", params=params)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == next(iter(params))


def test_a_statement_opens_and_closes(clients: Clients) -> None:
    client = clients()
    customer_id = client.customer()
    invoice_id = client.sent(customer_id)
    client.paid(invoice_id, "140.00")
    position = client.get("/api/tenant").headers["Duebook-Position"]
    path = f"/api/customers/{customer_id}/statement"
    found = body_of(client.get(path, params={"min_position": position}))
    assert (found["from_on"], found["to_on"]) == (None, TODAY.isoformat())
    (usd_part,) = found["currencies"]
    assert [(one["kind"], one["amount"], one["balance"]) for one in usd_part["entries"]] == [
        ("invoice", "100.00", "100.00"),
        ("payment", "-100.00", "0.00"),
    ]
    assert (usd_part["closing"], usd_part["unapplied_credit"]) == ("0.00", "40.00")
    tomorrow = (TODAY + timedelta(days=1)).isoformat()
    backwards = client.get(path, params={"from_on": tomorrow, "as_of": TODAY.isoformat()})
    assert backwards.status_code == 422
    assert backwards.json()["type"] == "/problems/period_ends_before_it_begins"
    nobody = client.get("/api/customers/00000000-0000-4000-8000-000000000000/statement")
    assert nobody.status_code == 404


def position_of(client: Client) -> str:
    return client.get("/api/tenant").headers["Duebook-Position"]


def test_customers_are_listed_by_reference(clients: Clients) -> None:
    client = clients()
    for reference in ("C-3", "C-1", "C-2"):
        customer_id = client.customer(reference=reference, name=f"Ann {reference}")
    client.paid(client.sent(customer_id), "130.00")
    client.sent(customer_id)
    now = position_of(client)
    listed = _pages(client, "/api/customers", 2, min_position=now)
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
        return {one["id"] for one in _pages(client, "/api/invoices", 2, **params)}

    assert found(min_position=now) == {paid, sent, draft}
    assert found(status="paid") == {paid}
    assert found(status="draft") == {draft}
    assert found(customer_id=ann) == {paid, sent}
    assert found(customer_id=ann, status="sent") == {sent}
    assert found(number="INV-000002") == {sent}
    assert found(due_from=LATER, due_to=LATER, currency="USD") == {paid, sent, draft}
    assert found(due_to=TODAY.isoformat()) == set()
    up = _pages(client, "/api/invoices", 1)
    assert _pages(client, "/api/invoices", 1, order="-due_on") == up[::-1]
    row = next(one for one in up if one["id"] == paid)
    assert (row["total"], row["paid"], row["open"]) == (usd("10.00"), usd("10.00"), usd("0.00"))


def test_payments_are_listed_and_filtered(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    first, second = client.paid(invoice_id, "10.00"), client.paid(invoice_id, "20.00")
    client.made(f"/api/payments/{second}/reverse", {"reason": "recalled"}, "r")
    now = position_of(client)
    listed = _pages(client, "/api/payments", 1, min_position=now)
    assert {one["id"] for one in listed} == {first, second}
    received = body_of(client.get("/api/payments", params={"status": "received"}))["items"]
    assert [one["id"] for one in received] == [first]
    assert received[0]["allocations"] == [{"invoice_id": invoice_id, "amount": usd("10.00")}]
    shown = body_of(client.get(f"/api/payments/{first}"))
    assert {**shown, "version": received[0]["version"]} == received[0]


def test_a_business_day_is_run_once(service: Service, clients: Clients) -> None:
    client = clients()
    path = f"/api/days/{TODAY.isoformat()}/run"
    first = body_of(client.post(path))
    assert (first["day"], first["ran"]) == (TODAY.isoformat(), True)
    assert [step["step"] for step in first["steps"]] == ["overdue", "mora"]
    again = body_of(client.post(path, json={}, headers={"Idempotency-Key": "d1"}))
    assert again == {**first, "ran": False}
    listed = body_of(client.get("/api/days", params={"min_position": position_of(client)}))
    assert [(day["day"], day["status"]) for day in listed["items"]] == [
        (TODAY.isoformat(), "closed")
    ]
    assert listed["items"][0]["steps"] == first["steps"]
    closed = body_of(client.get("/api/days", params={"status": "closed", "day_to": LATER}))
    assert len(closed["items"]) == 1
    assert body_of(client.get("/api/days", params={"status": "open"}))["items"] == []


@pytest.mark.parametrize(("days", "code"), [(1, "day_not_come"), (-1, "before_clock_start")])
def test_days_are_run_in_their_turn(clients: Clients, days: int, code: str) -> None:
    day = (TODAY + timedelta(days=days)).isoformat()
    answer = clients().post(f"/api/days/{day}/run")
    assert answer.status_code == 422
    assert answer.json()["type"] == f"/problems/{code}"


def test_a_clock_that_another_runs_is_waited_for(
    service: Service, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.http.routes.days.CLOCK_WAIT_SECONDS", 0.6)
    client = clients()
    path = f"/api/days/{TODAY.isoformat()}/run"
    lease = service.books.clock.acquire("another runner")
    busy = client.post(path)
    assert busy.status_code == 409
    assert busy.json()["type"] == "/problems/clock_busy"
    assert busy.headers["Retry-After"] == "2"
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.post, path)
        time.sleep(0.2)
        service.books.clock.release(lease)
        assert waiting.result().status_code == 200


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


def test_every_cent_is_explained(service: Service, clients: Clients) -> None:
    client = clients()
    client.made("/api/fee-policies", {"late_fee": "2%", "mora": "1%/month"})
    invoice_id = client.sent()
    client.paid(invoice_id, "40.00")
    path = f"/api/invoices/{invoice_id}/explain"
    found = body_of(client.get(path))
    assert found["open"] == usd("60.00")
    principal = found["components"][0]
    assert (principal["component"], principal["charged"]) == ("principal", usd("100.00"))
    assert (principal["paid"], principal["open"]) == (usd("40.00"), usd("60.00"))
    assert [change["paid"] for change in principal["changes"]] == [
        usd("0.00"),
        usd("40.00"),
    ]
    yesterday = (TODAY - timedelta(days=1)).isoformat()
    nothing = client.get(path, params={"as_of": yesterday})
    assert nothing.status_code == 404
    assert nothing.json()["type"] == "/problems/nothing_to_explain"


def test_a_quote_says_what_settles_an_invoice(clients: Clients) -> None:
    client = clients()
    body_of(client.patch("/api/tenant", json={"calendar": "none"}))
    client.made("/api/fee-policies", {"late_fee": "2%", "mora": "1%/month"})
    invoice_id = client.sent(price="500.00")
    path = f"/api/invoices/{invoice_id}/pay-off"
    position = position_of(client)
    due_on = date.fromisoformat(LATER)
    nothing = usd("0.00")
    today = body_of(client.get(path))
    assert today == {
        "invoice_id": invoice_id,
        "number": "INV-000001",
        "on": TODAY.isoformat(),
        "status": "sent",
        "components": {
            "principal": usd("500.00"),
            "late_fee": nothing,
            "mora": nothing,
            "other_fees": nothing,
            "total": usd("500.00"),
        },
        "total": usd("500.00"),
        "valid_on": TODAY.isoformat(),
        "later": {
            "from_on": (due_on + timedelta(days=1)).isoformat(),
            "first_day_adds": usd("10.17"),
            "each_day_adds": usd("0.17"),
        },
    }
    late = body_of(client.get(path, params={"on": (due_on + timedelta(days=10)).isoformat()}))
    assert (late["status"], late["total"]) == ("overdue", usd("511.67"))
    assert late["components"]["mora"] == usd("1.67")
    for on, code in (
        (TODAY - timedelta(days=2), "pay_off_in_past"),
        (TODAY + timedelta(days=3_665), "pay_off_too_far"),
    ):
        refused = client.get(path, params={"on": on.isoformat()})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "on")
        assert refused.json()["type"] == f"/problems/{code}"
    assert position_of(client) == position
    assert body_of(client.get(f"/api/invoices/{invoice_id}"))["status"] == "sent"
    client.paid(invoice_id, today["total"]["amount"])
    paid = body_of(client.get(path))
    assert (paid["status"], paid["total"], paid["later"]) == ("paid", nothing, None)
    assert clients().get(path).status_code == 404
