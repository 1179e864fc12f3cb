"""A snapshot that cannot be read: the others go on, it is counted, and a later night makes up for it."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from adapters.postgres.connection import Database, owner_connection
from adapters.wiring import Books
from ledger.streams import STREAMS
from schedulers.catch_up import tick
from tests.schedulers.nights import Nights, day
from tests.store.forcing import assert_log_is_whole, rows

pytestmark = pytest.mark.usefixtures("small_chunks")
MORA = "invoice.mora_posted.v1"


def poison(database: Database, stream_id: UUID) -> bytes:
    """Overwrites a snapshot; returns what it was."""
    with owner_connection(database) as owner:
        found = owner.execute(
            "SELECT state FROM snapshots WHERE stream_id = %s", (stream_id,)
        ).fetchone()
        assert found is not None
        owner.execute("UPDATE snapshots SET state = '\\xc1' WHERE stream_id = %s", (stream_id,))
    return bytes(found[0])


def repair(database: Database, stream_id: UUID, state: bytes) -> None:
    with owner_connection(database) as owner:
        owner.execute("UPDATE snapshots SET state = %s WHERE stream_id = %s", (state, stream_id))


@pytest.mark.parametrize("poisoned_on", [0, 2])
def test_the_others_go_on_and_the_next_night_makes_up_for_it(
    nights: Nights, database: Database, poisoned_on: int
) -> None:
    """Before it is overdue, and while it bears interest."""
    customer = nights.customer()
    invoices = [nights.invoice(customer, f"I{n}", "3000.00", day(-1)) for n in range(7)]
    for n in range(poisoned_on):
        nights.run(day(n))
    victim = sorted(invoices)[3]
    was = poison(database, victim)

    failed = [nights.run(day(n)) for n in (poisoned_on, poisoned_on + 1)]
    step = "mora" if poisoned_on else "overdue"
    assert [result.steps[step].failed for result in failed] == [1, 1]
    assert [result.steps["mora"].posted for result in failed] == [6, 6]

    repair(database, victim, was)
    after = nights.run(day(poisoned_on + 2))

    assert [tally.failed for tally in after.steps.values()] == [0, 0]
    states = [nights.state("invoice", invoice) for invoice in invoices]
    assert len({(state.open, state.mora_through, state.status) for state in states}) == 1
    assert states[0].open.mora == 100 * (poisoned_on + 3)
    posted = {
        invoice: [
            (event.effective_on, event.event.amount_minor)  # type: ignore[attr-defined]
            for event in nights.events(MORA)
            if event.stream_id == invoice
        ]
        for invoice in invoices
    }
    assert posted[victim] == [(day(n), 100) for n in range(poisoned_on + 3)]
    assert all(other == posted[victim] for other in posted.values())
    assert_log_is_whole(database)


def test_an_event_of_a_newer_release_poisons_only_its_stream(
    nights: Nights, database: Database
) -> None:
    """A snapshot of another fold version whose events cannot be read is left for later, like unreadable bytes."""
    invoices = nights.invoices(4)
    with owner_connection(database) as owner:
        owner.execute("UPDATE snapshots SET fold_version = 99 WHERE stream = 'invoice'")
        owner.execute(
            "UPDATE events SET tag = 'invoice.sent.v9' WHERE stream_id = %s AND version = 2",
            (invoices[1],),
        )
    result = nights.run(day(3))
    assert result.steps["overdue"].failed == 1
    # late from the days 0, 2 and 3 on: the interest of four days, of two, and of one
    assert (result.steps["mora"].looked_at, result.steps["mora"].posted) == (3, 7)


def test_every_head_of_another_fold_version_is_folded_anew_by_the_clock(
    books: Books, database: Database
) -> None:
    found = []
    for n in range(2):
        nights = Nights.begin(books, f"nights {n}", UUID(int=70 + n))
        nights.invoices(7)
        nights.run(day(0))
        if n:
            with owner_connection(database) as owner:
                owner.execute("UPDATE snapshots SET fold_version = 99, state = '\\xc1'")
        nights.run(day(1))
        found.append(
            sorted(
                (event.effective_on, event.version, bytes(event.data))
                for event in nights.events(MORA)
            )
        )
    assert found[0] == found[1]
    versions = rows(
        database,
        "SELECT DISTINCT fold_version FROM snapshots WHERE stream = 'invoice' AND accrues AND tenant_id = %s",
        UUID(int=71),
    )
    assert versions == [(STREAMS["invoice"].fold_version,)]
    assert len(found[0]) == 6


def test_a_tenant_whose_own_head_is_unreadable_leaves_the_others_running(
    books: Books, database: Database
) -> None:
    broken = Nights.begin(books, "broken", UUID(int=1))
    whole = Nights.begin(books, "whole", UUID(int=2))
    for nights in (broken, whole):
        nights.invoices(2)
    was = poison(database, broken.tenant_id)
    now = datetime(2026, 1, 6, 12, tzinfo=UTC)

    assert tick(books.clock, "here", now) == 2
    assert books.clock.last_closed(whole.tenant_id) == day(1)

    repair(database, broken.tenant_id, was)
    assert tick(books.clock, "here", now) == 2
    assert books.clock.last_closed(broken.tenant_id) == day(1)


def test_a_tenant_whose_day_fails_leaves_the_others_running(
    books: Books, database: Database
) -> None:
    """The database itself refuses one tenant's events."""
    broken = Nights.begin(books, "broken", UUID(int=1))
    whole = Nights.begin(books, "whole", UUID(int=2))
    for nights in (broken, whole):
        nights.invoices(4)
    with owner_connection(database) as owner:
        owner.execute(
            f"""ALTER TABLE events ADD CONSTRAINT refused CHECK
                (tenant_id <> '{broken.tenant_id}' OR tag <> '{MORA}') NOT VALID""".encode()
        )
    now = datetime(2026, 1, 6, 12, tzinfo=UTC)

    assert tick(books.clock, "here", now) == 2
    assert books.clock.last_closed(whole.tenant_id) == day(1)
    assert books.clock.last_closed(broken.tenant_id) is None
    with owner_connection(database) as owner:
        owner.execute("ALTER TABLE events DROP CONSTRAINT refused")
    assert tick(books.clock, "here", now) == 2
    assert broken.posted() != []
    assert_log_is_whole(database)
