"""SIGSTOP of a worker past its lease: another takes over within bounds, and the woken one is fenced."""

import time

import pytest

from adapters.store.clock import PostgresClock
from schedulers.business_day import run_day
from schedulers.ports import ClockTaken, Lease, Run
from tests.schedulers.nights import TENANT, day
from tests.soak.conftest import Copy, Nursery
from tests.soak.test_killed_worker import Result
from tests.soak.work import paying
from tests.store.forcing import assert_log_is_whole

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

NIGHTS = 3
LEASE_SECONDS = 4


def taken(clock: PostgresClock) -> Lease:
    """The lease, as soon as it is to be had."""
    while True:
        try:
            return clock.acquire("standby")
        except ClockTaken:
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("place", "n", "at_most_seconds"),
    [
        # Between two transactions: nothing is held but the lease.
        ("pause", 5, LEASE_SECONDS + 5),
        # Inside one, before its COMMIT, and in the middle of a COPY: whoever waits ten seconds for a lock ends it.
        ("commit", 9, 18),
        ("in copy", 1, 18),
    ],
)
def test_another_takes_over_and_the_woken_one_writes_nothing(
    copy: Copy, nursery: Nursery, place: str, n: int, at_most_seconds: float
) -> None:
    stopped = nursery.run_until_it_stops(
        "ticks", url=copy.writer_url, nights=NIGHTS, place=place, n=n, lease_seconds=LEASE_SECONDS
    )
    assert stopped["ended"] == "stopped"
    began = time.monotonic()
    with copy.books() as books:
        lease = taken(books.clock)
        waited = time.monotonic() - began
        assert waited < at_most_seconds
        for number in range(NIGHTS):
            run_day(books.clock, Run(TENANT, day(number), lease))
        before = Result(copy)
        leases = copy.rows("SELECT * FROM leases")

        woken = nursery.wake()

        assert woken["ended"] == "done"
        if place == "pause":
            assert woken["said"] == {"ran": ["Fenced"]}
        else:
            assert woken["said"]["ran"][1:] == [0, 0], "its later rings find the clock taken"
        assert vars(Result(copy)) == vars(before)
        assert copy.rows("SELECT * FROM leases") == leases
        assert before.days == [(NIGHTS,)]
        assert_log_is_whole(books.database)


def test_commands_go_on_within_ten_seconds_while_a_worker_stands_still_in_a_copy(
    copy: Copy, nursery: Nursery
) -> None:
    stopped = nursery.run_until_it_stops(
        "ticks", url=copy.writer_url, nights=1, place="in copy", n=0, lease_seconds=60
    )
    assert stopped["ended"] == "stopped"
    with copy.books() as books:
        began = time.monotonic()
        invoice = copy.rows("SELECT stream_id FROM snapshots WHERE payer_id IS NOT NULL LIMIT 1")[
            0
        ][0]
        books.writer.run(paying(invoice, "meanwhile"))
        assert 5 < time.monotonic() - began < 18
        woken = nursery.wake()
        assert woken["ended"] == "done"
        # The night was not lost: nobody had taken the lease, so it went on at its next ring.
        assert sum(woken["said"]["ran"]) == 1
        assert copy.rows("SELECT count(*) FROM events WHERE tag = 'business_day.closed.v1'") == [
            (1,)
        ]
        assert_log_is_whole(books.database)


def test_the_server_ends_one_that_idles_in_a_transaction_when_nobody_waits(
    copy: Copy, nursery: Nursery
) -> None:
    """After 20 s by its own timeout: whoever comes then goes on at once."""
    stopped = nursery.run_until_it_stops(
        "ticks", url=copy.writer_url, nights=1, place="commit", n=2, lease_seconds=60
    )
    assert stopped["ended"] == "stopped"
    time.sleep(21)
    with copy.books() as books:
        began = time.monotonic()
        invoice = copy.rows("SELECT stream_id FROM snapshots WHERE payer_id IS NOT NULL LIMIT 1")[
            0
        ][0]
        books.writer.run(paying(invoice, "meanwhile"))
        assert time.monotonic() - began < 5
        woken = nursery.wake()
        assert woken["ended"] == "done"
        assert sum(woken["said"]["ran"]) == 1
        assert_log_is_whole(books.database)
