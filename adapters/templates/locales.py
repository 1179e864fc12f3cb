"""Amounts and dates as a language writes them. An amount has exactly its currency's digits (ISO 4217)."""

from datetime import date
from decimal import Decimal
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_decimal

from ledger.money import Money

ENGLISH = Locale("en")


@cache
def locale_of(language: str) -> Locale:
    """The locale of a language tag; English for one that is unknown."""
    try:
        return Locale.parse(language, sep="-")
    except (ValueError, UnknownLocaleError):
        base = language.partition("-")[0]
        return ENGLISH if base == language or not base else locale_of(base)


def shown_money(language: str, money: Money) -> str:
    """An amount such as `BRL 1.234,50`. The code comes first, so that no symbol stands for two currencies."""
    digits = len(money.amount.partition(".")[2])
    number = format_decimal(
        Decimal(money.amount),
        format=_pattern(digits),
        locale=locale_of(language),
        group_separator=True,
    )
    return f"{money.currency} {number}"


def shown_date(language: str, day: date) -> str:
    """A day such as 11/03/2026; in English as ISO 8601 has it, for there two orders are usual."""
    locale = locale_of(language)
    if locale.language == "en":
        return day.isoformat()
    return format_date(day, "dd/MM/yyyy" if locale.language == "pt" else "medium", locale=locale)


@cache
def _pattern(digits: int) -> str:
    # The library's own patterns print IQD 5.123 as IQD 5.
    return "#,##0" + ("." + "0" * digits if digits else "")
