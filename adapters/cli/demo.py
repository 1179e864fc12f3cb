"""The demo tenant of `duebook up --demo`, and the file that keeps its key."""

import os
import secrets
from hashlib import sha256
from pathlib import Path

import msgspec

from adapters.cli.tenant_creation import Opened, add_key, open_tenant
from adapters.wiring import Books
from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.tenants import CreateTenant

NAME = "demo"
FILE = "demo.json"
TENANT = CreateTenant(NAME, "BRL", "America/Sao_Paulo", "BR")
# What is usual in Brazil: a fine of 2% (the consumer cap, CDC art. 52) and 1% a month.
FEE_POLICY = AddFeePolicy(late_fee="2%", mora="1%/month")

SELECT_KEY = """
SELECT 1 FROM duebook.api_keys WHERE tenant_id = %s AND key_hash = %s AND revoked_at IS NULL
"""


def demo_tenant(books: Books, home: Path) -> Opened:
    """The demo tenant and its key: those kept in the home folder while they are valid, else new ones."""
    path = home / FILE
    kept = _read(path)
    if kept is not None and _opens(books, kept):
        return kept
    there = next((tenant_id for tenant_id, name in books.tenants.all() if name == NAME), None)
    if there is None:
        opened = open_tenant(books, TENANT)
        books.run(opened.tenant_id, "cli", lambda unit: add_fee_policy(unit, FEE_POLICY))
    else:
        _, key = add_key(books, there, NAME, "administrator")
        opened = Opened(there, key)
    _write(path, opened)
    return opened


def _read(path: Path) -> Opened | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Opened)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _opens(books: Books, kept: Opened) -> bool:
    key_hash = sha256(kept.api_key.encode()).digest()
    with books.database.writer.connection() as connection:
        row = connection.execute(SELECT_KEY, (kept.tenant_id, key_hash)).fetchone()
    return row is not None


def _write(path: Path, opened: Opened) -> None:
    """Whole or not at all, and for its owner's eyes only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(opened) + b"\n")
    draft.replace(path)
