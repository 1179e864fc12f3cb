"""Currencies with 0, 2, 3 and 4 decimals from end to end: created, charged, paid over HTTP; reported and exported by
`duebook`.

Each debt is of 12,345 minor units, due ten days ago, at 2% once and 1% a month: a fee of 247, interest of 41.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.cli.main import main
from tests.cli.running import environment
from tests.daylight import TODAY
from tests.http.conftest import Client, Clients, Service

DIGITS = {"JPY": 0, "USD": 2, "KWD": 3, "CLF": 4}
ISSUED_ON, DUE_ON = TODAY - timedelta(days=40), TODAY - timedelta(days=10)

Program = Callable[..., str]


@pytest.fixture
def duebook(
    service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Program:
    """`duebook ...` in this process, on the service's books; what it prints."""
    for name, value in environment(service.books.database, tmp_path / "home").items():
        monkeypatch.setenv(name, value)

    def duebook(*arguments: str) -> str:
        capsys.readouterr()
        assert main(list(arguments)) == 0
        return capsys.readouterr().out

    return duebook


def text(minor: int, currency: str) -> str:
    """An amount with exactly the currency's digits, by hand."""
    digits = DIGITS[currency]
    whole, rest = divmod(abs(minor), 10**digits)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{rest:0{digits}}" if digits else f"{sign}{whole}"


def late(client: Client, currency: str) -> dict[str, Any]:
    """An invoice of 12,345 minor units, due ten days ago, charged a fee of 5 by hand and brought up to date by a
    payment of 1,293: fees of 5 and 247, interest of 41, and 1,000 of principal."""

    def money(minor: int) -> dict[str, str]:
        return {"amount": text(minor, currency), "currency": currency}

    client.patch("/api/tenant", json={"currency": currency, "calendar": "none"})
    client.made("/api/fee-policies", {"late_fee": "2%", "mora": "1%/month"})
    line = {"description": "Rice", "quantity": "1", "unit_price": text(12_345, currency)}
    draft = {
        "customer_id": client.customer(reference=f"C-{currency}"),
        "due_on": str(DUE_ON),
        "lines": [line],
    }
    invoice_id = client.made("/api/invoices", draft)["id"]
    client.made(f"/api/invoices/{invoice_id}/send", {"issued_on": str(ISSUED_ON)})
    fee = {"amount": money(5), "description": "a letter"}
    client.made(f"/api/invoices/{invoice_id}/fees", fee, "fee")
    client.made("/api/payments", {"invoice_id": invoice_id, "amount": money(1_293)}, "payment")
    finer = "1.0" if currency == "JPY" else text(1, currency) + "1"
    body = {"invoice_id": invoice_id, "amount": {"amount": finer, "currency": currency}}
    refused = client.post("/api/payments", json=body, headers={"Idempotency-Key": "finer"})
    assert refused.json()["type"] == "/problems/over_precise_amount"
    found: dict[str, Any] = client.get(f"/api/invoices/{invoice_id}").json()
    return found


@pytest.mark.parametrize("currency", list(DIGITS))
def test_a_debt_of_any_number_of_digits(clients: Clients, duebook: Program, currency: str) -> None:
    client = clients()
    invoice = late(client, currency)
    assert (invoice["status"], invoice["currency"]) == ("overdue", currency)
    assert invoice["charged"] == _split(currency, 12_345, 247, 41, 5)
    assert invoice["paid"] == _split(currency, 1_000, 247, 41, 5)
    assert invoice["open"] == {"amount": text(11_345, currency), "currency": currency}
    tenant = str(client.tenant_id)

    aging = json.loads(duebook("report", "aging", "--tenant", tenant, "--json"))
    (one,) = aging["currencies"]
    assert (one["currency"], one["total"]) == (
        currency,
        {"count": 1, "amount": text(11_345, currency)},
    )
    assert one["buckets"][1] == {"bucket": "1-30", "count": 1, "amount": text(11_345, currency)}

    asked = ("report", "statement", "--tenant", tenant, "--customer", f"C-{currency}")
    (stated,) = json.loads(duebook(*asked, "--json"))["currencies"]
    assert {
        name: stated[name] for name in ("opening", "invoiced", "charges", "payments", "closing")
    } == {
        "opening": text(0, currency),
        "invoiced": text(12_345, currency),
        "charges": text(293, currency),
        "payments": text(-1_293, currency),
        "closing": text(11_345, currency),
    }
    assert text(-1_293, currency) in duebook(*asked)

    explained = duebook("report", "explain", invoice["number"], "--tenant", tenant)
    assert f"open           {text(11_345, currency)} {currency}" in explained

    events = [
        json.loads(row) for row in duebook("export", "events", "--tenant", tenant).splitlines()
    ]
    charged = {
        tag: sum(event["data"]["amount_minor"] for event in events if event["tag"] == tag)
        for tag in (
            "invoice.late_fee_charged.v1",
            "invoice.mora_posted.v1",
            "invoice.fee_charged.v1",
        )
    }
    assert list(charged.values()) == [247, 41, 5]
    drafted = next(event["data"] for event in events if event["tag"] == "invoice.drafted.v1")
    assert (drafted["currency"], drafted["total_minor"]) == (currency, 12_345)


@pytest.mark.parametrize("currency", list(DIGITS))
def test_an_imported_debt_of_any_number_of_digits(
    clients: Clients, duebook: Program, tmp_path: Path, currency: str
) -> None:
    client = clients()
    tenant = str(client.tenant_id)
    duebook(
        "tenant",
        "configure",
        tenant,
        "--late-fee",
        "2%",
        "--mora",
        "1%/month",
        "--calendar",
        "none",
    )
    file = tmp_path / "invoices.csv"
    file.write_text(
        "customer_ref,invoice_number,issued_on,due_on,amount,currency,settled_on,settled_amount\n"
        f"C-1,A-1,2024-01-02,2024-02-01,{text(12_345, currency)},{currency},2024-02-11,{text(288, currency)}\n"
    )
    added = json.loads(duebook("import", str(file), "--tenant", tenant, "--run-clock", "--json"))
    assert (added["added"], added["failed"]) == (1, [])
    asked = ("report", "aging", "--tenant", tenant, "--as-of", "2024-02-11", "--json")
    (one,) = json.loads(duebook(*asked))["currencies"]
    assert (one["currency"], one["total"]["amount"]) == (currency, text(12_345, currency))


def _split(
    currency: str, principal: int, late_fee: int, mora: int, other: int
) -> dict[str, dict[str, str]]:
    parts = {"principal": principal, "late_fee": late_fee, "mora": mora, "other_fees": other}
    return {
        name: {"amount": text(minor, currency), "currency": currency}
        for name, minor in (parts | {"total": sum(parts.values())}).items()
    }


def test_nothing_new_is_asked_for_in_a_withdrawn_currency(clients: Clients) -> None:
    client = clients()
    customer_id = client.customer()
    draft = {
        "customer_id": customer_id,
        "due_on": str(TODAY),
        "currency": "HRK",
        "lines": [{"description": "Rice", "quantity": "1", "unit_price": "10.00"}],
    }
    paid = {"customer_id": customer_id, "amount": {"amount": "10.00", "currency": "HRK"}}
    answers = [
        client.post("/api/invoices", json=draft),
        client.patch("/api/tenant", json={"currency": "HRK"}),
        client.post("/api/payments", json=paid, headers={"Idempotency-Key": "one"}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (
            422,
            "/problems/withdrawn_currency",
        )
        assert answer.json()["detail"].endswith("give EUR")
