"""Reports, statements and explanations over HTTP: today, on another day, as it was known then."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.daylight import ANOTHER_DAYS_ZONE, TODAY, today_in
from tests.http.answers import body_of, position_of
from tests.http.conftest import LATER, Clients, Service, usd


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
