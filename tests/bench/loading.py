"""Loading: one state, 5,000 in one query, decoding alone, and the log by position."""

from collections.abc import Sequence
from uuid import UUID

from adapters.postgres.connection import tenant_transaction
from adapters.settings import Settings
from adapters.store import snapshots
from adapters.store.group_view import GroupView
from adapters.wiring import Books, open_books
from ledger.streams import decode_state
from tests.bench.measuring import rate, seconds
from tests.bench.seed import new_tenant, seed_invoices
from tests.bench.sizes import Size

PAGE = 5_000
REPETITIONS = 5


def measure(settings: Settings, size: Size) -> dict[str, float]:
    """Every `load.` figure. Each repetition is timed on a warm cache: the first one is not counted."""
    with open_books(settings) as books:
        tenant_id = new_tenant(books)
        ids = seed_invoices(books, tenant_id, size.events // 2)
        some, many = ids[: size.snapshots], ids[:PAGE]
        state = _state(books, tenant_id, ids[0])
        return {
            "load.snapshot_per_s": _timed(len(some), lambda: _one_by_one(books, tenant_id, some)),
            "load.snapshots_5000_per_s": _timed(
                len(many), lambda: _together(books, tenant_id, many)
            ),
            "load.decode_per_s": _timed(PAGE, lambda: _decoded(state)),
            "load.events_per_s": _timed(
                size.events // 2 * 2, lambda: _by_position(books, size.events // 2 * 2)
            ),
        }


def _timed(count: int, work: object) -> float:
    assert callable(work)
    work()
    return rate(count, [seconds(work) for _ in range(REPETITIONS)])


def _one_by_one(books: Books, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    for stream_id in ids:
        with tenant_transaction(books.database.api, tenant_id) as connection:
            assert snapshots.read(connection, tenant_id, "invoice", stream_id) is not None


def _together(books: Books, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    with books.database.writer.connection() as connection:
        view = GroupView(connection, books.cipher)
        view.load((tenant_id, stream_id) for stream_id in ids)
        assert all(loaded.state is not None for loaded in view.streams.values())


def _decoded(state: bytes) -> None:
    for _ in range(PAGE):
        decode_state("invoice", state)


def _by_position(books: Books, events: int) -> None:
    recorder = books.application.recorder
    position = read = 0
    while page := recorder.select_notifications(position, PAGE, inclusive_of_start=False):
        read += len(page)
        position = page[-1].position
    assert read >= events, read


def _state(books: Books, tenant_id: UUID, stream_id: UUID) -> bytes:
    with books.reading(tenant_id) as connection:
        row = connection.execute(
            "SELECT state FROM snapshots WHERE tenant_id = %s AND stream_id = %s",
            (tenant_id, stream_id),
        ).fetchone()
    assert row is not None
    return bytes(row[0])
