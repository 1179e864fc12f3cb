"""Lines of an invoice, and the tax on them.

A line's amount, quantity times unit price, is rounded once. Where tax is added that amount is
the net and tax comes on top; where it is included that amount is the gross, and the net is what
remains. Tax is rounded per line, or per document: exact taxes are summed by rate, the sum is
rounded once, and its cents are laid on the lines by largest remainder.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from ledger.errors import Rejected, quoted
from ledger.money import bounded, exponent, format_minor
from ledger.rates import MalformedRate, Rate, parse_rate
from ledger.rounding import Rounding, divide, round_together

TaxRounding = Literal["line", "document"]

MAX_LINES = 1_000
_QUANTITY_DECIMALS = 6
_EXTRA_PRICE_DECIMALS = 4
_TOO_LARGE = re.compile(r"-?0*[1-9][0-9]{15,}(\.[0-9]{1,12})?")
_DECIMAL = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,12}))?")


class UnitPrice(msgspec.Struct, frozen=True):
    """The price of one unit. `amount` has the currency's digits, and up to four more where the price is that fine."""

    amount: str
    currency: str


def unit_price_of(written: str, currency: str) -> UnitPrice:
    """A price as it was written ("120", "0.01250"), with its currency's digits, and more where it is finer."""
    whole, _, decimals = f"{Decimal(written) + 0:f}".partition(".")
    digits = decimals.rstrip("0").ljust(exponent(currency), "0")
    return UnitPrice(f"{whole}.{digits}" if digits else whole, currency)


class EmptyInvoice(Rejected):
    """An invoice needs at least one line."""


class TooManyInvoiceLines(Rejected):
    """An invoice has at most a thousand lines."""


class MalformedQuantity(Rejected):
    """The quantity is not a decimal above zero with at most six decimals."""


class MalformedPrice(Rejected):
    """The unit price is not a decimal, is finer than the currency allows, or has more than fifteen digits."""


class NegativeTotal(Rejected):
    """The lines sum to less than zero."""


class ZeroTotal(Rejected):
    """The lines sum to zero, so nothing is owed."""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line as it is asked for.

    `quantity` is a decimal above zero with at most 6 decimals. `unit_price` is in major units,
    with up to 4 decimals more than the currency has ("0.0125"); below zero it is a discount.
    `tax_rate` is a percentage ("20%"), and `tax_included` says that the price holds it already.
    """

    description: str
    quantity: str
    unit_price: str
    tax_rate: str = "0%"
    tax_included: bool = False


class PricedLine(msgspec.Struct, frozen=True):
    """One line's amounts in minor units: net and tax are the gross."""

    net_minor: int
    tax_minor: int
    gross_minor: int


class Priced(msgspec.Struct, frozen=True):
    """An invoice's amounts in minor units: the sums of its lines'."""

    lines: tuple[PricedLine, ...]
    net_minor: int
    tax_minor: int
    total_minor: int


class _Exact(msgspec.Struct, frozen=True):
    """A line with its amount rounded and its tax exact: `tax_numerator / tax_denominator`."""

    amount_minor: int
    rate: Rate
    included: bool

    @property
    def tax_numerator(self) -> int:
        # of an added tax a*n/d, of an included one a*n/(d+n): both over d*(d+n)
        added = self.rate.numerator + self.rate.denominator
        other = self.rate.denominator if self.included else added
        return self.amount_minor * self.rate.numerator * other

    @property
    def tax_denominator(self) -> int:
        return self.rate.denominator * (self.rate.numerator + self.rate.denominator)


def price_lines(
    lines: Sequence[Line],
    currency: str,
    tax_rounding: TaxRounding = "line",
    rounding: Rounding = "half_even",
) -> Priced:
    """The lines' net, tax and gross, exactly.

    Raises EmptyInvoice, TooManyInvoiceLines, MalformedQuantity, MalformedPrice, MalformedRate, RateTooHigh,
    UnknownCurrency, AmountTooLarge, NegativeTotal, ZeroTotal; `field` names the line.
    """
    digits = exponent(currency)
    if not lines:
        raise EmptyInvoice("The invoice has no lines: give at least one.", field="lines")
    if len(lines) > MAX_LINES:
        raise TooManyInvoiceLines(
            f"The invoice has {len(lines)} lines; at most {MAX_LINES} are taken: split it.",
            field="lines",
        )
    exact = [
        _exact(line, currency, digits, rounding, f"lines[{index}]")
        for index, line in enumerate(lines)
    ]
    taxes = _taxes_by_document if tax_rounding == "document" else _taxes_by_line
    priced = tuple(
        _priced(line, tax_minor)
        for line, tax_minor in zip(exact, taxes(exact, rounding), strict=True)
    )
    for index, line in enumerate(priced):
        bounded(line.gross_minor, currency, f"lines[{index}]")
    return _totalled(priced, currency)


