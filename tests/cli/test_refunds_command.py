"""`duebook refunds`: what waits, handing it over by hand, and having it tried again."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from commands.customers import RegisterCustomer, register_customer
from commands.payments import ReceivePayment, receive_payment
from commands.refunds import (
    RequestRefund,
    begin_payout,
    payout_attempt_failed,
    request_refund,
)
from ledger.money import Money
from ledger.refund import MAX_ATTEMPTS
from tests.cli.conftest import Cli


@pytest.fixture
def refund_id(database: Database, acme: str) -> str:
    """A refund of 12.50 that waits."""
    tenant_id = UUID(acme)
    with Books(database) as books:

        def asked(handler: object) -> UUID:
            answer = books.run(tenant_id, "test", handler)  # type: ignore[arg-type]
            return UUID(msgspec.json.decode(answer.body)["id"])

        customer_id = asked(lambda unit: register_customer(unit, RegisterCustomer("Ann Other")))
        credit = ReceivePayment(Money("30.00", "USD"), customer_id)
        asked(lambda unit: receive_payment(unit, credit))
        refund = RequestRefund(customer_id, "asked", Money("12.50", "USD"), "", "PT50 0002")
        return str(asked(lambda unit: request_refund(unit, refund)))


def exhaust(database: Database, tenant: str, refund_id: str) -> None:
    """Ten attempts come to nothing, each when the wait after the one before is over."""
    now = datetime.now(UTC) - timedelta(days=2)
    with Books(database) as books:
        for number in range(1, MAX_ATTEMPTS + 1):
            failed = partial(
                payout_attempt_failed,
                refund_id=UUID(refund_id),
                attempt=number,
                reason="the provider did not answer in time",
                unknown=True,
            )
            for handler in (partial(begin_payout, refund_id=UUID(refund_id)), failed):
                books.run(UUID(tenant), "test", handler, now=now)
            now += timedelta(minutes=2 ** (number - 1))


def test_what_waits_is_listed_and_handed_over(
    cli: Cli, settings: dict[str, str], refund_id: str
) -> None:
    listed = cli("refunds", "list", "--tenant", "acme", "--json")
    (item,) = listed.json["items"]
    assert (listed.status, item["id"], item["waits_for"]) == (0, refund_id, "payout")
    assert item["amount"] == {"amount": "12.50", "currency": "USD"}
    assert (item["attempts"], item["in_doubt"], item["next_at"]) == (0, False, None)
    shown = cli("refunds", "list", "--tenant", "acme").out
    assert refund_id in shown
    assert "PT50" not in shown

    done = cli("refunds", "run")
    assert done.status == 0
    assert done.out.split() == ["handed", "over", "1", "not", "handed", "over", "0", "refused", "0"]
    (file,) = Path(settings["DUEBOOK_HOME"]).glob("payouts/*/*.json")
    assert file.stem == refund_id
    assert cli("refunds", "list", "--tenant", "acme", "--json").json == {"items": []}
    again = cli("refunds", "run", "--json")
    assert again.json == {"handed_over": 0, "not_handed_over": 0, "refused": 0}


def test_only_the_tenants_own_are_listed(cli: Cli, refund_id: str) -> None:
    cli("tenant", "create", "other", "--currency", "USD", "--timezone", "UTC")
    assert cli("refunds", "list", "--tenant", "other", "--json").json == {"items": []}


def test_what_waits_for_a_person_is_tried_again(
    cli: Cli, acme: str, database: Database, refund_id: str
) -> None:
    exhaust(database, acme, refund_id)
    assert cli("refunds", "run", "--json").json["handed_over"] == 0
    (item,) = cli("refunds", "list", "--tenant", "acme", "--json").json["items"]
    assert (item["waits_for"], item["attempts"], item["in_doubt"]) == ("person", 10, True)
    assert item["last_error"] == "the provider did not answer in time"

    told = {one["check"]: one for one in cli("doctor", "--json").json["findings"]}["refunds"]
    assert (told["ok"], refund_id in told["detail"]) == (False, True)
    assert "duebook refunds list" in told["what_to_do"]

    released = cli("refunds", "retry", refund_id, "--tenant", "acme")
    assert (released.status, refund_id in released.out) == (0, True)
    assert cli("refunds", "run", "--json").json["handed_over"] == 1
    refused = cli("refunds", "retry", refund_id, "--tenant", "acme")
    assert (refused.status, "nothing to hand over" in refused.err) == (1, True)


def test_what_cannot_be_handed_over_is_said(
    cli: Cli, settings: dict[str, str], refund_id: str
) -> None:
    home = Path(settings["DUEBOOK_HOME"])
    home.mkdir(exist_ok=True)
    (home / "payouts").write_text("a file in the way")
    assert cli("refunds", "run").status == 1
    (item,) = cli("refunds", "list", "--tenant", "acme", "--json").json["items"]
    assert "cannot write" in item["last_error"]


def test_wrong_use(cli: Cli, refund_id: str) -> None:
    assert cli("refunds", "retry", "x", "--tenant", "acme").status == 2
    unknown = cli("refunds", "retry", str(UUID(int=9)), "--tenant", "acme")
    assert (unknown.status, "there is no refund" in unknown.err) == (1, True)
