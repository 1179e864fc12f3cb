"""Contact windows: the local hours in which a message may be sent.

A window is written as days and hours, such as `mon-fri 08:00-20:00, sat 08:00-14:00`, or as the name of a preset. It
is local to the debtor, or to the tenant. Clocks that change are followed: hours that a day skips are not there, and a
window lasts for as long as clocks show its hours.
"""

import re
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from ledger.errors import Rejected, quoted
from ledger.time_zones import business_date, instant_of

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PRESETS: Final = {
    "BR-ES": "mon-sat 08:00-19:00",
    "BR-RJ": "mon-fri 09:00-19:00",
    "BR-SP": "mon-fri 08:00-20:00, sat 08:00-14:00",
}
"""Hours in which collectors may call, by state of Brazil."""

MAX_LENGTH: Final = 200
_PART = re.compile(
    r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? (?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)"
)
_MIDNIGHT = time(0)


class MalformedWindow(Rejected):
    """A window is a preset, or days and hours such as `mon-fri 08:00-20:00, sat 08:00-14:00`."""


class Hours(NamedTuple):
    """From when until when on a day of the week (0 is Monday); closing at midnight is the end of the day."""

    weekday: int
    opens: time
    closes: time


@lru_cache(maxsize=256)
def parse_window(text: str, field: str | None = "window") -> tuple[Hours, ...]:
    """The hours of a window, in the order of the week. Raises MalformedWindow."""
    written = PRESETS.get(text, text)
    found: list[Hours] = []
    for part in written.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None or len(written) > MAX_LENGTH:
            raise MalformedWindow(_refusal(text), field=field)
        found += _hours(text, match, field)
    found.sort()
    for before, after in pairwise(found):
        if before.weekday == after.weekday and _end(before) > after.opens:
            raise MalformedWindow(f"the hours of {DAYS[after.weekday]} overlap", field=field)
    return tuple(found)


def opens_at(window: str, zone: str, moment: datetime) -> datetime:
    """The first moment, from one on, that lies in the window; the moment itself when it does."""
    hours = parse_window(window)
    day = business_date(moment, zone) - timedelta(days=1)
    # A day that clocks skip, and a week with one opening, are both covered by nine days.
    for _ in range(10):
        for one in hours:
            if one.weekday != day.weekday():
                continue
            opens, closes = _instants(day, one, zone)
            if closes > max(moment, opens):
                return max(moment, opens)
        day += timedelta(days=1)
    raise AssertionError("a window opens each week")


def _instants(day: date, hours: Hours, zone: str) -> tuple[datetime, datetime]:
    closes_on = day + timedelta(days=1) if hours.closes == _MIDNIGHT else day
    return instant_of(day, hours.opens, zone), instant_of(closes_on, hours.closes, zone)


def _hours(text: str, match: re.Match[str], field: str | None) -> list[Hours]:
    try:
        first = DAYS.index(match["first"])
        last = DAYS.index(match["last"]) if match["last"] else first
        opens, closes = (time.fromisoformat(match[name]) for name in ("opens", "closes"))
    except ValueError:
        raise MalformedWindow(_refusal(text), field=field) from None
    if last < first or (closes <= opens and closes != _MIDNIGHT):
        raise MalformedWindow(_refusal(text), field=field)
    return [Hours(weekday, opens, closes) for weekday in range(first, last + 1)]


def _end(hours: Hours) -> time:
    return time.max if hours.closes == _MIDNIGHT else hours.closes


def _refusal(text: str) -> str:
    presets = ", ".join(PRESETS)
    return (
        f"{quoted(text)} is no window: write days and hours such as mon-fri 08:00-20:00, sat 08:00-14:00, "
        f"or one of {presets}"
    )
