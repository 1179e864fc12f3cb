"""Opening a tenant's books: the tenant and its first API key, in one transaction."""

import secrets
from hashlib import sha256
from uuid import UUID, uuid4

import msgspec

from adapters.wiring import Books
from commands.tenants import CreateKey, CreateTenant, KeyView, create_key, create_tenant
from commands.unit_of_work import Unit
from ledger.tenant import Role

ACTOR = "cli"
KEY_PREFIX = "dbk_"
KEY_BYTES = 32
FIRST_KEY = "first"


class Opened(msgspec.Struct, frozen=True):
    """A new tenant. The key is shown this once: only its hash is kept."""

    tenant_id: UUID
    api_key: str


def new_api_key() -> tuple[str, bytes]:
    """A fresh key and its SHA-256."""
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    return key, sha256(key.encode()).digest()


def open_tenant(books: Books, command: CreateTenant) -> Opened:
    """Creates a tenant. Nothing of it is there unless all of it is. Raises AlreadyExists for a name in use."""
    tenant_id = uuid4()
    key, key_hash = new_api_key()

    def handler(unit: Unit) -> KeyView:
        create_tenant(unit, command)
        return create_key(unit, CreateKey(FIRST_KEY), key_hash)

    books.run(tenant_id, ACTOR, handler)
    return Opened(tenant_id, key)


def add_key(books: Books, tenant_id: UUID, name: str, role: Role) -> tuple[KeyView, str]:
    """A further key of a tenant, and its text."""
    key, key_hash = new_api_key()
    answer = books.run(
        tenant_id, ACTOR, lambda unit: create_key(unit, CreateKey(name, role), key_hash)
    )
    return msgspec.json.decode(answer.body, type=KeyView), key
