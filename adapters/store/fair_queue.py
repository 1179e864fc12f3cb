"""The queue of commands: tenants take turns, so that one that sends many keeps no other waiting for all of them."""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items by tenant, first in first out for each. Any thread may put; one takes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: OrderedDict[UUID, deque[T]] = OrderedDict()  # the next tenant in turn first
        self._count = 0
        self._closed = False

    def __len__(self) -> int:
        return self._count

    def put(self, items: Iterable[tuple[UUID, T]]) -> None:
        """Adds items, each of a tenant; who takes sees all of them or none."""
        with self._changed:
            before = self._count
            for tenant_id, item in items:
                waiting = self._waiting.get(tenant_id)
                if waiting is None:
                    waiting = self._waiting[tenant_id] = deque()
                waiting.append(item)
                self._count += 1
            if not before and self._count:
                self._changed.notify()

    def close(self) -> None:
        """Nothing is put any more; what waits is still taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self, most: int, most_of_one: int) -> list[T]:
        """Up to `most` items, one of each tenant in turn and `most_of_one` at most.

        Waits until there is one. Empty once the queue is closed and nothing waits.
        """
        with self._changed:
            while not self._count and not self._closed:
                self._changed.wait()
            taken: list[T] = []
            of_tenant: dict[UUID, int] = {}
            turns = deque(self._waiting)
            while turns and len(taken) < most:
                tenant_id = turns.popleft()
                waiting = self._waiting[tenant_id]
                taken.append(waiting.popleft())
                of_tenant[tenant_id] = of_tenant.get(tenant_id, 0) + 1
                if not waiting:
                    del self._waiting[tenant_id]
                else:
                    self._waiting.move_to_end(tenant_id)
                    if of_tenant[tenant_id] < most_of_one:
                        turns.append(tenant_id)
            self._count -= len(taken)
            return taken
