"""Business days.

A calendar moves due dates and dunning; interest runs on every day. "none" makes every day a
business day, "weekends" takes out Saturday and Sunday, and a country ("BR") or subdivision
("BR-SP") takes out its public holidays and its own weekend, as the `holidays` library knows
them (Friday and Saturday in Israel, for one, and worked Saturdays in China). Where the library
knows no holidays, outside the years it covers, only weekends are off.
"""

import difflib
from datetime import date, timedelta
from functools import cache, lru_cache

import holidays
import msgspec
from holidays.version import __version__ as holidays_version

from ledger.errors import Rejected, quoted

_ONE_DAY = timedelta(days=1)
# The longest run of days off in any country of the library is under three weeks.
_SEARCH_DAYS = 60


class UnknownCalendar(Rejected):
    """There is no calendar of that name."""


class NoBusinessDay(Rejected):
    """No business day follows within sixty days, or before the year 10000."""


class Calendar(msgspec.Struct, frozen=True):
    """A named set of business days.

    `version` says which edition of the facts it rests on: "1" for the built-in calendars, or
    the library's release. An event stores both, and the dates that came of them.
    """

    name: str
    version: str


def calendar_named(name: str, field: str | None = "calendar") -> Calendar:
    """The calendar "none", "weekends", of a country or subdivision. Raises UnknownCalendar."""
    if name in ("none", "weekends"):
        return Calendar(name, "1")
    if name in _library_names():
        return Calendar(name, f"holidays {holidays_version}")
    near = difflib.get_close_matches(name.strip().upper()[:16], sorted(_library_names()), n=3)
    near += difflib.get_close_matches(name.strip().lower()[:16], ["none", "weekends"], n=1)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise UnknownCalendar(
        f"{quoted(name)} is not a calendar{hint}: give none, weekends, a country such as BR, or "
        "a subdivision such as BR-SP.",
        field=field,
    )


def is_business_day(calendar: Calendar, day: date) -> bool:
    """Whether the day is worked."""
    if calendar.name == "none":
        return True
    if calendar.name == "weekends":
        return day.weekday() < 5
    return day not in _days_off(calendar.name, day.year)


def next_business_day(calendar: Calendar, day: date) -> date:
    """The day itself if it is worked, else the first that is. Raises NoBusinessDay."""
    found = day
    for _ in range(_SEARCH_DAYS):
        if is_business_day(calendar, found):
            return found
        if found == date.max:
            break
        found += _ONE_DAY
    raise NoBusinessDay(
        f"No business day of the calendar {calendar.name} follows {day.isoformat()}: choose "
        "another date or calendar."
    )


@cache
def _library_names() -> frozenset[str]:
    countries = holidays.list_supported_countries(include_aliases=False)
    return frozenset(countries) | {
        f"{country}-{subdivision}"
        for country, subdivisions in countries.items()
        for subdivision in subdivisions
    }


@lru_cache(maxsize=1024)
def _days_off(name: str, year: int) -> frozenset[date]:
    calendar_named(name)  # a name from outside never reaches the library unchecked
    country, _, subdivision = name.partition("-")
    facts = holidays.country_holidays(country, subdiv=subdivision or None, years=year, expand=False)
    first = date(year, 1, 1).toordinal()
    last = date(year, 12, 31).toordinal()
    days = map(date.fromordinal, range(first, last + 1))
    return frozenset(day for day in days if not facts.is_working_day(day))
