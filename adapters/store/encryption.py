"""Encryption personal data: AES-256-GCM under a key per customer, each key wrapped by the master key.

The key's row stands outside the log. Deleting it makes every encrypted text of that customer unreadable, in every
event and snapshot, now and in backups of the log; what is shown then is a stable pseudonym.
"""

import base64
import hmac
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.postgres.connection import Pool
from ledger.encrypted import TOKEN
from ledger.ids import stable_id

SELECT_KEYS = """
SELECT key.tenant_id, key.customer_id, key.wrapped_key
  FROM customer_keys AS key
  JOIN unnest(%s::uuid[], %s::uuid[]) AS wanted (tenant_id, customer_id)
    ON key.tenant_id = wanted.tenant_id AND key.customer_id = wanted.customer_id
"""
INSERT_CUSTOMER_KEYS = """
INSERT INTO customer_keys (tenant_id, customer_id, wrapped_key)
SELECT tenant_id, customer_id, wrapped_key
  FROM unnest(%s::uuid[], %s::uuid[], %s::bytea[]) AS new (tenant_id, customer_id, wrapped_key)
ON CONFLICT (tenant_id, customer_id) DO NOTHING
"""

NONCE_BYTES = 12
# The one message that is ever encrypted under the nonce of zeros: it derives the key of fingerprints.
FINGERPRINT_CONTEXT = b"duebook fingerprint 1"
# The one message that is ever encrypted under the master key and the nonce of zeros.
SECRET_CONTEXT = b"duebook secret 1"
CACHED_KEYS = 50_000
KEPT_SECONDS = 30.0

Owner = tuple[UUID, UUID]
"""(tenant, customer)"""


