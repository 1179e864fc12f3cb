"""Test mode: what a day would send can be opened, nothing changes; a tenant in test mode sends to files alone."""

from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.messages.rehearsing import Captured, capture
from adapters.messages.roster import Roster
from adapters.settings import Settings
from commands.customers import ChangeCustomer, change_customer
from commands.dunning_plans import SavePlan, save_plan
from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.holds import HoldInvoice, hold_invoice
from commands.senders import SaveSender, save_sender
from commands.tenants import CreateTenant, create_tenant
from ledger.dunning.plan import DEFAULT_KEY, SHIPPED, Step
from ledger.money import Money
from tests.messages.conftest import STARTS_ON, Shop, text_of
from tests.messages.mail_server import MailServer

DUE = date(2026, 3, 11)
LATER = date(2026, 3, 18)


def captured(shop: Shop, folder: Path, day: date) -> list[Captured]:
    return list(capture(shop.books, shop.tenant_id, day, folder, datetime.now(UTC)))


def positions(shop: Shop) -> int:
    return len(list(shop.events()))


def opened(folder: Path, one: Captured) -> EmailMessage:
    assert one.file is not None
    read: Any = message_from_bytes((folder / one.file).read_bytes(), policy=policy.SMTP)  # type: ignore[arg-type]
    found: EmailMessage = read
    return found


def test_it_writes_what_the_day_sends_and_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    policy_ = AddFeePolicy(late_fee="2%", mora="1%/month")
    shop.ask(lambda unit: add_fee_policy(unit, policy_))
    shop.activate()
    ann, bob, held = (shop.customer(name, f"{name}@example.com") for name in ("ann", "bob", "held"))
    shop.invoice(ann, DUE, "100.00")
    shop.invoice(ann, DUE, "50.00")
    shop.invoice(bob, DUE, "70.00")
    kept = shop.invoice(held, DUE, "10.00")
    shop.ask(lambda unit: hold_invoice(unit, kept, HoldInvoice("asked")))
    shop.nights(LATER)
    fee = Step("d15", 15, "final_notice", fee=(Money("5.00", "EUR"),), fee_text="reminder fee")
    plan = SavePlan(DEFAULT_KEY, "Own", (*SHIPPED.steps[:4], fee))
    shop.ask(lambda unit: save_plan(unit, plan))
    shop.today = date(2026, 3, 26)
    before = positions(shop)
    folder = tmp_path / "test-mode"
    for _ in range(2):
        found = captured(shop, folder, shop.today)
    assert positions(shop) == before
    assert len(found) == 2
    assert {path.name for path in folder.rglob("*.eml")} == {
        f"{one.message_id}.eml" for one in found
    }
    while shop.books.clock.last_closed(shop.tenant_id) != shop.today:
        last = shop.books.clock.last_closed(shop.tenant_id)
        assert last is not None
        shop.night(date.fromordinal(last.toordinal() + 1), today=shop.today)
    sent = dict(shop.messages()[-2:])
    assert sent.keys() == {one.message_id for one in found}
    assert {(one.step, one.invoice_ids) for one in found} == {
        (message.step, message.invoice_ids) for message in sent.values()
    }
    shop.send()
    mails = {str(mail["Message-ID"]): text_of(mail) for mail in shop.mails()}
    for one in found:
        mail = opened(folder, one)
        real = mails[str(mail["Message-ID"])].partition("No more reminders")[0]
        assert text_of(mail).strip() == real.strip()
        assert mail["List-Unsubscribe"] is None


def test_one_that_cannot_be_written_halts_nobody_else(shop: Shop, tmp_path: Path) -> None:
    shop.activate()
    bad = shop.customer("Bad", "not an address")
    shop.invoice(bad, DUE)
    shop.invoice(shop.customer(), DUE)
    shop.today = DUE
    found = captured(shop, tmp_path, DUE)
    assert sorted((one.file is not None, one.error is not None) for one in found) == [
        (False, True),
        (True, False),
    ]
    change = ChangeCustomer(email="good@example.com")
    shop.ask(lambda unit: change_customer(unit, bad, change))
    assert all(one.file for one in captured(shop, tmp_path, DUE))


def test_an_inactive_plan_writes_nothing(shop: Shop, tmp_path: Path) -> None:
    shop.invoice(shop.customer(), DUE)
    assert captured(shop, tmp_path, DUE) == []


@pytest.mark.parametrize("test_mode", [False, True])
def test_a_tenant_in_test_mode_sends_to_files_alone(
    shop: Shop, tmp_path: Path, test_mode: bool
) -> None:
    trial = Shop(shop.books, tmp_path / "trial", UUID(int=77))
    create = CreateTenant("Trial", "EUR", "Etc/UTC", clock_starts_on=STARTS_ON, test_mode=test_mode)
    trial.ask(lambda unit: create_tenant(unit, create))
    settings = Settings(
        home=tmp_path, master_key_file=tmp_path / "key", public_url="", private_addresses="allow"
    )
    roster = Roster(shop.books.database.writer, shop.books.secrets, settings)
    with MailServer() as server:
        save = SaveSender(
            "main", "127.0.0.1", server.port, "a@shop.example", security="none", pause_ms=0
        )
        trial.ask(lambda unit: save_sender(unit, save))
        trial.activate()
        trial.invoice(trial.customer(), DUE)
        trial.today = DUE
        trial.night()
        assert trial.send(*roster.of(trial.tenant_id)).taken == 1
        assert len(server.mails) == (0 if test_mode else 1)
    assert len(list((tmp_path / "outbox").rglob("*.eml"))) == (1 if test_mode else 0)
    ((_, message),) = trial.messages()
    assert message.state == "sent"
