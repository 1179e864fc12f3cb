from datetime import date, timedelta

import pytest

from ledger.additional_holidays import (
    AdditionalHoliday,
    HolidayTwice,
    HolidayYear,
    TooManyHolidays,
    check_additional_holidays,
    check_business_days_follow,
)
from ledger.calendars import AdditionalHolidays, NoBusinessDay, calendar_named
from ledger.encrypted import ControlCharacter, LooksEncrypted, TextTooLong
from ledger.errors import Rejected

CITY, FAIR = AdditionalHoliday(date(2026, 1, 25), "City"), AdditionalHoliday(date(2026, 2, 3))


def test_holidays_are_put_in_order() -> None:
    labelled = AdditionalHoliday(CITY.on, "  City ")
    assert check_additional_holidays([FAIR, labelled]) == (CITY, FAIR)
    assert check_additional_holidays([]) == ()


def test_four_hundred_are_taken_and_no_more() -> None:
    days = [AdditionalHoliday(date(2026, 1, 1) + timedelta(days=number)) for number in range(401)]
    assert len(check_additional_holidays(days[:400])) == 400
    with pytest.raises(TooManyHolidays):
        check_additional_holidays(days)


@pytest.mark.parametrize(
    ("holiday", "error", "field"),
    [
        (AdditionalHoliday(date(1969, 12, 31)), HolidayYear, "additional_holidays[1].on"),
        (AdditionalHoliday(date(2101, 1, 1)), HolidayYear, "additional_holidays[1].on"),
        (AdditionalHoliday(CITY.on, "again"), HolidayTwice, "additional_holidays"),
        (AdditionalHoliday(FAIR.on, "x" * 81), TextTooLong, "additional_holidays[1].label"),
        (AdditionalHoliday(FAIR.on, "a\nb"), ControlCharacter, "additional_holidays[1].label"),
        (AdditionalHoliday(FAIR.on, "encrypted:"), LooksEncrypted, "additional_holidays[1].label"),
    ],
)
def test_what_is_no_additional_holiday_is_refused_by_name(
    holiday: AdditionalHoliday, error: type[Rejected], field: str
) -> None:
    with pytest.raises(error) as refused:
        check_additional_holidays([CITY, holiday])
    assert refused.value.field == field


def test_business_days_must_follow() -> None:
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(60)]
    check_business_days_follow(
        calendar_named("none", additional=AdditionalHolidays(1, tuple(days[1:])))
    )
    with pytest.raises(NoBusinessDay):
        check_business_days_follow(
            calendar_named("none", additional=AdditionalHolidays(1, tuple(days)))
        )
