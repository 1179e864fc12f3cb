"""`kill -9` at every step of a refund, twice in a row, and once more at random: exactly one payout instruction.

Every pause between steps, every statement, every COMMIT before and while it is sent, every change of a folder, every
request before, while and after it is sent. Each time three refunds: one to be confirmed, one to fail, one refused.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from tests.payouts.conftest import Dispatcher
from tests.payouts.killing import Doomed, Killing, keep_or_refuse
from tests.payouts.peer import listening_peer
from tests.soak.conftest import Nursery
from tests.soak.doom import Place

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

SHUFFLED = 20


@pytest.fixture
def desk(database: Database) -> Iterator[Dispatcher]:
    with Books(database) as books:
        yield Dispatcher(books)


def test_a_folder_of_files(desk: Dispatcher, nursery: Nursery, tmp_path: Path) -> None:
    _kill_everywhere(Killing(desk, nursery, tmp_path, None))


def test_a_provider_over_http(desk: Dispatcher, nursery: Nursery) -> None:
    with listening_peer() as peer:
        peer.manner = keep_or_refuse
        _kill_everywhere(Killing(desk, nursery, None, peer))
        print(f"{len(peer.puts)} requests, {len(peer.instructions)} instructions")


def _kill_everywhere(killing: Killing) -> None:
    passed = killing.passed()
    dooms = [Doomed(place, n) for place in get_args(Place) for n in range(passed.get(place, 0))]
    killing.at(dooms)
    chance = random.Random(len(dooms))
    for _ in range(SHUFFLED):
        killing.at_each(chance.sample(dooms, 3))
    assert killing.kills > len(dooms)
    print(f"{killing.kills} kills at {len(dooms)} places, {killing.begun} refunds")
