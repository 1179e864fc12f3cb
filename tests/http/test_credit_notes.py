"""`/api/credit-notes`: issued, listed and shown as their documents say them."""

from datetime import timedelta
from typing import Any

import pytest

from tests.daylight import TODAY
from tests.http.answers import body_of
from tests.http.conftest import LATER, Client, Clients, usd

LINES = [
    {"description": "Work", "quantity": "3", "unit_price": "33.33", "tax_rate": "19%"},
    {
        "description": "Book",
        "quantity": "1",
        "unit_price": "21.40",
        "tax_rate": "7%",
        "tax_included": True,
    },
    {"description": "Discount", "quantity": "1", "unit_price": "-10.00", "tax_rate": "19.0%"},
]


@pytest.fixture
def client(clients: Clients) -> Client:
    return clients()


def sent(client: Client, customer_id: str, lines: list[dict[str, Any]] = LINES) -> dict[str, Any]:
    draft = {"customer_id": customer_id, "due_on": LATER, "lines": lines}
    invoice_id = client.made("/api/invoices", draft)["id"]
    return client.made(f"/api/invoices/{invoice_id}/send", {})


def issued(client: Client, invoice_id: str, key: str, **fields: Any) -> dict[str, Any]:
    body = {"invoice_id": invoice_id, "reason": "came late", **fields}
    return client.made("/api/credit-notes", body, key)


def listed(client: Client, **params: Any) -> list[str]:
    """The numbers of the notes, from pages of two, by a list that has seen everything until now."""
    params["min_position"] = client.get("/api/tenant").headers["Duebook-Position"]
    numbers: list[str] = []
    while True:
        page = body_of(client.get("/api/credit-notes", params={"limit": 2, **params}))
        assert set(page) == {"items", "next_cursor"}
        numbers += [one["number"] for one in page["items"]]
        if page["next_cursor"] is None:
            return numbers
        params["cursor"] = page["next_cursor"]


def test_a_note_is_shown_with_all_that_its_document_says(client: Client) -> None:
    customer_id = client.customer(
        name="Ann Other", reference="A-1", tax_number="12.3", address="1 Main St", country="PT"
    )
    invoice = sent(client, customer_id)
    client.paid(invoice["id"], "60.00")
    note = issued(
        client,
        invoice["id"],
        "note",
        lines=[{"line": 0}, {"line": 2}, {"line": 1, "amount": usd("10.70")}],
    )
    shown = body_of(client.get(f"/api/credit-notes/{note['id']}"))
    assert shown == {
        "id": note["id"],
        "number": "CN-000001",
        "issued_on": str(TODAY),
        "invoice_id": invoice["id"],
        "invoice_number": invoice["number"],
        "invoice_issued_on": str(TODAY),
        "creditor": f"tenant {client.tenant_id}",
        "customer": {
            "id": customer_id,
            "reference": "A-1",
            "name": "Ann Other",
            "tax_number": "12.3",
            "address": "1 Main St",
            "country": "PT",
        },
        "reason": "came late",
        "lines": [
            {
                "line": at,
                **LINES[at],
                "unit_price": usd(str(LINES[at]["unit_price"])),
                "tax_included": at == 1,
                "net": usd(net),
                "tax": usd(tax),
                "gross": usd(gross),
            }
            for at, net, tax, gross in (
                (0, "99.99", "19.00", "118.99"),
                (1, "10.00", "0.70", "10.70"),
                (2, "-10.00", "-1.90", "-11.90"),
            )
        ],
        "taxes": [
            {"tax_rate": "19%", "net": usd("89.99"), "tax": usd("17.10"), "gross": usd("107.09")},
            {"tax_rate": "7%", "net": usd("10.00"), "tax": usd("0.70"), "gross": usd("10.70")},
        ],
        "net": usd("99.99"),
        "tax": usd("17.80"),
        "total": usd("117.79"),
        "applied": usd("68.49"),
        "credit": usd("49.30"),
    }
    assert client.get(f"/api/customers/{customer_id}").json()["credit"] == [usd("49.30")]
    assert (note["applied"], note["credit"]) == (shown["applied"], shown["credit"])
    position = client.get("/api/tenant").headers["Duebook-Position"]
    (row,) = body_of(client.get("/api/credit-notes", params={"min_position": position}))["items"]
    assert row == {name: shown[name] for name in shown if name not in ("applied", "credit")}