def _exact(line: Line, currency: str, digits: int, rounding: Rounding, path: str) -> _Exact:
    quantity, quantity_scale = _quantity(line.quantity, f"{path}.quantity")
    price, price_scale = _price(line.unit_price, currency, digits, f"{path}.unit_price")
    rate = parse_rate(line.tax_rate, field=f"{path}.tax_rate")
    if rate.per != "once":
        raise MalformedRate(
            f"{quoted(line.tax_rate)} is not a tax rate: write a percentage such as 20%.",
            field=f"{path}.tax_rate",
        )
    amount_minor = divide(quantity * price * 10**digits, quantity_scale * price_scale, rounding)
    return _Exact(bounded(amount_minor, currency, path), rate, line.tax_included)


def _taxes_by_line(lines: Sequence[_Exact], rounding: Rounding) -> list[int]:
    return [divide(line.tax_numerator, line.tax_denominator, rounding) for line in lines]


def _taxes_by_document(lines: Sequence[_Exact], rounding: Rounding) -> list[int]:
    taxes = [0] * len(lines)
    of_rate: dict[Rate, list[int]] = {}
    for index, line in enumerate(lines):
        of_rate.setdefault(line.rate, []).append(index)
    for indexes in of_rate.values():
        numerators = [lines[index].tax_numerator for index in indexes]
        rounded = round_together(numerators, lines[indexes[0]].tax_denominator, rounding)
        for index, tax_minor in zip(indexes, rounded, strict=True):
            taxes[index] = tax_minor
    return taxes


def _priced(line: _Exact, tax_minor: int) -> PricedLine:
    if line.included:
        return PricedLine(line.amount_minor - tax_minor, tax_minor, line.amount_minor)
    return PricedLine(line.amount_minor, tax_minor, line.amount_minor + tax_minor)


def _totalled(lines: tuple[PricedLine, ...], currency: str) -> Priced:
    net_minor = sum(line.net_minor for line in lines)
    tax_minor = sum(line.tax_minor for line in lines)
    total_minor = bounded(net_minor + tax_minor, currency, "lines")
    if total_minor < 0:
        raise NegativeTotal(
            f"The lines sum to {format_minor(total_minor, currency)} {currency}: an invoice is "
            "above zero; give back money by a credit note.",
            field="lines",
        )
    if not total_minor:
        raise ZeroTotal("The lines sum to zero: nothing is owed, so do not invoice.", field="lines")
    return Priced(lines, net_minor, tax_minor, total_minor)


def _quantity(text: str, field: str) -> tuple[int, int]:
    match = _DECIMAL.fullmatch(text)
    decimals = (match[3] or "") if match else ""
    quantity = int(match[2] + decimals) if match else 0
    if match is None or match[1] or not quantity or len(decimals) > _QUANTITY_DECIMALS:
        raise MalformedQuantity(
            f"{quoted(text)} is not a quantity: write a number above zero such as 1 or 2.5, with "
            f"at most {_QUANTITY_DECIMALS} decimals and without separators.",
            field=field,
        )
    return quantity, 10 ** len(decimals)


def _price(text: str, currency: str, digits: int, field: str) -> tuple[int, int]:
    match = _DECIMAL.fullmatch(text)
    decimals = (match[3] or "") if match else ""
    if _TOO_LARGE.fullmatch(text):
        raise MalformedPrice(
            f"The unit price {quoted(text)} is too large: it has more than fifteen digits.",
            field=field,
        )
    if match is None or len(decimals) > digits + _EXTRA_PRICE_DECIMALS:
        raise MalformedPrice(
            f"{quoted(text)} is not a unit price in {currency}: write a number such as 12.50, "
            f"with at most {digits + _EXTRA_PRICE_DECIMALS} decimals and without separators.",
            field=field,
        )
    price = int(match[2] + decimals)
    return -price if match[1] else price, 10 ** len(decimals)
