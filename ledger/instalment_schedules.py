"""Instalments of a loan or a payment plan: Price, SAC and equal split.

Each schedule is a tuple of parts whose principals sum exactly to the amount lent. Price pays a
level amount and SAC repays a level principal (both as Brazilian banks use them), and there the
last instalment absorbs the rounding. Equal split bears no interest and divides as every amount
is divided, the remainder to the first: 100.00 in 3 is 33.34, 33.33, 33.33.
"""

import calendar
from datetime import date
from typing import Final, NamedTuple

from ledger.errors import Rejected
from ledger.rates import Rate, format_rate
from ledger.rounding import Rounding, divide, split

MAXIMUM_COUNT: Final = 600
"""Fifty years of months."""
DAYS_A_MONTH: Final = 30
"""A rate per month is for thirty days."""


class InstalmentCountOutOfRange(Rejected):
    """A schedule has from 1 to 600 instalments, all before the year 10000."""


class InstalmentTooSmall(Rejected):
    """There are so many instalments that one of them would be zero."""


class TermTooLong(Rejected):
    """Rounding would make the last instalment more than twice, or less than half, of the others."""


class RateNotMonthly(Rejected):
    """A schedule of months needs a rate per month."""


class Part(NamedTuple):
    """One instalment, in minor units."""

    principal_minor: int
    interest_minor: int

    @property
    def payment_minor(self) -> int:
        """What falls due."""
        return self.principal_minor + self.interest_minor


