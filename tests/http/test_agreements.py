"""Agreements over HTTP: who may do what, races, and what 600 instalments come to."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.daylight import TODAY
from tests.http.conftest import LATER, Client, Clients, usd


class Pair:
    """Two people of one tenant: `one` asks and acts, `other` decides."""

    def __init__(self, clients: Clients) -> None:
        self.one: Client = clients()
        self.other: Client = clients(self.one.tenant_id)
        self.clients = clients

    def approved(self, **terms: Any) -> str:
        agreement_id = self.one.agreement(**terms)
        self.other.made(f"/api/agreements/{agreement_id}/approve", {})
        return agreement_id

    def lent(self, **terms: Any) -> dict[str, Any]:
        agreement_id = self.approved(**terms)
        return self.one.made(f"/api/agreements/{agreement_id}/activate", {}, uuid4().hex)


@pytest.fixture
def pair(clients: Clients) -> Pair:
    return Pair(clients)


def code(answer: Any) -> str:
    return str(answer.json()["type"].rpartition("/")[2])


def test_from_the_request_to_the_last_payment(pair: Pair) -> None:
    agreement_id = pair.one.agreement(schedule="price", count=2, rate="2%/month", notes="a secret")
    asked = pair.one.get(f"/api/agreements/{agreement_id}").json()
    assert (asked["status"], asked["notes"], asked["instalments"]) == ("requested", "a secret", [])
    refused = pair.one.post(f"/api/agreements/{agreement_id}/approve", json={})
    assert (refused.status_code, code(refused)) == (422, "same_actor")
    pair.other.made(f"/api/agreements/{agreement_id}/approve", {})
    made = pair.one.made(f"/api/agreements/{agreement_id}/activate", {}, "now")
    assert made["status"] == "active"
    parts = made["instalments"]
    assert [(one["principal"]["amount"], one["interest"]["amount"]) for one in parts] == [
        ("495.05", "20.00"),
        ("504.95", "10.10"),
    ]
    invoice = pair.one.get(f"/api/invoices/{parts[1]['invoice_id']}").json()
    assert [line["description"] for line in invoice["lines"]] == [
        "Instalment 2 of 2: principal",
        "Instalment 2 of 2: interest",
    ]
    assert invoice["instalment"]["agreement_id"] == agreement_id
    for part in parts:
        pair.one.paid(part["invoice_id"], part["open"]["amount"])
    paid = pair.one.get(f"/api/agreements/{agreement_id}").json()
    assert paid["status"] == "paid"
    assert paid["totals"] == {
        "charged": usd("1030.10"),
        "paid": usd("1030.10"),
        "forgiven": usd("0.00"),
        "open": usd("0.00"),
        "overdue": usd("0.00"),
    }


@pytest.mark.parametrize(("days", "interest"), [(45, "30.00"), (10, "6.67")])
def test_a_first_period_pro_rata(pair: Pair, days: int, interest: str) -> None:
    terms = {"schedule": "price", "count": 6, "rate": "2%/month", "principal": usd("1000.00")}
    first_due_on = (TODAY + timedelta(days=days)).isoformat()
    made = pair.lent(**terms, first_due_on=first_due_on, first_period="pro_rata")
    assert made["first_period"] == "pro_rata"
    first, second, *_ = made["instalments"]
    assert first["principal"] == usd("158.53")
    assert first["interest"] == usd(interest)
    assert second["open"] == usd("178.53")
    assert pair.lent(**terms)["instalments"][0]["interest"] == usd("20.00")


def test_a_term_that_is_too_long_names_the_longest(pair: Pair) -> None:
    body = {"schedule": "price", "count": 600, "rate": "1%/month", "principal": usd("500.00")}
    refused = pair.one.post("/api/agreements", json=pair.one.agreement_body(**body))
    assert (refused.status_code, code(refused)) == (422, "term_too_long")
    assert "at most 557" in refused.json()["detail"]
    assert pair.lent(**(body | {"count": 557}))["count"] == 557


def test_a_pay_off_is_quoted_for_a_day(pair: Pair) -> None:
    first = TODAY + timedelta(days=30)
    terms = {"schedule": "price", "count": 6, "rate": "2%/month", "principal": usd("1000.00")}
    lent = pair.lent(**terms, first_due_on=first.isoformat())
    assert lent["early_pay_off"] == "actuarial"
    path = f"/api/agreements/{lent['id']}/pay-off"
    quote = pair.one.get(path, params={"on": first.isoformat()}).json()
    assert (quote["on"], quote["holds_until"]) == (first.isoformat(), first.isoformat())
    assert quote["open"] == usd("1071.16")
    assert quote["total"] == usd("1020.01")
    assert [one["interest_returned"]["amount"] for one in quote["instalments"]] == [
        *("0.00", "16.82", "13.60", "10.30", "6.93", "3.50")
    ]
    assert pair.one.get(path).json()["total"] == usd("1000.01")
    for days in (-1, 366):
        on = (TODAY + timedelta(days=days)).isoformat()
        refused = pair.one.get(path, params={"on": on})
        assert (refused.status_code, code(refused)) == (422, "pay_off_day_out_of_range")
    asked = pair.one.agreement()
    refused = pair.one.get(f"/api/agreements/{asked}/pay-off")
    assert (refused.status_code, code(refused)) == (422, "not_active")
    other = pair.clients()
    assert other.get(path).status_code == 404


@pytest.mark.parametrize("step", ["activate", "renegotiate"])
def test_money_is_moved_under_a_key_only(pair: Pair, step: str) -> None:
    agreement_id = pair.approved()
    body = {"reason": "x", "schedule": "equal", "count": 1, "first_due_on": LATER}
    answer = pair.one.post(
        f"/api/agreements/{agreement_id}/{step}", json=body if step == "renegotiate" else {}
    )
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Idempotency-Key")


def test_an_auditor_reads_only(pair: Pair) -> None:
    agreement_id = pair.approved()
    auditor = pair.clients(pair.one.tenant_id, "auditor")
    assert auditor.get(f"/api/agreements/{agreement_id}").status_code == 200
    assert auditor.get("/api/agreements").status_code == 200
    for path in ("", *(f"/{agreement_id}/{step}" for step in ("approve", "activate", "lose"))):
        answer = auditor.post(
            f"/api/agreements{path}", json={}, headers={"Idempotency-Key": uuid4().hex}
        )
        assert answer.status_code == 403


def test_two_activations_at_once_make_one_set_of_instalments(pair: Pair) -> None:
    """With one key, all are answered alike; with keys of their own, all but one are refused."""
    for keys in (["same"] * 8, [f"key {n}" for n in range(8)]):
        agreement_id = pair.approved()
        path = f"/api/agreements/{agreement_id}/activate"

        def activate(key: str, path: str = path) -> Any:
            return pair.one.post(path, json={}, headers={"Idempotency-Key": key + path})

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(activate, keys))
        good = [answer for answer in answers if answer.status_code == 200]
        assert len({answer.content for answer in good}) == 1
        assert {code(one) for one in answers if one not in good} <= {
            "not_approved",
            "still_running",
        }
        assert keys[0] == keys[1] or len(good) == 1
        invoices = {part["invoice_id"] for part in good[0].json()["instalments"]}
        assert len(invoices) == 3
        sent = _events_of(pair.one, invoices)
        assert sent.count("invoice.drafted.v1") == sent.count("invoice.sent.v1") == 3
    numbers = _numbers(pair.one)
    assert numbers == [f"INV-{n:06}" for n in range(1, 7)]


def test_two_renegotiations_at_once_make_one_successor(pair: Pair) -> None:
    agreement_id = pair.lent()["id"]
    body = {"reason": "less pay", "schedule": "equal", "count": 5, "first_due_on": LATER}

    def renegotiate(n: int) -> Any:
        return pair.one.post(
            f"/api/agreements/{agreement_id}/renegotiate",
            json=body,
            headers={"Idempotency-Key": f"{agreement_id} {n}"},
        )

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(renegotiate, range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 5
    (good,) = [answer.json() for answer in answers if answer.status_code == 200]
    before = pair.one.get(f"/api/agreements/{agreement_id}").json()
    assert (before["status"], before["successor_id"]) == ("renegotiated", good["id"])
    assert before["totals"]["open"] == usd("0.00")
    assert good["totals"]["open"] == usd("1000.00")


def test_an_instalment_is_not_changed_by_itself(pair: Pair) -> None:
    part = pair.lent()["instalments"][0]
    path = f"/api/invoices/{part['invoice_id']}"
    for step in ("void", "cancel"):
        answer = pair.one.post(f"{path}/{step}", json={"reason": "a slip"})
        assert (answer.status_code, code(answer)) == (422, "belongs_to_agreement")
    answer = pair.one.patch(path, json={"notes": "other"})
    assert (answer.status_code, code(answer)) == (422, "not_a_draft")
    later = (TODAY + timedelta(days=40)).isoformat()
    assert pair.one.patch(path, json={"due_on": later}).status_code == 200


def test_six_hundred_instalments(pair: Pair) -> None:
    """Fifty years of months, generated, shown, renegotiated and given up, each in one append."""
    terms = {"schedule": "price", "count": 600, "rate": "0.5%/month", "principal": usd("500000.00")}
    agreement_id = pair.approved(**terms)
    began = time.perf_counter()
    made = pair.one.made(f"/api/agreements/{agreement_id}/activate", {}, uuid4().hex)
    activated_s = time.perf_counter() - began
    assert len(made["instalments"]) == 600
    assert made["totals"]["open"] == made["totals"]["charged"]
    began = time.perf_counter()
    shown = pair.one.get(f"/api/agreements/{agreement_id}").json()
    shown_s = time.perf_counter() - began
    assert shown | {"break_even": None} == made | {"break_even": None}
    pair.one.paid(made["instalments"][0]["invoice_id"], made["instalments"][0]["open"]["amount"])
    body = {"reason": "moved", "schedule": "sac", "count": 600, "rate": "0.4%/month"}
    began = time.perf_counter()
    after = pair.one.made(
        f"/api/agreements/{agreement_id}/renegotiate",
        {**body, "first_due_on": LATER},
        uuid4().hex,
    )
    renegotiated_s = time.perf_counter() - began
    assert after["original"] == usd("500000.00")
    assert sum(_cents(one["mora_base"]) for one in after["instalments"]) == 50_000_000
    began = time.perf_counter()
    lost = pair.one.made(f"/api/agreements/{after['id']}/lose", {"reason": "bankrupt"})
    lost_s = time.perf_counter() - began
    assert lost["totals"]["open"] == usd("0.00")
    print(
        f"600 instalments: activated in {activated_s:.2f} s, shown in {shown_s:.2f} s, "
        f"renegotiated in {renegotiated_s:.2f} s, lost in {lost_s:.2f} s"
    )
    assert max(activated_s, shown_s, renegotiated_s, lost_s) < 10


def _cents(money: dict[str, str]) -> int:
    return int(money["amount"].replace(".", ""))


def _events_of(client: Client, streams: set[str]) -> list[str]:
    events = client.get("/api/events", params={"limit": 200}).json()["items"]
    return [event["tag"] for event in events if event["stream_id"] in streams]


def _numbers(client: Client) -> list[str]:
    events = client.get("/api/events", params={"limit": 200}).json()["items"]
    return sorted(event["data"]["number"] for event in events if event["tag"] == "invoice.sent.v1")


def test_an_agreement_is_paid_off_early(pair: Pair) -> None:
    """Today 1,000.01 settles six instalments of 1,071.16 in all: 71.15 of their interest is never earned."""
    terms = {"schedule": "price", "count": 6, "rate": "2%/month", "principal": usd("1000.00")}
    lent = pair.lent(**terms)
    path = f"/api/agreements/{lent['id']}/pay-off"
    assert pair.one.get(path).json()["total"] == usd("1000.01")
    key = {"Idempotency-Key": uuid4().hex}
    for amount, problem in (
        (usd("1000.00"), "pay_off_too_low"),
        ({"amount": "1000.01", "currency": "EUR"}, "currency_differs"),
    ):
        refused = pair.one.post(path, json={"amount": amount}, headers=key)
        assert (refused.status_code, code(refused)) == (422, problem)
    assert pair.one.post(path, json={"amount": usd("1000.01")}).status_code == 400  # without a key
    paid = pair.one.made(path, {"amount": usd("1000.01"), "reference": "all"}, uuid4().hex)
    assert (paid["agreement"]["status"], paid["interest_returned"]) == ("paid", usd("71.15"))
    assert paid["payment"]["unapplied"] == usd("0.00")
    assert paid["agreement"]["totals"] == {
        "charged": usd("1071.16"),
        "paid": usd("1000.01"),
        "forgiven": usd("71.15"),
        "open": usd("0.00"),
        "overdue": usd("0.00"),
    }
    again = pair.one.post(
        path, json={"amount": usd("1.00")}, headers={"Idempotency-Key": uuid4().hex}
    )
    assert (again.status_code, code(again)) == (422, "not_active")
    # After the last due date nothing is left of it in the books but a cent of interest that was earned.
    assert _balances(pair.one) == {
        "cash": 100_001 - 100_000,
        "interest_income": -1,
    }


def test_more_than_pays_an_agreement_off_is_credit(pair: Pair) -> None:
    terms = {"schedule": "price", "count": 6, "rate": "2%/month", "principal": usd("1000.00")}
    customer_id = pair.one.customer()
    lent = pair.lent(customer_id=customer_id, **terms)
    path = f"/api/agreements/{lent['id']}/pay-off"
    paid = pair.one.made(path, {"amount": usd("1010.00")}, uuid4().hex)
    assert (paid["agreement"]["status"], paid["payment"]["unapplied"]) == ("paid", usd("9.99"))
    assert pair.one.get(f"/api/customers/{customer_id}").json()["credit"] == [usd("9.99")]
    # Reversed, what it paid is open again; the interest that was given back is not.
    reverse = f"/api/payments/{paid['payment']['id']}/reverse"
    pair.one.made(reverse, {"reason": "returned"}, uuid4().hex)
    after = pair.one.get(f"/api/agreements/{lent['id']}").json()
    assert (after["status"], after["totals"]["open"]) == ("active", usd("1000.01"))


def _balances(client: Client) -> dict[str, int]:
    """What every account holds at the end of all days, those to come too, in minor units."""
    position = client.get("/api/tenant").headers["Duebook-Position"]
    reached = client.get("/api/reports/trial-balance", params={"min_position": position})
    assert reached.status_code == 200, reached.text
    with client.service.books.reading(client.tenant_id) as connection:
        rows = connection.execute(
            "SELECT account, sum(debit_minor - credit_minor)::bigint FROM journal_totals GROUP BY account"
        ).fetchall()
    return {account: minor for account, minor in rows if minor}
