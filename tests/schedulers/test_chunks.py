"""Chunks shrink while commands wait and grow while none do, within bounds."""

from schedulers.chunks import FEWEST, FIRST, MOST, ChunkSize


def sizes(*waiting: int) -> list[int]:
    size = ChunkSize()
    found = [size.streams]
    for count in waiting:
        size.after(count)
        found.append(size.streams)
    return found


def test_the_first_chunk() -> None:
    assert sizes() == [FIRST]


def test_it_grows_while_nobody_waits() -> None:
    found = sizes(0, 0, 0, 0, 0, 0)
    assert found == [1_000, 1_500, 2_250, 3_375, 5_000, 5_000, 5_000]
    assert found[-1] == MOST


def test_it_shrinks_while_anybody_waits() -> None:
    found = sizes(1, 40, 1, 7)
    assert found == [1_000, 500, 250, 250, 250]
    assert found[-1] == FEWEST


def test_it_follows_the_load() -> None:
    assert sizes(0, 3, 0) == [1_000, 1_500, 750, 1_125]
