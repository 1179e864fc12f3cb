from datetime import date, timedelta

import holidays
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import calendars
from ledger.calendars import (
    AdditionalHolidays,
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
        ("BR-banking", "2024-02-12", "2024-02-14"),  # Carnival; Ash Wednesday is worked from noon
        ("BR", "2024-02-12", "2024-02-12"),  # Carnival is no public holiday
        ("BR-banking", "2024-05-30", "2024-05-31"),  # Corpus Christi
        ("BR", "2024-05-30", "2024-05-30"),
        ("BR-banking", "2024-11-20", "2024-11-21"),  # national since Law 14,759 of 2023
        ("BR-banking", "2023-11-20", "2023-11-20"),
        ("BR-banking", "2024-12-31", "2024-12-31"),  # worked, without service to the public
        ("BR-banking", "2024-12-24", "2024-12-24"),
        ("TARGET", "2024-03-29", "2024-04-02"),  # Good Friday and Easter Monday
        ("TARGET", "2024-05-01", "2024-05-02"),
        (
            "TARGET",
            "2024-05-09",
            "2024-05-09",
        ),  # Ascension is a holiday of many members, not of TARGET
        ("TARGET", "2024-12-25", "2024-12-27"),
        ("TARGET", "2024-12-31", "2024-12-31"),
        ("JP-banking", "2024-12-31", "2025-01-06"),  # until 3 January, then the weekend
        ("JP", "2024-12-31", "2024-12-31"),
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
    for name in ("BR", "BR-banking", "TARGET"):
        assert calendar_named(name).version.startswith("holidays 0.")


# The days off of Brazil's banks that are no weekend, as ANBIMA publishes them (anbima.com.br/feriados).
BRAZILS_BANKS = {
    2023: "02-20 02-21 04-07 04-21 05-01 06-08 09-07 10-12 11-02 11-15 12-25",
    2024: "01-01 02-12 02-13 03-29 05-01 05-30 11-15 11-20 12-25",
    2025: "01-01 03-03 03-04 04-18 04-21 05-01 06-19 11-20 12-25",
    2026: "01-01 02-16 02-17 04-03 04-21 05-01 06-04 09-07 10-12 11-02 11-20 12-25",
}


@pytest.mark.parametrize("year", BRAZILS_BANKS)
def test_brazils_banks_rest_on_the_days_that_are_published(year: int) -> None:
    assert days_off("BR-banking", year) == BRAZILS_BANKS[year].split()


# TARGET's closing days that are no weekend (ECB, long-term calendar of 14 December 2000).
TARGETS_CLOSING_DAYS = {
    2023: "04-07 04-10 05-01 12-25 12-26",
    2024: "01-01 03-29 04-01 05-01 12-25 12-26",
    2025: "01-01 04-18 04-21 05-01 12-25 12-26",
    2026: "01-01 04-03 04-06 05-01 12-25",
}


@pytest.mark.parametrize("year", TARGETS_CLOSING_DAYS)
def test_target_is_closed_on_the_days_that_are_published(year: int) -> None:
    assert days_off("TARGET", year) == TARGETS_CLOSING_DAYS[year].split()


def days_off(name: str, year: int) -> list[str]:
    """Month and day of the days off in a year that are no weekend."""
    calendar = calendar_named(name)
    days = [date(year, 1, 1) + timedelta(days=number) for number in range(365)]
    return [
        f"{day:%m-%d}" for day in days if day.weekday() < 5 and not is_business_day(calendar, day)
    ]


def test_a_calendar_of_banks_is_named_like_no_country_or_subdivision() -> None:
    countries = holidays.list_supported_countries(include_aliases=True)
    parts = {f"{country}-{part}" for country, parts in countries.items() for part in parts}
    assert not {"BR-banking", "JP-banking", "TARGET"} & (parts | set(countries))


class TestAdditionalHolidays:
    CITY = AdditionalHolidays(4, (date(2024, 1, 25), date(2024, 3, 8), date(2024, 3, 11)))

    @pytest.mark.parametrize("name", ["none", "weekends", "BR", "BR-banking"])
    def test_are_no_business_days(self, name: str) -> None:
        calendar = calendar_named(name, additional=self.CITY)
        assert not is_business_day(calendar, date(2024, 3, 8))
        assert is_business_day(calendar, date(2024, 3, 7))

    def test_move_a_day_together_with_the_calendar(self) -> None:
        calendar = calendar_named("weekends", additional=self.CITY)
        assert next_business_day(calendar, date(2024, 3, 8)) == date(2024, 3, 12)

    def test_are_kept_where_they_moved_a_date(self) -> None:
        calendar = calendar_named("weekends", additional=self.CITY)
        due_on, payable_until = date(2024, 3, 8), date(2024, 3, 12)
        frozen = calendar.frozen(due_on, payable_until)
        assert frozen == Calendar("weekends", "1", 4, (date(2024, 3, 8), date(2024, 3, 11)))
        assert next_business_day(frozen, due_on) == payable_until
        assert frozen.edition == "weekends (1), additional holidays 4: 2024-03-08, 2024-03-11"
        unmoved = calendar.frozen(date(2024, 3, 7), date(2024, 3, 7))
        assert unmoved == Calendar("weekends", "1", 4)
        assert unmoved.edition == "weekends (1), additional holidays 4"

    def test_that_a_tenant_never_had_are_not_written(self) -> None:
        calendar = calendar_named("weekends").frozen(date(2024, 3, 9), date(2024, 3, 11))
        assert msgspec.json.encode(calendar) == b'{"name":"weekends","version":"1"}'
        assert calendar.edition == "weekends (1)"

    @given(
        st.sampled_from(["none", "weekends", "BR-banking"]),
        st.lists(st.dates(date(2024, 1, 1), date(2024, 4, 30)), max_size=30, unique=True),
        st.dates(date(2024, 1, 1), date(2024, 4, 30)),
    )
    def test_that_are_kept_explain_the_date_alone(
        self, name: str, days: list[date], due_on: date
    ) -> None:
        calendar = calendar_named(name, additional=AdditionalHolidays(1, tuple(sorted(days))))
        payable_until = next_business_day(calendar, due_on)
        frozen = calendar.frozen(due_on, payable_until)
        assert next_business_day(frozen, due_on) == payable_until
        assert all(due_on <= day < payable_until for day in frozen.additional)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("br", "BR"),
        ("BR-ZZ", "BR-"),
        ("Weekend", "weekends"),
        ("", "give none, weekends, a country"),
        ("HolidayBase", "is not a calendar"),
        ("br-BANKING", "did you mean BR-banking"),
        ("BR-bank", "BR-banking"),
        ("target2", "did you mean TARGET"),
        ("XX-banking", "is not a calendar"),
        ("BVMF", "is not a calendar"),
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
