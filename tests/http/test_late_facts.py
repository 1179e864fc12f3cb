"""Facts that come late or in part, over HTTP: reallocation, partial reversals, effective dates, reference rates."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.daylight import TODAY
from tests.http.conftest import LATER, Client, Clients, usd
from tests.http.test_agreements import Pair, code

FAR = (TODAY + timedelta(days=40)).isoformat()


def ago(days: int) -> str:
    return (TODAY - timedelta(days=days)).isoformat()


def post(client: Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return client.made(path, body, uuid4().hex)


def refused(client: Client, path: str, body: dict[str, Any]) -> str:
    answer = client.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
    assert answer.status_code == 422, answer.text
    return code(answer)


def invoice(client: Client, invoice_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/invoices/{invoice_id}").json()
    return found


def sent_ago(
    client: Client, days: int, due: int, customer_id: str | None = None, price: str = "100.00"
) -> str:
    """An invoice that was issued and fell due so many days ago."""
    body = {
        "customer_id": customer_id or client.customer(),
        "due_on": ago(due),
        "lines": [{"description": "Advice", "quantity": "1", "unit_price": price}],
    }
    invoice_id = str(client.made("/api/invoices", body)["id"])
    client.made(f"/api/invoices/{invoice_id}/send", {"issued_on": ago(days)})
    return invoice_id


def credit_of(client: Client, customer_id: str) -> Any:
    return client.get(f"/api/customers/{customer_id}").json()["credit"]


def test_a_payment_is_reallocated(clients: Clients) -> None:
    client = clients()
    customer_id = client.customer()
    first, second = client.sent(customer_id), client.sent(customer_id)
    payment_id = client.paid(first, "100.00")
    path = f"/api/payments/{payment_id}/reallocate"
    meant = {"invoice_id": second, "amount": usd("60.00")}
    moved = post(client, path, {"reason": "meant for the other", "allocations": [meant]})
    assert (moved["allocations"], moved["unapplied"]) == ([meant], usd("40.00"))
    assert [invoice(client, one)["open"] for one in (first, second)] == [
        usd("100.00"),
        usd("40.00"),
    ]
    assert credit_of(client, customer_id) == [usd("40.00")]
    more = [
        {"invoice_id": second, "amount": usd("90.00")},
        {"invoice_id": first, "amount": usd("10.00")},
    ]
    moved = post(client, path, {"reason": "in part", "allocations": more})
    assert (moved["allocations"], moved["unapplied"]) == (more, usd("0.00"))
    assert [invoice(client, one)["open"] for one in (first, second)] == [usd("90.00"), usd("10.00")]
    none = post(client, path, {"reason": "for none", "allocations": []})
    assert (none["allocations"], none["unapplied"]) == ([], usd("100.00"))
    assert [invoice(client, one)["open"] for one in (first, second)] == [usd("100.00")] * 2
    assert credit_of(client, customer_id) == [usd("100.00")]


def test_a_reallocation_is_refused(clients: Clients) -> None:
    client = clients()
    customer_id = client.customer()
    first, second, draft = client.sent(customer_id), client.sent(customer_id), client.draft()
    void = client.sent(customer_id)
    client.made(f"/api/invoices/{void}/void", {"reason": "a slip"})
    payment_id = client.paid(first, "140.00")
    refund = {"customer_id": customer_id, "reason": "asked", "currency": "USD"}
    post(client, "/api/refunds", refund)
    path = f"/api/payments/{payment_id}/reallocate"

    def to(invoice_id: str, amount: str, reason: str = "meant for it") -> str:
        part = {"invoice_id": invoice_id, "amount": usd(amount)}
        return refused(client, path, {"reason": reason, "allocations": [part]})

    assert to(second, "100.01") == "over_reallocated"
    assert to(second, "150.00") == "over_allocated"
    assert to(second, "10.00", reason=" ") == "reason_missing"
    assert to(void, "10.00") == "not_open"
    assert to(draft, "10.00") == "several_customers"
    assert invoice(client, first)["status"] == "paid"
    post(client, f"/api/payments/{payment_id}/reverse", {"reason": "recalled"})
    assert to(second, "10.00") == "already_reversed"


def test_a_payment_is_reversed_part_by_part(clients: Clients) -> None:
    """120.00 on a debt of 100.00: what it offers to no invoice goes first."""
    client = clients()
    customer_id = client.customer()
    invoice_id = client.sent(customer_id)
    payment_id = client.paid(invoice_id, "120.00")
    path = f"/api/payments/{payment_id}"
    back = post(client, f"{path}/reverse", {"reason": "a part", "amount": usd("30.00")})
    assert (back["status"], back["reversed"], back["unapplied"]) == (
        "received",
        usd("30.00"),
        usd("0.00"),
    )
    assert (invoice(client, invoice_id)["open"], credit_of(client, customer_id)) == (
        usd("10.00"),
        [],
    )
    back = post(client, f"{path}/charge-back", {"reason": "recalled", "amount": usd("50.00")})
    assert (back["charged_back"], back["reversed"]) == (usd("50.00"), usd("30.00"))
    assert back["allocations"] == [{"invoice_id": invoice_id, "amount": usd("40.00")}]
    assert invoice(client, invoice_id)["open"] == usd("60.00")
    over = {"reason": "too much", "amount": usd("40.01")}
    for step in ("reverse", "charge-back"):
        assert refused(client, f"{path}/{step}", over) == "over_reversed"
    back = post(client, f"{path}/reverse", {"reason": "the rest"})
    assert (back["status"], back["reversed"], back["allocations"]) == (
        "reversed",
        usd("70.00"),
        [],
    )
    assert invoice(client, invoice_id)["open"] == usd("100.00")
    assert refused(client, f"{path}/reverse", {"reason": "again"}) == "already_reversed"


def test_a_part_is_written_off_and_recovered_last(clients: Clients) -> None:
    client = clients()
    invoice_id = sent_ago(client, 5, -30)
    path = f"/api/invoices/{invoice_id}"
    some = {"reason": "a settlement", "amount": usd("40.00"), "effective_on": ago(2)}
    forgiven = post(client, f"{path}/write-off", some)
    assert (forgiven["status"], forgiven["written_off"], forgiven["open"]) == (
        "sent",
        usd("40.00"),
        usd("60.00"),
    )
    over = {"reason": "all", "amount": usd("60.01")}
    assert refused(client, f"{path}/write-off", over) == "over_written_off"
    client.paid(invoice_id, "80.00")
    after = invoice(client, invoice_id)
    assert (after["status"], after["written_off"], after["open"]) == (
        "written_off",
        usd("20.00"),
        usd("0.00"),
    )
    client.paid(invoice_id, "20.00")
    assert invoice(client, invoice_id)["status"] == "paid"


DATED: dict[str, dict[str, Any]] = {
    "fees": {"amount": usd("5.00"), "description": "a letter"},
    "waivers": {"component": "principal", "reason": "goodwill", "amount": usd("1.00")},
    "write-off": {"reason": "insolvent", "amount": usd("1.00")},
    "credit-notes": {"reason": "not delivered", "amount": usd("1.00")},
    "dispute": {"reason": "half is missing"},
    "promise": {"promised_on": LATER},
}


@pytest.mark.parametrize("step", DATED)
def test_it_takes_effect_on_the_day_that_is_given(clients: Clients, step: str) -> None:
    client = clients()
    path = f"/api/invoices/{sent_ago(client, 20, -20)}"
    body = DATED[step]
    tomorrow = (TODAY + timedelta(days=1)).isoformat()
    too_late = refused(client, f"{path}/{step}", {**body, "effective_on": tomorrow})
    assert too_late == "effective_in_future"
    too_early = refused(client, f"{path}/{step}", {**body, "effective_on": ago(21)})
    assert too_early == "effective_too_early"
    post(client, f"{path}/{step}", {**body, "effective_on": ago(20)})
    events = client.get("/api/events", params={"limit": 200}).json()["items"]
    assert events[-1]["effective_on"] == ago(20)
    told = [client.get(f"{path}/explain", params={"as_of": ago(day)}).json() for day in (0, 20)]
    assert told[0]["open"] == told[1]["open"]
    assert told[0]["disputes"] == told[1]["disputes"]


def test_the_end_of_a_dispute_has_its_day(clients: Clients) -> None:
    client = clients()
    client.patch("/api/tenant", json={"dispute_holds_interest": True})
    path = f"/api/invoices/{sent_ago(client, 20, -20)}/dispute"
    post(client, path, {"reason": "half is missing", "effective_on": ago(10)})
    tomorrow = (TODAY + timedelta(days=1)).isoformat()
    body = {"outcome": "accepted", "reason": "not delivered"}
    for on, problem in (
        (tomorrow, "effective_in_future"),
        (ago(11), "resolved_too_early"),
        (ago(21), "effective_too_early"),
    ):
        assert refused(client, f"{path}/resolve", {**body, "effective_on": on}) == problem
    assert post(client, f"{path}/resolve", {**body, "effective_on": ago(10)})["dispute"] is None
    again = {"reason": "the other half", "effective_on": ago(12)}
    assert refused(client, path, again) == "disputes_overlap"


def test_a_due_date_is_moved_on_a_day(clients: Clients) -> None:
    """Due ten days ago at 12% a year: moved ahead on an earlier day, nothing of it was ever late."""
    client = clients()
    client.patch("/api/tenant", json={"calendar": "none"})
    policy = {"late_fee": "2%", "mora": "36.5%/year", "day_count": "365"}
    client.made("/api/fee-policies", policy)
    invoice_id = sent_ago(client, 20, 10)
    path = f"/api/invoices/{invoice_id}"
    fee = {"amount": usd("1.00"), "description": "a letter"}
    # ten days at 0.10 and 2.00 once, brought up to date by the fee
    assert post(client, f"{path}/fees", fee)["open"] == usd("104.00")
    tomorrow = (TODAY + timedelta(days=1)).isoformat()
    for on, problem in ((tomorrow, "effective_in_future"), (ago(21), "effective_too_early")):
        body = {"due_on": FAR, "reason": "agreed", "effective_on": on}
        answer = client.patch(path, json=body)
        assert (answer.status_code, code(answer)) == (422, problem)
    moved = client.patch(path, json={"due_on": FAR, "reason": "agreed", "effective_on": ago(15)})
    assert moved.status_code == 200
    after = moved.json()
    assert (after["due_on"], after["status"], after["open"]) == (FAR, "sent", usd("101.00"))
    told = client.get(f"{path}/explain", params={"as_of": ago(5)}).json()
    assert (told["open"], told["status"]) == (usd("100.00"), "sent")


def test_credit_is_applied_on_a_day(clients: Clients) -> None:
    client = clients()
    customer_id = client.customer()
    first = sent_ago(client, 20, -20, customer_id)
    payment = {"invoice_id": first, "amount": usd("150.00"), "received_on": ago(15)}
    payment_id = post(client, "/api/payments", payment)["id"]
    second = sent_ago(client, 10, -20, customer_id)
    tomorrow = (TODAY + timedelta(days=1)).isoformat()
    by_payment = f"/api/payments/{payment_id}/apply"
    by_customer = f"/api/customers/{customer_id}/apply-credit"
    assert refused(client, by_payment, {"effective_on": tomorrow}) == "effective_in_future"
    credit = {"currency": "USD", "effective_on": tomorrow}
    assert refused(client, by_customer, credit) == "effective_in_future"
    some = {"amount": usd("20.00"), "effective_on": ago(5)}
    post(client, by_payment, some)
    # it counts from the issue date, however early it is said to be
    post(client, by_customer, {"currency": "USD", "effective_on": ago(14)})
    opened = [
        client.get(f"/api/invoices/{second}/explain", params={"as_of": ago(day)}).json()["open"]
        for day in (10, 6, 5, 0)
    ]
    assert opened == [usd("70.00"), usd("70.00"), usd("50.00"), usd("50.00")]


def test_the_clock_learns_of_a_reference_rate_that_was_entered_late(clients: Clients) -> None:
    """36,500.00 at 12% a year are 12.00 a day, at 13% are 13.00 from the tenth day back on."""
    client = clients()
    client.patch("/api/tenant", json={"calendar": "none"})
    rate = {"name": "ecb", "from_on": ago(60), "rate": "4%/year"}
    client.made("/api/reference-rates", rate)
    policy = {"mora": "8%/year", "mora_reference": "ecb", "day_count": "365"}
    client.made("/api/fee-policies", policy)
    invoice_id = sent_ago(client, 40, 30, price="36500.00")
    path = f"/api/invoices/{invoice_id}"
    fee = {"amount": usd("1.00"), "description": "a letter"}
    assert post(client, f"{path}/fees", fee)["charged"]["mora"] == usd("360.00")
    before = client.get("/api/events", params={"limit": 200}).json()["items"][-1]["recorded_at"]
    client.made("/api/reference-rates", {"name": "ecb", "from_on": ago(10), "rate": "5%/year"})
    assert invoice(client, invoice_id)["charged"]["mora"] == usd("360.00")
    client.made(f"/api/days/{TODAY}/run", {})
    # 20 days through the day before the eleventh back are 19 at 12.00; ten days back and today make eleven at 13.00
    after = invoice(client, invoice_id)
    assert after["charged"]["mora"] == usd("371.00")

    def mora(**axes: str) -> str:
        told = client.get(f"{path}/explain", params=axes).json()
        found = {one["component"]: one for one in told["components"]}["mora"]
        return str(found["charged"]["amount"])

    assert [mora(as_of=ago(day)) for day in (11, 10, 1)] == ["228.00", "241.00", "358.00"]
    assert mora(as_of=ago(1), known_at=before) == "348.00"
    tags = [one["tag"] for one in client.get("/api/events", params={"limit": 200}).json()["items"]]
    recalculated = tags.index("invoice.recalculated.v1")
    assert tags[recalculated - 1] == "invoice.reference_rate_applied.v1"


def test_what_an_agreement_took_over_keeps_its_terms_when_it_opens_again(clients: Clients) -> None:
    pair = Pair(clients)
    client = pair.one
    customer_id = client.customer()
    invoice_id = sent_ago(client, 5, -30, customer_id)
    payment = {"invoice_id": invoice_id, "amount": usd("40.00"), "received_on": ago(3)}
    payment_id = post(client, "/api/payments", payment)["id"]
    plan = {"kind": "payment_plan", "invoice_ids": [invoice_id], "principal": None}
    lent = pair.lent(customer_id=customer_id, **plan)
    assert lent["totals"]["open"] == usd("60.00")
    assert invoice(client, invoice_id)["status"] == "renegotiated"
    post(client, f"/api/payments/{payment_id}/reverse", {"reason": "returned"})
    reopened = invoice(client, invoice_id)
    assert (reopened["status"], reopened["open"]) == ("sent", usd("40.00"))
    path = f"/api/invoices/{invoice_id}"
    assert refused(client, f"{path}/void", {"reason": "a slip"}) == "taken_over"
    moved = client.patch(path, json={"due_on": FAR, "reason": "agreed"})
    assert (moved.status_code, code(moved)) == (422, "taken_over")
    assert client.get(f"/api/agreements/{lent['id']}").json()["totals"]["open"] == usd("60.00")
    client.paid(invoice_id, "40.00")
    paid = invoice(client, invoice_id)
    assert (paid["status"], paid["open"]) == ("renegotiated", usd("0.00"))
