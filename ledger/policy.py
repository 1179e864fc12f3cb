"""A fee policy: what a late debt costs. Versioned per tenant; an invoice keeps the one it was sent under."""

from fractions import Fraction
from typing import Literal

import msgspec

from ledger.allocation import COMPONENTS, Order, waterfall_order
from ledger.errors import Rejected
from ledger.money import Money
from ledger.rates import Per, Rate, RateTooHigh
from ledger.rounding import Rounding

Base = Literal["outstanding", "original"]
DayCount = Literal["30", "360", "365", "actual"]
Accrual = Literal["daily", "month_end"]
InterestFrom = Literal["due_date", "shifted"]

NOTHING = Rate(0, 1, "once")


class GraceTooLong(Rejected):
    """Grace of more than 365 days is refused; set a later due date instead."""


class WrongPeriod(Rejected):
    """A late fee is charged once, so its rate has no period; interest has a rate per day, month or year."""


class FeePolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Late fee and interest on late payment (mora).

    late_fee          once, a part of the base (Brazil: 2% is the consumer cap, CDC art. 52)
    late_fee_minimum  at least this much, once, for debts in its currency (EU: EUR 40, 2011/7/EU art. 6)
    mora              simple interest, a rate per day, per month or per year
    mora_base         `outstanding`: the principal open on each day; `original`: the value first asked for
    grace_days        days after the payable-until date before anything is charged
    interest_from     interest counts from the `due_date` as written, or from the date `shifted` by the calendar
    day_count         days per month (`30`, so 360 a year), or per year (`360`, `365`, `actual`), of a rate per month or
                      year; a rate per day counts calendar days
    accrual           interest is posted `daily`, or at each `month_end` (a payment brings it up to its own day)
    rounding          how every amount of fee and interest is rounded to minor units
    waterfall         the order in which a payment covers the components
    """

    version: int = 1
    late_fee: Rate = NOTHING
    late_fee_minimum: Money | None = None
    mora: Rate = NOTHING
    mora_base: Base = "outstanding"
    grace_days: int = 0
    interest_from: InterestFrom = "due_date"
    day_count: DayCount = "30"
    accrual: Accrual = "daily"
    rounding: Rounding = "half_even"
    waterfall: Order = COMPONENTS


MORA_MOST: dict[Per, Fraction] = {
    "once": Fraction(1),
    "day": Fraction(1, 30),
    "month": Fraction(1),
    "year": Fraction(12),
}
"""The highest interest, 100% a month: with it, a century of interest on the largest amount fits 64 bits."""


def check(policy: FeePolicy) -> FeePolicy:
    """The policy itself, or the refusal of what it may not say."""
    if not 0 <= policy.grace_days <= 365:
        raise GraceTooLong("grace_days must be between 0 and 365", field="grace_days")
    if policy.late_fee.per != "once":
        raise WrongPeriod(
            "the late fee is charged once: write a percentage such as 2%", field="late_fee"
        )
    if policy.mora.fraction > MORA_MOST[policy.mora.per]:
        raise RateTooHigh("interest of more than 100% a month is refused; check it", field="mora")
    if policy.mora.per == "once" and policy.mora.numerator:
        raise WrongPeriod(
            "interest needs its period: write 1%/month, 8.5%/year or 0.033%/day", field="mora"
        )
    waterfall_order(policy.waterfall)
    return policy
