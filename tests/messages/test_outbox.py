"""Sending what was queued: a last look, each message once, and what becomes of those that fail."""

from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from adapters.messages.files import FileSender
from adapters.store.encryption import pseudonym
from commands.customers import ChangeConsent, ChangeCustomer, change_customer, opt_out
from commands.holds import HoldInvoice, hold_invoice
from commands.messages import (
    DiscardMessage,
    SettleMessage,
    discard_message,
    retry_message,
    settle_message,
)
from commands.tenants import ConfigureTenant, configure_tenant
from schedulers.delivery import (
    Connection,
    MaybeTaken,
    NotTaken,
    Outcome,
    Outgoing,
    Taken,
)
from schedulers.sending import Round
from tests.messages.conftest import Shop, text_of

DUE = date(2026, 3, 11)


def on(offset: int) -> date:
    return DUE + timedelta(days=offset)


@pytest.fixture
def queued(shop: Shop) -> UUID:
    """A message at the step of the due day about an invoice of 100.00; the customer's id is the fixture's."""
    shop.activate()
    customer_id = shop.customer("Ann Other", "ann@example.com")
    shop.invoice(customer_id, DUE)
    shop.today = DUE
    shop.night()
    return customer_id


class Scripted:
    """A sender that answers what a test says, and counts. It is its own connection, one message at a time."""

    key = "scripted"
    sender_id: UUID | None = None
    sent_from = "shop@example.com"
    return_domain = ""
    connections = 1
    pause_seconds = 0.0
    max_per_second = 0
    is_open = True

    def __init__(self, *outcomes: Outcome | Exception, recognises_repeats: bool = False) -> None:
        self.recognises_repeats = recognises_repeats
        self._outcomes = list(outcomes)
        self.sent: list[Outgoing] = []

    def connect(self) -> Connection:
        return self

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, outgoing: Outgoing) -> Outcome:
        self.sent.append(outgoing)
        outcome = self._outcomes.pop(0) if self._outcomes else Taken("ok", "00")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def test_a_message_is_a_mail_in_a_file(shop: Shop, queued: UUID) -> None:
    assert shop.send() == Round(taken=1)
    ((message_id, message),) = shop.messages()
    assert (message.state, message.sender) == ("sent", "file")
    assert message.reference == f"{DUE}/{message_id}.eml"
    (mail,) = shop.mails()
    assert mail["To"] == "ann@example.com"
    assert mail["From"].startswith("Corner Shop <")
    assert mail["Message-ID"] == f"<{message_id}@duebook.localhost>"
    assert mail["Subject"] == "A message from Corner Shop"
    body = text_of(mail)
    assert "Dear Ann Other," in body
    assert "INV-000001" in body
    assert "EUR 100.00" in body
    assert shop.send() == Round()
    assert len(shop.mails()) == 1


def test_files_are_their_owners_alone(shop: Shop, queued: UUID) -> None:
    shop.send()
    (folder,) = shop.folder.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o077 == 0


def test_it_says_what_is_open_when_it_is_sent(shop: Shop, queued: UUID) -> None:
    ((_, message),) = shop.messages()
    shop.pay(message.invoice_ids[0], "30.00")
    shop.invoice(queued, on(30), "1234.50")
    held = shop.invoice(queued, on(40), "7.00")
    shop.ask(lambda unit: hold_invoice(unit, held, HoldInvoice("asked")))
    shop.send()
    body = text_of(shop.mails()[0])
    assert "EUR 70.00" in body
    assert "EUR 1,234.50" in body
    assert "7.00\n" not in body
    assert "Open in all: EUR 1,304.50" in body
    assert "credit" not in body


def test_it_names_the_credit(shop: Shop, queued: UUID) -> None:
    ((_, message),) = shop.messages()
    reversed_later = shop.invoice(queued, on(40), "12.50")
    shop.pay(reversed_later, "20.00")
    shop.send()
    assert "You have a credit of EUR 7.50 with us." in text_of(shop.mails()[0])
    assert message.amount_minor == 100_00


