"""Signing mails with a domain's key (DKIM: RFC 6376, and RFC 8463 for Ed25519).

Headers are canonicalized relaxed, the body simple: bodies are base64 here, in which no server has anything to change.
"""

import base64
import re
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ledger.sender import MalformedSender

SIGNED: Final = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "auto-submitted",
    "list-unsubscribe",
    "list-unsubscribe-post",
)
MIN_RSA_BITS: Final = 1024
_FOLDED = re.compile(rb"\r\n(?=[ \t])")
_BLANKS = re.compile(rb"[ \t]+")

Key = RSAPrivateKey | Ed25519PrivateKey


class DkimKey:
    """A domain's private key, and the selector under which its public key is published."""

    def __init__(self, domain: str, selector: str, pem: str) -> None:
        """Raises MalformedSender."""
        self._domain = domain
        self._selector = selector
        self._key = read_key(pem)
        self._algorithm = "rsa" if isinstance(self._key, RSAPrivateKey) else "ed25519"

    def signed(self, mail: bytes) -> bytes:
        """A mail with its signature as the first header. Its lines end with CR LF."""
        head, _, body = mail.partition(b"\r\n\r\n")
        headers = _headers(head)
        names = [name for name in SIGNED if name in headers]
        # From is named twice, so that nobody adds another one.
        value = (
            f"v=1; a={self._algorithm}-sha256; c=relaxed/simple; d={self._domain}; s={self._selector};\r\n"
            f"\th={':'.join([*names, 'from'])};\r\n"
            f"\tbh={_encoded(sha256(_simple_body(body)).digest())};\r\n"
            f"\tb="
        ).encode()
        signed = b"".join(_relaxed(name.encode(), headers[name]) + b"\r\n" for name in names)
        signed += _relaxed(b"dkim-signature", value)
        signature = _encoded(self._sign(signed))
        lines = "\r\n\t  ".join(signature[at : at + 72] for at in range(0, len(signature), 72))
        return b"DKIM-Signature: " + value + lines.encode() + b"\r\n" + mail

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, PKCS1v15(), hashes.SHA256())
        return self._key.sign(sha256(data).digest())


def read_key(pem: str) -> Key:
    """A private key as PEM: RSA of at least 1024 bits, or Ed25519. Raises MalformedSender."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise MalformedSender(
            "the sender's dkim_key must be an unencrypted private key as PEM", field="dkim_key"
        ) from error
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, RSAPrivateKey) and key.key_size >= MIN_RSA_BITS:
        return key
    raise MalformedSender(
        f"the sender's dkim_key must be RSA of at least {MIN_RSA_BITS} bits, or Ed25519",
        field="dkim_key",
    )


def _headers(head: bytes) -> dict[str, bytes]:
    """The last header of each name, which is the one that is signed first."""
    found: dict[str, bytes] = {}
    for line in _FOLDED.sub(b"", head).split(b"\r\n"):
        name, _, value = line.partition(b":")
        found[name.strip().lower().decode("ascii")] = value
    return found


def _relaxed(name: bytes, value: bytes) -> bytes:
    return name + b":" + _BLANKS.sub(b" ", _FOLDED.sub(b"", value)).strip(b" ")


def _simple_body(body: bytes) -> bytes:
    return body.rstrip(b"\r\n") + b"\r\n"


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
