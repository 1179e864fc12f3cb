"""Additional holidays: dates on which a tenant does not work beside those of its calendar, such as municipal ones."""

from collections.abc import Iterable
from datetime import date
from itertools import pairwise
from typing import Final

import msgspec

from ledger.calendars import Calendar, next_business_day
from ledger.encrypted import plain
from ledger.errors import Rejected

MAX_ADDITIONAL_HOLIDAYS: Final = 400
MAX_LABEL_LENGTH: Final = 80
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2100
"""Years outside are slips of the pen; the calendars' facts end with 2100."""

_FIELD = "additional_holidays"


class HolidayTwice(Rejected):
    """An additional holiday is named twice."""


class HolidayYear(Rejected):
    """An additional holiday lies outside the years 1970 to 2100."""


class TooManyHolidays(Rejected):
    """A tenant adds at most 400 holidays."""


class AdditionalHoliday(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A date on which a tenant does not work.

    on     the date
    label  what it is, such as `City of São Paulo`: at most 80 characters, stored unencrypted
    """

    on: date
    label: str = ""


def check_additional_holidays(
    holidays: Iterable[AdditionalHoliday],
) -> tuple[AdditionalHoliday, ...]:
    """The holidays in order of their dates, labels without blanks around them.

    Raises TooManyHolidays, HolidayTwice, HolidayYear, LooksEncrypted, TextTooLong, ControlCharacter.
    """
    checked = [_check(holiday, index) for index, holiday in enumerate(holidays)]
    if len(checked) > MAX_ADDITIONAL_HOLIDAYS:
        raise TooManyHolidays(
            f"{len(checked)} additional holidays are more than {MAX_ADDITIONAL_HOLIDAYS}; leave out those long past",
            field=_FIELD,
        )
    checked.sort(key=lambda holiday: holiday.on)
    for earlier, later in pairwise(checked):
        if earlier.on == later.on:
            raise HolidayTwice(f"{later.on} is named twice; name it once", field=_FIELD)
    return tuple(checked)


def check_business_days_follow(calendar: Calendar) -> None:
    """Raises NoBusinessDay where the additional holidays leave no business day within sixty days."""
    for day in calendar.additional:
        next_business_day(calendar, day)


def _check(holiday: AdditionalHoliday, index: int) -> AdditionalHoliday:
    field = f"{_FIELD}[{index}]"
    if not FIRST_YEAR <= holiday.on.year <= LAST_YEAR:
        raise HolidayYear(
            f"{holiday.on} lies outside the years {FIRST_YEAR} to {LAST_YEAR}; check the year",
            field=f"{field}.on",
        )
    label = plain(holiday.label.strip(), f"{field}.label", MAX_LABEL_LENGTH)
    return AdditionalHoliday(holiday.on, label)
