"""The check of API keys: which key came with a request, and whose it is.

A key is known by its SHA-256 only. It names its tenant, so that `X-Tenant-Id` may be left out; another tenant's id is
refused. The key is then read as `duebook_api` inside a transaction of that tenant, under row-level security. A key
that was found is remembered for two seconds: for that long, one that was revoked meanwhile is still accepted.
"""

import asyncio
import hmac
from hashlib import sha256
from time import monotonic
from typing import Final
from uuid import UUID

import msgspec
from cachetools import TTLCache

from adapters.http.middleware import RequestContext
from adapters.http.problem_details import NoValidKey
from adapters.http.read_pool import ReadPool
from adapters.wiring import Books
from ledger.tenant import Role

REMEMBERED_SECONDS: Final = 2.0
MAX_REMEMBERED_KEYS: Final = 10_000
BEARER: Final = b"Bearer "

SELECT_TENANT = "SELECT duebook.tenant_of_key(%s)"
SELECT_KEY = """
SELECT key_hash, key_id, role FROM duebook.api_keys
 WHERE tenant_id = %s AND key_hash = %s AND revoked_at IS NULL
"""

Credentials = tuple[bytes, bytes]
"""The tenant's id as the header has it, empty without one, and the SHA-256 of the key."""


class Principal(msgspec.Struct, frozen=True):
    """Whose key came with a request. `actor` is how events name it."""

    tenant_id: UUID
    key_id: UUID
    role: Role
    actor: str


class Authenticator:
    """Finds the principal of a request. Belongs to one event loop."""

    def __init__(self, books: Books, read_pool: ReadPool) -> None:
        self._books = books
        self._read_pool = read_pool
        self._known: TTLCache[Credentials, Principal] = TTLCache(
            MAX_REMEMBERED_KEYS, REMEMBERED_SECONDS, timer=lambda: monotonic()
        )
        self._looking_up: dict[Credentials, asyncio.Task[Principal | None]] = {}

    async def authenticate(self, context: RequestContext) -> Principal:
        """The principal that the headers prove. Raises NoValidKey."""
        credentials = (context.tenant_id, sha256(_key(context)).digest())
        principal = self._known.get(credentials)
        if principal is None:
            principal = await self._look_up_once(credentials)
        if principal is None:
            raise NoValidKey("the key is unknown or was revoked, or is of another tenant")
        return principal

    async def _look_up_once(self, credentials: Credentials) -> Principal | None:
        """Looks up once for all the requests that wait for the same credentials."""
        task = self._looking_up.get(credentials)
        if task is None:
            task = asyncio.create_task(self._read_pool.run(self._look_up, credentials))
            self._looking_up[credentials] = task
            task.add_done_callback(lambda done: self._remember(credentials, done))
        return await asyncio.shield(task)

    def _remember(self, credentials: Credentials, task: asyncio.Task[Principal | None]) -> None:
        del self._looking_up[credentials]
        if task.cancelled() or task.exception() is not None:
            return
        principal = task.result()
        if principal is not None:
            self._known[credentials] = principal

    def _look_up(self, credentials: Credentials) -> Principal | None:
        given, key_hash = credentials
        tenant_id = _tenant_id(given) if given else self._tenant_of(key_hash)
        if tenant_id is None:
            return None
        with self._books.reading(tenant_id) as connection:
            row = connection.execute(SELECT_KEY, (tenant_id, key_hash)).fetchone()
        if row is None or not hmac.compare_digest(bytes(row[0]), key_hash):
            return None
        return Principal(tenant_id=tenant_id, key_id=row[1], role=row[2], actor=f"key:{row[1]}")

    def _tenant_of(self, key_hash: bytes) -> UUID | None:
        with self._books.database.api.connection() as connection:
            row = connection.execute(SELECT_TENANT, (key_hash,)).fetchone()
        return row[0] if row is not None else None


def _key(context: RequestContext) -> bytes:
    """The key of a request, from either header. Raises NoValidKey."""
    bearer = context.authorization
    given = {context.api_key} if context.api_key else set()
    if bearer[: len(BEARER)].lower() == BEARER.lower():
        given.add(bearer[len(BEARER) :].strip())
    if len(given) > 1:
        raise NoValidKey("Authorization and X-Api-Key hold different keys; send one of them")
    key = next(iter(given), b"")
    if not key:
        raise NoValidKey("send the header Authorization: Bearer with an API key, or X-Api-Key")
    return key


def _tenant_id(given: bytes) -> UUID | None:
    """The id in a header, in its canonical form; None for anything else."""
    try:
        tenant_id = UUID(given.decode("ascii"))
    except ValueError:
        return None
    return tenant_id if str(tenant_id).encode() == given.lower() else None
