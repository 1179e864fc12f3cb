"""The days on which a plan contacts customers, and the day to which a step is moved."""

from datetime import date, datetime, time, timedelta
from typing import Final

from ledger.calendars import (
    AdditionalHolidays,
    Calendar,
    NoBusinessDay,
    calendar_named,
    is_business_day,
    next_business_day,
)
from ledger.dunning.plan import PlanRules
from ledger.dunning.window import opens_at
from ledger.time_zones import business_date, instant_of

EARLIEST_CONTACT: Final = time(6, 0)
"""The local time before which nobody is contacted."""

_ONE_DAY = timedelta(days=1)
_SATURDAY = 5


class ContactDays:
    """The contact days of a plan, for a tenant's calendar. What was found is kept: a night asks for few days often."""

    def __init__(self, rules: PlanRules, business_days: Calendar) -> None:
        self._weekdays_only = rules.calendar == "weekdays"
        self._calendar = business_days
        if not self._weekdays_only:
            additional = AdditionalHolidays(
                business_days.additional_version, business_days.additional
            )
            self._calendar = calendar_named(rules.calendar, additional=additional)
        self._moved: dict[date, date] = {}

    def includes(self, day: date) -> bool:
        """Whether customers are contacted on a day."""
        if self._weekdays_only and day.weekday() >= _SATURDAY:
            return False
        return is_business_day(self._calendar, day)

    def moved(self, day: date) -> date:
        """The day itself if customers are contacted on it, else the first after it. Raises NoBusinessDay."""
        found = self._moved.get(day)
        if found is None:
            found = self._moved[day] = self._next(day)
        return found

    def next_contact(self, now: datetime, window: str, zone: str) -> datetime:
        """When a customer may be contacted that may not be now, because of the day: on the next contact day, from six
        or from when its window opens."""
        day = self.moved(business_date(now, zone))
        at = instant_of(day, EARLIEST_CONTACT, zone)
        return opens_at(window, zone, at) if window else at

    def _next(self, day: date) -> date:
        found = next_business_day(self._calendar, day)
        while not self.includes(found):
            if found == date.max:
                raise NoBusinessDay(f"no contact day follows {day}")
            found = next_business_day(self._calendar, found + _ONE_DAY)
        return found
