"""`kill -9` while requests are accepted and carried out: what was accepted is done, once."""

from pathlib import Path

import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from tests.payouts.conftest import Dispatcher
from tests.soak.conftest import Nursery
from tests.soak.doom import Place

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

PLACES: tuple[Place, ...] = ("statement", "commit", "in commit")
PAYMENTS = "SELECT count(*) FROM events WHERE tag = 'payment.received.v1' AND tenant_id = %s"
WAITING = "SELECT key FROM accepted_requests"


def test_every_accepted_request_is_done_once(
    database: Database, nursery: Nursery, tmp_path: Path
) -> None:
    with Books(database) as books:
        desk = Dispatcher(books)
        told = tmp_path / "told"
        order = {
            "url": database.writer_url,
            "tenant_id": str(desk.tenant_id),
            "customer_id": str(desk.customer_id),
            "told": str(told),
        }
        passed = nursery.run("accepting", keys=["a0", "a1"], **order)["said"]
        done, kills = 2, 0
        for place in PLACES:
            for n in range(passed[place]):
                keys = [f"{place} {n} {number}" for number in range(2)]
                told.unlink()
                for _ in range(2):
                    ended = nursery.run("accepting", keys=keys, place=place, n=n, **order)["ended"]
                    kills += ended == "killed"
                # Nobody asks again: what was accepted before the kill is done all the same.
                accepted = set(told.read_text().split("\n")) - {""} if told.exists() else set()
                assert nursery.run("accepting", keys=[], **order)["ended"] == "done"
                assert _count(books, WAITING) == 0
                found = _count(books, PAYMENTS, desk) - 1 - done
                assert len(accepted) <= found <= 2, (place, n)
                # Asked again, whatever had been answered, each is done once.
                assert nursery.run("accepting", keys=keys, **order)["ended"] == "done"
                done += 2
                assert _count(books, PAYMENTS, desk) == 1 + done, (place, n)
                assert desk.credit() == 100_000 + 100 * done
        assert kills > 20
        print(f"{kills} kills, {done} payments")


def _count(books: Books, query: str, desk: Dispatcher | None = None) -> int:
    with books.database.writer.connection() as connection:
        values = (desk.tenant_id,) if desk is not None else None
        rows = connection.execute(query.encode(), values).fetchall()
    return int(rows[0][0]) if desk is not None else len(rows)
