"""Which days are due: in the tenant's zone, over its changes of the clock, each from its own earliest local time."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.tenant import Settings
from schedulers.catch_up import due_days

ZONES = (
    "America/Sao_Paulo",
    "America/New_York",
    "America/Santiago",
    "Europe/Lisbon",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Etc/UTC",
)


def settings(zone: str, starts_on: date = date(2026, 1, 1)) -> Settings:
    return Settings("BRL", zone, clock_starts_on=starts_on)


def due(zone: str, now: str, closed: date | None = None) -> list[date]:
    return due_days(settings(zone), closed, datetime.fromisoformat(now).replace(tzinfo=UTC))


def test_a_day_is_due_from_five_in_the_morning_there() -> None:
    closed = date(2026, 1, 9)
    assert due("America/Sao_Paulo", "2026-01-10T07:59:59", closed) == []
    assert due("America/Sao_Paulo", "2026-01-10T08:00:00", closed) == [date(2026, 1, 10)]
    assert due("America/Sao_Paulo", "2026-01-11T07:59:59", closed) == [date(2026, 1, 10)]


def test_one_instant_is_another_day_elsewhere() -> None:
    closed = date(2026, 1, 8)
    now = "2026-01-10T10:00:00"
    ninth, tenth, eleventh = (date(2026, 1, n) for n in (9, 10, 11))
    assert due("Pacific/Pago_Pago", now, closed) == [ninth]  # 23:00 on the 9th
    assert due("America/New_York", now, closed) == [ninth, tenth]  # 05:00 on the 10th
    assert due("Pacific/Kiritimati", now, closed) == [ninth, tenth]  # 00:00 on the 11th
    assert due("Pacific/Kiritimati", "2026-01-10T15:00:00", closed) == [ninth, tenth, eleventh]


@pytest.mark.parametrize(
    ("zone", "day", "opens_at"),
    [
        # Five o'clock is another instant after the clocks have changed at night.
        ("America/New_York", date(2026, 3, 7), "2026-03-07T10:00:00"),
        ("America/New_York", date(2026, 3, 8), "2026-03-08T09:00:00"),
        ("America/New_York", date(2026, 11, 1), "2026-11-01T10:00:00"),
        ("Europe/Lisbon", date(2026, 3, 29), "2026-03-29T04:00:00"),
        ("Europe/Lisbon", date(2026, 10, 25), "2026-10-25T05:00:00"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T18:30:00"),
        # Midnight itself is skipped here; the day is there all the same.
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-24T02:00:00"),
        ("America/Santiago", date(2026, 9, 6), "2026-09-06T08:00:00"),
        # This date never was in Samoa; interest counts it, and it is due when the next one begins.
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00"),
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T15:00:00"),
    ],
)
def test_over_changes_of_the_clock(zone: str, day: date, opens_at: str) -> None:
    instant = datetime.fromisoformat(opens_at).replace(tzinfo=UTC)
    closed = day - timedelta(days=1)
    terms = settings(zone, date(2011, 1, 1))
    assert due_days(terms, closed, instant - timedelta(seconds=1)) == []
    assert due_days(terms, closed, instant) == [day]


def test_days_begin_at_the_clocks_start() -> None:
    now = "2026-01-03T23:00:00"
    assert due("Etc/UTC", now) == [date(2026, 1, n) for n in (1, 2, 3)]
    assert due("Etc/UTC", now, date(2025, 6, 1)) == [date(2026, 1, n) for n in (1, 2, 3)]
    assert due("Etc/UTC", "2025-12-31T23:00:00") == []


def test_what_is_closed_is_not_due() -> None:
    assert due("Etc/UTC", "2026-01-03T23:00:00", date(2026, 1, 3)) == []
    assert due("Etc/UTC", "2026-01-03T23:00:00", date(2026, 2, 3)) == []


@given(
    zone=st.sampled_from(ZONES),
    now=st.datetimes(datetime(2015, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC)),
    missed=st.integers(0, 40),
)
def test_every_day_up_to_the_last_five_o_clock(zone: str, now: datetime, missed: int) -> None:
    local = now.astimezone(ZoneInfo(zone))
    last = local.date() if local.time() >= time(5) else local.date() - timedelta(days=1)
    closed = last - timedelta(days=missed)

    found = due_days(settings(zone, date(2014, 1, 1)), closed, now)

    assert found == [closed + timedelta(days=n) for n in range(1, missed + 1)]
