"""Rates of the ECB's main refinancing operations (its key interest rates) and the Basiszinssatz (the Bundesbank's)."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rates import Rate, YearlyRate, parse_rate, parse_yearly_rate
from ledger.reference_rates import (
    MAX_FACTS,
    EarlierReferenceRate,
    MalformedReferenceName,
    ReferenceRate,
    ReferenceRateDiffers,
    ReferenceRateTooFarAhead,
    TooManyReferenceRates,
    added,
    is_new,
    rate_on,
    with_margin,
)

TODAY = date(2025, 8, 1)
ECB = {
    date(2024, 1, 1): "4.50%/year",
    date(2024, 7, 1): "4.25%/year",
    date(2025, 1, 1): "3.15%/year",
    date(2025, 7, 1): "2.15%/year",
}


def fact(from_on: date, rate: str) -> ReferenceRate:
    return ReferenceRate(from_on, parse_yearly_rate(rate))


TABLE = {"ecb": tuple(fact(from_on, rate) for from_on, rate in ECB.items())}


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        (date(2024, 1, 1), "4.50%/year"),
        (date(2024, 6, 12), "4.50%/year"),  # the ECB's rate changed; the half-year's did not
        (date(2024, 6, 30), "4.50%/year"),
        (date(2024, 7, 1), "4.25%/year"),
        (date(2025, 6, 30), "3.15%/year"),
        (date(2031, 1, 1), "2.15%/year"),
    ],
)
def test_a_rate_is_in_force_until_the_next_fact(day: date, rate: str) -> None:
    found = rate_on(TABLE, "ecb", day)
    assert found is not None
    assert found.rate == parse_yearly_rate(rate)


def test_nothing_is_in_force_before_the_first_fact_or_under_another_name() -> None:
    assert rate_on(TABLE, "ecb", date(2023, 12, 31)) is None
    assert rate_on(TABLE, "basiszinssatz", TODAY) is None
    assert rate_on({}, "ecb", TODAY) is None


@given(st.sets(st.dates(), max_size=8), st.dates())
def test_the_fact_in_force_is_the_last_that_began(days: set[date], day: date) -> None:
    facts = tuple(
        ReferenceRate(on, YearlyRate(number, 1)) for number, on in enumerate(sorted(days))
    )
    begun = [one for one in facts if one.from_on <= day]
    assert rate_on({"x": facts}, "x", day) == (begun[-1] if begun else None)


@pytest.mark.parametrize(
    ("reference", "margin_text", "total"),
    [
        ("4.50%/year", "8%/year", Fraction(125, 1000)),
        ("-0.88%/year", "9%/year", Fraction(812, 10_000)),
        ("-0.88%/year", "0.5%/year", Fraction(0)),
        ("-0.88%/year", "0", Fraction(0)),
        ("2.15%/year", "0", Fraction(215, 10_000)),
    ],
)
def test_interest_is_the_reference_rate_and_the_margin_and_never_below_zero(
    reference: str, margin_text: str, total: Fraction
) -> None:
    margin = parse_rate(margin_text)
    assert with_margin(parse_yearly_rate(reference), margin) == Rate.of(
        total.numerator, total.denominator, "year"
    )


def test_the_same_fact_again_is_not_new() -> None:
    for from_on, rate in ECB.items():
        assert not is_new(TABLE, "ecb", fact(from_on, rate), TODAY)
    later = fact(date(2026, 1, 1), "2.15%/year")
    assert is_new(TABLE, "ecb", later, TODAY)
    assert added(TABLE, "ecb", later)["ecb"][-1] == later
    assert is_new(TABLE, "basiszinssatz", fact(date(2021, 1, 1), "-0.88%/year"), TODAY)


@pytest.mark.parametrize(
    ("name", "from_on", "rate", "error", "field"),
    [
        ("ecb", date(2024, 7, 1), "4.26%/year", ReferenceRateDiffers, "rate"),
        ("ecb", date(2025, 7, 1), "4.25%/year", ReferenceRateDiffers, "rate"),
        ("ecb", date(2025, 6, 30), "4.25%/year", EarlierReferenceRate, "from_on"),
        ("ecb", date(2023, 7, 1), "4.00%/year", EarlierReferenceRate, "from_on"),
        ("ecb", TODAY + timedelta(days=367), "2.00%/year", ReferenceRateTooFarAhead, "from_on"),
        ("none", TODAY, "2.00%/year", MalformedReferenceName, "name"),
        ("", TODAY, "2.00%/year", MalformedReferenceName, "name"),
        ("ECB", TODAY, "2.00%/year", MalformedReferenceName, "name"),
        ("e" * 41, TODAY, "2.00%/year", MalformedReferenceName, "name"),
        ("ecb\n", TODAY, "2.00%/year", MalformedReferenceName, "name"),
    ],
)
def test_what_is_refused(
    name: str, from_on: date, rate: str, error: type[Exception], field: str
) -> None:
    with pytest.raises(error) as refused:
        is_new(TABLE, name, fact(from_on, rate), TODAY)
    assert getattr(refused.value, "field", None) == field


def test_a_year_ahead_can_be_known() -> None:
    assert is_new(TABLE, "ecb", fact(TODAY + timedelta(days=366), "2.00%/year"), TODAY)


def test_there_is_an_end_to_them() -> None:
    facts = tuple(
        ReferenceRate(date(2000, 1, 1) + timedelta(days=number), YearlyRate(number, 1))
        for number in range(MAX_FACTS)
    )
    one_more = fact(TODAY, "2.00%/year")
    with pytest.raises(TooManyReferenceRates):
        is_new({"daily": facts}, "ecb", one_more, TODAY)
    assert is_new({"daily": facts[1:]}, "ecb", one_more, TODAY)
    assert not is_new({"daily": facts}, "daily", facts[7], TODAY)
