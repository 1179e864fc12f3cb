"""The door: which key came with a request, whose it is, and what its role may do.

A key is known by its SHA-256 only. The look-up runs as `duebook_api` inside the transaction of the tenant that the
request names, so that row-level security hides every other tenant's keys. A key that was found is remembered for two
seconds: that long, one that was revoked meanwhile can still enter.
"""

import asyncio
import hmac
from hashlib import sha256
from time import monotonic
from typing import Final
from uuid import UUID

import msgspec

from adapters.http.middleware import RequestContext
from adapters.http.problem_details import NoValidKey
from adapters.http.read_pool import ReadPool
from adapters.wiring import Books
from ledger.tenant import Role

REMEMBERED_SECONDS: Final = 2.0
MAX_REMEMBERED_KEYS: Final = 10_000

SELECT_KEY = """
SELECT key_hash, key_id, role FROM duebook.api_keys
 WHERE tenant_id = %s AND key_hash = %s AND revoked_at IS NULL
"""

Wanted = tuple[bytes, bytes]
"""The tenant's id as it was written in the header, and the SHA-256 of the key."""


class Principal(msgspec.Struct, frozen=True):
    """Whose key came with a request. `actor` is how events name it."""

    tenant_id: UUID
    key_id: UUID
    role: Role
    actor: str


class Authenticator:
    """Lets requests in. Belongs to one event loop."""

    def __init__(self, books: Books, read_pool: ReadPool) -> None:
        self._books = books
        self._read_pool = read_pool
        self._known: dict[Wanted, tuple[float, Principal]] = {}
        self._asking: dict[Wanted, asyncio.Task[Principal | None]] = {}

    async def admit(self, context: RequestContext) -> Principal:
        """The principal that the headers prove. Raises NoValidKey."""
        if not context.api_key or not context.tenant_id:
            raise NoValidKey("send the headers X-Api-Key and X-Tenant-Id")
        wanted = (context.tenant_id, sha256(context.api_key).digest())
        known = self._known.get(wanted)
        if known is not None and monotonic() < known[0]:
            return known[1]
        principal = await self._ask(wanted)
        if principal is None:
            raise NoValidKey("the key is unknown or was revoked, or is of another tenant")
        return principal

    async def _ask(self, wanted: Wanted) -> Principal | None:
        """Asks the database, once for all the requests that want to know at the same time."""
        asking = self._asking.get(wanted)
        if asking is None:
            asking = asyncio.create_task(self._read_pool.run(self._look_up, wanted))
            self._asking[wanted] = asking
            asking.add_done_callback(lambda task: self._learn(wanted, task))
        return await asyncio.shield(asking)

    def _learn(self, wanted: Wanted, task: asyncio.Task[Principal | None]) -> None:
        del self._asking[wanted]
        self._known.pop(wanted, None)
        if task.cancelled() or task.exception() is not None:
            return
        principal = task.result()
        if principal is not None:
            if len(self._known) >= MAX_REMEMBERED_KEYS:
                self._known.clear()
            self._known[wanted] = (monotonic() + REMEMBERED_SECONDS, principal)

    def _look_up(self, wanted: Wanted) -> Principal | None:
        try:
            tenant_id = UUID(wanted[0].decode("ascii"))
        except ValueError:
            return None
        with self._books.reading(tenant_id) as connection:
            row = connection.execute(SELECT_KEY, (tenant_id, wanted[1])).fetchone()
        if row is None or not hmac.compare_digest(bytes(row[0]), wanted[1]):
            return None
        return Principal(tenant_id=tenant_id, key_id=row[1], role=row[2], actor=f"key:{row[1]}")
