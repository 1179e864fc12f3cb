"""`kill -9` of a process in the middle of group commits under load: what it had acknowledged is stored, once."""

import base64
import random
import time
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest

from adapters.wiring import Books
from tests.soak.conftest import Copy, Nursery, Seed, uuids
from tests.soak.work import paying
from tests.store.forcing import assert_log_is_whole

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

THREADS, EACH = 16, 60
PAYMENTS = "SELECT count(*) FROM events WHERE tag = 'payment.received.v1'"


class Answered(NamedTuple):
    tenant_seq: int
    body: bytes


class Told:
    """What a process said before it was killed: which keys it had asked for, and which were answered with what."""

    def __init__(self) -> None:
        self.asked: dict[str, UUID] = {}
        self.answered: dict[str, Answered] = {}

    def read(self, path: Path) -> None:
        for line in path.read_text().splitlines(keepends=True):
            if not line.endswith("\n"):
                continue  # cut off by the kill: never said
            what, key, *rest = line.split()
            if what == "asked":
                self.asked[key] = UUID(rest[0])
            else:
                answer = Answered(int(rest[0]), base64.b64decode(rest[2]))
                assert self.answered.setdefault(key, answer) == answer, "one key, one answer"
        path.unlink()


@pytest.mark.parametrize("number", range(6))
def test_every_acknowledged_answer_is_stored_once(
    seed: Seed, nursery: Nursery, tmp_path: Path, number: int
) -> None:
    """Killed several times at random, in commits and in the middle of COPY; at last every key is asked once more."""
    chance = random.Random(number)
    told, file = Told(), tmp_path / "told"
    with seed.copy() as copy:
        before = copy.rows(PAYMENTS)[0][0]
        load = {
            "url": copy.writer_url,
            "invoices": uuids(seed.invoices[:40]),
            "told": str(file),
            "threads": THREADS,
            "each": EACH,
        }
        kills = 0
        for _ in range(6):
            doom = chance.choice(
                [
                    {"place": "in commit", "n": chance.randrange(12)},
                    {"place": "commit", "n": chance.randrange(12)},
                    {"place": "statement", "n": chance.randrange(60)},
                    {"seconds": chance.uniform(0.05, 0.6)},
                ]
            )
            ended = nursery.run("payers", **load, **doom)["ended"]
            kills += ended == "killed"
            if file.exists():
                told.read(file)
        assert kills >= 2
        assert told.answered
        assert len(told.asked) > THREADS
        assert copy.rows(PAYMENTS)[0][0] - before >= len(told.answered)
        with copy.books() as books:
            retried(books, told)
            assert copy.rows(PAYMENTS)[0][0] - before == len(told.asked)
            assert_log_is_whole(books.database)
        keys = {key for (key,) in copy.rows("SELECT key FROM command_records")}
        assert set(told.asked) <= keys


def retried(books: Books, told: Told) -> None:
    futures = {
        key: books.writer.submit(paying(invoice_id, key)) for key, invoice_id in told.asked.items()
    }
    for key, future in futures.items():
        answer = future.result(30)
        known = told.answered.get(key)
        if known is not None:
            assert answer.replayed, key
            assert Answered(answer.tenant_seq, answer.body) == known, key


def test_a_process_that_stands_still_before_its_commit_holds_others_up_for_ten_seconds(
    copy: Copy, seed: Seed, nursery: Nursery, tmp_path: Path
) -> None:
    """SIGSTOP between the events and the COMMIT; woken up, it repeats what was rolled back, and nothing twice."""
    file = tmp_path / "told"
    stopped = nursery.run_until_it_stops(
        "payers",
        url=copy.writer_url,
        invoices=uuids(seed.invoices[:40]),
        told=str(file),
        threads=THREADS,
        each=4,
        place="commit",
        n=3,
        strike="SIGSTOP",
    )
    assert stopped["ended"] == "stopped"
    before = copy.rows(PAYMENTS)[0][0]
    with copy.books() as books:
        began = time.monotonic()
        assert not books.writer.run(paying(seed.invoices[100], "meanwhile")).replayed
        waited = time.monotonic() - began
        assert 5 < waited < 18
        woken = nursery.wake()
        assert woken["ended"] == "done"
        told = Told()
        told.read(file)
        assert len(told.answered) == THREADS * 4
        retried(books, told)
        stored = {key for (key,) in copy.rows("SELECT key FROM command_records")}
        assert set(told.answered) | {"meanwhile"} <= stored
        found = copy.rows(PAYMENTS)[0][0]
        assert before < found
        assert copy.rows(
            "SELECT count(*) FROM (SELECT stream_id FROM events WHERE tag = 'payment.received.v1'"
            " GROUP BY stream_id HAVING count(*) > 1) AS twice"
        ) == [(0,)]
        assert_log_is_whole(books.database)
