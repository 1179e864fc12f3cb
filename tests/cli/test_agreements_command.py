"""`duebook agreement`: what it lists and shows."""

from datetime import timedelta
from uuid import UUID

import pytest

from adapters.settings import Settings
from adapters.wiring import open_books
from commands.agreements.lifecycle import (
    ActivateAgreement,
    ApproveAgreement,
    RequestAgreement,
    activate_agreement,
    approve_agreement,
    request_agreement,
)
from commands.customers import RegisterCustomer, register_customer
from ledger.money import Money
from tests.cli.conftest import Cli
from tests.daylight import TODAY

FIRST = TODAY + timedelta(days=40)


@pytest.fixture
def lent(cli: Cli, acme: str) -> str:
    """A loan in two instalments, in force, and one that was only requested."""
    tenant_id = UUID(acme)
    with open_books(Settings.from_environment()) as books:

        def id_of(actor: str, handler: object, *arguments: object) -> UUID:
            answer = books.run(tenant_id, actor, lambda unit: handler(unit, *arguments).id)  # type: ignore[operator]
            return UUID(answer.body.decode().strip('"'))

        customer_id = id_of("cli", register_customer, RegisterCustomer("Ann Other"))
        terms = RequestAgreement(
            customer_id=customer_id,
            kind="loan",
            principal=Money("1000.00", "USD"),
            schedule="price",
            count=2,
            rate="2%/month",
            first_due_on=FIRST,
            notes="for\x1b[31m a bakery",
        )
        agreement_id = id_of("key:1", request_agreement, terms)
        id_of("key:1", request_agreement, terms)
        id_of("key:2", approve_agreement, agreement_id, ApproveAgreement())
        id_of("key:1", activate_agreement, agreement_id, ActivateAgreement())
    return str(agreement_id)


def test_the_portfolio(cli: Cli, acme: str, lent: str) -> None:
    asked = ("report", "portfolio", "--tenant", acme)
    report = cli(*asked, "--json").json
    assert list(report) == ["computed_at", "currencies"]
    assert report["currencies"] == [
        {
            "currency": "USD",
            "agreements": 1,
            "broken_even": 0,
            "lent": "1000.00",
            "paid": "0.00",
            "missing": "1000.00",
        }
    ]
    assert "USD,1,0,1000.00,0.00,1000.00" in cli(*asked, "--csv").out
    assert "missing" in cli(*asked).out
    shown = cli("agreement", "show", lent, "--tenant", acme).out
    assert "missing to break even" in shown


def test_a_pay_off_is_told_for_a_day(cli: Cli, acme: str, lent: str) -> None:
    asked = ("agreement", "pay-off", lent, "--tenant", acme)
    quote = cli(*asked, "--on", FIRST.isoformat(), "--json").json
    assert (quote["on"], quote["holds_until"]) == (FIRST.isoformat(), FIRST.isoformat())
    assert quote["interest_returned"]["amount"] == "10.10"
    assert quote["total"]["amount"] == "1020.00"
    assert [one["to_pay"]["amount"] for one in quote["instalments"]] == ["515.05", "504.95"]
    today = cli(*asked).out
    assert "interest returned" in today
    assert "1000.00" in today
    refused = cli(*asked, "--on", "2024-01-01")
    assert (refused.status, "choose a day" in refused.err) == (1, True)


def test_list(cli: Cli, acme: str, lent: str) -> None:
    listed = cli("agreement", "list", "--tenant", acme, "--json").json["items"]
    assert {one["status"] for one in listed} == {"active", "requested"}
    (active,) = cli("agreement", "list", "--tenant", "acme", "--status", "active", "--json").json[
        "items"
    ]
    assert (active["id"], active["open"]["amount"]) == (lent, "1030.10")
    shown = cli("agreement", "list", "--tenant", acme)
    assert shown.status == 0
    assert len(shown.out.splitlines()) == 3


def test_show(cli: Cli, acme: str, lent: str) -> None:
    shown = cli("agreement", "show", lent, "--tenant", acme)
    assert shown.status == 0
    assert "2 x price at 2%/month, mora on the original" in shown.out
    assert "INV-000002" in shown.out
    assert "a bakery" in shown.out
    assert "\x1b" not in shown.out
    found = cli("agreement", "show", lent, "--tenant", acme, "--json").json
    assert [one["principal"]["amount"] for one in found["instalments"]] == ["495.05", "504.95"]


def test_what_is_not_there(cli: Cli, acme: str, lent: str) -> None:
    missing = cli("agreement", "show", str(UUID(int=7)), "--tenant", acme)
    assert missing.status == 1
    assert "there is no agreement" in missing.err
    assert cli("agreement", "show", "seven", "--tenant", acme).status == 2
