from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Rejected
from ledger.money import AmountTooLarge, UnknownCurrency
from ledger.rates import MalformedRate, parse_rate
from ledger.rounding import Rounding, divide
from ledger.tax import (
    EmptyInvoice,
    Line,
    MalformedPrice,
    MalformedQuantity,
    NegativeTotal,
    Priced,
    PricedLine,
    TaxRounding,
    TooManyInvoiceLines,
    ZeroTotal,
    price_lines,
)


def line(
    unit_price: str, tax_rate: str = "0%", *, quantity: str = "1", included: bool = False
) -> Line:
    return Line("Consulting", quantity, unit_price, tax_rate, included)


def test_tax_is_added() -> None:
    assert price_lines([line("100.00", "20%", quantity="2")], "EUR") == Priced(
        (PricedLine(20000, 4000, 24000),), 20000, 4000, 24000
    )


def test_tax_is_included() -> None:
    assert price_lines([line("119.00", "19%", included=True)], "EUR") == Priced(
        (PricedLine(10000, 1900, 11900),), 10000, 1900, 11900
    )


def test_no_tax_by_default() -> None:
    assert price_lines([Line("Rent", "1", "500.00")], "BRL").total_minor == 50000


def test_a_line_is_rounded_once() -> None:
    assert price_lines([line("0.0125", quantity="1000")], "USD").net_minor == 1250
    assert price_lines([line("0.005")], "USD", rounding="half_up").net_minor == 1
    assert price_lines([line("33.333333", quantity="0.000003"), line("1")], "EUR").net_minor == 100
    assert price_lines([line("99.5", quantity="3")], "JPY", rounding="half_up").net_minor == 299


def test_tax_by_line_and_by_document() -> None:
    # three times 0.125 of tax: thrice rounded is 0.36, once rounded is 0.38
    lines = [line("0.50", "25%")] * 3
    by_line = price_lines(lines, "EUR", "line")
    assert [each.tax_minor for each in by_line.lines] == [12, 12, 12]
    by_document = price_lines(lines, "EUR", "document")
    assert [each.tax_minor for each in by_document.lines] == [13, 13, 12]
    assert (by_document.net_minor, by_document.tax_minor) == (150, 38)
    assert by_document.total_minor == 188


def test_a_document_rounds_once_for_each_rate() -> None:
    lines = [line("0.52", "25%"), line("0.10", "5%"), line("0.50", "25%"), line("0.10", "5%")]
    priced = price_lines(lines, "EUR", "document")
    assert [each.tax_minor for each in priced.lines] == [13, 1, 13, 0]


def test_included_tax_shares_a_rate_with_added_tax() -> None:
    lines = [line("1.19", "19%", included=True), line("1.00", "19%")]
    priced = price_lines(lines, "EUR", "document")
    assert priced.lines == (PricedLine(100, 19, 119), PricedLine(100, 19, 119))


def test_a_discount_is_a_line_below_zero() -> None:
    priced = price_lines([line("100.00", "20%"), line("-10.00", "20%")], "EUR")
    assert priced == Priced(
        (PricedLine(10000, 2000, 12000), PricedLine(-1000, -200, -1200)), 9000, 1800, 10800
    )


@pytest.mark.parametrize(
    ("lines", "error", "field"),
    [
        ([], EmptyInvoice, "lines"),
        ([line("0.00")], ZeroTotal, "lines"),
        ([line("0.004")], ZeroTotal, "lines"),
        ([line("1.00"), line("-1.00")], ZeroTotal, "lines"),
        ([line("1.00"), line("-1.01")], NegativeTotal, "lines"),
        ([line("9999999999999.99", "1%")], AmountTooLarge, "lines[0]"),
        ([line("9999999999999.99", quantity="2")], AmountTooLarge, "lines[0]"),
        ([line("9999999999999.99")] * 2, AmountTooLarge, "lines"),
        ([line("1.00"), line("1.00", "20")], MalformedRate, "lines[1].tax_rate"),
        ([line("1.00", "1%/month")], MalformedRate, "lines[0].tax_rate"),
    ],
)
def test_refusals(lines: list[Line], error: type[Rejected], field: str) -> None:
    with pytest.raises(error) as caught:
        price_lines(lines, "EUR")
    assert caught.value.field == field