class PersonalDataCipher:
    """Encrypts and opens texts of one shard. Safe for use from several threads."""

    def __init__(self, pool: Pool, master_key: bytes) -> None:
        self._pool = pool
        self._master = AESGCM(master_key)
        self._keys: OrderedDict[Owner, tuple[AESGCM, float]] = (
            OrderedDict()
        )  # with when to look again
        self._lock = threading.Lock()

    def encrypt(self, key: AESGCM, owner: Owner, text: str) -> str:
        """The encrypted form of a text; an empty text stays empty."""
        if not text:
            return ""
        nonce = os.urandom(NONCE_BYTES)
        encrypted = nonce + key.encrypt(nonce, text.encode(), _bound_to(owner))
        return f"encrypted:1:{owner[1].hex}:{base64.urlsafe_b64encode(encrypted).decode()}"

    def fingerprint(self, key: AESGCM, text: str) -> str:
        """A hash of a text under a key derived from the customer's: without it, nobody can try texts out."""
        derived = key.encrypt(bytes(NONCE_BYTES), b"", FINGERPRINT_CONTEXT)
        return base64.urlsafe_b64encode(hmac.digest(derived, text.encode(), "sha256")[:18]).decode()

    def encrypt_request(self, tenant_id: UUID, key: str, body: bytes) -> bytes:
        """A request's body under the master key, for the moment until it is carried out."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, body, tenant_id.bytes + key.encode())

    def open_request(self, tenant_id: UUID, key: str, encrypted: bytes) -> bytes:
        """The body that `encrypt_request` encrypted for this tenant and key."""
        nonce, data = encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:]
        return self._master.decrypt(nonce, data, tenant_id.bytes + key.encode())

    def secret_id(self, tenant_id: UUID, secret: str) -> UUID:
        """The id of a tenant's secret: the same for the same one, and telling nothing without the master key."""
        derived = self._master.encrypt(bytes(NONCE_BYTES), b"", SECRET_CONTEXT)
        digest = hmac.digest(derived, tenant_id.bytes + secret.encode(), "sha256")
        return stable_id("secret", digest.hex())

    def new_key(self, owner: Owner) -> tuple[AESGCM, bytes]:
        """A fresh key for a customer, and its wrapped form, to be stored with the command's events."""
        key = AESGCM.generate_key(256)
        nonce = os.urandom(NONCE_BYTES)
        return AESGCM(key), nonce + self._master.encrypt(nonce, key, _bound_to(owner))

    def keys(
        self, connection: psycopg.Connection[Any], owners: Iterable[Owner]
    ) -> dict[Owner, AESGCM]:
        """The keys of those customers that have one, from memory where they were stored a moment ago."""
        wanted = set(owners)
        with self._lock:
            found = self._at_hand(wanted)
        if len(found) < len(wanted):
            found.update(self.stored_keys(connection, wanted - found.keys()))
        return found

    def stored_keys(
        self, connection: psycopg.Connection[Any], owners: Iterable[Owner]
    ) -> dict[Owner, AESGCM]:
        """The keys as they are stored now: what is encrypted under one that was destroyed, nobody can ever open."""
        wanted = list(owners)
        rows = connection.execute(
            SELECT_KEYS, ([tenant for tenant, _ in wanted], [who for _, who in wanted])
        ).fetchall()
        found: dict[Owner, AESGCM] = {}
        for tenant_id, customer_id, wrapped in rows:
            owner = (tenant_id, customer_id)
            found[owner] = AESGCM(self._unwrapped(owner, bytes(wrapped)))
            self.remember(owner, found[owner])
        return found

    def remember(self, owner: Owner, key: AESGCM) -> None:
        """Keeps a key that is now stored, for as long as one that another process destroys may still open texts."""
        with self._lock:
            self._keys[owner] = (key, time.monotonic() + KEPT_SECONDS)
            self._keys.move_to_end(owner)
            while len(self._keys) > CACHED_KEYS:
                self._keys.popitem(last=False)

    def _at_hand(self, owners: Iterable[Owner]) -> dict[Owner, AESGCM]:
        """Those of the keys that are in memory and fresh. Called with the lock held."""
        now = time.monotonic()
        kept = ((owner, self._keys.get(owner)) for owner in owners)
        return {owner: entry[0] for owner, entry in kept if entry is not None and entry[1] > now}

    def forget(self, owner: Owner) -> None:
        """Drops a key that was destroyed."""
        with self._lock:
            self._keys.pop(owner, None)

    def decrypted(self, tenant_id: UUID, body: bytes) -> bytes:
        """JSON with every encrypted token in it replaced by its clear text, or by a pseudonym."""
        if b"encrypted:1:" not in body:
            return body
        text = body.decode()
        return self._json_opened(tenant_id, text, self._keys_of(tenant_id, text))

    def decrypted_at_once(self, tenant_id: UUID, body: bytes) -> bytes | None:
        """As `opened`, but never waits for the database: None when a key is not at hand."""
        if b"encrypted:1:" not in body:
            return body
        text = body.decode()
        owners, known = self._known_of(tenant_id, text)
        return self._json_opened(tenant_id, text, known) if len(known) == len(owners) else None

    def opened_text(self, tenant_id: UUID, text: str) -> str:
        """A text with every encrypted token in it opened."""
        if "encrypted:1:" not in text:
            return text
        keys = self._keys_of(tenant_id, text)
        return TOKEN.sub(lambda match: self._open(tenant_id, match[1], match[2], keys), text)

    def _json_opened(self, tenant_id: UUID, text: str, keys: dict[Owner, AESGCM]) -> bytes:
        return TOKEN.sub(
            lambda match: _json_inner(self._open(tenant_id, match[1], match[2], keys)), text
        ).encode()

    def _known_of(self, tenant_id: UUID, text: str) -> tuple[set[Owner], dict[Owner, AESGCM]]:
        """(whose texts these are, the keys of those that are at hand)."""
        owners = {(tenant_id, UUID(match[1])) for match in TOKEN.finditer(text)}
        with self._lock:
            return owners, self._at_hand(owners)

    def _keys_of(self, tenant_id: UUID, text: str) -> dict[Owner, AESGCM]:
        owners, known = self._known_of(tenant_id, text)
        if len(known) == len(owners):
            return known
        with self._pool.connection() as connection:
            return self.keys(connection, owners)

    def _open(self, tenant_id: UUID, who: str, data: str, keys: dict[Owner, AESGCM]) -> str:
        owner = (tenant_id, UUID(who))
        key = keys.get(owner)
        if key is None:
            return pseudonym(owner)
        try:
            encrypted = base64.urlsafe_b64decode(data)
            return key.decrypt(
                encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:], _bound_to(owner)
            ).decode()
        except (InvalidTag, ValueError):
            # The token was altered or belongs to another tenant: it opens nothing here.
            return pseudonym(owner)

    def _unwrapped(self, owner: Owner, wrapped: bytes) -> bytes:
        return self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _bound_to(owner))


def pseudonym(owner: Owner) -> str:
    """What stands for a person whose key is destroyed: the same at each look, and telling nothing."""
    return "erased-" + sha256(_bound_to(owner)).hexdigest()[:8]


def _bound_to(owner: Owner) -> bytes:
    return owner[0].bytes + owner[1].bytes


def _json_inner(text: str) -> str:
    """A text escaped to stand inside a JSON string."""
    return msgspec.json.encode(text)[1:-1].decode()
