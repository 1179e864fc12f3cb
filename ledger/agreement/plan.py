"""Planning an agreement's instalments: what each repays and bears, when it is due, and its base of late fee and mora.

The bases add up to the value first asked for: it is shared over the instalments, the down payment among them, in
proportion to their principals, by largest remainder. Amounts are minor units of the agreement's currency.
"""

from datetime import date
from typing import NamedTuple

from ledger import instalment_schedules
from ledger.agreement.events import Plan
from ledger.errors import Rejected
from ledger.invoice.issuing import require_plausible_due_date
from ledger.money import bounded
from ledger.rates import Rate, RateTooHigh
from ledger.rounding import Rounding, share


class EqualBearsNoInterest(Rejected):
    """An equal split has no contractual interest; Price and SAC have."""


class NothingLeft(Rejected):
    """The discount and the down payment take all there is; nothing is left for instalments."""


class DownPaymentLate(Rejected):
    """A down payment is due no later than the first instalment."""


class DueInPast(Rejected):
    """An instalment, or the down payment, would be due before the agreement is in force."""


class Planned(NamedTuple):
    """An instalment to be. Number 0 is the down payment."""

    number: int
    due_on: date
    principal_minor: int
    interest_minor: int
    mora_base_minor: int


def planned(
    plan: Plan,
    owed_minor: int,
    original_minor: int,
    currency: str,
    today: date,
    rounding: Rounding = "half_even",
) -> tuple[Planned, ...]:
    """The instalments of what is owed, less the discount. A down payment without a date is due today.

    `today` is the day on which it comes into force, from which the days of a first period pro rata count. Contractual
    interest is rounded as `rounding` says. Raises NothingLeft, DownPaymentLate, EqualBearsNoInterest,
    RateTooHigh, DueTooEarly, DueTooLate, AmountTooLarge, and what `ledger.instalment_schedules` refuses.
    """
    principal_minor = owed_minor - plan.discount_minor
    if principal_minor <= 0:
        raise NothingLeft(
            "the discount takes all that is owed; give a smaller one", field="discount"
        )
    lent_minor = principal_minor - plan.down_payment_minor
    if lent_minor <= 0:
        raise NothingLeft(
            "the down payment takes all that is owed; nothing is left for instalments",
            field="down_payment",
        )
    dates = instalment_schedules.instalment_dates(plan.first_due_on, plan.count)
    require_plausible_due_date(dates[0], "first_due_on")
    require_plausible_due_date(dates[-1], "count")
    numbered = list(
        zip(
            range(1, plan.count + 1),
            dates,
            _parts(plan, lent_minor, rounding, _first_days(plan, today)),
            strict=True,
        )
    )
    if plan.down_payment_minor:
        down_on = plan.down_payment_due_on or min(today, plan.first_due_on)
        require_plausible_due_date(down_on, "down_payment_due_on")
        if down_on > plan.first_due_on:
            raise DownPaymentLate(
                f"the down payment is due on {down_on}, after the first instalment; choose an earlier day",
                field="down_payment_due_on",
            )
        numbered.insert(0, (0, down_on, instalment_schedules.Part(plan.down_payment_minor, 0)))
    bounded(sum(part.payment_minor for _, _, part in numbered), currency, "principal")
    bases = share(original_minor, [part.principal_minor for _, _, part in numbered])
    return tuple(
        Planned(number, due_on, part.principal_minor, part.interest_minor, base_minor)
        for (number, due_on, part), base_minor in zip(numbered, bases, strict=True)
    )


def require_ahead(plan: Plan, today: date) -> None:
    """Nothing may be due before the day on which the agreement comes into force. Raises DueInPast."""
    if plan.first_due_on < today:
        raise DueInPast(
            f"the first instalment would be due on {plan.first_due_on}, and today is {today}; "
            "a later date is needed",
            field="first_due_on",
        )
    if plan.down_payment_minor and (plan.down_payment_due_on or today) < today:
        raise DueInPast(
            f"the down payment would be due on {plan.down_payment_due_on}, and today is {today}; "
            "a later date is needed",
            field="down_payment_due_on",
        )


def _first_days(plan: Plan, today: date) -> int | None:
    """The calendar days from the activation to the first due date, where its interest is pro rata."""
    if plan.first_period == "whole_month":
        return None
    return max(0, (plan.first_due_on - today).days)


def _parts(
    plan: Plan, lent_minor: int, rounding: Rounding, first_days: int | None
) -> tuple[instalment_schedules.Part, ...]:
    _check_rate(plan.rate)
    match plan.schedule:
        case "price":
            return instalment_schedules.price(
                lent_minor, plan.rate, plan.count, rounding, first_days
            )
        case "sac":
            return instalment_schedules.sac(lent_minor, plan.rate, plan.count, rounding, first_days)
    if plan.rate.numerator:
        raise EqualBearsNoInterest(
            "an equal split bears no interest: leave the rate out, or choose price or sac",
            field="rate",
        )
    return instalment_schedules.equal(lent_minor, plan.count)


def _check_rate(rate: Rate) -> None:
    if rate.numerator > rate.denominator:
        raise RateTooHigh("interest of more than 100% a month is refused; check it", field="rate")
