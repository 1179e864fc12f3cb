"""Loading a group: one round trip for the streams its commands are known to need and for the answers kept under their
keys, then one for customers' keys and one for names."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg

from adapters.store import idempotency, numbering
from adapters.store.encryption import PersonalDataCipher
from adapters.store.group_view import GroupView, StreamKey
from adapters.store.idempotency import KeptAnswer, RecordKey
from adapters.store.jobs import Job
from adapters.store.log_texts import without_texts
from adapters.store.numbering import SeriesKey
from adapters.store.unique_names import RangeKey
from adapters.store.unit_of_work import StoreUnit
from ledger.errors import LedgerError
from ledger.invoice.state import Invoice

log = logging.getLogger("duebook.writer")

LOCK_TIMEOUT = "SET LOCAL lock_timeout = '10s'"
LOCK_HEAD = "SELECT position FROM log_head WHERE shard = 1 FOR UPDATE"


class LoadedGroup(NamedTuple):
    """What a group decides on: its view of the store, and the answers kept under keys that were used before."""

    view: GroupView
    kept: dict[RecordKey, KeptAnswer]


def load_group(
    connection: psycopg.Connection[Any],
    cipher: PersonalDataCipher,
    jobs: Sequence[Job],
    lock_first: Sequence[SeriesKey] | None,
) -> LoadedGroup:
    """Begins the transaction. With `lock_first`, those series are locked, then the log head, before anything is read.

    Streams are read before the kept answers, so that a stream that shows a repeated command's effect is never seen
    without its answer.
    """
    view = GroupView(connection, cipher)
    with connection.pipeline():
        connection.execute(LOCK_TIMEOUT, prepare=False)
        if lock_first is not None:
            numbering.lock(connection, lock_first)
            connection.execute(LOCK_HEAD)
        asked = view.ask(_streams(view, jobs))
        payable = view.ask_payable(
            (job.request.tenant_id, customer_id)
            for job in jobs
            for customer_id in job.request.prefetch_payers
        )
        records = idempotency.ask(connection, keys_of(jobs))
    view.take(asked)
    view.load_keys(
        (tenant_id, loaded.state.customer_id)
        for (tenant_id, _), loaded in view.streams.items()
        if isinstance(loaded.state, Invoice)
    )
    view.take_payable(payable)
    view.load_holders(_names(view, jobs))
    return LoadedGroup(view, idempotency.fetched(records))


def keys_of(jobs: Sequence[Job]) -> list[RecordKey]:
    """The idempotency keys of the commands that have one."""
    return [(job.request.tenant_id, job.request.key) for job in jobs if job.request.key is not None]


def _streams(view: GroupView, jobs: Sequence[Job]) -> list[StreamKey]:
    """The streams that the commands are known to need."""
    wanted: list[StreamKey] = []
    for job in jobs:
        tenant_id = job.request.tenant_id
        wanted.append((tenant_id, tenant_id))
        wanted += [(tenant_id, stream_id) for stream_id in job.request.prefetch_streams]
        if job.request.key is not None and job.request.prefetch_new:
            unit = _unit(view, job)
            wanted += [(tenant_id, unit.new_id(part)) for part in job.request.prefetch_new]
    return wanted


def _names(view: GroupView, jobs: Sequence[Job]) -> list[RangeKey]:
    """The names that the commands will ask for. One that cannot tell asks when it is decided, or is refused then;
    it is not the others' fault."""
    asked: list[RangeKey] = []
    for job in jobs:
        request = job.request
        if request.prefetch_names is None:
            continue
        try:
            asked += [
                (request.tenant_id, names) for names in request.prefetch_names(_unit(view, job))
            ]
        except psycopg.Error:
            raise  # the transaction is lost for all of the group
        except Exception as error:
            if not isinstance(error, LedgerError):
                log.error("a command of %s failed: %s", request.actor, without_texts(error))
    return asked


def _unit(view: GroupView, job: Job) -> StoreUnit:
    """A unit of work to ask a command what it will need."""
    return StoreUnit(view, job.request, job.command_id, job.request.now or datetime.now(UTC))