def test_in_portuguese(shop: Shop) -> None:
    shop.activate()
    said = ConfigureTenant(
        creditor_name="Loja Ltda", creditor_address="Rua A, 1", creditor_tax_number="12.345/0001"
    )
    shop.ask(lambda unit: configure_tenant(unit, said))
    shop.invoice(shop.customer("Jos\u00e9", "jose@example.com", language="pt-BR"), DUE, "1234.50")
    shop.today = DUE
    shop.night()
    shop.send()
    (mail,) = shop.mails()
    assert mail["Subject"] == "Mensagem de Loja Ltda"
    body = text_of(mail)
    for text in (
        "Prezado(a) Jos\u00e9,",
        "EUR 1.234,50",
        "11/03/2026",
        "CNPJ/CPF 12.345/0001",
        "Rua A, 1",
    ):
        assert text in body


def test_the_last_look_cancels_what_is_no_longer_right(shop: Shop) -> None:
    shop.activate()
    changes = ("paid", "held", "opted out", "address")
    customers = {what: shop.customer(what, f"c{n}@example.com") for n, what in enumerate(changes)}
    invoices = {what: shop.invoice(customer, DUE) for what, customer in customers.items()}
    shop.today = DUE
    shop.night()
    shop.pay(invoices["paid"], "100.00")
    shop.ask(lambda unit: hold_invoice(unit, invoices["held"], HoldInvoice("asked")))
    shop.ask(lambda unit: opt_out(unit, customers["opted out"], ChangeConsent("email")))
    shop.ask(lambda unit: change_customer(unit, customers["address"], ChangeCustomer(email="")))
    assert shop.send() == Round(ended=4)
    assert shop.mails() == []
    found = {one.customer_id: (one.state, one.reason) for _, one in shop.messages()}
    assert found == {
        customers["paid"]: ("cancelled", "nothing_open"),
        customers["held"]: ("cancelled", "kept_back"),
        customers["opted out"]: ("cancelled", "opted_out"),
        customers["address"]: ("cancelled", "no_address"),
    }


def test_what_comes_from_outside_steers_no_header(shop: Shop) -> None:
    shop.activate()
    shop.invoice(shop.customer("Ann\r\nBcc: all@example.com", "ann@example.com"), DUE)
    shop.today = DUE
    shop.night()
    shop.send()
    (mail,) = shop.mails()
    assert mail["Bcc"] is None
    assert "Dear Ann Bcc: all@example.com," in text_of(mail)


@pytest.mark.parametrize(
    "address", ["ann", "ann@example.com\r\nBcc: all@example.com", "a@b, c@d", "@", "a b@c"]
)
def test_a_malformed_address_is_a_dead_letter(shop: Shop, address: str) -> None:
    shop.activate()
    bad, good = shop.customer("Ann", address), shop.customer("Bob", "bob@example.com")
    for customer_id in (bad, good):
        shop.invoice(customer_id, DUE)
    shop.today = DUE
    shop.night()
    assert shop.send() == Round(taken=1, not_taken=1)
    dead = {one.customer_id: (message_id, one) for message_id, one in shop.messages()}[bad]
    assert (dead[1].state, "malformed" in dead[1].reason) == ("dead_lettered", True)
    assert address not in dead[1].reason or len(address) < 4
    shop.ask(lambda unit: change_customer(unit, bad, ChangeCustomer(email="ann@example.com")))
    shop.ask(lambda unit: retry_message(unit, dead[0]))
    assert shop.send() == Round(taken=1)


def test_a_failure_that_may_pass_is_tried_again_later(shop: Shop, queued: UUID) -> None:
    sender = Scripted(NotTaken("the disk is full"))
    assert shop.send(sender) == Round(not_taken=1)
    assert shop.send(sender) == Round()
    shop.minutes += 1
    assert shop.send(sender) == Round(taken=1)
    assert len(sender.sent) == 2


