"""Tenants take turns in the writer's queue."""

import threading
from uuid import UUID

from adapters.store.fair_queue import FairQueue

ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))


def filled(*items: tuple[UUID, str]) -> FairQueue[str]:
    queue: FairQueue[str] = FairQueue()
    for tenant_id, item in items:
        queue.put([(tenant_id, item)])
    return queue


def test_of_one_tenant_the_first_comes_first() -> None:
    queue = filled((ONE, "a"), (ONE, "b"), (ONE, "c"))
    assert queue.take(2, 9) == ["a", "b"]
    assert queue.take(9, 9) == ["c"]


def test_one_that_sends_many_keeps_no_other_waiting() -> None:
    queue = filled(*((ONE, f"a{n}") for n in range(100)), (TWO, "b"), (THREE, "c"))
    assert queue.take(4, 64) == ["a0", "b", "c", "a1"]
    assert len(queue) == 98


def test_who_was_served_last_comes_last_in_the_next_turn() -> None:
    queue = filled((ONE, "a0"), (ONE, "a1"), (TWO, "b0"), (TWO, "b1"))
    assert queue.take(1, 9) == ["a0"]
    assert queue.take(1, 9) == ["b0"]
    assert queue.take(1, 9) == ["a1"]


def test_a_tenant_has_a_part_of_a_group() -> None:
    queue = filled(*((ONE, f"a{n}") for n in range(5)), (TWO, "b"))
    assert queue.take(256, 3) == ["a0", "b", "a1", "a2"]
    assert queue.take(256, 3) == ["a3", "a4"]


def test_it_is_empty_at_the_end_only() -> None:
    queue = filled((ONE, "a"))
    queue.close()
    assert queue.take(9, 9) == ["a"]
    assert queue.take(9, 9) == []


def test_who_takes_waits_for_the_first() -> None:
    queue: FairQueue[str] = FairQueue()
    taken: list[list[str]] = []
    thread = threading.Thread(target=lambda: taken.append(queue.take(9, 9)))
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    queue.put([(ONE, "a")])
    thread.join(5)
    assert taken == [["a"]]


def test_many_threads_lose_nothing() -> None:
    queue: FairQueue[int] = FairQueue()
    threads = [
        threading.Thread(
            target=lambda n=n: [queue.put([(UUID(int=n), 1_000 * n + k)]) for k in range(500)]
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    taken: list[int] = []
    while len(taken) < 4_000:
        taken += queue.take(64, 16)
    assert sorted(taken) == [1_000 * n + k for n in range(8) for k in range(500)]
    for n in range(8):
        of_one = [item for item in taken if item // 1_000 == n]
        assert of_one == sorted(of_one)
