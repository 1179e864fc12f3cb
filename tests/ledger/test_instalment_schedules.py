from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.instalment_schedules import (
    InstalmentCountOutOfRange,
    InstalmentTooSmall,
    Part,
    RateNotMonthly,
    TermTooLong,
    equal,
    instalment_dates,
    longest_price_term,
    longest_sac_term,
    price,
    sac,
)
from ledger.rates import Rate, parse_rate

TWO_PERCENT = parse_rate("2%/month")
rates = st.integers(0, 3_000).map(lambda basis: Rate.of(basis, 100_000, "month"))


def test_price_is_level_and_the_last_absorbs() -> None:
    parts = price(100_000, TWO_PERCENT, 6)
    assert [part.payment_minor for part in parts] == [17853] * 5 + [17851]
    assert parts[0] == Part(principal_minor=15853, interest_minor=2000)
    assert sum(part.principal_minor for part in parts) == 100_000


def test_sac_repays_a_level_principal() -> None:
    parts = sac(100_000, TWO_PERCENT, 6)
    assert [part.principal_minor for part in parts] == [16667] * 5 + [16665]
    assert parts[0].payment_minor == 18667
    assert [part.interest_minor for part in parts] == [2000, 1667, 1333, 1000, 667, 333]


def test_equal_split_keeps_the_remainder() -> None:
    assert equal(10000, 3) == (Part(3334, 0), Part(3333, 0), Part(3333, 0))


def test_without_interest_price_is_level_too() -> None:
    assert price(10000, Rate(0, 1), 3) == (Part(3333, 0), Part(3333, 0), Part(3334, 0))


def test_month_ends_keep_the_anchor() -> None:
    assert instalment_dates(date(2023, 1, 31), 4) == (
        date(2023, 1, 31),
        date(2023, 2, 28),
        date(2023, 3, 31),
        date(2023, 4, 30),
    )
    assert instalment_dates(date(2023, 12, 30), 3)[2] == date(2024, 2, 29)
    assert instalment_dates(date(2024, 5, 10), 1) == (date(2024, 5, 10),)


@pytest.mark.parametrize("count", [0, -1, 601])
def test_the_count_is_bounded(count: int) -> None:
    for refused in (
        lambda: instalment_dates(date(2024, 1, 1), count),
        lambda: equal(10**6, count),
        lambda: price(10**6, TWO_PERCENT, count),
        lambda: sac(10**6, TWO_PERCENT, count),
    ):
        with pytest.raises(InstalmentCountOutOfRange):
            refused()


def test_dates_stay_before_the_year_10000() -> None:
    assert instalment_dates(date(9999, 11, 30), 2)[-1] == date(9999, 12, 30)
    with pytest.raises(InstalmentCountOutOfRange, match="9999"):
        instalment_dates(date(9999, 11, 30), 3)


def test_no_instalment_is_zero() -> None:
    with pytest.raises(InstalmentTooSmall):
        equal(2, 3)
    with pytest.raises(InstalmentTooSmall):
        price(60, Rate(0, 1), 36)
    with pytest.raises(InstalmentTooSmall):
        sac(10, TWO_PERCENT, 36)


@pytest.mark.parametrize(("days", "interest"), [(45, 30_00), (30, 20_00), (10, 6_67), (0, 0)])
def test_a_first_period_pro_rata_bears_its_days_over_thirty(days: int, interest: int) -> None:
    """Month's interest 20.00; the principals, and so every later instalment, are as with a whole month."""
    for schedule in (price, sac):
        whole = schedule(100_000, TWO_PERCENT, 6)
        parts = schedule(100_000, TWO_PERCENT, 6, first_days=days)
        assert parts[0] == Part(whole[0].principal_minor, interest)
        assert parts[1:] == whole[1:]


@given(st.integers(10_000, 10**10), rates, st.integers(1, 60), st.integers(0, 400))
def test_a_walk_over_a_first_period_pro_rata_ends_at_zero(
    principal: int, rate: Rate, count: int, days: int
) -> None:
    """Each period's interest is that of the balance for its days, rounded once, and the last payment takes the rest."""
    for schedule in (price, sac):
        try:
            parts = schedule(principal, rate, count, first_days=days)
        except (InstalmentTooSmall, TermTooLong):
            continue
        balance = principal
        for number, part in enumerate(parts):
            thirtieths = days if number == 0 else 30
            exact = Fraction(balance * rate.numerator * thirtieths, rate.denominator * 30)
            assert part.interest_minor == round(exact)
            assert part.principal_minor >= 0
            balance += part.interest_minor - part.payment_minor
        assert balance == 0
    level = {part.payment_minor for part in price(100_000, TWO_PERCENT, 6, first_days=days)[1:-1]}
    assert level == {17853}


ONE_PERCENT = parse_rate("1%/month")


def test_a_last_instalment_that_would_stand_out_is_refused() -> None:
    """500.00 in 600 at 1% would end with 144.44 after instalments of 5.01."""
    with pytest.raises(TermTooLong, match="at most 557") as refused:
        price(500_00, ONE_PERCENT, 600)
    assert refused.value.field == "count"
    parts = price(500_00, ONE_PERCENT, 557)
    assert parts[0].payment_minor == 502
    assert 251 <= parts[-1].payment_minor <= 1004
    with pytest.raises(TermTooLong, match=r"more than twice.*at most 433"):
        sac(13_00, ONE_PERCENT, 600)
    parts = sac(13_00, ONE_PERCENT, 433)
    assert (parts[0].principal_minor, parts[-1].principal_minor) == (3, 4)


def test_less_than_half_is_refused_too() -> None:
    with pytest.raises(TermTooLong, match=r"less than half.*at most 11"):
        sac(45, ONE_PERCENT, 12)


@given(st.integers(100, 100_000), rates, st.integers(2, 600))
def test_the_longest_term_is_the_longest_that_is_not_refused(
    principal: int, rate: Rate, count: int
) -> None:
    def works(schedule: Any, term: int) -> bool:
        try:
            schedule(principal, rate, term)
        except (TermTooLong, InstalmentTooSmall):
            return False
        return True

    for schedule, longest in (
        (price, longest_price_term(principal, rate, count)),
        (sac, longest_sac_term(principal, count)),
    ):
        assert 1 <= longest <= count
        assert works(schedule, longest)
        for term in (longest + 1, longest + 7, count):
            assert term <= longest or term > count or not works(schedule, term)


def test_a_yearly_rate_is_refused() -> None:
    for schedule in (price, sac):
        with pytest.raises(RateNotMonthly, match="24%/year"):
            schedule(100_000, parse_rate("24%/year"), 6)


@given(st.integers(1, 10**12), rates, st.integers(1, 120))
def test_principals_sum_to_what_was_lent(principal: int, rate: Rate, count: int) -> None:
    for schedule in (price, sac):
        try:
            parts = schedule(principal, rate, count)
        except InstalmentTooSmall:
            assert principal < count * count * 400  # only small change is refused
            continue
        except TermTooLong:
            assert count > 2
            continue
        assert len(parts) == count
        assert sum(part.principal_minor for part in parts) == principal
        assert all(min(part) >= 0 and part.payment_minor > 0 for part in parts)


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(1, 120))
def test_dates_are_one_a_month(first: date, count: int) -> None:
    dates = instalment_dates(first, count)
    months = [day.year * 12 + day.month for day in dates]
    assert months == list(range(months[0], months[0] + count))
    assert all(day.day == first.day or day.day >= 28 for day in dates)
