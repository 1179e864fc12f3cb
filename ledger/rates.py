"""Rates as exact fractions: a late fee of 2%, mora of 1%/month or 0.033%/day, a tax of 19%."""

import math
import re
from fractions import Fraction
from typing import Literal, Self

import msgspec

from ledger.errors import Rejected, quoted

Per = Literal["once", "day", "month", "year"]

# At most twelve decimals: ten times finer than any published rate, and small as integers.
_FORM = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,12}))?%(?:/(day|month|year))?")
_YEARLY_FORM = re.compile(r"(-?)([0-9]{1,9})(?:\.([0-9]{1,12}))?%/year")
_MAXIMUM_PERCENT = 1000
_PER: dict[str, Per] = {"": "once", "day": "day", "month": "month", "year": "year"}


class MalformedRate(Rejected):
    """The text is not a rate in one of the accepted forms."""


class RateTooHigh(Rejected):
    """The rate is above what can be meant: 1000%, or 100% a month of interest."""


class RateTooLow(Rejected):
    """A reference rate below -100% a year cannot be meant."""


class Rate(msgspec.Struct, frozen=True):
    """`numerator / denominator` once, or per day, month or year. 2% is 1/50.

    A rate per day is per calendar day, whatever the day count: 0.033%/day is 0.99% in 30 days and 12.045% in 365.
    In lowest terms, not negative; `Rate.of` reduces. Anything else raises ValueError, which msgspec turns into a
    ValidationError when it decodes.
    """

    numerator: int
    denominator: int
    per: Per = "once"

    def __post_init__(self) -> None:
        if self.numerator < 0 or self.denominator < 1:
            raise ValueError("a rate is a fraction of zero or more")
        if math.gcd(self.numerator, self.denominator) != 1:
            raise ValueError("a rate is in lowest terms")

    @classmethod
    def of(cls, numerator: int, denominator: int, per: Per = "once") -> Self:
        """The rate in lowest terms; `denominator` is above zero."""
        common = math.gcd(numerator, denominator) or 1
        return cls(numerator // common, denominator // common, per)

    @property
    def fraction(self) -> Fraction:
        """The rate as a number, of its period."""
        return Fraction(self.numerator, self.denominator)


def parse_rate(text: str, field: str | None = None) -> Rate:
    """The rate of "2%", "1%/month", "8.5%/year", "0.033%/day" or "0".

    Without a period it is one that counts once; interest on time refuses that (WrongPeriod, RateNotMonthly). A bare
    number other than 0 is refused, since 2 could mean 2% or 200%. Raises MalformedRate, RateTooHigh.
    """
    if text == "0":
        return Rate(0, 1)
    match = _FORM.fullmatch(text)
    if match is None:
        raise MalformedRate(
            f"{quoted(text)} is not a rate: write 2%, 1%/month, 8.5%/year, 0.033%/day or 0, with a "
            "point for decimals (at most 12), without spaces or a sign.",
            field=field,
        )
    whole, decimals, per = match.groups(default="")
    hundredths = int(whole + decimals)
    scale = 10 ** len(decimals)
    if hundredths > _MAXIMUM_PERCENT * scale:
        raise RateTooHigh(
            f"{quoted(text)} is above {_MAXIMUM_PERCENT}%: give a lower rate.", field=field
        )
    return Rate.of(hundredths, 100 * scale, _PER[per])


def format_rate(rate: Rate) -> str:
    """The rate in percent, as `parse_rate` reads it back exactly: "1%/month".

    A rate that is no decimal percent is shown as a fraction of one ("1/3%"), for people only.
    """
    unit = "" if rate.per == "once" else f"/{rate.per}"
    return f"{_percent(rate.numerator * 100, rate.denominator)}%{unit}"


class YearlyRate(msgspec.Struct, frozen=True):
    """`numerator / denominator` per year, below zero too: -0.88%/year is -11/1250.

    In lowest terms; `YearlyRate.of` reduces. Anything else raises ValueError, which msgspec turns into a
    ValidationError when it decodes.
    """

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if self.denominator < 1 or math.gcd(self.numerator, self.denominator) != 1:
            raise ValueError("a rate is in lowest terms over a denominator of one or more")

    @classmethod
    def of(cls, fraction: Fraction) -> Self:
        return cls(fraction.numerator, fraction.denominator)

    @property
    def fraction(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)


def parse_yearly_rate(text: str, field: str | None = None) -> YearlyRate:
    """The rate of "4.50%/year", "-0.88%/year" or "0", from -100% to 1000%.

    Raises MalformedRate, RateTooHigh, RateTooLow.
    """
    if text == "0":
        return YearlyRate(0, 1)
    match = _YEARLY_FORM.fullmatch(text)
    if match is None:
        raise MalformedRate(
            f"{quoted(text)} is not a rate per year: write 4.50%/year, -0.88%/year or 0, with a point for decimals "
            "(at most 12), without spaces.",
            field=field,
        )
    sign, whole, decimals = match.groups(default="")
    percent = Fraction(int(sign + whole + decimals), 10 ** len(decimals))
    if percent > _MAXIMUM_PERCENT:
        raise RateTooHigh(
            f"{quoted(text)} is above {_MAXIMUM_PERCENT}%: give a lower rate.", field=field
        )
    if percent < -100:
        raise RateTooLow(f"{quoted(text)} is below -100%: give a higher rate.", field=field)
    return YearlyRate.of(percent / 100)


def format_yearly_rate(rate: YearlyRate) -> str:
    """The rate in percent, as `parse_yearly_rate` reads it back exactly: "-0.88%/year"."""
    sign = "-" if rate.numerator < 0 else ""
    return f"{sign}{_percent(abs(rate.numerator) * 100, rate.denominator)}%/year"


def _percent(numerator: int, denominator: int) -> str:
    common = math.gcd(numerator, denominator)
    numerator, denominator = numerator // common, denominator // common
    twos = (denominator & -denominator).bit_length() - 1
    fives, rest = 0, denominator >> twos
    while rest % 5 == 0:
        fives, rest = fives + 1, rest // 5
    if rest != 1:
        return f"{numerator}/{denominator}"
    digits = max(twos, fives)
    text = str(numerator * 10**digits // denominator).zfill(digits + 1)
    return f"{text[:-digits]}.{text[-digits:]}" if digits else text