def test_it_is_the_same_as_by_the_invoice(client: Client) -> None:
    invoice_id = client.sent()
    body = {"reason": "came late", "amount": usd("10.00")}
    by_invoice = client.made(f"/api/invoices/{invoice_id}/credit-notes", body, "one")
    by_body = issued(client, invoice_id, "two", amount=usd("10.00"))
    assert by_body.keys() == by_invoice.keys()
    assert [by_invoice["number"], by_body["number"]] == ["CN-000001", "CN-000002"]
    assert by_body["invoice"]["credited"] == usd("20.00")
    again = client.post(
        "/api/credit-notes",
        json={"invoice_id": invoice_id, **body},
        headers={"Idempotency-Key": "two"},
    )
    assert (again.status_code, again.json()) == (201, by_body)
    assert client.post("/api/credit-notes", json={"reason": "x"}).status_code == 400
    assert client.post("/api/credit-notes", json={"invoice_id": invoice_id}).status_code == 400


def test_lists_are_filtered_and_paged(client: Client) -> None:
    one, two = client.customer(), client.customer()
    first, second, third = client.sent(one), client.sent(one), client.sent(two)
    for n in range(3):
        issued(client, first, f"first {n}", amount=usd("1.00"))
    issued(client, second, "second")
    issued(client, third, "third", amount=usd("1.00"))
    every = listed(client)
    assert sorted(every) == [f"CN-00000{n}" for n in range(1, 6)]
    assert sorted(listed(client, invoice_id=first)) == ["CN-000001", "CN-000002", "CN-000003"]
    assert sorted(listed(client, customer_id=one)) == sorted(every)[:4]
    assert listed(client, customer_id=two, invoice_id=first) == []
    assert len(listed(client, issued_from=str(TODAY), issued_to=str(TODAY))) == 5
    assert listed(client, issued_to=str(TODAY - timedelta(1))) == []
    assert listed(client, issued_from=str(TODAY + timedelta(1))) == []
    for wrong in ({"number": "CN-000001"}, {"issued_from": "today"}, {"cursor": "x"}):
        assert client.get("/api/credit-notes", params=wrong).status_code == 400


def test_the_tax_of_an_amount_is_rounded_over_lines_and_notes(client: Client) -> None:
    line = {"description": "Hour", "quantity": "1", "unit_price": "1.00", "tax_rate": "19%"}
    invoice = sent(client, client.customer(), [line] * 100)
    first = issued(client, invoice["id"], "first", amount=usd("3.00"))
    rest = issued(client, invoice["id"], "rest")
    assert (first["net"], first["tax"]) == (usd("2.52"), usd("0.48"))
    assert (rest["net"], rest["tax"]) == (usd("97.48"), usd("18.52"))


def test_refusals_say_which_limit_was_met(client: Client) -> None:
    invoice = f"/api/invoices/{client.sent(price='100.00')}"
    waiver = {"component": "principal", "reason": "kindness", "amount": usd("30.00")}
    client.made(f"{invoice}/waivers", waiver, "waiver")

    def refused(key: str, **fields: Any) -> tuple[str, str]:
        answer = client.post(
            f"{invoice}/credit-notes",
            json={"reason": "x", **fields},
            headers={"Idempotency-Key": key},
        )
        assert answer.status_code == 422
        problem = answer.json()
        return problem["type"].rpartition("/")[2], problem["detail"]

    assert refused("1", amount=usd("100.01")) == (
        "over_credited",
        "100.00 is left of the invoice's lines; 70.00 can be credited still",
    )
    assert refused("2", lines=[{"line": 0}]) == (
        "forgiven_otherwise",
        "of the 100.00 that is left of the invoice's lines, principal of 30.00 was waived, which nobody "
        "paid; 70.00 can be credited still",
    )
    assert refused("3", lines=[{"line": 0, "amount": usd("100.01")}]) == (
        "line_over_credited",
        "100.00 is left of line 0: credit no more of it; 70.00 of the invoice can be credited still",
    )
    client.made(f"{invoice}/write-off", {"reason": "insolvent"}, "lost")
    code, detail = refused("4")
    assert code == "not_creditable"
    assert detail.startswith("the invoice is written off, so 0.00 can be credited;")


def test_an_unknown_note_is_not_found(client: Client) -> None:
    missing = client.get("/api/credit-notes/00000000-0000-8000-8000-000000000001")
    assert (missing.status_code, missing.json()["type"]) == (
        404,
        "/problems/unknown_credit_note",
    )


def test_an_auditor_looks_and_issues_nothing(client: Client, clients: Clients) -> None:
    note = issued(client, client.sent(), "note")
    auditor = clients(client.tenant_id, "auditor")
    assert auditor.get(f"/api/credit-notes/{note['id']}").status_code == 200
    assert listed(auditor) == ["CN-000001"]
    body = {"invoice_id": note["invoice_id"], "reason": "x"}
    answer = auditor.post("/api/credit-notes", json=body, headers={"Idempotency-Key": "x"})
    assert answer.status_code == 403
