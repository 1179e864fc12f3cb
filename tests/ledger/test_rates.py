from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Rejected
from ledger.rates import (
    MalformedRate,
    Per,
    Rate,
    RateTooHigh,
    RateTooLow,
    YearlyRate,
    format_rate,
    format_yearly_rate,
    parse_rate,
    parse_yearly_rate,
)

pers = st.sampled_from(["once", "day", "month", "year"])


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("2%", Rate(1, 50)),
        ("1%/month", Rate(1, 100, "month")),
        ("8.5%/year", Rate(17, 200, "year")),
        ("0.033%/month", Rate(33, 100_000, "month")),
        ("0.033%/day", Rate(33, 100_000, "day")),
        ("0%", Rate(0, 1)),
        ("0%/month", Rate(0, 1, "month")),
        ("100%", Rate(1, 1)),
        ("1000%", Rate(10, 1)),
    ],
)
def test_a_rate_is_an_exact_fraction(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate
    assert format_rate(rate) == text


def test_a_rate_without_a_period_counts_once() -> None:
    assert parse_rate("0") == Rate(0, 1, "once")
    assert parse_rate("1%") == Rate(1, 100, "once")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "0.02",
        "-1%",
        "+1%",
        "1 %",
        "1,5%",
        ".5%",
        "5.%",
        "1%/days",
        "1%/week",
        "1%/",
        "1%%",
        "NaN%",
        "1e2%",
        "1%/month\n",
        "1%/Month",
        "\u0662%",
        "0.0000000000001%",
        "9" * 5000 + "%",
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(
        MalformedRate, match=r"write 2%, 1%/month, 8\.5%/year, 0\.033%/day or 0"
    ) as caught:
        parse_rate(text, field="late_fee")
    assert caught.value.field == "late_fee"


@pytest.mark.parametrize("text", ["1000.01%", "1001%/year", "999999999%"])
def test_a_rate_above_a_thousand_percent_is_refused(text: str) -> None:
    with pytest.raises(RateTooHigh):
        parse_rate(text)


def test_a_rate_stands_in_lowest_terms() -> None:
    assert Rate.of(2, 100) == Rate(1, 50)
    assert Rate.of(0, 7) == Rate(0, 1)
    for numerator, denominator in [(2, 100), (-1, 50), (1, 0), (0, 2)]:
        with pytest.raises(ValueError, match="a rate"):
            Rate(numerator, denominator)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"numerator":2,"denominator":4,"per":"once"}', type=Rate)


def test_a_rate_that_is_no_decimal_is_shown_as_a_fraction() -> None:
    assert format_rate(Rate(1, 300, "month")) == "1/3%/month"


@given(st.decimals(0, 1000, places=12), pers)
def test_decimal_percents_go_round_exactly(percent: Decimal, per: Per) -> None:
    fraction = Fraction(percent) / 100
    rate = Rate.of(fraction.numerator, fraction.denominator, per)
    assert parse_rate(format_rate(rate)) == rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("4.5%/year", YearlyRate(9, 200)),
        ("-0.88%/year", YearlyRate(-11, 1250)),
        ("-0.5%/year", YearlyRate(-1, 200)),
        ("0%/year", YearlyRate(0, 1)),
        ("-100%/year", YearlyRate(-1, 1)),
        ("1000%/year", YearlyRate(10, 1)),
    ],
)
def test_a_yearly_rate_may_be_below_zero(text: str, rate: YearlyRate) -> None:
    assert parse_yearly_rate(text) == rate
    assert format_yearly_rate(rate) == text


def test_a_yearly_rate_of_zero_is_written_in_several_ways() -> None:
    for text in ("0", "0%/year", "0.00%/year", "-0.00%/year"):
        assert parse_yearly_rate(text) == YearlyRate(0, 1)


@pytest.mark.parametrize(
    "text", ["", "4.5", "4.5%", "4.5%/month", "+1%/year", "--1%/year", "- 1%/year", "1,5%/year"]
)
def test_another_form_of_a_yearly_rate_is_refused(text: str) -> None:
    with pytest.raises(MalformedRate, match=r"write 4\.50%/year, -0\.88%/year or 0") as refused:
        parse_yearly_rate(text, field="rate")
    assert refused.value.field == "rate"


def test_a_yearly_rate_has_limits() -> None:
    with pytest.raises(RateTooHigh):
        parse_yearly_rate("1000.01%/year")
    with pytest.raises(RateTooLow):
        parse_yearly_rate("-100.01%/year")
    for numerator, denominator in [(2, 100), (-2, 100), (1, 0), (1, -1), (0, 2)]:
        with pytest.raises(ValueError, match="lowest terms"):
            YearlyRate(numerator, denominator)


@given(st.decimals(-100, 1000, places=12))
def test_yearly_rates_go_round_exactly(percent: Decimal) -> None:
    rate = YearlyRate.of(Fraction(percent) / 100)
    assert parse_yearly_rate(format_yearly_rate(rate)) == rate


@given(st.text(alphabet="0123456789.%/-daymonthyear", max_size=20))
def test_what_is_read_is_written_and_read_again(text: str) -> None:
    try:
        rate = parse_rate(text)
    except Rejected:
        return
    assert parse_rate(format_rate(rate)) == rate
