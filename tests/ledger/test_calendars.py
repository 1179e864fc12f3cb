from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import calendars
from ledger.calendars import (
    Calendar,
    NoBusinessDay,
    UnknownCalendar,
    calendar_named,
    is_business_day,
    next_business_day,
)


@pytest.mark.parametrize(
    ("name", "day", "next_day"),
    [
        ("none", "2024-12-25", "2024-12-25"),
        ("none", "2024-06-15", "2024-06-15"),
        ("weekends", "2024-12-25", "2024-12-25"),
        ("weekends", "2024-06-15", "2024-06-17"),
        ("weekends", "2024-06-16", "2024-06-17"),
        ("BR", "2024-12-25", "2024-12-26"),
        ("BR", "2024-11-15", "2024-11-18"),  # Republic Day on a Friday, then the weekend
        ("BR", "2023-07-10", "2023-07-10"),
        ("BR-SP", "2024-07-09", "2024-07-10"),  # the state's own day
        ("BR", "2024-07-09", "2024-07-09"),
        ("US-CA", "2023-03-31", "2023-04-03"),  # Cesar Chavez Day on a Friday
        ("US", "2023-03-31", "2023-03-31"),
        ("US", "2021-12-31", "2022-01-03"),  # New Year observed in the year before
        ("IL", "2024-06-14", "2024-06-16"),  # Friday and Saturday are off, Sunday is worked
        ("AE", "2021-06-18", "2021-06-20"),  # the weekend was Friday and Saturday until 2021
        ("AE", "2024-06-21", "2024-06-21"),
        ("CN", "2024-02-04", "2024-02-04"),  # a Sunday worked before the New Year
    ],
)
def test_next_business_day(name: str, day: str, next_day: str) -> None:
    calendar = calendar_named(name)
    expected = date.fromisoformat(next_day)
    assert next_business_day(calendar, date.fromisoformat(day)) == expected
    assert is_business_day(calendar, expected)


def test_a_calendar_names_its_edition() -> None:
    assert calendar_named("none") == Calendar("none", "1")
    assert calendar_named("weekends") == Calendar("weekends", "1")
    assert calendar_named("BR").version.startswith("holidays 0.")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("br", "BR"),
        ("BR-ZZ", "BR-"),
        ("Weekend", "weekends"),
        ("", "give none, weekends, a country"),
        ("HolidayBase", "is not a calendar"),
        ("BR-", "did you mean"),
        ("x" * 10_000, "is not a calendar"),
    ],
)
def test_an_unknown_calendar_is_refused_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UnknownCalendar, match=hint) as caught:
        calendar_named(name)
    assert caught.value.field == "calendar"
    with pytest.raises(UnknownCalendar):
        is_business_day(Calendar(name, "1"), date(2024, 1, 1))


def test_outside_the_years_of_the_library_only_weekends_are_off() -> None:
    brazil = calendar_named("BR")
    assert is_business_day(brazil, date(2500, 12, 24))  # a Friday
    assert next_business_day(brazil, date(2500, 12, 25)) == date(2500, 12, 27)


def test_the_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(calendars, "is_business_day", lambda calendar, day: False)
        for day in (date(2024, 1, 1), date.max):
            with pytest.raises(NoBusinessDay):
                next_business_day(calendar_named("weekends"), day)


@given(
    st.sampled_from(["none", "weekends", "BR", "BR-SP", "US-CA", "IL", "DE-BY", "JP", "NP"]),
    st.dates(date(1995, 1, 1), date(2040, 12, 31)),
)
def test_the_next_business_day_is_the_first(name: str, day: date) -> None:
    calendar = calendar_named(name)
    found = next_business_day(calendar, day)
    assert found >= day
    assert is_business_day(calendar, found)
    skipped = [day + timedelta(days=gap) for gap in range((found - day).days)]
    assert not any(is_business_day(calendar, off) for off in skipped)
    assert next_business_day(calendar, found) == found
