"""`kill -9` of the worker between any two steps of a business day, and inside them: the result is as if undisturbed."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.soak.conftest import Copy, Nursery, Seed

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

NIGHTS = 4
KILLS = 200

EVENTS = """
SELECT tenant_seq, stream_id, version, tag, effective_on, actor, command_id, correlation_id, causation_id, data
  FROM events ORDER BY stream_id, version
"""
SNAPSHOTS = "SELECT * FROM snapshots ORDER BY stream_id"
CHECKPOINTS = """
SELECT tenant_id, day, step, after_on, after_id, done, tally FROM clock_checkpoints ORDER BY day, step
"""
RECORDS = "SELECT key, request_hash, command_id, status, answer, tenant_seq FROM command_records ORDER BY key"
DAYS = "SELECT count(*) FROM events WHERE tag = 'business_day.closed.v1'"
GAPS = """
SELECT count(*), max(position), max(tenant_seq), (SELECT position FROM log_head),
       (SELECT count(*) FROM (SELECT recorded_at < lag(recorded_at) OVER (ORDER BY position) AS backwards
                                FROM events) AS times WHERE backwards)
  FROM events
"""


class Result:
    """Everything that must not depend on what happened on the way."""

    def __init__(self, copy: Copy) -> None:
        self.events = copy.rows(EVENTS)
        self.snapshots = copy.rows(SNAPSHOTS)
        self.checkpoints = copy.rows(CHECKPOINTS)
        self.records = copy.rows(RECORDS)
        self.days = copy.rows(DAYS)
        self.gaps = copy.rows(GAPS)


def payments(seed: Seed) -> dict[str, list[str]]:
    """What arrives after each night but the last: five payments, one of them on an invoice that others pay too."""
    return {
        str(n): [str(seed.invoices[k]) for k in (0, 1 + n, 50 + n, 100 + 2 * n, 299)]
        for n in range(NIGHTS - 1)
    }


def a_doom(chance: random.Random, passed: dict[str, int]) -> dict[str, Any]:
    """Where the next worker is killed: at a place it passes, or after a random time."""
    place = chance.choice(
        ["pause", "pause", "statement", "statement", "commit", "in commit", "time"]
    )
    if place == "time":
        return {"seconds": chance.uniform(0.02, 0.4)}
    # A third of a whole run, so that one run is killed several times before it is through.
    return {"place": place, "n": chance.randrange(max(1, passed[place] // 3))}


def killed_until_done(
    seed: Seed, nursery: Nursery, chance: random.Random, passed: dict[str, int]
) -> tuple[list[str], Result]:
    """(where the worker was killed before the nights were through, the result)."""
    kills: list[str] = []
    with seed.copy() as copy:
        while True:
            order = {"url": copy.writer_url, "count": NIGHTS, "payments": payments(seed)}
            doom = a_doom(chance, passed) if len(kills) < 20 else {}
            ended = nursery.run("nights", **order, **doom)["ended"]
            if ended == "done":
                return kills, Result(copy)
            assert ended == "killed", f"after {kills}, with {doom}"
            kills.append(doom.get("place", "at random"))
            copy.expire_lease()


def test_two_hundred_kills_change_nothing(seed: Seed) -> None:
    lanes = [Nursery(), Nursery()]
    with seed.copy() as copy:
        order = {"url": copy.writer_url, "count": NIGHTS, "payments": payments(seed)}
        answer = lanes[0].run("nights", **order)
        assert answer["ended"] == "done"
        undisturbed, passed = Result(copy), answer["said"]
    assert undisturbed.days == [(NIGHTS,)]
    assert len(undisturbed.events) > 2_000
    count, position, tenant_seq, head, backwards = undisturbed.gaps[0]
    assert count == position == tenant_seq == head
    assert backwards == 0
    kills: Counter[str] = Counter()
    rounds = iter(range(10_000))
    lock = threading.Lock()

    def work(nursery: Nursery) -> None:
        while kills.total() < KILLS:
            with lock:
                number = next(rounds)
            more, result = killed_until_done(seed, nursery, random.Random(number), passed)
            for name, expected in vars(undisturbed).items():
                assert getattr(result, name) == expected, f"{name} differ in round {number}"
            with lock:
                kills.update(more)

    try:
        with ThreadPoolExecutor(2) as executor:
            for future in [executor.submit(work, nursery) for nursery in lanes]:
                future.result()
    finally:
        for nursery in lanes:
            nursery.close()
    print(f"{kills.total()} kills in {next(rounds)} rounds: {dict(kills)}")
