"""The same facts give the same books, in whatever order they are recorded, and whenever the clock ran."""

import pytest

from tests.facts.proof import Count, check, check_all

SOME = 40
A_TENTH = 2_000
"""Of the twenty thousand histories that `python -m tests.bench --only proofs` records."""


def assert_proved(count: Count) -> None:
    print(count)
    assert not count.differing, "\n".join(count.differing[:10])
    assert count.accepted_share >= 0.8
    assert count.compared >= 0.94 * count.histories
    assert count.overdrawn <= 0.035 * (count.histories + count.accepted)


@pytest.mark.parametrize("tens", range(SOME // 10))
def test_some_histories_give_the_same_books_in_any_order(tens: int) -> None:
    count = Count()
    for seed in range(10 * tens, 10 * tens + 10):
        count.add(check(seed))
    assert not count.differing, "\n".join(count.differing)
    assert count.accepted > 0


@pytest.mark.parametrize("seed", [105_151, 107_411, 108_426, 108_603, 109_925, 119_272])
def test_histories_that_once_differed(seed: int) -> None:
    """Each reallocates a payment to an invoice beside another payment of the same day, or after a reversal."""
    count = check(seed)
    assert not count.differing, "\n".join(count.differing)
    assert count.accepted > 0


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_two_thousand_histories_give_the_same_books_in_any_order() -> None:
    assert_proved(check_all(range(100_000, 100_000 + A_TENTH)))
