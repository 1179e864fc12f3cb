"""The inbox: requests that are accepted now and carried out soon, each once.

A request is accepted in a transaction of its own, before it is answered. It is carried out like any other, under its
own idempotency key, so that a run that was killed before it took the request out of the inbox changes nothing when it
is repeated. What it makes has an id that follows from the tenant and the key, and is told at once. Its business date
is the day on which it was accepted.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from adapters.postgres.connection import Pool
from adapters.store.encryption import PersonalDataCipher
from adapters.store.requests import Answer, KeyReused, Request, StillRunning, StoreUnavailable
from adapters.store.unit_of_work import new_command_id
from adapters.store.writer import Writer
from commands.payments import ReceivePayment, receive_payment
from commands.unit_of_work import Unit
from ledger.errors import LedgerError
from ledger.ids import stable_id

log = logging.getLogger("duebook.inbox")

EVERY_SECONDS = 0.5
MAX_TOGETHER = 100
AGAIN_AFTER_SECONDS = 60.0

SELECT_RECORD = "SELECT request_hash FROM command_records WHERE tenant_id = %s AND key = %s"
# A request that was refused may be made again under its key.
INSERT_ACCEPTED = """
INSERT INTO accepted_requests AS known
       (tenant_id, key, request_id, operation, request_hash, actor, correlation_id, accepted_at, body, refusal)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, NULL)
ON CONFLICT (tenant_id, key) DO UPDATE
   SET request_hash = excluded.request_hash, actor = excluded.actor, correlation_id = excluded.correlation_id,
       accepted_at = excluded.accepted_at, body = excluded.body, refusal = NULL
 WHERE known.refusal IS NOT NULL
"""
SELECT_ACCEPTED_HASH = """
SELECT request_hash FROM accepted_requests WHERE tenant_id = %s AND key = %s
"""
SELECT_WAITING = """
SELECT tenant_id, key, operation, request_hash, actor, correlation_id, accepted_at, body
  FROM accepted_requests
 WHERE refusal IS NULL
   AND (accepted_at, tenant_id, key) > (%s, %s, %s)
 ORDER BY accepted_at, tenant_id, key
 LIMIT %s
"""
DELETE_DONE = """
DELETE FROM accepted_requests WHERE tenant_id = %s AND key = %s AND accepted_at = %s AND refusal IS NULL
"""
KEEP_REFUSAL = """
UPDATE accepted_requests SET refusal = %s, body = NULL
 WHERE tenant_id = %s AND key = %s AND accepted_at = %s AND refusal IS NULL
"""
SELECT_STATUS = """
SELECT accepted_at, refusal FROM accepted_requests WHERE tenant_id = %s AND request_id = %s
"""

BEGINNING = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0), "")


class Operation(msgspec.Struct, frozen=True):
    """A kind of request that can be accepted: what it takes, who carries it out, and what it makes."""

    takes: type[Any]
    handler: Callable[[Unit, Any], Any]
    makes: str
    status: int


OPERATIONS = {"receive_payment": Operation(ReceivePayment, receive_payment, "payment", 201)}


class Refusal(msgspec.Struct, frozen=True):
    """Why an accepted request was not carried out: the condition's code, and what to do in words."""

    code: str
    detail: str
    field: str | None = None


class Status(msgspec.Struct, frozen=True):
    """How an accepted request stands; no refusal while it waits."""

    accepted_at: datetime
    refusal: Refusal | None


class Waiting(msgspec.Struct, frozen=True):
    """A request that waits; its body is encrypted."""

    tenant_id: UUID
    key: str
    operation: str
    request_hash: bytes
    actor: str
    correlation_id: str
    accepted_at: datetime
    body: bytes


