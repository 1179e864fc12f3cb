from datetime import date

import pytest

from commands.fee_policies import AddFeePolicy, FeePolicyView, UnknownReferenceRate, add_fee_policy
from commands.reference_rates import SetReferenceRate, set_reference_rate
from ledger.money import Money, ZeroAmount
from ledger.policy import GraceTooLong, WrongPeriod, ZeroLateFeeCap
from ledger.rates import MalformedRate, RateTooHigh
from ledger.waterfall import MalformedWaterfall
from tests.commands.books import Books


@pytest.fixture
def books() -> Books:
    return Books()


class TestFeePolicy:
    def test_gets_the_next_version_and_is_answered_as_it_was_asked(self, books: Books) -> None:
        command = AddFeePolicy(
            late_fee="2.5%",
            late_fee_minimum=Money("40.00", "EUR"),
            late_fee_cap="2%",
            mora="8.5%/year",
            mora_reference="ecb",
            mora_base="original",
            grace_days=3,
            interest_from="shifted",
            day_count="actual",
            accrual="month_end",
            rounding="half_up",
            small_balance_tolerance=Money("0.05", "EUR"),
            waterfall=("principal", "mora", "late_fee", "other_fees"),
        )
        with pytest.raises(UnknownReferenceRate) as refused:
            books.run(add_fee_policy, command)
        assert refused.value.field == "mora_reference"
        fact = SetReferenceRate("ecb", date(2024, 1, 1), "4.50%/year")
        books.run(set_reference_rate, fact)
        view: FeePolicyView = books.run(add_fee_policy, command)
        assert view.version == 2
        asked = {name: getattr(command, name) for name in AddFeePolicy.__struct_fields__}
        assert {name: getattr(view, name) for name in asked} == asked

    def test_reads_zero_as_none(self, books: Books) -> None:
        view: FeePolicyView = books.run(add_fee_policy, AddFeePolicy(late_fee="0", mora="0"))
        assert (view.late_fee, view.mora) == ("0%", "0%")
        free: FeePolicyView = books.run(add_fee_policy, AddFeePolicy())
        assert (free.version, free.late_fee, free.mora) == (3, "0%", "0%/month")

    @pytest.mark.parametrize(
        ("command", "error", "field"),
        [
            (AddFeePolicy(late_fee="2"), MalformedRate, "late_fee"),
            (AddFeePolicy(late_fee="2%/month"), WrongPeriod, "late_fee"),
            (AddFeePolicy(late_fee="1001%"), RateTooHigh, "late_fee"),
            (AddFeePolicy(mora="-1%"), MalformedRate, "mora"),
            (AddFeePolicy(mora="1%"), WrongPeriod, "mora"),
            (AddFeePolicy(mora="8.5%"), WrongPeriod, "mora"),
            (AddFeePolicy(mora="1%/week"), MalformedRate, "mora"),
            (AddFeePolicy(mora="3.34%/day"), RateTooHigh, "mora"),
            (AddFeePolicy(grace_days=-1), GraceTooLong, "grace_days"),
            (AddFeePolicy(grace_days=366), GraceTooLong, "grace_days"),
            (
                AddFeePolicy(late_fee_minimum=Money("0.00", "EUR")),
                ZeroAmount,
                "late_fee_minimum",
            ),
            (AddFeePolicy(late_fee_cap="2"), MalformedRate, "late_fee_cap"),
            (AddFeePolicy(late_fee_cap="0"), ZeroLateFeeCap, "late_fee_cap"),
            (
                AddFeePolicy(small_balance_tolerance=Money("0.00", "EUR")),
                ZeroAmount,
                "small_balance_tolerance",
            ),
            (AddFeePolicy(waterfall=("principal",)), MalformedWaterfall, "waterfall"),
            (
                AddFeePolicy(waterfall=("principal", "mora", "late_fee", "love")),
                MalformedWaterfall,
                "waterfall",
            ),
        ],
    )
    def test_is_refused_by_name(
        self, books: Books, command: AddFeePolicy, error: type[Exception], field: str
    ) -> None:
        with pytest.raises(error) as refused:
            books.run(add_fee_policy, command)
        assert getattr(refused.value, "field", None) == field
