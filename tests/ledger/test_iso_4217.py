"""The ledger's currencies are held against ISO 4217's own lists."""

from datetime import date, timedelta

import pytest

from ledger.money import (
    EXPONENTS,
    UnknownCurrency,
    WithdrawnCurrency,
    exponent,
    parse_minor,
    require_in_use,
    withdrawn_on,
)
from tests.ledger.iso_4217 import LIST_ONE, LIST_THREE

_NO_DEBTS = """
BOV CHE CHW COU MXV USN XAD XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX
"""
NO_DEBTS = set(_NO_DEBTS.split())
"""Funds, metals, baskets, bond units, tests and no currency."""


def test_every_currency_in_use_has_the_digits_of_list_one() -> None:
    in_use = {code: digits for code, digits in EXPONENTS.items() if withdrawn_on(code) is None}
    assert in_use == {code: digits for code, digits in LIST_ONE.items() if code not in NO_DEBTS}


def test_what_list_one_has_besides_is_no_currency_of_debts() -> None:
    assert set(LIST_ONE) >= NO_DEBTS
    assert {code for code, digits in LIST_ONE.items() if digits is None} <= NO_DEBTS
    for code in NO_DEBTS:
        with pytest.raises(UnknownCurrency, match="not a currency of debts"):
            exponent(code)


def test_the_withdrawn_currencies_are_those_of_list_three() -> None:
    assert {code for code in EXPONENTS if withdrawn_on(code)} == set(LIST_THREE)
    assert not set(LIST_THREE) & set(LIST_ONE)


@pytest.mark.parametrize(("code", "month"), LIST_THREE.items())
def test_a_currency_is_withdrawn_in_its_month_or_with_its_end(code: str, month: str) -> None:
    first_day = withdrawn_on(code)
    assert first_day is not None
    assert month in (f"{first_day:%Y-%m}", f"{first_day - timedelta(days=1):%Y-%m}")


@pytest.mark.parametrize("code", LIST_THREE)
def test_nothing_new_is_written_in_a_withdrawn_currency(code: str) -> None:
    first_day = withdrawn_on(code)
    assert first_day is not None
    require_in_use(code, first_day - timedelta(days=1))
    with pytest.raises(WithdrawnCurrency, match=rf"withdrawn on {first_day}.* give ") as refused:
        require_in_use(code, first_day)
    assert refused.value.field == "currency"
    assert str(refused.value)[-3:] in LIST_ONE  # what is written instead is in use


def test_what_was_written_in_it_is_read() -> None:
    assert parse_minor("12.34", "BGN") == 1234
    assert parse_minor("1234", "BYR") == 1234


def test_no_withdrawn_currency_is_proposed() -> None:
    with pytest.raises(UnknownCurrency) as refused:
        exponent("HRX")
    assert "HRK" not in str(refused.value)


def test_an_unknown_currency_is_not_in_use() -> None:
    with pytest.raises(UnknownCurrency):
        require_in_use("DEM", date(1999, 1, 1))
