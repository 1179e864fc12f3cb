"""The formula of mora: what a rate is worth on one day, and how days are counted.

Interest over days is the base times the weighted days times the rate's worth of one, rounded once. Interest on a day
counts the principal open when the day began. Sources: `docs/explanation/money.md`.
"""

from calendar import isleap
from datetime import date, timedelta
from fractions import Fraction
from itertools import zip_longest

from ledger.policy import FeePolicy
from ledger.reference_rates import ReferenceRate, with_margin

DAY = timedelta(days=1)

# What a rate per (day, month, year) is worth on one day: a numerator and a denominator beside the rate's own.
_PER_DAY = {
    ("month", "30"): (1, 30),
    ("month", "360"): (12, 360),
    ("month", "365"): (12, 365),
    ("month", "actual"): (12, 365 * 366),
    ("year", "30"): (1, 360),
    ("year", "360"): (1, 360),
    ("year", "365"): (1, 365),
    ("year", "actual"): (1, 365 * 366),
    ("day", "30"): (1, 1),
    ("day", "360"): (1, 1),
    ("day", "365"): (1, 1),
    ("day", "actual"): (1, 365 * 366),
}


def per_day(policy: FeePolicy) -> tuple[int, int]:
    """What the policy's rate is worth on one day: (numerator, denominator). Of a reference rate, 1 in place of it."""
    rate = policy.mora
    if policy.mora_reference:
        return _PER_DAY["year", policy.day_count]
    numerator, denominator = _PER_DAY[rate.per, policy.day_count]
    return numerator * rate.numerator, denominator * rate.denominator


def weighted_days(policy: FeePolicy, after: date, last: date) -> int:
    """The days after `after` up to `last`, weighted by the length of their years where the policy counts those."""
    if policy.day_count == "actual":
        if policy.mora.per == "day":
            return (last - after).days * 365 * 366
        return _by_length_of_year(after, last)
    return (last - after).days


def weighted_by_rate(
    policy: FeePolicy, rates: tuple[ReferenceRate, ...], after: date, last: date
) -> Fraction:
    """The days after `after` up to `last`, each times its rate a year: the reference rate of the day and the margin,
    not below zero. Days of which no reference rate is known count nothing."""
    weighted = Fraction(0)
    for fact, following in zip_longest(rates, rates[1:]):
        first = max(after + DAY, fact.from_on)
        end = last if following is None else min(last, following.from_on - DAY)
        if first <= end:
            yearly = with_margin(fact.rate, policy.mora).fraction
            weighted += yearly * weighted_days(policy, first - DAY, end)
    return weighted


def _by_length_of_year(after: date, last: date) -> int:
    """Days after `after` up to `last`, each weighted by the length of the other kind of year: 366 in a common
    year, 365 in a leap year, so that over 365 * 366 each counts as its year's part."""
    weighted = 0
    while after < last:
        end = min(last, date(after.year, 12, 31))
        if end == after:
            end = min(last, date(after.year + 1, 12, 31))
        weighted += (end - after).days * (365 if isleap(end.year) else 366)
        after = end
    return weighted


def is_posting_day(policy: FeePolicy, day: date) -> bool:
    """Whether interest is posted on this day: every day, or the last of each month."""
    return policy.accrual == "daily" or (day + DAY).day == 1


def last_posting_day(policy: FeePolicy, day: date) -> date:
    """The last day up to `day` on which interest is posted."""
    return day if is_posting_day(policy, day) else day.replace(day=1) - DAY
