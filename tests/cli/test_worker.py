"""`duebook worker` as a program of its own: refunds handed over, accepted requests carried out, nothing printed."""

import smtplib
import socket
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from commands.payments import ReceivePayment
from ledger.money import Money
from tests.cli.running import run_program
from tests.cli.test_service import running
from tests.payouts.conftest import IBAN, Dispatcher, wait_until
from tests.payouts.peer import answering, decoded, listening_peer


def test_it_hands_refunds_over_and_carries_out_what_was_accepted(
    database: Database, settings: dict[str, str], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret-token\n")
    with listening_peer() as peer, Books(database) as books:
        chosen = settings | {
            "DUEBOOK_PAYOUT_URL": peer.url,
            "DUEBOOK_PAYOUT_TOKEN_FILE": str(token),
            "DUEBOOK_LOG_LEVEL": "debug",
        }
        desk = Dispatcher(books)
        paid, refused = desk.request("10.00"), desk.request("20.00")
        peer.manners[str(refused)] = [answering(422)]
        peer.answer = b'{"reference": "po-1", "detail": "Maria has no such account"}'
        accepted = accept(books, desk)
        with running(chosen, ["worker"], tmp_path / "worker.log") as worker:
            worker.wait_for("the worker is running")
            wait_until(lambda: desk.refund(paid).status == "sent", 20)
            wait_until(lambda: desk.refund(refused).status == "compensated", 20)
            wait_until(lambda: desk.credit() == 100_000 - 1_000 + 500, 20)
            stopped = worker.stop()
        assert stopped.status == 0, stopped.out
        assert desk.state("payment", accepted).amount_minor == 500
        assert [put.headers["authorization"] for put in peer.puts] == ["Bearer secret-token"] * 2
        assert {decoded(put)["destination"] for put in peer.puts} == {IBAN}
    for told in ("secret-token", "PT50", "Maria", "Traceback"):
        assert told not in stopped.out


def test_a_token_that_is_not_there_is_said_at_start(
    settings: dict[str, str], tmp_path: Path
) -> None:
    chosen = settings | {
        "DUEBOOK_PAYOUT_URL": "https://bank.example.com",
        "DUEBOOK_PAYOUT_TOKEN_FILE": str(tmp_path / "missing"),
    }
    done = run_program(chosen, ["worker"])
    assert done.status == 1
    assert done.err == (
        f"duebook: DUEBOOK_PAYOUT_TOKEN_FILE names a file that cannot be read: {tmp_path}/missing\n"
    )


def test_it_takes_mails_that_come_back(settings: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    chosen = settings | {"DUEBOOK_MAIL_INTAKE": f"smtp://127.0.0.1:{port}"}
    with running(chosen, ["worker"], tmp_path / "worker.log") as worker:
        worker.wait_for("the worker is running")
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            said = b"Subject: hello\r\n\r\nhello\r\n"
            with pytest.raises(smtplib.SMTPDataError, match="no message that was sent from here"):
                client.sendmail("", ["someone@bounces.example"], said)
        stopped = worker.stop()
    assert stopped.status == 0, stopped.out


def test_an_address_that_is_taken_is_said_at_start(
    settings: dict[str, str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        done = run_program(
            settings | {"DUEBOOK_MAIL_INTAKE": f"lmtp://127.0.0.1:{port}"}, ["worker"]
        )
    assert done.status == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in done.err
    assert "DUEBOOK_MAIL_INTAKE" in done.err


def accept(books: Books, desk: Dispatcher) -> UUID:
    body = msgspec.json.encode(ReceivePayment(Money("5.00", "EUR"), desk.customer_id))
    return books.inbox.enqueue(
        desk.tenant_id, "k", "receive_payment", b"hash", body, actor="test", correlation_id="c"
    )
