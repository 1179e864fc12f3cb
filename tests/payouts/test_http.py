"""Payouts over HTTP: what each answer of a provider means, and what it learns."""

import logging
import socket
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from adapters.payouts import http
from adapters.payouts.chosen import chosen_payout
from adapters.payouts.files import FilePayout
from adapters.payouts.http import HttpPayout
from adapters.settings import Settings, SettingsError
from ledger.money import Money
from schedulers.refund_payouts import HandedOver, Instruction, NotHandedOver, Refused
from tests.payouts.peer import (
    Peer,
    answering,
    decoded,
    keep_and_say_nothing,
    keep_slowly,
    say_nothing,
)

REFUND = UUID(int=2)
INSTRUCTION = Instruction(
    refund_id=REFUND,
    tenant_id=UUID(int=1),
    customer_id=UUID(int=3),
    amount=Money("12.30", "EUR"),
    destination="PT50 0002",
    requested_on=date(2024, 3, 8),
)


def test_an_instruction_is_put_under_its_id(peer: Peer) -> None:
    with HttpPayout(peer.url + "/", "secret") as payout:
        assert payout.hand_over(INSTRUCTION) == HandedOver("http", "po-1")
        assert payout.hand_over(INSTRUCTION) == HandedOver("http", "po-1")
    first, second = peer.puts
    assert first.path == f"/refunds/{REFUND}"
    assert first.headers["content-type"] == "application/json"
    assert first.headers["authorization"] == "Bearer secret"
    assert decoded(first)["destination"] == "PT50 0002"
    assert decoded(first)["amount"] == {"amount": "12.30", "currency": "EUR"}
    assert first.body == second.body
    assert len(peer.instructions) == 1


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, HandedOver("http", "po-1")),
        (201, HandedOver("http", "po-1")),
        (202, HandedOver("http", "po-1")),
        (301, NotHandedOver("the provider answered 301", unknown=True)),
        (400, Refused("the provider answered 400")),
        (401, NotHandedOver("the provider answered 401", unknown=False)),
        (403, NotHandedOver("the provider answered 403", unknown=False)),
        (404, NotHandedOver("the provider answered 404", unknown=False)),
        (408, NotHandedOver("the provider answered 408", unknown=True)),
        (409, NotHandedOver("the provider answered 409", unknown=True)),
        (410, Refused("the provider answered 410")),
        (422, Refused("the provider answered 422")),
        (425, NotHandedOver("the provider answered 425", unknown=False)),
        (429, NotHandedOver("the provider answered 429", unknown=False)),
        (500, NotHandedOver("the provider answered 500", unknown=True)),
        (503, NotHandedOver("the provider answered 503", unknown=True)),
    ],
)
def test_what_an_answer_means(peer: Peer, status: int, outcome: object) -> None:
    peer.manner = answering(status)
    with HttpPayout(peer.url) as payout:
        assert payout.hand_over(INSTRUCTION) == outcome


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"thank you",
        b"[1]",
        b'{"reference": 7}',
        b'{"reference": "encrypted:1:x"}',
        b"x" * 100_000,
    ],
)
def test_an_answer_that_says_nothing_useful_is_an_answer(peer: Peer, answer: bytes) -> None:
    peer.answer = answer
    with HttpPayout(peer.url) as payout:
        assert payout.hand_over(INSTRUCTION) == HandedOver("http", "")


def test_a_refusal_says_why(peer: Peer) -> None:
    peer.manner = answering(422)
    peer.answer = b'{"title": "No such account", "detail": "PT50 0002 is unknown"}'
    with HttpPayout(peer.url) as payout:
        assert payout.hand_over(INSTRUCTION) == Refused(
            "the provider answered 422 PT50 0002 is unknown"
        )