@pytest.mark.parametrize(
    "quantity",
    ["", "0", "0.000", "-1", "+1", "1,5", "1e3", "NaN", "1.0000001", " 1", "1\n", "1" * 5000],
)
def test_a_malformed_quantity(quantity: str) -> None:
    with pytest.raises(MalformedQuantity) as caught:
        price_lines([line("1.00"), line("1.00", quantity=quantity)], "EUR")
    assert caught.value.field == "lines[1].quantity"


@pytest.mark.parametrize(
    ("unit_price", "currency"),
    [
        ("", "EUR"),
        ("1,00", "EUR"),
        ("1e3", "EUR"),
        ("0.0000001", "EUR"),
        ("1.00000", "JPY"),
        ("\u0661", "EUR"),
        (".5", "EUR"),
        ("NaN", "EUR"),
        ("1" * 5000, "EUR"),
    ],
)
def test_a_malformed_price(unit_price: str, currency: str) -> None:
    with pytest.raises(MalformedPrice) as caught:
        price_lines([line(unit_price)], currency)
    assert caught.value.field == "lines[0].unit_price"


def test_an_unknown_currency() -> None:
    with pytest.raises(UnknownCurrency):
        price_lines([line("1.00")], "XAU")


lines_of_invoices = st.lists(
    st.builds(
        Line,
        st.just("Goods"),
        st.decimals("0.000001", 9999, places=6).map(lambda number: f"{number:f}"),
        st.decimals(-999, 99999, places=6).map(lambda number: f"{number:f}"),
        st.sampled_from(["0%", "5%", "7.25%", "19%", "20%", "33.333333%"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(
    lines_of_invoices,
    st.sampled_from(["EUR", "CLF"]),
    st.sampled_from(["line", "document"]),
    st.sampled_from(["half_even", "half_up", "truncate"]),
)
def test_sums_hold_and_no_tax_is_a_cent_off(
    lines: list[Line], currency: str, tax_rounding: TaxRounding, rounding: Rounding
) -> None:
    try:
        priced = price_lines(lines, currency, tax_rounding, rounding)
    except (ZeroTotal, NegativeTotal):
        return
    assert priced.total_minor == priced.net_minor + priced.tax_minor > 0
    assert priced.net_minor == sum(each.net_minor for each in priced.lines)
    assert priced.tax_minor == sum(each.tax_minor for each in priced.lines)
    exact_by_rate: dict[str, Fraction] = {}
    tax_by_rate: dict[str, int] = {}
    for asked, each in zip(lines, priced.lines, strict=True):
        assert each.gross_minor == each.net_minor + each.tax_minor
        rate = parse_rate(asked.tax_rate)
        part = Fraction(rate.numerator, rate.denominator)
        exact = (
            each.gross_minor * part / (1 + part) if asked.tax_included else each.net_minor * part
        )
        assert abs(each.tax_minor - exact) < 1
        exact_by_rate[asked.tax_rate] = exact_by_rate.get(asked.tax_rate, Fraction(0)) + exact
        tax_by_rate[asked.tax_rate] = tax_by_rate.get(asked.tax_rate, 0) + each.tax_minor
    if tax_rounding == "document":
        for name, exact in exact_by_rate.items():
            assert tax_by_rate[name] == divide(exact.numerator, exact.denominator, rounding)


def test_a_price_that_is_too_large_is_told_so() -> None:
    for price in ("1000000000000000", "-1000000000000000.5"):
        with pytest.raises(MalformedPrice, match="too large"):
            price_lines([Line("x", "1", price)], "JPY")


def test_an_invoice_has_at_most_a_thousand_lines() -> None:
    line = Line("x", "1", "1.00")
    assert price_lines([line] * 1_000, "USD").total_minor == 100_000
    with pytest.raises(TooManyInvoiceLines, match="1001 lines") as refused:
        price_lines([line] * 1_001, "USD")
    assert refused.value.field == "lines"
