import pytest

from ledger.errors import Rejected
from ledger.money import Money
from ledger.policy import (
    MAX_MARGIN,
    MAX_MORA,
    FeePolicy,
    GraceTooLong,
    MarginNotYearly,
    WrongPeriod,
    ZeroLateFeeCap,
    check,
)
from ledger.rates import Rate, RateTooHigh, parse_yearly_rate
from ledger.waterfall import MalformedWaterfall


@pytest.mark.parametrize(
    "policy",
    [
        FeePolicy(),
        FeePolicy(late_fee=Rate(1, 50), mora=Rate(1, 100, "month"), grace_days=365),
        FeePolicy(mora=Rate(33, 100_000, "day")),
        FeePolicy(mora=Rate(0, 1)),
        FeePolicy(
            mora=Rate(17, 200, "year"), waterfall=("principal", "mora", "late_fee", "other_fees")
        ),
    ],
)
def test_a_sound_policy_is_itself(policy: FeePolicy) -> None:
    assert check(policy) is policy


@pytest.mark.parametrize("grace_days", [-1, 366])
def test_grace_is_at_most_a_year(grace_days: int) -> None:
    with pytest.raises(GraceTooLong):
        check(FeePolicy(grace_days=grace_days))


def test_a_late_fee_has_no_period() -> None:
    with pytest.raises(WrongPeriod) as refused:
        check(FeePolicy(late_fee=Rate(1, 50, "month")))
    assert refused.value.field == "late_fee"


def test_interest_has_a_period() -> None:
    with pytest.raises(WrongPeriod, match="needs its period: write 1%/month") as refused:
        check(FeePolicy(mora=Rate(1, 100)))
    assert refused.value.field == "mora"


@pytest.mark.parametrize("most", [Rate(1, 30, "day"), Rate(1, 1, "month"), Rate(12, 1, "year")])
def test_interest_is_at_most_the_whole_principal_a_month(most: Rate) -> None:
    check(FeePolicy(mora=most))
    more = Rate.of(most.numerator * 1000 + 1, most.denominator * 1000, most.per)
    with pytest.raises(RateTooHigh) as refused:
        check(FeePolicy(mora=more))
    assert refused.value.field == "mora"


def test_the_cap_of_the_late_fee_is_a_part_above_zero() -> None:
    check(FeePolicy(late_fee_cap=Rate(1, 50)))
    for cap, error in ((Rate(1, 50, "month"), WrongPeriod), (Rate(0, 1), ZeroLateFeeCap)):
        with pytest.raises(error) as refused:
            check(FeePolicy(late_fee_cap=cap))
        assert refused.value.field == "late_fee_cap"


def test_a_margin_is_per_year_and_at_most_twice_the_principal() -> None:
    for margin in (Rate(2, 25, "year"), Rate(2, 1, "year"), Rate(0, 1)):
        check(FeePolicy(mora=margin, mora_reference="ecb"))
    for margin, error in (
        (Rate(1, 100, "month"), MarginNotYearly),
        (Rate(1, 3000, "day"), MarginNotYearly),
        (Rate(1, 50), MarginNotYearly),
        (Rate(201, 100, "year"), RateTooHigh),
    ):
        with pytest.raises(error) as refused:
            check(FeePolicy(mora=margin, mora_reference="ecb"))
        assert refused.value.field == "mora"


def test_the_highest_reference_rate_and_margin_are_as_much_as_interest_may_be() -> None:
    highest = parse_yearly_rate("1000%/year").fraction + MAX_MARGIN
    assert highest == MAX_MORA["year"]


def test_the_small_balance_that_is_waived_is_above_zero() -> None:
    check(FeePolicy(small_balance_tolerance=Money("0.01", "EUR")))
    for amount in ("0.00", "-0.01"):
        with pytest.raises(Rejected) as refused:
            check(FeePolicy(small_balance_tolerance=Money(amount, "EUR")))
        assert refused.value.field == "small_balance_tolerance"


def test_a_policy_bears_interest_at_a_rate_or_a_reference_rate() -> None:
    assert not FeePolicy().bears_interest
    assert FeePolicy(mora=Rate(1, 100, "month")).bears_interest
    assert FeePolicy(mora_reference="ecb").bears_interest


def test_a_waterfall_names_every_component_once() -> None:
    with pytest.raises(MalformedWaterfall):
        check(FeePolicy(waterfall=("principal", "principal", "mora", "late_fee")))
