"""Numbers of documents: how a tenant writes them, and which series gives them out.

A series counts without gaps, by default for ever, by setting from 1 in each year of issue. Invoices and credit notes
have a series each. They are written in one format, so that a format without `{series}` would write both alike: then
the invoices' series numbers the credit notes too.

All documents of a tenant share one namespace, `DOCUMENT_NUMBER`: a written number means one document. A number that
another document has already, such as an imported invoice, is skipped.
"""

import re
from datetime import date
from typing import Final, Literal, NamedTuple

from ledger.encrypted import PREFIX, plain
from ledger.errors import Rejected
from ledger.tenant import Settings

DocumentKind = Literal["invoice", "credit_note"]

DOCUMENT_NUMBER: Final = "document_number"
"""The kind of name that a document's number is: unique per tenant."""

_FIELD = re.compile(r"\{(series|year|n(?::0[1-9][0-9]?)?)\}")
_MAX_LENGTH = 64
_LONGEST_NUMBER = 10**9


class MalformedNumberFormat(Rejected):
    """A number format holds `{n}` or `{n:06}` once and no blanks; it may hold `{series}` and `{year}`."""


class YearNotInFormat(Rejected):
    """Numbers that begin again each year need `{year}` in their format, or they would come twice."""


class MalformedSeries(Rejected):
    """A series has a name of 1 to 32 printable characters without blanks, and is the invoices' or the credit notes'."""


class Series(NamedTuple):
    """What counts: the documents it is named after, and its name."""

    kind: DocumentKind
    name: str


def series_of(settings: Settings, kind: DocumentKind) -> Series:
    """The series that numbers the documents of a kind."""
    if kind == "credit_note" and "{series}" in settings.number_format:
        return Series("credit_note", settings.credit_note_series)
    return Series("invoice", settings.series)


def begins_again(settings: Settings, last_issued_on: date, issued_on: date) -> bool:
    """Whether a series that gave out its last number on a day begins at 1 on another."""
    return settings.number_restarts == "yearly" and issued_on.year != last_issued_on.year


def numbers_from(
    settings: Settings, series: Series, first: int, count: int, issued_on: date
) -> list[str]:
    """So many numbers of a series from one on, as they are written on documents."""
    return [
        _written(settings.number_format, series.name, number, issued_on)
        for number in range(first, first + count)
    ]


def check_numbering(settings: Settings) -> None:
    """Raises MalformedSeries, MalformedNumberFormat, YearNotInFormat, LooksEncrypted, ControlCharacter."""
    _check_series(settings.series, "series", "INV")
    _check_series(settings.credit_note_series, "credit_note_series", "CN")
    if settings.credit_note_series == settings.series:
        raise MalformedSeries(
            "give credit notes a series of their own, such as CN", field="credit_note_series"
        )
    _check_format(settings)
    if settings.number_restarts == "yearly" and "{year}" not in settings.number_format:
        raise YearNotInFormat(
            "numbers that begin again each year would come twice without their year: put {year} into number_format, "
            "such as {series}-{year}-{n:06}",
            field="number_format",
        )


def _check_series(name: str, field: str, example: str) -> None:
    if not 0 < len(plain(name, field)) <= 32 or not name.isprintable() or " " in name:
        raise MalformedSeries(
            f"give {field} a name of at most 32 characters without blanks, such as {example}",
            field=field,
        )


def _check_format(settings: Settings) -> None:
    text = settings.number_format
    rest = _FIELD.sub("", text)
    counters = [field for field in _FIELD.findall(text) if field.startswith("n")]
    if (
        len(text) <= _MAX_LENGTH
        and len(counters) == 1
        and rest.isprintable()
        and not {"{", "}", " "} & set(rest)
    ):
        names = (settings.series, settings.credit_note_series)
        longest = [_written(text, name, _LONGEST_NUMBER, date.max) for name in names]
        if all(len(one) <= _MAX_LENGTH and PREFIX not in one for one in longest):
            return
    raise MalformedNumberFormat(
        "number_format must hold {n} or {n:06} once and no blanks, and may hold {series} and {year}: "
        "{series}-{n:06}, or {year}/{n}",
        field="number_format",
    )


def _written(number_format: str, series: str, number: int, issued_on: date) -> str:
    return number_format.format(series=series, n=number, year=issued_on.year)
