"""A fee policy: what a late debt costs. Versioned per tenant; an invoice keeps the one it was sent under."""

from fractions import Fraction
from typing import Literal

import msgspec

from ledger.errors import Rejected
from ledger.money import Money, positive_minor
from ledger.rates import Per, Rate, RateTooHigh
from ledger.rounding import Rounding
from ledger.waterfall import COMPONENTS, Order, waterfall_order

Base = Literal["outstanding", "original"]
DayCount = Literal["30", "360", "365", "actual"]
Accrual = Literal["daily", "month_end"]
InterestFrom = Literal["due_date", "shifted"]

NOTHING = Rate(0, 1, "once")


class GraceTooLong(Rejected):
    """Grace of more than 365 days is refused; set a later due date instead."""


class WrongPeriod(Rejected):
    """A late fee is charged once, so its rate has no period; interest has a rate per day, month or year."""


class ZeroLateFeeCap(Rejected):
    """A cap of zero would forbid every late fee: leave the cap out, or charge no late fee."""


class MarginNotYearly(Rejected):
    """A margin on a reference rate has a rate per year, as the reference rate has."""


class FeePolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Late fee and interest on late payment (mora).

    late_fee          once, a part of the base (Brazil: 2% is the consumer cap, CDC art. 52)
    late_fee_minimum  at least this much, once, for debts in its currency (EU: EUR 40, 2011/7/EU art. 6)
    late_fee_cap      the late fee is at most this part of the invoice's total, rounded down, whatever the base and the
                      minimum (Brazil, consumers: 2% of the instalment, CDC art. 52 §1)
    mora              simple interest, a rate per day, per month or per year
    mora_reference    the name of a reference rate: interest is that rate, in force on each day, plus `mora`, the
                      margin, per year; the sum is never below zero (2011/7/EU: the ECB's plus 8 points; BGB 288:
                      the Basiszinssatz plus 5 or 9)
    mora_base         `outstanding`: the principal open on each day; `original`: the value first asked for
    grace_days        days after the payable-until date before anything is charged
    interest_from     interest counts from the `due_date` as written, or from the date `shifted` by the calendar
    day_count         days per month (`30`, so 360 a year), or per year (`360`, `365`, `actual`), of a rate per month or
                      year; a rate per day counts calendar days
    accrual           interest is posted `daily`, or at each `month_end` (a payment brings it up to its own day)
    rounding          how every amount of fee and interest is rounded to minor units
    small_balance_tolerance  what a payment leaves open of a debt in its currency is waived when it is at most this,
                      and no late fee is charged while no more is open
    waterfall         the order in which a payment covers the components
    """

    version: int = 1
    late_fee: Rate = NOTHING
    late_fee_minimum: Money | None = None
    late_fee_cap: Rate | None = None
    mora: Rate = NOTHING
    mora_reference: str = ""
    mora_base: Base = "outstanding"
    grace_days: int = 0
    interest_from: InterestFrom = "due_date"
    day_count: DayCount = "30"
    accrual: Accrual = "daily"
    rounding: Rounding = "half_even"
    small_balance_tolerance: Money | None = None
    waterfall: Order = COMPONENTS

    @property
    def bears_interest(self) -> bool:
        """Whether there is any: at a rate of its own, or at a reference rate without a margin."""
        return self.mora.numerator > 0 or self.mora_reference != ""


MAX_MORA: dict[Per, Fraction] = {
    "once": Fraction(1),
    "day": Fraction(1, 30),
    "month": Fraction(1),
    "year": Fraction(12),
}
"""The highest interest, 100% a month: with it, a century of interest on the largest amount fits 64 bits."""

MAX_MARGIN = Fraction(2)
"""Per year. With the highest reference rate, 1000% a year, it makes 100% a month."""


def check(policy: FeePolicy) -> FeePolicy:
    """The policy itself, or the refusal of what it may not say."""
    if not 0 <= policy.grace_days <= 365:
        raise GraceTooLong("grace_days must be between 0 and 365", field="grace_days")
    if policy.late_fee.per != "once":
        raise WrongPeriod(
            "the late fee is charged once: write a percentage such as 2%", field="late_fee"
        )
    if policy.late_fee_cap is not None:
        _check_cap(policy.late_fee_cap)
    if policy.mora_reference:
        _check_margin(policy.mora)
    if policy.small_balance_tolerance is not None:
        positive_minor(policy.small_balance_tolerance, "small_balance_tolerance")
    if policy.mora.fraction > MAX_MORA[policy.mora.per]:
        raise RateTooHigh("interest of more than 100% a month is refused; check it", field="mora")
    if policy.mora.per == "once" and policy.mora.numerator:
        raise WrongPeriod(
            "interest needs its period: write 1%/month, 8.5%/year or 0.033%/day", field="mora"
        )
    waterfall_order(policy.waterfall)
    return policy


def _check_cap(cap: Rate) -> None:
    if cap.per != "once":
        raise WrongPeriod(
            "the late fee is charged once, and its cap is a percentage such as 2%",
            field="late_fee_cap",
        )
    if not cap.numerator:
        raise ZeroLateFeeCap(
            "a cap of zero forbids every late fee: leave late_fee_cap out, or set late_fee to 0",
            field="late_fee_cap",
        )


def _check_margin(margin: Rate) -> None:
    if margin.numerator and margin.per != "year":
        raise MarginNotYearly(
            "with a reference rate, mora is a margin per year: write 8%/year", field="mora"
        )
    if margin.fraction > MAX_MARGIN:
        raise RateTooHigh("a margin of more than 200% a year is refused; check it", field="mora")
