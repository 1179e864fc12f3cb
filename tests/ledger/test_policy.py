import pytest

from ledger.allocation import MalformedWaterfall
from ledger.policy import FeePolicy, GraceTooLong, WrongPeriod, check
from ledger.rates import Rate, RateTooHigh


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


def test_a_waterfall_names_every_component_once() -> None:
    with pytest.raises(MalformedWaterfall):
        check(FeePolicy(waterfall=("principal", "principal", "mora", "late_fee")))
