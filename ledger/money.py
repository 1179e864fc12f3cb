"""Amounts in ISO 4217 currencies: whole minor units inside, decimal text outside.

Inside the ledger an amount is an `int` of minor units beside a currency code. Outside, in JSON,
it is `{"amount": "123.45", "currency": "BRL"}`: a string with exactly the currency's digits.
"""

import difflib
import re
from datetime import date
from typing import Final, Self

import msgspec

from ledger.errors import Rejected, quoted

LIMIT_MINOR: Final = 10**15
"""Every amount is smaller than this, in minor units, on either side of zero."""

# ISO 4217 minor units, not CLDR's display digits (CLDR gives IQD none). CLF, UYI and UYW are
# indexed units in which rents and loans are really owed. Withdrawn currencies are among them,
# since debts written in them are still on the books.
_CODES_BY_EXPONENT: Final = {
    0: "BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN "
    "BZD CAD CDF CHF CNY COP CRC CUC CUP CVE CYP CZK DKK DOP DZD EEK EGP ERN ETB EUR FJD FKP "
    "GBP GEL GHC GHS GIP GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW "
    "KYD KZT LAK LBP LKR LRD LSL LTL LVL MAD MDL MGA MKD MMK MNT MOP MRO MRU MTL MUR MVR MWK "
    "MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR "
    "SDD SDG SEK SGD SHP SIT SKK SLE SLL SOS SRD SSP STD STN SVC SYP SZL THB TJS TMM TMT TOP "
    "TRY TTD TWD TZS UAH USD UYU UZS VEB VED VEF VES WST XCD XCG YER ZAR ZMK ZMW ZWG ZWL",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
# Withdrawn since 2007, by ISO 4217's list three and its amendments: the first day on which nothing
# new is written in it, and what is written instead.
_WITHDRAWN: Final = {
    "SIT": (date(2007, 1, 1), "EUR"),
    "SDD": (date(2007, 7, 1), "SDG"),
    "CYP": (date(2008, 1, 1), "EUR"),
    "GHC": (date(2008, 1, 1), "GHS"),
    "MTL": (date(2008, 1, 1), "EUR"),
    "VEB": (date(2008, 1, 1), "VES"),
    "SKK": (date(2009, 1, 1), "EUR"),
    "TMM": (date(2009, 1, 1), "TMT"),
    "EEK": (date(2011, 1, 1), "EUR"),
    "ZMK": (date(2013, 1, 1), "ZMW"),
    "LVL": (date(2014, 1, 1), "EUR"),
    "LTL": (date(2015, 1, 1), "EUR"),
    "BYR": (date(2017, 1, 1), "BYN"),
    "MRO": (date(2018, 1, 1), "MRU"),
    "STD": (date(2018, 1, 1), "STN"),
    "VEF": (date(2018, 8, 20), "VES"),
    "CUC": (date(2021, 7, 1), "CUP"),
    "HRK": (date(2023, 1, 1), "EUR"),
    "SLL": (date(2024, 1, 1), "SLE"),
    "ZWL": (date(2024, 9, 1), "ZWG"),
    "ANG": (date(2025, 3, 31), "XCG"),
    "BGN": (date(2026, 1, 1), "EUR"),
}
EXPONENTS: Final[dict[str, int]] = {
    code: digits for digits, codes in _CODES_BY_EXPONENT.items() for code in codes.split()
}
"""Decimal digits of each currency in which a debt may be, or may have been, written."""

# Metals, baskets, bond units, fund codes, tests and "no currency": in ISO 4217, but no debts.
_CODES_OF_NO_DEBTS: Final = (
    "BOV CHE CHW COU MXV USN XAD XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX"
)
_NOT_OF_DEBTS: Final = frozenset(_CODES_OF_NO_DEBTS.split())

_LOOSE = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_EXACT = {
    digits: re.compile(r"-?(?:0|[1-9][0-9]*)" + (rf"\.[0-9]{{{digits}}}" if digits else ""))
    for digits in _CODES_BY_EXPONENT
}


class UnknownCurrency(Rejected):
    """The code is not an ISO 4217 currency in which debts are written."""


class WithdrawnCurrency(Rejected):
    """The currency was withdrawn: nothing new is written in it from that day on."""


class MalformedAmount(Rejected):
    """The text is not a plain decimal amount with the currency's digits."""


class OverPreciseAmount(Rejected):
    """The amount has more decimals than its currency."""


class AmountTooLarge(Rejected):
    """The amount has more than fifteen digits of minor units."""


class NegativeAmount(Rejected):
    """The amount is below zero where only an amount above it makes sense."""


class ZeroAmount(Rejected):
    """The amount is zero where only an amount above it makes sense."""


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An amount as it stands in JSON.

    `amount` is decimal text with exactly the digits of `currency`, an ISO 4217 code. The text is
    read, and refused, by `minor`.
    """

    amount: str
    currency: str

    @classmethod
    def of(cls, minor: int, currency: str) -> Self:
        """The money of that many minor units: `Money.of(12345, "BRL")` is 123.45."""
        return cls(format_minor(minor, currency), currency)

    @property
    def minor(self) -> int:
        """The amount in minor units; raises what `parse_minor` raises."""
        return parse_minor(self.amount, self.currency)


def exponent(currency: str, field: str | None = "currency") -> int:
    """The currency's decimal digits: 2 for EUR, 0 for JPY. Raises UnknownCurrency."""
    digits = EXPONENTS.get(currency)
    if digits is None:
        raise UnknownCurrency(_why_unknown(currency), field=field)
    return digits


def withdrawn_on(currency: str) -> date | None:
    """The first day on which nothing new is written in the currency; None while it is in use."""
    found = _WITHDRAWN.get(currency)
    return found[0] if found is not None else None


def require_in_use(currency: str, on: date, field: str | None = "currency") -> None:
    """Raises UnknownCurrency, and WithdrawnCurrency for something new of a day on which it was withdrawn."""
    exponent(currency, field)
    withdrawn = withdrawn_on(currency)
    if withdrawn is not None and on >= withdrawn:
        raise WithdrawnCurrency(
            f"{currency} was withdrawn on {withdrawn}: nothing new is written in it, give {_WITHDRAWN[currency][1]}",
            field=field,
        )


def parse_minor(text: str, currency: str, field: str | None = "amount") -> int:
    """Minor units of an amount written with exactly the currency's digits.

    "123.45" in BRL is 12345. Every amount has one spelling: no plus sign, leading zero, minus
    zero, exponent, space or separator. Raises UnknownCurrency, MalformedAmount,
    OverPreciseAmount, AmountTooLarge.
    """
    digits = exponent(currency)
    if not _EXACT[digits].fullmatch(text):
        _refuse_over_precise(text, currency, field)
        raise MalformedAmount(
            f"{quoted(text)} is not an amount in {currency}: write it as {_example(digits)}, "
            f"with {_decimals(digits)} and without separators.",
            field=field,
        )
    if len(text) > 18:  # more digits than LIMIT_MINOR, and perhaps more than int() reads
        raise _too_large(currency, field)
    minor = int(text.replace(".", ""))
    if not minor and text[0] == "-":
        raise MalformedAmount(f"{quoted(text)} is zero: write it without the minus.", field=field)
    return bounded(minor, currency, field)


def parse_loose_minor(text: str, currency: str, field: str | None = "amount") -> int:
    """Minor units of an amount from a file, which may leave out decimals: "55.9", "55".

    Refuses as `parse_minor` does whatever could be read in two ways: more decimals than the
    currency has, thousands separators, exponents, spaces, NaN.
    """
    digits = exponent(currency)
    match = _LOOSE.fullmatch(text)
    if match is None:
        raise MalformedAmount(
            f"{quoted(text)} is not an amount in {currency}: write it as {_example(digits)}, "
            "with a point for decimals and without separators.",
            field=field,
        )
    _refuse_over_precise(text, currency, field)
    sign, whole, decimals = match.groups(default="")
    significant = whole.lstrip("0") + decimals.ljust(digits, "0")
    if len(significant) > 15:
        raise _too_large(currency, field)
    minor = int(significant or "0")
    return -minor if sign else minor


def format_minor(minor: int, currency: str) -> str:
    """The amount as `parse_minor` reads it: 12345 in BRL is "123.45"."""
    digits = EXPONENTS.get(currency)
    if digits is None:
        digits = exponent(currency)
    if not digits:
        return str(minor)
    if minor < 0:
        text = str(-minor).zfill(digits + 1)
        return f"-{text[:-digits]}.{text[-digits:]}"
    text = str(minor).zfill(digits + 1)
    return f"{text[:-digits]}.{text[-digits:]}"


def positive_minor(money: Money, field: str = "amount") -> int:
    """Minor units of an amount that must be above zero; raises NegativeAmount or ZeroAmount.

    `field` is the path of the money in the input; errors name it.
    """
    minor = parse_minor(money.amount, money.currency, field)
    if minor < 0:
        raise NegativeAmount(
            f"{money.amount} {money.currency} is below zero: give an amount above zero.",
            field=field,
        )
    if not minor:
        raise ZeroAmount(f"The amount is zero {money.currency}: give one above zero.", field=field)
    return minor


def bounded(minor: int, currency: str, field: str | None = "amount") -> int:
    """The same minor units, or AmountTooLarge when they reach LIMIT_MINOR."""
    if -LIMIT_MINOR < minor < LIMIT_MINOR:
        return minor
    raise _too_large(currency, field)


def _too_large(currency: str, field: str | None) -> AmountTooLarge:
    return AmountTooLarge(
        f"The amount is too large: at most {format_minor(LIMIT_MINOR - 1, currency)} {currency} "
        "can be recorded.",
        field=field,
    )


def _refuse_over_precise(text: str, currency: str, field: str | None) -> None:
    match = _LOOSE.fullmatch(text)
    if match and len(match[3] or "") > EXPONENTS[currency]:
        raise OverPreciseAmount(
            f"{quoted(text)} has more decimals than {currency}: write it with "
            f"{_decimals(EXPONENTS[currency])}.",
            field=field,
        )


def _why_unknown(currency: str) -> str:
    shown = quoted(currency)
    if currency in _NOT_OF_DEBTS:
        return f"{shown} is not a currency of debts: use the currency in which the debt is owed."
    in_use = [code for code in EXPONENTS if code not in _WITHDRAWN]
    near = difflib.get_close_matches(currency.strip().upper()[:8], in_use, n=3, cutoff=0.6)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"{shown} is not a currency in use{hint}: give an ISO 4217 code such as EUR."


def _example(digits: int) -> str:
    return f"123.{'4567'[:digits]}" if digits else "123"


def _decimals(digits: int) -> str:
    if not digits:
        return "no decimals"
    return f"{digits} decimals"
