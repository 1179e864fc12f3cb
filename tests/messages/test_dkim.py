"""Signatures of mails, verified by another program (dkimpy)."""

import base64
from email import message_from_bytes, policy

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from adapters.messages.smtp.dkim import DkimKey, Key
from commands.senders import save_sender
from ledger.sender import MalformedSender
from tests.messages.mail_server import MailServer
from tests.messages.test_smtp import Office, SaveSender
from tests.messages.test_smtp import office as office
from tests.messages.test_smtp import server as server

MAIL = (
    b"From: Shop <shop@shop.example>\r\n"
    b"To: ann@example.com\r\n"
    b"Subject: =?utf-8?q?a_long?=\r\n =?utf-8?q?_one?=  \r\n"
    b"X-Other: not signed\r\n"
    b"\r\n"
    b"SGVsbG8=\r\n\r\n\r\n"
)


def pem(key: Key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def published(key: Key) -> bytes:
    """The record that a domain publishes for a key."""
    if isinstance(key, RSAPrivateKey):
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw)


KEYS: list[Key] = [generate_rsa(65537, 2048), Ed25519PrivateKey.generate()]


def verified(mail: bytes, key: Key) -> bool:
    asked: list[bytes] = []

    def answer(name: bytes, timeout: float = 5) -> bytes:
        asked.append(name)
        return published(key)

    found: bool = dkim.verify(mail, dnsfunc=answer)
    assert set(asked) <= {b"s2026._domainkey.shop.example."}
    return found


@pytest.mark.parametrize("key", KEYS, ids=["rsa", "ed25519"])
def test_another_program_verifies_signatures(key: Key) -> None:
    signed = DkimKey("shop.example", "s2026", pem(key)).signed(MAIL)
    assert verified(signed, key)
    assert signed.endswith(MAIL)
    for changed in (
        signed.replace(b"SGVsbG8", b"SGVsbG9"),
        signed.replace(b"To: ann", b"To: bob"),
        signed.replace(b"From: Shop <shop@shop.example>", b"From: Other <shop@shop.example>"),
        b"From: other@other.example\r\n" + signed,
    ):
        assert not verified(changed, key)
    assert verified(signed.replace(b"X-Other: not signed", b"X-Other: changed"), key)


@pytest.mark.parametrize("key", KEYS, ids=["rsa", "ed25519"])
def test_reminders_are_signed(office: Office, server: MailServer, key: Key) -> None:
    books, tenant_id = office.shop.books, office.shop.tenant_id
    kept = books.secrets.keep(tenant_id, pem(key))
    command = SaveSender(
        "main",
        "127.0.0.1",
        server.port,
        "billing@shop.example",
        security="none",
        pause_ms=0,
        dkim_selector="s2026",
    )
    office.shop.ask(lambda unit: save_sender(unit, command, dkim_secret_id=kept))
    office.queue()
    assert office.send().taken == 1
    (mail,) = server.mails
    assert verified(mail.content, key)
    headers = message_from_bytes(mail.content, policy=policy.SMTP)
    assert "list-unsubscribe:list-unsubscribe-post" in str(headers["DKIM-Signature"])
    said = [bytes(one.data) for one in office.shop.events()]
    assert not any(b"PRIVATE" in one for one in said)


@pytest.mark.parametrize(
    "text",
    ["", "no key", pem(KEYS[0]).replace("M", "N", 1), pem(KEYS[0])[:-80]],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(MalformedSender, match="dkim_key"):
        DkimKey("shop.example", "s2026", text)


def test_keys_that_nobody_verifies_are_refused() -> None:
    curve = generate_private_key(SECP256R1())
    text = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(MalformedSender, match="RSA of at least 1024 bits, or Ed25519"):
        DkimKey("shop.example", "s2026", text)