def instalment_dates(first_due_on: date, count: int) -> tuple[date, ...]:
    """Monthly due dates that keep the first one's day: 31 January, 28 February, 31 March."""
    _check_count(count)
    months = first_due_on.year * 12 + first_due_on.month - 1
    if (months + count - 1) // 12 > date.max.year:
        raise InstalmentCountOutOfRange(
            "The schedule runs past the year 9999: choose an earlier first date.",
            field="first_due_on",
        )
    return tuple(
        _anchored(month // 12, month % 12 + 1, first_due_on.day)
        for month in range(months, months + count)
    )


def equal(principal_minor: int, count: int) -> tuple[Part, ...]:
    """The principal in equal parts without interest, the remainder to the first."""
    _check_count(count)
    return _checked([Part(part, 0) for part in split(principal_minor, count)])


def price(
    principal_minor: int,
    rate: Rate,
    count: int,
    rounding: Rounding = "half_even",
    first_days: int | None = None,
) -> tuple[Part, ...]:
    """Level payments: P·i / (1 - (1+i)^-n), the last absorbing the rounding.

    1,000.00 at 2% a month in 6 is five of 178.53 and one of 178.51. Each month's interest is on
    the principal still open. Half a cent in the level payment grows with interest as the
    principal does: 500.00 at 1% in 600 would end with 144.44 after payments of 5.01, and is
    refused.

    `first_days` is the length of the first period, 30 days to a month; None is a whole month. The
    level payment stays, each repays what it repays with a whole month, and only the first one's
    interest differs. Raises RateNotMonthly, InstalmentCountOutOfRange, InstalmentTooSmall,
    TermTooLong.
    """
    _check_count(count)
    _check_monthly(rate)
    level_minor = _level_payment(principal_minor, rate, count, rounding)
    parts: list[Part] = []
    open_minor = principal_minor
    for number in range(1, count + 1):
        interest_minor = divide(open_minor * rate.numerator, rate.denominator, rounding)
        repaid_minor = min(level_minor - interest_minor, open_minor)
        if number == count:
            repaid_minor = open_minor
        parts.append(Part(repaid_minor, interest_minor))
        open_minor -= repaid_minor
    if not _is_level(parts[-1].payment_minor, level_minor, count):
        longest = longest_price_term(principal_minor, rate, count - 1, rounding)
        raise _too_long(count, longest, "payment", level_minor, parts[-1].payment_minor)
    return _checked(_first_period(parts, principal_minor, rate, rounding, first_days))


def sac(
    principal_minor: int,
    rate: Rate,
    count: int,
    rounding: Rounding = "half_even",
    first_days: int | None = None,
) -> tuple[Part, ...]:
    """Constant amortisation: level principal and falling interest, the last absorbing the rest.

    1,000.00 at 2% a month in 6 repays five of 166.67 and one of 166.65; the first payment is
    186.67. Only the principals are level, so that they are what a long term may spoil: 13.00 in
    600 would repay 0.02 a month and 1.02 in the end, and is refused. `first_days` is the length of
    the first period, 30 days to a month; None is a whole month. Raises RateNotMonthly,
    InstalmentCountOutOfRange, InstalmentTooSmall, TermTooLong.
    """
    _check_count(count)
    _check_monthly(rate)
    level_minor = divide(principal_minor, count, rounding)
    parts: list[Part] = []
    open_minor = principal_minor
    for number in range(1, count + 1):
        interest_minor = divide(open_minor * rate.numerator, rate.denominator, rounding)
        repaid_minor = open_minor if number == count else min(level_minor, open_minor)
        parts.append(Part(repaid_minor, interest_minor))
        open_minor -= repaid_minor
    if not _is_level(parts[-1].principal_minor, level_minor, count):
        longest = longest_sac_term(principal_minor, count - 1, rounding)
        raise _too_long(count, longest, "principal", level_minor, parts[-1].principal_minor)
    return _checked(_first_period(parts, principal_minor, rate, rounding, first_days))


def longest_price_term(
    principal_minor: int, rate: Rate, most: int, rounding: Rounding = "half_even"
) -> int:
    """The longest term of at most `most` months (1 or more) whose Price plan is not refused.

    Long terms share few level payments, and what is open after each payment follows from the
    level payment alone: so each distinct one is followed once, not each term.
    """
    level_minor, opens = 0, [principal_minor]
    for count in range(most, 1, -1):
        level = _level_payment(principal_minor, rate, count, rounding)
        if level != level_minor:
            level_minor = level
            opens = _opens(principal_minor, rate, level, count, rounding)
        if count > len(opens):
            continue  # repaid before the term is over
        open_minor = opens[count - 1]
        interest_minor = divide(open_minor * rate.numerator, rate.denominator, rounding)
        if _is_level(open_minor + interest_minor, level_minor, count):
            return count
    return 1


def longest_sac_term(principal_minor: int, most: int, rounding: Rounding = "half_even") -> int:
    """The longest term of at most `most` months (1 or more) whose SAC plan is not refused."""
    for count in range(most, 1, -1):
        level_minor = divide(principal_minor, count, rounding)
        if _is_level(principal_minor - (count - 1) * level_minor, level_minor, count):
            return count
    return 1


def _first_period(
    parts: list[Part],
    principal_minor: int,
    rate: Rate,
    rounding: Rounding,
    first_days: int | None,
) -> list[Part]:
    """The parts with the interest of so many days in the first one."""
    if first_days is None:
        return parts
    interest_minor = divide(
        principal_minor * rate.numerator * first_days, rate.denominator * DAYS_A_MONTH, rounding
    )
    return [Part(parts[0].principal_minor, interest_minor), *parts[1:]]


def _level_payment(principal_minor: int, rate: Rate, count: int, rounding: Rounding) -> int:
    if not rate.numerator:
        return divide(principal_minor, count, rounding)
    grown = (rate.denominator + rate.numerator) ** count
    return divide(
        principal_minor * rate.numerator * grown,
        rate.denominator * (grown - rate.denominator**count),
        rounding,
    )


def _opens(
    principal_minor: int, rate: Rate, level_minor: int, count: int, rounding: Rounding
) -> list[int]:
    """What is open before each of up to `count` level payments, as long as anything is."""
    opens = [principal_minor]
    while len(opens) < count:
        open_minor = opens[-1]
        interest_minor = divide(open_minor * rate.numerator, rate.denominator, rounding)
        open_minor -= level_minor - interest_minor
        if open_minor <= 0:
            break
        opens.append(open_minor)
    return opens


def _is_level(last_minor: int, level_minor: int, count: int) -> bool:
    """Whether the last is at least half and at most twice the others."""
    return count == 1 or 0 < level_minor <= 2 * last_minor <= 4 * level_minor


def _too_long(
    count: int, longest: int, what: str, level_minor: int, last_minor: int
) -> TermTooLong | InstalmentTooSmall:
    if not (level_minor and last_minor):
        return InstalmentTooSmall(
            f"The amount is too small for {count} instalments: choose at most {longest}.",
            field="count",
        )
    side = "more than twice" if last_minor > level_minor else "less than half"
    return TermTooLong(
        f"In {count} instalments, rounding makes the last one's {what} {side} the others': "
        f"choose at most {longest}.",
        field="count",
    )


def _anchored(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _check_count(count: int) -> None:
    if not 1 <= count <= MAXIMUM_COUNT:
        raise InstalmentCountOutOfRange(
            f"{count} is not a number of instalments: give 1 to {MAXIMUM_COUNT}.", field="count"
        )


def _check_monthly(rate: Rate) -> None:
    if rate.numerator and rate.per != "month":
        raise RateNotMonthly(
            f"{format_rate(rate)} is not a monthly rate: write it as 2%/month.", field="rate"
        )


def _checked(parts: list[Part]) -> tuple[Part, ...]:
    if any(part.payment_minor <= 0 for part in parts):
        raise InstalmentTooSmall(
            f"The amount is too small for {len(parts)} instalments: choose fewer.", field="count"
        )
    return tuple(parts)
