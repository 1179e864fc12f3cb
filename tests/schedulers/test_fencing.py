"""A runner that is paused past the loss of its lock and resumed: whatever it was about to write is discarded."""

from collections.abc import Callable
from uuid import UUID

import pytest

from adapters.postgres.connection import Database, owner_connection
from adapters.store.clock import PostgresClock
from adapters.wiring import Books
from schedulers.business_day import run_day
from schedulers.ports import Fenced, Lease, Run
from tests.schedulers.nights import Nights, day
from tests.store.forcing import assert_log_is_whole, counts, rows

pytestmark = pytest.mark.usefixtures("small_chunks")

# Ten invoices in chunks of three: five chunks, the last of them not full. (point, how often it was passed before)
POINTS = [
    ("before opening", 0),
    ("before overdue", 0),
    ("before a chunk of overdue", 0),
    ("before a chunk of overdue", 2),
    ("before a chunk of overdue", 3),
    ("before mora", 0),
    ("before a chunk of mora", 0),
    ("before a chunk of mora", 1),
    ("before a chunk of mora", 3),
    ("before closing", 0),
]


class At:
    """Calls something when a point of the run is passed for the n-th time."""

    def __init__(self, point: str, n: int, then: Callable[[], None]) -> None:
        self._point, self._left, self._then = point, n, then
        self.reached = False

    def __call__(self, point: str) -> None:
        if point == self._point:
            if self._left == 0:
                self.reached = True
                self._then()
            self._left -= 1


def lose_lease(database: Database) -> None:
    """Time goes by: the lease runs out."""
    with owner_connection(database) as owner:
        owner.execute("UPDATE leases SET expires_at = '2000-01-01'")


@pytest.fixture
def undisturbed(books: Books) -> list[tuple[object, ...]]:
    """What the day posts when nothing happens: in books of another tenant with the same facts."""
    reference = Nights.begin(books, "reference", UUID(int=70))
    reference.invoices(10)
    reference.run(day(3))
    return told(reference)


def told(nights: Nights) -> list[tuple[object, ...]]:
    """What was posted, by invoice number instead of by id, and the day's own stream."""
    found: list[tuple[object, ...]] = []
    for event in nights.events():
        if event.actor == "clock":
            invoice = nights.state("invoice", event.stream_id)
            name = invoice.number if invoice else event.stream
            found.append((name, event.version, event.tag, event.effective_on, event.data))
    return sorted(found, key=repr)


@pytest.mark.parametrize("taker_runs", [False, True])
@pytest.mark.parametrize(("point", "n"), POINTS)
def test_a_runner_that_lost_its_lock_writes_nothing_more(
    nights: Nights,
    database: Database,
    undisturbed: list[tuple[object, ...]],
    point: str,
    n: int,
    taker_runs: bool,
) -> None:
    nights.invoices(10)
    other = PostgresClock(database.writer)
    lease = nights.books.clock.acquire("paused")
    left: dict[str, object] = {}

    def overtake() -> None:
        lose_lease(database)
        taken = other.acquire("taker")
        if taker_runs:
            run_day(other, Run(nights.tenant_id, day(3), taken))
        left["lease"] = taken
        left["counts"] = counts(database)
        left["checkpoints"] = rows(database, "SELECT * FROM clock_checkpoints ORDER BY day, step")
        left["leases"] = rows(database, "SELECT * FROM leases")

    at = At(point, n, overtake)
    with pytest.raises(Fenced, match="paused has lost the clock"):
        nights.run_under(lease, day(3), pause=at)

    assert at.reached
    assert counts(database) == left["counts"]
    assert (
        rows(database, "SELECT * FROM clock_checkpoints ORDER BY day, step") == left["checkpoints"]
    )
    assert rows(database, "SELECT * FROM leases") == left["leases"]
    taken = left["lease"]
    assert isinstance(taken, Lease)
    run_day(other, Run(nights.tenant_id, day(3), taken))
    assert told(nights) == undisturbed
    assert_log_is_whole(database)


def test_a_lease_that_ran_out_and_was_not_taken_is_still_the_runners(
    nights: Nights, database: Database, undisturbed: list[tuple[object, ...]]
) -> None:
    """Nobody else was there: going on is safe, and the lease is renewed."""
    nights.invoices(10)
    lease = nights.books.clock.acquire("paused")
    at = At("before a chunk of mora", 1, lambda: lose_lease(database))
    nights.run_under(lease, day(3), pause=at)
    assert at.reached
    assert told(nights) == undisturbed


def test_each_chunk_renews_the_lease(nights: Nights, database: Database) -> None:
    nights.invoices(10)
    lease = nights.books.clock.acquire("here")
    seen: list[object] = []

    def look(point: str) -> None:
        seen.append(rows(database, "SELECT expires_at FROM leases")[0][0])

    nights.run_under(lease, day(3), pause=look)
    assert seen == sorted(set(seen)), "later at every point"


def test_a_fenced_runner_does_not_release_the_other_ones_lease(
    nights: Nights, database: Database
) -> None:
    clock = nights.books.clock
    lease = clock.acquire("paused")
    lose_lease(database)
    PostgresClock(database.writer).acquire("taker")
    before = rows(database, "SELECT * FROM leases")
    clock.release(lease)
    assert rows(database, "SELECT * FROM leases") == before


def test_a_step_claimed_by_a_later_holder_is_closed_to_an_earlier_one(
    nights: Nights, database: Database
) -> None:
    """Even if the leases table were lost: the checkpoint itself remembers the highest fence."""
    nights.invoices(10)
    clock = nights.books.clock
    early = clock.acquire("early")
    late = Lease("late", early.fence + 5)
    with owner_connection(database) as owner:
        owner.execute("UPDATE leases SET holder = 'late', fence = %s", (late.fence,))
    with pytest.raises(RuntimeError, match="enough"):
        nights.run_under(late, day(3), pause=At("before a chunk of mora", 1, _enough))
    with owner_connection(database) as owner:
        owner.execute("UPDATE leases SET holder = 'early', fence = %s", (early.fence,))
    before = counts(database)
    with pytest.raises(Fenced):
        nights.run_under(early, day(3))
    assert counts(database) == before


def test_a_chunk_is_fenced_by_its_checkpoint_too(nights: Nights, database: Database) -> None:
    """A later holder has claimed the step and not moved it yet; the lease alone would let the earlier one pass."""
    nights.invoices(10)
    clock = nights.books.clock
    early = clock.acquire("early")
    left: list[object] = []

    def claim() -> None:
        lose_lease(database)
        late = PostgresClock(database.writer).acquire("late")
        clock.begin(Run(nights.tenant_id, day(3), late), "mora")
        with owner_connection(database) as owner:
            owner.execute("UPDATE leases SET holder = 'early', fence = %s", (early.fence,))
        left.append(counts(database))

    with pytest.raises(Fenced):
        nights.run_under(early, day(3), pause=At("before a chunk of mora", 1, claim))
    assert counts(database) == left[0]


def _enough() -> None:
    raise RuntimeError("enough")
