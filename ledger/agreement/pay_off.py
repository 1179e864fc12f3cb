"""What settles an agreement on a day, and what interest is then given back. Pure; amounts are minor units.

What is due by the day is paid as it stands, late fee and mora with it. Of instalments that are not due yet, the
principal is paid with the contractual interest that is earned by the day; the rest of their interest is given back
(Brazil: CDC art. 52, 2, a reduction of interest in proportion; computed as the present value of the payments to come
at the contract's rate). With `none`, nothing is given back.

**Present value.** Instalments are a month apart, as the schedule counts them, whatever the calendar says. So what is
open of those to come is discounted by `1 + rate` for each month back to the next due date, and from there to the day
for the part of the period that is still to run, by 30/360: `value / growth ** (days to run / days of the period)`. The
growth of a period is `1 + rate`; that of the first one is what it bears, so that on the day of activation no more and
no less than the principal is paid. On a due date it is the principal of the schedule. Both but for the rounding of the
instalments themselves, which are worth up to half a minor unit more or less each. The sum is rounded once.

**By instalment.** What is given back in all is taken from the contractual interest of the last instalment, then of the
one before, down to that of the period that is running: what is earned is earned there. No instalment gives back more
than its own interest, or than is open of it: principal is never given back.
"""

import calendar
from collections.abc import Sequence
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final, NamedTuple
from uuid import UUID

from ledger.agreement.events import EarlyPayOff, FirstPeriod
from ledger.instalment_schedules import DAYS_A_MONTH
from ledger.rates import Rate
from ledger.rounding import Rounding, divide

_EXACT: Final = Context(prec=80)
"""A money amount has at most 18 digits; what eighty digits leave out is far from any tie."""


class Contract(NamedTuple):
    """What the discount follows from, as it was frozen.

    rate          contractual interest per month
    first_due_on  the due date of instalment number 1 as written; its day of the month is that of all
    rounding      how the present value is rounded
    """

    activated_on: date
    first_due_on: date
    rate: Rate
    first_period: FirstPeriod
    early_pay_off: EarlyPayOff
    rounding: Rounding = "half_even"


class OpenInstalment(NamedTuple):
    """An instalment by its number, 0 the down payment, and what is open of it on the day.

    due_on          its due date as the agreement wrote it: moving an invoice's moves no interest
    interest_minor  its contractual interest
    open_minor      what is open of its principal and contractual interest together
    charges_minor   what is open of late fee, mora and other fees
    """

    invoice_id: UUID
    number: int
    due_on: date
    interest_minor: int
    open_minor: int
    charges_minor: int = 0


class SettledInstalment(NamedTuple):
    """An instalment as it is settled: what is open of it, fees included, and what of that is given back."""

    invoice_id: UUID
    number: int
    open_minor: int
    returned_minor: int

    @property
    def to_pay_minor(self) -> int:
        return self.open_minor - self.returned_minor


def pay_off(
    contract: Contract, instalments: Sequence[OpenInstalment], on: date
) -> tuple[SettledInstalment, ...]:
    """What is to be paid on `on` for each instalment, to settle them all.

    `instalments` are all of the agreement's in order of their numbers, those that are paid or closed with nothing open.
    """
    returned = interest_to_return(contract, instalments, on)
    return tuple(
        SettledInstalment(
            one.invoice_id,
            one.number,
            one.open_minor + one.charges_minor,
            returned.get(one.invoice_id, 0),
        )
        for one in instalments
    )


def interest_to_return(
    contract: Contract, instalments: Sequence[OpenInstalment], on: date
) -> dict[UUID, int]:
    """Contractual interest to give back on a day, above zero, by the instalment's invoice; of what `pay_off` takes."""
    ahead = [one for one in instalments if one.number and one.due_on > on]
    if contract.early_pay_off == "none" or not contract.rate.numerator or not ahead:
        return {}
    left_minor = sum(one.open_minor for one in ahead) - _present_value(contract, ahead, on)
    returned: dict[UUID, int] = {}
    for one in reversed(ahead):
        part_minor = min(one.interest_minor, one.open_minor, left_minor)
        if part_minor > 0:
            returned[one.invoice_id] = part_minor
            left_minor -= part_minor
    return returned


def _present_value(contract: Contract, ahead: Sequence[OpenInstalment], on: date) -> int:
    """What is open of instalments ahead, each discounted from its due date to the day; their sum rounded once."""
    kept, grown = contract.rate.denominator, contract.rate.denominator + contract.rate.numerator
    first = ahead[0].number
    value, months, discounted = 0, 0, 1  # value / grown ** months is due on the first one's date
    for one in ahead:
        while months < one.number - first:
            months, discounted, value = months + 1, discounted * kept, value * grown
        value += one.open_minor * discounted
    growth = _growth(contract, ahead[0], on)
    return divide(value * growth.denominator, grown**months * growth.numerator, contract.rounding)


def _growth(contract: Contract, following: OpenInstalment, on: date) -> Fraction:
    """What the rest of the running period, to the next due date, makes of one unit."""
    anchor = contract.first_due_on.day
    begins = _thirty_360(contract.activated_on, anchor)
    ends = _thirty_360(following.due_on, anchor)
    rate = Fraction(contract.rate.numerator, contract.rate.denominator)
    if following.number > 1:
        begins = ends - DAYS_A_MONTH
    elif contract.first_period == "pro_rata":
        rate *= Fraction((contract.first_due_on - contract.activated_on).days, DAYS_A_MONTH)
    length = ends - begins
    to_run = ends - _thirty_360(on, anchor)
    if (
        to_run >= length
    ):  # on the day of activation, also where the period is shorter than a day of 30/360
        return 1 + rate
    return _power(1 + rate, Fraction(max(0, to_run), length))


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    """`base` (>= 1) to an exponent from 0 to 1, to eighty digits; exact at both ends."""
    if exponent in (0, 1) or base == 1:
        return base if exponent else Fraction(1)
    logarithm = _EXACT.ln(_decimal(base))
    return Fraction(_EXACT.exp(_EXACT.multiply(logarithm, _decimal(exponent))))


def _decimal(value: Fraction) -> Decimal:
    return _EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))


def _thirty_360(day: date, anchor: int) -> int:
    """A day's number where every month has thirty days. The last of a short month counts as the day that due dates
    keep, so that due dates are thirty days apart."""
    of_month = min(day.day, DAYS_A_MONTH)
    if day.day == calendar.monthrange(day.year, day.month)[1]:
        of_month = max(of_month, min(anchor, DAYS_A_MONTH))
    return (day.year * 12 + day.month) * DAYS_A_MONTH + of_month
