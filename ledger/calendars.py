"""Business days.

A calendar moves due dates and dunning; interest runs on every day.

    none          every day is a business day
    weekends      Saturday and Sunday are off
    BR, BR-SP     a country, a subdivision: its public holidays and its own weekend
    BR-banking    the days on which Brazil's banks work
    JP-banking    the days on which Japan's banks work
    TARGET        the days on which the Eurosystem settles payments in euro

The facts are those of the `holidays` library (Friday and Saturday are the weekend in Israel, for one, and some
Saturdays are worked in China). Where it knows none, outside the years it covers, only weekends are off.

Brazil's banks do not work on weekends, national holidays, Carnival's Monday and Tuesday and Corpus Christi (Resolution
CMN 4,880 of 2020); the last weekday of a year is worked, though without service to the public. Japan's do not work on
weekends, national holidays, 31 December, 2 and 3 January (Banking Act, art. 15; its enforcement order, art. 5). TARGET
is closed on weekends, 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December (ECB, 14 December 2000). The
library marks bank holidays of other countries too, but not all of them are days on which banks are closed.

To any of them a tenant adds dates of its own, such as municipal holidays.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from functools import cache, lru_cache
from typing import Final, NamedTuple

import holidays
import msgspec
from holidays.version import __version__ as holidays_version

from ledger.errors import Rejected, quoted

_ONE_DAY = timedelta(days=1)
# The longest run of days off in any country of the library is under three weeks.
_SEARCH_DAYS = 60
_BUILT_IN = ("none", "weekends")
# The exchange B3 works when Brazil's banks do, and XECB is the European Central Bank.
_BANKING: Mapping[str, Callable[[int], holidays.HolidayBase]] = {
    "BR-banking": lambda year: holidays.financial_holidays("BVMF", years=year, expand=False),
    "JP-banking": lambda year: holidays.country_holidays(
        "JP", years=year, expand=False, categories=(holidays.PUBLIC, holidays.BANK)
    ),
    "TARGET": lambda year: holidays.financial_holidays("XECB", years=year, expand=False),
}


class UnknownCalendar(Rejected):
    """There is no calendar of that name."""


class NoBusinessDay(Rejected):
    """No business day follows within sixty days, or before the year 10000."""


class AdditionalHolidays(NamedTuple):
    """The dates that a tenant adds to its calendar, in order. Every change of them has the next version."""

    version: int = 0
    days: tuple[date, ...] = ()


NO_ADDITIONAL_HOLIDAYS: Final = AdditionalHolidays()


class Calendar(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named set of business days, less the dates that a tenant adds.

    `version` says which edition of the facts it rests on: "1" for the built-in calendars, or
    the library's release. An event stores both, and the dates that came of them.

    additional_version  the version of the tenant's additional holidays; 0 when it never had any
    additional          the additional holidays, in order; in an event, those that moved its due date
    """

    name: str
    version: str
    additional_version: int = 0
    additional: tuple[date, ...] = ()

    def frozen(self, due_on: date, payable_until: date) -> "Calendar":
        """The calendar as an event keeps it: with the additional holidays that this due date was moved over."""
        if not self.additional:
            return self
        moved_over = tuple(day for day in self.additional if due_on <= day < payable_until)
        return msgspec.structs.replace(self, additional=moved_over)

    @property
    def edition(self) -> str:
        """The calendar and the facts it rests on, for people: `BR (holidays 0.108), additional holidays 2`."""
        text = f"{self.name} ({self.version})"
        if self.additional_version:
            text += f", additional holidays {self.additional_version}"
        if self.additional:
            text += ": " + ", ".join(map(str, self.additional))
        return text


def calendar_named(
    name: str,
    field: str | None = "calendar",
    additional: AdditionalHolidays = NO_ADDITIONAL_HOLIDAYS,
) -> Calendar:
    """The calendar of that name ("none", "weekends", "TARGET", of a country, a subdivision or banks), without the
    additional holidays. Raises UnknownCalendar.
    """
    if name in _BUILT_IN:
        return Calendar(name, "1", *additional)
    if name in _library_names():
        return Calendar(name, f"holidays {holidays_version}", *additional)
    near = _similar(name)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise UnknownCalendar(
        f"{quoted(name)} is not a calendar{hint}: give none, weekends, a country such as BR, "
        "a subdivision such as BR-SP, or the banking days BR-banking, JP-banking or TARGET.",
        field=field,
    )


def is_business_day(calendar: Calendar, day: date) -> bool:
    """Whether the day is worked."""
    if day in calendar.additional:
        return False
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
    subdivisions = [f"{country}-{part}" for country, parts in countries.items() for part in parts]
    return frozenset([*countries, *subdivisions, *_BANKING])


def _similar(name: str) -> list[str]:
    """The names of at most four calendars that were perhaps meant; capitals do not count."""
    written = name.strip().casefold()[:16]
    near = _closest(written, _library_names(), most=3)
    return near + _closest(written, _BUILT_IN, most=1)


def _closest(written: str, names: Iterable[str], most: int) -> list[str]:
    by_folded = {name.casefold(): name for name in sorted(names)}
    near = difflib.get_close_matches(written, by_folded, n=most)
    return [by_folded[folded] for folded in near]


@lru_cache(maxsize=1024)
def _days_off(name: str, year: int) -> frozenset[date]:
    calendar_named(name)  # a name from outside never reaches the library unchecked
    facts = _facts(name, year)
    first = date(year, 1, 1).toordinal()
    last = date(year, 12, 31).toordinal()
    days = map(date.fromordinal, range(first, last + 1))
    return frozenset(day for day in days if not facts.is_working_day(day))


def _facts(name: str, year: int) -> holidays.HolidayBase:
    if name in _BANKING:
        return _BANKING[name](year)
    country, _, subdivision = name.partition("-")
    return holidays.country_holidays(country, subdiv=subdivision or None, years=year, expand=False)
