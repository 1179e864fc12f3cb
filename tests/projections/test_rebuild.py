"""Rebuilding: the same tables as the live ones, while events arrive, stopped and resumed, and never twice at once."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from adapters.wiring import Books
from projections.catalog import CATALOG, projection_named
from projections.engine import log
from projections.engine.projection import Projection
from projections.engine.runner import Runner
from projections.invoices.fold import INVOICES
from projections.rebuild import backfill, shadow_tables
from projections.rebuild.backfill import Stopped
from projections.rebuild.checkpoint import RebuildTaken
from projections.rebuild.rebuild import Rebuilt, rebuild
from projections.rebuild.shadow_tables import SHADOW
from tests.projections.conftest import new_runner, tampering
from tests.projections.history import History
from tests.projections.state import contents

Histories = Callable[[int], History]
Owner = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]


def rebuilt(books: Books, owner: Owner, projection: Projection, **options: Any) -> Rebuilt:
    return rebuild(projection, books.database.writer.connection, owner, **options)


def live(books: Books) -> dict[str, Any]:
    with books.database.writer.connection() as connection:
        found = {}
        for projection in CATALOG:
            found |= contents(connection, projection)
        return found


def spoil(books: Books, projection: Projection) -> None:
    """Empties the live tables, so that only a rebuild can fill them."""
    with tampering(books.database) as connection:
        for table in projection.tables:
            connection.execute(f"DELETE FROM {table.name}".encode())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("size", [(3, 5, 2), (500, 250_000, 5_000)], ids=["tiny", "usual"])
def test_a_rebuild_equals_the_live_tables(
    books: Books,
    history: Histories,
    runner: Runner,
    owner: Owner,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    size: tuple[int, int, int],
) -> None:
    piece, chunk, copy = size
    monkeypatch.setattr(log, "PIECE_EVENTS", piece)
    monkeypatch.setattr(log, "SCAN_EVENTS", 10 * piece)
    monkeypatch.setattr(backfill, "CHUNK_EVENTS", chunk)
    monkeypatch.setattr(backfill, "COPY_ROWS", copy)
    history(seed).run(60)
    history(seed + 50).run(20)
    runner.catch_up()
    before = live(books)
    assert before["invoices"]
    assert before["aging_totals"]
    for projection in CATALOG:
        spoil(books, projection)
        done = rebuilt(books, owner, projection)
        assert (done.events, done.parked) == (runner.lag()[0].end, 0)
    assert live(books) == before
    history(seed + 90).run(5)
    runner.catch_up()
    assert all(lag.behind == 0 for lag in runner.lag())


def test_the_rebuilt_table_is_the_live_one_in_every_respect(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    """Indexes and their names, rights, row security: a tenant sees its own rows and no other's."""
    life, other = history(1).run(10), history(2).run(10)
    runner.catch_up()
    before = _shape(books)
    for _ in range(2):
        rebuilt(books, owner, INVOICES)
        assert _shape(books) == before
    with books.reading(life.tenant_id) as connection:
        rows = connection.execute("SELECT invoice_id FROM invoices").fetchall()
    assert {row[0] for row in rows} == set(life.invoices)
    assert other.invoices


def _shape(books: Books) -> list[Any]:
    with books.database.writer.connection() as connection:
        return [
            connection.execute(query).fetchall()
            for query in (
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN "
                "('invoices', 'aging_totals', 'customer_balances', 'dashboard_totals') ORDER BY 1",
                "SELECT relname, relacl::text, relrowsecurity, relpersistence, reloptions FROM pg_class "
                "WHERE relname = 'invoices'",
                "SELECT tablename, policyname, roles, qual FROM pg_policies WHERE tablename = 'invoices'",
                "SELECT conname, contype FROM pg_constraint WHERE conrelid = 'invoices'::regclass "
                "AND contype = 'p'",
            )
        ]


