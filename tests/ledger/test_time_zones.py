from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.time_zones import DateOutOfRange, UnknownZone, business_date, instant_of, zone

places = st.sampled_from(
    [
        "UTC",
        "America/Sao_Paulo",
        "America/New_York",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Pacific/Kiritimati",
        "Africa/Casablanca",
        "America/Havana",
        "Asia/Tehran",
    ]
)
days = st.dates(date(1900, 1, 1), date(2100, 12, 31))
times = st.times()


@pytest.mark.parametrize(
    ("day", "local_time", "name", "instant"),
    [
        ("2024-06-15", "05:00", "America/Sao_Paulo", "2024-06-15T08:00+00:00"),
        ("2024-03-31", "02:30", "Europe/Berlin", "2024-03-31T01:00+00:00"),  # skipped
        ("2024-03-31", "02:00", "Europe/Berlin", "2024-03-31T01:00+00:00"),  # its first moment
        ("2024-03-31", "03:00", "Europe/Berlin", "2024-03-31T01:00+00:00"),
        ("2024-10-27", "02:30", "Europe/Berlin", "2024-10-27T00:30+00:00"),  # shown twice
        ("2018-11-04", "00:00", "America/Sao_Paulo", "2018-11-04T03:00+00:00"),  # no midnight
        ("2018-11-04", "00:59:59.5", "America/Sao_Paulo", "2018-11-04T03:00+00:00"),
        ("2024-10-06", "02:15", "Australia/Lord_Howe", "2024-10-05T15:30+00:00"),  # half an hour
        ("2011-12-30", "05:00", "Pacific/Apia", "2011-12-30T10:00+00:00"),  # a day skipped
    ],
)
def test_instants_across_changes(day: str, local_time: str, name: str, instant: str) -> None:
    found = instant_of(date.fromisoformat(day), time.fromisoformat(local_time), name)
    assert found == datetime.fromisoformat(instant)
    assert found.utcoffset() == timedelta(0)


def test_the_zone_decides_the_business_date() -> None:
    instant = datetime(2024, 6, 15, 1, 30, tzinfo=UTC)
    assert business_date(instant, "America/Sao_Paulo") == date(2024, 6, 14)
    assert business_date(instant, "Asia/Tokyo") == date(2024, 6, 15)
    elsewhere = instant.astimezone(timezone(timedelta(hours=9)))
    assert business_date(elsewhere, "America/Sao_Paulo") == date(2024, 6, 14)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("america/sao_paulo", "America/Sao_Paulo"),
        ("America/Sao Paulo", "America/Sao_Paulo"),
        ("Europe/Berln", "Europe/Berlin"),
        ("", "give an IANA name"),
        ("localtime", "is not a time zone"),
        ("America", "is not a time zone"),
        ("../../etc/passwd", "is not a time zone"),
        ("/etc/localtime", "is not a time zone"),
        ("UTC\0", "is not a time zone"),
        ("x" * 10_000, "is not a time zone"),
    ],
)
def test_an_unknown_zone_is_refused_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UnknownZone, match=hint) as caught:
        zone(name)
    assert caught.value.field == "timezone"


def test_dates_at_the_end_of_time_are_refused() -> None:
    with pytest.raises(DateOutOfRange):
        instant_of(date.max, time(23), "America/Sao_Paulo")
    with pytest.raises(DateOutOfRange):
        instant_of(date.min, time(0), "Asia/Tokyo")
    with pytest.raises(DateOutOfRange):
        business_date(datetime.max.replace(tzinfo=UTC), "Asia/Tokyo")


@given(days, times, places)
def test_an_instant_shows_its_time_or_the_first_after_it(
    day: date, local_time: time, name: str
) -> None:
    instant = instant_of(day, local_time, name)
    shown = instant.astimezone(zone(name)).replace(tzinfo=None)
    asked = datetime.combine(day, local_time)
    assert shown.replace(fold=0) >= asked
    if shown != asked:
        just_before = (instant - timedelta(microseconds=1)).astimezone(zone(name))
        assert just_before.replace(tzinfo=None) < asked
        assert instant.microsecond == 0
    else:
        assert shown.fold == 0
        assert business_date(instant, name) == day


@given(days, times, times, places)
def test_later_times_never_come_earlier_across_a_gap(
    day: date, first: time, second: time, name: str
) -> None:
    ahead = zone(name).utcoffset(datetime.combine(day, time(23, 59)))
    behind = zone(name).utcoffset(datetime.combine(day, time(0)))
    assert ahead is not None
    assert behind is not None
    if ahead >= behind:  # clocks do not go back on this day
        early, late = sorted((first, second))
        assert instant_of(day, early, name) <= instant_of(day, late, name)
