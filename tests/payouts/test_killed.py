"""`kill -9` at steps of a refund, repeated: exactly one payout instruction.

Here at some of the steps; at every one in `tests/soak/test_killed_payouts.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.payouts.conftest import Dispatcher
from tests.payouts.killing import Doomed, Killing, keep_or_refuse
from tests.payouts.peer import Peer
from tests.soak.conftest import Nursery

EVERY_PAUSE = [Doomed("pause", n) for n in range(10)]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def test_a_folder_of_files(desk: Dispatcher, nursery: Nursery, tmp_path: Path) -> None:
    killing = Killing(desk, nursery, tmp_path, None)
    passed = killing.passed()
    killing.at(EVERY_PAUSE[: passed["pause"]])
    killing.at((Doomed("file", n) for n in range(passed["file"] // 2)), times=1)
    killing.at((Doomed("in commit", n) for n in range(2, passed["in commit"], 3)), times=1)
    assert killing.kills >= 20


def test_a_provider_over_http(desk: Dispatcher, nursery: Nursery, peer: Peer) -> None:
    peer.manner = keep_or_refuse
    killing = Killing(desk, nursery, None, peer)
    passed = killing.passed()
    killing.at(EVERY_PAUSE[1:5])
    killing.at((Doomed("request", n) for n in range(passed["request"])), times=1)
    assert killing.kills >= 12