@pytest.mark.parametrize("manner", [say_nothing, keep_and_say_nothing])
def test_no_answer_leaves_it_unknown(peer: Peer, manner: object) -> None:
    peer.manner = manner  # type: ignore[assignment]
    with HttpPayout(peer.url) as payout:
        assert payout.hand_over(INSTRUCTION) == NotHandedOver(
            "the connection was lost before the answer", unknown=True
        )


def test_a_slow_answer_leaves_it_unknown(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUTS", http.httpx.Timeout(0.1))
    peer.manner = keep_slowly(0.4)
    with HttpPayout(peer.url) as payout:
        assert payout.hand_over(INSTRUCTION) == NotHandedOver(
            "the provider did not answer in time", unknown=True
        )


def test_nobody_there_is_no_hand_over() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with HttpPayout(f"http://127.0.0.1:{port}") as payout:
        assert payout.hand_over(INSTRUCTION) == NotHandedOver(
            "the provider could not be reached", unknown=False
        )


def test_nothing_of_the_environment_is_used(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with HttpPayout(peer.url) as payout:
        assert isinstance(payout.hand_over(INSTRUCTION), HandedOver)


def environment(tmp_path: Path, **given: str) -> Settings:
    variables = {f"DUEBOOK_{name.upper()}": value for name, value in given.items()}
    return Settings.from_environment({"DUEBOOK_HOME": str(tmp_path), **variables})


def nobody(tenant_id: UUID) -> bool:
    """Whether a tenant is in test mode."""
    return False


def test_a_tenant_in_test_mode_is_paid_nothing(tmp_path: Path, peer: Peer) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    settings = environment(tmp_path, payout_url=peer.url, payout_token_file=str(token))
    tenants: list[UUID] = []
    with chosen_payout(settings, lambda tenant_id: not tenants.append(tenant_id)) as payout:
        outcome = payout.hand_over(INSTRUCTION)
    assert isinstance(outcome, HandedOver)
    assert outcome.provider == "file"
    assert tenants == [INSTRUCTION.tenant_id]
    assert peer.puts == []


def test_the_settings_choose(tmp_path: Path, peer: Peer) -> None:
    with chosen_payout(environment(tmp_path), nobody) as payout:
        assert isinstance(payout, FilePayout)
        payout.hand_over(INSTRUCTION)
    assert (tmp_path / "payouts" / str(UUID(int=1)) / f"{REFUND}.json").exists()
    token = tmp_path / "token"
    token.write_text("secret\n")
    settings = environment(tmp_path, payout_url=peer.url, payout_token_file=str(token))
    with chosen_payout(settings, nobody) as payout:
        assert payout.hand_over(INSTRUCTION) == HandedOver("http", "po-1")
    assert peer.puts[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("content", [None, b"", b"two words", b"\xff"])
def test_a_token_that_cannot_be_used(tmp_path: Path, content: bytes | None) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    settings = environment(tmp_path, payout_url="http://127.0.0.1:9", payout_token_file=str(token))
    with pytest.raises(SettingsError, match="PAYOUT_TOKEN_FILE"), chosen_payout(settings, nobody):
        raise AssertionError("it was used")


@pytest.mark.parametrize(
    "given",
    [
        {"payout_url": "ftp://example.com"},
        {"payout_url": "https://user:hidden@example.com"},
        {"payout_url": "https://example.com/?key=hidden"},
        {"payout_token_file": "/tmp/token"},
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="DUEBOOK_PAYOUT") as refused:
        environment(tmp_path, **given)
    assert "user:hidden" not in str(refused.value)


def test_no_secret_and_no_person_is_logged(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    from adapters.cli.service import quiet_libraries

    before = {name: logging.getLogger(name).level for name in ("httpx", "httpcore")}
    try:
        with caplog.at_level(logging.DEBUG):
            quiet_libraries()
            with HttpPayout(peer.url, "secret") as payout:
                payout.hand_over(INSTRUCTION)
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
    assert "secret" not in caplog.text
    assert "PT50" not in caplog.text
    assert str(REFUND) not in caplog.text
