from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.numbering import (
    MalformedNumberFormat,
    MalformedSeries,
    Series,
    YearNotInFormat,
    begins_again,
    check_numbering,
    numbers_from,
    series_of,
)
from ledger.tenant import Settings

SETTINGS = Settings("BRL", "America/Sao_Paulo")
ON = date(2024, 3, 1)


def written(settings: Settings, number: int, issued_on: date = ON) -> str:
    (one,) = numbers_from(settings, series_of(settings, "invoice"), number, 1, issued_on)
    return one


def test_documents_have_a_series_each() -> None:
    assert series_of(SETTINGS, "invoice") == Series("invoice", "INV")
    assert series_of(SETTINGS, "credit_note") == Series("credit_note", "CN")


def test_documents_that_would_be_written_alike_share_a_series() -> None:
    settings = replace(SETTINGS, number_format="{year}/{n}")
    assert series_of(settings, "credit_note") == series_of(settings, "invoice")


def test_numbers_are_written_in_the_tenants_format() -> None:
    settings = replace(SETTINGS, number_format="{series}/{year}-{n:03}")
    series = series_of(settings, "credit_note")
    assert numbers_from(settings, series, 9, 2, ON) == ["CN/2024-009", "CN/2024-010"]
    assert written(SETTINGS, 1_234_567) == "INV-1234567"


@pytest.mark.parametrize(
    ("restarts", "last_issued_on", "issued_on", "again"),
    [
        ("never", date(2023, 12, 31), date(2024, 1, 1), False),
        ("yearly", date(2023, 12, 31), date(2024, 1, 1), True),
        ("yearly", date(2024, 1, 1), date(2024, 12, 31), False),
        ("yearly", date(2021, 5, 5), date(2024, 5, 5), True),
    ],
)
def test_a_series_begins_again_with_the_year_of_issue(
    restarts: str, last_issued_on: date, issued_on: date, again: bool
) -> None:
    settings = Settings("BRL", "UTC", number_format="{n}-{year}", number_restarts=restarts)  # type: ignore[arg-type]
    assert begins_again(settings, last_issued_on, issued_on) is again


def test_a_series_that_begins_again_says_its_year() -> None:
    check_numbering(replace(SETTINGS, number_restarts="yearly", number_format="{year}{n:04}"))
    with pytest.raises(YearNotInFormat, match="would come twice without their year") as refused:
        check_numbering(replace(SETTINGS, number_restarts="yearly"))
    assert refused.value.field == "number_format"


def test_a_number_is_not_too_long_in_either_series() -> None:
    check_numbering(replace(SETTINGS, number_format="{series}" + "x" * 40 + "{n}"))
    long = replace(
        SETTINGS, number_format="{series}" + "x" * 40 + "{n}", credit_note_series="C" * 20
    )
    with pytest.raises(MalformedNumberFormat):
        check_numbering(long)


@pytest.mark.parametrize("field", ["series", "credit_note_series"])
@pytest.mark.parametrize("name", ["", "x" * 33, "A B", " A", "A\u2028"])
def test_a_series_has_a_short_name_without_blanks(field: str, name: str) -> None:
    with pytest.raises(MalformedSeries) as refused:
        check_numbering(replace(SETTINGS, **{field: name}))
    assert refused.value.field == field


FORMATS = ["{n}/{year}", "{year}{n}", "{n:04}{year}", "{series}{year}{n}", "{n}{series}{year}"]


@given(
    st.sampled_from(FORMATS),
    st.lists(
        st.tuples(st.integers(1, 10**6), st.integers(1900, 2999)),
        min_size=2,
        max_size=2,
        unique=True,
    ),
)
def test_no_two_numbers_of_a_series_are_written_alike(
    number_format: str, two: list[tuple[int, int]]
) -> None:
    settings = replace(SETTINGS, number_format=number_format, number_restarts="yearly")
    check_numbering(settings)
    one, other = (written(settings, number, date(year, 5, 5)) for number, year in two)
    assert one != other
