"""The stages of a group, each by itself: loading, deciding, and what is left out of writing."""

from collections.abc import Iterator
from concurrent.futures import Future
from datetime import date
from uuid import UUID

import psycopg
import pytest

from adapters.postgres.connection import Database
from adapters.store import idempotency
from adapters.store.clock_chunks import SnapshotRow, decide_chunk
from adapters.store.group_decisions import decide_group
from adapters.store.group_loading import load_group
from adapters.store.jobs import Job
from adapters.store.requests import KeyReused, Request
from adapters.store.unit_of_work import new_command_id
from commands.unit_of_work import Unit
from ledger.errors import Rejected
from ledger.event_registry import New
from ledger.invoice.events import MoraPosted
from ledger.invoice.state import Invoice
from ledger.streams import STREAMS, encode_state
from projections.engine import postgres_binary
from schedulers.ports import Lease, Run
from tests.store.asking import Asking
from tests.store.forcing import rows

DAY = date(2026, 3, 2)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    with database.writer.connection() as connection:
        postgres_binary.register(connection)
        yield connection


def job(request: Request) -> Job:
    return Job(request, Future(), new_command_id(request.tenant_id, request.key))


def refusing(unit: Unit) -> None:
    raise Rejected("not today")


def test_a_group_is_loaded_and_decided_without_a_write(
    asking: Asking, database: Database, connection: psycopg.Connection
) -> None:
    invoice = asking.invoice(asking.customer(), "100.00")
    asking.pay(invoice, "1.00", key="before", request_hash=b"1")
    events = rows(database, "SELECT count(*) FROM events")
    pay = asking.paying(invoice, "3.00")
    first = job(asking.request(pay, key="k", request_hash=b"1", prefetch_streams=(invoice,)))
    repeat = job(asking.request(pay, key="k", request_hash=b"1"))
    other = job(asking.request(pay, key="k", request_hash=b"2"))
    replay = job(asking.request(pay, key="before", request_hash=b"1"))
    refused = job(asking.request(refusing))
    jobs = [first, repeat, other, replay, refused]

    view, kept = load_group(connection, asking.books.cipher, jobs, None)
    assert (asking.tenant_id, invoice) in view.streams
    assert list(kept) == [(asking.tenant_id, "before")]
    decisions = decide_group(view, jobs, kept)

    assert [accepted.job for accepted in decisions.accepted] == [first]
    assert decisions.repeats == [(repeat, first)]
    assert [(one, answer.replayed) for one, answer in decisions.replays] == [(replay, True)]
    assert [(one, type(error)) for one, error in decisions.refusals] == [
        (other, KeyReused),
        (refused, Rejected),
    ]
    assert [type(one.event).__name__ for one in decisions.accepted[0].unit.appended] == [
        "PaymentReceived",
        "Received",
    ]
    assert not any(one.future.done() for one in jobs)
    assert rows(database, "SELECT count(*) FROM events") == events


def test_each_command_is_decided_on_what_those_before_it_decided(
    asking: Asking, connection: psycopg.Connection
) -> None:
    invoice = asking.invoice(asking.customer(), "100.00")
    jobs = [job(asking.request(asking.paying(invoice, "60.00"))) for _ in range(2)]
    view, kept = load_group(connection, asking.books.cipher, jobs, None)
    decide_group(view, jobs, kept)
    loaded = view.streams[asking.tenant_id, invoice]
    assert isinstance(loaded.state, Invoice)
    assert (loaded.state.status, loaded.version - loaded.stored_version) == ("paid", 2)


def test_no_keys_are_looked_for_where_there_are_none(connection: psycopg.Connection) -> None:
    assert idempotency.ask(connection, []) is None
    assert idempotency.fetched(None) == {}


def test_a_chunk_passes_over_what_cannot_be_read(
    asking: Asking, connection: psycopg.Connection
) -> None:
    invoice = asking.invoice(asking.customer(), "100.00")
    good, unread = UUID(int=1), UUID(int=2)
    state, version = encode_state(asking.state("invoice", invoice)), STREAMS["invoice"].fold_version
    found: list[SnapshotRow] = [
        (unread.bytes, 4, version, b"\xc1", None),
        (good.bytes, 7, version, state, DAY),
    ]
    run = Run(asking.tenant_id, DAY, Lease("test", 1))

    chunk = decide_chunk(
        connection, run, "mora", lambda _, day: [New(MoraPosted(12, day), day)] * 2, found
    )

    assert (chunk.tally.looked_at, chunk.tally.posted, chunk.tally.failed) == (2, 2, 1)
    assert chunk.tally.amounts == {"BRL": 24}
    ((stream_id, expected, reached),) = [
        (one.stream_id, one.expected, one.version) for one in chunk.snapshots
    ]
    assert (stream_id, expected, reached) == (good.bytes, 7, 9)
    assert chunk.looked_at == [unread.bytes, good.bytes]
