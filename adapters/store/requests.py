"""What callers ask of the writer and what they get: a request, an answer, or one of these errors."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from commands.unit_of_work import NameRange, Unit
from ledger.errors import Conflict


class KeyReused(Conflict):
    """The idempotency key was used for another request; use a new key."""


class StillRunning(Conflict):
    """The first request with this idempotency key has not finished; try again shortly."""


class StoreUnavailable(Exception):
    """The database cannot be reached, or the writer is overloaded or closed. Nothing was written."""


class StorageFull(StoreUnavailable):
    """The database's disk is full. Nothing was written."""


class Request(msgspec.Struct, kw_only=True):
    """A command to run for a tenant.

    handler       decides, given the unit of work; its answer is encoded as JSON
    key           idempotency key; request_hash tells a repeated request from another one
    prefetch_streams  streams that the command is known to need; the writer loads them with its group's in one query
    prefetch_new      `new_id` parts of streams that it creates, likewise
    prefetch_payers   customers whose payable invoices it will ask for, likewise
    prefetch_names    gives the names that it will look up, once its streams are loaded
    now               the instant of the command; the clock's when left out
    """

    tenant_id: UUID
    actor: str
    handler: Callable[[Unit], Any]
    key: str | None = None
    request_hash: bytes = b""
    status: int = 200
    correlation_id: str = ""
    causation_id: UUID | None = None
    prefetch_streams: tuple[UUID, ...] = ()
    prefetch_new: tuple[str, ...] = ()
    prefetch_payers: tuple[UUID, ...] = ()
    prefetch_names: Callable[[Unit], Sequence[NameRange]] | None = None
    now: datetime | None = None


class Answer(msgspec.Struct):
    """What a command answered. `body` is JSON with personal texts still encrypted; `tenant_seq` its place in the
    log.
    """

    status: int
    body: bytes
    tenant_seq: int
    replayed: bool = False


class OutcomeUnknown(StoreUnavailable):
    """The database went away during a commit and has not come back: the command took place, or not.

    Repeating it with the same idempotency key is safe."""
