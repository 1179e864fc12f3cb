"""Time zones: which business date an instant belongs to, and when a local time comes."""

import difflib
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from ledger.errors import Rejected, quoted

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Entries of the zone database that name no place: the machine's own zone, and a placeholder.
_NOT_PLACES = frozenset({"localtime", "posixrules", "Factory"})


class UnknownZone(Rejected):
    """There is no such zone in the IANA time zone database."""


class DateOutOfRange(Rejected):
    """The date has no instant in the years 1 to 9999."""


@lru_cache(maxsize=1024)
def zone(name: str, field: str | None = "timezone") -> ZoneInfo:
    """The IANA zone of that exact name, such as America/Sao_Paulo. Raises UnknownZone."""
    if name in _names():
        return ZoneInfo(name)
    by_fold = {known.casefold(): known for known in _names()}
    wanted = name.strip().replace(" ", "_").casefold()[:40]
    near = [by_fold[match] for match in difflib.get_close_matches(wanted, by_fold, n=3)]
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise UnknownZone(
        f"{quoted(name)} is not a time zone{hint}: give an IANA name such as America/Sao_Paulo.",
        field=field,
    )


def business_date(instant: datetime, zone_name: str) -> date:
    """The calendar date in the zone at an aware instant."""
    assert instant.tzinfo is not None, "an instant knows its offset"
    try:
        return instant.astimezone(zone(zone_name)).date()
    except OverflowError as error:
        raise DateOutOfRange(f"{instant.isoformat()} has no date in {zone_name}.") from error


def instant_of(day: date, local_time: time, zone_name: str) -> datetime:
    """The instant, in UTC, at which clocks in the zone show the time on the day.

    Clocks that skip the time (spring forward) give the first instant after the gap; clocks that
    show it twice (autumn back) give the first of the two. Raises UnknownZone, DateOutOfRange.
    """
    place = zone(zone_name)
    local = datetime.combine(day, local_time.replace(fold=0), tzinfo=place)
    try:
        instant = local.astimezone(UTC)
        if instant.astimezone(place).replace(tzinfo=None) == local.replace(tzinfo=None):
            return instant
        return _end_of_gap(local)
    except OverflowError as error:
        raise DateOutOfRange(
            f"{day.isoformat()} {local_time.isoformat()} in {zone_name} is no instant of the "
            "years 1 to 9999: choose another date."
        ) from error


def _end_of_gap(local: datetime) -> datetime:
    # In a gap, fold=1 reads the time by the offset after it and so falls before the change;
    # fold=0 reads it by the offset before and falls at or after it. The change lies between.
    before = _whole_seconds(local.replace(fold=1).astimezone(UTC))
    after = _whole_seconds(local.astimezone(UTC)) + 1
    place = local.tzinfo
    old_offset = _at(before).astimezone(place).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if _at(middle).astimezone(place).utcoffset() == old_offset:
            before = middle
        else:
            after = middle
    return _at(after)


def _whole_seconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(seconds=1)


def _at(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones()) - _NOT_PLACES