def test_what_may_have_left_is_never_sent_again_automatically(shop: Shop, queued: UUID) -> None:
    sender = Scripted(MaybeTaken("the connection was lost"))
    assert shop.send(sender) == Round(maybe_taken=1)
    shop.minutes += 9_999
    assert shop.send(sender) == Round()
    ((message_id, message),) = shop.messages()
    assert (message.state, message.reason) == ("unknown", "the connection was lost")
    shop.ask(lambda unit: settle_message(unit, message_id, SettleMessage("not_sent")))
    assert shop.send(sender) == Round(taken=1)


def test_an_error_that_nobody_foresaw_may_have_left(shop: Shop, queued: UUID) -> None:
    assert shop.send(Scripted(RuntimeError("ann@example.com"))) == Round(maybe_taken=1)
    ((_, message),) = shop.messages()
    assert (message.state, message.reason) == ("unknown", "failed with RuntimeError")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("point", ["before sending", "before recording"])
@pytest.mark.parametrize("recognises_repeats", [True, False])
def test_a_worker_that_was_killed(
    shop: Shop, queued: UUID, point: str, recognises_repeats: bool
) -> None:
    def kill(reached: str) -> None:
        if reached == point:
            raise Killed

    sender = Scripted(recognises_repeats=recognises_repeats)
    with pytest.raises(Killed):
        shop.send(sender, pause=kill)
    assert shop.send(sender) == Round()
    shop.minutes += 15
    again = shop.send(sender)
    ((_, message),) = shop.messages()
    if recognises_repeats:
        assert (again, message.state) == (Round(taken=1), "sent")
    else:
        assert (again, message.state) == (Round(ended=1), "unknown")
        assert len(sender.sent) == (point == "before recording")


def test_a_file_that_is_there_was_sent(shop: Shop, queued: UUID) -> None:
    ((message_id, _),) = shop.messages()
    folder = shop.folder / str(DUE)
    folder.mkdir(parents=True)
    (folder / f"{message_id}.eml").write_bytes(b"as it was")
    assert shop.send() == Round(taken=1)
    assert (folder / f"{message_id}.eml").read_bytes() == b"as it was"


def test_a_full_disk_is_a_failure_that_may_pass(shop: Shop, queued: UUID, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    assert shop.send(FileSender(blocked)) == Round(not_taken=1)
    ((_, message),) = shop.messages()
    assert message.state == "queued"


def test_a_dead_letter_is_discarded(shop: Shop, queued: UUID) -> None:
    shop.send(Scripted(NotTaken("no", for_good=True)))
    ((message_id, _),) = shop.messages()
    shop.ask(lambda unit: discard_message(unit, message_id, DiscardMessage("moved")))
    assert shop.told()[0][2] == "discarded"
    shop.minutes += 9_999
    assert shop.send() == Round()


def test_two_workers_send_each_message_once(shop: Shop) -> None:
    from concurrent.futures import ThreadPoolExecutor

    shop.activate()
    for n in range(30):
        shop.invoice(shop.customer(f"C{n}", f"c{n}@example.com"), DUE)
    shop.today = DUE
    shop.night()
    senders = [Scripted(), Scripted()]
    with ThreadPoolExecutor(2) as workers:
        rounds = list(workers.map(shop.send, senders))
    assert sum(one.taken for one in rounds) == 30
    sent = [one.message_id for sender in senders for one in sender.sent]
    assert len(sent) == len(set(sent)) == 30


def test_erased_data_is_never_sent(shop: Shop, queued: UUID) -> None:
    with shop.books.database.writer.connection() as connection:
        connection.execute("DELETE FROM customer_keys")
    shop.books.cipher.forget((shop.tenant_id, queued))
    assert shop.send() == Round(not_taken=1)
    ((_, message),) = shop.messages()
    assert (message.state, "erased" in message.reason) == ("dead_lettered", True)
    assert pseudonym((shop.tenant_id, queued)) not in message.reason