@pytest.mark.parametrize("seed", range(2))
def test_a_stopped_rebuild_is_resumed(
    books: Books,
    history: Histories,
    runner: Runner,
    owner: Owner,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setattr(log, "PIECE_EVENTS", 20)
    monkeypatch.setattr(backfill, "CHUNK_EVENTS", 50)
    life = history(seed).run(90)
    runner.catch_up()
    before = live(books)
    spoil(books, INVOICES)
    seen: list[int] = []
    stops = 0
    while True:
        stop = threading.Event()

        def progress(done: int, total: int, stop: threading.Event = stop) -> None:
            seen.append(done)
            stop.set()

        try:
            rebuilt(books, owner, INVOICES, progress=progress, stop=stop)
            break
        except Stopped:
            stops += 1
            assert live(books)["invoices"] == []  # the live table is not touched before the swap
    assert stops >= 2
    assert seen == sorted(seen)
    assert live(books) == before
    life.run(10)
    runner.catch_up()
    assert all(lag.behind == 0 for lag in runner.lag())


def test_events_that_arrive_during_a_rebuild_are_in_it(
    books: Books,
    history: Histories,
    owner: Owner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log, "PIECE_EVENTS", 20)
    monkeypatch.setattr(backfill, "CHUNK_EVENTS", 40)
    life = history(3).run(40)
    runner = new_runner(books)
    runner.catch_up()
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    rebuilds = 0
    while rebuilds < 4:
        rebuilt(books, owner, INVOICES, progress=lambda done, total: life.step())
        rebuilds += 1
    stop.set()
    thread.join()
    runner.catch_up()
    after = live(books)
    spoil(books, INVOICES)
    rebuilt(books, owner, INVOICES)
    assert live(books) == after


def test_a_rebuild_without_a_runner_moves_the_position_forward(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    life = history(4).run(30)
    for projection in CATALOG:
        rebuilt(books, owner, projection)
    assert all(lag.behind == 0 for lag in runner.lag())
    after = live(books)
    assert runner.catch_up() == 0
    life.run(10)
    runner.catch_up()
    rebuilt(books, owner, INVOICES)
    assert live(books) != after


def test_of_two_rebuilds_at_once_one_stops(
    books: Books, history: Histories, runner: Runner, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "PIECE_EVENTS", 20)
    monkeypatch.setattr(backfill, "CHUNK_EVENTS", 40)
    history(5).run(40)
    runner.catch_up()
    before = live(books)
    others: list[Rebuilt] = []

    def let_another_finish(done: int, total: int) -> None:
        if not others:
            others.append(rebuilt(books, owner, INVOICES))

    with pytest.raises(RebuildTaken):
        rebuilt(books, owner, INVOICES, progress=let_another_finish)
    assert live(books) == before


def test_a_rebuild_frees_what_was_parked_and_parks_what_still_fails(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    life = history(6).run(40)
    first, second = life.invoices[:2]
    good = _set_first_event(books, first, b"{}")
    _set_first_event(books, second, b"[]")
    runner.catch_up()
    assert {one.stream_id for one in runner.parked()} == {first, second}
    _set_first_event(books, first, good)
    done = rebuilt(books, owner, INVOICES)
    assert done.parked == 1
    still = {one.stream_id for one in runner.parked() if one.projection == "invoices"}
    assert still == {second}
    assert {row[1] for row in live(books)["invoices"]} == set(life.invoices) - {second}


def test_parked_or_rebuilt_a_failing_stream_stands_at_its_last_good_event(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    """Also when its row cannot be written: live it came in one page with others, rebuilt it came alone."""
    life = history(7).run(40)
    with tampering(books.database) as connection:
        rows = connection.execute(
            "SELECT stream_id, version FROM events WHERE tag = 'invoice.sent.v1' ORDER BY position LIMIT 2"
        ).fetchall()
        for (stream_id, version), data in zip(rows, ("nothing", _NUL), strict=True):
            connection.execute(
                "UPDATE events SET data = %s WHERE stream_id = %s AND version = %s",
                (data.encode(), stream_id, version),
            )
    runner.catch_up()
    assert {one.stream_id for one in runner.parked()} == {row[0] for row in rows}
    before, parked = live(books), [(one.stream_id, one.position) for one in runner.parked()]
    spoil(books, INVOICES)
    rebuilt(books, owner, INVOICES)
    assert live(books) == before
    assert [(one.stream_id, one.position) for one in runner.parked()] == parked
    assert len(before["invoices"]) == len(life.invoices)


_NUL = (
    r'{"number":"\u0000","issued_on":"2024-01-01","due_on":"2024-01-01","payable_until":"2024-01-01",'
    r'"late_on":"2024-01-02","policy":{},"calendar":{"name":"none","version":"1"},"mora_base_minor":1}'
)


def _set_first_event(books: Books, stream_id: UUID, data: bytes) -> bytes:
    with tampering(books.database) as connection:
        row = connection.execute(
            "SELECT data FROM events WHERE stream_id = %s AND version = 1", (stream_id,)
        ).fetchone()
        assert row is not None
        connection.execute(
            "UPDATE events SET data = %s WHERE stream_id = %s AND version = 1", (data, stream_id)
        )
    return bytes(row[0])


def test_a_reader_that_holds_the_live_table_only_delays_the_swap(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    history(8).run(20)
    runner.catch_up()
    before = live(books)
    reading = psycopg.connect(books.database.writer_url)
    reading.execute("SELECT count(*) FROM invoices")
    release = threading.Timer(1.5, reading.close)
    release.start()
    rebuilt(books, owner, INVOICES)
    release.join()
    assert live(books) == before


def test_a_rebuild_of_another_version_starts_over(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    history(9).run(20)
    runner.catch_up()
    before = live(books)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        rebuilt(books, owner, INVOICES, stop=stop)
    newer = INVOICES._replace(version=99)
    done = rebuilt(books, owner, newer)
    assert done.events == runner.lag()[0].end
    assert live(books) == before
    assert next(lag for lag in runner.lag() if lag.projection == "invoices").built_by == 99


def test_names_of_projections() -> None:
    assert [projection.name for projection in CATALOG] == [
        "invoices",
        "customers",
        "payments",
        "refunds",
        "credit_notes",
        "agreements",
        "business_days",
        "dunning_plans",
        "messages",
        "senders",
        "tasks",
        "activities",
        "journal",
    ]
    assert projection_named("payments").streams == ("payment",)
    assert SHADOW != shadow_tables.VERIFY
