"""Proving that the same facts give the same books: histories recorded in order and in random orders, each held against
the independent books on every day.

    python -m tests.facts.proof FIRST LAST     checks the histories with these seeds, on all cores
"""

import os
import random
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

import msgspec

from tests.facts.comparing import differences
from tests.facts.driver import Driver, Refused
from tests.facts.facts import chronological
from tests.facts.histories import DATABLE, random_history, random_orders
from tests.facts.oracle import books

LATE = DATABLE - {"refund"}
"""A refund is requested on its own day."""

ORDERS = 3
CLOCKS = ("daily", "never", "sometimes")
BATCH = 25


class Count(msgspec.Struct):
    """What became of histories and of the orders in which they were recorded.

    accepted   random orders in which the product took every fact as it is
    refused    random orders in which it refused one, or one would have been another fact
    overdrawn  orders, chronological ones too, that differ where a payment's excess had been refunded or used before the
               payment, or a part of it, was reversed: what its source has left then decides (ADR 0020)
    compared   histories recorded in order and in at least one other
    differing  what differs, in words
    """

    histories: int = 0
    compared: int = 0
    accepted: int = 0
    refused: int = 0
    overdrawn: int = 0
    facts: int = 0
    differing: list[str] = []

    def add(self, other: "Count") -> None:
        for name in ("histories", "compared", "accepted", "refused", "overdrawn", "facts"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.differing = [*self.differing, *other.differing]

    @property
    def accepted_share(self) -> float:
        """Accepted orders as a part of all random ones."""
        return self.accepted / max(1, self.accepted + self.refused)

    def __str__(self) -> str:
        return (
            f"{self.histories} histories of {self.facts} facts; {self.compared} recorded in order and otherwise; "
            f"{self.accepted} random orders accepted ({self.accepted_share:.1%}), {self.refused} refused; "
            f"{self.overdrawn} overdrawn; {len(self.differing)} differ"
        )


def check(seed: int) -> Count:
    """Records one history in order and in random orders."""
    rng = random.Random(seed)
    history = random_history(rng)
    count = Count(histories=1, facts=len(history.facts))
    orders = [chronological(history), *random_orders(history, rng, ORDERS, LATE)]
    for place, order in enumerate(orders):
        through = max([history.last_on, *(recording.on for recording in order)])
        driver = Driver(history, rng.choice(CLOCKS), random.Random(seed))
        try:
            driver.record(order, through)
        except Refused:
            count.refused += place > 0
            continue
        count.accepted += place > 0
        expected = books(history.invoices, [recording.fact for recording in order], through)
        found = differences(driver, expected, through)
        is_overdrawn = min(expected.left.values(), default=0) < 0 or expected.over_offered
        if found and is_overdrawn:
            count.overdrawn += 1
        elif found:
            count.differing.append(f"history {seed}, order {place}: {'; '.join(found[:3])}")
    count.compared = int(count.accepted > 0)
    return count


def check_all(seeds: Iterable[int]) -> Count:
    """Records histories on all cores."""
    count = Count()
    every = list(seeds)
    batches = [every[at : at + BATCH] for at in range(0, len(every), BATCH)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(_check_batch, batches):
            count.add(found)
    return count


def _check_batch(seeds: list[int]) -> Count:
    count = Count()
    for seed in seeds:
        count.add(check(seed))
    return count


if __name__ == "__main__":
    first, last = map(int, sys.argv[1:3])
    total = check_all(range(first, last))
    print(total)
    print("\n".join(total.differing[:20]))
    sys.exit(1 if total.differing else 0)
