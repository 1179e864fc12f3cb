"""The read model `journal`: its sums are what the log's entries come to, parked, released, rebuilt or live."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from adapters.wiring import Books
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.agreement.events import Activated
from ledger.event_registry import New, decode, stream_of
from ledger.journal.entry import posted_on
from ledger.tenant import Configured
from projections.engine import log
from projections.engine.runner import Runner
from projections.journal import fold as journal
from projections.journal.fold import JOURNAL
from projections.rebuild import backfill
from projections.rebuild.backfill import Stopped
from projections.rebuild.rebuild import rebuild
from projections.verify.read_models import verify
from tests.ledger.bookkeeping import Bookkeeper, assert_agree
from tests.projections.conftest import tampering
from tests.projections.history import History
from tests.projections.state import contents, snapshots

Histories = Callable[[int], History]
Owner = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]
Sums = Counter[tuple[Any, ...]]

LOG = "SELECT tenant_id, stream_id, tag, effective_on, data FROM events ORDER BY position"
ACTIVATED = "SELECT tag, data FROM events WHERE tag = 'agreement.activated.v1'"
TOTALS = (
    "SELECT tenant_id, currency, account, posted_on, debit_minor, credit_minor FROM journal_totals"
)


def by_the_log(connection: psycopg.Connection[Any], without: UUID | None = None) -> Sums:
    """Minor units by (tenant, currency, account, day, side): what the entries of the whole log come to."""
    sums: Sums = Counter()
    keepers: dict[UUID, Bookkeeper] = {}
    closed: dict[UUID, date] = {}
    for tenant_id, stream_id, tag, on, data in connection.execute(LOG).fetchall():
        if stream_id == without:
            continue
        event = decode(tag, bytes(data))
        if isinstance(event, Configured) and event.settings.books_closed_through:
            closed[tenant_id] = event.settings.books_closed_through
        keeper = keepers.setdefault(tenant_id, Bookkeeper())
        before = len(keeper.entries)
        keeper.post(stream_of(tag), stream_id, New(event, on))
        for entry in keeper.entries[before:]:
            day = posted_on(entry.on, closed.get(tenant_id))
            for posting in entry.postings:
                side = "debit" if posting.minor > 0 else "credit"
                key = (tenant_id, entry.currency, posting.account, day, side)
                sums[key] += abs(posting.minor)
    return sums


def kept(connection: psycopg.Connection[Any]) -> Sums:
    """The same from the tables."""
    sums: Sums = Counter()
    for tenant_id, currency, account, day, debit, credit in connection.execute(TOTALS).fetchall():
        for side, minor in (("debit", debit), ("credit", credit)):
            if minor:
                sums[tenant_id, currency, account, day, side] += int(minor)
    return sums


def assert_kept(books: Books, without: UUID | None = None) -> Sums:
    with books.database.writer.connection() as connection:
        found = kept(connection)
        assert found == by_the_log(connection, without)
    return found


def close_month(life: History) -> None:
    """Closes the books through the last month that is over."""
    through = life.today.replace(day=1) - timedelta(days=1)
    life.ask(lambda unit: configure_tenant(unit, ConfigureTenant(books_closed_through=through)))


def closing_life(history: Histories, seed: int) -> History:
    """A life that closes its months, early or late."""
    life = history(seed)
    for _ in range(6):
        life.run(15)
        life.night(life.choose.choice((1, 20)))
        close_month(life)
    return life


@pytest.mark.parametrize("seed", range(4))
def test_the_sums_are_what_the_entries_of_the_log_come_to(
    books: Books, history: Histories, runner: Runner, seed: int
) -> None:
    life = history(seed)
    for _ in range(5):
        life.run(12)
        close_month(life)
        runner.catch_up()
        assert_kept(books)
    life.run(20)
    runner.catch_up()
    assert {day.month for _, _, _, day, _ in assert_kept(books)} > {1}
    assert runner.parked() == []


@pytest.mark.parametrize("seed", range(3))
def test_the_balances_are_what_the_snapshots_say(
    books: Books, history: Histories, runner: Runner, seed: int
) -> None:
    history(seed + 20).run(150)
    runner.catch_up()
    with books.database.writer.connection() as connection:
        balances: Counter[tuple[str, str]] = Counter()
        for (_, currency, account, _, side), minor in kept(connection).items():
            balances[currency, account] += minor if side == "debit" else -minor
        for tag, data in connection.execute(ACTIVATED).fetchall():
            activated = decode(tag, bytes(data))
            assert isinstance(activated, Activated)
            balances["EUR", "cash"] += activated.disbursed_minor  # the states say what came in
        states = [
            (kind, state)
            for kind in ("invoice", "payment", "refund", "customer")
            for _, state in snapshots(connection, kind).values()
        ]
    assert_agree(balances, states)


def test_a_trial_balance_of_a_closed_month_never_moves(
    books: Books, history: Histories, runner: Runner
) -> None:
    """Whatever is recorded later: payments of long ago, reversals, interest recalculated."""
    life = history(31)
    life.run(60)
    life.night(32)
    close_month(life)
    runner.catch_up()
    closed_through = life.today.replace(day=1) - timedelta(days=1)

    def printed() -> Sums:
        return Counter({k: v for k, v in assert_kept(books).items() if k[3] <= closed_through})

    before = printed()
    assert before
    while _recorded_into(books, closed_through) < 4:
        life.run(15)
        runner.catch_up()
        assert printed() == before


def _recorded_into(books: Books, closed_through: date) -> int:
    """How many events that take effect by then were recorded after the books were closed through that day."""
    with books.database.writer.connection() as connection:
        row = connection.execute(
            """SELECT count(*) FROM events
                WHERE effective_on <= %s AND tenant_seq >
                      (SELECT min(tenant_seq) FROM events WHERE tag = 'tenant.configured.v1'
                                                            AND convert_from(data, 'UTF8') LIKE %s)""",
            (closed_through, f'%"books_closed_through":"{closed_through}"%'),
        ).fetchone()
    assert row is not None
    found: int = row[0]
    return found


def test_a_parked_stream_adds_what_it_had_added_and_a_release_adds_the_rest_once(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = closing_life(history, 41)
    runner.catch_up()
    chosen, version = _open_invoice(books)
    life.night(40)
    good = _set_event(books, chosen, version + 1, b"nothing")
    runner.catch_up()
    parked = [one for one in runner.parked() if one.projection == "journal"]
    assert [(one.stream_id, one.version) for one in parked] == [(chosen, version + 1)]
    with books.database.writer.connection() as connection:
        standing = kept(connection)
        assert connection.execute(
            "SELECT version FROM journal_streams WHERE stream_id = %s", (chosen,)
        ).fetchone() == (version,)

    assert runner.release("journal", life.tenant_id, chosen) is False
    with books.database.writer.connection() as connection:
        assert kept(connection) == standing  # taken away and added again
    _set_event(books, chosen, version + 1, good)
    assert runner.release("journal", life.tenant_id, chosen) is True
    assert_kept(books)


def test_a_stream_that_fails_at_once_adds_nothing(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    life = closing_life(history, 42)
    chosen = life.invoices[0]
    _set_event(books, chosen, 1, b"[]")
    runner.catch_up()
    assert_kept(books, without=chosen)
    done = rebuild(JOURNAL, books.database.writer.connection, owner)
    assert done.parked == 1
    assert_kept(books, without=chosen)


def test_amounts_that_do_not_add_up_park_their_stream_and_unbalance_nothing(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = history(43)
    row = None
    while row is None:
        life.run(20)
        with books.database.writer.connection() as connection:
            row = connection.execute(
                "SELECT stream_id, version, data FROM events WHERE tag = 'invoice.credited.v1' LIMIT 1"
            ).fetchone()
    torn = msgspec.json.decode(row[2])
    torn["credit_minor"] = torn.get("credit_minor", 0) + 5
    _set_event(books, row[0], row[1], msgspec.json.encode(torn))
    runner.catch_up()
    (parked,) = [one for one in runner.parked() if one.projection == "journal"]
    assert parked.reason.startswith("Unbalanced: credit note")
    with books.database.writer.connection() as connection:
        found = kept(connection)
    for currency in {currency for _, currency, _, _, _ in found}:
        sides: Counter[str] = Counter()
        for (_, code, _, _, side), minor in found.items():
            if code == currency:
                sides[side] += minor
        assert sides["debit"] == sides["credit"]
    assert life.tenant_id == parked.tenant_id


def test_settings_that_cannot_be_read_park_what_came_after_them(
    books: Books, history: Histories, runner: Runner
) -> None:
    """Nobody could say whether they closed the books."""
    life = history(44)
    life.run(20)
    runner.catch_up()
    before = assert_kept(books)
    close_month(life)
    with books.database.writer.connection() as connection:
        row = connection.execute(
            "SELECT max(version) FROM events WHERE stream_id = %s", (life.tenant_id,)
        ).fetchone()
        assert row is not None
    _set_event(books, life.tenant_id, row[0], b"{}")
    life.night(30)
    runner.catch_up()
    parked = [one for one in runner.parked() if one.projection == "journal"]
    assert parked
    assert {one.reason.partition(":")[0] for one in parked} == {"SettingsUnreadable"}
    with books.database.writer.connection() as connection:
        assert kept(connection) == before


def test_a_rebuild_in_small_pieces_stopped_and_resumed_comes_to_the_same(
    books: Books,
    history: Histories,
    runner: Runner,
    owner: Owner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log, "PIECE_EVENTS", 7)
    monkeypatch.setattr(backfill, "CHUNK_EVENTS", 60)
    monkeypatch.setattr(backfill, "COPY_PARTS", 20)
    closing_life(history, 51)
    closing_life(history, 52)
    runner.catch_up()
    with books.database.writer.connection() as connection:
        live = contents(connection, JOURNAL)
    stop = threading.Event()
    stops = 0

    def stop_there(done: int, total: int) -> None:
        stop.set()

    while True:
        try:
            rebuild(JOURNAL, books.database.writer.connection, owner, stop_there, stop)
        except Stopped:
            stops += 1
            stop.clear()
            continue
        break
    assert stops > 3
    assert_kept(books)
    with books.database.writer.connection() as connection:
        assert contents(connection, JOURNAL) == live
    assert verify(JOURNAL, books.database.writer.connection, owner).holds


def test_a_verification_names_a_sum_that_was_tampered_with(
    books: Books, history: Histories, runner: Runner, owner: Owner
) -> None:
    history(61).run(30)
    runner.catch_up()
    with tampering(books.database) as connection:
        connection.execute(
            "UPDATE journal_totals SET debit_minor = debit_minor + 1 WHERE account = 'receivable_principal'"
        )
    found = verify(JOURNAL, books.database.writer.connection, owner)
    assert [(one.table, one.column) for one in found.differences] == [
        ("journal_totals", "debit_minor")
    ]


def test_the_shortcut_for_interest_comes_to_what_folding_comes_to(
    books: Books, history: Histories, runner: Runner, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = closing_life(history, 71)
    runner.catch_up()
    passed: list[int] = []
    post = journal.post_interest

    def counted(*arguments: Any) -> Any:
        rest = post(*arguments)
        passed.append(len(arguments[2]) - len(rest))
        return rest

    life.night(3)
    short = Runner(
        runner._connect, runner._advance, projections=[JOURNAL._replace(shortcut=counted)]
    )
    short.catch_up()
    assert sum(passed) > 0
    assert_kept(books)
    assert verify(JOURNAL, books.database.writer.connection, owner).holds


def test_interest_below_zero_is_folded(books: Books, history: Histories, runner: Runner) -> None:
    """The shortcut sums what it posts, which holds for debits of one account alone."""
    life = closing_life(history, 72)
    runner.catch_up()
    position = runner.lag()[0].position
    row = None
    while row is None:
        life.night(2)
        with books.database.writer.connection() as connection:
            row = connection.execute(
                """SELECT stream_id, version FROM events
                    WHERE position > %s AND tag = 'invoice.mora_posted.v1' LIMIT 1""",
                (position,),
            ).fetchone()
    _set_event(books, row[0], row[1], b'{"amount_minor":-5,"through":"2024-05-05"}')
    runner.catch_up()
    assert runner.parked() == []
    assert_kept(books)


def _open_invoice(books: Books) -> tuple[UUID, int]:
    with books.database.writer.connection() as connection:
        row = connection.execute(
            """SELECT stream_id, version FROM snapshots
                WHERE stream = 'invoice' AND accrues ORDER BY stream_id LIMIT 1"""
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def _set_event(books: Books, stream_id: UUID, version: int, data: bytes) -> bytes:
    """Replaces an event's data; returns what it was."""
    with tampering(books.database) as connection:
        row = connection.execute(
            "SELECT data FROM events WHERE stream_id = %s AND version = %s", (stream_id, version)
        ).fetchone()
        assert row is not None
        connection.execute(
            "UPDATE events SET data = %s WHERE stream_id = %s AND version = %s",
            (data, stream_id, version),
        )
    return bytes(row[0])
