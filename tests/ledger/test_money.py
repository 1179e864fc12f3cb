import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Rejected
from ledger.money import (
    EXPONENTS,
    LIMIT_MINOR,
    AmountTooLarge,
    MalformedAmount,
    Money,
    NegativeAmount,
    OverPreciseAmount,
    UnknownCurrency,
    ZeroAmount,
    bounded,
    exponent,
    format_minor,
    parse_loose_minor,
    parse_minor,
    positive_minor,
)

currencies = st.sampled_from(sorted(EXPONENTS))
minors = st.integers(-LIMIT_MINOR + 1, LIMIT_MINOR - 1)


@pytest.mark.parametrize(
    ("digits", "codes"),
    [
        (0, "BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (2, "BRL EUR USD GBP CHF INR MXN ZAR XCD XCG HUF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    ],
)
def test_exponents_are_those_of_iso_4217(digits: int, codes: str) -> None:
    assert {exponent(code) for code in codes.split()} == {digits}
    if digits != 2:
        assert {code for code, found in EXPONENTS.items() if found == digits} == set(codes.split())


@pytest.mark.parametrize(
    "code", ["XAU", "XAG", "XDR", "XXX", "XTS", "XSU", "CHE", "COU", "MXV", "USN"]
)
def test_what_is_no_currency_of_debts_is_refused(code: str) -> None:
    with pytest.raises(UnknownCurrency, match="not a currency of debts"):
        exponent(code)


@pytest.mark.parametrize("code", ["", "brl", "EURO", "ZZZ", "DEM", "R$", " ", "A X", "€" * 999])
def test_an_unknown_currency_is_refused(code: str) -> None:
    with pytest.raises(UnknownCurrency, match="not a currency in use") as caught:
        exponent(code)
    assert caught.value.field == "currency"


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(UnknownCurrency, match="did you mean BRL"):
        exponent("brl")


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("123.45", "BRL", 12345),
        ("0.00", "BRL", 0),
        ("-0.05", "BRL", -5),
        ("500", "JPY", 500),
        ("0", "JPY", 0),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("9999999999999.99", "EUR", LIMIT_MINOR - 1),
    ],
)
def test_an_amount_with_exactly_the_currencys_digits(text: str, currency: str, minor: int) -> None:
    assert parse_minor(text, currency) == minor
    assert format_minor(minor, currency) == text
    assert parse_loose_minor(text, currency) == minor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "55",
        "55.9",
        ".90",
        "55.",
        "+1.00",
        "01.00",
        "-0.00",
        "1,000.00",
        "1.000,00",
        "1e3",
        "NaN",
        "Infinity",
        " 1.00",
        "1.00\n",
        "1 000.00",
        "--1.00",
        "1.0 0",
        "\u0661.\u0660\u0660",
        "1_0.00",
        "0x1",
    ],
)
def test_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedAmount) as caught:
        parse_minor(text, "BRL", field="lines[0].amount")
    assert caught.value.field == "lines[0].amount"


@pytest.mark.parametrize(
    ("text", "minor"),
    [("55.9", 5590), ("55", 5500), ("55.90", 5590), ("007", 700), ("-3.1", -310), ("0", 0)],
)
def test_a_file_may_leave_out_decimals(text: str, minor: int) -> None:
    assert parse_loose_minor(text, "EUR") == minor


@pytest.mark.parametrize(
    "text",
    ["", ".5", "5.", "+5", "1,000.00", "1.000,00", "1e3", "NaN", "inf", " 5", "5\n", "1 000"],
)
def test_a_file_may_not_be_ambiguous(text: str) -> None:
    with pytest.raises(MalformedAmount):
        parse_loose_minor(text, "EUR")


@pytest.mark.parametrize(
    ("text", "currency"), [("1.005", "EUR"), ("1.000", "EUR"), ("5.0", "JPY"), ("1.2345", "KWD")]
)
def test_more_decimals_than_the_currency_has_are_refused(text: str, currency: str) -> None:
    with pytest.raises(OverPreciseAmount):
        parse_loose_minor(text, currency)
    with pytest.raises(OverPreciseAmount):
        parse_minor(text, currency)


@pytest.mark.parametrize("text", ["10000000000000.00", "-10000000000000.00", "1" * 5000 + ".00"])
def test_amounts_are_bounded(text: str) -> None:
    with pytest.raises(AmountTooLarge, match=r"9999999999999\.99 EUR"):
        parse_minor(text, "EUR")
    with pytest.raises(AmountTooLarge):
        parse_loose_minor(text, "EUR")


def test_bounded_returns_what_it_accepts() -> None:
    assert bounded(LIMIT_MINOR - 1, "JPY") == LIMIT_MINOR - 1
    with pytest.raises(AmountTooLarge):
        bounded(-LIMIT_MINOR, "JPY")


@given(minors, currencies)
def test_what_is_formatted_is_read_back(minor: int, currency: str) -> None:
    text = format_minor(minor, currency)
    assert parse_minor(text, currency) == minor
    assert parse_loose_minor(text, currency) == minor
    assert Money.of(minor, currency).minor == minor


@given(st.text(alphabet="0123456789.-,e +", max_size=22), currencies)
def test_what_is_read_has_one_spelling(text: str, currency: str) -> None:
    try:
        minor = parse_minor(text, currency)
    except Rejected:
        return
    assert format_minor(minor, currency) == text


@given(st.text(max_size=30), currencies)
def test_no_text_breaks_the_readers(text: str, currency: str) -> None:
    for read in (parse_minor, parse_loose_minor):
        with contextlib.suppress(Rejected):
            assert abs(read(text, currency)) < LIMIT_MINOR


def test_money_in_json() -> None:
    encoded = b'{"amount":"123.45","currency":"BRL"}'
    money = msgspec.json.decode(encoded, type=Money)
    assert money == Money.of(12345, "BRL")
    assert money.minor == 12345
    assert msgspec.json.encode(money) == encoded


def test_money_refuses_when_it_is_read() -> None:
    with pytest.raises(MalformedAmount):
        _ = Money("12,50", "BRL").minor
    with pytest.raises(UnknownCurrency):
        Money.of(1, "XAU")


def test_a_positive_amount() -> None:
    assert positive_minor(Money("0.01", "EUR")) == 1
    with pytest.raises(NegativeAmount) as negative:
        positive_minor(Money("-0.01", "EUR"), "allocations[0].amount")
    assert negative.value.field == "allocations[0].amount"
    with pytest.raises(ZeroAmount):
        positive_minor(Money("0", "JPY"))
