"""Sorting with runs on disk gives what sorting in memory gives."""

import random

import msgspec
import pytest

from adapters.importing.sorting import Sorter


class Item(msgspec.Struct, frozen=True, array_like=True):
    key: int
    nth: int


@pytest.mark.parametrize("run", [1, 7, 100, 1000])
def test_items_come_in_order_and_equal_ones_as_they_were_added(run: int) -> None:
    chance = random.Random(run)
    items = [Item(chance.randrange(20), nth) for nth in range(500)]
    with Sorter(Item, lambda item: item.key, run) as sorter:
        for item in items:
            sorter.add(item)
        assert list(sorter) == sorted(items, key=lambda item: item.key)


def test_nothing_added_gives_nothing() -> None:
    with Sorter(Item, lambda item: item.key) as sorter:
        assert list(sorter) == []