class Inbox:
    """Accepts requests, and carries them out once it is started."""

    def __init__(self, pool: Pool, writer: Writer, cipher: PersonalDataCipher) -> None:
        self._pool = pool
        self._writer = writer
        self._cipher = cipher
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._again_at: dict[tuple[UUID, str], float] = {}

    def enqueue(
        self,
        tenant_id: UUID,
        key: str,
        operation: str,
        request_hash: bytes,
        body: bytes,
        *,
        actor: str,
        correlation_id: str,
    ) -> UUID:
        """Keeps a request, to be carried out once; returns the id of what it will make. Raises KeyReused.

        One that waits, or was carried out, is left as it is.
        """
        request_id = id_of(tenant_id, key, operation)
        encrypted = self._cipher.encrypt_request(tenant_id, key, body)
        values = (tenant_id, key, request_id, operation, request_hash, actor, correlation_id)
        with self._pool.connection() as connection:
            known = connection.execute(SELECT_RECORD, (tenant_id, key)).fetchone()
            if known is None:
                connection.execute(INSERT_ACCEPTED, (*values, datetime.now(UTC), encrypted))
                known = connection.execute(SELECT_ACCEPTED_HASH, (tenant_id, key)).fetchone()
            if known is not None and bytes(known[0]) != request_hash:
                raise KeyReused(
                    "the idempotency key was used for another request; use a new key for a new request"
                )
        return request_id

    def execute(self) -> int:
        """Carries out what waits, the oldest first; returns how many were done or refused.

        What fails in an unforeseen way is logged, does not keep the others waiting, and is tried again in a minute.
        """
        settled = 0
        after: tuple[datetime, UUID, str] = BEGINNING
        while not self._stopping.is_set():
            with self._pool.connection() as connection:
                rows = connection.execute(SELECT_WAITING, (*after, MAX_TOGETHER)).fetchall()
            if not rows:
                break
            settled += self._carry_out_together([Waiting(*row) for row in rows])
            after = (rows[-1][6], rows[-1][0], rows[-1][1])
        return settled

    def start(self) -> None:
        """Carries requests out from now on, in the background."""
        self._thread = threading.Thread(target=self._run, name="duebook-inbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops after those that are being carried out. Does nothing when it was not started."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_SECONDS):
            try:
                self.execute()
            except Exception:
                log.exception(
                    "accepted requests could not be looked for; the next round tries again"
                )

    def _carry_out_together(self, waiting: Sequence[Waiting]) -> int:
        """Hands requests to the writer together, then settles each by its answer."""
        asked: list[tuple[Waiting, Future[Answer]]] = []
        settled = 0
        for one in waiting:
            if self._again_at.get((one.tenant_id, one.key), 0.0) > time.monotonic():
                continue
            try:
                asked.append((one, self._writer.submit(self._request(one))))
            except Exception as error:
                self._put_off(one, error)
        for one, future in asked:
            try:
                settled += self._settle(one, future)
            except Exception as error:
                self._put_off(one, error)
        return settled

    def _put_off(self, waiting: Waiting, error: Exception) -> None:
        # The error's text may quote the request.
        log.error(
            "an accepted request failed with %s, correlation=%s; it is tried again in a minute",
            type(error).__name__,
            waiting.correlation_id,
        )
        self._again_at[waiting.tenant_id, waiting.key] = time.monotonic() + AGAIN_AFTER_SECONDS

    def _settle(self, waiting: Waiting, future: Future[Answer]) -> bool:
        place = (waiting.tenant_id, waiting.key, waiting.accepted_at)
        try:
            future.result()
        except (StillRunning, StoreUnavailable) as later:
            log.info("an accepted request waits on: %s", later)
            return False
        except LedgerError as refused:
            refusal = Refusal(refused.code, str(refused), refused.field)
            with self._pool.connection() as connection:
                connection.execute(KEEP_REFUSAL, (msgspec.json.encode(refusal), *place))
            return True
        with self._pool.connection() as connection:
            connection.execute(DELETE_DONE, place)
        return True

    def _request(self, waiting: Waiting) -> Request:
        operation = OPERATIONS[waiting.operation]
        body = self._cipher.open_request(waiting.tenant_id, waiting.key, bytes(waiting.body))
        command = msgspec.json.decode(body, type=operation.takes)
        return Request(
            tenant_id=waiting.tenant_id,
            actor=waiting.actor,
            handler=lambda unit: operation.handler(unit, command),
            key=waiting.key,
            request_hash=bytes(waiting.request_hash),
            status=operation.status,
            correlation_id=waiting.correlation_id,
            prefetch_new=(operation.makes,),
            now=waiting.accepted_at,
        )


def id_of(tenant_id: UUID, key: str, operation: str) -> UUID:
    """The id of what a request under this key makes."""
    return stable_id(new_command_id(tenant_id, key), OPERATIONS[operation].makes)


def status_of(
    connection: psycopg.Connection[Any], tenant_id: UUID, request_id: UUID
) -> Status | None:
    """How an accepted request stands; None when it is done, or was never accepted."""
    row = connection.execute(SELECT_STATUS, (tenant_id, request_id)).fetchone()
    if row is None:
        return None
    refusal = msgspec.json.decode(bytes(row[1]), type=Refusal) if row[1] is not None else None
    return Status(row[0], refusal)
