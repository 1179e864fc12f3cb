"""Tokens that identify a message: in links for debtors, and in its return address.

A token is the first 3 bytes of the tenant's id, the message's id and 128 bits of a keyed hash over both, over what the
token is for, and over how often the customer's links were revoked. Nobody can make one without the master key; one for
one use opens no other; all of a customer's end when they are revoked. In links they are base64 (47 characters), in
addresses, whose letters' case may be lost on the way, base32 (56 characters of the 64 that RFC 5321 allows).
"""

import base64
import binascii
import hmac
from hashlib import sha256
from typing import Final, Literal, NamedTuple
from uuid import UUID

from adapters.postgres.connection import Pool
from adapters.store import snapshots
from ledger.customer import Customer
from ledger.message import Message

Use = Literal["unsubscribe", "opened", "return"]

HINT_BYTES: Final = 3
HASH_BYTES: Final = 16
TOKEN_BYTES: Final = HINT_BYTES + 16 + HASH_BYTES
LONGEST_TOKEN: Final = 64

# Those of an installation's tenants whose ids begin as the token says: hardly ever more than one.
SELECT_TENANTS = """
SELECT tenant_id FROM duebook.tenants WHERE tenant_id BETWEEN %s AND %s ORDER BY tenant_id
"""


class Addressee(NamedTuple):
    """The message that a token names."""

    tenant_id: UUID
    message_id: UUID
    message: Message
    customer: Customer


class Links:
    """Makes tokens and finds out what they name.

    public_url  what the service calls itself; empty, no links are made
    """

    def __init__(self, master_key: bytes, public_url: str = "") -> None:
        self._key = hmac.digest(master_key, b"duebook links 1", "sha256")
        self.public_url = public_url

    def unsubscribe_url(self, tenant_id: UUID, message_id: UUID, revoked: int) -> str:
        """Where a customer stops reminders."""
        token = self._token("unsubscribe", tenant_id, message_id, revoked)
        return f"{self.public_url}/u/{_base64(token)}"

    def picture_url(self, tenant_id: UUID, message_id: UUID, revoked: int) -> str:
        """A picture whose fetching tells that a message was perhaps opened."""
        token = self._token("opened", tenant_id, message_id, revoked)
        return f"{self.public_url}/t/{_base64(token)}.gif"

    def return_address(self, tenant_id: UUID, message_id: UUID, domain: str) -> str:
        """Where a message returns to that cannot be delivered. Revoking links does not change it."""
        token = self._token("return", tenant_id, message_id, 0)
        return f"{base64.b32encode(token).decode().lower()}@{domain}"

    def read_link(self, pool: Pool, use: Use, token: str) -> Addressee | None:
        """What a link's token names; None for any other text, and for a link that was revoked."""
        try:
            if len(token) > LONGEST_TOKEN:
                return None
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        return self._find(pool, use, raw)

    def read_return(self, pool: Pool, local_part: str) -> Addressee | None:
        """What the local part of a return address names; None for any other text."""
        try:
            if len(local_part) > LONGEST_TOKEN:
                return None
            raw = base64.b32decode(local_part.upper())
        except (ValueError, binascii.Error):
            return None
        return self._find(pool, "return", raw)

    def _find(self, pool: Pool, use: Use, raw: bytes) -> Addressee | None:
        if len(raw) != TOKEN_BYTES:
            return None
        hint, message_id = raw[:HINT_BYTES], UUID(bytes=raw[HINT_BYTES:-HASH_BYTES])
        rest = 16 - HINT_BYTES
        between = (UUID(bytes=hint + bytes(rest)), UUID(bytes=hint + b"\xff" * rest))
        with pool.connection() as connection:
            for (tenant_id,) in connection.execute(SELECT_TENANTS, between).fetchall():
                found = snapshots.read(connection, tenant_id, "message", message_id)
                if found is None:
                    continue
                message: Message = found[1]
                read = snapshots.read(connection, tenant_id, "customer", message.customer_id)
                assert read is not None, "a message's customer is never deleted"
                customer: Customer = read[1]
                revoked = 0 if use == "return" else customer.links
                expected = self._token(use, tenant_id, message_id, revoked)
                if hmac.compare_digest(raw, expected):
                    return Addressee(tenant_id, message_id, message, customer)
        return None

    def _token(self, use: Use, tenant_id: UUID, message_id: UUID, revoked: int) -> bytes:
        said = b"|".join((use.encode(), tenant_id.bytes, message_id.bytes, str(revoked).encode()))
        hashed = hmac.digest(self._key, said, sha256)[:HASH_BYTES]
        return tenant_id.bytes[:HINT_BYTES] + message_id.bytes + hashed


def _base64(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).decode().rstrip("=")
