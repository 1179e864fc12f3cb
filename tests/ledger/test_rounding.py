import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rounding import (
    NothingToShareOver,
    Rounding,
    divide,
    round_together,
    share,
    split,
)

numbers = st.integers(-(10**24), 10**24)
denominators = st.integers(-(10**12), 10**12).filter(bool)
roundings = st.sampled_from(["half_even", "half_up", "truncate"])


@pytest.mark.parametrize(
    ("numerator", "half_even", "half_up", "truncate"),
    [
        (-7, -4, -4, -3),
        (-5, -2, -3, -2),
        (-3, -2, -2, -1),
        (-1, 0, -1, 0),
        (0, 0, 0, 0),
        (1, 0, 1, 0),
        (3, 2, 2, 1),
        (5, 2, 3, 2),
        (7, 4, 4, 3),
    ],
)
def test_halves(numerator: int, half_even: int, half_up: int, truncate: int) -> None:
    assert divide(numerator, 2) == half_even
    assert divide(numerator, 2, "half_up") == half_up
    assert divide(numerator, 2, "truncate") == truncate
    assert divide(-numerator, -2, "half_up") == half_up


@given(numbers, denominators)
def test_divide_agrees_with_fractions(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert divide(numerator, denominator, "half_even") == round(exact)
    assert divide(numerator, denominator, "truncate") == math.trunc(exact)
    away = math.floor(abs(exact) + Fraction(1, 2))
    assert divide(numerator, denominator, "half_up") == (away if exact > 0 else -away)


@given(numbers, denominators, roundings)
def test_rounding_is_symmetric(numerator: int, denominator: int, rounding: Rounding) -> None:
    assert divide(-numerator, denominator, rounding) == -divide(numerator, denominator, rounding)


def test_dividing_by_zero_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        divide(1, 0)


def test_posting_the_rounded_cumulative_amount_does_not_drift() -> None:
    # 500.00 at 1% a month over 30 days: round(cumulative(d)) less what is posted
    cumulative = [divide(50_000 * day, 100 * 30) for day in range(11)]
    posted = [after - before for before, after in itertools.pairwise(cumulative)]
    assert posted == [17, 16, 17, 17, 16, 17, 17, 16, 17, 17]
    assert sum(posted) == 167


def test_a_split_keeps_the_remainder() -> None:
    assert split(10000, 3) == [3334, 3333, 3333]
    assert split(-10000, 3) == [-3334, -3333, -3333]
    assert split(2, 3) == [1, 1, 0]
    assert split(0, 2) == [0, 0]


def test_equal_remainders_go_to_the_earlier_part() -> None:
    assert share(5, [1, 1]) == [3, 2]
    assert share(100, [2, 1, 1, 2]) == [33, 17, 17, 33]
    assert share(-100, [2, 1, 1, 2]) == [-33, -17, -17, -33]


def test_a_weight_of_zero_gets_nothing() -> None:
    assert share(100, [0, 3, 0]) == [0, 100, 0]
    assert share(0, [0, 0]) == [0, 0]
    with pytest.raises(NothingToShareOver):
        share(1, [0, 0])
    with pytest.raises(NothingToShareOver):
        share(-1, [])


@given(numbers, st.lists(st.integers(0, 10**15), min_size=1, max_size=30).filter(any))
def test_shares_sum_exactly_and_stay_close(total: int, weights: list[int]) -> None:
    parts = share(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(total * weight, sum(weights))) < 1


@given(numbers, st.integers(1, 400))
def test_a_split_is_as_even_as_can_be(total: int, parts: int) -> None:
    portions = split(total, parts)
    assert sum(portions) == total
    assert max(portions) - min(portions) <= 1
    assert portions == sorted(portions, reverse=total > 0)


@given(st.lists(st.integers(-(10**18), 10**18), max_size=30), st.integers(1, 10**9), roundings)
def test_rounding_together_sums_to_the_rounded_sum(
    numerators: list[int], denominator: int, rounding: Rounding
) -> None:
    parts = round_together(numerators, denominator, rounding)
    assert sum(parts) == divide(sum(numerators), denominator, rounding)
    for part, numerator in zip(parts, numerators, strict=True):
        assert abs(part - Fraction(numerator, denominator)) < 1
